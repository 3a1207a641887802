/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

/* How many bytes follow a lead byte, by RFC 3629; -1 for none that may lead. */
static int utf8_follow(uint8_t c)
{
    if (c < 0x80)
        return 0;
    if (c >= 0xc2 && c <= 0xdf)
        return 1;
    if (c >= 0xe0 && c <= 0xef)
        return 2;
    if (c >= 0xf0 && c <= 0xf4)
        return 3;
    return -1;
}

bool cedar_utf8_valid(struct cedar_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;

    for (size_t i = 0; i < s.len;) {
        int n = utf8_follow(p[i]);

        if (n < 0 || s.len - i <= (size_t)n)
            return false;
        for (int k = 1; k <= n; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        /* overlong forms, surrogates, beyond U+10FFFF */
        if ((p[i] == 0xe0 && p[i + 1] < 0xa0) || (p[i] == 0xed && p[i + 1] > 0x9f) ||
            (p[i] == 0xf0 && p[i + 1] < 0x90) || (p[i] == 0xf4 && p[i + 1] > 0x8f))
            return false;
        i += (size_t)n + 1;
    }
    return true;
}

size_t cedar_utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static bool is_ident_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

bool cedar_is_ident(struct cedar_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_ident_char(s.ptr[i], i == 0))
            return false;
    return s.len > 0;
}

bool cedar_is_reserved(struct cedar_str s)
{
    static const char *const words[] = {
        "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (cedar_str_eq(s, cedar_str(words[i])))
            return true;
    return false;
}

bool cedar_is_path(struct cedar_str s)
{
    size_t start = 0;

    for (size_t i = 0; i <= s.len; i++) {
        struct cedar_str part = {s.ptr + start, i - start};

        if (i < s.len && s.ptr[i] != ':')
            continue;
        if (!cedar_is_ident(part) || cedar_is_reserved(part))
            return false;
        if (i < s.len && (i + 1 >= s.len || s.ptr[i + 1] != ':'))
            return false;
        start = ++i + 1;
    }
    return s.len > 0 && start == s.len + 2;
}

/* ---- escapes ---------------------------------------------------------------------- */

/* The place of reading an escaped string, and where its result grows. */
struct unescape {
    struct cedar_str source;
    size_t at, end;
    char *out; /* never longer than the source */
    size_t len;
    struct cedar_error *err;
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum cedar_status bad_escape(const struct unescape *u, size_t start, const char *why)
{
    struct cedar_span span = {(uint32_t)start, (uint32_t)(u->at < u->end ? u->at + 1 : u->end)};

    return cedar_fail(u->err, CEDAR_ERR_SYNTAX, u->source, span, "%s", why);
}

/* After "\x": two digits, ASCII only. */
static enum cedar_status hex_escape(struct unescape *u, size_t start)
{
    int high = u->at < u->end ? hex_value(u->source.ptr[u->at]) : -1;
    int low = u->at + 1 < u->end ? hex_value(u->source.ptr[u->at + 1]) : -1;

    if (high < 0 || low < 0)
        return bad_escape(u, start, "\\x takes two hexadecimal digits");
    if (high > 7)
        return bad_escape(u, start, "\\x goes up to 7f; write \\u{..} beyond it");
    u->out[u->len++] = (char)(high << 4 | low);
    u->at += 2;
    return CEDAR_OK;
}

/* After "\u": "{", one to six digits, which "_" may part, "}". */
static enum cedar_status unicode_escape(struct unescape *u, size_t start)
{
    uint32_t code = 0;
    int digits = 0;
    size_t n;

    if (u->at >= u->end || u->source.ptr[u->at] != '{')
        return bad_escape(u, start, "\\u takes braces: \\u{1f600}");
    for (u->at++; u->at < u->end && u->source.ptr[u->at] != '}'; u->at++) {
        int v = hex_value(u->source.ptr[u->at]);

        if (u->source.ptr[u->at] == '_' && digits > 0)
            continue;
        if (v < 0 || ++digits > 6)
            return bad_escape(u, start, "\\u{} takes one to six hexadecimal digits");
        code = code << 4 | (uint32_t)v;
    }
    if (u->at >= u->end || digits == 0)
        return bad_escape(u, start, "\\u{} takes one to six hexadecimal digits");
    n = cedar_utf8_put(code, u->out + u->len);
    if (n == 0)
        return bad_escape(u, start, "this is no Unicode scalar value");
    u->len += n;
    u->at++;
    return CEDAR_OK;
}

/* A backslash before a line's end joins the lines and eats the blanks between. */
static void join_lines(struct unescape *u)
{
    while (u->at < u->end && strchr(" \t\r\n", u->source.ptr[u->at]) != NULL &&
           u->source.ptr[u->at] != '\0')
        u->at++;
}

/* Reads one escape; u->at stands after the backslash. */
static enum cedar_status read_escape(struct unescape *u)
{
    static const char simple[] = "n\nr\rt\t\\\\'\'\"\"";
    size_t start = u->at - 1;
    char c;

    if (u->at >= u->end)
        return bad_escape(u, start, "an escape without an end");
    c = u->source.ptr[u->at++];
    if (c == 'x')
        return hex_escape(u, start);
    if (c == 'u')
        return unicode_escape(u, start);
    if (c == '\n') {
        join_lines(u);
        return CEDAR_OK;
    }
    if (c == '0') {
        u->out[u->len++] = '\0';
        return CEDAR_OK;
    }
    for (size_t i = 0; i + 1 < sizeof(simple); i += 2) {
        if (c == simple[i]) {
            u->out[u->len++] = simple[i + 1];
            return CEDAR_OK;
        }
    }
    u->at--;
    return bad_escape(u, start,
                      "no such escape; there are \\n \\r \\t \\\\ \\0 \\' \\\" \\xHH \\u{HH}");
}

/* Reads one character or escape of a string. */
static enum cedar_status read_one(struct unescape *u)
{
    char c = u->source.ptr[u->at];

    if (c == '\r')
        return bad_escape(u, u->at, "a bare carriage return in a string; write \\r");
    u->at++;
    if (c == '\\')
        return read_escape(u);
    u->out[u->len++] = c;
    return CEDAR_OK;
}

static bool unescape_init(struct unescape *u, struct cedar_arena *arena, struct cedar_str source,
                          struct cedar_span inside, struct cedar_error *err)
{
    *u = (struct unescape){source, inside.start, inside.end, NULL, 0, err};
    /* \u{..} with four bytes of UTF-8 takes at least eight of source */
    u->out = cedar_arena_get(arena, (size_t)(inside.end - inside.start) + 1);
    return u->out != NULL;
}

enum cedar_status cedar_unescape(struct cedar_arena *arena, struct cedar_str source,
                                 struct cedar_span inside, struct cedar_str *out,
                                 struct cedar_error *err)
{
    struct unescape u;

    if (!unescape_init(&u, arena, source, inside, err))
        return cedar_fail_memory(err);
    while (u.at < u.end) {
        enum cedar_status status = read_one(&u);

        if (status != CEDAR_OK)
            return status;
    }
    u.out[u.len] = '\0';
    *out = (struct cedar_str){u.out, u.len};
    return CEDAR_OK;
}

/* ---- patterns --------------------------------------------------------------------- */

enum cedar_status cedar_unescape_pattern(struct cedar_arena *arena, struct cedar_str source,
                                         struct cedar_span inside, struct cedar_pattern *out,
                                         struct cedar_error *err)
{
    struct unescape u;
    struct cedar_str *pieces;
    uint32_t n = 1;
    size_t start = 0;

    for (size_t i = inside.start; i < inside.end; i++)
        n += source.ptr[i] == '*' || source.ptr[i] == '\\';
    pieces = CEDAR_NEW_N(arena, struct cedar_str, n);
    if (pieces == NULL || !unescape_init(&u, arena, source, inside, err))
        return cedar_fail_memory(err);
    n = 0;
    while (u.at < u.end) {
        size_t before = u.len;
        enum cedar_status status;

        if (source.ptr[u.at] == '\\' && u.at + 1 < u.end && source.ptr[u.at + 1] == '*') {
            u.out[u.len++] = '*';
            u.at += 2;
            continue;
        }
        status = read_one(&u);
        if (status != CEDAR_OK)
            return status;
        if (u.len == before + 1 && u.out[before] == '*') { /* written \x2a it is one too */
            u.len = before;
            pieces[n++] = (struct cedar_str){u.out + start, u.len - start};
            start = u.len;
        }
    }
    pieces[n++] = (struct cedar_str){u.out + start, u.len - start};
    *out = (struct cedar_pattern){n, pieces};
    return CEDAR_OK;
}

bool cedar_pattern_match(const struct cedar_pattern *pattern, struct cedar_str s)
{
    const struct cedar_str *first = &pattern->pieces[0], *last = &pattern->pieces[pattern->n - 1];

    if (pattern->n == 1)
        return cedar_str_eq(*first, s);
    if (s.len < first->len + last->len ||
        (first->len > 0 && memcmp(s.ptr, first->ptr, first->len) != 0))
        return false;
    s.ptr += first->len;
    s.len -= first->len;
    if (last->len > 0 && memcmp(s.ptr + s.len - last->len, last->ptr, last->len) != 0)
        return false;
    s.len -= last->len;
    for (uint32_t i = 1; i + 1 < pattern->n; i++) {
        const struct cedar_str *piece = &pattern->pieces[i];
        const char *hit;

        if (piece->len == 0)
            continue;
        hit = memmem(s.ptr, s.len, piece->ptr, piece->len);
        if (hit == NULL)
            return false;
        s.len -= (size_t)(hit - s.ptr) + piece->len;
        s.ptr = hit + piece->len;
    }
    return true;
}

/* ---- quoting ---------------------------------------------------------------------- */

static void put_escaped(struct cedar_buf *buf, struct cedar_str s, bool is_pattern)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        bool c1 = c == 0xc2 && i + 1 < s.len && (uint8_t)s.ptr[i + 1] < 0xa0;

        if (c == '"' || c == '\\')
            cedar_buf_printf(buf, "\\%c", c);
        else if (c == '\n')
            cedar_buf_put(buf, "\\n", 2);
        else if (c == '\r')
            cedar_buf_put(buf, "\\r", 2);
        else if (c == '\t')
            cedar_buf_put(buf, "\\t", 2);
        else if (c == '\0')
            cedar_buf_put(buf, "\\0", 2);
        else if (c == '*' && is_pattern)
            cedar_buf_put(buf, "\\*", 2);
        else if (c < 0x20 || c == 0x7f)
            cedar_buf_printf(buf, "\\u{%x}", c);
        else if (c1)
            cedar_buf_printf(buf, "\\u{%x}", (uint8_t)s.ptr[++i]);
        else
            cedar_buf_put(buf, &s.ptr[i], 1);
    }
}

void cedar_quote(struct cedar_buf *buf, struct cedar_str s)
{
    cedar_buf_put(buf, "\"", 1);
    put_escaped(buf, s, false);
    cedar_buf_put(buf, "\"", 1);
}

void cedar_quote_pattern(struct cedar_buf *buf, const struct cedar_pattern *pattern)
{
    cedar_buf_put(buf, "\"", 1);
    for (uint32_t i = 0; i < pattern->n; i++) {
        if (i > 0)
            cedar_buf_put(buf, "*", 1);
        put_escaped(buf, pattern->pieces[i], true);
    }
    cedar_buf_put(buf, "\"", 1);
}
