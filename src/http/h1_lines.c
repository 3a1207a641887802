/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_lines.h"

#include "http/http.h"

#include <string.h>

ssize_t h1_lines_feed(struct h1_lines *l, const char *p, size_t n, bool *whole,
                      enum http_fault *fault)
{
    size_t most = HTTP_HEAD_MAX - l->text.n, scan = n < most ? n : most, i = 0;

    *whole = false;
    while (i < scan && !*whole) {
        const char *lf = memchr(p + i, '\n', scan - i);

        if (lf == NULL) {
            l->line += scan - i;
            i = scan;
            break;
        }
        size_t at = (size_t)(lf - p), line = l->line + (at - i);
        char before = at > 0 ? p[at - 1] : line > 0 ? l->text.p[l->text.start + l->text.n - 1] : 0;

        if (line == 0 || before != '\r') {
            *fault = HTTP_BARE_LF;
            return -1;
        }
        *whole = line == 1;
        l->line = 0;
        i = at + 1;
    }
    if (!*whole && i == most) {
        *fault = HTTP_HEAD_LARGE;
        return -1;
    }
    queue_add(&l->text, p, i);
    return (ssize_t)i;
}

void h1_lines_clear(struct h1_lines *l)
{
    l->line = 0;
    queue_drop(&l->text, l->text.n);
}

void h1_lines_free(struct h1_lines *l)
{
    queue_free(&l->text);
}
