/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"
#include "names.h"
#include "value.h"

#include <assert.h>
#include <inttypes.h>

/* Precedence, loosest first. */
enum level {
    LEVEL_IF,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_RELATION,
    LEVEL_ADD,
    LEVEL_MUL,
    LEVEL_UNARY,
    LEVEL_MEMBER
};

static void put_expr(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_expr *e, enum level at_least);

static void put(struct cedar_buf *buf, const char *text)
{
    cedar_buf_put(buf, text, strlen(text));
}

static enum level level_of(const struct cedar_expr *e)
{
    switch ((int)e->kind) {
    case EXPR_IF:
        return LEVEL_IF;
    case EXPR_OR:
        return LEVEL_OR;
    case EXPR_AND:
        return LEVEL_AND;
    case EXPR_EQ:
    case EXPR_NE:
    case EXPR_LT:
    case EXPR_LE:
    case EXPR_GT:
    case EXPR_GE:
    case EXPR_IN:
    case EXPR_HAS:
    case EXPR_LIKE:
    case EXPR_IS:
        return LEVEL_RELATION;
    case EXPR_ADD:
    case EXPR_SUB:
        return LEVEL_ADD;
    case EXPR_MUL:
        return LEVEL_MUL;
    case EXPR_NOT:
    case EXPR_NEG:
        return LEVEL_UNARY;
    case EXPR_LONG:
        return e->u.integer < 0 ? LEVEL_UNARY : LEVEL_MEMBER;
    default:
        return LEVEL_MEMBER;
    }
}

static bool is_plain_name(struct cedar_str s)
{
    return cedar_is_ident(s) && !cedar_is_reserved(s);
}

static void put_name(struct cedar_buf *buf, struct cedar_str s)
{
    if (is_plain_name(s))
        cedar_buf_put(buf, s.ptr, s.len);
    else
        cedar_quote(buf, s);
}

static void put_type(struct cedar_buf *buf, const struct cedar_names *names, cedar_name type)
{
    struct cedar_str s = cedar_name_str(names, type);

    cedar_buf_put(buf, s.ptr, s.len);
}

static void put_binary(struct cedar_buf *buf, const struct cedar_names *names,
                       const struct cedar_expr *e)
{
    static const struct {
        const char *text;
        enum level left, right;
    } ops[] = {
        [EXPR_AND] = {" && ", LEVEL_AND, LEVEL_RELATION},
        [EXPR_OR] = {" || ", LEVEL_OR, LEVEL_AND},
        [EXPR_EQ] = {" == ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_NE] = {" != ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_LT] = {" < ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_LE] = {" <= ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_GT] = {" > ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_GE] = {" >= ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_IN] = {" in ", LEVEL_ADD, LEVEL_ADD},
        [EXPR_ADD] = {" + ", LEVEL_ADD, LEVEL_MUL},
        [EXPR_SUB] = {" - ", LEVEL_ADD, LEVEL_MUL},
        [EXPR_MUL] = {" * ", LEVEL_MUL, LEVEL_UNARY},
    };

    assert(ops[e->kind].text != NULL);
    put_expr(buf, names, e->a, ops[e->kind].left);
    put(buf, ops[e->kind].text);
    put_expr(buf, names, e->b, ops[e->kind].right);
}

static void put_list(struct cedar_buf *buf, const struct cedar_names *names,
                     struct cedar_expr *const *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            put(buf, ", ");
        put_expr(buf, names, items[i], LEVEL_IF);
    }
}

static void put_record(struct cedar_buf *buf, const struct cedar_names *names,
                       const struct cedar_expr *e)
{
    put(buf, "{");
    for (uint32_t i = 0; i < e->u.record.n; i++) {
        if (i > 0)
            put(buf, ", ");
        put_name(buf, cedar_name_str(names, e->u.record.pairs[i].name));
        put(buf, ": ");
        put_expr(buf, names, e->u.record.pairs[i].value, LEVEL_IF);
    }
    put(buf, "}");
}

static void put_call(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_expr *e)
{
    uint32_t receiver = cedar_calls[e->u.call.call].is_method;

    if (receiver) {
        put_expr(buf, names, e->u.call.args[0], LEVEL_MEMBER);
        put(buf, ".");
    }
    put(buf, cedar_calls[e->u.call.call].name);
    put(buf, "(");
    put_list(buf, names, e->u.call.args + receiver, e->u.call.n - receiver);
    put(buf, ")");
}

static void put_has(struct cedar_buf *buf, const struct cedar_names *names,
                    const struct cedar_expr *e)
{
    put_expr(buf, names, e->a, LEVEL_ADD);
    put(buf, " has ");
    for (uint32_t i = 0; i < e->u.path.n; i++) {
        if (i > 0)
            put(buf, ".");
        put_name(buf, cedar_name_str(names, e->u.path.names[i]));
    }
}

static void put_get(struct cedar_buf *buf, const struct cedar_names *names,
                    const struct cedar_expr *e)
{
    struct cedar_str name = cedar_name_str(names, e->u.name);

    put_expr(buf, names, e->a, LEVEL_MEMBER);
    put(buf, is_plain_name(name) ? "." : "[");
    put_name(buf, name);
    put(buf, is_plain_name(name) ? "" : "]");
}

static void put_is(struct cedar_buf *buf, const struct cedar_names *names,
                   const struct cedar_expr *e)
{
    put_expr(buf, names, e->a, LEVEL_ADD);
    put(buf, " is ");
    put_type(buf, names, e->u.name);
    if (e->b != NULL) {
        put(buf, " in ");
        put_expr(buf, names, e->b, LEVEL_ADD);
    }
}

static void put_if(struct cedar_buf *buf, const struct cedar_names *names,
                   const struct cedar_expr *e)
{
    put(buf, "if ");
    put_expr(buf, names, e->a, LEVEL_IF);
    put(buf, " then ");
    put_expr(buf, names, e->b, LEVEL_IF);
    put(buf, " else ");
    put_expr(buf, names, e->c, LEVEL_IF);
}

/* The parser takes four signs in a row; and -(5) is not the literal -5. */
static void put_unary(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_expr *e)
{
    enum cedar_expr_kind kind = e->kind;
    bool literal;
    int n = 0;

    for (; n < 4 && e->kind == kind; n++, e = e->a)
        put(buf, kind == EXPR_NOT ? "!" : "-");
    literal = e->kind == EXPR_LONG && kind == EXPR_NEG && (n == 4 || e->u.integer >= 0);
    if (literal)
        put(buf, "(");
    put_expr(buf, names, e, e->kind == EXPR_LONG && kind == EXPR_NEG ? LEVEL_IF : LEVEL_MEMBER);
    if (literal)
        put(buf, ")");
}

static void put_bare(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_expr *e)
{
    static const char *const vars[] = {"principal", "action", "resource", "context"};

    switch (e->kind) {
    case EXPR_BOOL:
        put(buf, e->u.boolean ? "true" : "false");
        break;
    case EXPR_LONG:
        cedar_buf_printf(buf, "%" PRId64, e->u.integer);
        break;
    case EXPR_STRING:
        cedar_quote(buf, e->u.string);
        break;
    case EXPR_ENTITY:
        cedar_uid_put(buf, names, &e->u.uid);
        break;
    case EXPR_VAR:
        put(buf, vars[e->u.var]);
        break;
    case EXPR_NOT:
    case EXPR_NEG:
        put_unary(buf, names, e);
        break;
    case EXPR_IF:
        put_if(buf, names, e);
        break;
    case EXPR_GET:
        put_get(buf, names, e);
        break;
    case EXPR_HAS:
        put_has(buf, names, e);
        break;
    case EXPR_LIKE:
        put_expr(buf, names, e->a, LEVEL_ADD);
        put(buf, " like ");
        cedar_quote_pattern(buf, &e->u.pattern);
        break;
    case EXPR_IS:
        put_is(buf, names, e);
        break;
    case EXPR_SET:
        put(buf, "[");
        put_list(buf, names, e->u.list.items, e->u.list.n);
        put(buf, "]");
        break;
    case EXPR_RECORD:
        put_record(buf, names, e);
        break;
    case EXPR_CALL:
        put_call(buf, names, e);
        break;
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_EQ:
    case EXPR_NE:
    case EXPR_LT:
    case EXPR_LE:
    case EXPR_GT:
    case EXPR_GE:
    case EXPR_ADD:
    case EXPR_SUB:
    case EXPR_MUL:
    case EXPR_IN:
        put_binary(buf, names, e);
        break;
    }
}

/* Recursion is bounded by CEDAR_MAX_DEPTH. */
static void put_expr(struct cedar_buf *buf, const struct cedar_names *names,
                     const struct cedar_expr *e, enum level at_least)
{
    bool brackets = level_of(e) < at_least;

    if (brackets)
        put(buf, "(");
    put_bare(buf, names, e);
    if (brackets)
        put(buf, ")");
}

void cedar_expr_put(struct cedar_buf *buf, const struct cedar_names *names,
                    const struct cedar_expr *expr)
{
    put_expr(buf, names, expr, LEVEL_IF);
}

/* ---- policies --------------------------------------------------------------------- */

/* link: slots have values */
static void put_scope(struct cedar_buf *buf, const struct cedar_names *names, const char *var,
                      const struct cedar_scope *scope, bool link)
{
    put(buf, var);
    if (scope->op == SCOPE_IS || scope->op == SCOPE_IS_IN) {
        put(buf, " is ");
        put_type(buf, names, scope->type);
    }
    if (scope->op == SCOPE_EQ)
        put(buf, " == ");
    if (scope->op == SCOPE_IN || scope->op == SCOPE_IS_IN || scope->op == SCOPE_IN_SET)
        put(buf, " in ");
    if (scope->op == SCOPE_IN_SET) {
        put(buf, "[");
        for (uint32_t i = 0; i < scope->n; i++) {
            put(buf, i > 0 ? ", " : "");
            cedar_uid_put(buf, names, &scope->uids[i]);
        }
        put(buf, "]");
    } else if (scope->op != SCOPE_ANY && scope->op != SCOPE_IS) {
        if (scope->has_slot && !link)
            cedar_buf_printf(buf, "?%s", var);
        else
            cedar_uid_put(buf, names, &scope->uid);
    }
}

static void put_notes(struct cedar_buf *buf, const struct cedar_policy *policy)
{
    for (uint32_t i = 0; i < policy->n_notes; i++) {
        const struct cedar_note *note = &policy->notes[i];

        put(buf, "@");
        cedar_buf_put(buf, note->key.ptr, note->key.len);
        if (note->has_value) {
            put(buf, "(");
            cedar_quote(buf, note->value);
            put(buf, ")");
        }
        put(buf, "\n");
    }
}

void cedar_policy_put(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_policy *policy)
{
    bool link = policy->source != NULL;

    put_notes(buf, policy);
    put(buf, policy->effect == CEDAR_PERMIT ? "permit (" : "forbid (");
    put_scope(buf, names, "principal", &policy->principal, link);
    put(buf, ", ");
    put_scope(buf, names, "action", &policy->action, link);
    put(buf, ", ");
    put_scope(buf, names, "resource", &policy->resource, link);
    put(buf, ")");
    for (uint32_t i = 0; i < policy->n_clauses; i++) {
        put(buf, policy->clauses[i].is_unless ? "\nunless { " : "\nwhen { ");
        put_expr(buf, names, policy->clauses[i].expr, LEVEL_IF);
        put(buf, " }");
    }
    put(buf, ";\n");
}

static void put_all(struct cedar_buf *buf, const struct cedar_policies *policies)
{
    for (size_t i = 0; i < cedar_ast_count(policies); i++) {
        put(buf, i > 0 ? "\n" : "");
        cedar_policy_put(buf, policies->names, cedar_ast_policy(policies, i));
    }
}

/* The text as the formatter lays it out; as it is where it is nested too deep to be read back. */
static enum cedar_status lay_out(const struct cedar_allocator *alloc, struct cedar_str text,
                                 cedar_write_fn *write, void *ctx, struct cedar_error *err)
{
    enum cedar_status status = cedar_format(alloc, text, write, ctx, err);

    if (status != CEDAR_ERR_LIMIT)
        return status;
    if (write(ctx, text.ptr, text.len))
        return CEDAR_OK;
    return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){NULL, 0},
                      (struct cedar_span){0, 0}, "the text could not be written");
}

enum cedar_status cedar_policies_print(const struct cedar_policies *policies, cedar_write_fn *write,
                                       void *ctx, struct cedar_error *err)
{
    const struct cedar_allocator *a = &policies->arena.alloc;
    struct cedar_buf buf = {NULL, 0, 0};
    enum cedar_status status;

    put_all(&buf, policies); /* measures */
    buf.cap = buf.len + 1;
    buf.ptr = a->resize(a->ctx, NULL, 0, buf.cap);
    if (buf.ptr == NULL)
        return cedar_fail_memory(err);
    buf.len = 0;
    put_all(&buf, policies);
    status = lay_out(a, (struct cedar_str){buf.ptr, buf.len}, write, ctx, err);
    a->resize(a->ctx, buf.ptr, buf.cap, 0);
    return status;
}
