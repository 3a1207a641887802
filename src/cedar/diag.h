/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diag.h - making errors (struct cedar_error) and text in bounded buffers.
 */
#ifndef CEDAR_DIAG_H
#define CEDAR_DIAG_H

#include "cedar.h"

/*
 * Fills err (may be NULL) and returns status, so that a function can end with
 * `return cedar_fail(...)`. source may be empty: then line and column stay 0. Bytes of
 * hostile text come in by %.*s after cedar_show(), never raw.
 */
enum cedar_status cedar_fail(struct cedar_error *err, enum cedar_status status,
                             struct cedar_str source, struct cedar_span span, const char *format,
                             ...) __attribute__((format(printf, 5, 6)));

enum cedar_status cedar_fail_memory(struct cedar_error *err);

/* A short, printable copy of hostile text for messages: at most 60 bytes, escaped, "..." */
struct cedar_shown {
    char text[72];
};
struct cedar_shown cedar_show(struct cedar_str s);

/* Text written into a bounded buffer: len counts what would be needed. */
struct cedar_buf {
    char *ptr;
    size_t cap; /* 0: counts only */
    size_t len;
};
void cedar_buf_put(struct cedar_buf *buf, const char *text, size_t n);
void cedar_buf_printf(struct cedar_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends it with NUL within cap; returns len. */
size_t cedar_buf_end(struct cedar_buf *buf);

#endif
