/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inward.h - connections from the host to a server of the agent's (belay run --publish).
 *
 * A socket belongs to the network namespace that it was made in, so only a process inside can make
 * one that reaches the agent's servers. J does, for the ports that the plan publishes and for no
 * others, and hands it out not yet connected: who asked waits until it is writable and looks at
 * SO_ERROR. One answer follows each request, in order. The gate at the other end may have been
 * taken over: J never waits for it, and leaves it alone once it does not read its answers.
 */
#ifndef BELAY_JAIL_INWARD_H
#define BELAY_JAIL_INWARD_H

#include "jail/jail.h"

/* Asks for a socket on its way to `port` of the jail's 127.0.0.1, or ::1. False with errno. */
bool inward_ask(int way, uint16_t port, bool six);

enum inward_result {
    INWARD_OK,      /* *fd is the receiver's: non-blocking, connecting or connected */
    INWARD_FAILED,  /* *error says why there is none */
    INWARD_NOTHING, /* no answer yet */
    INWARD_GONE,    /* J is gone */
};
enum inward_result inward_answer(int way, int *fd, int *error);

/* J: answers the request that can be read from `way`. False: the other end is gone, or asked for
 * what the plan does not publish; it is then not listened to any more. */
bool inward_serve(int way, const uint16_t *ports, size_t nports);

#endif
