/* SPDX-License-Identifier: Apache-2.0 */
/* Extension types, strings, patterns: reading, printing, ranges. */
#include "unit.h"

#include "ext.h"
#include "text.h"

#include <inttypes.h>

typedef bool read_fn(struct cedar_str s, int64_t *out);
typedef void print_fn(struct cedar_buf *buf, int64_t n);

struct number {
    const char *text;
    bool ok;
    int64_t value;
};

/* The first that is read wrong, or NULL. */
static const char *first_wrong(read_fn *read, const struct number *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = 0;
        bool ok = read(cedar_str(list[i].text), &value);

        if (ok != list[i].ok || (ok && value != list[i].value))
            return list[i].text;
    }
    return NULL;
}

#define CHECK_ALL(read, list)                                                               \
    do {                                                                                    \
        const char *wrong_ = first_wrong((read), (list), sizeof(list) / sizeof((list)[0])); \
        CHECK_STR(wrong_ != NULL ? wrong_ : "none", "none");                                \
    } while (0)

/* What is printed of n is read as n again. */
static bool comes_back(read_fn *read, print_fn *print, int64_t n)
{
    char text[64];
    struct cedar_buf buf = {text, sizeof(text), 0};
    int64_t again = 0;

    print(&buf, n);
    cedar_buf_end(&buf);
    return read(cedar_str(text), &again) && again == n;
}

TEST(decimals)
{
    static const struct number list[] = {
        {"0.0", true, 0},
        {"1.5", true, 15000},
        {"-1.5", true, -15000},
        {"-0.0001", true, -1},
        {"00012.3400", true, 123400},
        {"922337203685477.5807", true, INT64_MAX},
        {"-922337203685477.5808", true, INT64_MIN},
        {"922337203685477.5808", false, 0},
        {"-922337203685477.5809", false, 0},
        {"9999999999999999999999.0", false, 0},
        {"1", false, 0},
        {"1.", false, 0},
        {".5", false, 0},
        {"-.5", false, 0},
        {"1.23456", false, 0},
        {"+1.0", false, 0},
        {"1.0 ", false, 0},
        {"--1.0", false, 0},
        {"", false, 0},
        {"-", false, 0},
    };
    static const int64_t values[] = {0, 1, -1, 9999, 10000, -10001, INT64_MAX, INT64_MIN};

    CHECK_ALL(cedar_decimal_read, list);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        CHECK(comes_back(cedar_decimal_read, cedar_decimal_print, values[i]));
}

TEST(durations)
{
    static const struct number list[] = {
        {"0ms", true, 0},
        {"1d2h3m4s5ms", true, 93784005},
        {"-1d", true, -86400000},
        {"1d5ms", true, 86400005},
        {"9223372036854775807ms", true, INT64_MAX},
        {"-9223372036854775808ms", true, INT64_MIN},
        {"9223372036854775808ms", false, 0},
        {"106751991168d", false, 0},
        {"106751991167d26h", false, 0},
        {"1h1d", false, 0},
        {"1d1d", false, 0},
        {"1", false, 0},
        {"d", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1d", false, 0},
        {"1d-1h", false, 0},
        {"1.5h", false, 0},
        {"1 d", false, 0},
        {"1D", false, 0},
        {"99999999999999999999d", false, 0},
    };
    static const int64_t values[] = {0, 1, -1, 86400000, INT64_MAX, INT64_MIN};

    CHECK_ALL(cedar_duration_read, list);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        CHECK(comes_back(cedar_duration_read, cedar_duration_print, values[i]));
}

TEST(datetimes)
{
    static const struct number list[] = {
        {"1970-01-01", true, 0},
        {"1970-01-02", true, 86400000},
        {"1969-12-31", true, -86400000},
        {"2024-02-29", true, 1709164800000},
        {"2023-02-29", false, 0},
        {"1900-02-29", false, 0},
        {"2000-02-29", true, 951782400000},
        {"0000-01-01", true, -62167219200000},
        {"9999-12-31T23:59:59.999Z", true, 253402300799999},
        {"2024-10-15T11:38:02Z", true, 1728992282000},
        {"2024-10-15T11:38:02.101Z", true, 1728992282101},
        {"2024-10-15T11:38:02.101-1134", true, 1729033922101},
        {"2024-10-15T11:38:02+0130", true, 1728986882000},
        {"2024-10-15T11:38:60Z", false, 0},
        {"2024-10-15T24:00:00Z", false, 0},
        {"2024-10-15T11:60:00Z", false, 0},
        {"2024-10-15T11:38:02", false, 0},
        {"2024-10-15T11:38:02.1Z", false, 0},
        {"2024-10-15T11:38:02+2400", false, 0},
        {"2024-10-15T11:38:02+0060", false, 0},
        {"2024-10-15T11:38:02+01:30", false, 0},
        {"2024-10-15t11:38:02Z", false, 0},
        {"2024-13-01", false, 0},
        {"2024-00-01", false, 0},
        {"2024-01-00", false, 0},
        {"2024-1-1", false, 0},
        {"24-01-01", false, 0},
        {"-2024-01-01", false, 0},
        {"2024-10-15Z", false, 0},
        {"2024-10-15 ", false, 0},
        {"", false, 0},
    };
    static const int64_t values[] = {0, 1, -1, 1709164800000, -62167219200000, 253402300799999};
    int64_t date;

    CHECK_ALL(cedar_datetime_read, list);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        CHECK(comes_back(cedar_datetime_read, cedar_datetime_print, values[i]));
    CHECK(cedar_datetime_date(-1, &date) && date == -86400000);
    CHECK(cedar_datetime_date(86400001, &date) && date == 86400000);
    CHECK(!cedar_datetime_date(INT64_MIN, &date));
    CHECK_INT(cedar_datetime_time(-1), 86399999);
    CHECK_INT(cedar_datetime_time(-86400000), 0);
}

TEST(addresses)
{
    static const char *const good[] = {
        "1.2.3.4",  "0.0.0.0/0",       "255.255.255.255/32", "::", "::1/128", "1:2:3::/48",
        "::ffff:1", "a:B:c:D:e:F:0:1", "1::2:3:4:5:6:7",
    };
    static const char *const bad[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4/",
        "1.2.3.4/33",
        "1.2.3.4/08",
        "1.2.3.4/-1",
        "::ffff:1.2.3.4",
        ":::",
        "1:2",
        "1::2::3",
        "12345::",
        "::/129",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7::8",
        "g::",
        "1.2.3.4 ",
        "/8",
        "1.2.3.4/8/8",
    };
    struct cedar_ip ip, again;
    char text[80];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cedar_buf buf = {text, sizeof(text), 0};

        CHECK(cedar_ip_read(cedar_str(good[i]), &ip));
        cedar_ip_print(&buf, &ip);
        cedar_buf_end(&buf);
        CHECK(cedar_ip_read(cedar_str(text), &again) && cedar_ip_eq(&ip, &again));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_STR(cedar_ip_read(cedar_str(bad[i]), &ip) ? bad[i] : "refused", "refused");
}

static bool in_range(const char *a, const char *b)
{
    struct cedar_ip x, y;

    return cedar_ip_read(cedar_str(a), &x) && cedar_ip_read(cedar_str(b), &y) &&
           cedar_ip_in_range(&x, &y);
}

TEST(ranges)
{
    struct cedar_ip ip;

    CHECK(in_range("10.1.2.3", "10.0.0.0/8"));
    CHECK(in_range("10.1.2.3/9", "10.255.0.0/8"));
    CHECK(!in_range("10.1.2.3/7", "10.0.0.0/8"));
    CHECK(in_range("1.2.3.4", "0.0.0.0/0"));
    CHECK(!in_range("11.0.0.0", "10.0.0.0/8"));
    CHECK(in_range("172.31.0.1", "172.16.0.0/12") && !in_range("172.32.0.1", "172.16.0.0/12"));
    CHECK(!in_range("::1", "0.0.0.0/0"));
    CHECK(in_range("2001:db8::1", "2001:db8::/33") &&
          !in_range("2001:db8:8000::1", "2001:db8::/33"));
    CHECK(cedar_ip_read(CEDAR_STR("127.9.9.9"), &ip) && cedar_ip_is_loopback(&ip));
    CHECK(cedar_ip_read(CEDAR_STR("127.0.0.1/7"), &ip) && !cedar_ip_is_loopback(&ip));
    CHECK(cedar_ip_read(CEDAR_STR("239.1.1.1"), &ip) && cedar_ip_is_multicast(&ip));
    CHECK(cedar_ip_read(CEDAR_STR("ff02::1"), &ip) && cedar_ip_is_multicast(&ip));
    CHECK(cedar_ip_read(CEDAR_STR("::2"), &ip) && !cedar_ip_is_loopback(&ip));
}

static bool matches(const char *pattern, const char *s)
{
    struct cedar_arena arena;
    struct cedar_pattern p;
    bool ok;

    cedar_arena_init(&arena, NULL);
    ok = cedar_unescape_pattern(&arena, cedar_str(pattern),
                                (struct cedar_span){0, (uint32_t)strlen(pattern)}, &p,
                                NULL) == CEDAR_OK &&
         cedar_pattern_match(&p, cedar_str(s));
    cedar_arena_free(&arena);
    return ok;
}

TEST(patterns)
{
    CHECK(matches("", "") && !matches("", "a"));
    CHECK(matches("*", "") && matches("*", "abc") && matches("**", "abc"));
    CHECK(matches("a*", "a") && matches("a*", "ab") && !matches("a*", "ba"));
    CHECK(matches("*a", "ba") && !matches("*a", "ab"));
    CHECK(matches("a*b*c", "a-b-b-c") && !matches("a*b*c", "a-c-b"));
    CHECK(!matches("ab*ba", "aba"));
    CHECK(matches("*ab*ab*", "ababab") && !matches("*abc*abc*", "abcab"));
    CHECK(matches("a\\*b", "a*b") && !matches("a\\*b", "axb"));
    CHECK(matches("*\\u{41}*", "xAx") && matches("\\x2a", "*") && matches("\\u{2a}b", "ab"));
}

/* A pattern of many wildcards over a long string that nearly matches: no backtracking. */
TEST(patterns_are_linear)
{
    static char s[200001], pattern[4001];

    memset(s, 'a', sizeof(s) - 1);
    for (size_t i = 0; i + 1 < sizeof(pattern); i += 2)
        memcpy(pattern + i, "a*", 2);
    memcpy(pattern + sizeof(pattern) - 2, "b", 2);
    CHECK(!matches(pattern, s));
}

static bool unescapes(const char *text, const char *want, size_t n)
{
    struct cedar_arena arena;
    struct cedar_str s;
    bool ok;

    cedar_arena_init(&arena, NULL);
    ok = cedar_unescape(&arena, cedar_str(text), (struct cedar_span){0, (uint32_t)strlen(text)}, &s,
                        NULL) == CEDAR_OK;
    ok = ok && want != NULL && cedar_str_eq(s, (struct cedar_str){want, n});
    cedar_arena_free(&arena);
    return ok;
}

TEST(escapes)
{
    static const char *const bad[] = {"\\q",     "\\x8",      "\\x80",       "\\u41",
                                      "\\u{}",   "\\u{d800}", "\\u{110000}", "\\u{1234567}",
                                      "\\u{_1}", "\\u{41",    "\\*",         "\r"};

    CHECK(unescapes("a\\n\\r\\t\\\\\\'\\\"", "a\n\r\t\\'\"", 7));
    CHECK(unescapes("\\0\\x41\\u{1_F600}", "\0A\xf0\x9f\x98\x80", 6));
    CHECK(unescapes("a\\\n   b", "ab", 2));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_STR(unescapes(bad[i], NULL, 0) ? bad[i] : "refused", "refused");
}

TEST(utf8)
{
    CHECK(cedar_utf8_valid(CEDAR_STR("h\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    CHECK(!cedar_utf8_valid(CEDAR_STR("\xc0\x80")));
    CHECK(!cedar_utf8_valid(CEDAR_STR("\xed\xa0\x80")));
    CHECK(!cedar_utf8_valid(CEDAR_STR("\xf4\x90\x80\x80")));
    CHECK(!cedar_utf8_valid(CEDAR_STR("\xe2\x82")));
    CHECK(!cedar_utf8_valid(CEDAR_STR("\x80")));
}

TEST(names_of_types)
{
    CHECK(cedar_is_path(CEDAR_STR("A")) && cedar_is_path(CEDAR_STR("A::b_1::C")));
    CHECK(!cedar_is_path(CEDAR_STR("")) && !cedar_is_path(CEDAR_STR("A::")));
    CHECK(!cedar_is_path(CEDAR_STR("A:B")) && !cedar_is_path(CEDAR_STR("::A")));
    CHECK(!cedar_is_path(CEDAR_STR("A::if")) && !cedar_is_path(CEDAR_STR("A ::B")));
}

UNIT_MAIN(UNIT(decimals), UNIT(durations), UNIT(datetimes), UNIT(addresses), UNIT(ranges),
          UNIT(patterns), UNIT(patterns_are_linear), UNIT(escapes), UNIT(utf8),
          UNIT(names_of_types))
