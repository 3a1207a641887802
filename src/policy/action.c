/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/action.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* Tags of the fixed parts; context fields follow at TAG_FIELD + field_id. */
enum {
    TAG_VERB = 1,
    TAG_KIND,
    TAG_RESOURCE,
    TAG_PID,
    TAG_PARENT,
    TAG_CAUSE,
    TAG_DIALLED,
    TAG_FIELD = 32
};
enum { TAG_OUTCOME = 1, TAG_EVENT, TAG_DUTIES, TAG_RULES, TAG_REASON, TAG_INJECT };

static const char *const verb_names[] = {
#define VERB(sym, name, group) name,
#include "policy/action.def"
#undef VERB
};
static const char *const verb_groups[] = {
#define VERB(sym, name, group) group,
#include "policy/action.def"
#undef VERB
};
static const char *const resource_types[] = {
#define RESOURCE(sym, type) type,
#include "policy/action.def"
#undef RESOURCE
};
static const struct {
    const char *name;
    enum field_kind kind;
} fields[] = {
#define FIELD(sym, name, kind, cedar) {name, FIELD_##kind},
#include "policy/action.def"
#undef FIELD
};
static const char *const outcome_names[OUTCOME_COUNT] = {"allow", "ask", "deny", "freeze", "kill"};

static_assert(TAG_FIELD + FIELD_COUNT < 256, "context tags fit one byte");

const char *verb_name(enum verb v)
{
    assert(v < VERB_COUNT);
    return verb_names[v];
}

const char *verb_group(enum verb v)
{
    assert(v < VERB_COUNT);
    return verb_groups[v];
}

const char *resource_type(enum resource_kind k)
{
    assert(k < RESOURCE_COUNT);
    return resource_types[k];
}

const char *field_name(enum field_id f)
{
    assert(f < FIELD_COUNT);
    return fields[f].name;
}

enum field_kind field_kind(enum field_id f)
{
    assert(f < FIELD_COUNT);
    return fields[f].kind;
}

const char *outcome_name(enum outcome o)
{
    assert(o < OUTCOME_COUNT);
    return outcome_names[o];
}

void action_init(struct action *a, enum verb v, enum resource_kind k, struct str resource)
{
    memset(a, 0, sizeof(*a));
    a->verb = v;
    a->kind = k;
    a->resource = resource;
}

void action_int(struct action *a, enum field_id f, int64_t value)
{
    assert(field_kind(f) == FIELD_INT || (field_kind(f) == FIELD_BOOL && (value & ~1) == 0));
    a->has[f] = true;
    a->field[f].num = value;
}

void action_str(struct action *a, enum field_id f, struct str value)
{
    assert(field_kind(f) == FIELD_STR);
    a->has[f] = true;
    a->field[f].str = value;
}

void action_list(struct action *a, enum field_id f, struct str list)
{
    assert(field_kind(f) == FIELD_LIST);
    a->has[f] = true;
    a->field[f].str = list;
}

void action_list_add(struct buf *list, struct str item)
{
    unsigned char n[4] = {(unsigned char)item.n, (unsigned char)(item.n >> 8),
                          (unsigned char)(item.n >> 16), (unsigned char)(item.n >> 24)};

    assert(item.n <= UINT32_MAX);
    buf_add(list, n, sizeof(n));
    buf_add(list, item.p, item.n);
}

static void put_list(struct frame_out *f, uint8_t tag, struct str list)
{
    struct str item;

    frame_list_start(f, tag);
    while (frame_list_next(&list, &item) == FRAME_OK)
        frame_list_item(f, item);
    frame_list_end(f);
}

void action_put(struct frame_out *f, const struct action *a)
{
    frame_put_int(f, TAG_VERB, a->verb);
    frame_put_int(f, TAG_KIND, a->kind);
    frame_put_str(f, TAG_RESOURCE, a->resource);
    frame_put_int(f, TAG_PID, a->pid);
    frame_put_int(f, TAG_PARENT, a->parent);
    frame_put_int(f, TAG_CAUSE, (int64_t)a->cause);
    if (a->dialled.n > 0)
        frame_put_str(f, TAG_DIALLED, a->dialled);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        uint8_t tag = (uint8_t)(TAG_FIELD + i);

        if (!a->has[i])
            continue;
        switch (fields[i].kind) {
        case FIELD_INT:
        case FIELD_BOOL:
            frame_put_int(f, tag, a->field[i].num);
            break;
        case FIELD_STR:
            frame_put_str(f, tag, a->field[i].str);
            break;
        case FIELD_LIST:
            put_list(f, tag, a->field[i].str);
            break;
        }
    }
}

void verdict_put(struct frame_out *f, const struct verdict *v)
{
    frame_put_int(f, TAG_OUTCOME, v->outcome);
    frame_put_int(f, TAG_EVENT, (int64_t)v->event);
    frame_put_int(f, TAG_DUTIES, v->duties);
    frame_list_start(f, TAG_RULES);
    for (size_t i = 0; i < v->nrules; i++)
        frame_list_item(f, v->rules[i]);
    frame_list_end(f);
    frame_put_str(f, TAG_REASON, v->reason);
    if (v->inject.n > 0)
        frame_put_str(f, TAG_INJECT, v->inject);
}

static bool clean(struct str s)
{
    return s.n == 0 || memchr(s.p, '\0', s.n) == NULL;
}

static bool int_in(const struct frame_field *x, int64_t low, int64_t high)
{
    return x->kind == FRAME_INT && x->num >= low && x->num <= high;
}

static bool get_context(struct action *a, const struct frame_field *x)
{
    unsigned i = (unsigned)x->tag - TAG_FIELD;

    if (x->tag < TAG_FIELD || i >= FIELD_COUNT || a->has[i])
        return false;
    a->has[i] = true;
    switch (fields[i].kind) {
    case FIELD_INT:
        a->field[i].num = x->num;
        return x->kind == FRAME_INT;
    case FIELD_BOOL:
        a->field[i].num = x->num;
        return int_in(x, 0, 1);
    case FIELD_STR:
        a->field[i].str = x->bytes;
        return x->kind == FRAME_BYTES && clean(x->bytes);
    case FIELD_LIST:
        a->field[i].str = x->bytes;
        return x->kind == FRAME_LIST;
    }
    return false;
}

static bool get_fixed(struct action *a, const struct frame_field *x)
{
    switch (x->tag) {
    case TAG_VERB:
        a->verb = (enum verb)x->num;
        return int_in(x, 0, VERB_COUNT - 1);
    case TAG_KIND:
        a->kind = (enum resource_kind)x->num;
        return int_in(x, 0, RESOURCE_COUNT - 1);
    case TAG_RESOURCE:
        a->resource = x->bytes;
        return x->kind == FRAME_BYTES && x->bytes.n > 0 && x->bytes.n <= ACTION_RESOURCE_MAX &&
               clean(x->bytes);
    case TAG_PID:
        a->pid = (pid_t)x->num;
        return int_in(x, 0, INT_MAX);
    case TAG_PARENT:
        a->parent = (pid_t)x->num;
        return int_in(x, 0, INT_MAX);
    case TAG_CAUSE:
        a->cause = (uint64_t)x->num;
        return int_in(x, 0, INT64_MAX);
    case TAG_DIALLED:
        a->dialled = x->bytes;
        return x->kind == FRAME_BYTES && x->bytes.n <= ACTION_DIALLED_MAX && clean(x->bytes);
    default:
        return get_context(a, x);
    }
}

bool action_get(struct frame_in *f, struct action *a)
{
    const uint64_t needed = 1u << TAG_VERB | 1u << TAG_KIND | 1u << TAG_RESOURCE;
    uint64_t seen = 0;
    struct frame_field x;
    enum frame_result r;

    memset(a, 0, sizeof(*a));
    while ((r = frame_next(f, &x)) == FRAME_OK) {
        uint64_t bit = x.tag < TAG_FIELD ? (uint64_t)1 << x.tag : 0;

        if ((seen & bit) != 0 || !get_fixed(a, &x))
            return false;
        seen |= bit;
    }
    return r == FRAME_EOF && (seen & needed) == needed;
}

static bool get_rules(struct verdict *v, struct str list)
{
    struct str item;

    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (v->nrules == VERDICT_RULES_MAX || !clean(item))
            return false;
        v->rules[v->nrules++] = item;
    }
    return true;
}

static bool get_verdict_field(struct verdict *v, const struct frame_field *x)
{
    switch (x->tag) {
    case TAG_OUTCOME:
        v->outcome = (enum outcome)x->num;
        return int_in(x, 0, OUTCOME_COUNT - 1);
    case TAG_EVENT:
        v->event = (uint64_t)x->num;
        return int_in(x, 0, INT64_MAX);
    case TAG_DUTIES:
        v->duties = (uint32_t)x->num;
        return int_in(x, 0, DUTY_ALL);
    case TAG_RULES:
        return x->kind == FRAME_LIST && get_rules(v, x->bytes);
    case TAG_REASON:
        v->reason = x->bytes;
        return x->kind == FRAME_BYTES && x->bytes.n <= VERDICT_REASON_MAX && clean(x->bytes);
    case TAG_INJECT:
        v->inject = x->bytes;
        return x->kind == FRAME_BYTES && x->bytes.n > 0 && x->bytes.n <= VERDICT_INJECT_MAX &&
               clean(x->bytes);
    default:
        return false;
    }
}

bool verdict_get(struct frame_in *f, struct verdict *v)
{
    uint64_t seen = 0;
    struct frame_field x;
    enum frame_result r;

    memset(v, 0, sizeof(*v));
    while ((r = frame_next(f, &x)) == FRAME_OK) {
        if (x.tag > TAG_INJECT || (seen & (1u << x.tag)) != 0 || !get_verdict_field(v, &x))
            return false;
        seen |= 1u << x.tag;
    }
    return r == FRAME_EOF && (seen & (1u << TAG_OUTCOME)) != 0 &&
           ((v->duties & DUTY_INJECT) != 0) == (v->inject.n > 0);
}
