/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - the names that the agent asked for, what the judge said, and the addresses of the
 * gate's own that stand for them.
 *
 * A name has one slot, and a slot one IPv4 and one IPv6 address at a time. When a slot goes to
 * another name its addresses move on to the next generation, so that an old address is of no
 * name at all: IPv6 addresses never come back in a session, IPv4 ones after POOL_GENERATIONS
 * reuses of the slot, each of which waited POOL_QUARANTINE_MS since the address was last in
 * use. A slot is reused only when nothing holds it; refused names, which were never given an
 * address, go first. When no slot can be reused there is no room, and the caller says so.
 *
 * Times are milliseconds of a monotonic clock.
 */
#ifndef BELAY_GATE_POOL_H
#define BELAY_GATE_POOL_H

#include "gate/addr.h"
#include "gate/name.h"
#include "gate/refusal.h"

#define POOL_SLOTS         8192u
#define POOL_GENERATIONS   15u
#define POOL_TTL           30u /* seconds an answer may be kept by the agent's resolver */
#define POOL_QUARANTINE_MS (15 * 60 * 1000)

enum host_state { HOST_NEW, HOST_ASKING, HOST_ALLOWED, HOST_DENIED };

struct dns_waiter;

struct host {
    struct name name;
    enum host_state state;
    char reason[REFUSAL_TEXT_MAX]; /* of a refusal, printable */
    struct dns_waiter *waiters;    /* questions that wait for the judge; of dnsd.c */
    /* the pool's own */
    unsigned holds;
    uint64_t generation;
    int64_t handed; /* when an address was last given out or connected to; 0: never */
    struct host *next_hash;
    struct host *older, *newer;
    uint8_t list;
};

struct pool;

struct pool *pool_new(uint32_t hash_seed);
void pool_free(struct pool *p);

/* The host of that name, or NULL. */
struct host *pool_find(struct pool *p, const struct name *name);
/* The same, made when it is not known; NULL when there is no room. */
struct host *pool_get(struct pool *p, const struct name *name, int64_t now);
/* Marks that the judge was asked, or what it said. */
void pool_settle(struct pool *p, struct host *h, enum host_state state);
/* Refused names become unknown, to be asked about again; allowed ones are judged at connect. */
void pool_forget_refusals(struct pool *p);
/* A host that is held keeps its slot. */
void pool_hold(struct pool *p, struct host *h);
void pool_release(struct pool *p, struct host *h, int64_t now);

/* The address of the host to hand out (n is 4 or 16). */
struct addr pool_address(struct pool *p, struct host *h, size_t n, int64_t now);

enum pool_class {
    POOL_FOREIGN,  /* not one of ours */
    POOL_RESOLVER, /* the resolver's own address */
    POOL_HOST,     /* stands for *host */
    POOL_STALE,    /* ours, but of no name, or no longer */
};
enum pool_class pool_classify(struct pool *p, const struct addr *a, struct host **host);

#endif
