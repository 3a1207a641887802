/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect.h - what bytes carry: secrets, personal numbers, copies of labelled files, orders to a
 * model.
 *
 * A `struct detect` holds the compiled patterns (patterns.def) and the marks of labelled content;
 * a `struct detect_stream` is one body in one direction. Bytes are fed in pieces of any size, once;
 * the same findings come whatever the pieces. Base64, hex, URL and JSON escapes and gzip or zlib
 * are looked into while the bytes pass, DETECT_DEPTH encodings deep; a finding says through which
 * ones it was seen, and its offsets are those of the bytes that were fed.
 *
 * Memory is bounded for each stream whatever the bytes are. Where a bound hides something, a
 * finding with the label "unscanned" says so.
 *
 * This library knows no protocol and no policy. Not for threads: one detect for each.
 */
#ifndef BELAY_DETECT_DETECT_H
#define BELAY_DETECT_DETECT_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

#define DETECT_DEPTH     2     /* encodings inside one another */
#define DETECT_HOLD      32768 /* detect_pending never says more */
#define DETECT_LABEL_MAX 64    /* bytes of a label of marks */
#define DETECT_LABELS    32    /* different labels of marks */
#define DETECT_MARKS     65536 /* marks held at a time */

/* What is looked for: patterns of these kinds. */
enum detect_set {
    DETECT_SECRETS = 1,      /* label "secret" */
    DETECT_PERSONAL = 2,     /* label "personal" */
    DETECT_INSTRUCTIONS = 4, /* label "instructions" */
    DETECT_MARKED = 8,       /* copies of labelled content: the label it was added with */
    DETECT_ALL = 15,
};

enum detect_encoding {
    DETECT_PLAIN,
    DETECT_BASE64, /* standard and URL alphabet, any alignment, with line breaks */
    DETECT_HEX,
    DETECT_ESCAPED, /* %41, \u0041, \x41, \n: URLs and strings of JSON and others */
    DETECT_ZIPPED,  /* gzip, zlib */
};

struct detect_finding {
    const char *label;         /* static, or lives as long as the detect */
    const char *detector;      /* the row of patterns.def, "copy", or the bound for "unscanned" */
    uint64_t begin, end;       /* of the bytes fed to the stream: [begin, end) */
    uint8_t via[DETECT_DEPTH]; /* enum detect_encoding, outermost first; DETECT_PLAIN: no more */
};

/* Called from within detect_feed and detect_end. A finding's bytes lie wholly in what was fed. */
typedef void detect_found(void *arg, const struct detect_finding *f);

struct detect_options {
    unsigned entropy; /* least bits per 100 characters for assignments; 0: the default (350) */
    /* A value that is known and harmless: asked for every secret or number before it is told. */
    bool (*allowed)(void *arg, const char *detector, struct str value);
    void *arg;
    const char *const *off; /* names of rows not to be used; NULL or ends with NULL */
};

/* Cheap: the patterns were compiled when belay was built. NULL: *e (an unknown name in `off`). */
struct detect *detect_new(const struct detect_options *options, struct err *e);
void detect_free(struct detect *d); /* its streams first */

/* Names and limits of the rows, for documentation and settings; false when there is no row `i`. */
struct detect_row {
    const char *name, *label, *unseen; /* unseen: what it cannot see */
    size_t longest;                    /* bytes of one finding */
    unsigned set;                      /* one enum detect_set */
};
bool detect_row(size_t i, struct detect_row *row);

/*
 * Streams. `sets` is a mask of enum detect_set.
 */
struct detect_stream *detect_open(struct detect *d, unsigned sets, detect_found *found, void *arg);
void detect_feed(struct detect_stream *s, const void *p, size_t n);
/* The bytes end here: what waited for more is decided. The stream may be fed anew afterwards, as
 * another body at offset 0. */
void detect_end(struct detect_stream *s);
void detect_close(struct detect_stream *s);

/* How many of the last bytes fed may still become part of a finding: a sender that must not let
 * one out keeps them back. 0 to DETECT_HOLD; after detect_end 0. */
size_t detect_pending(const struct detect_stream *s);

/* Overwrites what of the finding lies in p[0..n), whose first byte has the offset `at`, with a mask
 * of the same length. Line breaks stay. False when masking cannot help: the bytes are compressed.
 */
bool detect_mask(const struct detect_finding *f, uint64_t at, void *p, size_t n);

/*
 * Marks: hashes of labelled content (winnowing, see marks.h), by which a copy of a part of it is
 * known again, also when it is encoded. Content of less than DETECT_MARK_LEAST characters that are
 * not spaces leaves no mark.
 */
#define DETECT_MARK_LEAST 20

/* Marks of p[0..n) into out[0..max); returns how many. Needs no detect: also for other roles. */
size_t detect_marks_of(const void *p, size_t n, uint64_t *out, size_t max);

/* Copies of content with these marks are findings with this label from now on, also in streams that
 * are open. False: too many labels or marks; what fits is held. */
bool detect_marks_add(struct detect *d, const char *label, const uint64_t *marks, size_t n);

/*
 * One DNS name that is about to be asked for. `sent` counts what was sent below each parent domain.
 */
#define DETECT_DNS_PARENTS 64

struct detect_dns {
    struct {
        uint64_t domain; /* hash of the last two labels, 0: free */
        uint64_t last;   /* hash of the labels before them, when they were last asked for */
        uint32_t bytes;  /* in labels below it that look like data */
        uint32_t used;   /* for the choice of what to forget */
    } parent[DETECT_DNS_PARENTS];
    uint32_t clock;
    uint32_t bound; /* bytes of such labels below one parent; 0: the default (256) */
};

/* Reports findings (offsets of the name): secrets and copies in the labels, also in base32, hex and
 * base64; "encoded_name" (label "encoded") when data seem to be sent in names. */
void detect_dns_name(struct detect *d, struct detect_dns *sent, struct str name,
                     detect_found *found, void *arg);

#endif
