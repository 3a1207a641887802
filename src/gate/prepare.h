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
 * Keeper: has the gate make the session's authority, and waits for its certificate (PEM). `trust`
 * is a memory file with the authorities for servers; it stays the caller's.
 */
bool gate_prepare(int sock, int trust, struct buf *pem, struct err *e);

/* Gate: does it, and answers. */
struct tls *gate_prepared(int sock, struct frame_in *f, struct err *e);

#endif
