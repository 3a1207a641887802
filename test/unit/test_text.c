/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/mem.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>

static bool safe_is(struct str s, size_t max, const char *want)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 4096);
    buf_add_safe(&b, s, max);
    bool same = strcmp(buf_cstr(&b), want) == 0;
    if (!same)
        printf("# got %s, want %s\n", buf_cstr(&b), want);
    return same;
}

TEST(views)
{
    CHECK(str_eq(str_of(NULL), STR("")));
    CHECK(str_is(STR("ab"), "ab") && !str_is(STR("ab"), "a") && !str_is(STR("a\0b"), "a"));
    CHECK(str_starts(STR("abc"), "ab") && !str_starts(STR("a"), "ab") && str_starts(STR(""), ""));
}

TEST(buf_stops_at_its_limit)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 10);
    CHECK_STR(buf_cstr(&b), "");
    buf_puts(&b, "12345");
    buf_puts(&b, "67890");
    CHECK(!b.full);
    buf_puts(&b, "x");
    CHECK(b.full);
    buf_puts(&b, "");
    CHECK_STR(buf_cstr(&b), "1234567890");
    buf_clear(&b);
    buf_printf(&b, "%d", 42);
    CHECK(!b.full);
    CHECK_STR(buf_cstr(&b), "42");
    buf_add(&b, "x", SIZE_MAX); /* the sum wraps round: refused before anything is read */
    CHECK(b.full);
    CHECK_INT(b.n, 2);
    buf_clear(&b);
    buf_reserve(&b, 10);
    CHECK(!b.full);
    CHECK_INT(b.n, 0);
    buf_reserve(&b, 11);
    CHECK(b.full);
}

TEST(buf_grows)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_puts(&b, "ab");
    CHECK_INT(b.n, 200000);
    CHECK_INT(strlen(buf_cstr(&b)), 200000);
}

TEST(utf8_follows_rfc_3629)
{
    static const struct {
        const char *bytes;
        size_t n, len;
        uint32_t c;
    } cases[] = {
        {"a", 1, 1, 'a'},
        {"\0", 1, 1, 0},
        {"\xc3\xa9", 2, 2, 0xe9},
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\xed\x9f\xbf", 3, 3, 0xd7ff},
        {"\xc0\x80", 2, 0, 0}, /* overlong */
        {"\xc1\xbf", 2, 0, 0},
        {"\xe0\x80\xaf", 3, 0, 0}, /* overlong '/' */
        {"\xe0\x9f\xbf", 3, 0, 0},
        {"\xf0\x80\x80\x80", 4, 0, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0, 0},
        {"\xed\xa0\x80", 3, 0, 0}, /* surrogate */
        {"\xed\xbf\xbf", 3, 0, 0},
        {"\xf4\x90\x80\x80", 4, 0, 0}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 4, 0, 0},
        {"\xff", 1, 0, 0},
        {"\x80", 1, 0, 0}, /* continuation alone */
        {"\xc3", 1, 0, 0}, /* cut */
        {"\xe2\x82", 2, 0, 0},
        {"\xf0\x9f\x98", 3, 0, 0},
        {"\xc3\x28", 2, 0, 0},
        {"", 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t c = 0;

        CHECK_INT(utf8_len(cases[i].bytes, cases[i].n, &c), cases[i].len);
        CHECK(cases[i].len == 0 || c == cases[i].c);
    }
}

TEST(terminal_text_is_safe)
{
    CHECK(safe_is(STR("plain"), 100, "plain"));
    CHECK(safe_is(STR("\x1b[2J\r\n\t\x7f"), 100, "\\x1b[2J\\x0d\\x0a\\x09\\x7f"));
    CHECK(safe_is(STR("a\0b"), 100, "a\\x00b"));
    CHECK(safe_is(STR("caf\xc3\xa9 \xe6\x97\xa5"), 100, "caf\xc3\xa9 \xe6\x97\xa5"));
    CHECK(safe_is(STR("\xff\xc3"), 100, "\\xff\\xc3"));
    CHECK(safe_is(STR("\xc2\x9b"), 100, "\\xc2\\x9b"));          /* C1 CSI */
    CHECK(safe_is(STR("\xe2\x80\xae"), 100, "\\xe2\\x80\\xae")); /* RLO */
    CHECK(safe_is(STR("\xe2\x81\xa6"), 100, "\\xe2\\x81\\xa6")); /* LRI */
    CHECK(safe_is(STR("\xe2\x80\x8b"), 100, "\\xe2\\x80\\x8b")); /* zero width */
    CHECK(safe_is(STR("\xe3\x85\xa4"), 100, "\\xe3\\x85\\xa4")); /* Hangul filler */
    CHECK(safe_is(STR("\xef\xbb\xbf"), 100, "\\xef\\xbb\\xbf"));
    CHECK(safe_is(STR("\xf3\xa0\x81\x81"), 100, "\\xf3\\xa0\\x81\\x81")); /* tag */
}

TEST(terminal_text_is_bounded)
{
    CHECK(safe_is(STR("12345"), 5, "12345")); /* what fits is not cut */
    CHECK(safe_is(STR("123456"), 5, "12345..."));
    CHECK(safe_is(STR("abc\xc3\xa9"), 4, "abc...")); /* no half characters */
    CHECK(safe_is(STR("abc\x1b"), 6, "abc..."));     /* no half escapes */
    CHECK(safe_is(STR("\xf3\xa0\x81\x81"), 15, "..."));
    CHECK(safe_is(STR("x"), 0, "..."));
    CHECK(safe_is(STR(""), 0, ""));
    CHECK(safe_is(STR("x"), SIZE_MAX, "x"));
}

TEST(every_byte_makes_printable_text)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 1 << 20);
    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 256; k++) {
            char pair[2] = {(char)i, (char)k};

            buf_clear(&b);
            buf_add_safe(&b, (struct str){pair, 2}, 64);
            for (size_t n = 0; n < b.n; n++)
                CHECK((unsigned char)b.p[n] >= 0x20 && b.p[n] != 0x7f);
        }
}

static json_t *round_trip(struct str s)
{
    AUTO_BUF struct buf b = {0};
    struct json j;
    json_error_t e;

    buf_init(&b, 1 << 16);
    json_start(&j, &b);
    json_obj(&j, NULL);
    json_str(&j, "s", s);
    json_obj_end(&j);
    return json_loadb(b.p, b.n, JSON_ALLOW_NUL, &e);
}

TEST(json_strings_round_trip)
{
    static const char all[] = "\"\\/\b\f\n\r\t\x01\x1f\x7f caf\xc3\xa9 \xf0\x9f\x98\x80\0end";
    struct str s = {all, sizeof(all) - 1};
    json_t *j = round_trip(s), *v = json_object_get(j, "s");

    CHECK(json_is_string(v));
    CHECK(str_eq((struct str){json_string_value(v), json_string_length(v)}, s));
    json_decref(j);
    j = round_trip((struct str){NULL, 0});
    CHECK_STR(json_string_value(json_object_get(j, "s")), "");
    json_decref(j);
}

TEST(json_is_valid_for_any_bytes)
{
    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 256; k++) {
            char three[3] = {(char)i, (char)k, '"'};
            json_t *j = round_trip((struct str){three, 3});

            CHECK(j != NULL);
            json_decref(j);
        }
    json_t *j = round_trip(STR("a\xff\xfe"));
    CHECK_STR(json_string_value(json_object_get(j, "s")), "a\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(j);
}

TEST(json_places_commas)
{
    AUTO_BUF struct buf b = {0};
    struct json j;

    buf_init(&b, 1000);
    json_start(&j, &b);
    json_obj(&j, NULL);
    json_int(&j, "min", INT64_MIN);
    json_bool(&j, "t", true);
    json_none(&j, "n");
    json_arr(&j, "a");
    json_obj(&j, NULL);
    json_obj_end(&j);
    json_cstr(&j, NULL, "x");
    json_arr_end(&j);
    json_arr(&j, "e");
    json_arr_end(&j);
    json_cstr(&j, "k\"", NULL);
    json_obj_end(&j);
    CHECK_STR(buf_cstr(&b), "{\"min\":-9223372036854775808,\"t\":true,\"n\":null,"
                            "\"a\":[{},\"x\"],\"e\":[],\"k\\\"\":\"\"}");
}

UNIT_MAIN(UNIT(views), UNIT(buf_stops_at_its_limit), UNIT(buf_grows), UNIT(utf8_follows_rfc_3629),
          UNIT(terminal_text_is_safe), UNIT(terminal_text_is_bounded),
          UNIT(every_byte_makes_printable_text), UNIT(json_strings_round_trip),
          UNIT(json_is_valid_for_any_bytes), UNIT(json_places_commas))
