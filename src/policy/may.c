/* SPDX-License-Identifier: Apache-2.0 */
/*
 * may.c - where might anything be sent, before it is known what?
 *
 * Of each permit that is about hosts a weaker copy is made, without what looks at the context: that
 * is not known yet when a name is looked up or a connection begins. What is left speaks of the
 * host and the agent; where it holds for nothing, the permit cannot hold either.
 */
#include "policy/region.h"

#include <string.h>

/* A cursor over Cedar text that knows strings, comments and brackets. */
struct scan {
    const char *p, *end;
    int depth;
};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next token, as far as it matters here: a word, a string, or one other byte. */
static struct str scan_next(struct scan *s)
{
    for (;;) {
        while (s->p < s->end && strchr(" \t\r\n", *s->p) != NULL)
            s->p++;
        if (s->end - s->p < 2 || s->p[0] != '/' || s->p[1] != '/')
            break;
        while (s->p < s->end && *s->p != '\n')
            s->p++;
    }
    const char *start = s->p;
    if (start == s->end)
        return (struct str){start, 0};
    if (is_word_char(*start)) {
        while (s->p < s->end && is_word_char(*s->p))
            s->p++;
    } else if (*start == '"') {
        for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
            s->p += *s->p == '\\' && s->p + 1 < s->end;
        s->p += s->p < s->end;
    } else {
        s->p++;
    }
    if (strchr("([{", *start) != NULL)
        s->depth++;
    if (strchr(")]}", *start) != NULL)
        s->depth--;
    return (struct str){start, (size_t)(s->p - start)};
}

static bool reads_context(struct str text)
{
    struct scan s = {text.p, text.p + text.n, 0};

    for (struct str t = scan_next(&s); t.n > 0; t = scan_next(&s))
        if (str_is(t, "context"))
            return true;
    return false;
}

/* Is it a conjunction at its top, and nothing that binds less? */
static bool is_conjunction(struct str text)
{
    struct scan s = {text.p, text.p + text.n, 0};

    for (struct str t = scan_next(&s); t.n > 0; t = scan_next(&s))
        if (s.depth == 0 && (t.p[0] == '|' || str_is(t, "if")))
            return false;
    return true;
}

static void keep_if_settled(struct buf *out, const char *clause, struct str text)
{
    if (reads_context(text))
        return;
    buf_printf(out, " %s {", clause);
    buf_add(out, text.p, text.n);
    buf_puts(out, "\n}"); /* a comment may end it */
}

/* Each conjunct by itself: one that looks at the context does not take the others with it. */
static void keep_conjuncts(struct buf *out, struct str body)
{
    struct scan s = {body.p, body.p + body.n, 0};
    const char *from = body.p;

    for (struct str t = scan_next(&s); t.n > 0; t = scan_next(&s)) {
        if (s.depth != 0 || t.p[0] != '&')
            continue;
        keep_if_settled(out, "when", (struct str){from, (size_t)(t.p - from)});
        (void)scan_next(&s); /* its second half */
        from = s.p;
    }
    keep_if_settled(out, "when", (struct str){from, (size_t)(s.end - from)});
}

/* Between the braces of `when { ... }`. */
static struct str body_of(struct str source, struct cedar_span span)
{
    const char *start = source.p + span.start, *end = source.p + span.end;
    const char *open = memchr(start, '{', (size_t)(end - start));

    return open != NULL ? (struct str){open + 1, (size_t)(end - open - 2)} : (struct str){start, 0};
}

static void weaken(const struct policy *p, const struct rule *r, struct buf *out)
{
    struct cedar_policies *set = p->units[r->unit].policies;
    struct cedar_policy_info info = cedar_policy_info(set, r->index);
    struct str source = str_from(cedar_policies_source(set));

    buf_puts(out, "permit (");
    buf_add(out, source.p + info.scope.start, info.scope.end - info.scope.start);
    buf_puts(out, "\n)");
    for (size_t i = 0; i < info.n_conditions; i++) {
        struct cedar_condition c = cedar_policy_condition(set, r->index, i);
        struct str body = body_of(source, c.span);

        if (c.is_unless || !is_conjunction(body))
            keep_if_settled(out, c.is_unless ? "unless" : "when", body);
        else
            keep_conjuncts(out, body);
    }
    buf_puts(out, ";\n");
}

bool may_make(struct policy *p, struct surveyor *v, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    struct cedar_error x = {.status = CEDAR_OK};

    buf_init(&text, 2 * POLICY_TEXTS_MAX * POLICY_TEXT_MAX);
    p->may_rule = arena_alloc(&p->arena, (p->nrules + 1) * sizeof(*p->may_rule));
    size_t n = 0;
    for (size_t i = 0; i < p->nrules; i++)
        if (!p->rules[i].forbid && (surveyor_concerns(v, i, VERB_CONNECT, RESOURCE_HOST) ||
                                    surveyor_concerns(v, i, VERB_REQUEST, RESOURCE_HOST))) {
            weaken(p, &p->rules[i], &text);
            p->may_rule[n++] = (uint32_t)i;
        }
    struct cedar_str source = {text.n > 0 ? text.p : "", text.n};
    if (cedar_policies_parse(p->names, NULL, source, &p->may_set, &x) != CEDAR_OK ||
        !literals_expand(p, p->may_set) || cedar_compile(p->may_set, NULL, &p->may, &x) != CEDAR_OK)
        return err_set(e, EX_POLICY, "its permits cannot be weakened: %s", x.message);
    return true;
}

bool may_send_by(const struct policy *p, const struct session *s, enum verb verb, struct str host,
                 struct policy_scratch *scratch, may_visit *visit, void *ctx)
{
    struct cedar_answer answer;
    const char *reason;
    struct action a;

    action_init(&a, verb, RESOURCE_HOST, host);
    if (!request_make(p, s, &a, &scratch->request, &reason))
        return false;
    cedar_decide(p->may, NULL, &scratch->request.cedar, scratch->cedar, scratch->cedar_size,
                 &answer);
    for (uint32_t i = 0; i < answer.n_reasons && visit != NULL; i++)
        visit(ctx, p->may_rule[answer.reasons[i]]);
    return answer.n_reasons > 0 || answer.exhausted;
}
