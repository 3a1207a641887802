/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c - what the annotations of a policy mean: its id, its outcome, its duties. */
#include "policy/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX     64
#define REASON_MAX 400

enum note {
    NOTE_ID,
    NOTE_REASON,
    NOTE_DENY,
    NOTE_ASK,
    NOTE_FREEZE,
    NOTE_KILL,
    NOTE_ALERT,
    NOTE_LABEL,
    NOTE_REDACT,
    NOTE_INJECT,
    NOTE_UNDO
};

static const struct note_row {
    const char *key;
    enum note note;
    bool on_permit, on_forbid;
} notes[] = {
    {"id", NOTE_ID, true, true},          {"reason", NOTE_REASON, true, true},
    {"deny", NOTE_DENY, false, true},     {"ask", NOTE_ASK, false, true},
    {"freeze", NOTE_FREEZE, false, true}, {"kill", NOTE_KILL, false, true},
    {"alert", NOTE_ALERT, true, true},    {"label", NOTE_LABEL, true, false},
    {"redact", NOTE_REDACT, true, false}, {"inject", NOTE_INJECT, true, false},
    {"undo", NOTE_UNDO, true, true},
};

bool policy_error_at(const struct policy *p, size_t u, struct cedar_span span, struct err *e,
                     const char *fmt, ...)
{
    struct cedar_str source = cedar_policies_source(p->units[u].policies);
    struct cedar_error x = {.status = CEDAR_ERR_INVALID, .span = span};
    char text[ERR_TEXT_MAX];
    va_list args;

    cedar_locate(source, span.start, &x.line, &x.column);
    va_start(args, fmt);
    vsnprintf(x.message, sizeof(x.message), fmt, args);
    va_end(args);
    cedar_error_render(&x, p->units[u].name, source, text, sizeof(text));
    return err_set(e, EX_POLICY, "%s", text);
}

static const struct note_row *find_note(struct cedar_str key)
{
    for (size_t i = 0; i < ARRAY_LEN(notes); i++)
        if (str_is(str_from(key), notes[i].key))
            return &notes[i];
    return NULL;
}

static bool id_is_plain(struct str id)
{
    if (id.n == 0 || id.n > ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '"' || id.p[i] == '\\')
            return false;
    return true;
}

/* Words that reach a terminal, the record and the agent: one printable line. */
static struct str printable(struct policy *p, struct str s)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, REASON_MAX + 16);
    buf_add_safe(&b, s, REASON_MAX);
    return (struct str){arena_strndup(&p->arena, b.p, b.n), b.n};
}

static void stricter(struct rule *r, enum outcome outcome, bool *softened)
{
    if (!*softened || outcome > r->outcome)
        r->outcome = outcome;
    *softened = true;
}

struct reading {
    struct policy *p;
    struct rule *rule;
    struct str say[NOTE_UNDO + 1];
    bool softened;
};

static bool take_inject(struct reading *x, struct cedar_annotation a, struct err *e)
{
    if (!id_is_plain(str_from(a.value)) || a.value.len > VERDICT_INJECT_MAX)
        return policy_error_at(x->p, x->rule->unit, a.span, e,
                               "@inject needs the name of a credential of belay.yaml");
    x->rule->duties |= DUTY_INJECT;
    x->rule->inject =
        (struct str){arena_strndup(&x->p->arena, a.value.ptr, a.value.len), a.value.len};
    return true;
}

static bool take_note(struct reading *x, const struct note_row *row, struct cedar_annotation a,
                      struct err *e)
{
    struct rule *r = x->rule;
    int bit;

    x->say[row->note] = str_from(a.value);
    switch (row->note) {
    case NOTE_ID:
        if (!id_is_plain(x->say[NOTE_ID]))
            return policy_error_at(x->p, r->unit, a.span, e,
                                   "an id has 1 to %d printable characters without blanks and "
                                   "quotes",
                                   ID_MAX);
        r->id = arena_strndup(&x->p->arena, a.value.ptr, a.value.len);
        return true;
    case NOTE_LABEL:
        bit = a.value.len > 0 ? label_add(x->p, str_from(a.value)) : -1;
        if (bit < 0)
            return policy_error_at(x->p, r->unit, a.span, e,
                                   "@label needs a name, and a policy has at most %d labels",
                                   POLICY_LABELS_MAX);
        r->labels |= (uint64_t)1 << bit;
        return true;
    case NOTE_ALERT:
        r->duties |= DUTY_ALERT;
        return true;
    case NOTE_REDACT:
        r->duties |= DUTY_REDACT;
        return true;
    case NOTE_INJECT:
        return take_inject(x, a, e);
    case NOTE_UNDO:
        r->duties |= DUTY_UNDO;
        return true;
    case NOTE_ASK:
        stricter(r, OUTCOME_ASK, &x->softened);
        return true;
    case NOTE_DENY:
        stricter(r, OUTCOME_DENY, &x->softened);
        return true;
    case NOTE_FREEZE:
        stricter(r, OUTCOME_FREEZE, &x->softened);
        return true;
    case NOTE_KILL:
        stricter(r, OUTCOME_KILL, &x->softened);
        return true;
    case NOTE_REASON:
        return true;
    }
    return true;
}

static void choose_reason(struct reading *x)
{
    static const enum note by_outcome[OUTCOME_COUNT] = {NOTE_REASON, NOTE_ASK, NOTE_DENY,
                                                        NOTE_FREEZE, NOTE_KILL};
    struct str s = x->say[by_outcome[x->rule->outcome]];

    if (s.n == 0)
        s = x->say[NOTE_REASON];
    if (s.n == 0)
        s = str_of(x->rule->forbid ? "a rule forbids it" : "");
    x->rule->reason = printable(x->p, s);
}

static bool read_notes(struct policy *p, struct rule *r, const struct cedar_policy_info *info,
                       struct err *e)
{
    struct cedar_policies *set = p->units[r->unit].policies;
    struct reading x = {.p = p, .rule = r};

    for (size_t i = 0; i < info->n_annotations; i++) {
        struct cedar_annotation a = cedar_policy_annotation(set, r->index, i);
        const struct note_row *row = find_note(a.key);

        if (row == NULL)
            return policy_error_at(p, r->unit, a.span, e,
                                   "this annotation means nothing here; known are @id @reason "
                                   "@ask @deny @freeze @kill @alert @label @redact @inject @undo");
        if (!(r->forbid ? row->on_forbid : row->on_permit))
            return policy_error_at(p, r->unit, a.span, e, "@%s belongs on a %s", row->key,
                                   r->forbid ? "permit" : "forbid");
        if (!take_note(&x, row, a, e))
            return false;
    }
    choose_reason(&x);
    return true;
}

/* The line of a rule, counted on from the rule before: each text is walked through once. */
static unsigned line_after(const struct policy *p, size_t u, const struct rule *r, uint32_t start)
{
    struct cedar_str source = cedar_policies_source(p->units[u].policies);
    bool first = r == p->rules || r[-1].unit != u;
    uint32_t at = 0;
    unsigned line = 1;

    if (!first) {
        at = cedar_policy_info(p->units[u].policies, r[-1].index).span.start;
        line = r[-1].line;
    }
    for (; at < start && at < source.len; at++)
        line += source.ptr[at] == '\n';
    return line;
}

static bool read_rule(struct policy *p, size_t u, uint32_t index, struct err *e)
{
    struct cedar_policy_info info = cedar_policy_info(p->units[u].policies, index);
    struct rule *r = &p->rules[p->nrules++];

    if (info.is_template)
        return policy_error_at(p, u, info.scope, e,
                               "a template (with ?principal or ?resource) decides nothing; name "
                               "the principal and resource here");
    *r = (struct rule){.unit = (uint32_t)u,
                       .index = index,
                       .line = line_after(p, u, r, info.span.start),
                       .forbid = info.effect == CEDAR_FORBID,
                       .outcome = info.effect == CEDAR_FORBID ? OUTCOME_DENY : OUTCOME_ALLOW};
    r->id = p->nunits == 1 ? arena_printf(&p->arena, "policy%u", index)
                           : arena_printf(&p->arena, "policy%zu.%u", u, index);
    return read_notes(p, r, &info, e);
}

static int by_id(const void *a, const void *b)
{
    const struct rule *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static bool ids_are_distinct(const struct policy *p, struct err *e)
{
    AUTO_FREE const struct rule **list = xcalloc(p->nrules + 1, sizeof(struct rule *));
    bool good = true;

    for (size_t i = 0; i < p->nrules; i++)
        list[i] = &p->rules[i];
    qsort(list, p->nrules, sizeof(struct rule *), by_id);
    for (size_t i = 1; i < p->nrules && good; i++) {
        const struct rule *r = list[i], *other = list[i - 1];

        if (strcmp(r->id, other->id) != 0)
            continue;
        struct cedar_policy_info info = cedar_policy_info(p->units[r->unit].policies, r->index);
        good = policy_error_at(p, r->unit, info.scope, e,
                               "two rules have the id \"%s\"; the other is in %s, line %u", r->id,
                               p->units[other->unit].name, other->line);
    }
    return good;
}

bool rules_read(struct policy *p, struct err *e)
{
    size_t n = 0;

    for (size_t u = 0; u < p->nunits; u++)
        n += cedar_policies_count(p->units[u].policies);
    if (n > CEDAR_MAX_POLICIES)
        return err_set(e, EX_POLICY, "more than %d rules", CEDAR_MAX_POLICIES);
    p->rules = arena_alloc(&p->arena, (n + 1) * sizeof(*p->rules));
    for (size_t u = 0; u < p->nunits; u++) {
        p->units[u].first = (uint32_t)p->nrules;
        for (size_t i = 0; i < cedar_policies_count(p->units[u].policies); i++)
            if (!read_rule(p, u, (uint32_t)i, e))
                return false;
    }
    return ids_are_distinct(p, e);
}
