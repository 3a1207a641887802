/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chars.h - the alphabets of HTTP (RFC 9110, 5.5 and 5.6.2).
 */
#ifndef BELAY_HTTP_CHARS_H
#define BELAY_HTTP_CHARS_H

#include "base/text.h"

/* A token's character in lower case; 0 for what is in no token. */
extern const unsigned char http_token_lower[256];

bool http_is_token(struct str s);       /* not empty */
bool http_is_lower_token(struct str s); /* and no upper case */
/* No control characters but tab. */
bool http_is_value(struct str s);
/* Visible ASCII, and no '#': what a target may be made of. */
bool http_is_target(struct str s);
/* Without blanks and tabs at both ends. */
struct str http_trim(struct str s);
/* Equal but for the case of ASCII letters; `lower` is in lower case. */
bool http_same(struct str s, const char *lower);
/* A number of decimal digits, at most 2^53 (so that any reader has the same). False: it is none. */
bool http_number(struct str s, int64_t *out);

#endif
