/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen through encodings, copies of marked content, and names. */
#include "detect_world.h"

#include "base/mem.h"
#include "unit.h"

static struct detect *d;
static struct seen seen;
static char out[65536];

static void start(void)
{
    struct err e;

    if (d == NULL)
        d = detect_new(NULL, &e);
}

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* base64 of p[0..n) behind `lead` characters of the alphabet, `line` to a line (0: no lines) */
static size_t base64(const void *bytes, size_t n, size_t lead, size_t line)
{
    const unsigned char *p = bytes;
    size_t at = 0, col = 0;

    for (size_t i = 0; i < lead; i++)
        out[at++] = 'q';
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)p[i + 2] : 0);

        for (unsigned k = 0; k < 4; k++) {
            out[at++] = i + k > n ? '=' : b64[v >> (18 - 6 * k) & 63];
            if (line != 0 && ++col % line == 0) {
                out[at++] = '\r';
                out[at++] = '\n';
            }
        }
    }
    return at;
}

static size_t hex(const void *bytes, size_t n, const char *before)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(out + at, "%s%02x", before, ((const unsigned char *)bytes)[i]);
    return at;
}

static size_t unicode(const char *text)
{
    size_t at = 0;

    for (; *text != 0; text++)
        at += (size_t)sprintf(out + at, "\\u%04x", (unsigned char)*text);
    return at;
}

static size_t deflate_into(char *to, size_t room, const void *p, size_t n, int window_bits)
{
    z_stream z = {0};
    size_t made;

    assert(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    made = room - z.avail_out;
    deflateEnd(&z);
    return made;
}

/* Found in out[0..n) through these encodings, with the same offsets whatever the pieces? */
static bool found_via(const char *row, size_t n, enum detect_encoding a, enum detect_encoding b)
{
    static const size_t pieces[] = {1, 7, 64, 1000, 65536};
    uint64_t begin = 0, end = 0;

    start();
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t k = 0;

        look_at(d, out, n, pieces[i], &seen);
        while (k < seen.n && (strcmp(seen.f[k].detector, row) != 0 || seen.f[k].via[0] != a ||
                              seen.f[k].via[1] != b))
            k++;
        if (k == seen.n || (i > 0 && a != DETECT_ZIPPED && b != DETECT_ZIPPED &&
                            (seen.f[k].begin != begin || seen.f[k].end != end))) {
            printf("# %s not seen in pieces of %zu; %zu others\n", row, pieces[i], seen.n);
            return false;
        }
        begin = seen.f[k].begin;
        end = seen.f[k].end;
    }
    return true;
}

TEST(base64_at_any_alignment)
{
    for (size_t before = 0; before < 3; before++) {
        for (size_t lead = 0; lead < 5; lead++) {
            char text[256];
            size_t n = (size_t)snprintf(text, sizeof(text), "%.*s%s and more", (int)before, "(((",
                                        make("gh|p_{a30}{C}"));

            CHECK(found_via("github_token", base64(text, n, lead, 0), DETECT_BASE64, DETECT_PLAIN));
            CHECK(
                found_via("github_token", base64(text, n, lead, 19), DETECT_BASE64, DETECT_PLAIN) ||
                lead > 0);
        }
    }
}

TEST(base64_masks_stay_base64)
{
    char text[256], again[256];
    size_t n = (size_t)snprintf(text, sizeof(text), "abc %s and more", make("gh|p_{a30}{C}")), len;

    start();
    len = base64(text, n, 0, 0);
    look_at(d, out, len, 100, &seen);
    CHECK_INT(seen.n, 1);
    CHECK(detect_mask(&seen.f[0], 0, out, len));
    for (size_t i = 0; i < len; i++)
        CHECK(out[i] == '=' || strchr(b64, out[i]) != NULL);
    memcpy(again, out, len);
    look_at(d, again, len, 100, &seen);
    CHECK_INT(seen.n, 0);
    CHECK(memcmp(again, "YWJj", 4) == 0);
}

TEST(hex_and_escapes)
{
    const char *key = make("gh|p_{a30}{C}");
    char text[300];

    CHECK(found_via("github_token", hex(key, 40, ""), DETECT_HEX, DETECT_PLAIN));
    CHECK(found_via("github_token", hex(key, 40, "%"), DETECT_ESCAPED, DETECT_PLAIN));
    CHECK(found_via("github_token", hex(key, 40, "\\x"), DETECT_ESCAPED, DETECT_PLAIN));
    CHECK(found_via("github_token", unicode(key), DETECT_ESCAPED, DETECT_PLAIN));
    snprintf(out, sizeof(out), "a=%.7s%%%02x%s", key, (unsigned char)key[7], key + 8);
    CHECK(found_via("github_token", strlen(out), DETECT_ESCAPED, DETECT_PLAIN));
    CHECK_INT(seen.n, 1);
    CHECK_INT(seen.f[0].begin, 2);
    CHECK_INT(seen.f[0].end, 44);
    snprintf(text, sizeof(text), "{\\\"api_|key\\\": \\\"%s\\\"}", make("{a32}"));
    memcpy(out, text, strlen(text) + 1);
    snprintf(out, sizeof(out), "%s", make(text));
    CHECK(found_via("assignment", strlen(out), DETECT_ESCAPED, DETECT_PLAIN));
}

TEST(a_private_key_in_json)
{
    size_t n = (size_t)snprintf(out, sizeof(out), "{\"key\": \"%s",
                                make("-----BEGIN PRIV|ATE KEY-----\\n"));

    for (int i = 0; i < 25; i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\\n", make("{a64}"));
    n += (size_t)snprintf(out + n, sizeof(out) - n, "%s", make("-----END PRIV|ATE KEY-----\\n\"}"));
    CHECK(found_via("private_key", n, DETECT_ESCAPED, DETECT_PLAIN));
}

TEST(two_deep)
{
    const char *key = make("gh|p_{a30}{C}");
    char text[1000];
    size_t n = base64(key, 40, 0, 0);

    memcpy(text, out, n);
    CHECK(found_via("github_token", base64(text, n, 0, 0), DETECT_BASE64, DETECT_BASE64));
    n = hex(key, 40, "");
    memcpy(text, out, n);
    CHECK(found_via("github_token", base64(text, n, 0, 0), DETECT_BASE64, DETECT_HEX));
    n = hex(key, 40, "%25");
    CHECK(found_via("github_token", n, DETECT_ESCAPED, DETECT_ESCAPED));
}

TEST(compressed)
{
    char text[4000], packed[4000];
    size_t n = 0, len;

    for (int i = 0; i < 30; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "line %d of some text\n", i * i);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", make("gh|p_{a30}{C}"));
    len = deflate_into(packed, sizeof(packed), text, n, MAX_WBITS + 16);
    memcpy(out, packed, len);
    CHECK(found_via("github_token", len, DETECT_ZIPPED, DETECT_PLAIN));
    CHECK(!detect_mask(&seen.f[0], 0, out, len));
    CHECK(found_via("github_token", base64(packed, len, 0, 76), DETECT_BASE64, DETECT_ZIPPED));
    memcpy(out, "multipart stuff ", 16);
    memcpy(out + 16, packed, len);
    CHECK(found_via("github_token", 16 + len, DETECT_ZIPPED, DETECT_PLAIN));
    len = deflate_into(packed, sizeof(packed), text, n, MAX_WBITS);
    memcpy(out, packed, len);
    CHECK(found_via("github_token", len, DETECT_ZIPPED, DETECT_PLAIN));
    CHECK(found_via("github_token", base64(packed, len, 0, 0), DETECT_BASE64, DETECT_ZIPPED));
    len = deflate_into(packed, sizeof(packed), text, n, -MAX_WBITS);
    memcpy(out, "PK\3\4\x14\0\0\0\x08\0", 10);
    memset(out + 10, 0, 20);
    out[26] = 5;
    memcpy(out + 30, "a.txt", 5);
    memcpy(out + 35, packed, len);
    CHECK(found_via("github_token", 35 + len, DETECT_ZIPPED, DETECT_PLAIN));
}

TEST(a_bomb_is_told)
{
    size_t n = 32u << 20, len;
    char *zeros = xcalloc(1, n);

    start();
    len = deflate_into(out, sizeof(out), zeros, n, MAX_WBITS + 16);
    free(zeros);
    look_at(d, out, len, 1000, &seen);
    CHECK_INT(seen.n, 1);
    CHECK_STR(seen.f[0].label, "unscanned");
    CHECK_STR(seen.f[0].detector, "bomb");
}

/*
 * Copies
 */
static const char letter[] =
    "Minutes of the board, not for publication.\n"
    "The merger with Northwind is agreed at 41.5 million, to be announced on the ninth of March.\n"
    "Staff of the Leiden office will be told a week before; no one else is to know until then.\n";

TEST(copies)
{
    uint64_t marks[64];
    size_t n = detect_marks_of(letter, sizeof(letter) - 1, marks, ARRAY_LEN(marks)), len;

    start();
    CHECK(n > 4 && n < 64);
    CHECK(detect_marks_add(d, "board", marks, n));
    /* a part, in other spaces and case */
    snprintf(out, sizeof(out),
             "so I heard: THE  MERGER WITH\nNORTHWIND IS\tAGREED AT 41.5 million, "
             "to be announced on the ninth of march. Good?");
    CHECK(found_via("copy", strlen(out), DETECT_PLAIN, DETECT_PLAIN));
    CHECK_STR(seen.f[0].label, "board");
    CHECK(
        found_via("copy", base64(letter, sizeof(letter) - 1, 0, 76), DETECT_BASE64, DETECT_PLAIN));
    CHECK(found_via("copy", base64(letter, sizeof(letter) - 1, 3, 0), DETECT_BASE64, DETECT_PLAIN));
    CHECK(found_via("copy", hex(letter, sizeof(letter) - 1, ""), DETECT_HEX, DETECT_PLAIN));
    CHECK(found_via("copy", hex(letter, sizeof(letter) - 1, "%"), DETECT_ESCAPED, DETECT_PLAIN));
    len = deflate_into(out, sizeof(out), letter, sizeof(letter) - 1, MAX_WBITS + 16);
    CHECK(found_via("copy", len, DETECT_ZIPPED, DETECT_PLAIN));
    snprintf(out, sizeof(out),
             "The merger of Eastwind was announced in March; the staff of the office "
             "in Leiden will be told about it, and the board knows of it as well.");
    look_at(d, out, strlen(out), 1000, &seen);
    CHECK(!has_seen(&seen, "copy"));
}

TEST(any_copy_of_35_characters_holds_a_mark)
{
    static char text[2000];
    uint64_t marks[256], part[8];
    size_t n;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = make_char(b64);
    n = detect_marks_of(text, sizeof(text), marks, ARRAY_LEN(marks));
    CHECK(n > 150 && n < 256);
    for (size_t at = 0; at + 35 <= sizeof(text); at++) {
        bool there = false;

        CHECK(detect_marks_of(text + at, 35, part, 8) == 1);
        for (size_t i = 0; i < n; i++)
            there = there || marks[i] == part[0];
        CHECK(there);
    }
}

TEST(small_and_plain_content)
{
    uint64_t marks[8];

    CHECK_INT(detect_marks_of("short", 5, marks, 8), 0);
    CHECK_INT(detect_marks_of("--------------------------------------------------", 50, marks, 8),
              0);
    CHECK_INT(detect_marks_of("correct horse battery staple", 28, marks, 8), 1);
    CHECK(detect_marks_add(d, "vault", marks, 1));
    snprintf(out, sizeof(out), "it is correct horse battery staple.");
    CHECK(found_via("copy", strlen(out), DETECT_PLAIN, DETECT_PLAIN));
    CHECK_STR(seen.f[0].label, "vault");
}

TEST(labels_and_marks_are_bounded)
{
    struct err e;
    struct detect *small = detect_new(NULL, &e);
    uint64_t mark = 1;
    char name[80];

    for (int i = 0; i < DETECT_LABELS; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        CHECK(detect_marks_add(small, name, &mark, 1));
    }
    CHECK(!detect_marks_add(small, "one-more", &mark, 1));
    for (mark = 2; mark <= DETECT_MARKS; mark++)
        CHECK(detect_marks_add(small, "l0", &mark, 1));
    CHECK(!detect_marks_add(small, "l0", &mark, 1));
    detect_free(small);
}

/*
 * Names
 */
static void ask(struct detect_dns *sent, const char *name)
{
    seen.n = 0;
    detect_dns_name(d, sent, str_of(name), see, &seen);
}

TEST(names_that_carry_data)
{
    struct detect_dns sent = {0};
    char name[256];
    const char *key = make("gh|p_{a30}{C}");
    static const char *const honest[] = {
        "www.example.org", "registry.npmjs.org", "ec2-52-95-110-1.eu-west-1.compute.amazonaws.com",
        "d111111abcdef8.cloudfront.net", "a-very-long-but-readable-name-of-a-service.example.org"};

    start();
    snprintf(name, sizeof(name), "%s.evil.test", key);
    ask(&sent, name);
    CHECK(has_seen(&seen, "github_token"));
    hex(key, 40, "");
    snprintf(name, sizeof(name), "%.50s.%.30s.evil.test", out, out + 50);
    ask(&sent, name);
    CHECK(has_seen(&seen, "github_token"));
    for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
        for (int k = 0; k < 20; k++) {
            ask(&sent, honest[i]);
            if (seen.n > 0)
                printf("# %s: %s\n", honest[i], seen.f[0].detector);
            CHECK_INT(seen.n, 0);
        }
    }
}

TEST(base32_in_names)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct detect_dns sent = {0};
    const char *key = make("gh|p_{a30}{C}");
    char name[256];
    size_t at = 0;
    unsigned acc = 0, bits = 0;

    for (size_t i = 0; i < 40; i++) {
        acc = acc << 8 | (unsigned char)key[i];
        for (bits += 8; bits >= 5; bits -= 5) {
            name[at++] = set[acc >> (bits - 5) & 31];
            if (at == 32)
                name[at++] = '.';
        }
    }
    memcpy(name + at, ".evil.test", 11);
    ask(&sent, name);
    CHECK(has_seen(&seen, "github_token"));
}

TEST(many_names_are_a_transport)
{
    struct detect_dns sent = {0};
    char name[256];
    int first = 0;

    for (int i = 1; i <= 20 && first == 0; i++) {
        snprintf(name, sizeof(name), "%s.tunnel.test", make("{h40}"));
        ask(&sent, name);
        if (has_seen(&seen, "encoded_name"))
            first = i;
    }
    CHECK_INT(first, 7);
    CHECK_STR(seen.f[0].label, "encoded");
    for (int i = 0; i < 2 * DETECT_DNS_PARENTS; i++) {
        snprintf(name, sizeof(name), "%s.host%d.test", make("{h40}"), i);
        ask(&sent, name);
        CHECK_INT(seen.n, 0);
    }
}

UNIT_MAIN(UNIT(base64_at_any_alignment), UNIT(base64_masks_stay_base64), UNIT(hex_and_escapes),
          UNIT(a_private_key_in_json), UNIT(two_deep), UNIT(compressed), UNIT(a_bomb_is_told),
          UNIT(copies), UNIT(any_copy_of_35_characters_holds_a_mark), UNIT(small_and_plain_content),
          UNIT(labels_and_marks_are_bounded), UNIT(names_that_carry_data), UNIT(base32_in_names),
          UNIT(many_names_are_a_transport))
