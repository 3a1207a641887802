/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_world.h - makes keys that look real, and collects what is found.
 *
 * No key stands here as it would be found: a recipe is text in which {aN} stands for N letters and
 * digits, {hN} for hex digits, {dN} for digits, {UN} for capitals and 2-7, {LN} for letters, {QN}
 * for letters of bech32, {C} for the checksum of the last 30 characters, and | for nothing.
 */
#ifndef BELAY_TEST_DETECT_WORLD_H
#define BELAY_TEST_DETECT_WORLD_H

#include "detect/detect.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t make_seed = 1;

static char make_char(const char *set)
{
    make_seed = make_seed * 1664525u + 1013904223u;
    return set[(make_seed >> 8) % strlen(set)];
}

static const char *make_set(char c)
{
    switch (c) {
    case 'h':
        return "0123456789abcdef";
    case 'd':
        return "0123456789";
    case 'U':
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    case 'L':
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    case 'Q':
        return "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    default:
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    }
}

static size_t make_checksum(char *out, size_t n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned long crc = crc32(0, (const Bytef *)out + n - 30, 30);

    for (size_t i = 0; i < 6; i++) {
        out[n + 5 - i] = digits[crc % 62];
        crc /= 62;
    }
    return n + 6;
}

/* The text of a recipe; in a buffer of its own for each of the last 8 calls. */
static const char *make(const char *recipe)
{
    static char buffers[8][8192];
    static unsigned turn;
    char *out = buffers[turn++ % 8];
    size_t n = 0;

    for (const char *p = recipe; *p != 0; p++) {
        char *end;

        if (*p == '|')
            continue;
        if (*p != '{' || strchr("ahdULQC", p[1]) == NULL || p[1] == 0) {
            out[n++] = *p;
            continue;
        }
        if (p[1] == 'C') {
            n = make_checksum(out, n);
            p += 2;
            continue;
        }
        for (long k = strtol(p + 2, &end, 10); k > 0; k--)
            out[n++] = make_char(make_set(p[1]));
        p = end;
    }
    out[n] = 0;
    assert(n < sizeof(buffers[0]));
    return out;
}

struct seen {
    size_t n;
    struct detect_finding f[256];
};

static void see(void *arg, const struct detect_finding *f)
{
    struct seen *seen = arg;

    if (seen->n < sizeof(seen->f) / sizeof(seen->f[0]))
        seen->f[seen->n++] = *f;
}

/* Feeds p in pieces of `piece` bytes. */
static void look_at(struct detect *d, const void *p, size_t n, size_t piece, struct seen *seen)
{
    struct detect_stream *s = detect_open(d, DETECT_ALL, see, seen);

    seen->n = 0;
    for (size_t at = 0; at < n; at += piece)
        detect_feed(s, (const char *)p + at, n - at < piece ? n - at : piece);
    detect_end(s);
    detect_close(s);
}

static bool has_seen(const struct seen *seen, const char *detector)
{
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->f[i].detector, detector) == 0)
            return true;
    return false;
}

#endif
