/* SPDX-License-Identifier: Apache-2.0 */
/* row.h - the table patterns.def as data. */
#ifndef BELAY_DETECT_ROW_H
#define BELAY_DETECT_ROW_H

#include "detect/detect.h"
#include "detect/shape.h"

/* The words of patterns.def. */
enum { ROW_LEFT = 1, ROW_RIGHT = 2 };
enum row_how {
    HOW_RANDOM,   /* drawn at random: entropy, no placeholder */
    HOW_CRC62,    /* ends with six digits of base 62: the CRC-32 of the 30 before them */
    HOW_NAMED,    /* its shape says enough */
    HOW_PEM,      /* an armoured private key */
    HOW_JWT,      /* RFC 7519: a signed token */
    HOW_ASSIGN,   /* name = value */
    HOW_BEARER,   /* Bearer value */
    HOW_USERINFO, /* ://user:password@host */
    HOW_CARD,     /* ISO/IEC 7812: issuer, length, check digit */
    HOW_IBAN,     /* ISO 13616: country, length, check digits */
    HOW_SSN,      /* words before it */
    HOW_PHRASE,   /* the trigger says all */
};

#define X(name, set, edges, back, trigger, width, rest, how, unseen) ROW_##name,
enum {
#include "detect/patterns.def"
    ROWS
};
#undef X

struct row {
    const char *name, *unseen;
    const char *back_text, *rest_text;
    enum detect_set set;
    enum row_how how;
    uint8_t edges;
    uint8_t width;
};

extern const struct row rows[ROWS];

const char *row_label(const struct row *r);

/* Bytes of the longest finding of a row; what is longer is told in pieces. */
size_t row_longest(const struct row *r, const struct shape *back, const struct shape *rest);

#endif
