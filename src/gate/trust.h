/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust.h - whom the gate believes that a server is who it says.
 *
 * The authorities come as PEM in a descriptor, because the confined gate opens no file. They are
 * read at the first connection that needs them: to parse a system's store takes longer than to
 * start a session.
 */
#ifndef BELAY_GATE_TRUST_H
#define BELAY_GATE_TRUST_H

#include <openssl/x509.h>

#define TRUST_MAX (8u << 20) /* bytes of PEM */

/* A store with every certificate found; NULL: there is none. */
X509_STORE *trust_read(int fd);

/* Why a server is not believed, in words for people; from SSL_get_verify_result(). */
const char *trust_objection(long verify_result);

#endif
