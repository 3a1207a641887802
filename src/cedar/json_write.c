/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>

static void put(struct cedar_json_writer *w, const char *text, size_t n)
{
    if (!w->failed && !w->write(w->ctx, text, n))
        w->failed = true;
}

static void new_line(struct cedar_json_writer *w)
{
    put(w, "\n", 1);
    for (uint32_t i = 0; i < w->depth; i++)
        put(w, "  ", 2);
}

/* What stands before a value or key: a comma, a line. */
static void before(struct cedar_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth > 0) {
        if (!w->empty)
            put(w, ",", 1);
        new_line(w);
    }
    w->empty = false;
}

void cedar_json_begin(struct cedar_json_writer *w, char bracket)
{
    before(w);
    put(w, &bracket, 1);
    w->depth++;
    w->empty = true;
}

void cedar_json_end(struct cedar_json_writer *w, char bracket)
{
    w->depth--;
    if (!w->empty)
        new_line(w);
    put(w, &bracket, 1);
    w->empty = false;
    if (w->depth == 0)
        put(w, "\n", 1);
}

static void put_quoted(struct cedar_json_writer *w, struct cedar_str s)
{
    size_t start = 0;

    put(w, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        char escape[8];
        int n;

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        put(w, s.ptr + start, i - start);
        start = i + 1;
        n = c == '"' || c == '\\' ? snprintf(escape, sizeof(escape), "\\%c", c)
                                  : snprintf(escape, sizeof(escape), "\\u%04x", c);
        put(w, escape, (size_t)n);
    }
    put(w, s.ptr + start, s.len - start);
    put(w, "\"", 1);
}

void cedar_json_key(struct cedar_json_writer *w, struct cedar_str key)
{
    before(w);
    put_quoted(w, key);
    put(w, ": ", 2);
    w->after_key = true;
}

void cedar_json_put_string(struct cedar_json_writer *w, struct cedar_str s)
{
    before(w);
    put_quoted(w, s);
}

void cedar_json_put_integer(struct cedar_json_writer *w, int64_t n)
{
    char text[24];

    before(w);
    put(w, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, n));
}

void cedar_json_put_bool(struct cedar_json_writer *w, bool b)
{
    before(w);
    put(w, b ? "true" : "false", b ? 4 : 5);
}

void cedar_json_put_null(struct cedar_json_writer *w)
{
    before(w);
    put(w, "null", 4);
}
