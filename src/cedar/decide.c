/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding: the policies that the index cannot rule out are marked in a bitmap, then checked
 * and evaluated in their order.
 */
#include "eval.h"

struct decision {
    struct machine m;
    uint64_t *marks; /* a bit for each policy */
    uint32_t n_words;
    uint32_t *reasons; /* permits from the front, forbids from the back */
    struct cedar_policy_error *errors;
};

size_t cedar_scratch_size(const struct cedar_program *program, size_t max_ancestors)
{
    size_t n = program->n_rules;

    return ((n + 63) / 64 + 2) * sizeof(uint64_t) + (n + 4) * sizeof(uint32_t) +
           (n + 1) * sizeof(struct cedar_policy_error) + 64 +
           cedar_machine_size(program, max_ancestors);
}

static bool init(struct decision *d, const struct cedar_program *program,
                 const struct cedar_entities *entities, const struct cedar_request *request,
                 void *scratch, size_t scratch_size)
{
    struct scratch s = {scratch, (char *)scratch + scratch_size};

    d->n_words = (program->n_rules + 63) / 64;
    d->marks = cedar_scratch_get(&s, d->n_words * sizeof(uint64_t));
    d->reasons = cedar_scratch_get(&s, program->n_rules * sizeof(uint32_t));
    d->errors = cedar_scratch_get(&s, program->n_rules * sizeof(*d->errors));
    if (d->marks == NULL || d->reasons == NULL || d->errors == NULL)
        return false;
    memset(d->marks, 0, d->n_words * sizeof(uint64_t));
    return cedar_machine_init(&d->m, program, entities, request, &s);
}

/* ---- asking the index ------------------------------------------------------------- */

/* key->hash is set. */
static void mark_key(struct decision *d, const struct key *key)
{
    const struct index *index = &d->m.program->index;
    const struct posting *posting = cedar_index_find(index, key);

    if (posting == NULL)
        return;
    for (uint32_t i = 0; i < posting->n; i++) {
        uint32_t policy = index->policies[posting->start + i];

        d->marks[policy / 64] |= UINT64_C(1) << policy % 64;
    }
}

static void mark_uid(struct decision *d, struct key *key, uint32_t seed,
                     const struct cedar_uid *uid)
{
    key->hash = cedar_key_hash(seed, uid->hash);
    if (!cedar_index_may_have(&d->m.program->index, key->hash))
        return;
    key->uid = uid;
    mark_key(d, key);
}

/* Policies at the node that name the entity or one of its ancestors. */
static void mark_entity(struct decision *d, uint32_t node, enum slot slot, enum cedar_var var)
{
    const struct ancestors *ancestors = &d->m.ancestors[var];
    struct key key = {.node = node, .slot = (uint8_t)slot};
    uint32_t seed = cedar_key_seed(node, slot);

    mark_uid(d, &key, seed, d->m.uids[var]);
    for (uint32_t i = 0; i < ancestors->n; i++)
        for (uint32_t k = 0; k < ancestors->segments[i].n; k++)
            mark_uid(d, &key, seed, &ancestors->segments[i].uids[k]);
}

static void mark_type(struct decision *d, uint32_t node, enum cedar_var var)
{
    struct key key = {.node = node, .slot = SLOT_BY_TYPE, .var = (uint8_t)var};

    key.type = d->m.uids[var]->type;
    key.hash = cedar_key_hash(cedar_key_seed(node, SLOT_BY_TYPE), key.type << 1 | key.var >> 1);
    mark_key(d, &key);
}

static void mark_node(struct decision *d, uint32_t node)
{
    uint8_t slots = d->m.program->index.nodes[node].slots;
    struct key key = {.node = node, .slot = SLOT_BY_NOTHING};

    if (slots & 1u << SLOT_BY_NOTHING) {
        key.hash = cedar_key_hash(cedar_key_seed(node, SLOT_BY_NOTHING), 0);
        mark_key(d, &key);
    }
    if (slots & 1u << SLOT_BY_TYPE) {
        mark_type(d, node, VAR_PRINCIPAL);
        mark_type(d, node, VAR_RESOURCE);
    }
    if (slots & 1u << SLOT_BY_RESOURCE)
        mark_entity(d, node, SLOT_BY_RESOURCE, VAR_RESOURCE);
    if (slots & 1u << SLOT_BY_PRINCIPAL)
        mark_entity(d, node, SLOT_BY_PRINCIPAL, VAR_PRINCIPAL);
}

static void mark_action(struct decision *d, const struct cedar_uid *action)
{
    uint32_t node = cedar_index_node(&d->m.program->index, action);

    if (node != 0)
        mark_node(d, node);
}

static void mark_all(struct decision *d)
{
    const struct ancestors *actions = &d->m.ancestors[VAR_ACTION];

    mark_node(d, 0);
    mark_action(d, d->m.uids[VAR_ACTION]);
    for (uint32_t i = 0; i < actions->n; i++)
        for (uint32_t k = 0; k < actions->segments[i].n; k++)
            mark_action(d, &actions->segments[i].uids[k]);
}

/* ---- deciding --------------------------------------------------------------------- */

static void deny_exhausted(struct cedar_answer *answer)
{
    *answer = (struct cedar_answer){.decision = CEDAR_DENY, .exhausted = true};
}

struct tally {
    uint32_t permits, forbids, errors, evaluated;
};

static void judge(struct decision *d, uint32_t policy, struct tally *t)
{
    const struct cedar_program *p = d->m.program;
    const struct rule *rule = &p->rules[policy];
    struct cedar_policy_error *error = &d->errors[t->errors];
    uint32_t at;

    t->evaluated++;
    if (!cedar_rule_admits(&d->m, rule))
        return;
    switch (cedar_machine_run(&d->m, rule, error, &at)) {
    case VERDICT_SATISFIED:
        if (rule->effect == CEDAR_PERMIT)
            d->reasons[t->permits++] = policy;
        else
            d->reasons[p->n_rules - ++t->forbids] = policy;
        break;
    case VERDICT_ERROR:
        error->policy = policy;
        t->errors++;
        break;
    case VERDICT_UNSATISFIED:
        break;
    }
}

static void reverse(uint32_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        uint32_t other = list[i];

        list[i] = list[n - 1 - i];
        list[n - 1 - i] = other;
    }
}

void cedar_decide(const struct cedar_program *program, const struct cedar_entities *entities,
                  const struct cedar_request *request, void *scratch, size_t scratch_size,
                  struct cedar_answer *answer)
{
    struct decision d;
    struct tally t = {0};

    if (!init(&d, program, entities, request, scratch, scratch_size)) {
        deny_exhausted(answer);
        return;
    }
    mark_all(&d);
    for (uint32_t w = 0; w < d.n_words; w++)
        for (uint64_t bits = d.marks[w]; bits != 0 && !d.m.exhausted; bits &= bits - 1)
            judge(&d, w * 64 + (uint32_t)__builtin_ctzll(bits), &t);
    if (d.m.exhausted) {
        deny_exhausted(answer);
        return;
    }
    *answer = (struct cedar_answer){
        .decision = t.permits > 0 && t.forbids == 0 ? CEDAR_ALLOW : CEDAR_DENY,
        .n_evaluated = t.evaluated,
        .n_errors = t.errors,
        .errors = d.errors,
        .n_reasons = t.forbids > 0 ? t.forbids : t.permits,
        .reasons = t.forbids > 0 ? d.reasons + program->n_rules - t.forbids : d.reasons,
    };
    reverse(d.reasons + program->n_rules - t.forbids, t.forbids);
}

bool cedar_scope_admits(const struct cedar_program *program, const struct cedar_entities *entities,
                        const struct cedar_request *request, enum cedar_effect effect,
                        void *scratch, size_t scratch_size)
{
    struct decision d;
    bool found = false;

    if (!init(&d, program, entities, request, scratch, scratch_size))
        return false;
    mark_all(&d);
    for (uint32_t w = 0; w < d.n_words; w++) {
        for (uint64_t bits = d.marks[w]; bits != 0 && !found; bits &= bits - 1) {
            const struct rule *rule = &program->rules[w * 64 + (uint32_t)__builtin_ctzll(bits)];

            found = rule->effect == effect && cedar_rule_admits(&d.m, rule);
        }
    }
    return found && !d.m.exhausted;
}

bool cedar_policy_scope_admits(const struct cedar_program *program, size_t policy,
                               const struct cedar_entities *entities,
                               const struct cedar_request *request, void *scratch,
                               size_t scratch_size)
{
    struct decision d;

    return policy < program->n_rules &&
           init(&d, program, entities, request, scratch, scratch_size) &&
           cedar_rule_admits(&d.m, &program->rules[policy]) && !d.m.exhausted;
}
