/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies: what comes out is bounded, and does not depend on the pieces that go in. */
#include "model/unpack.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *arg, const void *p, size_t n)
{
    buf_add(arg, p, n);
    return true;
}

static bool unpack(const char *encoding, const uint8_t *p, size_t n, size_t piece, struct buf *out)
{
    struct unpack *u = unpack_new(str_of(encoding), take, out);
    bool ok = true;

    buf_init(out, 2 * (size_t)UNPACK_MAX);
    for (size_t i = 0; i < n && ok; i += piece)
        ok = unpack_feed(u, p + i, n - i < piece ? n - i : piece);
    ok = ok && unpack_end(u);
    unpack_free(u);
    return ok;
}

static void check(const char *encoding, const uint8_t *p, size_t n)
{
    struct buf whole, pieces;
    bool ok = unpack(encoding, p, n, n > 0 ? n : 1, &whole);

    assert(unpack(encoding, p, n, 7, &pieces) == ok);
    assert(whole.n <= UNPACK_MAX);
    assert(!ok ||
           (whole.n == pieces.n && (whole.n == 0 || memcmp(whole.p, pieces.p, whole.n) == 0)));
    buf_free(&whole);
    buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check("gzip", data, size);
    check("zstd", data, size);
    return 0;
}
