/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/door.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/conn.h"
#include "gate/relay.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_ORIGINAL_DST
#define SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h; for IPv6 IP6T_SO_ORIGINAL_DST, the same */
#endif

enum { BATCH = 32, DNS_PORT = 53, PAUSE_MS = 100, DOORS = 2 };

struct doors {
    struct gate *gate;
    struct dnsd *dnsd;
    struct passes *passes;
    struct conns *conns;
    struct {
        int fd;
        struct event ev;
    } door[DOORS];
    struct event pause; /* pending while descriptors are short */
    bool open;
};

static void open_doors(struct doors *d, bool open)
{
    if (d->open == open)
        return;
    d->open = open;
    for (int i = 0; i < DOORS; i++) {
        if (d->door[i].fd < 0)
            continue;
        if (open)
            event_add(&d->door[i].ev, NULL);
        else
            event_del(&d->door[i].ev);
    }
}

static bool room(const struct doors *d)
{
    return conns_count(d->conns) < d->gate->limits.connections;
}

static void on_room(void *arg)
{
    struct doors *d = arg;

    if (!event_pending(&d->pause, EV_TIMEOUT, NULL))
        open_doors(d, room(d));
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    open_doors(arg, room(arg));
}

/* Where the connection wanted to go. */
static bool original(const struct doors *d, int fd, const struct sockaddr_storage *peer, bool v6,
                     struct addr *to, uint16_t *port)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    struct addr from;
    uint16_t from_port;

    if (d->passes != NULL)
        return addr_from_sockaddr(peer, &from, &from_port) &&
               pass_take(d->passes, v6, from_port, to, port);
    return getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, SO_ORIGINAL_DST, &ss, &n) == 0 &&
           addr_from_sockaddr(&ss, to, port) && *port != 0;
}

/* In tier B kern sends every question there on purpose, whatever the server's address. */
static bool is_dns(const struct doors *d, const struct addr *to, uint16_t port)
{
    return port == DNS_PORT && (d->passes != NULL || !addr_is_loopback(to));
}

static void admit(struct doors *d, int fd, const struct sockaddr_storage *peer, bool v6)
{
    struct addr to;
    uint16_t port;

    if (!original(d, fd, peer, v6, &to, &port)) {
        gate_refuse(d->gate, REFUSAL_ORIGIN);
        close_with_reset(fd);
    } else if (is_dns(d, &to, port)) {
        dnsd_accept(d->dnsd, fd); /* whichever server was meant: names are answered here */
    } else {
        conn_start(d->conns, fd, &to, port);
    }
}

static void on_door(evutil_socket_t listener, short what, void *arg)
{
    const struct timeval pause = {0, PAUSE_MS * 1000};
    struct doors *d = arg;

    (void)what;
    for (int i = 0; i < BATCH && room(d); i++) {
        struct sockaddr_storage peer;
        socklen_t n = sizeof(peer);
        int fd = accept4(listener, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(d, fd, &peer, listener == d->door[1].fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            open_doors(d, false);
            event_add(&d->pause, &pause);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
    if (!room(d))
        open_doors(d, false);
}

struct doors *doors_new(struct gate *g, struct dnsd *dnsd, struct passes *passes, int tcp4,
                        int tcp6, struct err *e)
{
    const int fds[DOORS] = {tcp4, tcp6};
    struct doors *d = xcalloc(1, sizeof(*d));

    d->gate = g;
    d->dnsd = dnsd;
    d->passes = passes;
    d->conns = conns_new(g, on_room, d);
    event_assign(&d->pause, g->base, -1, 0, on_pause_over, d);
    for (int i = 0; i < DOORS; i++) {
        d->door[i].fd = fds[i];
        if (fds[i] < 0)
            continue;
        if (!fd_set_nonblock(fds[i])) {
            err_sys(e, EX_ROLE, "gate: cannot prepare the listener");
            return NULL;
        }
        event_assign(&d->door[i].ev, g->base, fds[i], EV_READ | EV_PERSIST, on_door, d);
    }
    open_doors(d, true);
    return d;
}

void doors_reloaded(struct doors *d)
{
    conns_reloaded(d->conns);
}
