/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of policies. A policy stands under each action that its scope names (or under "any
 * action"), and there under one thing more: the resource or principal that it names, whichever
 * fewer policies name, or else a type that it asks for.
 *
 * What a policy asks for in the scope, it may as well ask for in a condition: conjuncts of the
 * form `resource in X`, `==` or `is` that lead its first `when` cannot fail, and if one is false
 * so is the policy. They serve the index where the scope says nothing.
 */
#include "program.h"

/* What the index knows of a policy's wish for the principal or resource. */
struct wish {
    const struct cedar_uid *uid; /* NULL: any */
    cedar_name type;             /* CEDAR_NO_NAME: any */
};

struct builder {
    struct cedar_program *program;
    struct cedar_vec pairs; /* struct pair */
    struct cedar_vec nodes; /* struct action_node */
    struct wish *wishes;    /* two for each policy: principal, resource */
    uint32_t *counts;       /* how many wishes name a uid, by hash */
    uint32_t n_counts;
    struct cedar_error *err;
};

struct pair {
    struct key key;
    uint32_t policy;
};

static bool same_key(const struct key *a, const struct key *b)
{
    if (a->hash != b->hash || a->node != b->node || a->slot != b->slot || a->var != b->var ||
        a->type != b->type)
        return false;
    return a->uid == b->uid || (a->uid != NULL && b->uid != NULL && cedar_uid_eq(a->uid, b->uid));
}

const struct posting *cedar_index_find(const struct index *index, const struct key *key)
{
    uint32_t mask = index->n_table - 1;

    for (uint32_t i = key->hash & mask;; i = (i + 1) & mask) {
        const struct probe *probe = &index->table[i];

        if (probe->posting == 0)
            return NULL;
        if (probe->hash == key->hash && same_key(&index->postings[probe->posting - 1].key, key))
            return &index->postings[probe->posting - 1];
    }
}

uint32_t cedar_index_node(const struct index *index, const struct cedar_uid *action)
{
    uint32_t mask = index->n_node_table - 1;

    for (uint32_t i = action->hash & mask;; i = (i + 1) & mask) {
        uint32_t at = index->node_table[i];

        if (at == 0)
            return 0;
        if (cedar_uid_eq(index->nodes[at - 1].uid, action))
            return at - 1;
    }
}

/* ---- wishes ----------------------------------------------------------------------- */

static void wish_of_scope(const struct cedar_scope *scope, struct wish *wish)
{
    *wish = (struct wish){0};
    if (scope->op == SCOPE_EQ || scope->op == SCOPE_IN || scope->op == SCOPE_IS_IN)
        wish->uid = &scope->uid;
    if (scope->op == SCOPE_IS || scope->op == SCOPE_IS_IN)
        wish->type = scope->type;
}

/* Takes up a conjunct if it is `principal/resource ==, in, is something`; says whether it is. */
static bool take_conjunct(const struct cedar_expr *e, struct wish wishes[2])
{
    struct wish *wish;

    if ((e->kind != EXPR_EQ && e->kind != EXPR_IN && e->kind != EXPR_IS) ||
        e->a->kind != EXPR_VAR || e->a->u.var == VAR_CONTEXT || e->a->u.var == VAR_ACTION)
        return false;
    wish = &wishes[e->a->u.var == VAR_RESOURCE];
    if (e->kind == EXPR_IS) {
        if (e->b != NULL && e->b->kind != EXPR_ENTITY)
            return false;
        if (wish->type == CEDAR_NO_NAME)
            wish->type = e->u.name;
    }
    if (e->b != NULL) {
        if (e->b->kind != EXPR_ENTITY)
            return false;
        if (wish->uid == NULL)
            wish->uid = &e->b->u.uid;
    }
    return true;
}

/* The leading conjuncts, as long as each can be taken; false once one cannot. */
static bool take_conjuncts(const struct cedar_expr *e, struct wish wishes[2])
{
    if (e->kind == EXPR_AND)
        return take_conjuncts(e->a, wishes) && take_conjuncts(e->b, wishes);
    return take_conjunct(e, wishes);
}

static void wishes_of(const struct cedar_policy *policy, struct wish wishes[2])
{
    wish_of_scope(&policy->principal, &wishes[0]);
    wish_of_scope(&policy->resource, &wishes[1]);
    for (uint32_t i = 0; i < policy->n_clauses; i++)
        if (policy->clauses[i].is_unless || !take_conjuncts(policy->clauses[i].expr, wishes))
            break;
}

static uint32_t *count_of(const struct builder *b, const struct cedar_uid *uid)
{
    return &b->counts[uid->hash & (b->n_counts - 1)];
}

static enum cedar_status gather_wishes(struct builder *b)
{
    struct cedar_program *p = b->program;
    struct cedar_allocator *a = &p->arena.alloc;

    b->n_counts = 16;
    while (b->n_counts < p->n_rules * 4)
        b->n_counts *= 2;
    b->wishes = a->resize(a->ctx, NULL, 0, (p->n_rules * 2 + 1) * sizeof(*b->wishes));
    b->counts = a->resize(a->ctx, NULL, 0, b->n_counts * sizeof(*b->counts));
    if (b->wishes == NULL || b->counts == NULL)
        return cedar_fail_memory(b->err);
    memset(b->counts, 0, b->n_counts * sizeof(*b->counts));
    for (uint32_t i = 0; i < p->n_rules; i++) {
        wishes_of(cedar_ast_policy(p->policies, i), &b->wishes[2 * i]);
        for (int k = 0; k < 2; k++)
            if (b->wishes[2 * i + k].uid != NULL)
                ++*count_of(b, b->wishes[2 * i + k].uid);
    }
    return CEDAR_OK;
}

/* ---- keys ------------------------------------------------------------------------- */

/* The key under which a policy stands at a node. */
static struct key key_of(const struct builder *b, uint32_t policy, uint32_t node)
{
    const struct wish *principal = &b->wishes[2 * policy], *resource = principal + 1;
    struct key key = {.node = node, .slot = SLOT_BY_NOTHING};

    if (resource->uid != NULL &&
        (principal->uid == NULL || *count_of(b, resource->uid) <= *count_of(b, principal->uid))) {
        key.slot = SLOT_BY_RESOURCE;
        key.uid = resource->uid;
    } else if (principal->uid != NULL) {
        key.slot = SLOT_BY_PRINCIPAL;
        key.uid = principal->uid;
    } else if (resource->type != CEDAR_NO_NAME || principal->type != CEDAR_NO_NAME) {
        key.slot = SLOT_BY_TYPE;
        key.var = resource->type != CEDAR_NO_NAME ? VAR_RESOURCE : VAR_PRINCIPAL;
        key.type = resource->type != CEDAR_NO_NAME ? resource->type : principal->type;
    }
    key.hash = cedar_key_hash(cedar_key_seed(node, (enum slot)key.slot),
                              key.uid != NULL ? key.uid->hash : key.type << 1 | key.var >> 1);
    return key;
}

/* The node of an action, made if need be; node 0 stands first. */
static bool node_for(struct builder *b, const struct cedar_uid *action, uint32_t *out)
{
    struct index *index = &b->program->index;
    uint32_t mask = index->n_node_table - 1, i = action->hash & mask;
    const struct action_node *nodes = b->nodes.items;
    struct action_node *node;

    for (; index->node_table[i] != 0; i = (i + 1) & mask) {
        if (cedar_uid_eq(nodes[index->node_table[i] - 1].uid, action)) {
            *out = index->node_table[i] - 1;
            return true;
        }
    }
    node = cedar_vec_push(&b->nodes);
    if (node == NULL)
        return false;
    node->uid = action;
    *out = (uint32_t)b->nodes.len - 1;
    index->node_table[i] = *out + 1;
    return true;
}

static enum cedar_status post(struct builder *b, uint32_t policy, uint32_t node)
{
    struct pair *pair = cedar_vec_push(&b->pairs);

    if (pair == NULL)
        return cedar_fail_memory(b->err);
    pair->policy = policy;
    pair->key = key_of(b, policy, node);
    ((struct action_node *)b->nodes.items)[node].slots |= (uint8_t)(1u << pair->key.slot);
    return CEDAR_OK;
}

static enum cedar_status post_policy(struct builder *b, uint32_t policy)
{
    const struct rule *rule = &b->program->rules[policy];
    const struct part *action = &rule->part[VAR_ACTION];

    if (rule->is_template)
        return CEDAR_OK;
    if (action->op == SCOPE_ANY)
        return post(b, policy, 0);
    for (uint32_t i = 0; i < action->n; i++) {
        enum cedar_status status;
        uint32_t node;

        if (!node_for(b, &action->uids[i], &node))
            return cedar_fail_memory(b->err);
        status = post(b, policy, node);
        if (status != CEDAR_OK)
            return status;
    }
    return CEDAR_OK;
}

static enum cedar_status post_all(struct builder *b)
{
    struct cedar_program *p = b->program;
    size_t n_actions = 1;

    for (uint32_t i = 0; i < p->n_rules; i++)
        n_actions += p->rules[i].part[VAR_ACTION].n;
    p->index.n_node_table = 4;
    while (p->index.n_node_table < n_actions * 2)
        p->index.n_node_table *= 2;
    p->index.node_table = CEDAR_NEW_N(&p->arena, uint32_t, p->index.n_node_table);
    if (p->index.node_table == NULL || cedar_vec_push(&b->nodes) == NULL)
        return cedar_fail_memory(b->err);
    for (uint32_t i = 0; i < p->n_rules; i++) {
        enum cedar_status status = post_policy(b, i);

        if (status != CEDAR_OK)
            return status;
    }
    return CEDAR_OK;
}

/* ---- tables ----------------------------------------------------------------------- */

/* The posting of a key, made if need be. */
static struct posting *posting_for(struct index *index, const struct key *key)
{
    uint32_t mask = index->n_table - 1, i = key->hash & mask;

    for (; index->table[i].posting != 0; i = (i + 1) & mask)
        if (same_key(&index->postings[index->table[i].posting - 1].key, key))
            return &index->postings[index->table[i].posting - 1];
    index->table[i] = (struct probe){key->hash, ++index->n_postings};
    index->postings[index->n_postings - 1].key = *key;
    return &index->postings[index->n_postings - 1];
}

/* Counts each posting's policies, gives it its place, and fills it in the order of policies. */
static enum cedar_status fill_tables(struct builder *b)
{
    struct cedar_program *p = b->program;
    struct index *index = &p->index;
    const struct pair *pairs = b->pairs.items;
    uint32_t n = (uint32_t)b->pairs.len, start = 0;

    index->nodes = cedar_vec_to_arena(&b->nodes, &p->arena);
    index->n_nodes = (uint32_t)b->nodes.len;
    index->n_table = 4;
    while (index->n_table < n * 2)
        index->n_table *= 2;
    index->table = CEDAR_NEW_N(&p->arena, struct probe, index->n_table);
    index->postings = CEDAR_NEW_N(&p->arena, struct posting, n);
    index->policies = CEDAR_NEW_N(&p->arena, uint32_t, n);
    if (index->nodes == NULL || index->table == NULL || index->postings == NULL ||
        index->policies == NULL)
        return cedar_fail_memory(b->err);
    for (uint32_t i = 0; i < n; i++)
        posting_for(index, &pairs[i].key)->n++;
    for (uint32_t i = 0; i < index->n_postings; i++) {
        index->postings[i].start = start;
        start += index->postings[i].n;
        index->postings[i].n = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct posting *posting = posting_for(index, &pairs[i].key);

        index->policies[posting->start + posting->n++] = pairs[i].policy;
    }
    return CEDAR_OK;
}

enum cedar_status cedar_index_build(struct cedar_program *program, struct cedar_error *err)
{
    struct builder b = {.program = program, .err = err};
    struct cedar_allocator *a = &program->arena.alloc;
    enum cedar_status status;

    cedar_vec_init(&b.pairs, a, sizeof(struct pair));
    cedar_vec_init(&b.nodes, a, sizeof(struct action_node));
    status = gather_wishes(&b);
    if (status == CEDAR_OK)
        status = post_all(&b);
    if (status == CEDAR_OK)
        status = fill_tables(&b);
    if (b.wishes != NULL)
        a->resize(a->ctx, b.wishes, (program->n_rules * 2 + 1) * sizeof(*b.wishes), 0);
    if (b.counts != NULL)
        a->resize(a->ctx, b.counts, b.n_counts * sizeof(*b.counts), 0);
    cedar_vec_free(&b.pairs);
    cedar_vec_free(&b.nodes);
    return status;
}
