/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusal.h - tells a client that is refused why, in the protocol that it began to speak.
 *
 * An agent that understands stops trying. HTTP/1 gets a 403 with the reason, TLS the alert
 * access_denied (RFC 8446, 6.2), everything else only the reset that follows. Nothing of what
 * the client sent is acted on or taken.
 */
#ifndef BELAY_GATE_REFUSAL_H
#define BELAY_GATE_REFUSAL_H

#include "policy/action.h"

#define REFUSAL_TEXT_MAX 160
#define REFUSAL_WAIT_MS  100 /* for the client's first bytes */

/* One printable line: "belay: RULE: REASON". */
void refusal_text(char out[REFUSAL_TEXT_MAX], const struct verdict *v);

/* False: the client has not sent anything yet. True: it was told, or cannot be. */
bool refusal_tell(int fd, const char *text);

#endif
