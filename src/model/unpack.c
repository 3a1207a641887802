/* SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include "model/unpack.h"

#include "base/mem.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { PIECE = 32 * 1024, WINDOW_LOG = 23, GZIP_WINDOW = 15 + 16 };

struct unpack {
    unpack_hook *hook;
    void *arg;
    ZSTD_DStream *zstd; /* NULL: gzip */
    z_stream gzip;
    size_t total;
    bool whole, broken;
    unsigned char piece[PIECE];
};

struct unpack *unpack_new(struct str encoding, unpack_hook *hook, void *arg)
{
    bool zstd = str_is(encoding, "zstd");
    struct unpack *u;

    if (!zstd && !str_is(encoding, "gzip") && !str_is(encoding, "x-gzip"))
        return NULL;
    u = xcalloc(1, sizeof(*u));
    u->hook = hook;
    u->arg = arg;
    if (zstd) {
        u->zstd = ZSTD_createDStream();
        u->broken = u->zstd == NULL ||
                    ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG));
    } else {
        u->broken = inflateInit2(&u->gzip, GZIP_WINDOW) != Z_OK;
    }
    return u;
}

void unpack_free(struct unpack *u)
{
    if (u == NULL)
        return;
    if (u->zstd != NULL)
        (void)ZSTD_freeDStream(u->zstd);
    else
        (void)inflateEnd(&u->gzip);
    free(u);
}

/* One step: how many bytes it took and made. */
static bool step_zstd(struct unpack *u, const unsigned char *p, size_t n, size_t *took,
                      size_t *made)
{
    ZSTD_inBuffer in = {p, n, 0};
    ZSTD_outBuffer out = {u->piece, sizeof(u->piece), 0};
    size_t r = ZSTD_decompressStream(u->zstd, &out, &in);

    *took = in.pos;
    *made = out.pos;
    u->whole = r == 0;
    return !ZSTD_isError(r);
}

static bool step_gzip(struct unpack *u, const unsigned char *p, size_t n, size_t *took,
                      size_t *made)
{
    int r;

    u->gzip.next_in = p;
    u->gzip.avail_in = (unsigned)(n < PIECE ? n : PIECE);
    u->gzip.next_out = u->piece;
    u->gzip.avail_out = sizeof(u->piece);
    r = inflate(&u->gzip, Z_NO_FLUSH);
    *took = (size_t)(u->gzip.next_in - p);
    *made = sizeof(u->piece) - u->gzip.avail_out;
    u->whole = r == Z_STREAM_END;
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR;
}

static bool step(struct unpack *u, const unsigned char *p, size_t n, size_t *took, size_t *made)
{
    bool ok = u->zstd != NULL ? step_zstd(u, p, n, took, made) : step_gzip(u, p, n, took, made);

    u->total += *made;
    return ok && u->total <= UNPACK_MAX && (*made == 0 || u->hook(u->arg, u->piece, *made));
}

bool unpack_feed(struct unpack *u, const void *p, size_t n)
{
    const unsigned char *at = p;
    size_t took, made = PIECE;

    /* a full piece: there may be more inside, without new bytes */
    while (!u->broken && (n > 0 || (made == PIECE && !u->whole))) {
        if (u->whole) { /* something follows */
            u->broken = true;
            break;
        }
        u->broken = !step(u, at, n, &took, &made);
        if (took == 0 && made == 0)
            break;
        at += took;
        n -= took;
    }
    u->broken = u->broken || (n > 0 && !u->whole);
    return !u->broken;
}

bool unpack_end(const struct unpack *u)
{
    return u->whole && !u->broken;
}
