/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval.h - one decision at work: its memory, its entities, and the stack machine.
 *
 * All memory is the caller's scratch. `exhausted` is set when it or the budget does not
 * suffice; whatever is being computed then is worthless and the decision is to deny.
 */
#ifndef CEDAR_EVAL_H
#define CEDAR_EVAL_H

#include "program.h"

/* Some ancestors of an entity. */
struct segment {
    const struct cedar_uid *uids;
    uint32_t n;
    bool sorted; /* by hash, as in the store */
};

struct ancestors {
    const struct segment *segments;
    uint32_t n;
};

struct machine {
    const struct cedar_program *program;
    const struct cedar_entities *entities; /* or NULL */
    const struct cedar_request *request;
    struct cedar_value vars[4];           /* by enum cedar_var */
    const struct cedar_uid *uids[3];      /* of principal, action, resource */
    const struct cedar_entity *entity[3]; /* NULL: does not exist */
    struct ancestors ancestors[3];
    struct cedar_value *stack;
    char *heap, *heap_start, *heap_end;
    struct segment *segments, *segments_end; /* what is left for other entities' ancestors */
    const struct cedar_entity **work;        /* entities of the request yet to be looked at */
    uint32_t max_work;
    uint32_t budget;
    bool exhausted;
};

/* Cuts a piece off the scratch; NULL if it does not suffice. */
struct scratch {
    char *next, *end;
};
static inline size_t cedar_rounded(size_t n)
{
    return (n + 15) & ~(size_t)15;
}
void *cedar_scratch_get(struct scratch *scratch, size_t n);

/* The bytes that cedar_machine_init() takes. */
size_t cedar_machine_size(const struct cedar_program *program, size_t max_ancestors);

/*
 * Prepares for a request: finds principal, action and resource and their ancestors. All of
 * what is left of the scratch serves as room for ancestors. false: exhausted.
 */
bool cedar_machine_init(struct machine *m, const struct cedar_program *program,
                        const struct cedar_entities *entities, const struct cedar_request *request,
                        struct scratch *scratch);

/* The entity of that uid, the request's own before the store's; NULL if there is none. */
const struct cedar_entity *cedar_machine_find(struct machine *m, const struct cedar_uid *uid);

/*
 * The ancestors of any entity. They stay valid until those of another are asked for; of
 * principal, action and resource always. false: exhausted.
 */
bool cedar_machine_ancestors(struct machine *m, const struct cedar_uid *uid, struct ancestors *out);
bool cedar_machine_has_ancestor(struct machine *m, const struct ancestors *ancestors,
                                const struct cedar_uid *uid);

/* Takes n from the budget; false when it is spent, which exhausts the decision. */
static inline bool cedar_machine_spend(struct machine *m, uint32_t n)
{
    if (m->budget > n) {
        m->budget -= n;
        return true;
    }
    m->budget = 0;
    m->exhausted = true;
    return false;
}

/* Whether a part of the rule's scope admits the request. */
bool cedar_part_admits(struct machine *m, const struct rule *rule, enum cedar_var var);
bool cedar_rule_admits(struct machine *m, const struct rule *rule);

enum verdict { VERDICT_SATISFIED, VERDICT_UNSATISFIED, VERDICT_ERROR };

/*
 * Evaluates the conditions of a rule. On VERDICT_ERROR error is filled but for its policy. *at
 * is the instruction that decided.
 */
enum verdict cedar_machine_run(struct machine *m, const struct rule *rule,
                               struct cedar_policy_error *error, uint32_t *at);

#endif
