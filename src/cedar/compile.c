/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From syntax trees to code. Literals, and sets, records and extension values made of literals
 * alone, become constants.
 */
#include "ext.h"
#include "names.h"
#include "parser.h"
#include "program.h"
#include "value.h"

#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

#define MAX_CODE ((size_t)1 << 24)

struct compiler {
    struct cedar_program *program;
    struct cedar_vec code, spans, consts, patterns, names;
    uint32_t stack, max_stack; /* of the policy at hand */
    size_t heap, max_heap;
    struct cedar_error *err;
};

static enum cedar_status compile_expr(struct compiler *c, const struct cedar_expr *e);

static enum cedar_status emit(struct compiler *c, enum op op, uint16_t n, uint32_t arg,
                              struct cedar_span span, int pushes)
{
    struct insn *insn = c->code.len < MAX_CODE ? cedar_vec_push(&c->code) : NULL;
    struct cedar_span *place = insn != NULL ? cedar_vec_push(&c->spans) : NULL;

    if (place == NULL)
        return cedar_fail_memory(c->err);
    *insn = (struct insn){(uint8_t)op, n, arg};
    *place = span;
    c->stack = (uint32_t)((int)c->stack + pushes);
    if (c->stack > c->max_stack)
        c->max_stack = c->stack;
    return CEDAR_OK;
}

/* The machine's heap hands out multiples of 16 bytes. */
static void add_heap(struct compiler *c, size_t n)
{
    c->heap += (n + 15) & ~(size_t)15;
}

static uint32_t here(const struct compiler *c)
{
    return (uint32_t)c->code.len;
}

static void patch(struct compiler *c, uint32_t at)
{
    ((struct insn *)c->code.items)[at].arg = here(c);
}

static enum cedar_status add_const(struct compiler *c, const struct cedar_value *value,
                                   uint32_t *out)
{
    struct cedar_value *slot = cedar_vec_push(&c->consts);

    if (slot == NULL)
        return cedar_fail_memory(c->err);
    *slot = *value;
    *out = (uint32_t)c->consts.len - 1;
    return CEDAR_OK;
}

static enum cedar_status add_name(struct compiler *c, cedar_name name)
{
    cedar_name *slot = cedar_vec_push(&c->names);

    if (slot == NULL)
        return cedar_fail_memory(c->err);
    *slot = name;
    return CEDAR_OK;
}

/* ---- constants -------------------------------------------------------------------- */

static enum cedar_status fold(struct compiler *c, const struct cedar_expr *e,
                              struct cedar_value *out, bool *folded);

static enum cedar_status fold_set(struct compiler *c, const struct cedar_expr *e,
                                  struct cedar_value *out, bool *folded)
{
    struct cedar_value *items;

    *folded = true;
    items = CEDAR_NEW_N(&c->program->arena, struct cedar_value, e->u.list.n);
    if (items == NULL)
        return cedar_fail_memory(c->err);
    for (uint32_t i = 0; i < e->u.list.n && *folded; i++)
        TRY(fold(c, e->u.list.items[i], &items[i], folded));
    *out = cedar_set(items, e->u.list.n);
    if (*folded)
        cedar_set_sort(out, items);
    return CEDAR_OK;
}

static enum cedar_status fold_record(struct compiler *c, const struct cedar_expr *e,
                                     struct cedar_value *out, bool *folded)
{
    struct cedar_field *fields;

    *folded = true;
    fields = CEDAR_NEW_N(&c->program->arena, struct cedar_field, e->u.record.n);
    if (fields == NULL)
        return cedar_fail_memory(c->err);
    for (uint32_t i = 0; i < e->u.record.n && *folded; i++) {
        fields[i].name = e->u.record.pairs[i].name;
        TRY(fold(c, e->u.record.pairs[i].value, &fields[i].value, folded));
    }
    *out = cedar_record(fields, e->u.record.n);
    return CEDAR_OK;
}

static enum cedar_status fold_ip(struct compiler *c, struct cedar_str text, struct cedar_value *out,
                                 bool *folded)
{
    struct cedar_ip *ip = CEDAR_NEW(&c->program->arena, struct cedar_ip);

    if (ip == NULL)
        return cedar_fail_memory(c->err);
    *folded = cedar_ip_read(text, ip);
    *out = cedar_ipaddr(ip);
    return CEDAR_OK;
}

/* A constructor of a literal that it can read; what it cannot read fails when evaluated. */
static enum cedar_status fold_call(struct compiler *c, const struct cedar_expr *e,
                                   struct cedar_value *out, bool *folded)
{
    struct cedar_str text;
    int64_t n = 0;

    *folded = false;
    if (e->u.call.n != 1 || e->u.call.args[0]->kind != EXPR_STRING)
        return CEDAR_OK;
    text = e->u.call.args[0]->u.string;
    if (e->u.call.call == CALL_IP)
        return fold_ip(c, text, out, folded);
    if (e->u.call.call == CALL_DECIMAL) {
        *folded = cedar_decimal_read(text, &n);
        *out = cedar_scaled(CEDAR_DECIMAL, n);
    } else if (e->u.call.call == CALL_DATETIME) {
        *folded = cedar_datetime_read(text, &n);
        *out = cedar_scaled(CEDAR_DATETIME, n);
    } else if (e->u.call.call == CALL_DURATION) {
        *folded = cedar_duration_read(text, &n);
        *out = cedar_scaled(CEDAR_DURATION, n);
    }
    return CEDAR_OK;
}

/* Whether the expression is a constant, and which. Recursion is bounded by CEDAR_MAX_DEPTH. */
static enum cedar_status fold(struct compiler *c, const struct cedar_expr *e,
                              struct cedar_value *out, bool *folded)
{
    *folded = true;
    switch ((int)e->kind) {
    case EXPR_BOOL:
        *out = cedar_bool(e->u.boolean);
        return CEDAR_OK;
    case EXPR_LONG:
        *out = cedar_long(e->u.integer);
        return CEDAR_OK;
    case EXPR_STRING:
        *out = cedar_string(e->u.string);
        return CEDAR_OK;
    case EXPR_ENTITY:
        *out = cedar_entity(&e->u.uid);
        return CEDAR_OK;
    case EXPR_SET:
        return fold_set(c, e, out, folded);
    case EXPR_RECORD:
        return fold_record(c, e, out, folded);
    case EXPR_CALL:
        return fold_call(c, e, out, folded);
    default:
        *folded = false;
        return CEDAR_OK;
    }
}

/* ---- expressions ------------------------------------------------------------------ */

/* a && b, a || b: the first may decide alone. */
static enum cedar_status compile_short(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t jump;

    TRY(compile_expr(c, e->a));
    jump = here(c);
    TRY(emit(c, e->kind == EXPR_AND ? OP_AND : OP_OR, 0, 0, e->a->span, -1));
    TRY(compile_expr(c, e->b));
    TRY(emit(c, OP_BOOL, 0, 0, e->b->span, 0));
    patch(c, jump);
    return CEDAR_OK;
}

static enum cedar_status compile_if(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t to_else, to_end;

    TRY(compile_expr(c, e->a));
    to_else = here(c);
    TRY(emit(c, OP_IF, 0, 0, e->a->span, -1));
    TRY(compile_expr(c, e->b));
    to_end = here(c);
    TRY(emit(c, OP_JUMP, 0, 0, e->span, -1));
    patch(c, to_else);
    TRY(compile_expr(c, e->c));
    patch(c, to_end);
    return CEDAR_OK;
}

static enum op binary_op(enum cedar_expr_kind kind)
{
    switch ((int)kind) {
    case EXPR_EQ:
        return OP_EQ;
    case EXPR_NE:
        return OP_NE;
    case EXPR_LT:
        return OP_LT;
    case EXPR_LE:
        return OP_LE;
    case EXPR_GT:
        return OP_GT;
    case EXPR_GE:
        return OP_GE;
    case EXPR_ADD:
        return OP_ADD;
    case EXPR_SUB:
        return OP_SUB;
    case EXPR_MUL:
        return OP_MUL;
    default:
        return OP_IN;
    }
}

static enum cedar_status compile_binary(struct compiler *c, const struct cedar_expr *e)
{
    bool equality = e->kind == EXPR_EQ || e->kind == EXPR_NE, folded = false;
    struct cedar_value value;
    uint32_t constant = 0;

    TRY(compile_expr(c, e->a));
    if (equality || e->kind == EXPR_IN)
        TRY(fold(c, e->b, &value, &folded));
    if (folded && (equality || value.kind == CEDAR_ENTITY)) {
        TRY(add_const(c, &value, &constant));
        return emit(c, equality ? OP_EQ_CONST : OP_IN_CONST, e->kind == EXPR_NE, constant, e->span,
                    0);
    }
    TRY(compile_expr(c, e->b));
    return emit(c, binary_op(e->kind), 0, 0, e->span, -1);
}

static enum cedar_status compile_get(struct compiler *c, const struct cedar_expr *e)
{
    if (e->a->kind == EXPR_VAR)
        return emit(c, OP_VAR_GET, (uint16_t)e->a->u.var, e->u.name, e->span, 1);
    TRY(compile_expr(c, e->a));
    return emit(c, OP_GET, 0, e->u.name, e->span, 0);
}

static enum cedar_status compile_has(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t first = (uint32_t)c->names.len;

    for (uint32_t i = 0; i < e->u.path.n; i++)
        TRY(add_name(c, e->u.path.names[i]));
    TRY(compile_expr(c, e->a));
    return emit(c, OP_HAS, (uint16_t)e->u.path.n, first, e->span, 0);
}

static enum cedar_status compile_like(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t at = (uint32_t)c->patterns.len;
    const struct cedar_pattern **slot = cedar_vec_push(&c->patterns);

    if (slot == NULL)
        return cedar_fail_memory(c->err);
    *slot = &e->u.pattern;
    TRY(compile_expr(c, e->a));
    return emit(c, OP_LIKE, 0, at, e->span, 0);
}

static enum cedar_status compile_is(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t jump;

    TRY(compile_expr(c, e->a));
    if (e->b == NULL)
        return emit(c, OP_IS, 0, e->u.name, e->span, 0);
    TRY(emit(c, OP_IS_THEN, 0, e->u.name, e->span, 0));
    jump = here(c);
    TRY(emit(c, OP_JUMP, 0, 0, e->span, 0));
    TRY(compile_expr(c, e->b));
    TRY(emit(c, OP_IN, 0, 0, e->span, -1));
    patch(c, jump);
    return CEDAR_OK;
}

static enum cedar_status compile_record(struct compiler *c, const struct cedar_expr *e)
{
    uint32_t first = (uint32_t)c->names.len;

    for (uint32_t i = 0; i < e->u.record.n; i++)
        TRY(add_name(c, e->u.record.pairs[i].name));
    for (uint32_t i = 0; i < e->u.record.n; i++)
        TRY(compile_expr(c, e->u.record.pairs[i].value));
    add_heap(c, e->u.record.n * sizeof(struct cedar_field));
    return emit(c, OP_RECORD, (uint16_t)e->u.record.n, first, e->span, 1 - (int)e->u.record.n);
}

static enum cedar_status compile_list(struct compiler *c, const struct cedar_expr *e)
{
    for (uint32_t i = 0; i < e->u.list.n; i++)
        TRY(compile_expr(c, e->u.list.items[i]));
    add_heap(c, e->u.list.n * sizeof(struct cedar_value));
    return emit(c, OP_SET, 0, e->u.list.n, e->span, 1 - (int)e->u.list.n);
}

static enum cedar_status compile_call(struct compiler *c, const struct cedar_expr *e)
{
    if (e->u.call.n > UINT16_MAX)
        return cedar_fail(c->err, CEDAR_ERR_LIMIT, c->program->policies->source, e->span,
                          "a call with more than %d arguments", UINT16_MAX);
    for (uint32_t i = 0; i < e->u.call.n; i++)
        TRY(compile_expr(c, e->u.call.args[i]));
    if (e->u.call.call == CALL_IP)
        add_heap(c, sizeof(struct cedar_ip));
    return emit(c, OP_CALL, (uint16_t)e->u.call.n, e->u.call.call, e->span, 1 - (int)e->u.call.n);
}

static enum cedar_status compile_unary(struct compiler *c, const struct cedar_expr *e)
{
    TRY(compile_expr(c, e->a));
    return emit(c, e->kind == EXPR_NOT ? OP_NOT : OP_NEG, 0, 0, e->span, 0);
}

/* Recursion is bounded by CEDAR_MAX_DEPTH. */
static enum cedar_status compile_expr(struct compiler *c, const struct cedar_expr *e)
{
    struct cedar_value value;
    uint32_t constant = 0;
    bool folded;

    TRY(fold(c, e, &value, &folded));
    if (folded) {
        TRY(add_const(c, &value, &constant));
        return emit(c, OP_CONST, 0, constant, e->span, 1);
    }
    switch ((int)e->kind) {
    case EXPR_VAR:
        return emit(c, OP_VAR, 0, e->u.var, e->span, 1);
    case EXPR_NOT:
    case EXPR_NEG:
        return compile_unary(c, e);
    case EXPR_AND:
    case EXPR_OR:
        return compile_short(c, e);
    case EXPR_IF:
        return compile_if(c, e);
    case EXPR_GET:
        return compile_get(c, e);
    case EXPR_HAS:
        return compile_has(c, e);
    case EXPR_LIKE:
        return compile_like(c, e);
    case EXPR_IS:
        return compile_is(c, e);
    case EXPR_SET:
        return compile_list(c, e);
    case EXPR_RECORD:
        return compile_record(c, e);
    case EXPR_CALL:
        return compile_call(c, e);
    default:
        return compile_binary(c, e);
    }
}

/* ---- policies --------------------------------------------------------------------- */

/* The conjuncts of a `when`, or the disjuncts of an `unless`, each with its own test. */
static enum cedar_status compile_tests(struct compiler *c, const struct cedar_expr *e,
                                       bool is_unless, uint16_t clause)
{
    if (e->kind == (is_unless ? EXPR_OR : EXPR_AND)) {
        TRY(compile_tests(c, e->a, is_unless, clause));
        return compile_tests(c, e->b, is_unless, clause);
    }
    TRY(compile_expr(c, e));
    return emit(c, is_unless ? OP_UNLESS : OP_WHEN, clause, 0, e->span, -1);
}

static void set_part(struct part *part, const struct cedar_scope *scope)
{
    part->op = (uint8_t)scope->op;
    part->type = scope->type;
    part->uids = scope->op == SCOPE_IN_SET ? scope->uids : &scope->uid;
    part->n = scope->op == SCOPE_IN_SET ? scope->n : 1;
}

static enum cedar_status compile_policy(struct compiler *c, const struct cedar_policy *policy,
                                        struct rule *rule)
{
    rule->effect = (uint8_t)policy->effect;
    rule->is_template = cedar_is_template(policy);
    set_part(&rule->part[VAR_PRINCIPAL], &policy->principal);
    set_part(&rule->part[VAR_ACTION], &policy->action);
    set_part(&rule->part[VAR_RESOURCE], &policy->resource);
    if (policy->source != NULL) {
        rule->code = c->program->rules[policy->source->index].code;
        return CEDAR_OK;
    }
    rule->code = here(c);
    c->stack = c->max_stack = 0;
    c->heap = 0;
    for (uint32_t i = 0; i < policy->n_clauses; i++)
        TRY(compile_tests(c, policy->clauses[i].expr, policy->clauses[i].is_unless, (uint16_t)i));
    if (c->max_stack > c->program->max_stack)
        c->program->max_stack = c->max_stack;
    if (c->heap > c->program->max_heap)
        c->program->max_heap = c->heap;
    return emit(c, OP_DONE, 0, 0, policy->span, 0);
}

static enum cedar_status finish(struct compiler *c)
{
    struct cedar_program *p = c->program;

    p->code = cedar_vec_to_arena(&c->code, &p->arena);
    p->spans = cedar_vec_to_arena(&c->spans, &p->arena);
    p->consts = cedar_vec_to_arena(&c->consts, &p->arena);
    p->patterns = cedar_vec_to_arena(&c->patterns, &p->arena);
    p->name_lists = cedar_vec_to_arena(&c->names, &p->arena);
    if (p->code == NULL || p->spans == NULL || p->consts == NULL || p->patterns == NULL ||
        p->name_lists == NULL)
        return cedar_fail_memory(c->err);
    return cedar_index_build(p, c->err);
}

static enum cedar_status compile_all(struct cedar_program *p, struct cedar_error *err)
{
    struct compiler c = {.program = p, .err = err};
    enum cedar_status status = CEDAR_OK;

    p->n_rules = (uint32_t)cedar_ast_count(p->policies);
    p->rules = CEDAR_NEW_N(&p->arena, struct rule, p->n_rules);
    if (p->rules == NULL)
        return cedar_fail_memory(err);
    cedar_vec_init(&c.code, &p->arena.alloc, sizeof(struct insn));
    cedar_vec_init(&c.spans, &p->arena.alloc, sizeof(struct cedar_span));
    cedar_vec_init(&c.consts, &p->arena.alloc, sizeof(struct cedar_value));
    cedar_vec_init(&c.patterns, &p->arena.alloc, sizeof(const struct cedar_pattern *));
    cedar_vec_init(&c.names, &p->arena.alloc, sizeof(cedar_name));
    for (uint32_t i = 0; i < p->n_rules && status == CEDAR_OK; i++)
        status = compile_policy(&c, cedar_ast_policy(p->policies, i), &p->rules[i]);
    if (status == CEDAR_OK)
        status = finish(&c);
    cedar_vec_free(&c.code);
    cedar_vec_free(&c.spans);
    cedar_vec_free(&c.consts);
    cedar_vec_free(&c.patterns);
    cedar_vec_free(&c.names);
    return status;
}

enum cedar_status cedar_compile(struct cedar_policies *policies,
                                const struct cedar_allocator *alloc, struct cedar_program **out,
                                struct cedar_error *err)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct cedar_program *p = a.resize(a.ctx, NULL, 0, sizeof(*p));
    enum cedar_status status;

    if (p == NULL)
        return cedar_fail_memory(err);
    *p =
        (struct cedar_program){.policies = cedar_policies_hold(policies), .names = policies->names};
    cedar_arena_init(&p->arena, &a);
    status = compile_all(p, err);
    if (status == CEDAR_OK)
        *out = p;
    else
        cedar_program_free(p);
    return status;
}

void cedar_program_free(struct cedar_program *program)
{
    struct cedar_allocator a;

    if (program == NULL)
        return;
    a = program->arena.alloc;
    cedar_policies_free(program->policies);
    cedar_arena_free(&program->arena);
    a.resize(a.ctx, program, sizeof(*program), 0);
}

const struct cedar_policies *cedar_program_policies(const struct cedar_program *program)
{
    return program->policies;
}
