/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dnsd.h"

#include "base/mem.h"
#include "gate/clock.h"
#include "gate/dns.h"
#include "gate/dnsio.h"
#include "gate/refusal.h"
#include "gate/relay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    QUESTION_MAX = 12 + 255 + 4, /* header, name, type and class */
    WAITERS_MAX = 1024,          /* questions that wait for the judge, in all */
    BURST_SECONDS = 2,           /* new names may come in bursts of so many seconds' worth */
};

struct dns_waiter {
    struct dns_waiter *next;
    struct dns_peer from;
    struct dns_query query;
    uint8_t question[QUESTION_MAX];
};

struct dnsd {
    struct gate *gate;
    struct dnsio *io;
    size_t waiters;
    double tokens;
    int64_t filled; /* when tokens were counted last */
};

/* One question on its way through; `bytes` up to q.question_end are the question's. */
struct job {
    struct dns_peer from;
    struct dns_query q;
    const uint8_t *bytes;
};

static void answer(const struct job *j, const struct dns_answer *a)
{
    uint8_t out[DNS_PLAIN_MAX];
    size_t n = dns_answer(out, j->bytes, &j->q, a);

    dnsio_answer(&j->from, out, n);
}

static void answer_code(const struct job *j, int rcode, enum dns_ede ede, const char *words)
{
    answer(j, &(struct dns_answer){.rcode = rcode, .ede = ede, .ede_text = str_of(words)});
}

/* Bytes of the address that the question is for; 0: it is for none that the agent can use. */
static size_t address_asked(const struct dnsd *d, const struct job *j)
{
    if (j->q.type == DNS_A)
        return 4;
    return j->q.type == DNS_AAAA && d->gate->ipv6 ? 16 : 0;
}

/* What the pool holds about a host that the judge has decided on. */
static void answer_host(struct dnsd *d, const struct job *j, struct host *h)
{
    struct dns_answer a = {.rcode = DNS_NOERROR, .ttl = POOL_TTL};
    size_t n = address_asked(d, j);

    if (h->state != HOST_ALLOWED) {
        answer_code(j, DNS_NXDOMAIN, DNS_EDE_BLOCKED, h->reason);
        return;
    }
    if (n > 0) {
        a.addr = pool_address(d->gate->pool, h, n, clock_ms());
        a.naddrs = 1;
    }
    answer(j, &a);
}

static void answer_localhost(struct dnsd *d, const struct job *j)
{
    static const uint8_t loop4[4] = {127, 0, 0, 1}, loop6[16] = {[15] = 1};
    struct dns_answer a = {.rcode = DNS_NOERROR, .ttl = POOL_TTL};
    size_t n = address_asked(d, j);

    if (n > 0) {
        a.addr = addr_from_bytes(n == 4 ? loop4 : loop6, n);
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
    dnsio_hold(&j->from);
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
        answer_localhost(d, j);
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

static bool on_question(void *arg, const struct dns_peer *from, const uint8_t *p, size_t n)
{
    struct dnsd *d = arg;
    struct job j = {.from = *from, .bytes = p};
    int rcode = dns_parse_query(p, n, &j.q);

    if (rcode != DNS_NOERROR)
        gate_refuse(d->gate, REFUSAL_DNS_FORM);
    if (rcode < 0)
        return false;
    if (rcode != DNS_NOERROR)
        answer_code(&j, rcode, DNS_EDE_NONE, "");
    else
        resolve(d, &j);
    return true;
}

void dnsd_accept(struct dnsd *d, int fd)
{
    if (dnsio_accept(d->io, fd))
        return;
    gate_refuse(d->gate, REFUSAL_DNS_SESSIONS);
    close_with_reset(fd);
}

void dnsd_adopt(struct dnsd *d, int fd)
{
    if (dnsio_adopt(d->io, fd))
        return;
    gate_refuse(d->gate, REFUSAL_DNS_SESSIONS);
    close(fd);
}

struct dnsd *dnsd_new(struct gate *g, int udp4, int udp6, struct err *e)
{
    struct dnsd *d = xcalloc(1, sizeof(*d));

    d->gate = g;
    d->filled = clock_ms();
    d->tokens = (double)g->limits.names_per_second * BURST_SECONDS;
    d->io = dnsio_new(g->base, udp4, udp6, on_question, d, e);
    if (d->io != NULL)
        return d;
    free(d);
    return NULL;
}
