/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths and authorities: what is accepted is free of what it promises to be free of, and has one
 * reading only: written as a path and read again, it stays as it is.
 */
#include "http/target.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(const struct buf *b, const char *what)
{
    return b->n > 0 && memmem(b->p, b->n, what, strlen(what)) != NULL;
}

/* What is no longer an escape of anything is put into a target again. */
static void encode(const struct buf *path, struct buf *target)
{
    for (size_t i = 0; i < path->n; i++) {
        unsigned char c = (unsigned char)path->p[i];

        if (c == '?' || c == '#' || c == ' ' || c >= 0x80)
            buf_printf(target, "%%%02X", c);
        else
            buf_add(target, &path->p[i], 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    struct http_authority authority;
    AUTO_BUF struct buf exact = {0}, folded = {0}, target = {0}, again = {0}, again_folded = {0};
    const char *why;

    if (http_authority_parse(s, &authority)) {
        assert(authority.host.n > 0 && authority.host.n <= size && authority.port <= 65535);
        assert(memchr(s.p, '@', s.n) == NULL && memchr(s.p, '/', s.n) == NULL);
    }
    buf_init(&exact, 65536);
    buf_init(&folded, 65536);
    buf_init(&target, 1 << 20);
    buf_init(&again, 1 << 20);
    buf_init(&again_folded, 1 << 20);
    if (!http_path_canonical(s, &exact, &folded, &why)) {
        assert(why != NULL);
        return 0;
    }
    assert(!holds(&exact, "\\") && !holds(&folded, "\\") && !holds(&folded, "//"));
    assert(!holds(&folded, "/../") && !holds(&folded, "/./") && !holds(&exact, "/../"));
    assert(str_is(s, "*") || (exact.p[0] == '/' && folded.p[0] == '/'));
    for (size_t i = 0; i < exact.n; i++)
        assert((unsigned char)exact.p[i] >= 0x20 && exact.p[i] != 0x7f);
    encode(&exact, &target);
    assert(http_path_canonical(buf_str(&target), &again, &again_folded, &why));
    assert(str_eq(buf_str(&again), buf_str(&exact)));
    assert(str_eq(buf_str(&again_folded), buf_str(&folded)));
    return 0;
}
