/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.h - a request's body that is compressed, made readable: gzip (RFC 1952) and zstd (RFC
 * 8878).
 *
 * One member or frame, and nothing behind it, since servers differ on what follows. Bounded: what
 * comes out of one body by UNPACK_MAX, the window of zstd by 8 MiB.
 */
#ifndef BELAY_MODEL_UNPACK_H
#define BELAY_MODEL_UNPACK_H

#include "base/text.h"

#define UNPACK_MAX (64u << 20)

/* Gets what was unpacked; false ends it. */
typedef bool unpack_hook(void *arg, const void *p, size_t n);

struct unpack;

/* `encoding`: of Content-Encoding. NULL: not one of these. */
struct unpack *unpack_new(struct str encoding, unpack_hook *hook, void *arg);
void unpack_free(struct unpack *u);

/* False: broken, too much, or the hook said so. */
bool unpack_feed(struct unpack *u, const void *p, size_t n);
/* True: it was whole. */
bool unpack_end(const struct unpack *u);

#endif
