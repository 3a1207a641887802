/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/region.h"

#include <stdlib.h>
#include <string.h>

/* A literal of a rule, or a use of the context. */
struct mention {
    struct cedar_span span;
    cedar_name type; /* of an entity, or after `is`; else none */
    bool is_type, in_scope, about_folders;
    struct str start; /* of a pattern: what everything that it matches begins with, if a path */
};

struct survey {
    struct mention *mentions;
    size_t n;
    bool folders_only;
    uint32_t other_verbs; /* bit per verb that its scope is known to rule out */
};

enum holds { HOLDS_NO, HOLDS_YES, HOLDS_OPEN };

struct surveyor {
    const struct policy *p;
    const struct session *s;
    struct policy_scratch *scratch;
    struct survey *rules; /* policy_rules() of them */
    struct arena arena;
};

struct noting {
    struct surveyor *v;
    struct survey *survey; /* NULL: count only */
    size_t n;
};

/* Literals of these types divide the file system, or are the same for the whole session. */
static bool type_is_settled(const struct policy *p, cedar_name type)
{
    return type == p->word[WORD_DIR] || type == p->word[WORD_FILE] ||
           type == p->word[WORD_PROGRAM] || type == p->word[WORD_SOCKET] ||
           type == p->word[WORD_ACTION] || type == p->word[WORD_AGENT];
}

static bool about_folders(const struct policy *p, const struct cedar_literal *x)
{
    switch (x->kind) {
    case CEDAR_LIT_ENTITY:
        return type_is_settled(p, x->value.uid->type);
    case CEDAR_LIT_TYPE:
        return true; /* the kind of resource is that of the sample */
    case CEDAR_LIT_ATTR:
        /* a path in itself settles nothing, what it is compared with is a mention too */
        return x->name == p->word[WORD_WORKSPACE] || x->name == p->word[WORD_HOME] ||
               x->name == p->word[WORD_REPOSITORY] || x->name == p->word[WORD_PATH];
    case CEDAR_LIT_LONG:
    case CEDAR_LIT_STRING:
    case CEDAR_LIT_PATTERN:
        break;
    }
    return false;
}

struct str pattern_start(struct str pattern)
{
    size_t n = 0;

    while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '\\')
        n++;
    return n > 0 && pattern.p[0] == '/' ? (struct str){pattern.p, n} : (struct str){NULL, 0};
}

/* A copy, as the visitor's pattern dies with the call. */
static struct str keep_start(struct surveyor *v, const struct cedar_literal *x)
{
    struct str start = {NULL, 0};

    if (x->kind == CEDAR_LIT_PATTERN)
        start = pattern_start(str_from(x->pattern));
    if (start.n > 0)
        start.p = arena_strndup(&v->arena, start.p, start.n);
    return start;
}

static void note_literal(void *ctx, const struct cedar_literal *x)
{
    struct noting *n = ctx;

    if (n->survey != NULL)
        n->survey->mentions[n->n] =
            (struct mention){.span = x->span,
                             .type = x->kind == CEDAR_LIT_ENTITY ? x->value.uid->type
                                     : x->kind == CEDAR_LIT_TYPE ? x->name
                                                                 : CEDAR_NO_NAME,
                             .is_type = x->kind == CEDAR_LIT_TYPE,
                             .in_scope = x->in_scope,
                             .about_folders = about_folders(n->v->p, x),
                             .start = keep_start(n->v, x)};
    n->n++;
}

/* `context` compared as a whole holds no literal, and is still no folder. */
static bool names_context(struct str text)
{
    return memmem(text.p, text.n, "context", 7) != NULL;
}

static struct str text_at(const struct policy *p, const struct rule *r, struct cedar_span span)
{
    struct cedar_str source = cedar_policies_source(p->units[r->unit].policies);

    return (struct str){source.ptr + span.start, span.end - span.start};
}

/*
 * Can a path of the region of `sample` begin like this? The folder in which the pattern's start
 * ends is a place of its own (plan.c), so the pattern matters there and further down its way.
 */
static bool may_begin(struct str sample, struct str start)
{
    struct str folder = {sample.p,
                         (size_t)((const char *)memrchr(sample.p, '/', sample.n) - sample.p)};
    struct str parent = {start.p, (size_t)((const char *)memrchr(start.p, '/', start.n) - start.p)};
    size_t common = folder.n + 1 < start.n ? folder.n + 1 : start.n;

    if (str_eq(folder, parent) || str_eq(sample, parent))
        return true;
    /* below that folder, and not on another branch */
    return folder.n > parent.n && memcmp(sample.p, start.p, common) == 0;
}

static bool is_settled(const struct mention *m, struct str sample)
{
    if (m->about_folders)
        return true;
    return m->start.n > 0 && sample.p[0] == '/' && !may_begin(sample, m->start);
}

static bool span_is_settled(const struct surveyor *v, size_t rule, struct cedar_span span,
                            struct str sample)
{
    const struct survey *y = &v->rules[rule];

    for (size_t i = 0; i < y->n; i++)
        if (y->mentions[i].span.start >= span.start && y->mentions[i].span.end <= span.end &&
            !is_settled(&y->mentions[i], sample))
            return false;
    return span.end > span.start && !names_context(text_at(v->p, &v->p->rules[rule], span));
}

static void survey_rule(struct surveyor *v, size_t i)
{
    const struct rule *r = &v->p->rules[i];
    struct cedar_policies *set = v->p->units[r->unit].policies;
    struct cedar_policy_info info = cedar_policy_info(set, r->index);
    struct noting count = {v, NULL, 0}, fill = {v, &v->rules[i], 0};

    cedar_policy_literals(set, r->index, note_literal, &count);
    v->rules[i].mentions = arena_alloc(&v->arena, (count.n + 1) * sizeof(struct mention));
    v->rules[i].n = count.n;
    cedar_policy_literals(set, r->index, note_literal, &fill);
    v->rules[i].folders_only = true;
    for (size_t m = 0; m < count.n; m++)
        v->rules[i].folders_only &= v->rules[i].mentions[m].about_folders;
    for (size_t c = 0; c < info.n_conditions; c++)
        v->rules[i].folders_only &=
            !names_context(text_at(v->p, r, cedar_policy_condition(set, r->index, c).span));
}

static struct cedar_explanation explain(struct surveyor *v, size_t rule)
{
    const struct rule *r = &v->p->rules[rule];
    struct cedar_explanation x;

    cedar_explain(v->p->units[r->unit].program, r->index, NULL, &v->scratch->request.cedar,
                  v->scratch->cedar, v->scratch->cedar_size, &x);
    return x;
}

static bool make_sample(struct surveyor *v, enum verb verb, enum resource_kind kind,
                        struct str sample)
{
    const char *reason;
    struct action a;

    action_init(&a, verb, kind, sample);
    return request_make(v->p, v->s, &a, &v->scratch->request, &reason);
}

/* Of each kind, one that no rule names. */
static const char *const samples[RESOURCE_COUNT] = {
    [RESOURCE_FILE] = "/x",        [RESOURCE_PROGRAM] = "/x", [RESOURCE_SOCKET] = "/x",
    [RESOURCE_HOST] = "x.invalid", [RESOURCE_TOOL] = "x/x",   [RESOURCE_MODEL] = "x/x"};

static bool sample_verb(struct surveyor *v, enum verb verb)
{
    for (unsigned k = 0; k < RESOURCE_COUNT; k++)
        if (verb_takes(verb, (enum resource_kind)k))
            return make_sample(v, verb, (enum resource_kind)k, str_of(samples[k]));
    return false;
}

/*
 * The verbs that the scope of each rule rules out. Asked for an agent that has every label, as
 * the principal is looked at first.
 */
static void find_other_verbs(struct surveyor *v)
{
    struct session labelled = *v->s;
    const struct session *session = v->s;

    labelled.labels = UINT64_MAX;
    v->s = &labelled; /* cppcheck-suppress autoVariables ; put back below */
    for (unsigned verb = 0; verb < VERB_COUNT; verb++) {
        if (!sample_verb(v, (enum verb)verb))
            continue;
        for (size_t i = 0; i < v->p->nrules; i++)
            if (explain(v, i).outcome == CEDAR_NO_ACTION)
                v->rules[i].other_verbs |= 1u << verb;
    }
    v->s = session;
}

struct surveyor *surveyor_new(const struct policy *p, const struct session *s)
{
    struct surveyor *v = xcalloc(1, sizeof(*v));

    v->p = p;
    v->s = s;
    v->scratch = policy_scratch_new(p);
    v->rules = arena_alloc(&v->arena, (p->nrules + 1) * sizeof(*v->rules));
    for (size_t i = 0; i < p->nrules; i++)
        survey_rule(v, i);
    find_other_verbs(v);
    return v;
}

void surveyor_free(struct surveyor *v)
{
    if (v == NULL)
        return;
    policy_scratch_free(v->scratch);
    arena_release(&v->arena);
    free(v);
}

static enum holds holds(struct surveyor *v, size_t rule, enum verb verb, struct str sample)
{
    struct cedar_explanation x;

    if ((v->rules[rule].other_verbs >> verb & 1) != 0)
        return HOLDS_NO;
    x = explain(v, rule);
    switch (x.outcome) {
    case CEDAR_SATISFIED:
        return v->rules[rule].folders_only ? HOLDS_YES : HOLDS_OPEN;
    case CEDAR_NO_ACTION:
    case CEDAR_IS_TEMPLATE:
        return HOLDS_NO;
    case CEDAR_NO_PRINCIPAL:
    case CEDAR_NO_RESOURCE:
    case CEDAR_NO_CONDITION:
        return span_is_settled(v, rule, x.span, sample) ? HOLDS_NO : HOLDS_OPEN;
    case CEDAR_FAILED:
    case CEDAR_EXHAUSTED:
        break;
    }
    return HOLDS_OPEN;
}

/* Before which kern takes a copy, where a rule has @undo. */
static bool changes_file(enum verb verb)
{
    return verb == VERB_WRITE || verb == VERB_CREATE || verb == VERB_DELETE;
}

enum said surveyor_says(struct surveyor *v, enum verb verb, enum resource_kind kind,
                        struct str sample)
{
    bool permitted = false, maybe_permitted = false, maybe_stopped = false;

    if (!make_sample(v, verb, kind, sample))
        return SAID_NO;
    for (size_t i = 0; i < v->p->nrules; i++) {
        const struct rule *r = &v->p->rules[i];
        enum holds h = holds(v, i, verb, sample);

        if (h == HOLDS_NO)
            continue;
        if (!r->forbid) {
            permitted |= h == HOLDS_YES;
            maybe_permitted = true;
            maybe_stopped |= changes_file(verb) && (r->duties & DUTY_UNDO) != 0;
        } else if (h == HOLDS_YES && r->outcome >= OUTCOME_DENY) {
            return SAID_NO;
        } else {
            maybe_stopped = true;
        }
    }
    if (!maybe_permitted)
        return SAID_NO;
    return permitted && !maybe_stopped ? SAID_YES : SAID_OPEN;
}

enum outcome surveyor_decides(struct surveyor *v, enum verb verb, enum resource_kind kind,
                              struct str sample, int64_t port)
{
    struct decision d;
    struct action a;

    action_init(&a, verb, kind, sample);
    if (port >= 0)
        action_int(&a, FIELD_PORT, port);
    policy_decide(v->p, v->s, &a, v->scratch, &d);
    return d.outcome;
}

/* Can a resource of this kind be of this type, or lie in one of it? */
static bool type_fits(const struct policy *p, cedar_name type, enum resource_kind kind)
{
    if (type == p->type[kind])
        return true;
    if (kind == RESOURCE_HOST)
        return type == p->word[WORD_DOMAIN] || type == p->word[WORD_NET];
    if (kind == RESOURCE_TOOL)
        return type == p->word[WORD_SERVER];
    if (kind == RESOURCE_MODEL)
        return type == p->word[WORD_PROVIDER];
    return type == p->word[WORD_DIR];
}

static bool is_of_resource(const struct policy *p, const struct mention *m)
{
    return m->type != CEDAR_NO_NAME && m->type != p->word[WORD_ACTION] &&
           m->type != p->word[WORD_AGENT] && m->type != p->word[WORD_LABEL];
}

static bool scope_fits(const struct surveyor *v, size_t rule, enum resource_kind kind)
{
    const struct survey *y = &v->rules[rule];

    for (size_t i = 0; i < y->n; i++)
        if (y->mentions[i].in_scope && is_of_resource(v->p, &y->mentions[i]) &&
            !type_fits(v->p, y->mentions[i].type, kind))
            return false;
    return true;
}

/* Is this condition `resource is T` for a T that the kind is not? */
static bool is_other_type(const struct surveyor *v, size_t rule, struct cedar_span span,
                          enum resource_kind kind)
{
    const struct survey *y = &v->rules[rule];

    for (size_t i = 0; i < y->n; i++)
        if (y->mentions[i].is_type && y->mentions[i].span.start >= span.start &&
            y->mentions[i].span.end <= span.end)
            return !type_fits(v->p, y->mentions[i].type, kind);
    return false;
}

bool surveyor_concerns(struct surveyor *v, size_t rule, enum verb verb, enum resource_kind kind)
{
    struct cedar_explanation x;

    if ((v->rules[rule].other_verbs >> verb & 1) != 0)
        return false;
    if (!make_sample(v, verb, kind, str_of(samples[kind])) || !scope_fits(v, rule, kind))
        return false;
    x = explain(v, rule);
    if (x.outcome == CEDAR_NO_ACTION || x.outcome == CEDAR_IS_TEMPLATE)
        return false;
    return x.outcome != CEDAR_NO_CONDITION || !is_other_type(v, rule, x.span, kind);
}

bool surveyor_folders_only(const struct surveyor *v, size_t rule)
{
    return v->rules[rule].folders_only;
}

bool surveyor_names_resource(const struct surveyor *v, size_t rule)
{
    for (size_t i = 0; i < v->rules[rule].n; i++)
        if (v->rules[rule].mentions[i].in_scope &&
            is_of_resource(v->p, &v->rules[rule].mentions[i]))
            return true;
    return false;
}
