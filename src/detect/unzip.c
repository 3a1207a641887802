/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unzip.c - gzip (RFC 1952), zlib (RFC 1950) and members of ZIP files, into a layer of their own.
 *
 * gzip and ZIP are looked for at every byte, zlib (whose header is two bytes) only where a layer
 * begins. Input is inflated in steps that end where the layer's offset is a multiple of STEP, so
 * that the places of what comes out do not depend on the pieces that came in.
 */
#include "detect/layer.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEP       64u
#define RATIO      200u                /* of what comes out to what goes in, */
#define RATIO_FREE (UINT64_C(1) << 20) /* beyond this much; more is a bomb */
#define ZIP_HEADER 30u
#define RETRY      1024u /* data that are damaged so early are searched again */

enum { RAW = -MAX_WBITS, ZLIB_OR_GZIP = MAX_WBITS + 32 };

static bool begin(struct layer *l, uint64_t at, int window_bits)
{
    struct zip *z = &l->zip;
    int r;

    z->child = layer_open(l->stream, l, DETECT_ZIPPED);
    if (z->child == NULL)
        return false;
    if (z->z == NULL) {
        z->z = xcalloc(1, sizeof(*z->z));
        r = inflateInit2(z->z, window_bits);
    } else {
        r = inflateReset2(z->z, window_bits);
    }
    if (r != Z_OK)
        abort(); /* no memory: as xcalloc */
    z->began = z->next = at;
    z->in = z->out = 0;
    return true;
}

static void end_member(struct zip *z)
{
    layer_close(z->child);
    z->child = NULL;
}

/* One step of input, all that comes out of it. The answer of inflate(). */
static int step(struct layer *l, uint64_t to)
{
    struct zip *z = &l->zip;
    uint64_t block = z->next / STEP * STEP, last = block + STEP - 1;
    struct place at;
    uint8_t out[1024];
    int r;

    if (block < l->base)
        block = l->base;
    if (last >= layer_size(l))
        last = layer_size(l) - 1;
    at = layer_places(l, block, last);
    z->z->next_in = l->data + (z->next - l->base);
    z->z->avail_in = (uInt)(to - z->next);
    do {
        size_t n;

        z->z->next_out = out;
        z->z->avail_out = sizeof(out);
        r = inflate(z->z, Z_SYNC_FLUSH);
        n = sizeof(out) - z->z->avail_out;
        for (size_t i = 0; i < n; i++)
            layer_put(z->child, out[i], at);
        z->out += n;
        z->in = to - z->began;
        if (z->out > RATIO_FREE && z->out / RATIO > z->in) {
            layer_unscanned(l->stream, "bomb", at.at, l->stream->fed);
            r = Z_MEM_ERROR;
        }
    } while (r == Z_OK && z->z->avail_out == 0);
    explicit_bzero(out, sizeof(out));
    z->next = to - z->z->avail_in;
    return r;
}

/* Inflates up to the end of the window or of the member. */
static void inflate_more(struct layer *l)
{
    struct zip *z = &l->zip;
    uint64_t size = layer_size(l);

    while (z->child != NULL && z->next < size) {
        uint64_t to = (z->next / STEP + 1) * STEP, from = z->next;
        int r = step(l, to < size ? to : size);

        if ((r == Z_OK || r == Z_BUF_ERROR) && z->next > from)
            continue;
        end_member(z);
        if (r != Z_STREAM_END && z->next - z->began <= RETRY && z->began + 2 > l->base)
            z->next = z->began + 2;
    }
}

/* The data of a ZIP member whose header begins at p[0..n): where, 0: none, -1: more is needed. */
static int zip_member(const uint8_t *p, size_t n, bool end)
{
    if (n < ZIP_HEADER)
        return end ? 0 : -1;
    if (p[8] != 8 || p[9] != 0) /* method: deflate */
        return 0;
    if (p[27] > 1 || p[29] > 1)
        return 0; /* names of more than 511 bytes */
    return (int)(ZIP_HEADER + p[26] + p[27] * 256u + p[28] + p[29] * 256u);
}

/* Compressed data that begin at p; 0: none, -1: more is needed, else how many bytes to skip + 1. */
static int header(const struct layer *l, const uint8_t *p, size_t n, bool first, bool end,
                  int *window_bits)
{
    static const uint8_t gzip[] = {0x1f, 0x8b, 8}, zip[] = {'P', 'K', 3, 4};
    int at;

    *window_bits = ZLIB_OR_GZIP;
    if (memcmp(p, gzip, n < 3 ? n : 3) == 0)
        return n < 3 ? (end ? 0 : -1) : 1;
    if (memcmp(p, zip, n < 4 ? n : 4) == 0) {
        if (n < 4)
            return end ? 0 : -1;
        *window_bits = RAW;
        at = zip_member(p, n, end);
        return at > 0 ? at + 1 : at;
    }
    if (first && l->base == 0 && p[0] == 0x78) {
        if (n < 2)
            return end ? 0 : -1;
        return (p[0] * 256 + p[1]) % 31 == 0 && (p[1] & 32) == 0 ? 1 : 0;
    }
    return 0;
}

/* The next byte that a header may begin with. */
static const uint8_t *next_start(const uint8_t *p, size_t n)
{
    const uint8_t *gzip = memchr(p, 0x1f, n);
    const uint8_t *zip = memmem(p, gzip == NULL ? n : (size_t)(gzip - p), "PK\3", 3);
    size_t left = zip != NULL ? (size_t)(zip - p) : gzip != NULL ? (size_t)(gzip - p) : n;

    if (left == n && n > 0 && p[n - 1] == 'P')
        return p + n - 1;
    if (left == n && n > 1 && p[n - 2] == 'P' && p[n - 1] == 'K')
        return p + n - 2;
    return left == n ? NULL : p + left;
}

/* Looks for the beginning of compressed data; true: it was found. */
static bool look(struct layer *l, bool end)
{
    struct zip *z = &l->zip;
    uint64_t size = layer_size(l);

    while (z->next < size) {
        const uint8_t *p = l->data + (z->next - l->base), *at = p;
        int skip, bits;

        if (z->next > 0) {
            at = next_start(p, size - z->next);
            if (at == NULL)
                break;
        }
        z->next += (uint64_t)(at - p);
        skip = header(l, at, size - z->next, z->next == 0, end, &bits);
        if (skip < 0)
            return false;
        if (skip > 0 && z->next + (uint64_t)skip - 1 > size && !end)
            return false;
        if (skip > 0 && z->next + (uint64_t)skip - 1 <= size &&
            begin(l, z->next + (uint64_t)skip - 1, bits))
            return true;
        z->next++;
    }
    z->next = size;
    return false;
}

void unzip(struct layer *l, bool end)
{
    while (l->zip.next < layer_size(l)) {
        if (l->zip.child == NULL && !look(l, end))
            break;
        inflate_more(l);
    }
    if (end && l->zip.child != NULL)
        end_member(&l->zip);
}
