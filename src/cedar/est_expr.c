/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions of the JSON policy format.
 */
#include "est.h"

/* ---- constants -------------------------------------------------------------------- */

static enum cedar_status read_constant(struct est *in, const struct cedar_json *json,
                                       struct cedar_expr **out);

static enum cedar_status constant_list(struct est *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_SET, .span = json->span};

    if (json->n > CEDAR_MAX_ELEMENTS)
        return est_wrong(in, json->span, "a set of too many elements");
    e.u.list.n = json->n;
    e.u.list.items = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, json->n);
    if (e.u.list.items == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(read_constant(in, &json->items[i], &e.u.list.items[i]));
    return est_node(in, &e, out);
}

/* The members of an object as pairs, their values read by read_one. */
static enum cedar_status read_pairs(struct est *in, const struct cedar_json *json,
                                    enum cedar_status (*read_one)(struct est *,
                                                                  const struct cedar_json *,
                                                                  struct cedar_expr **),
                                    struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_RECORD, .span = json->span};

    if (json->kind != JSON_OBJECT)
        return est_expected(in, json, "an object");
    if (json->n > 4096)
        return est_wrong(in, json->span, "a record of more than 4096 keys");
    e.u.record.n = json->n;
    e.u.record.pairs = CEDAR_NEW_N(&in->into->arena, struct cedar_pair, json->n);
    if (e.u.record.pairs == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < json->n; i++) {
        struct cedar_pair *pair = &e.u.record.pairs[i];

        pair->span = json->members[i].span;
        TRY(est_name_of(in, json->members[i].key, &pair->name));
        TRY(read_one(in, &json->members[i].value, &pair->value));
    }
    return est_node(in, &e, out);
}

/* {"__extn": {"fn", "arg"}} becomes a call of the function. */
static enum cedar_status constant_call(struct est *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_CALL, .span = json->span};
    struct cedar_str fn = {0};
    const struct cedar_json *arg = NULL;

    TRY(est_string_member(in, json, "fn", &fn));
    TRY(est_member(in, json, "arg", &arg));
    e.u.call.call = cedar_call_find(fn, false);
    if (e.u.call.call == CALL_COUNT)
        return est_wrong(in, json->span,
                         "no such function; there are ip, decimal, datetime, duration");
    e.u.call.n = 1;
    e.u.call.args = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, 1);
    if (e.u.call.args == NULL)
        return est_no_memory(in);
    TRY(read_constant(in, arg, &e.u.call.args[0]));
    return est_node(in, &e, out);
}

static enum cedar_status constant_object(struct est *in, const struct cedar_json *json,
                                         struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_ENTITY, .span = json->span};
    const struct cedar_json *entity = cedar_json_get(json, "__entity");
    const struct cedar_json *call = cedar_json_get(json, "__extn");

    if ((entity != NULL || call != NULL) && json->n != 1)
        return est_wrong(in, json->span, "an escape stands alone in its object");
    if (call != NULL)
        return constant_call(in, call, out);
    if (entity == NULL)
        return read_pairs(in, json, read_constant, out);
    TRY(cedar_load_uid(&in->loader, entity, &e.u.uid));
    return est_node(in, &e, out);
}

static enum cedar_status read_constant(struct est *in, const struct cedar_json *json,
                                       struct cedar_expr **out)
{
    struct cedar_expr e = {.span = json->span};

    switch (json->kind) {
    case JSON_BOOL:
        e.kind = EXPR_BOOL;
        e.u.boolean = json->boolean;
        return est_node(in, &e, out);
    case JSON_INTEGER:
        e.kind = EXPR_LONG;
        e.u.integer = json->integer;
        return est_node(in, &e, out);
    case JSON_STRING:
        e.kind = EXPR_STRING;
        TRY(est_keep(in, json->string, &e.u.string));
        return est_node(in, &e, out);
    case JSON_ARRAY:
        return constant_list(in, json, out);
    case JSON_OBJECT:
        return constant_object(in, json, out);
    case JSON_NULL:
    case JSON_REAL:
        break;
    }
    return est_expected(in, json, "a value");
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

static enum cedar_status read_binary(struct est *in, const struct cedar_json *json,
                                     enum cedar_expr_kind kind, struct cedar_span span,
                                     struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = kind, .span = span};

    TRY(est_expr_member(in, json, "left", &e.a));
    TRY(est_expr_member(in, json, "right", &e.b));
    return est_node(in, &e, out);
}

static enum cedar_status read_unary(struct est *in, const struct cedar_json *json,
                                    struct cedar_expr *e, struct cedar_expr **out)
{
    TRY(est_expr_member(in, json, "arg", &e->a));
    return est_node(in, e, out);
}

static enum cedar_status read_var(struct est *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    static const char *const vars[] = {"principal", "action", "resource", "context"};

    e->kind = EXPR_VAR;
    for (int i = 0; i < 4; i++) {
        if (json->kind == JSON_STRING && cedar_str_eq(json->string, cedar_str(vars[i]))) {
            e->u.var = (enum cedar_var)i;
            return est_node(in, e, out);
        }
    }
    return est_wrong(in, json->span, "a variable is principal, action, resource or context");
}

static enum cedar_status read_get(struct est *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    struct cedar_str attr = {0};

    TRY(est_expr_member(in, json, "left", &e->a));
    TRY(est_string_member(in, json, "attr", &attr));
    TRY(est_name_of(in, attr, &e->u.name));
    return est_node(in, e, out);
}

/* The attribute of a `has`: a string, or an array of them for a path (has a.b.c). */
static enum cedar_status read_has(struct est *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    const struct cedar_json *attr = NULL, *items;
    cedar_name *path;
    uint32_t n;

    TRY(est_expr_member(in, json, "left", &e->a));
    TRY(est_member(in, json, "attr", &attr));
    items = attr->kind == JSON_ARRAY ? attr->items : attr;
    n = attr->kind == JSON_ARRAY ? attr->n : 1;
    if (n < 1 || n > CEDAR_MAX_HAS)
        return est_wrong(in, attr->span, "`has` takes a path of 1 to 32 names");
    path = CEDAR_NEW_N(&in->into->arena, cedar_name, n);
    if (path == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < n; i++) {
        if (items[i].kind != JSON_STRING)
            return est_expected(in, &items[i], "a string");
        if (n > 1 && (!cedar_is_ident(items[i].string) || cedar_is_reserved(items[i].string)))
            return est_wrong(in, items[i].span, "the names of a path must be identifiers");
        TRY(est_name_of(in, items[i].string, &path[i]));
    }
    e->u.path.names = path;
    e->u.path.n = n;
    return est_node(in, e, out);
}

/* Joins the literals between wildcards to the pieces of a pattern. */
static enum cedar_status read_pattern(struct est *in, const struct cedar_json *json,
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
            return est_wrong(in, json->items[i].span,
                             "a pattern holds \"Wildcard\" and {\"Literal\": ..}");
    }
    text = cedar_arena_get(arena, total + 1);
    if (pieces == NULL || text == NULL)
        return est_no_memory(in);
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

static enum cedar_status read_like(struct est *in, const struct cedar_json *json,
                                   struct cedar_expr *e, struct cedar_expr **out)
{
    const struct cedar_json *pattern = NULL;

    TRY(est_expr_member(in, json, "left", &e->a));
    TRY(est_member(in, json, "pattern", &pattern));
    if (pattern->kind != JSON_ARRAY)
        return est_expected(in, pattern, "an array of \"Wildcard\" and {\"Literal\": ..}");
    TRY(read_pattern(in, pattern, &e->u.pattern));
    return est_node(in, e, out);
}

static enum cedar_status read_is(struct est *in, const struct cedar_json *json,
                                 struct cedar_expr *e, struct cedar_expr **out)
{
    const struct cedar_json *type = NULL, *within = cedar_json_get(json, "in");

    TRY(est_expr_member(in, json, "left", &e->a));
    TRY(est_member(in, json, "entity_type", &type));
    TRY(cedar_load_type_name(&in->loader, type, &e->u.name));
    if (within != NULL)
        TRY(cedar_est_expr(in, within, &e->b));
    return est_node(in, e, out);
}

static enum cedar_status read_if(struct est *in, const struct cedar_json *json,
                                 struct cedar_expr *e, struct cedar_expr **out)
{
    TRY(est_expr_member(in, json, "if", &e->a));
    TRY(est_expr_member(in, json, "then", &e->b));
    TRY(est_expr_member(in, json, "else", &e->c));
    return est_node(in, e, out);
}

static enum cedar_status read_list(struct est *in, const struct cedar_json *json,
                                   struct cedar_expr ***items, uint32_t *n)
{
    if (json->kind != JSON_ARRAY)
        return est_expected(in, json, "an array");
    if (json->n > CEDAR_MAX_ELEMENTS)
        return est_wrong(in, json->span, "too many elements");
    *n = json->n;
    *items = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, json->n);
    if (*items == NULL)
        return est_no_memory(in);
    for (uint32_t i = 0; i < json->n; i++)
        TRY(cedar_est_expr(in, &json->items[i], &(*items)[i]));
    return CEDAR_OK;
}

static enum cedar_status read_set(struct est *in, const struct cedar_json *json,
                                  struct cedar_expr *e, struct cedar_expr **out)
{
    TRY(read_list(in, json, &e->u.list.items, &e->u.list.n));
    return est_node(in, e, out);
}

/* A builtin has "left" and "right" or "arg"; an extension function takes a list. */
static enum cedar_status read_call(struct est *in, const struct cedar_json *json,
                                   enum cedar_call call, struct cedar_expr *e,
                                   struct cedar_expr **out)
{
    e->kind = EXPR_CALL;
    e->u.call.call = call;
    if (!cedar_calls[call].is_builtin) {
        TRY(read_list(in, json, &e->u.call.args, &e->u.call.n));
        if (cedar_calls[call].is_method && e->u.call.n == 0)
            return est_wrong(in, json->span, "a method needs the value that it is called on");
        return est_node(in, e, out);
    }
    e->u.call.n = call == CALL_IS_EMPTY ? 1 : 2;
    e->u.call.args = CEDAR_NEW_N(&in->into->arena, struct cedar_expr *, e->u.call.n);
    if (e->u.call.args == NULL)
        return est_no_memory(in);
    TRY(est_expr_member(in, json, call == CALL_IS_EMPTY ? "arg" : "left", &e->u.call.args[0]));
    if (call != CALL_IS_EMPTY)
        TRY(est_expr_member(in, json, "right", &e->u.call.args[1]));
    return est_node(in, e, out);
}

static enum cedar_status read_other(struct est *in, const struct cedar_json_member *m,
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
enum cedar_status cedar_est_expr(struct est *in, const struct cedar_json *json,
                                 struct cedar_expr **out)
{
    typedef enum cedar_status reader(struct est *, const struct cedar_json *, struct cedar_expr *,
                                     struct cedar_expr **);
    static const struct {
        const char *key;
        enum cedar_expr_kind kind;
        reader *read;
    } forms[] = {
        {"Var", EXPR_VAR, read_var},        {".", EXPR_GET, read_get},
        {"has", EXPR_HAS, read_has},        {"!", EXPR_NOT, read_unary},
        {"neg", EXPR_NEG, read_unary},      {"like", EXPR_LIKE, read_like},
        {"is", EXPR_IS, read_is},           {"Set", EXPR_SET, read_set},
        {"if-then-else", EXPR_IF, read_if},
    };
    struct cedar_expr e = {.span = json->span};
    const struct cedar_json_member *m;

    if (json->kind != JSON_OBJECT || json->n != 1)
        return est_expected(in, json, "an expression: an object with one key");
    m = &json->members[0];
    if (cedar_str_eq(m->key, CEDAR_STR("Value")))
        return read_constant(in, &m->value, out);
    if (cedar_str_eq(m->key, CEDAR_STR("Record")))
        return read_pairs(in, &m->value, cedar_est_expr, out);
    if (cedar_str_eq(m->key, CEDAR_STR("Slot")))
        return est_wrong(in, json->span, "a slot stands in the scope only, not in a condition");
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (cedar_str_eq(m->key, cedar_str(forms[i].key))) {
            e.kind = forms[i].kind;
            return forms[i].read(in, &m->value, &e, out);
        }
    }
    return read_other(in, m, &e, out);
}
