/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - who holds a rule on this host, and what that costs. */
#include "policy/plan.h"
#include "policy/region.h"

/* Without a trap it is held by what is mounted, and what is not: the plan has seen to that. */
static unsigned where_trapped(const struct plan *plan, enum plan_trap trap, bool folders_only)
{
    bool trapped = (plan->traps & trap) != 0;

    return (folders_only || !trapped ? WHERE_KERNEL : 0u) | (trapped ? WHERE_KERN : 0u);
}

static unsigned where_files(struct surveyor *v, const struct plan *plan, size_t rule)
{
    static const enum verb changes[] = {VERB_WRITE, VERB_CREATE, VERB_DELETE};
    bool alone = surveyor_folders_only(v, rule);
    unsigned where = 0;

    if (surveyor_concerns(v, rule, VERB_READ, RESOURCE_FILE))
        where |= where_trapped(plan, PLAN_TRAP_READ, alone);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (surveyor_concerns(v, rule, changes[i], RESOURCE_FILE))
            where |= where_trapped(plan, PLAN_TRAP_WRITE, alone);
    return where;
}

/* What nothing looks into cannot be judged; where nothing leaves at all, no request does. */
static unsigned where_content(struct surveyor *v, const struct plan *plan, size_t rule)
{
    bool sends = surveyor_concerns(v, rule, VERB_REQUEST, RESOURCE_HOST) ||
                 surveyor_concerns(v, rule, VERB_INFER, RESOURCE_MODEL);

    if (!sends && !surveyor_concerns(v, rule, VERB_CALL, RESOURCE_TOOL))
        return 0;
    if (plan->opens)
        return WHERE_GATE;
    return sends && !plan->gate ? WHERE_KERNEL : 0;
}

unsigned where_of(struct surveyor *v, const struct plan *plan, size_t rule)
{
    unsigned where = where_files(v, plan, rule);

    if (surveyor_concerns(v, rule, VERB_EXEC, RESOURCE_PROGRAM))
        where |= WHERE_KERN;
    if (surveyor_concerns(v, rule, VERB_CONNECT, RESOURCE_SOCKET))
        where |= where_trapped(plan, PLAN_TRAP_CONNECT, false);
    if (surveyor_concerns(v, rule, VERB_CONNECT, RESOURCE_HOST))
        where |= plan->gate ? WHERE_GATE : WHERE_KERNEL;
    return where | where_content(v, plan, rule);
}

static const char *cost_of(struct surveyor *v, const struct plan *plan, size_t rule, unsigned where)
{
    if ((where & WHERE_KERN) != 0) {
        if ((plan->traps & PLAN_TRAP_READ) != 0 &&
            surveyor_concerns(v, rule, VERB_READ, RESOURCE_FILE))
            return "every open is judged: builds take about a third longer";
        if (surveyor_concerns(v, rule, VERB_EXEC, RESOURCE_PROGRAM))
            return "each program start is judged";
        if (surveyor_concerns(v, rule, VERB_CONNECT, RESOURCE_SOCKET) && (where & WHERE_GATE) == 0)
            return "each connect is judged";
        return "each open for writing is judged: next to nothing";
    }
    if ((where & WHERE_GATE) != 0 && !surveyor_concerns(v, rule, VERB_CONNECT, RESOURCE_HOST))
        return "each request to hosts that a permit for requests names is judged";
    if ((where & WHERE_GATE) != 0)
        return "each connection is judged";
    return where != 0 ? "nothing" : "never asked for";
}

struct plan_rule *policy_where(const struct policy *p, const struct session *s, struct plan *plan)
{
    struct plan_rule *list = arena_alloc(&plan->arena, (p->nrules + 1) * sizeof(*list));
    struct surveyor *v = surveyor_new(p, s);

    for (size_t i = 0; i < p->nrules; i++) {
        unsigned where = where_of(v, plan, i);

        list[i] = (struct plan_rule){i, where,
                                     where == 0 && p->rules[i].forbid ? "not enforced here"
                                                                      : cost_of(v, plan, i, where)};
    }
    surveyor_free(v);
    return list;
}
