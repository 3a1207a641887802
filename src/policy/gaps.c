/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gaps.c - rules on what is said to a host that a permit for `connect` lets through unread.
 *
 * Such a rule would say nothing there, and nobody would notice. It is found for hosts that the rule
 * names, and for the hosts of the model providers where it is about inference; a rule on requests
 * that names no host is about what is looked into, and no more.
 */
#include "policy/region.h"

struct gap {
    const struct policy *p;
    const struct session *s;
    struct policy_scratch *scratch;
    struct str host; /* found; empty: none yet */
    bool names_providers;
    struct str providers[16];
    size_t nproviders;
};

static void try_host(struct gap *g, struct str host)
{
    if (g->host.n == 0 && may_send_by(g->p, g->s, VERB_CONNECT, host, g->scratch, NULL, NULL) &&
        !policy_opens(g->p, g->s, host, g->scratch))
        g->host = host;
}

static void take_host(void *ctx, const struct cedar_literal *x)
{
    struct gap *g = ctx;

    if (x->kind == CEDAR_LIT_ENTITY && (x->value.uid->type == g->p->type[RESOURCE_HOST] ||
                                        x->value.uid->type == g->p->word[WORD_DOMAIN]))
        try_host(g, str_from(x->value.uid->id));
}

static void take_provider(void *ctx, const struct cedar_literal *x)
{
    struct gap *g = ctx;
    bool model = x->kind == CEDAR_LIT_ENTITY && x->value.uid->type == g->p->type[RESOURCE_MODEL];
    bool provider = x->kind == CEDAR_LIT_ENTITY && x->value.uid->type == g->p->word[WORD_PROVIDER];

    if (!model && !provider)
        return;
    struct str id = str_from(x->value.uid->id);
    g->names_providers = true;
    if (g->nproviders < ARRAY_LEN(g->providers))
        g->providers[g->nproviders++] = model ? owner_of(id) : id;
}

static bool is_named(const struct gap *g, const char *provider)
{
    for (size_t i = 0; i < g->nproviders; i++)
        if (str_is(g->providers[i], provider))
            return true;
    return !g->names_providers;
}

static void try_providers(struct gap *g)
{
    static const struct {
        const char *name, *host;
    } hosts[] = {
#define PROVIDER(name, host) {name, host},
#include "policy/provider.def"
#undef PROVIDER
    };

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (is_named(g, hosts[i].name))
            try_host(g, str_of(hosts[i].host));
}

struct str gap_of(struct surveyor *v, const struct policy *p, const struct session *s, size_t rule)
{
    const struct rule *r = &p->rules[rule];
    struct gap g = {.p = p, .s = s, .host = {"", 0}};
    struct cedar_policies *set = p->units[r->unit].policies;

    if (!r->forbid || surveyor_concerns(v, rule, VERB_CONNECT, RESOURCE_HOST))
        return g.host; /* the connection itself is judged by it */
    g.scratch = policy_scratch_new(p);
    if (surveyor_concerns(v, rule, VERB_REQUEST, RESOURCE_HOST))
        cedar_policy_literals(set, r->index, take_host, &g);
    if (surveyor_concerns(v, rule, VERB_INFER, RESOURCE_MODEL)) {
        cedar_policy_literals(set, r->index, take_provider, &g);
        try_providers(&g);
    }
    policy_scratch_free(g.scratch);
    return g.host;
}
