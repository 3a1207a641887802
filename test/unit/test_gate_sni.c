/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sni.h"

#include "unit.h"

#include <stdint.h>

static uint8_t p[40000];
static struct sni sni;

/* A greeting with these extensions, in records of at most `piece` bytes; extensions NULL: it has
 * none at all. Returns its size. */
static size_t greeting(const char *extensions, size_t n, size_t piece)
{
    static const uint8_t head[] = {3, 3, [34] = 0, 0, 2, 0x13, 1, 1, 0};
    static uint8_t hello[20000];
    size_t size = 4 + sizeof(head), at = 0;

    memcpy(hello + 4, head, sizeof(head));
    if (extensions != NULL) {
        hello[size] = (uint8_t)(n >> 8);
        hello[size + 1] = (uint8_t)n;
        memcpy(hello + size + 2, extensions, n);
        size += 2 + n;
    }
    hello[0] = 1;
    hello[1] = (uint8_t)((size - 4) >> 16);
    hello[2] = (uint8_t)((size - 4) >> 8);
    hello[3] = (uint8_t)(size - 4);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < piece ? size - done : piece;
        const uint8_t record[] = {22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};

        memcpy(p + at, record, sizeof(record));
        memcpy(p + at + sizeof(record), hello + done, part);
        at += sizeof(record) + part;
        done += part;
    }
    return at;
}

#define EXT(text)   (text), sizeof(text) - 1
#define NAME_A_TEST "\0\0\0\x0b\0\x09\0\0\6a.test"
#define ALPN        "\0\x10\0\5\0\3\2h2"

TEST(names)
{
    CHECK_INT(sni_parse(p, greeting(EXT(NAME_A_TEST), 16384), &sni), SNI_OK);
    CHECK(sni.present);
    CHECK_STR(sni.name.s, "a.test");
    CHECK_INT(sni_parse(p, greeting(EXT(ALPN NAME_A_TEST), 16384), &sni), SNI_OK);
    CHECK_STR(sni.name.s, "a.test");
    CHECK_INT(sni_parse(p, greeting(EXT("\0\0\0\x0b\0\x09\0\0\6A.TesT"), 16384), &sni), SNI_OK);
    CHECK_STR(sni.name.s, "a.test");
    CHECK_INT(sni_parse(p, greeting(EXT(ALPN), 16384), &sni), SNI_OK);
    CHECK(!sni.present);
    CHECK_INT(sni_parse(p, greeting(NULL, 0, 16384), &sni), SNI_OK);
    CHECK(!sni.present);
}

TEST(every_split)
{
    for (size_t piece = 1; piece < 60; piece++) {
        size_t n = greeting(EXT(NAME_A_TEST), piece);

        CHECK_INT(sni_parse(p, n, &sni), SNI_OK);
        CHECK_STR(sni.name.s, "a.test");
        for (size_t i = 1; i < n; i++)
            CHECK_INT(sni_parse(p, i, &sni), SNI_MORE);
    }
}

TEST(what_is_not_tls)
{
    CHECK_INT(sni_parse(p, 0, &sni), SNI_NOT_TLS);
    CHECK_INT(sni_parse((const uint8_t *)"GET / HTTP/1.1\r\n", 16, &sni), SNI_NOT_TLS);
    CHECK_INT(sni_parse((const uint8_t *)"SSH-2.0-x\r\n", 11, &sni), SNI_NOT_TLS);
}

TEST(two_readings)
{
    static const struct {
        const char *extensions;
        size_t n;
    } bad[] = {
        {EXT(NAME_A_TEST NAME_A_TEST)},                    /* given twice */
        {EXT("\0\0\0\x14\0\x12\0\0\6a.test\0\0\6b.test")}, /* two names */
        {EXT("\0\0\0\x0b\0\x09\1\0\6a.test")},             /* a name of another kind */
        {EXT("\0\0\0\x0c\0\x09\0\0\6a.testx")},            /* bytes behind the list */
        {EXT("\0\0\0\x0b\0\x09\0\0\7a.test")},             /* longer than the list */
        {EXT("\0\0\0\x0b\0\x09\0\0\5a.test")},             /* shorter than the list */
        {EXT("\0\0\0\0")},                                 /* an answer, not a question */
        {EXT("\0\0\0\5\0\3\0\0\0")},                       /* an empty name */
        {EXT("\0\0\0\x0c\0\x0a\0\0\7a.test.")},            /* a final dot */
        {EXT("\0\0\0\x0b\0\x09\0\0\6a.te\0t")},            /* a zero */
        {EXT("\0\0\0\x0e\0\x0c\0\0\x09"
             "127.0.0.1")},                            /* an address */
        {EXT("\0\0\0\x0b\0\x09\0\0\6a.test\0")},       /* a byte of an extension */
        {EXT("\0\x10\0\5\0\3\2h2\0\x10\0\5\0\3\2h3")}, /* another one twice */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(sni_parse(p, greeting(bad[i].extensions, bad[i].n, 16384), &sni), SNI_BAD);
}

TEST(lengths_that_do_not_fit)
{
    size_t n = greeting(EXT(NAME_A_TEST), 16384);

    p[8]++; /* the message is longer than its fields: more is asked for, and is too much */
    CHECK_INT(sni_parse(p, n, &sni), SNI_MORE);
    p[4]++;
    p[n] = 0;
    CHECK_INT(sni_parse(p, n + 1, &sni), SNI_BAD);
    n = greeting(EXT(NAME_A_TEST), 16384);
    p[8]--;
    CHECK_INT(sni_parse(p, n, &sni), SNI_BAD);
    n = greeting(EXT(NAME_A_TEST), 16384);
    p[5] = 2; /* not a ClientHello */
    CHECK_INT(sni_parse(p, n, &sni), SNI_BAD);
    n = greeting(EXT(NAME_A_TEST), 16384);
    p[1] = 2; /* not a version of TLS */
    CHECK_INT(sni_parse(p, n, &sni), SNI_BAD);
    n = greeting(EXT(NAME_A_TEST), 16384);
    p[6] = 1; /* over 65,000 bytes */
    CHECK_INT(sni_parse(p, n, &sni), SNI_BAD);
    n = greeting(EXT(NAME_A_TEST), 16384);
    p[3] = p[4] = 0; /* an empty record */
    CHECK_INT(sni_parse(p, n, &sni), SNI_BAD);
}

TEST(a_large_greeting)
{
    static char extensions[16000] = "\xff\x01\x3e\x6b"; /* 15,979 bytes of padding */

    memcpy(extensions + 4 + 15979, NAME_A_TEST, sizeof(NAME_A_TEST) - 1);
    size_t n = 4 + 15979 + sizeof(NAME_A_TEST) - 1;

    CHECK_INT(sni_parse(p, greeting(extensions, n, 1000), &sni), SNI_OK);
    CHECK_STR(sni.name.s, "a.test");
}

TEST(what_follows_the_greeting)
{
    size_t n = greeting(EXT(NAME_A_TEST), 16384);

    memcpy(p + n, "\x17\3\3\0\1x", 6); /* early data, RFC 8446, 2.3 */
    CHECK_INT(sni_parse(p, n + 6, &sni), SNI_OK);
}

TEST(objections)
{
    CHECK_INT(sni_parse(p, greeting(EXT(NAME_A_TEST), 16384), &sni), SNI_OK);
    CHECK(sni_objection(&sni, STR("a.test"), true, 443) == NULL);
    CHECK(sni_objection(&sni, STR("b.test"), true, 443) != NULL);
    CHECK(sni_objection(&sni, STR("test"), true, 443) != NULL);
    CHECK(sni_objection(&sni, STR("192.0.2.1"), false, 443) != NULL);
    sni.present = false;
    CHECK(sni_objection(&sni, STR("a.test"), true, 443) != NULL);
    CHECK(sni_objection(&sni, STR("a.test"), true, 993) == NULL);
    CHECK(sni_objection(&sni, STR("192.0.2.1"), false, 443) == NULL);
}

UNIT_MAIN(UNIT(names), UNIT(every_split), UNIT(what_is_not_tls), UNIT(two_readings),
          UNIT(lengths_that_do_not_fit), UNIT(a_large_greeting), UNIT(what_follows_the_greeting),
          UNIT(objections))
