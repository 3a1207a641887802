/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/inward.h"
#include "base/mem.h"
#include "jail/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

enum { SIX = 1 << 16 }; /* in a request's value, above the port */

bool inward_ask(int way, uint16_t port, bool six)
{
    return wire_send(way, WIRE_INWARD, port | (six ? SIX : 0), NULL, NULL, 0);
}

enum inward_result inward_answer(int way, int *fd, int *error)
{
    struct wire_in in;

    switch (wire_recv(way, &in, 0)) {
    case WIRE_NOTHING:
        return INWARD_NOTHING;
    case WIRE_GONE:
        return INWARD_GONE;
    case WIRE_OK:
        break;
    }
    *fd = fd_take(&in.fds[0]);
    *error = in.msg.value;
    wire_close_fds(&in);
    if (in.msg.type != WIRE_INWARD)
        mem_auto_close(fd);
    return *fd >= 0 ? INWARD_OK : INWARD_FAILED;
}

/* A socket that is on its way there; -1 with errno. */
static int set_out(uint16_t port, bool six)
{
    const struct sockaddr_in to4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 to6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *to = six ? (const void *)&to6 : (const void *)&to4;
    AUTO_CLOSE int fd =
        socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || (connect(fd, to, six ? sizeof(to6) : sizeof(to4)) != 0 && errno != EINPROGRESS))
        return -1;
    return fd_take(&fd);
}

static bool published(int port, const uint16_t *ports, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ports[i] == port)
            return true;
    return false;
}

bool inward_serve(int way, const uint16_t *ports, size_t nports)
{
    AUTO_CLOSE int fd = -1;
    struct wire_in in;
    enum wire_result got = wire_recv(way, &in, 0);

    if (got != WIRE_OK)
        return got == WIRE_NOTHING;
    wire_close_fds(&in);
    int port = in.msg.value & ~SIX;
    if (in.msg.type != WIRE_INWARD || !published(port, ports, nports))
        return false;
    fd = set_out((uint16_t)port, (in.msg.value & SIX) != 0);
    return wire_send(way, WIRE_INWARD, fd < 0 ? errno : 0, NULL, &fd, fd >= 0);
}
