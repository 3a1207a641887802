/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sse.h"

#include <string.h>

void sse_start(struct sse *s, size_t max)
{
    memset(s, 0, sizeof(*s));
    s->max = max;
    buf_init(&s->raw, max);
    buf_init(&s->data, max);
    buf_init(&s->type, max);
}

void sse_free(struct sse *s)
{
    buf_free(&s->raw);
    buf_free(&s->data);
    buf_free(&s->type);
}

static void next_event(struct sse *s)
{
    buf_clear(&s->raw);
    buf_clear(&s->data);
    buf_clear(&s->type);
    s->line = 0;
    s->has_data = false;
    s->done = false;
}

/* The line at s->line, without its end, is complete. True: it was blank, the event is whole. */
static bool line_over(struct sse *s)
{
    size_t n = s->raw.n - s->line;
    const char *p = n > 0 ? s->raw.p + s->line : "";

    if (!s->any && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3, n -= 3;
    s->any = true;
    if (n == 0)
        return true;
    const char *colon = memchr(p, ':', n);
    size_t name = colon != NULL ? (size_t)(colon - p) : n;
    size_t from = colon != NULL ? name + 1 : n;

    if (from < n && p[from] == ' ')
        from++;
    if (name == 4 && memcmp(p, "data", 4) == 0) {
        if (s->has_data)
            buf_add(&s->data, "\n", 1);
        buf_add(&s->data, p + from, n - from);
        s->has_data = true;
    } else if (name == 5 && memcmp(p, "event", 5) == 0) {
        buf_clear(&s->type);
        buf_add(&s->type, p + from, n - from);
    }
    return false;
}

size_t sse_feed(struct sse *s, const char *p, size_t n, bool *whole)
{
    size_t i = 0;

    *whole = false;
    if (s->done)
        next_event(s);
    while (i < n && !s->over) {
        size_t plain = 0;

        if (s->raw.n == s->max) {
            s->over = true;
            break;
        }
        if (s->cr && p[i] == '\n') { /* the second half of a CRLF */
            s->cr = false;
            buf_add(&s->raw, p + i++, 1);
            s->line = s->raw.n;
            continue;
        }
        s->cr = false;
        while (i + plain < n && p[i + plain] != '\n' && p[i + plain] != '\r')
            plain++;
        if (plain > s->max - s->raw.n)
            plain = s->max - s->raw.n;
        buf_add(&s->raw, p + i, plain);
        i += plain;
        s->over = s->raw.n == s->max;
        if (i == n || s->over)
            break;
        *whole = line_over(s);
        s->cr = p[i] == '\r';
        buf_add(&s->raw, p + i++, 1);
        s->line = s->raw.n;
        if (*whole) {
            s->done = true;
            break;
        }
    }
    return i;
}

bool sse_end(struct sse *s)
{
    if (s->done || s->raw.n == 0)
        return false;
    if (s->raw.n > s->line)
        (void)line_over(s);
    s->done = true;
    return true;
}
