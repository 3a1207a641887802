/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the internet in tier B, where the agent shares the host's network.
 *
 * A stream socket is the agent's own, but it is kern that connects and binds it, and only to this
 * machine's loopback: to the gate, which is told beforehand from which local port the connection
 * will come and where it wanted to go (MSG_PASS); or to a server of the agent's own. Addresses to
 * bind are narrowed to the loopback.
 *
 * There are no datagram sockets: one could name another receiver with each packet, in memory that
 * no filter can read. Who asks for one gets a pair of AF_UNIX SOCK_SEQPACKET sockets, of which the
 * other end is the gate's name server: packets keep their borders, and the kernel ignores the
 * address of each.
 */
#ifndef BELAY_KERN_NET_H
#define BELAY_KERN_NET_H

#include "kern/connect.h"

/* May r->connect's socket be connected to r->connect->to? 0: `to` has become where; or -errno.
 * -EAGAIN: the gate has no room for the word now. */
int net_aim(struct request *r);
/* The same for bind: 0, or -errno. */
int net_narrow(struct request *r);
/* Is this a socket that stands for a datagram socket, by the family of the address given to it? */
bool net_is_names(const struct connect *c);
/* connect and bind of such a socket: 0 or -errno. */
int net_names_connect(const struct connect *c);
int net_names_bind(const struct connect *c);

#endif
