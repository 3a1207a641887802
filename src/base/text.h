/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - views of bytes, a bounded builder, a JSON writer, and safe terminal text.
 *
 * A `struct str` is a view: pointer and length, not owned, may hold any byte.
 * A `struct buf` is a growing buffer with a limit; past the limit it stops taking
 * bytes and `full` is set, so the caller checks once at the end.
 */
#ifndef BELAY_BASE_TEXT_H
#define BELAY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal)                   \
    (struct str)                       \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
struct str str_of(const char *zero_terminated); /* NULL gives the empty view */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *b);
bool str_starts(struct str s, const char *prefix);

struct buf {
    char *p;
    size_t n, size, max; /* max: limit in bytes, set at start */
    bool full;           /* something did not fit */
};

void buf_init(struct buf *b, size_t max);
/* Also a cleanup function: AUTO_BUF struct buf b = {0}; so that every way out is safe. */
void buf_free(struct buf *b);
#define AUTO_BUF __attribute__((cleanup(buf_free)))
void buf_clear(struct buf *b);
/* Room for n bytes more, at once; what does not fit sets `full`. */
void buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct str buf_str(const struct buf *b);
const char *buf_cstr(struct buf *b); /* zero-terminated; valid until the next change */

/*
 * Hostile text for a terminal: printable ASCII and valid, printable UTF-8 pass; control
 * characters, escapes, bidirectional overrides and broken UTF-8 become \xNN. At most
 * `max` bytes are added, then "...".
 */
void buf_add_safe(struct buf *b, struct str hostile, size_t max);

/* JSON writer (RFC 8259) on a buf. Commas are placed by the writer. */
struct json {
    struct buf *out;
    uint64_t has_item; /* bit per depth */
    unsigned depth;    /* at most 60, asserted */
};

void json_start(struct json *j, struct buf *out);
void json_obj(struct json *j, const char *key); /* key NULL inside arrays and at the top */
void json_obj_end(struct json *j);
void json_arr(struct json *j, const char *key);
void json_arr_end(struct json *j);
/* Bytes that are not UTF-8 become U+FFFD; the writer never makes invalid JSON. */
void json_str(struct json *j, const char *key, struct str value);
void json_cstr(struct json *j, const char *key, const char *value);
void json_int(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_none(struct json *j, const char *key);

/* Length in bytes (1-4) of the UTF-8 character at p, 0 if invalid (RFC 3629). */
size_t utf8_len(const char *p, size_t n, uint32_t *code_point);

#endif
