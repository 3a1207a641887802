/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - why an action is decided as it is: rule by rule, and what little would change it.
 *
 * For people and tools, not for the deciding path: nothing here is called by the judge.
 */
#ifndef BELAY_POLICY_EXPLAIN_H
#define BELAY_POLICY_EXPLAIN_H

#include "policy/policy.h"

enum explain_state {
    EXPLAIN_HOLDS,     /* scope and conditions are satisfied */
    EXPLAIN_CONDITION, /* the scope fits, a condition does not: `clause` */
    EXPLAIN_FAILED,    /* the scope fits, a condition cannot be evaluated: `clause`, `error` */
    EXPLAIN_SCOPE      /* it is about something else: `part` says which part of the scope */
};

struct explain_rule {
    size_t rule; /* for policy_rule() */
    enum explain_state state;
    const char *part;  /* "principal", "action" or "resource" */
    struct str clause; /* source text of the smallest part that decided; hostile if the policy is */
    unsigned line;     /* of the clause, from 1 */
    char error[256];
};
typedef void explain_visit(void *ctx, const struct explain_rule *rule);

/* Visits every rule. False: the action names nothing; *reason says why. */
bool policy_explain(const struct policy *p, const struct session *s, const struct action *a,
                    struct policy_scratch *scratch, explain_visit *visit, void *ctx,
                    const char **reason);

/* One fact changed, and what would be decided then. */
struct explain_change {
    const char *what;    /* "resource", or the name of a context field */
    bool added, removed; /* of a list: the item is added to it, or taken out */
    char value[512];
    enum outcome outcome;
};
typedef bool explain_change_visit(void *ctx, const struct explain_change *change);

/*
 * Tries to change a single fact to a value that some rule names, and visits each change that
 * leads to a more lenient outcome than `now`, most lenient first, at most `most`.
 */
void policy_changes(const struct policy *p, const struct session *s, const struct action *a,
                    enum outcome now, size_t most, explain_change_visit *visit, void *ctx);

#endif
