/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.h - canonical host names: the one spelling that is judged, looked up and compared.
 *
 * Lower case, no final dot, at least one label; labels of 1 to 63 letters, digits, hyphens
 * and underscores that neither begin nor end with a hyphen; at most 253 bytes. Names whose
 * last label could be read as a number are refused, because inet_aton() and URL parsers take
 * them for addresses (WHATWG URL, "ends in a number"). Internationalised names pass in their
 * ASCII form only (RFC 5890).
 */
#ifndef BELAY_GATE_NAME_H
#define BELAY_GATE_NAME_H

#include "base/text.h"

#include <stdint.h>

#define NAME_LABEL_MAX 63
#define NAME_TEXT_MAX  253

struct name {
    uint8_t n;                 /* bytes, without the final zero */
    char s[NAME_TEXT_MAX + 1]; /* zero-terminated */
};

/* Builds a name label by label: start, add any number, finish. False: refused. */
void name_start(struct name *name);
bool name_add_label(struct name *name, const void *label, size_t n);
bool name_finish(const struct name *name);

/* From text; one final dot is dropped. */
bool name_from_text(struct str text, struct name *name);

struct str name_str(const struct name *name);
bool name_eq(const struct name *a, const struct name *b);
uint32_t name_hash(const struct name *name, uint32_t seed);
/* "localhost" or below it (RFC 6761, 6.3). */
bool name_is_localhost(const struct name *name);

#endif
