/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/refused.h"

#include "base/mem.h"

/* FNV-1a, 64 bit. A collision refuses without a question: the safe side. */
static uint64_t add_bytes(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return (h ^ s.n) * 0x100000001b3u;
}

/* What makes another thing of it. Not the address: a client tries the next one. */
static const enum field_id telling[] = {FIELD_ARGV,  FIELD_METHOD,    FIELD_PATH,
                                        FIELD_QUERY, FIELD_ARGUMENTS, FIELD_CARRIES};

static uint64_t key_of(const struct action *a)
{
    uint64_t h = 0xcbf29ce484222325u ^ ((uint64_t)a->verb << 8 | a->kind);

    h = add_bytes(h, a->resource);
    for (size_t i = 0; i < ARRAY_LEN(telling); i++)
        if (a->has[telling[i]])
            h = add_bytes(h, a->field[telling[i]].str);
    if (a->has[FIELD_PORT])
        h ^= (uint64_t)a->field[FIELD_PORT].num * 0x9e3779b97f4a7c15u;
    return h | 1;
}

void refused_add(struct refused *r, const struct action *a, int64_t now_ms)
{
    unsigned i = r->next++ % REFUSED_MAX;

    r->slot[i].key = key_of(a);
    r->slot[i].pid = a->pid;
    r->slot[i].until = now_ms + REFUSED_MS;
}

bool refused_lately(const struct refused *r, const struct action *a, int64_t now_ms)
{
    uint64_t key = key_of(a);

    for (unsigned i = 0; i < REFUSED_MAX; i++)
        if (r->slot[i].key == key && r->slot[i].pid == a->pid && now_ms < r->slot[i].until)
            return true;
    return false;
}
