/* SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include "model/unpack.h"

#include "unit.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static unsigned char packed[1 << 20];
static struct buf got;

static bool take(void *arg, const void *p, size_t n)
{
    (void)arg;
    buf_add(&got, p, n);
    return true;
}

static size_t gzip(const void *p, size_t n)
{
    z_stream z = {0};

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    z.next_in = p;
    z.avail_in = (unsigned)n;
    z.next_out = packed;
    z.avail_out = sizeof(packed);
    (void)deflate(&z, Z_FINISH);
    (void)deflateEnd(&z);
    return z.total_out;
}

/* Whole and right, in pieces of this size. */
static bool unpacks(const char *encoding, size_t n, size_t piece)
{
    struct unpack *u = unpack_new(str_of(encoding), take, NULL);
    bool ok = true;

    buf_clear(&got);
    for (size_t i = 0; i < n && ok; i += piece)
        ok = unpack_feed(u, packed + i, n - i < piece ? n - i : piece);
    ok = ok && unpack_end(u);
    unpack_free(u);
    return ok;
}

static bool round_trip(const char *encoding, const char *text, size_t n)
{
    size_t size =
        encoding[0] == 'g' ? gzip(text, n) : ZSTD_compress(packed, sizeof(packed), text, n, 3);

    for (size_t piece = 1; piece < size + 100; piece = piece * 3 + 1)
        if (!unpacks(encoding, size, piece) || got.n != n || memcmp(got.p, text, n) != 0)
            return false;
    /* cut short, and with something behind it */
    if (unpacks(encoding, size - 1, SIZE_MAX / 2))
        return false;
    packed[size] = 'x';
    return !unpacks(encoding, size + 1, SIZE_MAX / 2) && !unpacks(encoding, size + 1, size);
}

TEST(both_encodings)
{
    static char text[200000];

    buf_init(&got, 128u << 20);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i * i % 23);
    CHECK(round_trip("gzip", text, sizeof(text)) && round_trip("gzip", "{}", 2));
    CHECK(round_trip("zstd", text, sizeof(text)) && round_trip("zstd", "{}", 2));
    CHECK(unpack_new(STR("br"), take, NULL) == NULL && unpack_new(STR(""), take, NULL) == NULL);
    memset(packed, 'x', 100);
    CHECK(!unpacks("gzip", 100, 10) && !unpacks("zstd", 100, 10));
}

/* Little that becomes much. */
TEST(bombs)
{
    size_t n = (size_t)UNPACK_MAX + 1;
    char *zeros = calloc(n, 1);

    CHECK(zeros != NULL);
    CHECK(!unpacks("gzip", gzip(zeros, n), 4096));
    CHECK(!unpacks("zstd", ZSTD_compress(packed, sizeof(packed), zeros, n, 3), 4096));
    CHECK(got.n <= UNPACK_MAX);
    CHECK(unpacks("zstd", ZSTD_compress(packed, sizeof(packed), zeros, n - 1, 3), 4096));
    free(zeros);
    buf_free(&got);
}

UNIT_MAIN(UNIT(both_encodings), UNIT(bombs))
