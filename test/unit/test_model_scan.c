/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scan.h"

#include "unit.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

static const struct scan_path paths[] = {
    {{"a"}}, {{"b", "[]", "c"}}, {{"d", "e|f"}}, {{"g"}}, {{"h", "*"}},
};
enum { A, BC, DE, G, H };

static struct scan s;
static char got[65536];
static size_t ngot;

static void put(const char *p, size_t n)
{
    if (n < sizeof(got) - ngot) {
        memcpy(got + ngot, p, n);
        ngot += n;
        got[ngot] = '\0';
    }
}

/* Writes down what is told: path=kind:text; */
static void hook(void *arg, unsigned path, const struct scan_value *v)
{
    static const char *const kinds[] = {"s", "n", "t", "f", "0", "{", "[", "]", "k"};
    char head[16];

    (void)arg;
    snprintf(head, sizeof(head), "%u=%s", path, kinds[v->kind]);
    put(head, strlen(head));
    if (v->kind == SCAN_STRING || v->kind == SCAN_NUMBER || v->kind == SCAN_KEY) {
        put(":", 1);
        put(v->text.p, v->text.n);
    }
    put(v->cut ? "~;" : ";", v->cut ? 2 : 1);
}

static bool scan_text(const char *p, size_t n, size_t piece)
{
    ngot = 0;
    got[0] = '\0';
    scan_start(&s, paths, sizeof(paths) / sizeof(paths[0]), hook, NULL);
    for (size_t i = 0; i < n; i += piece)
        if (!scan_feed(&s, p + i, n - i < piece ? n - i : piece))
            return false;
    return scan_end(&s);
}

static bool accepts(const char *text)
{
    bool whole = scan_text(text, strlen(text), SIZE_MAX / 2);

    return scan_text(text, strlen(text), 1) == whole && whole;
}

TEST(wanted_values)
{
    CHECK(
        accepts("{\"x\": [1, {\"a\": 2}], \"a\": \"one\", \"b\": [{\"c\": 1}, {\"c\": [true]}, 3],"
                " \"d\": {\"f\": null}, \"g\": {\"a\": 1}, \"h\": {\"u\": 1, \"v\": \"w\"}}"));
    CHECK_STR(got, "0=s:one;1=n:1;1=[;1=];2=0;3={;3=];4=k:u;4=k:v;");
    CHECK(accepts(" \t\r\n{\"a\":-1.5e+3}\n"));
    CHECK_STR(got, "0=n:-1.5e+3;");
    CHECK(accepts("[]") && accepts("12") && accepts("\"x\"") && accepts("true") && accepts("0"));
    CHECK_STR(got, "");
}

TEST(escapes)
{
    CHECK(accepts("{\"\\u0061\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}"));
    CHECK_STR(got, "0=s:\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80;");
    CHECK(accepts("{\"b\": [{\"\\u0063\": \"\xe2\x82\xac\"}]}"));
    CHECK_STR(got, "1=s:\xe2\x82\xac;");
    CHECK(!accepts("{\"a\": \"\\ud83d\"}") && !accepts("{\"a\": \"\\ude00\\ud83d\"}"));
    CHECK(!accepts("{\"a\": \"\\ud83d\\u0041\"}") && !accepts("{\"a\": \"\\u0000\"}"));
    CHECK(!accepts("{\"a\": \"\\x\"}") && !accepts("{\"a\": \"\\u00g0\"}"));
}

/* What readers would understand differently. */
TEST(two_readings)
{
    CHECK(!accepts("{\"a\": 1, \"a\": 2}"));
    CHECK(!accepts("{\"a\": 1, \"\\u0061\": 2}"));
    CHECK(!accepts("{\"a\": 1, \"A\": 2}"));
    CHECK(!accepts("{\"A\": 2}"));
    CHECK(!accepts("{\"d\": {\"e\": 1, \"f\": 2}}"));
    CHECK(!accepts("{\"b\": [{\"c\": 1, \"c\": 1}]}"));
    CHECK(accepts("{\"b\": [{\"c\": 1}, {\"c\": 1}]}"));
    CHECK(accepts("{\"x\": 1, \"x\": 2, \"g\": {\"a\": 1, \"a\": 1}}"));
}

TEST(strict)
{
    static const char *const bad[] = {
        "",
        "{",
        "[",
        "\"",
        "nul",
        "nulL",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "-",
        "0x1",
        "[1}",
        "{]",
        "1 1",
        "{}{}",
        "[\"\x01\"]",
        "[\"\n\"]",
        "\xef\xbb\xbf{}",
        "['a']",
        "[NaN]",
        "[\"\x80\"]",
        "[\"\xc0\x80\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xe2\x82\"]",
        "[//\n1]",
        "]",
        ",",
        ":",
        "[,1]",
        "{,}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (accepts(bad[i]))
            printf("# accepted: %s\n", bad[i]);
        CHECK(!accepts(bad[i]));
        CHECK(s.why != NULL);
    }
}

TEST(bounds)
{
    static char deep[3 * SCAN_DEPTH_MAX], text[2 * SCAN_VALUE_MAX];

    memset(deep, '[', SCAN_DEPTH_MAX);
    memset(deep + SCAN_DEPTH_MAX, ']', SCAN_DEPTH_MAX);
    CHECK(scan_text(deep, 2 * SCAN_DEPTH_MAX, 7));
    memset(deep, '[', SCAN_DEPTH_MAX + 1);
    CHECK(!scan_text(deep, SCAN_DEPTH_MAX + 1, 7));
    snprintf(text, sizeof(text), "{\"a\":\"%0*d\"}", SCAN_VALUE_MAX, 0);
    CHECK(accepts(text));
    CHECK(strchr(got, '~') == NULL);
    snprintf(text, sizeof(text), "{\"a\":\"%0*d\"}", SCAN_VALUE_MAX + 1, 0);
    CHECK(accepts(text));
    CHECK(strchr(got, '~') != NULL);
    CHECK_INT(s.chars, SCAN_VALUE_MAX + 2);
}

/* Random JSON, and the same a little damaged, as jansson reads it. */

static uint64_t seed = 12345;

static unsigned rnd(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

static char json[8192];
static size_t njson;

static void add(const char *p)
{
    size_t n = strlen(p);

    if (njson + n < sizeof(json)) {
        memcpy(json + njson, p, n + 1);
        njson += n;
    }
}

static void make_string(bool key)
{
    static const char *const keys[] = {"\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\"",
                                       "\"f\"", "\"g\"", "\"h\"", "\"x\"", "\"\\u0061\""};
    static const char *const values[] = {
        "\"\"", "\"one\"", "\"\\n\\u20ac\"", "\"\xc3\xa9\"", "\"\\ud83d\\ude00\"", "\"a\\\\\""};

    add(key ? keys[rnd(10)] : values[rnd(6)]);
}

static void make_scalar(void)
{
    static const char *const scalars[] = {"0",   "-1",   "12345", "1.5",
                                          "2e3", "true", "false", "null"};

    if (rnd(3) == 0)
        make_string(false);
    else
        add(scalars[rnd(8)]);
}

static void make(unsigned depth)
{
    unsigned n = rnd(4);
    bool object = rnd(3) != 0;

    if (depth == 0 || (depth < 4 && rnd(4) == 0)) {
        make_scalar();
        return;
    }
    add(object ? "{" : "[");
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            add(rnd(2) != 0 ? "," : " ,\n");
        if (object) {
            make_string(true);
            add(":");
        }
        make(depth - 1);
    }
    add(object ? "}" : "]");
}

/* What the hook would have been told, from jansson's tree. Depth is small here. */
static void expect(unsigned path, const json_t *v)
{
    static const enum scan_kind kinds[] = {
        [JSON_STRING] = SCAN_STRING,
        [JSON_TRUE] = SCAN_TRUE,
        [JSON_FALSE] = SCAN_FALSE,
        [JSON_NULL] = SCAN_NULL,
    };
    struct scan_value value = {.kind = SCAN_NUMBER};

    if (v == NULL || json_is_object(v) || json_is_array(v))
        return;
    if (!json_is_number(v))
        value.kind = kinds[json_typeof(v)];
    if (json_is_string(v))
        value.text = (struct str){json_string_value(v), json_string_length(v)};
    if (json_is_number(v)) /* as text they differ: told as is below */
        value.text = (struct str){"#", 1};
    hook(NULL, path, &value);
}

static void expect_all(const json_t *top)
{
    json_t *v;
    size_t i;

    ngot = 0;
    got[0] = '\0';
    expect(A, json_object_get(top, "a"));
    for (i = 0; (v = json_array_get(json_object_get(top, "b"), i)) != NULL; i++)
        expect(BC, json_object_get(v, "c"));
    expect(DE, json_object_get(json_object_get(top, "d"), "e"));
    expect(DE, json_object_get(json_object_get(top, "d"), "f"));
    expect(G, json_object_get(top, "g"));
}

/* Lines of the scalars of one path in what was told, numbers as "#". */
static void scalars_of(const char *told, char *out, size_t size)
{
    size_t n = 0;

    for (unsigned path = A; path <= G; path++)
        for (const char *p = told; *p != '\0'; p = strchr(p, ';') + 1) {
            bool is = p[0] == (char)('0' + path) && p[1] == '=' && strchr("sntf0", p[2]) != NULL;
            size_t len = (size_t)(strchr(p, ';') - p);

            if (is && p[2] == 'n')
                len = 3;
            if (is && n + len + 1 < size) {
                memcpy(out + n, p, len);
                n += len;
                out[n++] = ';';
            }
        }
    out[n] = '\0';
}

TEST(agrees_with_jansson)
{
    static char ours[65536], theirs[65536];
    unsigned accepted = 0, refused = 0, both = 0;

    for (unsigned round = 0; round < 30000; round++) {
        json_error_t e;

        njson = 0;
        make(5);
        if (rnd(2) == 0 && njson > 0)
            json[rnd((unsigned)njson)] = "{}[]\",:\\0 t-\x80"[rnd(13)];
        json_t *tree = json_loadb(json, njson, JSON_DECODE_ANY, &e);
        json_t *strict = json_loadb(json, njson, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);
        bool ok = scan_text(json, njson, 1 + rnd(9));

        scalars_of(got, ours, sizeof(ours));
        expect_all(tree);
        scalars_of(got, theirs, sizeof(theirs));
        const json_t *d = json_object_get(strict, "d");
        bool twice = json_object_get(d, "e") != NULL && json_object_get(d, "f") != NULL;

        both += ok && strict != NULL;
        accepted += ok;
        refused += !ok;
        if ((ok && tree == NULL) || (!ok && strict != NULL && !twice) ||
            (ok && strict != NULL && strcmp(ours, theirs) != 0)) {
            printf("# %.*s\n# ok %d %s\n# ours %s\n# theirs %s\n", (int)njson, json, ok,
                   s.why != NULL ? s.why : "", ours, theirs);
            unit_failed = true;
        }
        json_decref(tree);
        json_decref(strict);
        if (unit_failed)
            return;
    }
    CHECK(accepted > 5000 && refused > 5000 && both > 5000);
}

UNIT_MAIN(UNIT(wanted_values), UNIT(escapes), UNIT(two_readings), UNIT(strict), UNIT(bounds),
          UNIT(agrees_with_jansson))
