/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies from the JSON policy format:
 * https://docs.cedarpolicy.com/policies/json-format.html.
 */
#include "json.h"
#include "load.h"
#include "names.h"
#include "parser.h"

#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

/* An expression takes two or three containers for each level. */
#define MAX_EST_NESTING 2048

struct in {
    struct cedar_policies *into;
    struct cedar_loader loader;
};

static enum cedar_status read_expr(struct in *in, const struct cedar_json *json,
                                   struct cedar_expr **out);

static enum cedar_status expected(struct in *in, const struct cedar_json *json, const char *what)
{
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, json->span,
                      "expected %s, found %s", what, cedar_json_kind_name(json));
}

static enum cedar_status wrong(struct in *in, struct cedar_span span, const char *why)
{
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, span, "%s", why);
}

static enum cedar_status no_memory(struct in *in)
{
    return cedar_fail_memory(in->loader.err);
}

static enum cedar_status node(struct in *in, const struct cedar_expr *model,
                              struct cedar_expr **out)
{
    return cedar_node(in->into, in->loader.source, model, out, in->loader.err);
}

static enum cedar_status member(struct in *in, const struct cedar_json *json, const char *key,
                                const struct cedar_json **out)
{
    *out = cedar_json_get(json, key);
    if (*out != NULL)
        return CEDAR_OK;
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, json->span,
                      "there is no \"%s\" here", key);
}

static enum cedar_status string_member(struct in *in, const struct cedar_json *json,
                                       const char *key, struct cedar_str *out)
{
    const struct cedar_json *m = NULL;

    TRY(member(in, json, key, &m));
    if (m->kind != JSON_STRING)
        return expected(in, m, "a string");
    *out = m->string;
    return CEDAR_OK;
}

static enum cedar_status keep(struct in *in, struct cedar_str s, struct cedar_str *out)
{
    *out = cedar_arena_str(&in->into->arena, s);
    return out->ptr != NULL ? CEDAR_OK : no_memory(in);
}

static enum cedar_status name_of(struct in *in, struct cedar_str s, cedar_name *out)
{
    return cedar_intern_or_fail(in->into->names, s, out, in->loader.err);
}

static enum cedar_status expr_member(struct in *in, const struct cedar_json *json, const char *key,
                                     struct cedar_expr **out)
{
    const struct cedar_json *m = NULL;

    TRY(member(in, json, key, &m));
    return read_expr(in, m, out);
}

/* ---- constants -------------------------------------------------------------------- */

static enum cedar_status read_constant(struct in *in, const struct cedar_json *json,
                                       struct cedar_expr **out);

static enum cedar_status constant_list(struct in *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_SET, .span = json->span};

    if (json->n > CEDAR_MAX_ELEMENTS)
        return wrong(in, json->span, "a set of too many elements");
    e.u.list.n = json->n;
    e.u.list.items = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, json->n);
    if (e.u.list.items == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(read_constant(in, &json->items[i], &e.u.list.items[i]));
    return node(in, &e, out);
}

/* The members of an object as pairs, their values read by read_one. */
static enum cedar_status read_pairs(struct in *in, const struct cedar_json *json,
                                    enum cedar_status (*read_one)(struct in *,
                                                                  const struct cedar_json *,
                                                                  struct cedar_expr **),
                                    struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_RECORD, .span = json->span};

    if (json->kind != JSON_OBJECT)
        return expected(in, json, "an object");
    if (json->n > 4096)
        return wrong(in, json->span, "a record of more than 4096 keys");
    e.u.record.n = json->n;
    e.u.record.pairs = CEDAR_NEW_N(&in->into->arena, struct cedar_pair, json->n);
    if (e.u.record.pairs == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < json->n; i++) {
        struct cedar_pair *pair = &e.u.record.pairs[i];

        pair->span = json->members[i].span;
        TRY(name_of(in, json->members[i].key, &pair->name));
        TRY(read_one(in, &json->members[i].value, &pair->value));
    }
    return node(in, &e, out);
}

/* {"__extn": {"fn", "arg"}} becomes a call of the function. */
static enum cedar_status constant_call(struct in *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_CALL, .span = json->span};
    struct cedar_str fn = {0};
    const struct cedar_json *arg = NULL;

    TRY(string_member(in, json, "fn", &fn));
    TRY(member(in, json, "arg", &arg));
    e.u.call.call = cedar_call_find(fn, false);
    if (e.u.call.call == CALL_COUNT)
        return wrong(in, json->span, "no such function; there are ip, decimal, datetime, duration");
    e.u.call.n = 1;
    e.u.call.args = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, 1);
    if (e.u.call.args == NULL)
        return no_memory(in);
    TRY(read_constant(in, arg, &e.u.call.args[0]));
    return node(in, &e, out);
}

static enum cedar_status constant_object(struct in *in, const struct cedar_json *json,
                                         struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_ENTITY, .span = json->span};
    const struct cedar_json *entity = cedar_json_get(json, "__entity");
    const struct cedar_json *call = cedar_json_get(json, "__extn");

    if ((entity != NULL || call != NULL) && json->n != 1)
        return wrong(in, json->span, "an escape stands alone in its object");
    if (call != NULL)
        return constant_call(in, call, out);
    if (entity == NULL)
        return read_pairs(in, json, read_constant, out);
    TRY(cedar_load_uid(&in->loader, entity, &e.u.uid));
    return node(in, &e, out);
}

static enum cedar_status read_constant(struct in *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.span = json->span};

    switch (json->kind) {
    case JSON_BOOL:
        e.kind = EXPR_BOOL;
        e.u.boolean = json->boolean;
        return node(in, &e, out);
    case JSON_INTEGER:
        e.kind = EXPR_LONG;
        e.u.integer = json->integer;
        return node(in, &e, out);
    case JSON_STRING:
        e.kind = EXPR_STRING;
        TRY(keep(in, json->string, &e.u.string));
        return node(in, &e, out);
    case JSON_ARRAY:
        return constant_list(in, json, out);
    case JSON_OBJECT:
        return constant_object(in, json, out);
    case JSON_NULL:
    case JSON_REAL:
        break;
    }
    return expected(in, json, "a value");
}

/* ---- operators -------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum cedar_expr_kind kind;
} binaries[] = {
    {"&&", EXPR_AND}, {"||", EXPR_OR}, {"==", EXPR_EQ}, {"!=", EXPR_NE},
    {"<", EXPR_LT},   {"<=", EXPR_LE}, {">", EXPR_GT},  {">=", EXPR_GE},
    {"+", EXPR_ADD},  {"-", EXPR_SUB}, {"*", EXPR_MUL}, {"in", EXPR_IN},
};

static enum cedar_status read_binary(struct in *in, const struct cedar_json *json,
                                     enum cedar_expr_kind kind, struct cedar_span span,
                                     struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = kind, .span = span};

    TRY(expr_member(in, json, "left", &e.a));
    TRY(expr_member(in, json, "right", &e.b));
    return node(in, &e, out);
}

static enum cedar_status read_unary(struct in *in, const struct cedar_json *json,
                                    struct cedar_expr *e, struct cedar_expr **out)
{
    TRY(expr_member(in, json, "arg", &e->a));
    return node(in, e, out);
}

static enum cedar_status read_var(struct in *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    static const char *const vars[] = {"principal", "action", "resource", "context"};

    e->kind = EXPR_VAR;
    for (int i = 0; i < 4; i++) {
        if (json->kind == JSON_STRING && cedar_str_eq(json->string, cedar_str(vars[i]))) {
            e->u.var = (enum cedar_var)i;
            return node(in, e, out);
        }
    }
    return wrong(in, json->span, "a variable is principal, action, resource or context");
}

static enum cedar_status read_attr(struct in *in, const struct cedar_json *json,
                                   struct cedar_expr *e, struct cedar_expr **out)
{
    struct cedar_str attr = {0};
    cedar_name *path;

    TRY(expr_member(in, json, "left", &e->a));
    TRY(string_member(in, json, "attr", &attr));
    if (e->kind == EXPR_GET) {
        TRY(name_of(in, attr, &e->u.name));
        return node(in, e, out);
    }
    path = CEDAR_NEW(&in->into->arena, cedar_name);
    if (path == NULL)
        return no_memory(in);
    TRY(name_of(in, attr, path));
    e->u.path.names = path;
    e->u.path.n = 1;
    return node(in, e, out);
}

/* Joins the literals between wildcards to the pieces of a pattern. */
static enum cedar_status read_pattern(struct in *in, const struct cedar_json *json,
                                      struct cedar_pattern *out)
{
    struct cedar_arena *arena = &in->into->arena;
    struct cedar_str *pieces = CEDAR_NEW_N(arena, struct cedar_str, (size_t)json->n + 1);
    size_t total = 0, start = 0, len = 0;
    uint32_t n = 0;
    char *text;

    for (uint32_t i = 0; i < json->n; i++) {
        const struct cedar_json *literal = cedar_json_get(&json->items[i], "Literal");

        if (literal != NULL && literal->kind == JSON_STRING)
            total += literal->string.len;
        else if (json->items[i].kind != JSON_STRING ||
                 !cedar_str_eq(json->items[i].string, CEDAR_STR("Wildcard")))
            return wrong(in, json->items[i].span,
                         "a pattern holds \"Wildcard\" and {\"Literal\": ..}");
    }
    text = cedar_arena_get(arena, total + 1);
    if (pieces == NULL || text == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < json->n; i++) {
        const struct cedar_json *literal = cedar_json_get(&json->items[i], "Literal");

        if (literal == NULL) {
            pieces[n++] = (struct cedar_str){text + start, len - start};
            start = len;
        } else {
            memcpy(text + len, literal->string.ptr, literal->string.len);
            len += literal->string.len;
        }
    }
    pieces[n++] = (struct cedar_str){text + start, len - start};
    *out = (struct cedar_pattern){n, pieces};
    return CEDAR_OK;
}

static enum cedar_status read_like(struct in *in, const struct cedar_json *json,
                                   struct cedar_expr *e, struct cedar_expr **out)
{
    const struct cedar_json *pattern = NULL;

    TRY(expr_member(in, json, "left", &e->a));
    TRY(member(in, json, "pattern", &pattern));
    if (pattern->kind != JSON_ARRAY)
        return expected(in, pattern, "an array of \"Wildcard\" and {\"Literal\": ..}");
    TRY(read_pattern(in, pattern, &e->u.pattern));
    return node(in, e, out);
}

static enum cedar_status read_is(struct in *in, const struct cedar_json *json, struct cedar_expr *e,
                                 struct cedar_expr **out)
{
    const struct cedar_json *type = NULL, *within = cedar_json_get(json, "in");

    TRY(expr_member(in, json, "left", &e->a));
    TRY(member(in, json, "entity_type", &type));
    TRY(cedar_load_type_name(&in->loader, type, &e->u.name));
    if (within != NULL)
        TRY(read_expr(in, within, &e->b));
    return node(in, e, out);
}

static enum cedar_status read_if(struct in *in, const struct cedar_json *json, struct cedar_expr *e,
                                 struct cedar_expr **out)
{
    TRY(expr_member(in, json, "if", &e->a));
    TRY(expr_member(in, json, "then", &e->b));
    TRY(expr_member(in, json, "else", &e->c));
    return node(in, e, out);
}

static enum cedar_status read_list(struct in *in, const struct cedar_json *json,
                                   struct cedar_expr ***items, uint32_t *n)
{
    if (json->kind != JSON_ARRAY)
        return expected(in, json, "an array");
    if (json->n > CEDAR_MAX_ELEMENTS)
        return wrong(in, json->span, "too many elements");
    *n = json->n;
    *items = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, json->n);
    if (*items == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(read_expr(in, &json->items[i], &(*items)[i]));
    return CEDAR_OK;
}

static enum cedar_status read_set(struct in *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    TRY(read_list(in, json, &e->u.list.items, &e->u.list.n));
    return node(in, e, out);
}

/* A builtin has "left" and "right" or "arg"; an extension function takes a list. */
static enum cedar_status read_call(struct in *in, const struct cedar_json *json,
                                   enum cedar_call call, struct cedar_expr *e,
                                   struct cedar_expr **out)
{
    e->kind = EXPR_CALL;
    e->u.call.call = call;
    if (!cedar_calls[call].is_builtin) {
        TRY(read_list(in, json, &e->u.call.args, &e->u.call.n));
        if (cedar_calls[call].is_method && e->u.call.n == 0)
            return wrong(in, json->span, "a method needs the value that it is called on");
        return node(in, e, out);
    }
    e->u.call.n = call == CALL_IS_EMPTY ? 1 : 2;
    e->u.call.args = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, e->u.call.n);
    if (e->u.call.args == NULL)
        return no_memory(in);
    TRY(expr_member(in, json, call == CALL_IS_EMPTY ? "arg" : "left", &e->u.call.args[0]));
    if (call != CALL_IS_EMPTY)
        TRY(expr_member(in, json, "right", &e->u.call.args[1]));
    return node(in, e, out);
}

static enum cedar_status read_other(struct in *in, const struct cedar_json_member *m,
                                    struct cedar_expr *e, struct cedar_expr **out)
{
    enum cedar_call call;

    for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++)
        if (cedar_str_eq(m->key, cedar_str(binaries[i].name)))
            return read_binary(in, &m->value, binaries[i].kind, e->span, out);
    call = cedar_call_find(m->key, false);
    if (call == CALL_COUNT)
        call = cedar_call_find(m->key, true);
    if (call != CALL_COUNT)
        return read_call(in, &m->value, call, e, out);
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, m->span,
                      "`%s` is no expression of the JSON policy format", cedar_show(m->key).text);
}

/* Recursion is bounded by MAX_EST_NESTING and, through cedar_node(), by CEDAR_MAX_DEPTH. */
static enum cedar_status read_expr(struct in *in, const struct cedar_json *json,
                                   struct cedar_expr **out)
{
    typedef enum cedar_status reader(struct in *, const struct cedar_json *, struct cedar_expr *,
                                     struct cedar_expr **);
    static const struct {
        const char *key;
        enum cedar_expr_kind kind;
        reader *read;
    } forms[] = {
        {"Var", EXPR_VAR, read_var},        {".", EXPR_GET, read_attr},
        {"has", EXPR_HAS, read_attr},       {"!", EXPR_NOT, read_unary},
        {"neg", EXPR_NEG, read_unary},      {"like", EXPR_LIKE, read_like},
        {"is", EXPR_IS, read_is},           {"Set", EXPR_SET, read_set},
        {"if-then-else", EXPR_IF, read_if},
    };
    struct cedar_expr e = {.span = json->span};
    const struct cedar_json_member *m;

    if (json->kind != JSON_OBJECT || json->n != 1)
        return expected(in, json, "an expression: an object with one key");
    m = &json->members[0];
    if (cedar_str_eq(m->key, CEDAR_STR("Value")))
        return read_constant(in, &m->value, out);
    if (cedar_str_eq(m->key, CEDAR_STR("Record")))
        return read_pairs(in, &m->value, read_expr, out);
    if (cedar_str_eq(m->key, CEDAR_STR("Slot")))
        return wrong(in, json->span, "a slot stands in the scope only, not in a condition");
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (cedar_str_eq(m->key, cedar_str(forms[i].key))) {
            e.kind = forms[i].kind;
            return forms[i].read(in, &m->value, &e, out);
        }
    }
    return read_other(in, m, &e, out);
}

/* ---- policies --------------------------------------------------------------------- */

/* "entity" or "slot" */
static enum cedar_status read_scope_uid(struct in *in, const struct cedar_json *json,
                                        const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *entity = cedar_json_get(json, "entity");
    const struct cedar_json *named = cedar_json_get(json, "slot");

    scope->uid_span = json->span;
    if (named != NULL && entity == NULL && slot != NULL) {
        if (named->kind != JSON_STRING || !cedar_str_eq(named->string, cedar_str(slot)))
            return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, named->span,
                              "the slot that may stand here is %s", slot);
        scope->has_slot = true;
        return CEDAR_OK;
    }
    if (entity == NULL)
        return expected(in, json, "an object with \"entity\"");
    scope->uid_span = entity->span;
    return cedar_load_uid(&in->loader, entity, &scope->uid);
}

static enum cedar_status check_action(struct in *in, const struct cedar_json *json,
                                      const struct cedar_uid *uid)
{
    if (cedar_is_action_type(in->into->names, uid->type))
        return CEDAR_OK;
    return wrong(in, json->span, "an action's type is Action, in a namespace or none");
}

static enum cedar_status read_action_set(struct in *in, const struct cedar_json *json,
                                         struct cedar_scope *scope)
{
    struct cedar_uid *uids;
    struct cedar_span *spans;

    if (json->kind != JSON_ARRAY || json->n > CEDAR_MAX_ELEMENTS)
        return expected(in, json, "an array of actions");
    uids = CEDAR_NEW_N(&in->into->arena, struct cedar_uid, json->n);
    spans = CEDAR_NEW_N(&in->into->arena, struct cedar_span, json->n);
    if (uids == NULL || spans == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < json->n; i++) {
        spans[i] = json->items[i].span;
        TRY(cedar_load_uid(&in->loader, &json->items[i], &uids[i]));
        TRY(check_action(in, &json->items[i], &uids[i]));
    }
    scope->op = SCOPE_IN_SET;
    scope->uids = uids;
    scope->uid_spans = spans;
    scope->n = json->n;
    return CEDAR_OK;
}

static enum cedar_status read_scope_is(struct in *in, const struct cedar_json *json,
                                       const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *type = NULL, *within = cedar_json_get(json, "in");

    if (slot == NULL)
        return wrong(in, json->span, "an action is compared by `==` or `in`, not by its type");
    TRY(member(in, json, "entity_type", &type));
    TRY(cedar_load_type_name(&in->loader, type, &scope->type));
    scope->type_span = type->span;
    scope->op = within != NULL ? SCOPE_IS_IN : SCOPE_IS;
    return within != NULL ? read_scope_uid(in, within, slot, scope) : CEDAR_OK;
}

/* slot is NULL for the action. */
static enum cedar_status read_scope(struct in *in, const struct cedar_json *policy, const char *key,
                                    const char *slot, struct cedar_scope *scope)
{
    const struct cedar_json *json = NULL, *entities;
    struct cedar_str op = {0};

    TRY(member(in, policy, key, &json));
    TRY(string_member(in, json, "op", &op));
    scope->span = json->span;
    entities = cedar_json_get(json, "entities");
    if (cedar_str_eq(op, CEDAR_STR("All")))
        return CEDAR_OK;
    if (cedar_str_eq(op, CEDAR_STR("is")))
        return read_scope_is(in, json, slot, scope);
    if (cedar_str_eq(op, CEDAR_STR("in")) && slot == NULL && entities != NULL)
        return read_action_set(in, entities, scope);
    if (!cedar_str_eq(op, CEDAR_STR("==")) && !cedar_str_eq(op, CEDAR_STR("in")))
        return wrong(in, json->span, "\"op\" is \"All\", \"==\", \"in\" or \"is\"");
    scope->op = op.len == 2 && op.ptr[0] == '=' ? SCOPE_EQ : SCOPE_IN;
    TRY(read_scope_uid(in, json, slot, scope));
    return slot == NULL ? check_action(in, json, &scope->uid) : CEDAR_OK;
}

static enum cedar_status read_clauses(struct in *in, const struct cedar_json *json,
                                      struct cedar_policy *policy)
{
    const struct cedar_json *list = NULL;

    TRY(member(in, json, "conditions", &list));
    if (list->kind != JSON_ARRAY || list->n > 1024)
        return expected(in, list, "an array of at most 1024 conditions");
    policy->n_clauses = list->n;
    policy->clauses = CEDAR_NEW_N(&in->into->arena, struct cedar_clause, list->n);
    if (policy->clauses == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < list->n; i++) {
        struct cedar_str kind = {0};

        TRY(string_member(in, &list->items[i], "kind", &kind));
        policy->clauses[i].is_unless = cedar_str_eq(kind, CEDAR_STR("unless"));
        policy->clauses[i].span = list->items[i].span;
        if (!policy->clauses[i].is_unless && !cedar_str_eq(kind, CEDAR_STR("when")))
            return wrong(in, list->items[i].span, "\"kind\" is \"when\" or \"unless\"");
        TRY(expr_member(in, &list->items[i], "body", &policy->clauses[i].expr));
    }
    return CEDAR_OK;
}

static enum cedar_status read_notes(struct in *in, const struct cedar_json *json,
                                    struct cedar_policy *policy)
{
    const struct cedar_json *notes = cedar_json_get(json, "annotations");

    if (notes == NULL)
        return CEDAR_OK;
    if (notes->kind != JSON_OBJECT || notes->n > 256)
        return expected(in, notes, "an object of at most 256 annotations");
    policy->n_notes = notes->n;
    policy->notes = CEDAR_NEW_N(&in->into->arena, struct cedar_note, notes->n);
    if (policy->notes == NULL)
        return no_memory(in);
    for (uint32_t i = 0; i < notes->n; i++) {
        const struct cedar_json_member *m = &notes->members[i];
        struct cedar_note *note = &policy->notes[i];

        note->span = m->span;
        note->has_value = m->value.kind == JSON_STRING;
        if (!note->has_value && m->value.kind != JSON_NULL)
            return expected(in, &m->value, "a string");
        if (!cedar_is_ident(m->key))
            return wrong(in, m->span, "an annotation's name is an identifier");
        TRY(keep(in, m->key, &note->key));
        TRY(keep(in, note->has_value ? m->value.string : CEDAR_STR(""), &note->value));
    }
    return CEDAR_OK;
}

static enum cedar_status read_policy(struct in *in, const struct cedar_json *json,
                                     struct cedar_str id)
{
    struct cedar_policy *policy = CEDAR_NEW(&in->into->arena, struct cedar_policy);
    struct cedar_str effect = {0};

    if (policy == NULL)
        return no_memory(in);
    if (json->kind != JSON_OBJECT)
        return expected(in, json, "a policy: an object");
    policy->span = policy->scope_span = json->span;
    TRY(keep(in, id, &policy->id));
    TRY(string_member(in, json, "effect", &effect));
    policy->effect = cedar_str_eq(effect, CEDAR_STR("forbid")) ? CEDAR_FORBID : CEDAR_PERMIT;
    if (policy->effect == CEDAR_PERMIT && !cedar_str_eq(effect, CEDAR_STR("permit")))
        return wrong(in, json->span, "\"effect\" is \"permit\" or \"forbid\"");
    TRY(read_scope(in, json, "principal", "?principal", &policy->principal));
    TRY(read_scope(in, json, "action", NULL, &policy->action));
    TRY(read_scope(in, json, "resource", "?resource", &policy->resource));
    policy->has_principal_slot = policy->principal.has_slot;
    policy->has_resource_slot = policy->resource.has_slot;
    TRY(read_clauses(in, json, policy));
    TRY(read_notes(in, json, policy));
    return cedar_policies_add(in->into, policy, in->loader.err);
}

/* "staticPolicies" or "templates": objects of policies by id. */
static enum cedar_status read_policies(struct in *in, const struct cedar_json *json,
                                       const char *key, bool templates)
{
    const struct cedar_json *list = cedar_json_get(json, key);

    if (list == NULL)
        return CEDAR_OK;
    if (list->kind != JSON_OBJECT)
        return expected(in, list, "an object of policies by id");
    for (uint32_t i = 0; i < list->n; i++) {
        const struct cedar_policy *policy;

        TRY(read_policy(in, &list->members[i].value, list->members[i].key));
        policy = cedar_ast_policy(in->into, cedar_ast_count(in->into) - 1);
        if (cedar_is_template(policy) != templates)
            return wrong(in, list->members[i].span,
                         templates ? "a template has a slot" : "a static policy has no slot");
    }
    return CEDAR_OK;
}

static enum cedar_status read_link(struct in *in, const struct cedar_json *json)
{
    static const char *const slots[] = {"?principal", "?resource"};
    const struct cedar_json *values = NULL;
    struct cedar_str template_id = {0}, new_id = {0};
    struct cedar_uid uids[2];
    const struct cedar_uid *given[2] = {NULL, NULL};

    TRY(string_member(in, json, "templateId", &template_id));
    TRY(string_member(in, json, "newId", &new_id));
    TRY(member(in, json, "values", &values));
    for (int i = 0; i < 2; i++) {
        const struct cedar_json *value = cedar_json_get(values, slots[i]);

        if (value == NULL)
            continue;
        TRY(cedar_load_uid(&in->loader, value, &uids[i]));
        given[i] = &uids[i];
    }
    return cedar_policies_link(in->into, template_id, new_id, given[0], given[1], in->loader.err);
}

static enum cedar_status read_set_of_policies(struct in *in, const struct cedar_json *json)
{
    const struct cedar_json *links = cedar_json_get(json, "templateLinks");

    if (json->kind != JSON_OBJECT)
        return expected(in, json, "a policy or a policy set: an object");
    if (cedar_json_get(json, "effect") != NULL)
        return read_policy(in, json, CEDAR_STR("policy0"));
    for (uint32_t i = 0; i < json->n; i++) {
        struct cedar_str key = json->members[i].key;

        if (!cedar_str_eq(key, CEDAR_STR("staticPolicies")) &&
            !cedar_str_eq(key, CEDAR_STR("templates")) &&
            !cedar_str_eq(key, CEDAR_STR("templateLinks")))
            return wrong(in, json->members[i].span,
                         "a policy set has \"staticPolicies\", \"templates\", \"templateLinks\"");
    }
    TRY(read_policies(in, json, "staticPolicies", false));
    TRY(read_policies(in, json, "templates", true));
    if (links == NULL)
        return CEDAR_OK;
    if (links->kind != JSON_ARRAY)
        return expected(in, links, "an array of links");
    for (uint32_t i = 0; i < links->n; i++)
        TRY(read_link(in, &links->items[i]));
    return CEDAR_OK;
}

enum cedar_status cedar_policies_parse_json(struct cedar_names *names,
                                            const struct cedar_allocator *alloc,
                                            struct cedar_str json, struct cedar_policies **out,
                                            struct cedar_error *err)
{
    struct in in = {.into = cedar_policies_new(names, alloc)};
    struct cedar_arena scratch;
    struct cedar_json tree;
    enum cedar_status status;

    if (in.into == NULL)
        return cedar_fail_memory(err);
    in.into->source = CEDAR_STR("");
    in.loader = (struct cedar_loader){names, &in.into->arena, json, err};
    cedar_arena_init(&scratch, alloc);
    status = cedar_json_parse_deep(&scratch, json, CEDAR_MAX_TEXT, MAX_EST_NESTING, &tree, err);
    if (status == CEDAR_OK)
        status = read_set_of_policies(&in, &tree);
    cedar_arena_free(&scratch);
    if (status == CEDAR_OK)
        *out = in.into;
    else
        cedar_policies_free(in.into);
    return status;
}
