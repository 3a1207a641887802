/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions and methods.
 */
#include "ext.h"
#include "run.h"
#include "value.h"

/* ip("..") and its like, of text that was no literal. */
static bool construct(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    struct cedar_str s = {v->string, v->len};
    struct cedar_ip *ip;
    int64_t n;

    if (!run_want(r, v, CEDAR_STRING))
        return false;
    switch ((int)call) {
    case CALL_IP:
        ip = cedar_run_heap(r, sizeof(*ip));
        if (ip == NULL)
            return false;
        if (!cedar_ip_read(s, ip))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_ipaddr(ip);
        return true;
    case CALL_DECIMAL:
        if (!cedar_decimal_read(s, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DECIMAL, n);
        return true;
    case CALL_DATETIME:
        if (!cedar_datetime_read(s, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DATETIME, n);
        return true;
    default:
        if (!cedar_duration_read(s, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DURATION, n);
        return true;
    }
}

static bool set_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    uint32_t *budget = &r->m->budget;
    bool result;

    if (!run_want(r, v, CEDAR_SET))
        return false;
    if (call == CALL_IS_EMPTY) {
        result = v->len == 0;
    } else if (call == CALL_CONTAINS) {
        result = cedar_set_contains(v, v + 1, budget);
    } else {
        if (!run_want(r, v + 1, CEDAR_SET))
            return false;
        result = call == CALL_CONTAINS_ALL ? cedar_set_contains_all(v, v + 1, budget)
                                           : cedar_set_contains_any(v, v + 1, budget);
    }
    *v = cedar_bool(result);
    return cedar_machine_spend(r->m, 0);
}

static bool tag_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    const struct cedar_entity *entity;
    const struct cedar_value *found = NULL;
    cedar_name tag;

    if (!run_want(r, v, CEDAR_ENTITY) || !run_want(r, v + 1, CEDAR_STRING))
        return false;
    entity = cedar_machine_find(r->m, v->uid);
    tag = cedar_lookup(r->m->program->names, (struct cedar_str){v[1].string, v[1].len});
    if (entity != NULL && tag != CEDAR_NO_NAME) {
        found = cedar_field_find(entity->tags, entity->n_tags, tag);
        if (!cedar_machine_spend(r->m, entity->n_tags / 64))
            return false;
    }
    if (call == CALL_HAS_TAG) {
        *v = cedar_bool(found != NULL);
        return true;
    }
    if (entity == NULL)
        return run_fail(r, CEDAR_EVAL_NO_ENTITY);
    if (found == NULL)
        return run_fail_attr(r, tag);
    *v = *found;
    return true;
}

static bool ip_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    bool result;

    if (!run_want(r, v, CEDAR_IPADDR))
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
        if (!run_want(r, v + 1, CEDAR_IPADDR))
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

    if (!run_want(r, v, CEDAR_DECIMAL) || !run_want(r, v + 1, CEDAR_DECIMAL))
        return false;
    *v = cedar_bool(run_compare(ops[call], v->integer, v[1].integer));
    return true;
}

static bool datetime_call(struct run *r, enum cedar_call call, struct cedar_value *v)
{
    int64_t n;

    if (!run_want(r, v, CEDAR_DATETIME))
        return false;
    if (call == CALL_OFFSET) {
        if (!run_want(r, v + 1, CEDAR_DURATION))
            return false;
        if (__builtin_add_overflow(v->integer, v[1].integer, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DATETIME, n);
    } else if (call == CALL_DURATION_SINCE) {
        if (!run_want(r, v + 1, CEDAR_DATETIME))
            return false;
        if (__builtin_sub_overflow(v->integer, v[1].integer, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
        *v = cedar_scaled(CEDAR_DURATION, n);
    } else if (call == CALL_TO_DATE) {
        if (!cedar_datetime_date(v->integer, &n))
            return run_fail(r, CEDAR_EVAL_EXTENSION);
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

    if (!run_want(r, v, CEDAR_DURATION))
        return false;
    *v = cedar_long(v->integer / units[call]);
    return true;
}

bool cedar_run_call(struct run *r, const struct insn *insn)
{
    enum cedar_call id = (enum cedar_call)insn->arg;
    struct cedar_value *v = r->top - insn->n + 1;

    if (insn->n != cedar_calls[id].arity + cedar_calls[id].is_method)
        return run_fail(r, CEDAR_EVAL_EXTENSION);
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
    return run_fail(r, CEDAR_EVAL_EXTENSION);
}
