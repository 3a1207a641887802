/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct str str_of(const char *s)
{
    return (struct str){s != NULL ? s : "", s != NULL ? strlen(s) : 0};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *b)
{
    return str_eq(a, str_of(b));
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

void buf_init(struct buf *b, size_t max)
{
    assert(max > 0 && max < SIZE_MAX / 4);
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

/* Room for n bytes and a terminating zero. */
static bool buf_room(struct buf *b, size_t n)
{
    size_t need;

    if (b->full || __builtin_add_overflow(b->n, n, &need) || need > b->max) {
        b->full = true;
        return false;
    }
    if (need + 1 > b->size) {
        size_t size = b->size < 128 ? 256 : b->size * 2;

        b->size = size > need + 1 ? size : need + 1;
        b->p = xrealloc(b->p, b->size, 1);
    }
    return true;
}

void buf_reserve(struct buf *b, size_t n)
{
    (void)buf_room(b, n);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !buf_room(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    AUTO_FREE char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        abort();
    buf_add(b, s, (size_t)n);
}

struct str buf_str(const struct buf *b)
{
    return (struct str){b->p != NULL ? b->p : "", b->n};
}

const char *buf_cstr(struct buf *b)
{
    if (b->p == NULL)
        return "";
    b->p[b->n] = '\0';
    return b->p;
}

size_t utf8_len(const char *p, size_t n, uint32_t *code_point)
{
    const unsigned char *s = (const unsigned char *)p;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len;
    uint32_t c;

    if (n == 0)
        return 0;
    if (s[0] < 0x80) {
        *code_point = s[0];
        return 1;
    }
    if ((s[0] & 0xe0) == 0xc0) {
        len = 2;
        c = s[0] & 0x1f;
    } else if ((s[0] & 0xf0) == 0xe0) {
        len = 3;
        c = s[0] & 0x0f;
    } else if ((s[0] & 0xf8) == 0xf0) {
        len = 4;
        c = s[0] & 0x07;
    } else {
        return 0;
    }
    if (len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code_point = c;
    return len;
}

/*
 * Characters that show nothing, change direction, or join with what is beside them, so that
 * one text can be made to look like another (compare UTS #39 and Default_Ignorable).
 */
static bool is_deceptive(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x80, 0x9f},       /* C1 controls */
        {0xad, 0xad},       /* soft hyphen */
        {0x34f, 0x34f},     /* combining grapheme joiner */
        {0x61c, 0x61c},     /* Arabic letter mark */
        {0x115f, 0x1160},   /* Hangul fillers */
        {0x17b4, 0x17b5},   /* Khmer inherent vowels */
        {0x180b, 0x180f},   /* Mongolian selectors */
        {0x2000, 0x200f},   /* blanks of other widths, zero width, direction marks */
        {0x2028, 0x202f},   /* line and paragraph separators, direction overrides */
        {0x205f, 0x206f},   /* invisible operators, direction isolates */
        {0x2800, 0x2800},   /* Braille blank */
        {0x3164, 0x3164},   /* Hangul filler */
        {0xfe00, 0xfe0f},   /* variation selectors */
        {0xfeff, 0xfeff},   /* zero width no-break space */
        {0xffa0, 0xffa0},   /* half width Hangul filler */
        {0xfff0, 0xffff},   /* specials, non-characters */
        {0x1d173, 0x1d17a}, /* musical format controls */
        {0xe0000, 0xe0fff}, /* tags, more variation selectors */
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges) && c >= ranges[i].first; i++)
        if (c <= ranges[i].last)
            return true;
    return (c & 0xfffe) == 0xfffe;
}

void buf_add_safe(struct buf *b, struct str s, size_t max)
{
    size_t end;

    if (__builtin_add_overflow(b->n, max, &end))
        end = SIZE_MAX;
    for (size_t i = 0; i < s.n;) {
        uint32_t c = 0;
        size_t len = utf8_len(s.p + i, s.n - i, &c), raw = len != 0 ? len : 1;
        bool hex = len == 0 || c < 0x20 || c == 0x7f || is_deceptive(c);

        if ((hex ? 4 * raw : len) > end - b->n) {
            buf_puts(b, "...");
            return;
        }
        for (size_t k = 0; hex && k < raw; k++)
            buf_printf(b, "\\x%02x", (unsigned char)s.p[i + k]);
        if (!hex)
            buf_add(b, s.p + i, len);
        if (b->full)
            return;
        i += raw;
    }
}

void json_start(struct json *j, struct buf *out)
{
    *j = (struct json){.out = out};
}

static void json_escape(struct buf *b, struct str s)
{
    size_t clean = 0; /* start of the run that needs no escape */

    if (s.n == 0) {
        buf_puts(b, "\"\"");
        return;
    }
    buf_puts(b, "\"");
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        uint32_t cp = 0;
        size_t len = c < 0x80 ? 1 : utf8_len(s.p + i, s.n - i, &cp);

        if (len != 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += len;
            continue;
        }
        buf_add(b, s.p + clean, i - clean);
        if (len == 0)
            buf_puts(b, "\\ufffd");
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else
            buf_printf(b, "\\u%04x", c);
        clean = ++i;
    }
    buf_add(b, s.p + clean, s.n - clean);
    buf_puts(b, "\"");
}

static void json_item(struct json *j, const char *key)
{
    uint64_t bit = (uint64_t)1 << j->depth;

    if (j->has_item & bit)
        buf_puts(j->out, ",");
    j->has_item |= bit;
    if (key != NULL) {
        json_escape(j->out, str_of(key));
        buf_puts(j->out, ":");
    }
}

static void json_open(struct json *j, const char *key, const char *bracket)
{
    json_item(j, key);
    buf_puts(j->out, bracket);
    j->depth++;
    assert(j->depth < 60);
    j->has_item &= ~((uint64_t)1 << j->depth);
}

static void json_close(struct json *j, const char *bracket)
{
    assert(j->depth > 0);
    j->depth--;
    buf_puts(j->out, bracket);
}

void json_obj(struct json *j, const char *key)
{
    json_open(j, key, "{");
}

void json_obj_end(struct json *j)
{
    json_close(j, "}");
}

void json_arr(struct json *j, const char *key)
{
    json_open(j, key, "[");
}

void json_arr_end(struct json *j)
{
    json_close(j, "]");
}

void json_str(struct json *j, const char *key, struct str value)
{
    json_item(j, key);
    json_escape(j->out, value);
}

void json_cstr(struct json *j, const char *key, const char *value)
{
    json_str(j, key, str_of(value));
}

void json_int(struct json *j, const char *key, int64_t value)
{
    json_item(j, key);
    buf_printf(j->out, "%lld", (long long)value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    json_item(j, key);
    buf_puts(j->out, value ? "true" : "false");
}

void json_none(struct json *j, const char *key)
{
    json_item(j, key);
    buf_puts(j->out, "null");
}
