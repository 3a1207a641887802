/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - the stack machine at work over one rule: what its instructions and its calls share.
 */
#ifndef CEDAR_RUN_H
#define CEDAR_RUN_H

#include "eval.h"

/* A run of the machine over one rule. */
struct run {
    struct machine *m;
    struct cedar_value *top; /* the topmost value */
    struct cedar_policy_error *error;
};

static inline bool run_fail(struct run *r, enum cedar_eval_error kind)
{
    r->error->error = kind;
    return false;
}

static inline bool run_fail_type(struct run *r, enum cedar_kind want, const struct cedar_value *got)
{
    r->error->error = CEDAR_EVAL_TYPE;
    r->error->want = want;
    r->error->got = (enum cedar_kind)got->kind;
    return false;
}

static inline bool run_fail_attr(struct run *r, cedar_name name)
{
    r->error->error = CEDAR_EVAL_NO_ATTR;
    r->error->name = name;
    return false;
}

static inline bool run_want(struct run *r, const struct cedar_value *value, enum cedar_kind kind)
{
    return value->kind == kind || run_fail_type(r, kind, value);
}

/* Whether a stands to b as the operator OP_LT, OP_LE, OP_GT or OP_GE says. */
static inline bool run_compare(enum op op, int64_t a, int64_t b)
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

/* n bytes that last until the rule is done; NULL: exhausted. */
void *cedar_run_heap(struct run *r, size_t n);

/* OP_CALL: takes its arguments from the stack and leaves the result; false on an error. */
bool cedar_run_call(struct run *r, const struct insn *insn);

#endif
