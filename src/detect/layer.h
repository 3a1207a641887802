/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer.h - one view of a stream: the bytes as they are, or as they are in one encoding.
 *
 * A layer keeps a window of its last bytes, with the place in the stream that each came from. When
 * bytes have been added they are scanned: the search engine reports triggers, which become
 * candidates; candidates are decided as soon as their bytes are there; the decoders write what they
 * decode into layers of their own, to be scanned in turn. What a layer finds does not depend on how
 * many bytes are scanned at a time.
 */
#ifndef BELAY_DETECT_LAYER_H
#define BELAY_DETECT_LAYER_H

#include "detect/detect.h"
#include "detect/marks.h"
#include "detect/match.h"

#include <hs/hs.h>
#include <zlib.h>

#define LAYER_KEEP   2048u /* bytes that stay when a window moves on */
#define LAYER_BLOCK  2048u
#define LAYER_WINDOW (LAYER_KEEP + LAYER_BLOCK)
#define LAYER_MAX    24u /* layers of a stream at a time */
#define CANDIDATES   64u
#define TOKEN_MOST   64u /* bytes of a token whose trigger may not be whole yet */

/* Where a decoded byte came from. */
struct place {
    uint32_t at;   /* offset in the stream, low bits */
    uint16_t span; /* bytes of the stream that made it */
    bool changed;  /* by the layer's own decoding */
};

struct layer;

#define LEAD 12u /* text in a row that makes decoded bytes worth a layer */

/* One alignment of base64 or hex. */
struct phase {
    struct layer *child; /* NULL: nothing worth a look was seen yet */
    uint32_t text;       /* printable bytes in a row, up to LEAD */
    uint32_t idle;       /* bytes since the last LEAD printable ones in a row */
    uint32_t tail;       /* the last three bytes */
    bool keep;           /* look at all of the run, text or not */
    uint8_t lead[LEAD];
    struct place lead_at[LEAD];
};

struct run {       /* of base64 or hex characters */
    uint64_t next; /* offset of the first byte not looked at */
    uint64_t from; /* where the run began */
    uint64_t last; /* the character before */
    uint32_t n;    /* characters in it */
    uint32_t acc;  /* their values */
    uint32_t gap;  /* spaces since the last character */
    bool broken;   /* the gap has a line break */
    struct phase phase[4];
};

struct escapes {
    uint64_t next;
    uint64_t last; /* offset behind the last escape */
    struct layer *child;
};

struct zip {
    uint64_t next;  /* offset of the first byte not looked at */
    uint64_t began; /* of the compressed data */
    uint64_t in, out;
    struct layer *child;
    z_stream *z;
};

struct copies { /* of marked content */
    struct mark_roll roll;
    uint64_t begin, last, hash; /* of the first and the last mark seen */
    uint32_t labels;            /* which all of them have */
    unsigned seen;
};

struct layer {
    struct detect_stream *stream;
    struct layer *next_free;
    uint64_t base; /* offset of data[0] in the layer */
    uint32_t n, scanned;
    uint8_t depth;
    uint8_t via[DETECT_DEPTH];
    uint16_t candidates;
    bool dirty; /* its stream of the engine was used */
    hs_stream_t *engine;
    struct candidate candidate[CANDIDATES];
    struct run base64, hex;
    struct escapes escapes;
    struct zip zip;
    struct copies copies;
    uint8_t data[LAYER_WINDOW];
    struct place *place; /* [LAYER_WINDOW]; NULL: the stream itself */
};

struct detect {
    struct matcher matcher;
    hs_database_t *database;
    hs_scratch_t *scratch;
    struct marks *marks;
    char labels[DETECT_LABELS][DETECT_LABEL_MAX + 1];
    unsigned nlabels;
    bool off[ROWS];
    bool (*allowed)(void *arg, const char *detector, struct str value);
    void *allowed_arg;
    struct layer *free; /* layers with places */
    struct layer *free_root;
    size_t nfree, nfree_root;
};

struct detect_stream {
    struct detect *d;
    unsigned sets;
    bool unscanned; /* was told already */
    unsigned layers;
    uint64_t fed;
    struct layer *root;
    detect_found *found;
    void *arg;
};

/* A layer at the given depth; NULL when the stream has too many (the stream has been told). */
struct layer *layer_open(struct detect_stream *s, const struct layer *parent,
                         enum detect_encoding via);
/* Decides what waits and gives the layer back. */
void layer_close(struct layer *l);
void layer_end(struct layer *l);     /* decides what waits; the layer is as new, at offset 0 */
void layer_discard(struct layer *l); /* gives it back undecided */
void layer_free(struct layer *l);

/* Adds bytes to the stream's own layer, or one byte with its place to another one. */
void layer_add(struct layer *l, const uint8_t *p, size_t n);
void layer_put(struct layer *l, uint8_t byte, struct place at);
/* Scans what was added, here and in the layers below. */
void layer_scan(struct layer *l);

/* Offset in the stream of the first byte that may become part of a finding; `fed` when none. */
uint64_t layer_pending(const struct layer *l);

static inline uint64_t layer_size(const struct layer *l)
{
    return l->base + l->n;
}

/* The place of the byte at this offset of the layer, which must be in the window. */
struct place layer_place(const struct layer *l, uint64_t offset);
/* The place that the bytes from..to make together. */
struct place layer_places(const struct layer *l, uint64_t from, uint64_t to);

void layer_unscanned(struct detect_stream *s, const char *bound, uint64_t begin, uint64_t end);

/* decode.c, unzip.c: look at what was scanned; `end`: no more comes. */
void decode_runs(struct layer *l, bool end);
void decode_escapes(struct layer *l, bool end);
void unzip(struct layer *l, bool end);

#endif
