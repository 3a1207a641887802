/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision stands on: its memory, the entities, their ancestors, the scopes.
 */
#include "eval.h"
#include "store.h"

/* ---- memory ----------------------------------------------------------------------- */

void *cedar_scratch_get(struct scratch *scratch, size_t n)
{
    char *ptr = scratch->next;

    n = cedar_rounded(n);
    if (n > (size_t)(scratch->end - ptr))
        return NULL;
    scratch->next += n;
    return ptr;
}

#define MIN_ANCESTORS ((size_t)16)

size_t cedar_machine_size(const struct cedar_program *program, size_t max_ancestors)
{
    if (max_ancestors < MIN_ANCESTORS)
        max_ancestors = MIN_ANCESTORS;
    return cedar_rounded((program->max_stack + 1) * sizeof(struct cedar_value)) +
           cedar_rounded(program->max_heap) +
           cedar_rounded(max_ancestors * sizeof(struct cedar_entity *)) +
           cedar_rounded(max_ancestors * 4 * sizeof(struct segment)) + 16;
}

/* ---- entities --------------------------------------------------------------------- */

/* The request's own entities come first. */
static const struct cedar_entity *find_own(const struct machine *m, const struct cedar_uid *uid)
{
    const struct cedar_entity *own = m->request->entities;

    for (uint32_t i = 0; i < m->request->n_entities; i++)
        if (cedar_uid_eq(&own[i].uid, uid))
            return &own[i];
    return NULL;
}

static bool is_own(const struct machine *m, const struct cedar_entity *entity)
{
    uintptr_t first = (uintptr_t)m->request->entities, at = (uintptr_t)entity;

    return at >= first && at - first < m->request->n_entities * sizeof(*entity);
}

const struct cedar_entity *cedar_machine_find(struct machine *m, const struct cedar_uid *uid)
{
    const struct cedar_entity *own;

    for (int i = 0; i < 3; i++)
        if (uid == m->uids[i])
            return m->entity[i];
    own = find_own(m, uid);
    return own != NULL ? own : cedar_store_find(m->entities, uid);
}

static bool add_segment(struct machine *m, struct segment **next, const struct cedar_uid *uids,
                        uint32_t n, bool sorted)
{
    if (n == 0)
        return true;
    if (*next == m->segments_end) {
        m->exhausted = true;
        return false;
    }
    *(*next)++ = (struct segment){uids, n, sorted};
    return true;
}

/* Puts one of the request's entities on the list of work, once. */
static bool add_work(struct machine *m, uint32_t *n, const struct cedar_entity *own)
{
    for (uint32_t i = 0; i < *n; i++)
        if (m->work[i] == own)
            return true;
    if (*n == m->max_work) {
        m->exhausted = true;
        return false;
    }
    m->work[(*n)++] = own;
    return true;
}

/*
 * Gathers the ancestors of an entity: parents as the request gives them, and what the store
 * knows to be above those. A cycle in the request is harmless: each entity is looked at once.
 */
static bool gather(struct machine *m, const struct cedar_entity *entity, struct segment **next)
{
    uint32_t n = 0;

    if (entity == NULL)
        return true;
    if (!is_own(m, entity))
        return add_segment(m, next, entity->parents, entity->n_parents, true);
    if (!add_work(m, &n, entity))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct cedar_entity *e = m->work[i];

        if (!add_segment(m, next, e->parents, e->n_parents, false))
            return false;
        for (uint32_t k = 0; k < e->n_parents; k++) {
            const struct cedar_entity *own = find_own(m, &e->parents[k]), *stored;

            if (own != NULL) {
                if (!add_work(m, &n, own))
                    return false;
                continue;
            }
            stored = cedar_store_find(m->entities, &e->parents[k]);
            if (stored != NULL && !add_segment(m, next, stored->parents, stored->n_parents, true))
                return false;
        }
    }
    return true;
}

bool cedar_machine_has_ancestor(struct machine *m, const struct ancestors *ancestors,
                                const struct cedar_uid *uid)
{
    for (uint32_t i = 0; i < ancestors->n; i++) {
        const struct segment *s = &ancestors->segments[i];

        if (s->sorted) {
            if (cedar_ancestors_have(s->uids, s->n, uid))
                return true;
            continue;
        }
        if (!cedar_machine_spend(m, s->n / 16))
            return false;
        for (uint32_t k = 0; k < s->n; k++)
            if (cedar_uid_eq(&s->uids[k], uid))
                return true;
    }
    return false;
}

/* The ancestors of any entity; those of principal, action and resource are known. */
bool cedar_machine_ancestors(struct machine *m, const struct cedar_uid *uid, struct ancestors *out)
{
    struct segment *next = m->segments;

    for (int i = 0; i < 3; i++) {
        if (uid == m->uids[i]) {
            *out = m->ancestors[i];
            return true;
        }
    }
    if (!gather(m, cedar_machine_find(m, uid), &next))
        return false;
    *out = (struct ancestors){m->segments, (uint32_t)(next - m->segments)};
    return true;
}

bool cedar_machine_init(struct machine *m, const struct cedar_program *program,
                        const struct cedar_entities *entities, const struct cedar_request *request,
                        struct scratch *scratch)
{
    struct segment *next;
    size_t left;

    m->program = program;
    m->entities = entities;
    m->request = request;
    m->exhausted = false;
    m->budget = CEDAR_DEFAULT_BUDGET;
    m->uids[VAR_PRINCIPAL] = &request->principal;
    m->uids[VAR_ACTION] = &request->action;
    m->uids[VAR_RESOURCE] = &request->resource;
    for (int i = 0; i < 3; i++)
        m->vars[i] = cedar_entity(m->uids[i]);
    m->vars[VAR_CONTEXT] = cedar_record(request->context, request->n_context);
    m->stack = cedar_scratch_get(scratch, (program->max_stack + 1) * sizeof(struct cedar_value));
    m->heap_start = cedar_scratch_get(scratch, program->max_heap);
    left = (size_t)(scratch->end - scratch->next);
    m->max_work = (uint32_t)(left / 5 / 16);
    m->work = cedar_scratch_get(scratch, m->max_work * sizeof(*m->work));
    if (m->stack == NULL || m->heap_start == NULL || m->work == NULL)
        return false;
    m->heap_end = m->heap_start + program->max_heap;
    m->segments = (struct segment *)(void *)scratch->next;
    m->segments_end = m->segments + (size_t)(scratch->end - scratch->next) / sizeof(*m->segments);
    for (int i = 0; i < 3; i++) {
        const struct cedar_entity *own = find_own(m, m->uids[i]);

        m->entity[i] = own != NULL ? own : cedar_store_find(entities, m->uids[i]);
        next = m->segments;
        if (!gather(m, m->entity[i], &next))
            return false;
        m->ancestors[i] = (struct ancestors){m->segments, (uint32_t)(next - m->segments)};
        m->segments = next;
    }
    return true;
}

/* ---- scopes ----------------------------------------------------------------------- */

bool cedar_part_admits(struct machine *m, const struct rule *rule, enum cedar_var var)
{
    const struct part *part = &rule->part[var];
    const struct cedar_uid *uid = m->uids[var];

    switch ((enum cedar_scope_op)part->op) {
    case SCOPE_ANY:
        return true;
    case SCOPE_EQ:
        return cedar_uid_eq(uid, part->uids);
    case SCOPE_IS:
        return uid->type == part->type;
    case SCOPE_IS_IN:
        if (uid->type != part->type)
            return false;
        break;
    case SCOPE_IN:
    case SCOPE_IN_SET:
        break;
    }
    for (uint32_t i = 0; i < part->n; i++)
        if (cedar_uid_eq(uid, &part->uids[i]) ||
            cedar_machine_has_ancestor(m, &m->ancestors[var], &part->uids[i]))
            return true;
    return false;
}

bool cedar_rule_admits(struct machine *m, const struct rule *rule)
{
    return !rule->is_template && cedar_part_admits(m, rule, VAR_ACTION) &&
           cedar_part_admits(m, rule, VAR_PRINCIPAL) && cedar_part_admits(m, rule, VAR_RESOURCE);
}
