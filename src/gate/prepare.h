/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.h - what the keeper must know of the gate before the jail starts: PREPARE and PREPARED.
 */
#ifndef BELAY_GATE_PREPARE_H
#define BELAY_GATE_PREPARE_H

#include "base/err.h"
#include "base/frame.h"

#define GATE_PEM_MAX 8192u /* bytes of the session's certificate */

struct tls;

/*
 * Keeper: has the gate make the session's authority. `trust` is a memory file with the authorities
 * for servers; it stays the caller's. The answer takes a few milliseconds in which other things can
 * be done.
 */
bool gate_prepare(int sock, int trust, struct err *e);
/* Keeper: waits for the certificate (PEM). */
bool gate_prepare_await(int sock, struct buf *pem, struct err *e);

/* Gate: answers with the certificate of the authority that `t` is, which believes what the frame
 * brings. */
bool gate_prepared(int sock, struct tls *t, struct frame_in *f, struct err *e);

#endif
