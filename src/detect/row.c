/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/row.h"

#include "detect/match.h"

#define SECRET      DETECT_SECRETS
#define PERSONAL    DETECT_PERSONAL
#define INSTRUCTION DETECT_INSTRUCTIONS
#define LEFT        ROW_LEFT
#define RIGHT       ROW_RIGHT

#define X(name_, set_, edges_, back_, trigger_, width_, rest_, how_, unseen_) \
    {.name = #name_,                                                          \
     .unseen = (unseen_),                                                     \
     .back_text = (back_),                                                    \
     .rest_text = (rest_),                                                    \
     .set = (set_),                                                           \
     .how = HOW_##how_,                                                       \
     .edges = (edges_),                                                       \
     .width = (width_)},
const struct row rows[ROWS] = {
#include "detect/patterns.def"
};
#undef X

const char *row_label(const struct row *r)
{
    switch (r->set) {
    case DETECT_SECRETS:
        return "secret";
    case DETECT_PERSONAL:
        return "personal";
    case DETECT_INSTRUCTIONS:
        return "instructions";
    case DETECT_MARKED:
    case DETECT_ALL:
        break;
    }
    return "unscanned";
}

size_t row_longest(const struct row *r, const struct shape *back, const struct shape *rest)
{
    switch (r->how) {
    case HOW_PEM:
    case HOW_JWT:
        return MATCH_PIECE;
    case HOW_ASSIGN:
    case HOW_BEARER:
        return MATCH_VALUE;
    case HOW_USERINFO:
        return MATCH_USERINFO;
    case HOW_CARD:
        return MATCH_CARD;
    case HOW_IBAN:
        return MATCH_IBAN;
    case HOW_RANDOM:
    case HOW_CRC62:
    case HOW_NAMED:
    case HOW_SSN:
    case HOW_PHRASE:
        break;
    }
    return back->longest + (size_t)r->width + rest->longest;
}
