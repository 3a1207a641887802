/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dns.h"

#include "unit.h"

#include <stdlib.h>

static uint8_t out[DNS_PLAIN_MAX];
static struct dns_query q;

static int parse(struct str s)
{
    return dns_parse_query((const uint8_t *)s.p, s.n, &q);
}

#define HEAD(flags, counts) "\x12\x34" flags counts
#define ONE                 "\0\1\0\0\0\0\0\0"
#define ONE_1               "\0\1\0\0\0\0\0\1"
#define RD                  "\1\0"
#define EXAMPLE             "\7eXample\3com\0"
#define A_IN                "\0\1\0\1"
#define OPT                 "\0\0\x29\4\xd0\0\0\0\0\0\0"

TEST(plain_question)
{
    CHECK_INT(parse(STR(HEAD(RD, ONE) EXAMPLE A_IN)), DNS_NOERROR);
    CHECK_INT(q.id, 0x1234);
    CHECK_INT(q.type, DNS_A);
    CHECK(q.name_ok && q.recurse && !q.edns);
    CHECK_STR(q.name.s, "example.com");
    CHECK_INT(q.udp_max, DNS_PLAIN_MAX);
}

TEST(question_with_edns)
{
    CHECK_INT(parse(STR(HEAD(RD, ONE_1) EXAMPLE A_IN OPT)), DNS_NOERROR);
    CHECK(q.edns);
    CHECK_INT(q.udp_max, 1232);
    /* options are skipped, and must fit */
    CHECK_INT(parse(STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0a\0\2zz")),
              DNS_NOERROR);
    CHECK_INT(parse(STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0a\0\3zz")),
              DNS_FORMERR);
    CHECK_INT(parse(STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\0\0\x29\4\xd0\0\1\0\0\0\0")), DNS_BADVERS);
}

TEST(malformed_questions)
{
    const struct {
        struct str bytes;
        int rcode;
    } cases[] = {
        {STR(""), -1},
        {STR("\x12\x34\1\0\0\1\0\0\0\0\0"), -1},             /* short header */
        {STR(HEAD("\x81\x80", ONE) EXAMPLE A_IN), -1},       /* a reply */
        {STR(HEAD("\x28\0", ONE) EXAMPLE A_IN), DNS_NOTIMP}, /* an update */
        {STR(HEAD(RD, "\0\0\0\0\0\0\0\0")), DNS_FORMERR},    /* no question */
        {STR(HEAD(RD, "\0\2\0\0\0\0\0\0") EXAMPLE A_IN EXAMPLE A_IN), DNS_FORMERR},
        {STR(HEAD(RD, "\0\1\0\1\0\0\0\0") EXAMPLE A_IN), DNS_FORMERR}, /* an answer in it */
        {STR(HEAD(RD, ONE) "\7exam"), DNS_FORMERR},                    /* name cut off */
        {STR(HEAD(RD, ONE) "\3com"), DNS_FORMERR},                     /* no end of the name */
        {STR(HEAD(RD, ONE) "\xc0\x0c" A_IN), DNS_FORMERR},             /* a pointer to itself */
        {STR(HEAD(RD, ONE) "\1a\xc0\x0c" A_IN), DNS_FORMERR},          /* a loop */
        {STR(HEAD(RD, ONE) "\x40" EXAMPLE A_IN), DNS_FORMERR},         /* a reserved label type */
        {STR(HEAD(RD, ONE) "\x80" EXAMPLE A_IN), DNS_FORMERR},
        {STR(HEAD(RD, ONE) EXAMPLE "\0\1\0"), DNS_FORMERR}, /* class cut off */
        {STR(HEAD(RD, ONE) EXAMPLE A_IN "x"), DNS_FORMERR}, /* bytes behind it */
        {STR(HEAD(RD, ONE_1) EXAMPLE A_IN), DNS_FORMERR},   /* announced OPT missing */
        {STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\0\0\1\0\1\0\0\0\0\0\0"), DNS_FORMERR}, /* not OPT */
        {STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\1a\0\0\x29\4\xd0\0\0\0\0\0\0"), DNS_FORMERR},
        {STR(HEAD(RD, ONE) EXAMPLE "\0\1\0\3"), DNS_REFUSED},   /* class CHAOS */
        {STR(HEAD(RD, ONE) EXAMPLE "\0\xfc\0\1"), DNS_REFUSED}, /* zone transfer */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(parse(cases[i].bytes), cases[i].rcode);
}

/* Well-formed on the wire, but no host name: a dot, a zero, a blank inside a label. */
TEST(odd_names)
{
    CHECK_INT(parse(STR(HEAD(RD, ONE) "\x0b"
                                      "allowed.com\4evil\0" A_IN)),
              DNS_NOERROR);
    CHECK(!q.name_ok);
    CHECK_INT(parse(STR(HEAD(RD, ONE) "\4a\0bc\3com\0" A_IN)), DNS_NOERROR);
    CHECK(!q.name_ok);
    CHECK_INT(parse(STR(HEAD(RD, ONE) "\3a c\0" A_IN)), DNS_NOERROR);
    CHECK(!q.name_ok);
    CHECK_INT(parse(STR(HEAD(RD, ONE) "\0" A_IN)), DNS_NOERROR); /* the root */
    CHECK(!q.name_ok);
    CHECK_INT(parse(STR(HEAD(RD, ONE) "\3"
                                      "127\1"
                                      "1\0" A_IN)),
              DNS_NOERROR);
    CHECK(!q.name_ok);
}

TEST(longest_name)
{
    uint8_t p[400] = "\x12\x34\1\0\0\1\0\0\0\0\0\0";
    size_t n = 12;

    for (int i = 0; i < 4; i++) {
        size_t label = i < 3 ? 63 : 61;

        p[n++] = (uint8_t)label;
        memset(p + n, 'a', label);
        n += label;
    }
    p[n++] = 0;
    memcpy(p + n, A_IN, 4);
    CHECK_INT(n - 12, 255);
    CHECK_INT(dns_parse_query(p, n + 4, &q), DNS_NOERROR);
    CHECK(q.name_ok);
    CHECK_INT(q.name.n, 253);
    /* one byte more */
    p[12 + 3 * 64] = 62;
    p[n - 1] = 'a';
    p[n] = 0;
    memcpy(p + n + 1, A_IN, 4);
    CHECK_INT(dns_parse_query(p, n + 5, &q), DNS_FORMERR);
}

TEST(answers)
{
    const struct str query = STR(HEAD(RD, ONE) EXAMPLE A_IN);
    struct dns_answer a = {
        .rcode = DNS_NOERROR, .ttl = 30, .naddrs = 1, .addr = {4, {198, 18, 1, 2}}};
    struct dns_reply r;

    CHECK_INT(parse(query), DNS_NOERROR);
    size_t n = dns_answer(out, (const uint8_t *)query.p, &q, &a);

    CHECK(memcmp(out + 12, "\7eXample", 8) == 0); /* the asker's own letters come back */
    CHECK(dns_parse_reply(out, n, 0x1234, &q.name, DNS_A, &r));
    CHECK_INT(r.naddrs, 1);
    CHECK_INT(r.ttl, 30);
    CHECK(addr_eq(&r.addrs[0], &a.addr));
    CHECK(!dns_parse_reply(out, n, 0x1235, &q.name, DNS_A, &r));
    CHECK(!dns_parse_reply(out, n, 0x1234, &q.name, DNS_AAAA, &r));
    CHECK(!dns_parse_reply(out, n - 1, 0x1234, &q.name, DNS_A, &r));
}

TEST(refusal_with_reason)
{
    const struct str query = STR(HEAD(RD, ONE_1) EXAMPLE A_IN OPT);
    char text[600];
    struct dns_answer a = {
        .rcode = DNS_NXDOMAIN, .ede = DNS_EDE_BLOCKED, .ede_text = STR("no rule")};
    struct dns_reply r;

    CHECK_INT(parse(query), DNS_NOERROR);
    size_t n = dns_answer(out, (const uint8_t *)query.p, &q, &a);

    CHECK(memcmp(out + n - 13, "\0\x0f\0\x09\0\x0fno rule", 13) == 0);
    CHECK(dns_parse_reply(out, n, 0x1234, &q.name, DNS_A, &r));
    CHECK_INT(r.rcode, DNS_NXDOMAIN);
    /* however long the reason, it fits */
    memset(text, 'x', sizeof(text));
    a.ede_text = (struct str){text, sizeof(text)};
    CHECK_INT(dns_answer(out, (const uint8_t *)query.p, &q, &a), DNS_PLAIN_MAX);
    /* without EDNS there is no place for it */
    CHECK_INT(parse(STR(HEAD(RD, ONE) EXAMPLE A_IN)), DNS_NOERROR);
    CHECK_INT(dns_answer(out, (const uint8_t *)query.p, &q, &a), 12 + 13 + 4);
}

TEST(badvers_has_its_upper_bits_in_opt)
{
    const struct str query = STR(HEAD(RD, ONE_1) EXAMPLE A_IN "\0\0\x29\4\xd0\0\1\0\0\0\0");

    CHECK_INT(parse(query), DNS_BADVERS);
    size_t n =
        dns_answer(out, (const uint8_t *)query.p, &q, &(struct dns_answer){.rcode = DNS_BADVERS});

    CHECK_INT(out[3] & 0xf, 0);
    CHECK_INT(out[n - 11 + 5], 1);
}

#define REPLY(counts)                    \
    "\0\7\x81\x80\0\1" counts "\0\0\0\0" \
    "\1a\2bc\0" A_IN
#define AT_A "\xc0\x0c" A_IN "\0\0\0\x3c\0\4"

static struct dns_reply r;

static bool reply(struct str s)
{
    static const struct name name = {4, "a.bc"};

    return dns_parse_reply((const uint8_t *)s.p, s.n, 7, &name, DNS_A, &r);
}

TEST(replies)
{
    CHECK(reply(STR(REPLY("\0\2") AT_A "\1\2\3\4" AT_A "\5\6\7\x8")));
    CHECK_INT(r.naddrs, 2);
    CHECK_INT(r.ttl, 60);
    /* an alias, in either order; what belongs to other names is passed over */
    CHECK(reply(STR(REPLY("\0\2") "\xc0\x0c\0\5\0\1\0\0\0\x09\0\4\1x\xc0\x0e"
                                  "\1x\xc0\x0e" A_IN "\0\0\0\x3c\0\4\1\1\1\1")));
    CHECK_INT(r.naddrs, 1);
    CHECK_INT(r.ttl, 9);
    CHECK(reply(STR(REPLY("\0\2") "\1x\xc0\x0e" A_IN "\0\0\0\x3c\0\4\1\1\1\1"
                                  "\xc0\x0c\0\5\0\1\0\0\0\x09\0\4\1x\xc0\x0e")));
    CHECK_INT(r.naddrs, 1);
    CHECK(reply(STR(REPLY("\0\1") "\1x\xc0\x0e" A_IN "\0\0\0\x3c\0\4\1\1\1\1")));
    CHECK_INT(r.naddrs, 0);
    CHECK(reply(STR("\0\7\x83\x80\0\1\0\0\0\0\0\0\1a\2bc\0" A_IN)));
    CHECK(r.truncated);
    CHECK(reply(STR("\0\7\x81\x83\0\1\0\0\0\0\0\0\1a\2bc\0" A_IN)));
    CHECK_INT(r.rcode, DNS_NXDOMAIN);
}

TEST(hostile_replies)
{
    const struct str bad[] = {
        STR(""),
        STR(REPLY("\0\1") "\xc0\x16" A_IN "\0\0\0\x3c\0\4\1\1\1\1"), /* points to itself */
        STR(REPLY("\0\1") "\xc0\x30" A_IN "\0\0\0\x3c\0\4\1\1\1\1"), /* forward */
        STR(REPLY("\0\1") "\xc0\x02" A_IN "\0\0\0\x3c\0\4\1\1\1\1"), /* into the header */
        STR(REPLY("\0\1") "\xc0\x0c" A_IN "\0\0\0\x3c\0\3\1\1\1"),   /* an address of 3 bytes */
        STR(REPLY("\0\1") "\xc0\x0c" A_IN "\0\0\0\x3c\0\5\1\1\1\1"), /* data cut off */
        STR(REPLY("\0\2") AT_A "\1\2\3\4"),                          /* a record missing */
        STR(REPLY("\xff\xff") AT_A "\1\2\3\4"),
        STR(REPLY("\0\1") "\xc0\x0c\0\5\0\1\0\0\0\x09\0\2\xc0\x0c"), /* an alias of itself */
        STR("\0\7\1\0\0\1\0\0\0\0\0\0\1a\2bc\0" A_IN),               /* a question */
        STR("\0\7\x81\x80\0\1\0\0\0\0\0\0\1b\2bc\0" A_IN),           /* about another name */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!reply(bad[i]));
}

TEST(our_question_is_well_formed)
{
    static const struct name name = {11, "example.com"};
    size_t n = dns_question(out, 99, &name, DNS_AAAA);

    CHECK_INT(dns_parse_query(out, n, &q), DNS_NOERROR);
    CHECK(q.edns && q.name_ok && name_eq(&q.name, &name));
    CHECK_INT(q.type, DNS_AAAA);
    CHECK_INT(q.udp_max, DNS_UDP_MAX);
}

UNIT_MAIN(UNIT(plain_question), UNIT(question_with_edns), UNIT(malformed_questions),
          UNIT(odd_names), UNIT(longest_name), UNIT(answers), UNIT(refusal_with_reason),
          UNIT(badvers_has_its_upper_bits_in_opt), UNIT(replies), UNIT(hostile_replies),
          UNIT(our_question_is_well_formed))
