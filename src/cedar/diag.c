/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>

void cedar_buf_put(struct cedar_buf *buf, const char *text, size_t n)
{
    if (buf->len < buf->cap) {
        size_t room = buf->cap - buf->len;

        memcpy(buf->ptr + buf->len, text, n < room ? n : room);
    }
    buf->len += n;
}

void cedar_buf_printf(struct cedar_buf *buf, const char *format, ...)
{
    char text[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        cedar_buf_put(buf, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

size_t cedar_buf_end(struct cedar_buf *buf)
{
    if (buf->cap > 0)
        buf->ptr[buf->len < buf->cap ? buf->len : buf->cap - 1] = '\0';
    return buf->len;
}

void cedar_locate(struct cedar_str source, uint32_t offset, uint32_t *line, uint32_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && i < source.len; i++) {
        if (source.ptr[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((uint8_t)source.ptr[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

enum cedar_status cedar_fail(struct cedar_error *err, enum cedar_status status,
                             struct cedar_str source, struct cedar_span span, const char *format,
                             ...)
{
    va_list args;

    if (err == NULL)
        return status;
    *err = (struct cedar_error){.status = status, .span = span};
    if (source.ptr != NULL)
        cedar_locate(source, span.start, &err->line, &err->column);
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return status;
}

enum cedar_status cedar_fail_memory(struct cedar_error *err)
{
    return cedar_fail(err, CEDAR_ERR_MEMORY, (struct cedar_str){NULL, 0}, (struct cedar_span){0, 0},
                      "out of memory");
}

struct cedar_shown cedar_show(struct cedar_str s)
{
    struct cedar_shown shown;
    struct cedar_buf buf = {shown.text, sizeof(shown.text), 0};
    size_t i = 0;

    for (; i < s.len && buf.len < 60; i++) {
        uint8_t c = (uint8_t)s.ptr[i];

        if (c < 0x20 || c == 0x7f)
            cedar_buf_printf(&buf, "\\u{%x}", c);
        else
            cedar_buf_put(&buf, &s.ptr[i], 1);
    }
    /* do not end within a code point */
    while (i < s.len && i > 0 && ((uint8_t)s.ptr[i] & 0xc0) == 0x80 && buf.len > 0) {
        i--;
        buf.len--;
    }
    if (i < s.len)
        cedar_buf_put(&buf, "...", 3);
    cedar_buf_end(&buf);
    return shown;
}

/* The longest piece of a source line that is shown. */
#define SHOWN_LINE 120

/* Source text for a terminal: what could steer it becomes '?'. */
static void put_visible(struct cedar_buf *buf, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        bool c1 = c == 0xc2 && i + 1 < n && (uint8_t)text[i + 1] < 0xa0;

        if (c == '\t')
            cedar_buf_put(buf, " ", 1);
        else if (c < 0x20 || c == 0x7f || c1)
            cedar_buf_put(buf, "?", 1);
        else
            cedar_buf_put(buf, &text[i], 1);
        if (c1)
            i++;
    }
}

static void put_excerpt(struct cedar_buf *buf, const struct cedar_error *err,
                        struct cedar_str source)
{
    size_t at = err->span.start < source.len ? err->span.start : source.len;
    size_t start = at, end = at, stop, columns = 0;

    while (start > 0 && source.ptr[start - 1] != '\n' && at - start < SHOWN_LINE)
        start--;
    while (start < at && ((uint8_t)source.ptr[start] & 0xc0) == 0x80)
        start++;
    while (end < source.len && source.ptr[end] != '\n' && end - start < 2 * SHOWN_LINE)
        end++;
    cedar_buf_put(buf, "  ", 2);
    put_visible(buf, source.ptr + start, end - start);
    cedar_buf_put(buf, "\n  ", 3);
    for (size_t i = start; i < at; i++)
        if (((uint8_t)source.ptr[i] & 0xc0) != 0x80)
            cedar_buf_put(buf, " ", 1);
    stop = err->span.end < end ? err->span.end : end;
    for (size_t i = at; i < stop; i++)
        columns += ((uint8_t)source.ptr[i] & 0xc0) != 0x80;
    cedar_buf_put(buf, "^", 1);
    for (size_t i = 1; i < columns; i++)
        cedar_buf_put(buf, "~", 1);
    cedar_buf_put(buf, "\n", 1);
}

size_t cedar_error_render(const struct cedar_error *err, const char *file, struct cedar_str source,
                          char *ptr, size_t cap)
{
    struct cedar_buf buf = {ptr, cap, 0};

    if (err->line > 0)
        cedar_buf_printf(&buf, "%s:%u:%u: error: ", file, err->line, err->column);
    else
        cedar_buf_printf(&buf, "%s: error: ", file);
    put_visible(&buf, err->message, strlen(err->message));
    cedar_buf_put(&buf, "\n", 1);
    if (err->line > 0 && source.ptr != NULL)
        put_excerpt(&buf, err, source);
    cedar_buf_end(&buf);
    return buf.len < cap ? buf.len : (cap > 0 ? cap - 1 : 0);
}
