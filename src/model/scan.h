/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - JSON (RFC 8259) read strictly in a stream, keeping only what is wanted.
 *
 * Any number of bytes in any pieces: memory does not grow with them. Wanted values are named by
 * paths such as "model", "tools[].type", "tools[].function.name", "web_search_options". The hook
 * gets a scalar's text whole (strings unescaped, at most SCAN_VALUE_MAX bytes, longer ones are cut
 * and say so), and is told where a wanted object or array begins and ends.
 *
 * An error, since readers differ on it: whatever the RFC does not allow, text that is not UTF-8,
 * \u0000, a lone surrogate, more than SCAN_DEPTH_MAX levels, and at the level of a wanted name a
 * second member of that name, or one that differs from it by case only.
 */
#ifndef BELAY_MODEL_SCAN_H
#define BELAY_MODEL_SCAN_H

#include "base/text.h"

#include <stdint.h>

#define SCAN_DEPTH_MAX 512
#define SCAN_PATHS_MAX 64
#define SCAN_LEVELS    8 /* a wanted path is at most so deep */
#define SCAN_VALUE_MAX 1024

enum scan_kind {
    SCAN_STRING,
    SCAN_NUMBER,
    SCAN_TRUE,
    SCAN_FALSE,
    SCAN_NULL,
    SCAN_OBJECT, /* begins */
    SCAN_ARRAY,
    SCAN_CLOSE, /* the wanted object or array ends */
    SCAN_KEY,   /* a member's name, for a path that ends in "*" */
};

struct scan_value {
    enum scan_kind kind;
    struct str text; /* string or number */
    bool cut;        /* longer than SCAN_VALUE_MAX */
};

/* path: index into the table. */
typedef void scan_hook(void *arg, unsigned path, const struct scan_value *v);

/* A step of a path: a name (alternatives separated by '|' are one member) or "[]" for each element.
 */
struct scan_path {
    const char *step[SCAN_LEVELS]; /* NULL ends it; all NULL: the top value itself */
};

struct scan {
    const struct scan_path *paths;
    unsigned npaths;
    scan_hook *hook;
    void *arg;
    const char *why; /* what is wrong, NULL while nothing is */

    unsigned state; /* where the machine stands */
    unsigned depth;
    uint64_t arrays[SCAN_DEPTH_MAX / 64]; /* bit per level: an array */
    uint64_t match[SCAN_LEVELS + 1];      /* paths that fit so far, by level */
    uint64_t seen[SCAN_LEVELS + 1];       /* paths whose member of this object was read */
    uint64_t value_match;                 /* paths that fit the value that comes */
    bool in_key;
    uint32_t code, high; /* \u escapes, UTF-8 characters */
    unsigned need;       /* digits or bytes still to come */
    uint32_t least;      /* smallest code point that such a UTF-8 sequence may hold */
    bool keep, cut;
    size_t n;
    char text[SCAN_VALUE_MAX];
    uint64_t chars; /* characters inside of strings, for estimates */
};

void scan_start(struct scan *s, const struct scan_path *paths, unsigned npaths, scan_hook *hook,
                void *arg);
/* False once something was wrong (s->why). */
bool scan_feed(struct scan *s, const void *p, size_t n);
/* True: that was one whole value and nothing else. */
bool scan_end(struct scan *s);

#endif
