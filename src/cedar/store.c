/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "names.h"
#include "value.h"

#include <stdlib.h>

/* All ancestors of all entities together: bounds memory whatever the shape of the hierarchy. */
#define MAX_CLOSURE ((size_t)1 << 24)

struct cedar_entities *cedar_store_new(struct cedar_names *names,
                                       const struct cedar_allocator *alloc)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct cedar_entities *store = a.resize(a.ctx, NULL, 0, sizeof(*store));

    if (store == NULL)
        return NULL;
    *store = (struct cedar_entities){.names = cedar_names_hold(names)};
    cedar_arena_init(&store->arena, &a);
    return store;
}

void cedar_entities_free(struct cedar_entities *entities)
{
    struct cedar_allocator a;

    if (entities == NULL)
        return;
    a = entities->arena.alloc;
    cedar_names_free(entities->names);
    cedar_arena_free(&entities->arena);
    a.resize(a.ctx, entities, sizeof(*entities), 0);
}

static uint32_t *slot_of(const struct cedar_entities *store, const struct cedar_uid *uid)
{
    uint32_t mask = store->n_table - 1;

    for (uint32_t i = uid->hash & mask;; i = (i + 1) & mask) {
        uint32_t at = store->table[i];

        if (at == 0 || cedar_uid_eq(&store->list[at - 1].uid, uid))
            return &store->table[i];
    }
}

const struct cedar_entity *cedar_store_find(const struct cedar_entities *entities,
                                            const struct cedar_uid *uid)
{
    uint32_t at = entities != NULL && entities->n > 0 ? *slot_of(entities, uid) : 0;

    return at != 0 ? &entities->list[at - 1] : NULL;
}

bool cedar_ancestors_have(const struct cedar_uid *ancestors, uint32_t n,
                          const struct cedar_uid *uid)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (ancestors[middle].hash < uid->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n && ancestors[low].hash == uid->hash; low++)
        if (cedar_uid_eq(&ancestors[low], uid))
            return true;
    return false;
}

/* ---- filling ---------------------------------------------------------------------- */

/* A total order whose first key is the hash. */
static int compare_uids(const void *left, const void *right)
{
    const struct cedar_uid *a = left, *b = right;
    int order;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->id.len != b->id.len)
        return a->id.len < b->id.len ? -1 : 1;
    order = a->id.len > 0 ? memcmp(a->id.ptr, b->id.ptr, a->id.len) : 0;
    return order;
}

/* Sorts and drops doubles; returns how many stay. */
static uint32_t sort_uids(struct cedar_uid *uids, uint32_t n)
{
    uint32_t kept = 0;

    if (n > 1)
        qsort(uids, n, sizeof(*uids), compare_uids);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || !cedar_uid_eq(&uids[kept - 1], &uids[i]))
            uids[kept++] = uids[i];
    return kept;
}

static bool same_entity(const struct cedar_entity *a, const struct cedar_entity *b)
{
    struct cedar_value av = cedar_record(a->attrs, a->n_attrs);
    struct cedar_value bv = cedar_record(b->attrs, b->n_attrs);
    struct cedar_value at = cedar_record(a->tags, a->n_tags), bt = cedar_record(b->tags, b->n_tags);
    uint32_t budget = CEDAR_DEFAULT_BUDGET;

    if (a->n_parents != b->n_parents || !cedar_value_eq(&av, &bv, &budget) ||
        !cedar_value_eq(&at, &bt, &budget))
        return false;
    for (uint32_t i = 0; i < a->n_parents; i++)
        if (!cedar_uid_eq(&a->parents[i], &b->parents[i]))
            return false;
    return true;
}

static enum cedar_status complain(const struct cedar_entities *store, const struct cedar_uid *uid,
                                  enum cedar_status status, const char *what,
                                  struct cedar_error *err)
{
    char text[160];

    cedar_uid_print(store->names, uid, text, sizeof(text));
    return cedar_fail(err, status, (struct cedar_str){NULL, 0}, (struct cedar_span){0, 0}, "%s %s",
                      text, what);
}

/* Puts each entity into the table once. Parents are sorted already. */
static enum cedar_status index_entities(struct cedar_entities *store, struct cedar_entity *list,
                                        size_t n, struct cedar_error *err)
{
    uint32_t size = 4;

    while (size < n * 2)
        size *= 2;
    store->table = CEDAR_NEW_N(&store->arena, uint32_t, size);
    if (store->table == NULL)
        return cedar_fail_memory(err);
    store->n_table = size;
    store->list = list;
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = slot_of(store, &list[i].uid);

        if (*slot == 0) {
            list[store->n++] = list[i];
            *slot = store->n;
        } else if (!same_entity(&list[*slot - 1], &list[i])) {
            return complain(store, &list[i].uid, CEDAR_ERR_CONFLICT,
                            "stands twice, with different contents", err);
        }
    }
    return CEDAR_OK;
}

/* One entity on the path of the walk that closes the hierarchy. */
struct step {
    uint32_t entity;
    uint32_t next; /* parent to look at */
};

struct closing {
    struct cedar_entities *store;
    uint8_t *state; /* 0 new, 1 on the path, 2 closed */
    struct cedar_vec path;
    size_t total;
    struct cedar_error *err;
};

/* All parents are closed: gathers them and their ancestors. */
static enum cedar_status close_one(struct closing *c, struct cedar_entity *e)
{
    struct cedar_allocator *a = &c->store->arena.alloc;
    size_t n = e->n_parents, at = e->n_parents;
    struct cedar_uid *all;
    void *kept;

    for (uint32_t i = 0; i < e->n_parents; i++) {
        const struct cedar_entity *parent = cedar_store_find(c->store, &e->parents[i]);

        n += parent != NULL ? parent->n_parents : 0;
    }
    if (n == e->n_parents)
        return CEDAR_OK;
    if (n > MAX_CLOSURE)
        return complain(c->store, &e->uid, CEDAR_ERR_LIMIT, "has too many ancestors", c->err);
    all = a->resize(a->ctx, NULL, 0, n * sizeof(*all));
    if (all == NULL)
        return cedar_fail_memory(c->err);
    memcpy(all, e->parents, e->n_parents * sizeof(*all));
    for (uint32_t i = 0; i < e->n_parents; i++) {
        const struct cedar_entity *parent = cedar_store_find(c->store, &e->parents[i]);

        if (parent != NULL && parent->n_parents > 0) {
            memcpy(all + at, parent->parents, parent->n_parents * sizeof(*all));
            at += parent->n_parents;
        }
    }
    e->n_parents = sort_uids(all, (uint32_t)n);
    c->total += e->n_parents;
    kept = cedar_arena_get(&c->store->arena, e->n_parents * sizeof(*all));
    if (kept != NULL)
        memcpy(kept, all, e->n_parents * sizeof(*all));
    e->parents = kept;
    a->resize(a->ctx, all, n * sizeof(*all), 0);
    if (kept == NULL)
        return cedar_fail_memory(c->err);
    if (e->n_parents > CEDAR_MAX_ANCESTORS || c->total > MAX_CLOSURE)
        return complain(c->store, &e->uid, CEDAR_ERR_LIMIT, "has too many ancestors", c->err);
    return CEDAR_OK;
}

static enum cedar_status enter(struct closing *c, uint32_t entity)
{
    struct step *step = cedar_vec_push(&c->path);

    if (step == NULL)
        return cedar_fail_memory(c->err);
    step->entity = entity;
    c->state[entity] = 1;
    return CEDAR_OK;
}

/* Depth first from one entity, with the path in memory rather than on the stack. */
static enum cedar_status close_from(struct closing *c, uint32_t start)
{
    enum cedar_status status = enter(c, start);

    while (status == CEDAR_OK && c->path.len > 0) {
        struct step *top = (struct step *)c->path.items + c->path.len - 1;
        struct cedar_entity *e = &c->store->list[top->entity];
        const struct cedar_entity *parent;

        if (top->next == e->n_parents) {
            c->state[top->entity] = 2;
            c->path.len--;
            status = close_one(c, e);
            continue;
        }
        parent = cedar_store_find(c->store, &e->parents[top->next++]);
        if (parent == NULL)
            continue;
        if (c->state[parent - c->store->list] == 1)
            return complain(c->store, &parent->uid, CEDAR_ERR_CYCLE, "is its own ancestor", c->err);
        if (c->state[parent - c->store->list] == 0)
            status = enter(c, (uint32_t)(parent - c->store->list));
    }
    return status;
}

static enum cedar_status close_all(struct cedar_entities *store, struct cedar_error *err)
{
    struct closing c = {.store = store, .err = err};
    struct cedar_allocator *a = &store->arena.alloc;
    enum cedar_status status = CEDAR_OK;

    c.state = a->resize(a->ctx, NULL, 0, store->n + 1);
    if (c.state == NULL)
        return cedar_fail_memory(err);
    memset(c.state, 0, store->n + 1);
    cedar_vec_init(&c.path, a, sizeof(struct step));
    for (uint32_t i = 0; i < store->n && status == CEDAR_OK; i++)
        if (c.state[i] == 0)
            status = close_from(&c, i);
    cedar_vec_free(&c.path);
    a->resize(a->ctx, c.state, store->n + 1, 0);
    return status;
}

enum cedar_status cedar_store_fill(struct cedar_entities *store, struct cedar_entity *list,
                                   size_t n, struct cedar_error *err)
{
    enum cedar_status status;

    if (n > CEDAR_MAX_ENTITIES)
        return cedar_fail(err, CEDAR_ERR_LIMIT, (struct cedar_str){NULL, 0},
                          (struct cedar_span){0, 0}, "more than %u entities", CEDAR_MAX_ENTITIES);
    for (size_t i = 0; i < n; i++) {
        struct cedar_uid *parents = CEDAR_NEW_N(&store->arena, struct cedar_uid, list[i].n_parents);

        if (parents == NULL)
            return cedar_fail_memory(err);
        if (list[i].n_parents > 0)
            memcpy(parents, list[i].parents, list[i].n_parents * sizeof(*parents));
        list[i].n_parents = sort_uids(parents, list[i].n_parents);
        list[i].parents = parents;
    }
    status = index_entities(store, list, n, err);
    return status == CEDAR_OK ? close_all(store, err) : status;
}

/* ---- from C ----------------------------------------------------------------------- */

static bool copy_entity(struct cedar_arena *arena, const struct cedar_entity *from,
                        struct cedar_entity *to)
{
    struct cedar_uid *parents = CEDAR_NEW_N(arena, struct cedar_uid, from->n_parents);

    if (parents == NULL)
        return false;
    *to = *from;
    to->parents = parents;
    to->uid = cedar_uid(from->uid.type, cedar_arena_str(arena, from->uid.id));
    if (to->uid.id.ptr == NULL)
        return false;
    for (uint32_t i = 0; i < from->n_parents; i++) {
        const struct cedar_uid *p = &from->parents[i];

        parents[i] = cedar_uid(p->type, cedar_arena_str(arena, p->id));
        if (parents[i].id.ptr == NULL)
            return false;
    }
    return cedar_fields_copy(arena, from->attrs, from->n_attrs, &to->attrs) &&
           cedar_fields_copy(arena, from->tags, from->n_tags, &to->tags);
}

static enum cedar_status build(struct cedar_entities *store, const struct cedar_entity *entities,
                               size_t n, struct cedar_error *err)
{
    struct cedar_entity *list = CEDAR_NEW_N(&store->arena, struct cedar_entity, n);

    if (list == NULL)
        return cedar_fail_memory(err);
    for (size_t i = 0; i < n; i++)
        if (!copy_entity(&store->arena, &entities[i], &list[i]))
            return cedar_fail_memory(err);
    return cedar_store_fill(store, list, n, err);
}

enum cedar_status cedar_entities_build(struct cedar_names *names,
                                       const struct cedar_allocator *alloc,
                                       const struct cedar_entity *entities, size_t n,
                                       struct cedar_entities **out, struct cedar_error *err)
{
    struct cedar_entities *store = cedar_store_new(names, alloc);
    enum cedar_status status;

    if (store == NULL)
        return cedar_fail_memory(err);
    status = build(store, entities, n, err);
    if (status == CEDAR_OK)
        *out = store;
    else
        cedar_entities_free(store);
    return status;
}

size_t cedar_entities_count(const struct cedar_entities *entities)
{
    return entities->n;
}

struct cedar_entity cedar_entities_at(const struct cedar_entities *entities, size_t index)
{
    return entities->list[index];
}
