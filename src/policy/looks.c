/* SPDX-License-Identifier: Apache-2.0 */
/* looks.c - what the rules of a policy look at, so that adapters find out nothing else. */
#include "policy/region.h"

#include <string.h>

static void take_attr(void *ctx, const struct cedar_literal *x)
{
    struct policy *p = ctx;

    for (unsigned f = 0; x->kind == CEDAR_LIT_ATTR && f < FIELD_COUNT; f++)
        if (x->name == p->field[f])
            p->looks |= (uint64_t)1 << f;
}

/* The context compared, or asked for a tag, as a whole: then every field is looked at. */
static bool reads_whole(struct str text)
{
    static const char word[] = "context";
    const size_t n = sizeof(word) - 1;

    for (const char *at = text.p; (at = memmem(at, text.n - (size_t)(at - text.p), word, n));) {
        struct str rest = {at + n, text.n - (size_t)(at - text.p) - n};

        while (rest.n > 0 && strchr(" \t\r\n", rest.p[0]) != NULL)
            rest = (struct str){rest.p + 1, rest.n - 1};
        if (rest.n > 0 && rest.p[0] != '.' && rest.p[0] != '[' && !str_starts(rest, "has"))
            return true;
        at += n;
    }
    return false;
}

static void look_at_rule(struct policy *p, const struct rule *r)
{
    struct cedar_policies *set = p->units[r->unit].policies;
    struct cedar_policy_info info = cedar_policy_info(set, r->index);
    struct cedar_str source = cedar_policies_source(set);

    cedar_policy_literals(set, r->index, take_attr, p);
    for (size_t i = 0; i < info.n_conditions; i++) {
        struct cedar_span span = cedar_policy_condition(set, r->index, i).span;

        if (reads_whole((struct str){source.ptr + span.start, span.end - span.start}))
            p->looks = UINT64_MAX;
    }
}

void looks_find(struct policy *p, struct surveyor *v)
{
    for (size_t i = 0; i < p->nrules; i++) {
        bool calls = surveyor_concerns(v, i, VERB_CALL, RESOURCE_TOOL);
        bool infers = surveyor_concerns(v, i, VERB_INFER, RESOURCE_MODEL);

        look_at_rule(p, &p->rules[i]);
        p->calls |= calls;
        p->permits_calls |= calls && !p->rules[i].forbid;
        p->infers |= infers;
        p->permits_infer |= infers && !p->rules[i].forbid;
    }
}

bool policy_looks_at(const struct policy *p, enum field_id f)
{
    return (p->looks >> f & 1) != 0;
}
