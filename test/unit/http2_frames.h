/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http2_frames.h - frames of HTTP/2 made by hand, sound or not, and read back.
 */
#ifndef BELAY_TEST_HTTP2_FRAMES_H
#define BELAY_TEST_HTTP2_FRAMES_H

#include "base/text.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static inline void h2_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t id, const void *p,
                            size_t n)
{
    const uint8_t head[9] = {
        (uint8_t)(n >> 16),  (uint8_t)(n >> 8),   (uint8_t)n,         type,       flags,
        (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

    buf_add(b, head, sizeof(head));
    buf_add(b, p, n);
}

/* A literal field that is not indexed (RFC 7541, 6.2.2), of any bytes. */
static inline void h2_literal(struct buf *b, struct str name, struct str value)
{
    struct str both[] = {name, value};

    buf_add(b, "", 1);
    for (size_t i = 0; i < 2; i++) {
        size_t n = both[i].n;

        if (n < 127) {
            buf_add(b, &(char){(char)n}, 1);
        } else {
            buf_add(b, "\x7f", 1);
            for (n -= 127; n >= 128; n >>= 7)
                buf_add(b, &(char){(char)((n & 127) | 128)}, 1);
            buf_add(b, &(char){(char)n}, 1);
        }
        buf_add(b, both[i].p, both[i].n);
    }
}

/* NAME=VALUE|... as a block. */
static inline void h2_fields(struct buf *b, const char *p, size_t n)
{
    while (n > 0) {
        const char *bar = memchr(p, '|', n);
        size_t all = bar != NULL ? (size_t)(bar - p) : n;
        const char *eq = memchr(p, '=', all);
        size_t name = (size_t)(eq - p);

        h2_literal(b, (struct str){p, name}, (struct str){eq + 1, all - name - 1});
        p += bar != NULL ? all + 1 : all;
        n -= bar != NULL ? all + 1 : all;
    }
}

static inline void h2_headers(struct buf *b, uint32_t id, bool end, const char *fields, size_t n)
{
    struct buf block;

    buf_init(&block, 1 << 20);
    h2_fields(&block, fields, n);
    h2_frame(b, NGHTTP2_HEADERS,
             (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (end ? NGHTTP2_FLAG_END_STREAM : 0)), id, block.p,
             block.n);
    buf_free(&block);
}

#define H2_GET                         ":method=GET|:scheme=http|:authority=a.test|:path=/"
#define H2_HEADERS(b, id, end, fields) h2_headers(b, id, end, fields, sizeof(fields) - 1)

/* What both sides say first. */
static inline void h2_start(struct buf *b, bool client)
{
    if (client)
        buf_puts(b, H2_PREFACE);
    h2_frame(b, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

/* How many frames of a type are among these; *error is the last's error code, if it has one. */
static inline unsigned h2_count(struct str s, uint8_t type, uint32_t *error)
{
    unsigned found = 0;

    if (str_starts(s, H2_PREFACE)) {
        s.p += sizeof(H2_PREFACE) - 1;
        s.n -= sizeof(H2_PREFACE) - 1;
    }
    while (s.n >= 9) {
        const uint8_t *p = (const uint8_t *)s.p;
        size_t n = 9 + ((size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2]);

        if (n > s.n)
            break;
        if (p[3] == type) {
            size_t at = type == NGHTTP2_GOAWAY ? 13 : 9;

            found++;
            if (error != NULL && n >= at + 4)
                *error = (uint32_t)p[at] << 24 | (uint32_t)p[at + 1] << 16 |
                         (uint32_t)p[at + 2] << 8 | p[at + 3];
        }
        s.p += n;
        s.n -= n;
    }
    return found;
}

#endif
