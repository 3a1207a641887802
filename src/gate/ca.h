/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca.h - the session's own certificate authority, by which the gate opens TLS.
 *
 * Its key is made in the gate when the session starts, never leaves the gate's memory (OpenSSL's
 * secure heap: locked where it may be, not in a core dump), and is gone with it. Only the
 * certificate goes out, into the jail. It signs leaves of one key, a name each.
 */
#ifndef BELAY_GATE_CA_H
#define BELAY_GATE_CA_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/x509.h>

#define CA_DAYS   30 /* a session that lives longer opens nothing any more */
#define LEAF_DAYS 7

struct ca;

struct ca *ca_new(struct err *e);
void ca_free(struct ca *ca);

/* The certificate, in PEM. */
void ca_pem(const struct ca *ca, struct buf *out);
EVP_PKEY *ca_leaf_key(const struct ca *ca);

/*
 * A certificate for a canonical host name, or the text of an address. It lives until the next call
 * unless taken with X509_up_ref. The last ones are kept. NULL: OpenSSL failed.
 */
X509 *ca_leaf(struct ca *ca, struct str host);

#endif
