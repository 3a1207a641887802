/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsd.h - the name server that the agent sees: over UDP, and over TCP for connections that the
 * doors hand over. It answers from the pool and asks the judge about names that are new;
 * no question of the agent ever leaves the machine.
 */
#ifndef BELAY_GATE_DNSD_H
#define BELAY_GATE_DNSD_H

#include "gate/state.h"

struct dnsd;

/* Sockets are bound UDP sockets, or -1. NULL and *e on failure. */
struct dnsd *dnsd_new(struct gate *g, int udp4, int udp6, struct err *e);
/* Takes an accepted, non-blocking TCP connection. */
void dnsd_accept(struct dnsd *d, int fd);
/* Takes a connected packet socket by which questions come as datagrams do. */
void dnsd_adopt(struct dnsd *d, int fd);

#endif
