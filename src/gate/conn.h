/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - one TCP connection of the agent, from its accept to its end.
 *
 *   ASKING   may this host be connected to at this port?   (names only)
 *   LOOKUP   which addresses has it?                       (names only)
 *   DIALING  may this address be connected to? connect     (dial.h)
 *   SNIFFING what does the client begin to speak?          (sniff.h; where to look inside)
 *   OPENED   its requests are judged                       (http_door.h)
 *   RELAY    bytes go both ways                            (relay.h)
 *   REFUSING the judge said no; the client is told why    (refusal.h)
 *
 * A name that is opened is looked up and dialled when a request needs it. An address that is opened
 * is dialled before SNIFFING, because the question about it is the dial's.
 *
 * Whatever goes wrong before OPENED or RELAY resets the agent's connection. A client that closes
 * while it is held is given CONN_GRACE_MS (it may have closed only its sending side) and is then
 * taken for gone: its question is cancelled.
 */
#ifndef BELAY_GATE_CONN_H
#define BELAY_GATE_CONN_H

#include "gate/state.h"

#define CONN_GRACE_MS 3000

struct conns;

/* `room` is called whenever a connection has ended. */
struct conns *conns_new(struct gate *g, void (*room)(void *arg), void *arg);
size_t conns_count(const struct conns *c);

/* Another policy holds. */
void conns_reloaded(struct conns *c);

/* Takes an accepted, non-blocking connection that wanted to go to `to`. */
void conn_start(struct conns *c, int fd, const struct addr *to, uint16_t port);

#endif
