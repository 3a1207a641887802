/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: annotations, effect, scope, conditions.
 */
#include "parse_help.h"

#include <stdio.h>

#define MAX_NOTES   256
#define MAX_CLAUSES 1024

static enum cedar_status fail_at(struct cedar_parser *p, enum cedar_status status,
                                 struct cedar_span span, const char *why)
{
    return cedar_fail(p->lexer.err, status, p->lexer.source, span, "%s", why);
}

/* ---- annotations ------------------------------------------------------------------ */

/* @key or @key("value"); keys may be reserved words. */
static enum cedar_status parse_note(struct cedar_parser *p, struct cedar_note *out)
{
    uint32_t start = p->lexer.token.span.start;
    struct cedar_span span;

    TRY(cedar_lexer_next(&p->lexer));
    if (parser_kind(p) != TOK_IDENT)
        return cedar_lexer_unexpected(&p->lexer, "an annotation's name");
    out->key = cedar_arena_str(&p->into->arena, cedar_token_text(&p->lexer, p->lexer.token));
    out->value = cedar_arena_str(&p->into->arena, CEDAR_STR(""));
    if (out->key.ptr == NULL || out->value.ptr == NULL)
        return cedar_fail_memory(p->lexer.err);
    TRY(cedar_lexer_next(&p->lexer));
    if (parser_kind(p) == TOK_LPAREN) {
        TRY(cedar_lexer_next(&p->lexer));
        TRY(cedar_parse_string(&p->lexer, &p->into->arena, &out->value, &span));
        TRY(cedar_lexer_expect(&p->lexer, TOK_RPAREN, "`)`"));
        out->has_value = true;
    }
    out->span = parser_since(p, start);
    return CEDAR_OK;
}

static enum cedar_status parse_notes(struct cedar_parser *p, struct cedar_policy *policy)
{
    struct cedar_note notes[MAX_NOTES];
    uint32_t n = 0;

    while (parser_kind(p) == TOK_AT) {
        struct cedar_note note = {0};

        TRY(parse_note(p, &note));
        for (uint32_t i = 0; i < n; i++)
            if (cedar_str_eq(notes[i].key, note.key))
                return fail_at(p, CEDAR_ERR_CONFLICT, note.span,
                               "this policy has an annotation of that name already");
        if (n == MAX_NOTES)
            return fail_at(p, CEDAR_ERR_LIMIT, note.span, "more than 256 annotations");
        notes[n++] = note;
    }
    policy->n_notes = n;
    policy->notes = CEDAR_NEW_N(&p->into->arena, struct cedar_note, n);
    if (policy->notes == NULL)
        return cedar_fail_memory(p->lexer.err);
    if (n > 0)
        memcpy(policy->notes, notes, n * sizeof(*notes));
    return CEDAR_OK;
}

/* ---- the scope -------------------------------------------------------------------- */

static enum cedar_status parse_entity(struct cedar_parser *p, struct cedar_uid *out,
                                      struct cedar_span *span)
{
    uint32_t start = p->lexer.token.span.start;
    struct cedar_span ignored;
    struct cedar_str id = {0};
    cedar_name type = CEDAR_NO_NAME;

    if (parser_kind(p) != TOK_IDENT)
        return cedar_lexer_unexpected(&p->lexer, "an entity: Type::\"id\"");
    TRY(cedar_parse_path(&p->lexer, &p->into->arena, p->into->names, &type, &ignored));
    TRY(cedar_lexer_expect(&p->lexer, TOK_PATH, "`::` and the entity's id in double quotes"));
    TRY(cedar_parse_string(&p->lexer, &p->into->arena, &id, &ignored));
    *out = cedar_uid(type, id);
    *span = parser_since(p, start);
    return CEDAR_OK;
}

/* Round brackets may surround what a scope names. */
static enum cedar_status open_brackets(struct cedar_parser *p, uint32_t *n)
{
    for (*n = 0; parser_kind(p) == TOK_LPAREN && *n < CEDAR_MAX_NESTING; ++*n)
        TRY(cedar_lexer_next(&p->lexer));
    return CEDAR_OK;
}

static enum cedar_status close_brackets(struct cedar_parser *p, uint32_t n)
{
    for (; n > 0; n--)
        TRY(cedar_lexer_expect(&p->lexer, TOK_RPAREN, "`)`"));
    return CEDAR_OK;
}

/* The entity of a scope, or the slot where slot_name is not NULL. */
static enum cedar_status parse_bare_uid(struct cedar_parser *p, struct cedar_scope *scope,
                                        const char *slot_name)
{
    if (parser_kind(p) != TOK_SLOT)
        return parse_entity(p, &scope->uid, &scope->uid_span);
    scope->uid_span = p->lexer.token.span;
    if (slot_name == NULL)
        return fail_at(p, CEDAR_ERR_SYNTAX, scope->uid_span, "an action cannot be a slot");
    if (!cedar_str_eq(cedar_token_text(&p->lexer, p->lexer.token), cedar_str(slot_name)))
        return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, scope->uid_span,
                          "the slot that may stand here is %s", slot_name);
    scope->has_slot = true;
    return cedar_lexer_next(&p->lexer);
}

static enum cedar_status parse_scope_uid(struct cedar_parser *p, struct cedar_scope *scope,
                                         const char *slot_name)
{
    uint32_t brackets;

    TRY(open_brackets(p, &brackets));
    TRY(parse_bare_uid(p, scope, slot_name));
    return close_brackets(p, brackets);
}

static enum cedar_status parse_scope_is(struct cedar_parser *p, struct cedar_scope *scope,
                                        const char *slot_name)
{
    if (slot_name == NULL)
        return fail_at(p, CEDAR_ERR_SYNTAX, p->lexer.token.span,
                       "an action is compared by `==` or `in`, not by its type");
    TRY(cedar_lexer_next(&p->lexer));
    scope->op = SCOPE_IS;
    TRY(cedar_parse_path(&p->lexer, &p->into->arena, p->into->names, &scope->type,
                         &scope->type_span));
    if (!cedar_lexer_at_word(&p->lexer, "in"))
        return CEDAR_OK;
    TRY(cedar_lexer_next(&p->lexer));
    scope->op = SCOPE_IS_IN;
    return parse_scope_uid(p, scope, slot_name);
}

static enum cedar_status parse_member(struct cedar_parser *p, struct cedar_uid *out,
                                      struct cedar_span *span)
{
    uint32_t brackets;

    TRY(open_brackets(p, &brackets));
    TRY(parse_entity(p, out, span));
    return close_brackets(p, brackets);
}

/* [..] after action in */
static enum cedar_status parse_action_set(struct cedar_parser *p, struct cedar_scope *scope)
{
    uint32_t start = p->lexer.token.span.start;
    struct cedar_vec uids, spans;
    enum cedar_status status = cedar_lexer_next(&p->lexer);

    cedar_vec_init(&uids, &p->into->arena.alloc, sizeof(struct cedar_uid));
    cedar_vec_init(&spans, &p->into->arena.alloc, sizeof(struct cedar_span));
    while (status == CEDAR_OK && parser_kind(p) != TOK_RBRACKET) {
        struct cedar_uid uid, *slot;
        struct cedar_span span, *span_slot;

        status = parse_member(p, &uid, &span);
        if (status != CEDAR_OK)
            break;
        slot = uids.len < CEDAR_MAX_ELEMENTS ? cedar_vec_push(&uids) : NULL;
        span_slot = slot != NULL ? cedar_vec_push(&spans) : NULL;
        if (span_slot == NULL) {
            status = cedar_fail_memory(p->lexer.err);
            break;
        }
        *slot = uid;
        *span_slot = span;
        if (parser_kind(p) != TOK_COMMA)
            break;
        status = cedar_lexer_next(&p->lexer);
    }
    scope->op = SCOPE_IN_SET;
    scope->n = (uint32_t)uids.len;
    scope->uids = status == CEDAR_OK ? cedar_vec_to_arena(&uids, &p->into->arena) : NULL;
    scope->uid_spans = status == CEDAR_OK ? cedar_vec_to_arena(&spans, &p->into->arena) : NULL;
    cedar_vec_free(&uids);
    cedar_vec_free(&spans);
    TRY(status);
    if (scope->uids == NULL || scope->uid_spans == NULL)
        return cedar_fail_memory(p->lexer.err);
    TRY(cedar_lexer_expect(&p->lexer, TOK_RBRACKET, "`,` or `]`"));
    scope->uid_span = parser_since(p, start);
    return CEDAR_OK;
}

static enum cedar_status parse_scope_in(struct cedar_parser *p, struct cedar_scope *scope,
                                        const char *slot_name)
{
    uint32_t brackets;

    TRY(open_brackets(p, &brackets));
    if (parser_kind(p) == TOK_LBRACKET && slot_name == NULL)
        TRY(parse_action_set(p, scope));
    else
        TRY(parse_bare_uid(p, scope, slot_name));
    return close_brackets(p, brackets);
}

bool cedar_is_action_type(const struct cedar_names *names, cedar_name type)
{
    struct cedar_str s = cedar_name_str(names, type), want = CEDAR_STR("Action");

    if (s.len < want.len || memcmp(s.ptr + s.len - want.len, want.ptr, want.len) != 0)
        return false;
    return s.len == want.len || s.ptr[s.len - want.len - 1] == ':';
}

static enum cedar_status check_action(struct cedar_parser *p, const struct cedar_uid *uid,
                                      struct cedar_span span)
{
    if (cedar_is_action_type(p->into->names, uid->type))
        return CEDAR_OK;
    return fail_at(p, CEDAR_ERR_SYNTAX, span, "an action's type is Action, in a namespace or none");
}

static enum cedar_status check_actions(struct cedar_parser *p, const struct cedar_scope *scope)
{
    if (scope->op == SCOPE_EQ || scope->op == SCOPE_IN)
        return check_action(p, &scope->uid, scope->uid_span);
    for (uint32_t i = 0; i < scope->n; i++)
        TRY(check_action(p, &scope->uids[i], scope->uid_spans[i]));
    return CEDAR_OK;
}

/* principal, action or resource with its constraint. slot_name is NULL for the action. */
static enum cedar_status parse_scope_part(struct cedar_parser *p, const char *var,
                                          const char *slot_name, struct cedar_scope *scope)
{
    uint32_t start = p->lexer.token.span.start;

    if (!cedar_lexer_at_word(&p->lexer, var))
        return cedar_lexer_unexpected(&p->lexer, var);
    TRY(cedar_lexer_next(&p->lexer));
    if (parser_kind(p) == TOK_COLON)
        return fail_at(p, CEDAR_ERR_SYNTAX, p->lexer.token.span,
                       "types are not written so; use `is`");
    if (parser_kind(p) == TOK_ASSIGN)
        return fail_at(p, CEDAR_ERR_SYNTAX, p->lexer.token.span,
                       "`=` is no operator; equality is `==`");
    if (parser_kind(p) == TOK_EQ) {
        TRY(cedar_lexer_next(&p->lexer));
        scope->op = SCOPE_EQ;
        TRY(parse_scope_uid(p, scope, slot_name));
    } else if (cedar_lexer_at_word(&p->lexer, "is")) {
        TRY(parse_scope_is(p, scope, slot_name));
    } else if (cedar_lexer_at_word(&p->lexer, "in")) {
        TRY(cedar_lexer_next(&p->lexer));
        scope->op = SCOPE_IN;
        TRY(parse_scope_in(p, scope, slot_name));
    }
    scope->span = parser_since(p, start);
    return slot_name == NULL ? check_actions(p, scope) : CEDAR_OK;
}

static enum cedar_status parse_scope(struct cedar_parser *p, struct cedar_policy *policy)
{
    TRY(cedar_lexer_expect(&p->lexer, TOK_LPAREN, "`(` and the scope"));
    policy->scope_span.start = p->lexer.token.span.start;
    TRY(parse_scope_part(p, "principal", "?principal", &policy->principal));
    TRY(cedar_lexer_expect(&p->lexer, TOK_COMMA, "`,` and the action"));
    TRY(parse_scope_part(p, "action", NULL, &policy->action));
    TRY(cedar_lexer_expect(&p->lexer, TOK_COMMA, "`,` and the resource"));
    TRY(parse_scope_part(p, "resource", "?resource", &policy->resource));
    policy->scope_span.end = p->lexer.last_end;
    if (parser_kind(p) == TOK_COMMA)
        TRY(cedar_lexer_next(&p->lexer));
    policy->has_principal_slot = policy->principal.has_slot;
    policy->has_resource_slot = policy->resource.has_slot;
    return cedar_lexer_expect(&p->lexer, TOK_RPAREN, "`)`");
}

/* ---- conditions ------------------------------------------------------------------- */

static enum cedar_status parse_clause(struct cedar_parser *p, struct cedar_clause *out)
{
    uint32_t start = p->lexer.token.span.start;

    out->is_unless = cedar_lexer_at_word(&p->lexer, "unless");
    if (!out->is_unless && !cedar_lexer_at_word(&p->lexer, "when"))
        return cedar_lexer_unexpected(&p->lexer, "`when`, `unless` or `;`");
    TRY(cedar_lexer_next(&p->lexer));
    TRY(cedar_lexer_expect(&p->lexer, TOK_LBRACE, "`{`"));
    if (parser_kind(p) == TOK_RBRACE)
        return fail_at(p, CEDAR_ERR_SYNTAX, p->lexer.token.span, "a condition cannot be empty");
    TRY(cedar_parse_expr_at(p, &out->expr));
    TRY(cedar_lexer_expect(&p->lexer, TOK_RBRACE, "`}` or an operator"));
    out->span = parser_since(p, start);
    return CEDAR_OK;
}

static enum cedar_status parse_clauses(struct cedar_parser *p, struct cedar_policy *policy)
{
    struct cedar_vec vec;
    enum cedar_status status = CEDAR_OK;

    cedar_vec_init(&vec, &p->into->arena.alloc, sizeof(struct cedar_clause));
    while (parser_kind(p) != TOK_SEMICOLON) {
        struct cedar_clause clause = {0}, *slot;

        status = parse_clause(p, &clause);
        if (status != CEDAR_OK)
            break;
        if (vec.len == MAX_CLAUSES) {
            status = fail_at(p, CEDAR_ERR_LIMIT, clause.span, "more than 1024 conditions");
            break;
        }
        slot = cedar_vec_push(&vec);
        if (slot == NULL) {
            status = cedar_fail_memory(p->lexer.err);
            break;
        }
        *slot = clause;
    }
    policy->n_clauses = (uint32_t)vec.len;
    policy->clauses = status == CEDAR_OK ? cedar_vec_to_arena(&vec, &p->into->arena) : NULL;
    cedar_vec_free(&vec);
    TRY(status);
    return policy->clauses != NULL ? CEDAR_OK : cedar_fail_memory(p->lexer.err);
}

static enum cedar_status parse_effect(struct cedar_parser *p, struct cedar_policy *policy)
{
    policy->effect = cedar_lexer_at_word(&p->lexer, "forbid") ? CEDAR_FORBID : CEDAR_PERMIT;
    if (policy->effect == CEDAR_PERMIT && !cedar_lexer_at_word(&p->lexer, "permit"))
        return cedar_lexer_unexpected(&p->lexer, "`permit`, `forbid` or an annotation");
    return cedar_lexer_next(&p->lexer);
}

static enum cedar_status parse_policy(struct cedar_parser *p)
{
    struct cedar_policy *policy = CEDAR_NEW(&p->into->arena, struct cedar_policy);
    uint32_t start = p->lexer.token.span.start;
    char id[32];

    if (policy == NULL)
        return cedar_fail_memory(p->lexer.err);
    TRY(parse_notes(p, policy));
    TRY(parse_effect(p, policy));
    TRY(parse_scope(p, policy));
    TRY(parse_clauses(p, policy));
    TRY(cedar_lexer_expect(&p->lexer, TOK_SEMICOLON, "`;`"));
    policy->span = parser_since(p, start);
    snprintf(id, sizeof(id), "policy%zu", cedar_ast_count(p->into));
    policy->id = cedar_arena_str(&p->into->arena, cedar_str(id));
    if (policy->id.ptr == NULL)
        return cedar_fail_memory(p->lexer.err);
    return cedar_policies_add(p->into, policy, p->lexer.err);
}

static enum cedar_status parse_all(struct cedar_parser *p, struct cedar_error *err)
{
    TRY(cedar_lexer_init(&p->lexer, p->into->source, err));
    while (parser_kind(p) != TOK_END)
        TRY(parse_policy(p));
    return CEDAR_OK;
}

enum cedar_status cedar_policies_parse(struct cedar_names *names,
                                       const struct cedar_allocator *alloc, struct cedar_str text,
                                       struct cedar_policies **out, struct cedar_error *err)
{
    struct cedar_parser p = {.into = cedar_policies_new(names, alloc)};
    enum cedar_status status;

    if (p.into == NULL)
        return cedar_fail_memory(err);
    if (text.len <= CEDAR_MAX_TEXT)
        p.into->source = cedar_arena_str(&p.into->arena, text);
    else
        p.into->source = text; /* the lexer refuses it without a look */
    status = p.into->source.ptr != NULL ? parse_all(&p, err) : cedar_fail_memory(err);
    if (status == CEDAR_OK)
        *out = p.into;
    else
        cedar_policies_free(p.into);
    return status;
}
