/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the network of the jail: loopback, and one way out that is not a device.
 *
 * Every address is made local ("local default dev lo"), and an nftables redirect in the
 * output hook hands each TCP connection that does not go to the agent's own loopback, and
 * each UDP packet to port 53, to sockets that are made here and passed out to the gate.
 * SO_ORIGINAL_DST (IP6T_SO_ORIGINAL_DST) on an accepted connection tells where it wanted to
 * go. A filter drops all else that is not loopback, so a sender gets EPERM at once.
 */
#ifndef BELAY_JAIL_NET_H
#define BELAY_JAIL_NET_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Listening (TCP) and bound (UDP), non-blocking; -1 where the host has no IPv6. */
struct net_sockets {
    int tcp4, tcp6, udp4, udp6;
};

/* Loopback up, in the caller's network namespace; needs CAP_NET_ADMIN there. */
bool net_loopback_up(struct err *e);

/* The gate: routes, redirect, filter, sockets. `ports`: loopback ports that are the host's. */
bool net_gate_up(const uint16_t *ports, size_t nports, struct net_sockets *out, struct err *e);

#endif
