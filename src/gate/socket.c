/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { KEEPALIVE_IDLE = 60, KEEPALIVE_INTERVAL = 20, KEEPALIVE_PROBES = 4 };

void socket_prepare(int fd)
{
    const int on = 1, idle = KEEPALIVE_IDLE, interval = KEEPALIVE_INTERVAL,
              probes = KEEPALIVE_PROBES;

    /* Each is a refinement: the connection works without. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}
