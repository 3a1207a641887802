/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_basic.h - "Basic BASE64" in an authorization header (RFC 7617), there and back.
 */
#ifndef BELAY_GATE_CREDS_BASIC_H
#define BELAY_GATE_CREDS_BASIC_H

#include "base/text.h"

#define CREDS_BASIC_MAX 4096 /* bytes of user and password; longer is not looked into */

/* The decoded "user:password" in `plain`; false: it is nothing of the kind. */
bool creds_basic_decode(struct str value, char plain[CREDS_BASIC_MAX], struct str *user);
/* Length of the header's value for it; written to out unless that is NULL. */
size_t creds_basic_encode(struct str user, char *out);

#endif
