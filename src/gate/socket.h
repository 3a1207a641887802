/* SPDX-License-Identifier: Apache-2.0 */
/* socket.h - what every TCP connection of the gate is set to. */
#ifndef BELAY_GATE_SOCKET_H
#define BELAY_GATE_SOCKET_H

/* No delay for small writes; a peer that vanished is noticed. */
void socket_prepare(int fd);

#endif
