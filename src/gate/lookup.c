/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/lookup.h"

#include "base/mem.h"
#include "gate/clock.h"

#include <assert.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    ROUNDS = 2,          /* times that each server is tried */
    FIRST_TRY_MS = 1200, /* for one server to answer, over UDP or TCP */
    LATE_MS = 50,        /* RFC 8305, 3: how long an A reply waits for the AAAA reply */
    CACHE_SLOTS = 512,
};

struct family {
    struct lookup *lookup;
    uint16_t type, id;
    int fd; /* -1: over */
    bool tcp;
    unsigned tries;
    struct event io, timer;
    size_t sent, got, want; /* TCP: bytes of the question sent, of the reply received, expected */
    uint8_t *buf;           /* TCP: the reply, DNS_TCP_MAX + 2 */
    struct dns_reply reply;
    bool answered;
};

struct lookup {
    struct resolver *resolver;
    struct name name;
    lookup_fn *fn;
    void *arg;
    struct family v4, v6;
    struct event deadline, late;
    size_t known; /* addresses known without asking */
    struct addr addrs[LOOKUP_ADDRS_MAX];
};

struct kept {
    struct name name;
    int64_t until;
    size_t n;
    struct addr addrs[LOOKUP_ADDRS_MAX];
};

struct resolver {
    struct event_base *base;
    const struct hostcfg *config;
    unsigned timeout_ms;
    uint32_t seed;
    struct kept cache[CACHE_SLOTS];
};

static void start_try(struct family *f);

static struct timeval ms(unsigned n)
{
    return (struct timeval){n / 1000, (suseconds_t)(n % 1000 * 1000)};
}

struct resolver *resolver_new(struct event_base *base, const struct hostcfg *config,
                              unsigned timeout_ms)
{
    struct resolver *r = xcalloc(1, sizeof(*r));

    r->base = base;
    r->config = config;
    r->timeout_ms = timeout_ms;
    if (getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed)) {
        free(r);
        return NULL;
    }
    return r;
}

static void close_try(struct family *f)
{
    if (f->fd < 0)
        return;
    event_del(&f->io);
    event_del(&f->timer);
    close(f->fd);
    f->fd = -1;
    free(f->buf);
    f->buf = NULL;
}

static void release(struct lookup *l)
{
    close_try(&l->v4);
    close_try(&l->v6);
    event_del(&l->deadline);
    event_del(&l->late);
    free(l);
}

void lookup_cancel(struct lookup *l)
{
    release(l);
}

static struct kept *cache_slot(struct resolver *r, const struct name *name)
{
    return &r->cache[name_hash(name, r->seed) % CACHE_SLOTS];
}

static void keep(struct lookup *l, size_t n)
{
    uint32_t ttl = LOOKUP_KEEP_MS / 1000;
    struct kept *k = cache_slot(l->resolver, &l->name);

    if (l->v4.reply.naddrs > 0 && l->v4.reply.ttl < ttl)
        ttl = l->v4.reply.ttl;
    if (l->v6.reply.naddrs > 0 && l->v6.reply.ttl < ttl)
        ttl = l->v6.reply.ttl;
    k->name = l->name;
    k->until = clock_ms() + (int64_t)ttl * 1000;
    k->n = n;
    memcpy(k->addrs, l->addrs, n * sizeof(l->addrs[0]));
}

/* IPv6 and IPv4 in turn, IPv6 first (RFC 8305, 4). */
static size_t interleave(struct lookup *l)
{
    const struct dns_reply *six = &l->v6.reply, *four = &l->v4.reply;
    size_t n = 0;

    for (size_t i = 0; i < DNS_ADDRS_MAX && n < LOOKUP_ADDRS_MAX; i++) {
        if (i < six->naddrs)
            l->addrs[n++] = six->addrs[i];
        if (i < four->naddrs && n < LOOKUP_ADDRS_MAX)
            l->addrs[n++] = four->addrs[i];
    }
    return n;
}

static const char *failure(const struct lookup *l)
{
    const struct dns_reply *r = l->v4.answered ? &l->v4.reply : &l->v6.reply;

    if (!l->v4.answered && !l->v6.answered)
        return "no name server answers";
    if (r->rcode == DNS_NXDOMAIN)
        return "no such name";
    return r->rcode == DNS_NOERROR ? "name has no address" : "lookup failed";
}

static void finish(struct lookup *l)
{
    size_t n = l->known;
    const char *error = NULL;

    if (n == 0) {
        n = interleave(l);
        if (n > 0 && l->v4.fd < 0 && l->v6.fd < 0)
            keep(l, n);
        else if (n == 0)
            error = failure(l);
    }
    l->fn(l->arg, l->addrs, n, error);
    release(l);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    finish(arg);
}

/* One family is done, with or without an answer. */
static void settled(struct family *f)
{
    struct lookup *l = f->lookup;
    struct timeval late = ms(LATE_MS);

    close_try(f);
    if (l->v4.fd < 0 && l->v6.fd < 0)
        finish(l);
    else if (f->answered && f->reply.naddrs > 0)
        event_add(&l->late, &late);
}

static void next_try(struct family *f)
{
    close_try(f);
    f->tcp = false;
    start_try(f);
    if (f->fd < 0)
        settled(f);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    next_try(arg);
}

static const struct server *server_of(const struct family *f)
{
    const struct hostcfg *c = f->lookup->resolver->config;

    return &c->servers[(f->tries - 1) % c->nservers];
}

/* The bytes at `p` claim to be the reply. One that is not is ignored over UDP, where anyone can
 * send it; a server's failure is a reason to ask the next one. */
static void take_reply(struct family *f, const uint8_t *p, size_t n)
{
    struct dns_reply reply;

    if (!dns_parse_reply(p, n, f->id, &f->lookup->name, f->type, &reply)) {
        if (f->tcp)
            next_try(f);
        return;
    }
    if (reply.truncated && !f->tcp) {
        close_try(f);
        f->tcp = true;
        f->tries--; /* the same server again */
        start_try(f);
        if (f->fd < 0)
            settled(f);
        return;
    }
    f->reply = reply;
    f->answered = true;
    if (reply.rcode == DNS_NOERROR || reply.rcode == DNS_NXDOMAIN)
        settled(f);
    else
        next_try(f);
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
    uint8_t p[DNS_UDP_MAX];
    struct family *f = arg;
    ssize_t n = recv(fd, p, sizeof(p), MSG_DONTWAIT);

    (void)what;
    if (n >= 0)
        take_reply(f, p, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        next_try(f);
}

static bool send_tcp(struct family *f)
{
    uint8_t q[DNS_PLAIN_MAX + 2];
    size_t n = dns_question(q + 2, f->id, &f->lookup->name, f->type);

    q[0] = (uint8_t)(n >> 8);
    q[1] = (uint8_t)n;
    ssize_t k = send(f->fd, q + f->sent, n + 2 - f->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (k < 0)
        return errno == EAGAIN || errno == EINTR;
    f->sent += (size_t)k;
    if (f->sent < n + 2)
        return true;
    event_del(&f->io);
    event_assign(&f->io, f->lookup->resolver->base, f->fd, EV_READ | EV_PERSIST,
                 event_get_callback(&f->io), f);
    return event_add(&f->io, NULL) == 0;
}

static void read_tcp(struct family *f)
{
    ssize_t k = recv(f->fd, f->buf + f->got, f->want - f->got, MSG_DONTWAIT);

    if (k <= 0) {
        if (k == 0 || (errno != EAGAIN && errno != EINTR))
            next_try(f);
        return;
    }
    f->got += (size_t)k;
    if (f->got == 2 && f->want == 2)
        f->want = 2 + ((size_t)f->buf[0] << 8 | f->buf[1]);
    else if (f->got == f->want)
        take_reply(f, f->buf + 2, f->got - 2);
}

static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
    struct family *f = arg;

    (void)fd;
    if ((what & EV_WRITE) != 0 && !send_tcp(f))
        next_try(f);
    else if ((what & EV_READ) != 0)
        read_tcp(f);
}

/* Opens the socket to the server of this try and sends, or starts to connect. */
static bool open_try(struct family *f)
{
    const struct server *s = server_of(f);
    struct sockaddr_storage ss;
    socklen_t n = addr_sockaddr(&s->addr, s->port, &ss);
    int kind = (f->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    uint8_t q[DNS_PLAIN_MAX];

    if (s->zone != 0)
        ((struct sockaddr_in6 *)&ss)->sin6_scope_id = s->zone;
    f->fd = socket(ss.ss_family, kind, 0);
    if (f->fd < 0 || getrandom(&f->id, sizeof(f->id), 0) != (ssize_t)sizeof(f->id))
        return false;
    if (connect(f->fd, (struct sockaddr *)&ss, n) != 0 && (!f->tcp || errno != EINPROGRESS))
        return false;
    if (f->tcp) {
        f->buf = xcalloc(1, DNS_TCP_MAX + 2);
        f->sent = f->got = 0;
        f->want = 2;
        return true;
    }
    size_t k = dns_question(q, f->id, &f->lookup->name, f->type);

    return send(f->fd, q, k, MSG_NOSIGNAL) == (ssize_t)k;
}

/* Goes on to the next server that can be reached; f->fd stays -1 when all were tried. */
static void start_try(struct family *f)
{
    struct resolver *r = f->lookup->resolver;
    struct timeval patience = ms(FIRST_TRY_MS);

    while (f->tries < ROUNDS * r->config->nservers) {
        f->tries++;
        bool open = open_try(f);

        if (f->fd < 0)
            continue;
        event_assign(&f->io, r->base, f->fd, (f->tcp ? EV_WRITE : EV_READ) | EV_PERSIST,
                     f->tcp ? on_tcp : on_udp, f);
        event_assign(&f->timer, r->base, -1, 0, on_timer, f);
        if (open && event_add(&f->io, NULL) == 0 && event_add(&f->timer, &patience) == 0)
            return;
        close_try(f);
    }
}

/* What is known without asking; finishes through the `late` timer. */
static bool known(struct lookup *l)
{
    struct resolver *r = l->resolver;
    struct kept *k = cache_slot(r, &l->name);

    l->known = hostcfg_find(r->config, &l->name, l->addrs, LOOKUP_ADDRS_MAX);
    if (l->known == 0 && k->n > 0 && name_eq(&k->name, &l->name) && k->until > clock_ms()) {
        l->known = k->n;
        memcpy(l->addrs, k->addrs, k->n * sizeof(k->addrs[0]));
    }
    return l->known > 0;
}

struct lookup *lookup_start(struct resolver *r, const struct name *name, lookup_fn *fn, void *arg)
{
    struct lookup *l = xcalloc(1, sizeof(*l));
    struct timeval deadline = ms(r->timeout_ms), now = {0, 0};

    l->resolver = r;
    l->name = *name;
    l->fn = fn;
    l->arg = arg;
    l->v4 = (struct family){.lookup = l, .type = DNS_A, .fd = -1};
    l->v6 = (struct family){.lookup = l, .type = DNS_AAAA, .fd = -1};
    event_assign(&l->deadline, r->base, -1, 0, on_deadline, l);
    event_assign(&l->late, r->base, -1, 0, on_deadline, l);
    if (!known(l)) {
        start_try(&l->v4);
        start_try(&l->v6);
    }
    if (l->v4.fd < 0 && l->v6.fd < 0)
        event_add(&l->late, &now);
    event_add(&l->deadline, &deadline);
    return l;
}
