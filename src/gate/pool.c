/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/pool.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HOST4_FIRST = 256 };
enum { LIST_DENIED, LIST_OTHER, LIST_BUSY, LISTS };

#define NET4      0xc6120000u /* 198.18.0.0/15 (RFC 2544) */
#define NET4_MASK 0xfffe0000u

static_assert(HOST4_FIRST + POOL_SLOTS * POOL_GENERATIONS < 1u << 17, "fits 198.18.0.0/15");
static_assert(POOL_SLOTS <= 1u << 16, "a slot is 16 bits of an IPv6 address");

/* fd62:656c:6179::/64, a unique local prefix (RFC 4193): "belay" in ASCII behind the fd */
static const uint8_t net6[8] = {0xfd, 0x62, 0x65, 0x6c, 0x61, 0x79, 0, 0};

struct pool {
    uint32_t seed;
    size_t used; /* slots that were ever taken */
    struct {
        struct host *oldest, *newest;
    } lists[LISTS]; /* by time of last use; what is held or asked about is BUSY */
    struct host *hash[POOL_SLOTS];
    struct host slots[POOL_SLOTS];
};

struct pool *pool_new(uint32_t hash_seed)
{
    struct pool *p = xcalloc(1, sizeof(*p));

    p->seed = hash_seed;
    return p;
}

void pool_free(struct pool *p)
{
    free(p);
}

static void list_remove(struct pool *p, struct host *h)
{
    if (h->older != NULL)
        h->older->newer = h->newer;
    else
        p->lists[h->list].oldest = h->newer;
    if (h->newer != NULL)
        h->newer->older = h->older;
    else
        p->lists[h->list].newest = h->older;
}

static uint8_t list_for(const struct host *h)
{
    if (h->holds > 0 || h->state == HOST_ASKING)
        return LIST_BUSY;
    return h->state == HOST_DENIED ? LIST_DENIED : LIST_OTHER;
}

static void list_append(struct pool *p, struct host *h)
{
    h->list = list_for(h);
    h->newer = NULL;
    h->older = p->lists[h->list].newest;
    if (h->older != NULL)
        h->older->newer = h;
    else
        p->lists[h->list].oldest = h;
    p->lists[h->list].newest = h;
}

/* To the end of the list that it belongs to now. */
static void touch(struct pool *p, struct host *h)
{
    list_remove(p, h);
    list_append(p, h);
}

static struct host **bucket(struct pool *p, const struct name *name)
{
    return &p->hash[name_hash(name, p->seed) % POOL_SLOTS];
}

static void unhash(struct pool *p, struct host *h)
{
    struct host **at = bucket(p, &h->name);

    while (*at != h)
        at = &(*at)->next_hash;
    *at = h->next_hash;
}

/* Takes the host that was not used for longest from its name, if it may go. */
static struct host *evict(struct pool *p, int list, int64_t now)
{
    struct host *h = p->lists[list].oldest;

    if (h == NULL || (h->handed != 0 && now - h->handed < POOL_QUARANTINE_MS))
        return NULL;
    list_remove(p, h);
    unhash(p, h);
    if (h->handed != 0)
        h->generation++;
    return h;
}

static struct host *free_slot(struct pool *p, int64_t now)
{
    if (p->used < POOL_SLOTS)
        return &p->slots[p->used++];
    struct host *h = evict(p, LIST_DENIED, now);

    return h != NULL ? h : evict(p, LIST_OTHER, now);
}

struct host *pool_find(struct pool *p, const struct name *name)
{
    for (struct host *h = *bucket(p, name); h != NULL; h = h->next_hash)
        if (name_eq(&h->name, name)) {
            touch(p, h);
            return h;
        }
    return NULL;
}

struct host *pool_get(struct pool *p, const struct name *name, int64_t now)
{
    struct host *h = pool_find(p, name);

    if (h != NULL)
        return h;
    h = free_slot(p, now);
    if (h == NULL)
        return NULL;
    struct host **head = bucket(p, name);

    *h = (struct host){.name = *name, .generation = h->generation, .next_hash = *head};
    *head = h;
    list_append(p, h);
    return h;
}

void pool_settle(struct pool *p, struct host *h, enum host_state state)
{
    list_remove(p, h); /* the list follows from the state */
    h->state = state;
    list_append(p, h);
}

void pool_forget_refusals(struct pool *p)
{
    for (size_t i = 0; i < p->used; i++)
        if (p->slots[i].state == HOST_DENIED)
            pool_settle(p, &p->slots[i], HOST_NEW);
}

void pool_hold(struct pool *p, struct host *h)
{
    list_remove(p, h);
    h->holds++;
    list_append(p, h);
}

void pool_release(struct pool *p, struct host *h, int64_t now)
{
    assert(h->holds > 0);
    list_remove(p, h);
    h->holds--;
    h->handed = now;
    list_append(p, h);
}

static void put_be(uint8_t *p, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

static uint64_t get_be(const uint8_t *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static uint32_t number4(const struct pool *p, const struct host *h)
{
    uint32_t slot = (uint32_t)(h - p->slots);

    return (uint32_t)(h->generation % POOL_GENERATIONS) * POOL_SLOTS + slot + HOST4_FIRST;
}

static uint64_t number6(const struct pool *p, const struct host *h)
{
    return (h->generation + 1) << 16 | (uint64_t)(h - p->slots);
}

struct addr pool_address(struct pool *p, struct host *h, size_t n, int64_t now)
{
    uint8_t b[16];

    h->handed = now;
    if (n == 4) {
        put_be(b, NET4 + number4(p, h), 4);
    } else {
        memcpy(b, net6, 8);
        put_be(b + 8, number6(p, h), 8);
    }
    return addr_from_bytes(b, n);
}

static enum pool_class host_at(struct pool *p, size_t slot, struct host **host)
{
    if (slot >= p->used)
        return POOL_STALE;
    *host = &p->slots[slot];
    return (*host)->handed != 0 && (*host)->state == HOST_ALLOWED ? POOL_HOST : POOL_STALE;
}

enum pool_class pool_classify(struct pool *p, const struct addr *a, struct host **host)
{
    enum pool_class class;
    uint64_t number;

    *host = NULL;
    if (a->n == 4) {
        uint32_t v = (uint32_t)get_be(a->b, 4);

        if ((v & NET4_MASK) != NET4)
            return POOL_FOREIGN;
        number = v & ~NET4_MASK;
        if (number == 1)
            return POOL_RESOLVER;
        if (number < HOST4_FIRST)
            return POOL_STALE;
        class = host_at(p, (number - HOST4_FIRST) % POOL_SLOTS, host);
        return class == POOL_HOST && number4(p, *host) == number ? POOL_HOST : POOL_STALE;
    }
    if (memcmp(a->b, net6, sizeof(net6)) != 0)
        return POOL_FOREIGN;
    number = get_be(a->b + 8, 8);
    if (number == 1)
        return POOL_RESOLVER;
    class = host_at(p, number & 0xffff, host);
    return class == POOL_HOST && number6(p, *host) == number ? POOL_HOST : POOL_STALE;
}
