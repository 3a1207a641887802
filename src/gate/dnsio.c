/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dnsio.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/dns.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,           /* datagrams taken before others have their turn */
    SESSIONS_MAX = 64,    /* connections over TCP */
    PACKETS_MAX = 256,    /* packet sockets */
    SESSION_SECONDS = 10, /* for the next question to come */
};

struct dns_session {
    struct dnsio *io;
    int fd;
    bool packets; /* no stream: a packet is a question */
    bool waiting; /* its question is not answered yet: nothing is read, and it is not closed */
    struct event ev;
    size_t got;
    uint8_t in[2 + DNS_UDP_MAX];
};

struct dnsio {
    struct event_base *base;
    dns_question_fn *fn;
    void *arg;
    struct event udp[2];
    size_t sessions, packets;
};

static void session_next(struct dns_session *s);
static void session_close(struct dns_session *s);

/* UDP: from the address that was asked, so that the redirection finds its way back. */
static void send_udp(const struct dns_peer *to, const uint8_t *p, size_t n)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr m = {.msg_name = (void *)(uintptr_t)&to->peer,
                       .msg_namelen = to->peer.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                                    : sizeof(struct sockaddr_in6),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes};
    struct cmsghdr *c = &control.align;

    if (to->peer.ss_family == AF_INET && to->local.n == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, to->local.b, 4);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        m.msg_controllen = CMSG_SPACE(sizeof(info));
    } else if (to->peer.ss_family == AF_INET6 && to->local.n == 16) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, to->local.b, 16);
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        m.msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        m.msg_control = NULL;
    }
    /* An answer that does not fit the socket's buffer is lost like any datagram. */
    (void)sendmsg(to->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* TCP: an asker that does not take so few bytes is not listening. */
static void send_tcp(struct dns_session *s, const uint8_t *p, size_t n)
{
    uint8_t out[2 + DNS_PLAIN_MAX];

    s->waiting = false;
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    memcpy(out + 2, p, n);
    if (send(s->fd, out, n + 2, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n + 2)
        session_close(s);
    else
        session_next(s);
}

/* An answer that there is no room for is lost, as a datagram would be. The next question may lie
 * there already. */
static void send_packet(struct dns_session *s, const uint8_t *p, size_t n)
{
    s->waiting = false;
    (void)send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    event_active(&s->ev, EV_READ, 0);
}

void dnsio_answer(const struct dns_peer *to, const uint8_t *p, size_t n)
{
    assert(n <= DNS_PLAIN_MAX);
    if (to->session != NULL && to->session->packets)
        send_packet(to->session, p, n);
    else if (to->session != NULL)
        send_tcp(to->session, p, n);
    else
        send_udp(to, p, n);
}

void dnsio_hold(const struct dns_peer *from)
{
    if (from->session != NULL)
        from->session->waiting = true;
}

static void read_local(const struct msghdr *m, struct addr *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            *local = addr_from_bytes(&info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            *local = addr_from_bytes(&info.ipi6_addr, 16);
        }
    }
}

static void on_udp(evutil_socket_t sock, short what, void *arg)
{
    union {
        char bytes[256];
        struct cmsghdr align;
    } control;
    uint8_t bytes[DNS_UDP_MAX];
    struct dnsio *io = arg;

    (void)what;
    for (int i = 0; i < BATCH; i++) {
        struct dns_peer from = {.sock = sock};
        struct iovec iov = {bytes, sizeof(bytes)};
        struct msghdr m = {.msg_name = &from.peer,
                           .msg_namelen = sizeof(from.peer),
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == ENOMEM))
            return;
        if (n < 0 || (m.msg_flags & MSG_TRUNC) != 0)
            continue; /* an error that a peer caused, or longer than a question can be */
        read_local(&m, &from.local);
        io->fn(io->arg, &from, bytes, (size_t)n);
    }
}

static void session_close(struct dns_session *s)
{
    assert(!s->waiting);
    if (s->packets)
        s->io->packets--;
    else
        s->io->sessions--;
    event_del(&s->ev);
    close(s->fd);
    free(s);
}

/* Takes the question that lies whole in s->in, if one does. */
static void session_take(struct dns_session *s)
{
    size_t n = (size_t)s->in[0] << 8 | s->in[1];
    const struct dns_peer from = {.session = s};

    if (s->got < 2 || (n <= DNS_UDP_MAX && s->got < n + 2))
        return;
    if (n > DNS_UDP_MAX || !s->io->fn(s->io->arg, &from, s->in + 2, n))
        session_close(s);
}

/* The question was answered: on to what was sent behind it. */
static void session_next(struct dns_session *s)
{
    size_t n = 2 + ((size_t)s->in[0] << 8 | s->in[1]);

    s->got -= n;
    memmove(s->in, s->in + n, s->got);
    event_active(&s->ev, EV_READ, 0);
}

static void on_session(evutil_socket_t fd, short what, void *arg)
{
    struct dns_session *s = arg;

    if (s->waiting)
        return;
    if ((what & EV_TIMEOUT) != 0) {
        session_close(s);
        return;
    }
    ssize_t n = recv(fd, s->in + s->got, sizeof(s->in) - s->got, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        session_close(s);
        return;
    }
    s->got += n > 0 ? (size_t)n : 0;
    session_take(s);
}

static void on_packet(evutil_socket_t fd, short what, void *arg)
{
    struct dns_session *s = arg;
    const struct dns_peer from = {.session = s};

    (void)what;
    if (s->waiting)
        return;
    ssize_t n = recv(fd, s->in, sizeof(s->in), MSG_DONTWAIT | MSG_TRUNC);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        session_close(s);
        return;
    }
    /* Too long, or none: the asker would wait in vain for a datagram too. */
    if (n > 0 && (n > DNS_UDP_MAX || !s->io->fn(s->io->arg, &from, s->in, (size_t)n)))
        event_active(&s->ev, EV_READ, 0);
}

bool dnsio_adopt(struct dnsio *io, int fd)
{
    if (io->packets == PACKETS_MAX)
        return false;
    struct dns_session *s = xcalloc(1, sizeof(*s));

    s->io = io;
    s->fd = fd;
    s->packets = true;
    io->packets++;
    event_assign(&s->ev, io->base, fd, EV_READ | EV_ET | EV_PERSIST, on_packet, s);
    event_add(&s->ev, NULL);
    return true;
}

bool dnsio_accept(struct dnsio *io, int fd)
{
    static const struct timeval patience = {SESSION_SECONDS, 0};

    if (io->sessions == SESSIONS_MAX)
        return false;
    struct dns_session *s = xcalloc(1, sizeof(*s));

    s->io = io;
    s->fd = fd;
    io->sessions++;
    event_assign(&s->ev, io->base, fd, EV_READ | EV_ET | EV_PERSIST, on_session, s);
    event_add(&s->ev, &patience);
    return true;
}

static bool serve(struct dnsio *io, int i, int sock, struct err *e)
{
    const int on = 1;

    if (sock < 0)
        return true;
    if (!fd_set_nonblock(sock) ||
        setsockopt(sock, i == 0 ? IPPROTO_IP : IPPROTO_IPV6, i == 0 ? IP_PKTINFO : IPV6_RECVPKTINFO,
                   &on, sizeof(on)) != 0)
        return err_sys(e, EX_ROLE, "gate: cannot prepare the DNS socket");
    event_assign(&io->udp[i], io->base, sock, EV_READ | EV_PERSIST, on_udp, io);
    event_add(&io->udp[i], NULL);
    return true;
}

struct dnsio *dnsio_new(struct event_base *base, int udp4, int udp6, dns_question_fn *fn, void *arg,
                        struct err *e)
{
    struct dnsio *io = xcalloc(1, sizeof(*io));

    io->base = base;
    io->fn = fn;
    io->arg = arg;
    if (serve(io, 0, udp4, e) && serve(io, 1, udp6, e))
        return io;
    free(io);
    return NULL;
}
