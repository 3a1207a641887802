/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.h - decides whether what follows a trigger is a finding.
 *
 * A candidate is looked at again whenever more bytes have come, until it is one or none. What may
 * be longer than MATCH_PIECE (a private key, a JWT) is found piece by piece.
 */
#ifndef BELAY_DETECT_MATCH_H
#define BELAY_DETECT_MATCH_H

#include "detect/row.h"

#define MATCH_PIECE    1024u
#define MATCH_VALUE    256u /* of an assignment, with what stands before it */
#define MATCH_USERINFO 256u
#define MATCH_CARD     24u
#define MATCH_IBAN     44u
#define MATCH_CONTEXT  64u /* looked at before a finding */

struct candidate {
    uint64_t begin; /* offset in the layer */
    struct shape_at at;
    uint16_t row;
    uint16_t aux; /* of the matcher: PEM: longest run of base64; JWT: where the payload begins */
    bool piece;   /* an earlier piece was told: what follows belongs to it */
};

/* The candidate's bytes as far as they came, and those before it. */
struct view {
    const uint8_t *p;
    size_t n, before; /* p[-before] is valid */
    bool end;         /* no more bytes will come */
};

struct matcher { /* what a detect_new prepared */
    struct shape back[ROWS], rest[ROWS];
    unsigned entropy;
};

/* MATCH_FOUND: the finding is p[*from..*to). When c->piece is set, more may follow from there. */
enum match match_go(const struct matcher *m, struct candidate *c, const struct view *v,
                    size_t *from, size_t *to);

#endif
