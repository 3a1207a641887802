/* SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"
#include "ext.h"
#include "store.h"
#include "value.h"

/* ---- memory ----------------------------------------------------------------------- */

void *cedar_scratch_get(struct scratch *scratch, size_t n)
{
    char *ptr = scratch->next;

    n = (n + 15) & ~(size_t)15;
    if (n > (size_t)(scratch->end - ptr))
        return NULL;
    scratch->next += n;
    return ptr;
}

static size_t rounded(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

#define MIN_ANCESTORS ((size_t)16)

size_t cedar_machine_size(const struct cedar_program *program, size_t max_ancestors)
{
    if (max_ancestors < MIN_ANCESTORS)
        max_ancestors = MIN_ANCESTORS;
    return rounded((program->max_stack + 1) * sizeof(struct cedar_value)) +
           rounded(program->max_heap) + rounded(max_ancestors * sizeof(struct cedar_entity *)) +
           rounded(max_ancestors * 4 * sizeof(struct segment)) + 16;
}

/* ---- entities --------------------------------------------------------------------- */

/* The request's own entities come first. */
static const struct cedar_entity *find_own(const struct machine *m, const struct cedar_uid *uid)
{
    const struct cedar_entity *own = m->request->entities;

    for (uint32_t i = 0; i < m->request->n_entities; i++)
        if (cedar_uid_eq(&own[i].uid, uid))
            return &own[i];
    return NULL;
}

static bool is_own(const struct machine *m, const struct cedar_entity *entity)
{
    uintptr_t first = (uintptr_t)m->request->entities, at = (uintptr_t)entity;

    return at >= first && at - first < m->request->n_entities * sizeof(*entity);
}

static const struct cedar_entity *find_entity(struct machine *m, const struct cedar_uid *uid)
{
    const struct cedar_entity *own;

    for (int i = 0; i < 3; i++)
        if (uid == m->uids[i])
            return m->entity[i];
    own = find_own(m, uid);
    return own != NULL ? own : cedar_store_find(m->entities, uid);
}

static bool add_segment(struct machine *m, struct segment **next, const struct cedar_uid *uids,
                        uint32_t n, bool sorted)
{
    if (n == 0)
        return true;
    if (*next == m->segments_end) {
        m->exhausted = true;
        return false;
    }
    *(*next)++ = (struct segment){uids, n, sorted};
    return true;
}

/* Puts one of the request's entities on the list of work, once. */
static bool add_work(struct machine *m, uint32_t *n, const struct cedar_entity *own)
{
    for (uint32_t i = 0; i < *n; i++)
        if (m->work[i] == own)
            return true;
    if (*n == m->max_work) {
        m->exhausted = true;
        return false;
    }
    m->work[(*n)++] = own;
    return true;
}

/*
 * Gathers the ancestors of an entity: parents as the request gives them, and what the store
 * knows to be above those. A cycle in the request is harmless: each entity is looked at once.
 */
static bool gather(struct machine *m, const struct cedar_entity *entity, struct segment **next)
{
    uint32_t n = 0;

    if (entity == NULL)
        return true;
    if (!is_own(m, entity))
        return add_segment(m, next, entity->parents, entity->n_parents, true);
    if (!add_work(m, &n, entity))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct cedar_entity *e = m->work[i];

        if (!add_segment(m, next, e->parents, e->n_parents, false))
            return false;
        for (uint32_t k = 0; k < e->n_parents; k++) {
            const struct cedar_entity *own = find_own(m, &e->parents[k]), *stored;

            if (own != NULL) {
                if (!add_work(m, &n, own))
                    return false;
                continue;
            }
            stored = cedar_store_find(m->entities, &e->parents[k]);
            if (stored != NULL && !add_segment(m, next, stored->parents, stored->n_parents, true))
                return false;
        }
    }
    return true;
}

static bool spend(struct machine *m, uint32_t n)
{
    if (m->budget > n) {
        m->budget -= n;
        return true;
    }
    m->budget = 0;
    m->exhausted = true;
    return false;
}

static bool have_ancestor(struct machine *m, const struct ancestors *ancestors,
                          const struct cedar_uid *uid)
{
    for (uint32_t i = 0; i < ancestors->n; i++) {
        const struct segment *s = &ancestors->segments[i];

        if (s->sorted) {
            if (cedar_ancestors_have(s->uids, s->n, uid))
                return true;
            continue;
        }
        if (!spend(m, s->n / 16))
            return false;
        for (uint32_t k = 0; k < s->n; k++)
            if (cedar_uid_eq(&s->uids[k], uid))
                return true;
    }
    return false;
}

/* The ancestors of any entity; those of principal, action and resource are known. */
static bool ancestors_of(struct machine *m, const struct cedar_uid *uid, struct ancestors *out)
{
    struct segment *next = m->segments;

    for (int i = 0; i < 3; i++) {
        if (uid == m->uids[i]) {
            *out = m->ancestors[i];
            return true;
        }
    }
    if (!gather(m, find_entity(m, uid), &next))
        return false;
    *out = (struct ancestors){m->segments, (uint32_t)(next - m->segments)};
    return true;
}

bool cedar_machine_init(struct machine *m, const struct cedar_program *program,
                        const struct cedar_entities *entities, const struct cedar_request *request,
                        struct scratch *scratch)
{
    struct segment *next;
    size_t left;

    m->program = program;
    m->entities = entities;
    m->request = request;
    m->exhausted = false;
    m->budget = CEDAR_DEFAULT_BUDGET;
    m->uids[VAR_PRINCIPAL] = &request->principal;
    m->uids[VAR_ACTION] = &request->action;
    m->uids[VAR_RESOURCE] = &request->resource;
    for (int i = 0; i < 3; i++)
        m->vars[i] = cedar_entity(m->uids[i]);
    m->vars[VAR_CONTEXT] = cedar_record(request->context, request->n_context);
    m->stack = cedar_scratch_get(scratch, (program->max_stack + 1) * sizeof(struct cedar_value));
    m->heap_start = cedar_scratch_get(scratch, program->max_heap);
    left = (size_t)(scratch->end - scratch->next);
    m->max_work = (uint32_t)(left / 5 / 16);
    m->work = cedar_scratch_get(scratch, m->max_work * sizeof(*m->work));
    if (m->stack == NULL || m->heap_start == NULL || m->work == NULL)
        return false;
    m->heap_end = m->heap_start + program->max_heap;
    m->segments = (struct segment *)(void *)scratch->next;
    m->segments_end = m->segments + (size_t)(scratch->end - scratch->next) / sizeof(*m->segments);
    for (int i = 0; i < 3; i++) {
        const struct cedar_entity *own = find_own(m, m->uids[i]);

        m->entity[i] = own != NULL ? own : cedar_store_find(entities, m->uids[i]);
        next = m->segments;
        if (!gather(m, m->entity[i], &next))
            return false;
        m->ancestors[i] = (struct ancestors){m->segments, (uint32_t)(next - m->segments)};
        m->segments = next;
    }
    return true;
}

/* ---- scopes ----------------------------------------------------------------------- */

bool cedar_part_admits(struct machine *m, const struct rule *rule, enum cedar_var var)
{
    const struct part *part = &rule->part[var];
    const struct cedar_uid *uid = m->uids[var];

    switch ((enum cedar_scope_op)part->op) {
    case SCOPE_ANY:
        return true;
    case SCOPE_EQ:
        return cedar_uid_eq(uid, part->uids);
    case SCOPE_IS:
        return uid->type == part->type;
    case SCOPE_IS_IN:
        if (uid->type != part->type)
            return false;
        break;
    case SCOPE_IN:
    case SCOPE_IN_SET:
        break;
    }
    for (uint32_t i = 0; i < part->n; i++)
        if (cedar_uid_eq(uid, &part->uids[i]) ||
            have_ancestor(m, &m->ancestors[var], &part->uids[i]))
            return true;
    return false;
}

bool cedar_rule_admits(struct machine *m, const struct rule *rule)
{
    return !rule->is_template && cedar_part_admits(m, rule, VAR_ACTION) &&
           cedar_part_admits(m, rule, VAR_PRINCIPAL) && cedar_part_admits(m, rule, VAR_RESOURCE);
}

/* ---- the machine ------------------------------------------------------------------ */

/* A run of the machine over one rule. */
struct run {
    struct machine *m;
    struct cedar_value *top; /* the topmost value */
    struct cedar_policy_error *error;
};

static bool fail(struct run *r, enum cedar_eval_error kind)
{
    r->error->error = kind;
    return false;
}

static bool fail_type(struct run *r, enum cedar_kind want, const struct cedar_value *got)
{
    r->error->error = CEDAR_EVAL_TYPE;
    r->error->want = want;
    r->error->got = (enum cedar_kind)got->kind;
    return false;
}

static bool fail_attr(struct run *r, cedar_name name)
{
    r->error->error = CEDAR_EVAL_NO_ATTR;
    r->error->name = name;
    return false;
}

static bool want(struct run *r, const struct cedar_value *value, enum cedar_kind kind)
{
    return value->kind == kind || fail_type(r, kind, value);
}

static void *heap(struct run *r, size_t n)
{
    void *ptr = r->m->heap;

    n = rounded(n);
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
        const struct cedar_entity *entity = find_entity(r->m, owner->uid);

        if (entity == NULL)
            return fail(r, CEDAR_EVAL_NO_ENTITY);
        fields = entity->attrs;
        n = entity->n_attrs;
    } else if (owner->kind != CEDAR_RECORD) {
        return fail_type(r, CEDAR_ENTITY, owner);
    }
    if (!spend(r->m, n / 64))
        return false;
    found = cedar_field_find(fields, n, name);
    if (found == NULL)
        return fail_attr(r, name);
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
        return spend(r->m, owner->len / 64);
    }
    if (owner->kind != CEDAR_ENTITY)
        return fail_type(r, CEDAR_ENTITY, owner);
    entity = find_entity(r->m, owner->uid);
    if (entity != NULL)
        *out = cedar_field_find(entity->attrs, entity->n_attrs, name);
    return spend(r->m, entity != NULL ? entity->n_attrs / 64 : 0);
}

static bool has_path(struct run *r, const struct insn *insn)
{
    const cedar_name *names = r->m->program->name_lists + insn->arg;
    const struct cedar_value *value = r->top;

    for (uint32_t i = 0; i < insn->n && value != NULL; i++)
        if (!look_attr(r, value, names[i], &value))
            return false;
    *r->top = cedar_bool(value != NULL);
    return true;
}

static bool is_in(struct run *r, const struct cedar_uid *uid, const struct cedar_uid *target,
                  const struct ancestors *ancestors)
{
    return cedar_uid_eq(uid, target) || have_ancestor(r->m, ancestors, target);
}

/* top in right, where right is an entity or a set of them */
static bool in(struct run *r, const struct cedar_value *right)
{
    const struct cedar_value *items = right;
    const struct cedar_uid *uid = r->top->uid;
    struct ancestors ancestors;
    bool found = false;
    uint32_t n = 1;

    if (!want(r, r->top, CEDAR_ENTITY))
        return false;
    if (right->kind == CEDAR_SET) {
        items = right->items;
        n = right->len;
    }
    if (!spend(r->m, n / 16))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!want(r, &items[i], CEDAR_ENTITY))
            return false;
    if (!ancestors_of(r->m, uid, &ancestors))
        return false;
    for (uint32_t i = 0; i < n && !found; i++)
        found = is_in(r, uid, items[i].uid, &ancestors);
    *r->top = cedar_bool(found);
    return !r->m->exhausted;
}

static bool compare_op(enum op op, int64_t a, int64_t b)
{
    switch ((int)op) {
    case OP_LT:
        return a < b;
    case OP_LE:
        return a <= b;
    case OP_GT:
        return a > b;
    default:
        return a >= b;
    }
}

/* Longs, datetimes and durations have an order; both sides must be of one kind. */
static bool compare(struct run *r, enum op op)
{
    struct cedar_value *a = r->top - 1, *b = r->top;

    if (a->kind != CEDAR_LONG && a->kind != CEDAR_DATETIME && a->kind != CEDAR_DURATION)
        return fail_type(r, CEDAR_LONG, a);
    if (b->kind != a->kind)
        return fail_type(r, (enum cedar_kind)a->kind, b);
    *--r->top = cedar_bool(compare_op(op, a->integer, b->integer));
    return true;
}

static bool arithmetic(struct run *r, enum op op)
{
    struct cedar_value *a = r->top - 1, *b = r->top;
    int64_t n;
    bool overflow;

    if (!want(r, a, CEDAR_LONG) || !want(r, b, CEDAR_LONG))
        return false;
    if (op == OP_ADD)
        overflow = __builtin_add_overflow(a->integer, b->integer, &n);
    else if (op == OP_SUB)
        overflow = __builtin_sub_overflow(a->integer, b->integer, &n);
    else
        overflow = __builtin_mul_overflow(a->integer, b->integer, &n);
    if (overflow)
        return fail(r, CEDAR_EVAL_OVERFLOW);
    *--r->top = cedar_long(n);
    return true;
}

static bool negate(struct run *r)
{
    int64_t n;

    if (!want(r, r->top, CEDAR_LONG))
        return false;
    if (__builtin_sub_overflow((int64_t)0, r->top->integer, &n))
        return fail(r, CEDAR_EVAL_OVERFLOW);
    *r->top = cedar_long(n);
    return true;
}

static bool equal(struct run *r, const struct cedar_value *a, const struct cedar_value *b,
                  bool negated, struct cedar_value *out)
{
    bool same = cedar_value_eq(a, b, &r->m->budget);

    *out = cedar_bool(same != negated);
    return spend(r->m, 0);
}

static bool make_set(struct run *r, uint32_t n)
{
    struct cedar_value *items = heap(r, n * sizeof(*items));

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
    struct cedar_field *fields = heap(r, insn->n * sizeof(*fields));

    if (fields == NULL)
        return false;
    r->top -= insn->n;
    for (uint32_t i = 0; i < insn->n; i++)
        fields[i] = (struct cedar_field){names[i], r->top[1 + i]};
    *++r->top = cedar_record(fields, insn->n);
    return true;
}

/* ---- calls ------------------------------------------------------------------------ */

/* ip("..") and its like, of text that was no literal. */
static bool construct(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    struct cedar_str s = {v->string, v->len};
    struct cedar_ip *ip;
    int64_t n;

    if (!want(r, v, CEDAR_STRING))
        return false;
    switch ((int)call) {
    case CALL_IP:
        ip = heap(r, sizeof(*ip));
        if (ip == NULL)
            return false;
        if (!cedar_ip_read(s, ip))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_ipaddr(ip);
        return true;
    case CALL_DECIMAL:
        if (!cedar_decimal_read(s, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DECIMAL, n);
        return true;
    case CALL_DATETIME:
        if (!cedar_datetime_read(s, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DATETIME, n);
        return true;
    default:
        if (!cedar_duration_read(s, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DURATION, n);
        return true;
    }
}

static bool set_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    uint32_t *budget = &r->m->budget;
    bool result;

    if (!want(r, v, CEDAR_SET))
        return false;
    if (call == CALL_IS_EMPTY) {
        result = v->len == 0;
    } else if (call == CALL_CONTAINS) {
        result = cedar_set_contains(v, v + 1, budget);
    } else {
        if (!want(r, v + 1, CEDAR_SET))
            return false;
        result = call == CALL_CONTAINS_ALL ? cedar_set_contains_all(v, v + 1, budget)
                                           : cedar_set_contains_any(v, v + 1, budget);
    }
    *v = cedar_bool(result);
    return spend(r->m, 0);
}

static bool tag_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    const struct cedar_entity *entity;
    const struct cedar_value *found = NULL;
    cedar_name tag;

    if (!want(r, v, CEDAR_ENTITY) || !want(r, v + 1, CEDAR_STRING))
        return false;
    entity = find_entity(r->m, v->uid);
    tag = cedar_lookup(r->m->program->names, (struct cedar_str){v[1].string, v[1].len});
    if (entity != NULL && tag != CEDAR_NO_NAME) {
        found = cedar_field_find(entity->tags, entity->n_tags, tag);
        if (!spend(r->m, entity->n_tags / 64))
            return false;
    }
    if (call == CALL_HAS_TAG) {
        *v = cedar_bool(found != NULL);
        return true;
    }
    if (entity == NULL)
        return fail(r, CEDAR_EVAL_NO_ENTITY);
    if (found == NULL)
        return fail_attr(r, tag);
    *v = *found;
    return true;
}

static bool ip_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    bool result;

    if (!want(r, v, CEDAR_IPADDR))
        return false;
    switch ((int)call) {
    case CALL_IS_IPV4:
        result = !v->ip->is_v6;
        break;
    case CALL_IS_IPV6:
        result = v->ip->is_v6;
        break;
    case CALL_IS_LOOPBACK:
        result = cedar_ip_is_loopback(v->ip);
        break;
    case CALL_IS_MULTICAST:
        result = cedar_ip_is_multicast(v->ip);
        break;
    default:
        if (!want(r, v + 1, CEDAR_IPADDR))
            return false;
        result = cedar_ip_in_range(v->ip, v[1].ip);
        break;
    }
    *v = cedar_bool(result);
    return true;
}

static bool decimal_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    static const enum op ops[] = {
        [CALL_LESS_THAN] = OP_LT,
        [CALL_LESS_THAN_OR_EQUAL] = OP_LE,
        [CALL_GREATER_THAN] = OP_GT,
        [CALL_GREATER_THAN_OR_EQUAL] = OP_GE,
    };

    if (!want(r, v, CEDAR_DECIMAL) || !want(r, v + 1, CEDAR_DECIMAL))
        return false;
    *v = cedar_bool(compare_op(ops[call], v->integer, v[1].integer));
    return true;
}

static bool datetime_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    int64_t n;

    if (!want(r, v, CEDAR_DATETIME))
        return false;
    if (call == CALL_OFFSET) {
        if (!want(r, v + 1, CEDAR_DURATION))
            return false;
        if (__builtin_add_overflow(v->integer, v[1].integer, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DATETIME, n);
    } else if (call == CALL_DURATION_SINCE) {
        if (!want(r, v + 1, CEDAR_DATETIME))
            return false;
        if (__builtin_sub_overflow(v->integer, v[1].integer, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DURATION, n);
    } else if (call == CALL_TO_DATE) {
        if (!cedar_datetime_date(v->integer, &n))
            return fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DATETIME, n);
    } else {
        *v = cedar_scaled(CEDAR_DURATION, cedar_datetime_time(v->integer));
    }
    return true;
}

static bool duration_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    static const int64_t units[] = {
        [CALL_TO_MILLISECONDS] = 1, [CALL_TO_SECONDS] = 1000,  [CALL_TO_MINUTES] = 60000,
        [CALL_TO_HOURS] = 3600000,  [CALL_TO_DAYS] = 86400000,
    };

    if (!want(r, v, CEDAR_DURATION))
        return false;
    *v = cedar_long(v->integer / units[call]);
    return true;
}

static bool call(struct run *r, const struct insn *insn)
{
    enum cedar_call id = (enum cedar_call)insn->arg;
    struct cedar_value *v = r->top - insn->n + 1;

    if (insn->n != cedar_calls[id].arity + cedar_calls[id].is_method)
        return fail(r, CEDAR_EVAL_EXTENSION);
    r->top = v;
    switch (id) {
    case CALL_IP:
    case CALL_DECIMAL:
    case CALL_DATETIME:
    case CALL_DURATION:
        return construct(r, id, v);
    case CALL_CONTAINS:
    case CALL_CONTAINS_ALL:
    case CALL_CONTAINS_ANY:
    case CALL_IS_EMPTY:
        return set_call(r, id, v);
    case CALL_HAS_TAG:
    case CALL_GET_TAG:
        return tag_call(r, id, v);
    case CALL_IS_IPV4:
    case CALL_IS_IPV6:
    case CALL_IS_LOOPBACK:
    case CALL_IS_MULTICAST:
    case CALL_IS_IN_RANGE:
        return ip_call(r, id, v);
    case CALL_LESS_THAN:
    case CALL_LESS_THAN_OR_EQUAL:
    case CALL_GREATER_THAN:
    case CALL_GREATER_THAN_OR_EQUAL:
        return decimal_call(r, id, v);
    case CALL_OFFSET:
    case CALL_DURATION_SINCE:
    case CALL_TO_DATE:
    case CALL_TO_TIME:
        return datetime_call(r, id, v);
    case CALL_TO_MILLISECONDS:
    case CALL_TO_SECONDS:
    case CALL_TO_MINUTES:
    case CALL_TO_HOURS:
    case CALL_TO_DAYS:
        return duration_call(r, id, v);
    case CALL_COUNT:
        break;
    }
    return fail(r, CEDAR_EVAL_EXTENSION);
}

/* ---- steps ------------------------------------------------------------------------ */

static bool like(struct run *r, const struct insn *insn)
{
    if (!want(r, r->top, CEDAR_STRING))
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
        if (!want(r, r->top, CEDAR_BOOL))
            return false;
        r->top->boolean = !r->top->boolean;
        return true;
    case OP_NEG:
        return negate(r);
    case OP_BOOL:
        return want(r, r->top, CEDAR_BOOL);
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
        if (!want(r, r->top, CEDAR_ENTITY))
            return false;
        *r->top = cedar_bool(r->top->uid->type == insn->arg);
        return true;
    case OP_SET:
        return make_set(r, insn->arg);
    case OP_RECORD:
        return make_record(r, insn);
    case OP_CALL:
        return call(r, insn);
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
    if (!want(r, r->top, CEDAR_ENTITY))
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

    if (!want(r, r->top, CEDAR_BOOL))
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
            ok = want(&r, r.top, CEDAR_BOOL);
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
