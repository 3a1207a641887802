/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - TLS to the agent, under the session's authority, and to servers, verified.
 *
 * Both sides speak TLS 1.2 and up. To the agent, http/1.1 and h2 are offered by ALPN; to a server
 * too, whatever the agent chose. A server must prove its name (or address) to the authorities of
 * the host; sessions with servers are resumed.
 */
#ifndef BELAY_GATE_TLS_H
#define BELAY_GATE_TLS_H

#include "base/err.h"
#include "base/text.h"

#include <openssl/ssl.h>

struct tls;

/* With an authority of its own, made here: it takes some milliseconds. */
struct tls *tls_new(struct err *e);
/* Once, before the first server: a file of authorities (PEM), which is taken. */
void tls_trust(struct tls *t, int trust);
void tls_ca_pem(const struct tls *t, struct buf *out);

/* A connection's TLS on `fd`, which stays the caller's; NULL: not possible (why goes to *why). */
SSL *tls_accept(struct tls *t, int fd, struct str host);
/* `http1`: offer nothing else (a websocket). */
SSL *tls_connect(struct tls *t, int fd, struct str host, bool http1, const char **why);
void tls_free(SSL *ssl);
/* After the handshake: was h2 agreed on? */
bool tls_is_h2(const SSL *ssl);

/* Why a handshake failed, printable, for the record and the client; call at once. */
const char *tls_accept_error(const SSL *ssl, bool *pinned);
const char *tls_connect_error(const SSL *ssl);

#endif
