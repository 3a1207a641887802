/* SPDX-License-Identifier: Apache-2.0 */
/* Names: the DNS that the agent sees, and the one that the gate asks. See gate_world.h. */
#include "gate_world.h"

#include "base/mem.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *unavailable;
static const struct gate_limits usual = {0};

TEST(a_name_is_judged_once)
{
    char four[ADDR_TEXT_MAX], six[ADDR_TEXT_MAX], again[ADDR_TEXT_MAX];
    struct dns_reply r;

    WORLD(&usual);
    CHECK(agent_learn("good.test", DNS_A, four));
    CHECK(strncmp(four, "198.1", 5) == 0);
    CHECK(agent_learn("good.test", DNS_AAAA, six));
    CHECK(strncmp(six, "fd62:656c:6179::", 16) == 0);
    CHECK(agent_learn("good.test", DNS_A, again));
    CHECK_STR(again, four);
    CHECK(judge_quiet(50));
    /* it never went upstream */
    CHECK(!wait_readable(world()->resolver, 50));
    /* other case, same name; over IPv6, and to a server of the agent's own choice */
    AUTO_CLOSE int other = agent_socket(SOCK_DGRAM, "2001:db8::53", 53);
    CHECK(other >= 0 && agent_ask(other, 9, "good.test", DNS_A));
    CHECK(agent_reply(other, 9, "good.test", DNS_A, &r));
    CHECK_INT(r.naddrs, 1);
    CHECK(judge_quiet(50));
}

TEST(a_refused_name_fails_at_once_and_says_why)
{
    uint8_t p[DNS_UDP_MAX];
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "bad.test", DNS_A));
    CHECK(judge_asked(VERB_RESOLVE, "bad.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no rule permits it"));
    CHECK(wait_readable(sock, WORLD_WAIT_MS));
    ssize_t n = recv(sock, p, sizeof(p), 0);
    CHECK(n > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    CHECK(memmem(p, (size_t)n, "belay: rule-7: no rule permits it", 33) != NULL);
    /* the verdict is kept */
    CHECK(agent_ask(sock, 2, "bad.test", DNS_AAAA));
    CHECK(agent_reply(sock, 2, "bad.test", DNS_AAAA, &r));
    CHECK_INT(r.rcode, DNS_NXDOMAIN);
    CHECK(judge_quiet(50));
    CHECK(!wait_readable(world()->resolver, 50));
}

TEST(no_ipv6_addresses_where_there_is_no_ipv6)
{
    struct dns_reply r;
    int six;

    if (unavailable != NULL)
        SKIP(unavailable);
    six = world()->config.tcp6;
    world()->config.tcp6 = -1;
    bool up = world_gate(&usual);
    world()->config.tcp6 = six;
    CHECK(up);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "good.test", DNS_AAAA));
    CHECK(judge_allows(VERB_RESOLVE, "good.test", -1, NULL));
    CHECK(agent_reply(sock, 1, "good.test", DNS_AAAA, &r) && r.rcode == 0 && r.naddrs == 0);
    CHECK(agent_ask(sock, 2, "good.test", DNS_A));
    CHECK(agent_reply(sock, 2, "good.test", DNS_A, &r) && r.naddrs == 1);
}

TEST(freeze_and_kill_are_refusals)
{
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "a.test", DNS_A) && judge_asked(VERB_RESOLVE, "a.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_FREEZE, "stop"));
    CHECK(agent_reply(sock, 1, "a.test", DNS_A, &r) && r.rcode == DNS_NXDOMAIN);
    CHECK(agent_ask(sock, 2, "b.test", DNS_A) && judge_asked(VERB_RESOLVE, "b.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_KILL, "stop"));
    CHECK(agent_reply(sock, 2, "b.test", DNS_A, &r) && r.rcode == DNS_NXDOMAIN);
}

TEST(local_answers)
{
    char text[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];
    uint8_t p[DNS_UDP_MAX];
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "x.localhost", DNS_A));
    CHECK(agent_reply(sock, 1, "x.localhost", DNS_A, &r) && r.naddrs == 1);
    addr_text(&r.addrs[0], text);
    CHECK_STR(text, "127.0.0.1");
    /* the name of an address of ours, and of one that is not */
    CHECK(agent_learn("good.test", DNS_A, address));
    unsigned a, b, c, d;
    CHECK(sscanf(address, "%u.%u.%u.%u", &a, &b, &c, &d) == 4);
    AUTO_FREE char *reverse = xasprintf("%u.%u.%u.%u.in-addr.arpa", d, c, b, a);
    CHECK(agent_ask(sock, 2, reverse, DNS_PTR) && wait_readable(sock, WORLD_WAIT_MS));
    ssize_t n = recv(sock, p, sizeof(p), 0);
    CHECK(n > 0 && memmem(p, (size_t)n, "\4good\4test\0", 11) != NULL);
    CHECK(agent_ask(sock, 3, "8.8.8.8.in-addr.arpa", DNS_PTR) &&
          wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    /* other types: the name is judged, the answer is empty */
    CHECK(agent_ask(sock, 4, "good.test", 65) && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == 0 && p[7] == 0);
    CHECK(agent_ask(sock, 5, "data.good.test", 16));
    CHECK(judge_allows(VERB_RESOLVE, "data.good.test", -1, NULL));
    CHECK(wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == 0 && p[7] == 0);
    CHECK(!wait_readable(world()->resolver, 50));
}

TEST(odd_questions_are_counted_not_asked)
{
    static const char odd[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\x0b"
                              "allowed.com\4evil\0\0\1\0\1";
    uint8_t p[DNS_UDP_MAX];
    struct world_note note;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(send(sock, odd, sizeof(odd) - 1, 0) > 0 && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    CHECK(send(sock, odd, sizeof(odd) - 2, 0) > 0 && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_FORMERR);
    CHECK(send(sock, odd, 5, 0) > 0);
    CHECK(judge_note(&note) && str_is(note.kind, "refused"));
    CHECK(world()->in.id == 0 && note.count == 1);
    CHECK(judge_note(&note) && str_is(note.text, "malformed DNS question"));
    CHECK_INT(note.count, 2);
}

TEST(dns_over_tcp)
{
    uint8_t q[4 * DNS_PLAIN_MAX], p[DNS_PLAIN_MAX];
    const struct name name = {9, "good.test"};

    WORLD(&usual);
    AUTO_CLOSE int c = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 53);
    size_t n = dns_question(q + 2, 5, &name, DNS_A);
    q[0] = 0;
    q[1] = (uint8_t)n;
    memcpy(q + n + 2, q, n + 2); /* two questions in one go, and the first byte of a third */
    q[2 * (n + 2)] = 0;
    CHECK(send(c, q, 2 * (n + 2) + 1, 0) > 0);
    CHECK(judge_allows(VERB_RESOLVE, "good.test", -1, NULL));
    for (int i = 0; i < 2; i++) {
        struct dns_reply r;
        CHECK(wait_readable(c, WORLD_WAIT_MS) && recv(c, p, 2, MSG_WAITALL) == 2);
        CHECK(recv(c, p + 2, p[1], MSG_WAITALL) == p[1]);
        CHECK(dns_parse_reply(p + 2, p[1], 5, &name, DNS_A, &r) && r.naddrs == 1);
    }
    CHECK(send(c, q + 1, n + 1, 0) > 0);
    CHECK(wait_readable(c, WORLD_WAIT_MS) && recv(c, p, 2, MSG_WAITALL) == 2);
    /* a length that no question has */
    CHECK(recv(c, p + 2, p[1], MSG_WAITALL) == p[1]);
    CHECK(send(c, "\xff\xff", 2, 0) == 2);
    CHECK(expect_eof(c));
    CHECK(judge_quiet(50));
}

/* A client over TCP that leaves while its question is held, and too many that stay. */
TEST(dns_connections_that_misbehave)
{
    const struct name name = {9, "held.test"};
    struct world_note note;
    int many[70], open_ones = 0;
    uint8_t q[DNS_PLAIN_MAX + 2] = {0};

    WORLD(&usual);
    size_t n = dns_question(q + 2, 5, &name, DNS_A);
    q[1] = (uint8_t)n;
    int c = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 53);
    CHECK(send(c, q, n + 2, 0) > 0 && judge_asked(VERB_RESOLVE, "held.test", -1, NULL));
    close(c);
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no"));
    for (int i = 0; i < 70; i++)
        CHECK((many[i] = agent_socket(SOCK_STREAM, "192.0.2.53", 53)) >= 0);
    for (int i = 0; i < 70; i++)
        open_ones += wait_readable(many[i], 10) ? 0 : 1;
    CHECK_INT(open_ones, 64);
    CHECK(judge_note(&note) && str_is(note.text, "too many DNS connections") && note.count == 6);
    /* the others still get answers */
    CHECK(send(many[0], q, n + 2, 0) > 0 && wait_readable(many[0], WORLD_WAIT_MS));
    for (int i = 0; i < 70; i++)
        close(many[i]);
}

TEST(a_flood_of_names_is_cut)
{
    const struct gate_limits few = {.names_per_second = 5};
    struct world_note note;
    int asked = 0;
    char name[32];

    WORLD(&few);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%d.test", i);
        CHECK(agent_ask(sock, 1, name, DNS_A));
    }
    while (!judge_quiet(300) && judge_next(MSG_ACTION))
        asked++;
    CHECK(asked >= 10 && asked <= 20);
    CHECK(judge_note(&note) || world()->in.type == MSG_NOTE);
}

TEST(lookups_that_fail)
{
    struct world_note note;
    char address[ADDR_TEXT_MAX];
    const struct gate_limits brief = {.lookup_ms = 300};

    WORLD(&brief);
    CHECK(agent_learn("gone.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(resolver_both("gone.test", "!", "!", 0));
    CHECK(expect_reset(a) && judge_note(&note) && str_is(note.text, "no such name"));
    AUTO_CLOSE int b = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(expect_reset(b) && judge_note(&note) && str_is(note.text, "no name server answers"));
    while (wait_readable(world()->resolver, 0)) {
        char p[512];
        CHECK(recv(world()->resolver, p, sizeof(p), 0) > 0);
    }
    /* a server that fails is asked again, then given up */
    AUTO_CLOSE int c = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(resolver_both("gone.test", "servfail", "", 0));
    CHECK(resolver_answers("gone.test", DNS_A, "servfail", 0));
    CHECK(expect_reset(c) && judge_note(&note) && str_is(note.text, "lookup failed"));
}

TEST(truncated_replies_are_asked_for_over_tcp)
{
    uint8_t p[600];
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("big.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 80);
    CHECK(a >= 0 && judge_allows(VERB_CONNECT, "big.test", 80, NULL));
    CHECK(resolver_both("big.test", "tc", "", 0));
    CHECK(wait_readable(world()->resolver_tcp, WORLD_WAIT_MS));
    AUTO_CLOSE int t = accept4(world()->resolver_tcp, NULL, NULL, SOCK_CLOEXEC);
    CHECK(recv(t, p, 2, MSG_WAITALL) == 2);
    size_t n = p[1];
    CHECK(recv(t, p + 2, n, MSG_WAITALL) == (ssize_t)n);
    struct dns_query q;
    CHECK(dns_parse_query(p + 2, n, &q) == DNS_NOERROR && q.type == DNS_A);
    memcpy(p + 4, "\x81\x80\0\1\0\1\0\0\0\0", 10);
    memcpy(p + 2 + q.question_end, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\x4d", 16);
    p[1] = (uint8_t)(q.question_end + 16);
    CHECK(send(t, p, 1, 0) == 1 && send(t, p + 1, p[1] + 1u, 0) > 0);
    CHECK(judge_asked(VERB_CONNECT, "big.test", 80, "127.0.0.77"));
}

TEST(begin)
{
    unavailable = world_open();
    if (unavailable != NULL)
        SKIP(unavailable);
}

TEST(end)
{
    world_close();
}

UNIT_MAIN(UNIT(begin), UNIT(a_name_is_judged_once), UNIT(a_refused_name_fails_at_once_and_says_why),
          UNIT(no_ipv6_addresses_where_there_is_no_ipv6), UNIT(freeze_and_kill_are_refusals),
          UNIT(local_answers), UNIT(odd_questions_are_counted_not_asked), UNIT(dns_over_tcp),
          UNIT(dns_connections_that_misbehave), UNIT(a_flood_of_names_is_cut),
          UNIT(lookups_that_fail), UNIT(truncated_replies_are_asked_for_over_tcp), UNIT(end))
