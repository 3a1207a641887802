/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "http/target.h"

#include "unit.h"

static struct buf exact, folded;

static const char *why(const char *target)
{
    const char *reason;

    buf_free(&exact);
    buf_free(&folded);
    buf_init(&exact, 1000);
    buf_init(&folded, 1000);
    return http_path_canonical(str_of(target), &exact, &folded, &reason) ? "" : reason;
}

#define CHECK_PATH(target, exact_, folded_)      \
    do {                                         \
        CHECK_STR(why(target), "");              \
        CHECK_STR(buf_cstr(&exact), (exact_));   \
        CHECK_STR(buf_cstr(&folded), (folded_)); \
    } while (0)

TEST(paths)
{
    CHECK_PATH("/", "/", "/");
    CHECK_PATH("*", "*", "*");
    CHECK_PATH("/a/b?c=/../d%", "/a/b", "/a/b");
    CHECK_PATH("/?", "/", "/");
    CHECK_PATH("/%41%2D%7e", "/A-~", "/A-~");
    CHECK_PATH("/a%20b+c%2B", "/a b+c+", "/a b+c+");
    CHECK_PATH("/caf%C3%A9", "/caf\xc3\xa9", "/caf\xc3\xa9");
    CHECK_PATH("/a;b=c/d", "/a;b=c/d", "/a;b=c/d");
    CHECK_PATH("/a%3Fb%23c", "/a?b#c", "/a?b#c");
    CHECK_PATH("/.well-known/...", "/.well-known/...", "/.well-known/...");
    CHECK_PATH("/a../b", "/a../b", "/a../b");
    CHECK_PATH("/[x]|'\"<>^`{}", "/[x]|'\"<>^`{}", "/[x]|'\"<>^`{}");
}

TEST(two_readings)
{
    CHECK_PATH("/@scope%2fname", "/@scope%2Fname", "/@scope/name");
    CHECK_PATH("/a//b///c/", "/a//b///c/", "/a/b/c/");
    CHECK_PATH("//v1/messages", "//v1/messages", "/v1/messages");
    CHECK_PATH("/a/%2Fb", "/a/%2Fb", "/a/b");
    CHECK_PATH("/100%25", "/100%25", "/100%25");
    CHECK_PATH("/%25zz", "/%25zz", "/%25zz");
    CHECK_PATH("/%2541", "/%2541", "/%2541");
}

TEST(refused)
{
    static const char *const bad[] = {
        "",           "a",          "http://a/",   "/%",          "/%1",          "/%zz",
        "/%u0041",    "/%00",       "/a%0d%0ab",   "/%7f",        "/a\\b",        "/a%5cb",
        "/%5C..",     "/..",        "/.",          "/a/../b",     "/a/./b",       "/a/..",
        "/%2e%2e/",   "/.%2e/x",    "/%2E/x",      "/..%2fx",     "/a%2f..%2fb",  "/a%2f%2e%2e",
        "/a/..;/b",   "/..;x=y/b",  "/.;/b",       "/a/%2e%2e;/", "/a b",         "/a\tb",
        "/a#b",       "/\xc3\xa9",  "/%c0%ae",     "/%c0%af",     "/%e0%80%af",   "/%ff",
        "/%ed%a0%80", "/%c2%85",    "/%252e%252e", "/%25252e",    "/%252F",       "/%255c",
        "/%2500",     "/%25%32%65", "/%25%32e",    "/%250a",      "/%252525252f", "/%257f",
        "/a//../b",   "/a%2F/../b",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (why(bad[i])[0] == '\0')
            printf("# %s is %s\n", bad[i], buf_cstr(&exact));
        CHECK(why(bad[i])[0] != '\0');
    }
}

TEST(what_does_not_fit)
{
    const char *reason;
    struct buf small[2];

    buf_init(&small[0], 4);
    buf_init(&small[1], 4);
    CHECK(http_path_canonical(STR("/abc"), &small[0], &small[1], &reason));
    CHECK(!http_path_canonical(STR("/abcd"), &small[0], &small[1], &reason));
    CHECK(!http_path_canonical(STR("/a%2f"), &small[0], &small[1], &reason));
    buf_free(&small[0]);
    buf_free(&small[1]);
    CHECK(!http_path_canonical((struct str){"/a\0b", 4}, &exact, &folded, &reason));
}

TEST(authorities)
{
    static const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {{"a", "a", 0},
                {"a.test", "a.test", 0},
                {"A.test.", "A.test.", 0},
                {"a.test:1", "a.test", 1},
                {"a:65535", "a", 65535},
                {"127.0.0.1:80", "127.0.0.1", 80},
                {"[::1]", "[::1]", 0},
                {"[2001:db8::1]:443", "[2001:db8::1]", 443},
                {"x_y-z", "x_y-z", 0}};
    static const char *const bad[] = {
        "",          ":80",  "a:",   "a:0", "a:080",  "a:65536",    "a:123456",
        "a:x",       "a b",  "a/b",  "u@a", "a?b",    "a#b",        "a%41",
        "[",         "[]",   "[::1", "::1", "[::1]x", "[::1]:",     "[x]",
        "[1.2.3.4]", "a..b", ".a",   "a,b", "a\\b",   "[fe80::1%1]"};
    struct http_authority out;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CHECK(http_authority_parse(str_of(good[i].text), &out));
        CHECK(str_is(out.host, good[i].host));
        CHECK_INT(out.port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (http_authority_parse(str_of(bad[i]), &out))
            printf("# %s\n", bad[i]);
        CHECK(!http_authority_parse(str_of(bad[i]), &out));
    }
    CHECK(!http_authority_parse((struct str){"a\0b", 3}, &out));
}

UNIT_MAIN(UNIT(paths), UNIT(two_readings), UNIT(refused), UNIT(what_does_not_fit),
          UNIT(authorities))
