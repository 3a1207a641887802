/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dnsd.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/clock.h"
#include "gate/dns.h"
#include "gate/refusal.h"
#include "gate/relay.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUESTION_MAX = 12 + 255 + 4, /* header, name, type and class */
    BATCH = 64,                  /* datagrams taken before others have their turn */
    WAITERS_MAX = 1024,          /* questions that wait for the judge, in all */
    SESSIONS_MAX = 64,           /* DNS connections over TCP */
    SESSION_SECONDS = 10,        /* for each question to come, or its answer to be taken */
    BURST_SECONDS = 2,           /* new names may come in bursts of so many seconds' worth */
};

/* A DNS connection over TCP; one question at a time. */
struct session {
    struct dnsd *dnsd;
    int fd;
    bool gone; /* closed while its question waits; the waiter frees it */
    bool waiting;
    struct event ev;
    size_t got;
    uint8_t in[2 + DNS_UDP_MAX];
};

/* Where an answer goes. */
struct asker_addr {
    int sock; /* UDP */
    struct sockaddr_storage peer;
    struct addr local;       /* the address that the question was sent to; n == 0: unknown */
    struct session *session; /* TCP, else NULL */
};

struct dns_waiter {
    struct dns_waiter *next;
    struct asker_addr from;
    struct dns_query query;
    uint8_t question[QUESTION_MAX];
};

struct dnsd {
    struct gate *gate;
    struct event udp[2];
    size_t waiters, sessions;
    double tokens;
    int64_t filled; /* when tokens were counted last */
};

/* One question on its way through; `bytes` up to q.question_end are the question's. */
struct job {
    struct asker_addr from;
    struct dns_query q;
    const uint8_t *bytes;
};

static void session_next(struct session *s);
static void session_close(struct session *s);

/* UDP: from the address that was asked, so that the redirection finds its way back. */
static void send_udp(const struct asker_addr *to, const uint8_t *p, size_t n)
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
static void send_tcp(struct session *s, const uint8_t *p, size_t n)
{
    uint8_t out[2 + DNS_PLAIN_MAX];

    s->waiting = false;
    if (s->gone) {
        free(s);
        return;
    }
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    memcpy(out + 2, p, n);
    if (send(s->fd, out, n + 2, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n + 2)
        session_close(s);
    else
        session_next(s);
}

static void answer(const struct job *j, const struct dns_answer *a)
{
    uint8_t out[DNS_PLAIN_MAX];
    size_t n = dns_answer(out, j->bytes, &j->q, a);

    if (j->from.session != NULL)
        send_tcp(j->from.session, out, n);
    else
        send_udp(&j->from, out, n);
}

static void answer_code(const struct job *j, int rcode, enum dns_ede ede, const char *words)
{
    answer(j, &(struct dns_answer){.rcode = rcode, .ede = ede, .ede_text = str_of(words)});
}

/* What the pool holds about a host that the judge has decided on. */
static void answer_host(struct dnsd *d, const struct job *j, struct host *h)
{
    struct dns_answer a = {.rcode = DNS_NOERROR, .ttl = POOL_TTL};

    if (h->state != HOST_ALLOWED) {
        answer_code(j, DNS_NXDOMAIN, DNS_EDE_BLOCKED, h->reason);
        return;
    }
    if (j->q.type == DNS_A || j->q.type == DNS_AAAA) {
        a.addr = pool_address(d->gate->pool, h, j->q.type == DNS_A ? 4 : 16, clock_ms());
        a.naddrs = 1;
    }
    answer(j, &a);
}

static void answer_localhost(const struct job *j)
{
    static const uint8_t loop4[4] = {127, 0, 0, 1}, loop6[16] = {[15] = 1};
    struct dns_answer a = {.rcode = DNS_NOERROR, .ttl = POOL_TTL};

    if (j->q.type == DNS_A || j->q.type == DNS_AAAA) {
        a.addr = j->q.type == DNS_A ? addr_from_bytes(loop4, 4) : addr_from_bytes(loop6, 16);
        a.naddrs = 1;
    }
    answer(j, &a);
}

/* Names of addresses: of the gate's own and of the loopback; of others nothing is known here,
 * and nothing is asked. */
static void answer_reverse(struct dnsd *d, const struct job *j)
{
    static const struct name localhost = {9, "localhost"};
    struct dns_answer a = {.rcode = DNS_NXDOMAIN, .ttl = POOL_TTL};
    struct host *h = NULL;
    struct addr addr;

    if (addr_from_reverse(name_str(&j->q.name), &addr)) {
        if (addr_is_loopback(&addr))
            a.ptr = &localhost;
        else if (pool_classify(d->gate->pool, &addr, &h) == POOL_HOST)
            a.ptr = &h->name;
    }
    if (a.ptr != NULL)
        a.rcode = DNS_NOERROR;
    if (j->q.type != DNS_PTR)
        a.ptr = NULL;
    answer(j, &a);
}

/* A token for one new name; they come back at the limit's rate. */
static bool name_allowed_by_rate(struct dnsd *d)
{
    double rate = d->gate->limits.names_per_second;
    int64_t now = clock_ms();

    d->tokens += rate * (double)(now - d->filled) / 1000;
    d->filled = now;
    if (d->tokens > rate * BURST_SECONDS)
        d->tokens = rate * BURST_SECONDS;
    if (d->tokens < 1)
        return false;
    d->tokens -= 1;
    return true;
}

struct resolve {
    struct dnsd *dnsd;
    struct host *host;
};

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct resolve *r = arg;
    struct dnsd *d = r->dnsd;
    struct host *h = r->host;
    struct dns_waiter *w = h->waiters;

    (void)id;
    free(r);
    h->waiters = NULL;
    pool_settle(d->gate->pool, h, v->outcome == OUTCOME_ALLOW ? HOST_ALLOWED : HOST_DENIED);
    if (h->state == HOST_DENIED)
        refusal_text(h->reason, v);
    while (w != NULL) {
        struct dns_waiter *next = w->next;
        struct job j = {w->from, w->query, w->question};

        answer_host(d, &j, h);
        d->waiters--;
        free(w);
        w = next;
    }
}

static void wait_for_verdict(struct dnsd *d, const struct job *j, struct host *h)
{
    if (d->waiters == WAITERS_MAX) {
        gate_refuse(d->gate, REFUSAL_PENDING);
        answer_code(j, DNS_REFUSED, DNS_EDE_NOT_READY, "belay: too many questions");
        return;
    }
    struct dns_waiter *w = xcalloc(1, sizeof(*w));

    w->from = j->from;
    w->query = j->q;
    memcpy(w->question, j->bytes, j->q.question_end);
    w->next = h->waiters;
    h->waiters = w;
    d->waiters++;
    if (j->from.session != NULL)
        j->from.session->waiting = true;
}

/* A name not judged yet: asks. */
static void start_resolve(struct dnsd *d, const struct job *j)
{
    struct gate *g = d->gate;
    struct action a;

    if (!name_allowed_by_rate(d)) {
        gate_refuse(g, REFUSAL_NAME_RATE);
        answer_code(j, DNS_REFUSED, DNS_EDE_NOT_READY, "belay: too many new names");
        return;
    }
    struct host *h = pool_get(g->pool, &j->q.name, clock_ms());

    if (h == NULL) {
        gate_refuse(g, REFUSAL_NAME_ROOM);
        answer_code(j, DNS_SERVFAIL, DNS_EDE_NOT_READY, "belay: too many names");
        return;
    }
    struct resolve *r = xcalloc(1, sizeof(*r));

    *r = (struct resolve){d, h};
    action_init(&a, VERB_RESOLVE, RESOURCE_HOST, name_str(&h->name));
    if (gate_ask(g->asker, &a, on_verdict, r) == 0) {
        free(r);
        gate_refuse(g, REFUSAL_PENDING);
        answer_code(j, DNS_REFUSED, DNS_EDE_NOT_READY, "belay: too many questions");
        return;
    }
    pool_settle(g->pool, h, HOST_ASKING);
    wait_for_verdict(d, j, h);
}

static void resolve(struct dnsd *d, const struct job *j)
{
    struct host *h;

    if (!j->q.name_ok) {
        gate_refuse(d->gate, REFUSAL_NAME_FORM);
        answer_code(j, DNS_NXDOMAIN, DNS_EDE_BLOCKED, "belay: not a host name");
    } else if (name_is_localhost(&j->q.name)) {
        answer_localhost(j);
    } else if (addr_is_reverse(name_str(&j->q.name))) {
        answer_reverse(d, j);
    } else if ((h = pool_find(d->gate->pool, &j->q.name)) == NULL || h->state == HOST_NEW) {
        start_resolve(d, j);
    } else if (h->state == HOST_ASKING) {
        wait_for_verdict(d, j, h);
    } else {
        answer_host(d, j, h);
    }
}

/* False: nothing was and nothing will be answered. */
static bool take(struct dnsd *d, struct job *j, size_t n)
{
    int rcode = dns_parse_query(j->bytes, n, &j->q);

    if (rcode != DNS_NOERROR)
        gate_refuse(d->gate, REFUSAL_DNS_FORM);
    if (rcode < 0)
        return false;
    if (rcode != DNS_NOERROR)
        answer_code(j, rcode, DNS_EDE_NONE, "");
    else
        resolve(d, j);
    return true;
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

    (void)what;
    for (int i = 0; i < BATCH; i++) {
        struct job j = {.bytes = bytes};
        struct iovec iov = {bytes, sizeof(bytes)};
        struct msghdr m = {.msg_name = &j.from.peer,
                           .msg_namelen = sizeof(j.from.peer),
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == ENOMEM))
            return;
        if (n < 0 || (m.msg_flags & MSG_TRUNC) != 0)
            continue; /* an error that a peer caused, or longer than a question can be */
        j.from.sock = sock;
        read_local(&m, &j.from.local);
        take(arg, &j, (size_t)n);
    }
}

static void session_close(struct session *s)
{
    s->dnsd->sessions--;
    event_del(&s->ev);
    close(s->fd);
    if (s->waiting)
        s->gone = true;
    else
        free(s);
}

/* Takes the question that lies whole in s->in, if one does. */
static void session_take(struct session *s)
{
    size_t n = (size_t)s->in[0] << 8 | s->in[1];
    struct job j = {.bytes = s->in + 2, .from.session = s};

    if (s->got < 2 || (n <= DNS_UDP_MAX && s->got < n + 2))
        return;
    if (n > DNS_UDP_MAX || !take(s->dnsd, &j, n))
        session_close(s);
}

/* The question was answered: on to what was sent behind it. */
static void session_next(struct session *s)
{
    size_t n = 2 + ((size_t)s->in[0] << 8 | s->in[1]);

    s->got -= n;
    memmove(s->in, s->in + n, s->got);
    event_active(&s->ev, EV_READ, 0);
}

static void on_session(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    if ((what & EV_TIMEOUT) != 0 && !s->waiting) {
        session_close(s);
        return;
    }
    if (s->waiting)
        return;
    ssize_t n = recv(fd, s->in + s->got, sizeof(s->in) - s->got, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        session_close(s);
        return;
    }
    s->got += n > 0 ? (size_t)n : 0;
    session_take(s);
}

void dnsd_accept(struct dnsd *d, int fd)
{
    struct timeval patience = {SESSION_SECONDS, 0};

    if (d->sessions == SESSIONS_MAX) {
        gate_refuse(d->gate, REFUSAL_DNS_SESSIONS);
        close_with_reset(fd);
        return;
    }
    struct session *s = xcalloc(1, sizeof(*s));

    s->dnsd = d;
    s->fd = fd;
    d->sessions++;
    event_assign(&s->ev, d->gate->base, fd, EV_READ | EV_ET | EV_PERSIST, on_session, s);
    event_add(&s->ev, &patience);
}

static bool serve(struct dnsd *d, int i, int sock, struct err *e)
{
    const int on = 1;

    if (sock < 0)
        return true;
    if (!fd_set_nonblock(sock) ||
        setsockopt(sock, i == 0 ? IPPROTO_IP : IPPROTO_IPV6, i == 0 ? IP_PKTINFO : IPV6_RECVPKTINFO,
                   &on, sizeof(on)) != 0)
        return err_sys(e, EX_ROLE, "gate: cannot prepare the DNS socket");
    event_assign(&d->udp[i], d->gate->base, sock, EV_READ | EV_PERSIST, on_udp, d);
    event_add(&d->udp[i], NULL);
    return true;
}

struct dnsd *dnsd_new(struct gate *g, int udp4, int udp6, struct err *e)
{
    struct dnsd *d = xcalloc(1, sizeof(*d));

    d->gate = g;
    d->filled = clock_ms();
    d->tokens = (double)g->limits.names_per_second * BURST_SECONDS;
    if (serve(d, 0, udp4, e) && serve(d, 1, udp6, e))
        return d;
    free(d);
    return NULL;
}
