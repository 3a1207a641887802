/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack machine: what the instructions do.
 */
#include "run.h"
#include "value.h"

void *cedar_run_heap(struct run *r, size_t n)
{
    void *ptr = r->m->heap;

    n = cedar_rounded(n);
    if (n > (size_t)(r->m->heap_end - r->m->heap)) {
        r->m->exhausted = true;
        return NULL;
    }
    r->m->heap += n;
    return ptr;
}

static bool get_attr(struct run *r, const struct cedar_value *owner, cedar_name name,
                     struct cedar_value *out)
{
    const struct cedar_field *fields = owner->fields;
    const struct cedar_value *found;
    uint32_t n = owner->len;

    if (owner->kind == CEDAR_ENTITY) {
        const struct cedar_entity *entity = cedar_machine_find(r->m, owner->uid);

        if (entity == NULL)
            return run_fail(r, CEDAR_EVAL_NO_ENTITY);
        fields = entity->attrs;
        n = entity->n_attrs;
    } else if (owner->kind != CEDAR_RECORD) {
        return run_fail_type(r, CEDAR_ENTITY, owner);
    }
    if (!cedar_machine_spend(r->m, n / 64))
        return false;
    found = cedar_field_find(fields, n, name);
    if (found == NULL)
        return run_fail_attr(r, name);
    *out = *found;
    return true;
}

/* One step of `has`: NULL in *out if there is no such attribute. */
static bool look_attr(struct run *r, const struct cedar_value *owner, cedar_name name,
                      const struct cedar_value **out)
{
    const struct cedar_entity *entity;

    *out = NULL;
    if (owner->kind == CEDAR_RECORD) {
        *out = cedar_field_find(owner->fields, owner->len, name);
        return cedar_machine_spend(r->m, owner->len / 64);
    }
    if (owner->kind != CEDAR_ENTITY)
        return run_fail_type(r, CEDAR_ENTITY, owner);
    entity = cedar_machine_find(r->m, owner->uid);
    if (entity != NULL)
        *out = cedar_field_find(entity->attrs, entity->n_attrs, name);
    return cedar_machine_spend(r->m, entity != NULL ? entity->n_attrs / 64 : 0);
}

static bool has_path(struct run *r, const struct insn *insn)
{
    const cedar_name *names = r->m->program->name_lists + insn->arg;
    const struct cedar_value *value = r->top;
    bool found = true;

    for (uint32_t i = 0; i < insn->n && found; i++) {
        if (!look_attr(r, value, names[i], &value))
            return false;
        found = value != NULL;
    }
    *r->top = cedar_bool(found);
    return true;
}

static bool is_in(struct run *r, const struct cedar_uid *uid, const struct cedar_uid *target,
                  const struct ancestors *ancestors)
{
    return cedar_uid_eq(uid, target) || cedar_machine_has_ancestor(r->m, ancestors, target);
}

/* Looks for the entity and its ancestors in a large set, rather than for the set in them. */
static bool is_in_sorted(struct run *r, const struct cedar_uid *uid, const struct cedar_value *set,
                         const struct ancestors *ancestors)
{
    struct cedar_value value = cedar_entity(uid);
    bool found = cedar_set_contains(set, &value, &r->m->budget);

    for (uint32_t i = 0; i < ancestors->n && !found; i++) {
        for (uint32_t k = 0; k < ancestors->segments[i].n && !found; k++) {
            value.uid = &ancestors->segments[i].uids[k];
            found = cedar_set_contains(set, &value, &r->m->budget);
        }
    }
    return found && cedar_machine_spend(r->m, 0);
}

static bool is_in_set(struct run *r, const struct cedar_uid *uid, const struct cedar_value *set,
                      const struct ancestors *ancestors)
{
    if (set->sorted)
        return is_in_sorted(r, uid, set, ancestors);
    for (uint32_t i = 0; i < set->len; i++)
        if (is_in(r, uid, set->items[i].uid, ancestors))
            return true;
    return false;
}

/* Whether the right side of `in` is an entity or a set of nothing else. */
static bool want_entities(struct run *r, const struct cedar_value *right)
{
    uint32_t n = right->sorted ? 1 : right->len; /* a sorted set is of one kind */

    if (right->kind != CEDAR_SET)
        return run_want(r, right, CEDAR_ENTITY);
    if (!cedar_machine_spend(r->m, n / 16))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!run_want(r, &right->items[i], CEDAR_ENTITY))
            return false;
    return true;
}

/* top in right */
static bool in(struct run *r, const struct cedar_value *right)
{
    struct ancestors ancestors;
    const struct cedar_uid *uid;
    bool found;

    if (!run_want(r, r->top, CEDAR_ENTITY) || !want_entities(r, right))
        return false;
    uid = r->top->uid;
    if (!cedar_machine_ancestors(r->m, uid, &ancestors))
        return false;
    found = right->kind == CEDAR_SET ? is_in_set(r, uid, right, &ancestors)
                                     : is_in(r, uid, right->uid, &ancestors);
    *r->top = cedar_bool(found);
    return !r->m->exhausted && cedar_machine_spend(r->m, 0);
}

/* Longs, datetimes and durations have an order; both sides must be of one kind. */
static bool compare(struct run *r, enum op op)
{
    struct cedar_value *a = r->top - 1, *b = r->top;

    if (a->kind != CEDAR_LONG && a->kind != CEDAR_DATETIME && a->kind != CEDAR_DURATION)
        return run_fail_type(r, CEDAR_LONG, a);
    if (b->kind != a->kind)
        return run_fail_type(r, (enum cedar_kind)a->kind, b);
    *--r->top = cedar_bool(run_compare(op, a->integer, b->integer));
    return true;
}

static bool arithmetic(struct run *r, enum op op)
{
    struct cedar_value *a = r->top - 1, *b = r->top;
    int64_t n;
    bool overflow;

    if (!run_want(r, a, CEDAR_LONG) || !run_want(r, b, CEDAR_LONG))
        return false;
    if (op == OP_ADD)
        overflow = __builtin_add_overflow(a->integer, b->integer, &n);
    else if (op == OP_SUB)
        overflow = __builtin_sub_overflow(a->integer, b->integer, &n);
    else
        overflow = __builtin_mul_overflow(a->integer, b->integer, &n);
    if (overflow)
        return run_fail(r, CEDAR_EVAL_OVERFLOW);
    *--r->top = cedar_long(n);
    return true;
}

static bool negate(struct run *r)
{
    int64_t n;

    if (!run_want(r, r->top, CEDAR_LONG))
        return false;
    if (__builtin_sub_overflow((int64_t)0, r->top->integer, &n))
        return run_fail(r, CEDAR_EVAL_OVERFLOW);
    *r->top = cedar_long(n);
    return true;
}

static bool equal(struct run *r, const struct cedar_value *a, const struct cedar_value *b,
                  bool negated, struct cedar_value *out)
{
    bool same = cedar_value_eq(a, b, &r->m->budget);

    *out = cedar_bool(same != negated);
    return cedar_machine_spend(r->m, 0);
}

static bool make_set(struct run *r, uint32_t n)
{
    struct cedar_value *items = cedar_run_heap(r, n * sizeof(*items));

    if (items == NULL)
        return false;
    r->top -= n;
    if (n > 0)
        memcpy(items, r->top + 1, n * sizeof(*items));
    *++r->top = cedar_set(items, n);
    return true;
}

static bool make_record(struct run *r, const struct insn *insn)
{
    const cedar_name *names = r->m->program->name_lists + insn->arg;
    struct cedar_field *fields = cedar_run_heap(r, insn->n * sizeof(*fields));

    if (fields == NULL)
        return false;
    r->top -= insn->n;
    for (uint32_t i = 0; i < insn->n; i++)
        fields[i] = (struct cedar_field){names[i], r->top[1 + i]};
    *++r->top = cedar_record(fields, insn->n);
    return true;
}

/* ---- steps ------------------------------------------------------------------------ */

static bool like(struct run *r, const struct insn *insn)
{
    if (!run_want(r, r->top, CEDAR_STRING))
        return false;
    *r->top = cedar_bool(cedar_pattern_match(r->m->program->patterns[insn->arg],
                                             (struct cedar_str){r->top->string, r->top->len}));
    return true;
}

/* What works on the values on the stack without moving in the code. */
static bool step(struct run *r, const struct insn *insn)
{
    const struct cedar_program *p = r->m->program;
    struct cedar_value owner;

    switch ((enum op)insn->op) {
    case OP_CONST:
        *++r->top = p->consts[insn->arg];
        return true;
    case OP_VAR:
        *++r->top = r->m->vars[insn->arg];
        return true;
    case OP_VAR_GET:
        return get_attr(r, &r->m->vars[insn->n], insn->arg, ++r->top);
    case OP_GET:
        owner = *r->top;
        return get_attr(r, &owner, insn->arg, r->top);
    case OP_HAS:
        return has_path(r, insn);
    case OP_NOT:
        if (!run_want(r, r->top, CEDAR_BOOL))
            return false;
        r->top->boolean = !r->top->boolean;
        return true;
    case OP_NEG:
        return negate(r);
    case OP_BOOL:
        return run_want(r, r->top, CEDAR_BOOL);
    case OP_EQ:
    case OP_NE:
        r->top--;
        return equal(r, r->top, r->top + 1, insn->op == OP_NE, r->top);
    case OP_EQ_CONST:
        return equal(r, r->top, &p->consts[insn->arg], insn->n != 0, r->top);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return compare(r, (enum op)insn->op);
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
        return arithmetic(r, (enum op)insn->op);
    case OP_IN:
        r->top--;
        return in(r, r->top + 1);
    case OP_IN_CONST:
        return in(r, &p->consts[insn->arg]);
    case OP_LIKE:
        return like(r, insn);
    case OP_IS:
        if (!run_want(r, r->top, CEDAR_ENTITY))
            return false;
        *r->top = cedar_bool(r->top->uid->type == insn->arg);
        return true;
    case OP_SET:
        return make_set(r, insn->arg);
    case OP_RECORD:
        return make_record(r, insn);
    case OP_CALL:
        return cedar_run_call(r, insn);
    case OP_DONE:
    case OP_WHEN:
    case OP_UNLESS:
    case OP_AND:
    case OP_OR:
    case OP_IF:
    case OP_JUMP:
    case OP_IS_THEN:
        break;
    }
    return false;
}

/* top is of the type: the jump that follows is skipped; else it is taken with false on top. */
static bool is_then(struct run *r, const struct insn *code, uint32_t *pc)
{
    if (!run_want(r, r->top, CEDAR_ENTITY))
        return false;
    if (r->top->uid->type == code[*pc].arg) {
        *pc += 2;
        return true;
    }
    *r->top = cedar_bool(false);
    *pc = code[*pc + 1].arg;
    return true;
}

/* OP_AND and OP_OR leave a deciding value, else drop it; OP_IF drops it always. */
static bool branch(struct run *r, const struct insn *code, uint32_t *pc)
{
    const struct insn *insn = &code[*pc];
    bool jump;

    if (!run_want(r, r->top, CEDAR_BOOL))
        return false;
    jump = r->top->boolean == (insn->op == OP_OR);
    if (insn->op == OP_IF || !jump)
        r->top--;
    *pc = jump ? insn->arg : *pc + 1;
    return true;
}

enum verdict cedar_machine_run(struct machine *m, const struct rule *rule,
                               struct cedar_policy_error *error, uint32_t *at)
{
    const struct insn *code = m->program->code;
    struct run r = {m, m->stack, error}; /* stack[0] stays unused */
    uint32_t pc = rule->code;
    bool ok = true;

    m->heap = m->heap_start;
    *error = (struct cedar_policy_error){0};
    while (ok) {
        *at = pc;
        switch ((int)code[pc].op) {
        case OP_DONE:
            return VERDICT_SATISFIED;
        case OP_WHEN:
        case OP_UNLESS:
            ok = run_want(&r, r.top, CEDAR_BOOL);
            if (ok && r.top->boolean == (code[pc].op == OP_UNLESS))
                return VERDICT_UNSATISFIED;
            r.top--;
            pc++;
            break;
        case OP_AND:
        case OP_OR:
        case OP_IF:
            ok = branch(&r, code, &pc);
            break;
        case OP_JUMP:
            pc = code[pc].arg;
            break;
        case OP_IS_THEN:
            ok = is_then(&r, code, &pc);
            break;
        default:
            ok = step(&r, &code[pc]);
            pc++;
            break;
        }
    }
    error->span = m->program->spans[*at];
    return VERDICT_ERROR;
}
