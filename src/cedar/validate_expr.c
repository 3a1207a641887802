/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type checker. Where a mistake was reported it goes on with what is still known, so that
 * one run tells several; a NULL type means "reported already".
 */
#include "parser.h"
#include "suggest.h"
#include "validate.h"

#define KIND(kind) (1u << (kind))

static const struct checked NOTHING = {NULL, NULL};

const struct cedar_type *cedar_bool_type(const struct validator *v, enum cedar_truth truth)
{
    return v->schema->bools[truth];
}

static struct checked known(const struct validator *v, enum cedar_truth truth)
{
    return (struct checked){v->schema->bools[truth], NULL};
}

static struct checked plain(const struct validator *v, enum cedar_type_kind kind)
{
    return (struct checked){v->schema->plain[kind], NULL};
}

static bool is_truth(const struct cedar_type *type, enum cedar_truth truth)
{
    return type != NULL && type->kind == TYPE_BOOL && type->truth == truth;
}

static struct checked remember(struct validator *v, struct checked checked)
{
    if (checked.type == NULL)
        v->out_of_memory = true;
    return checked;
}

static const struct cedar_capabilities *
unite(struct validator *v, const struct cedar_capabilities *a, const struct cedar_capabilities *b)
{
    bool ok = true;
    const struct cedar_capabilities *set = cedar_capabilities_union(&v->scratch, a, b, &ok);

    v->out_of_memory |= !ok;
    return set;
}

static const struct cedar_capabilities *
in_both(struct validator *v, const struct cedar_capabilities *a, const struct cedar_capabilities *b)
{
    bool ok = true;
    const struct cedar_capabilities *set = cedar_capabilities_both(&v->scratch, a, b, &ok);

    v->out_of_memory |= !ok;
    return set;
}

static const struct cedar_capabilities *one(struct validator *v, cedar_capability item)
{
    bool ok = true;
    const struct cedar_capabilities *set = cedar_capabilities_one(&v->scratch, item, &ok);

    v->out_of_memory |= !ok;
    return set;
}

static uint32_t number_of(struct validator *v, const struct cedar_expr *expr)
{
    uint32_t number = cedar_number(&v->numbers, expr);

    v->out_of_memory |= number == 0;
    return number;
}

struct checked cedar_check_operand(struct validator *v, const struct cedar_expr *expr,
                                   const struct cedar_capabilities *prior, unsigned kinds,
                                   const char *expected, const char *help)
{
    struct checked checked = cedar_check_expr(v, expr, prior);

    if (checked.type == NULL || (KIND(checked.type->kind) & kinds) != 0)
        return checked;
    cedar_validator_fault(v, expr->span, "expected %s, found %s%s%s", expected,
                          cedar_type_text(v->names, checked.type).text, help != NULL ? "; " : "",
                          help != NULL ? help : "");
    return NOTHING;
}

struct checked cedar_check_condition(struct validator *v, const struct cedar_expr *expr,
                                     const struct cedar_capabilities *prior)
{
    return cedar_check_operand(v, expr, prior, KIND(TYPE_BOOL), "Bool", NULL);
}

/* ---- literals and variables ---------------------------------------------------------------- */

static struct checked entity_type(struct validator *v, cedar_name name)
{
    return remember(v, (struct checked){cedar_type_entity(&v->types, name), NULL});
}

/* Entities that do not exist are told once for the whole policy: see cedar_check_names(). */
static struct checked check_entity(struct validator *v, const struct cedar_uid *uid)
{
    if (cedar_find_entity_type(v->schema, uid->type) == NULL &&
        cedar_find_action(v->schema, uid) == NULL) {
        v->failed = true;
        return NOTHING;
    }
    return entity_type(v, uid->type);
}

static struct checked check_var(struct validator *v, enum cedar_var var)
{
    switch (var) {
    case VAR_PRINCIPAL:
        return entity_type(v, v->principal->name);
    case VAR_ACTION:
        return entity_type(v, v->action->uid.type);
    case VAR_RESOURCE:
        return entity_type(v, v->resource->name);
    case VAR_CONTEXT:
        return (struct checked){v->action->context, NULL};
    }
    return NOTHING;
}

/* ---- logic --------------------------------------------------------------------------------- */

static struct checked check_and(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    struct checked left = cedar_check_condition(v, expr->a, prior), right;

    if (is_truth(left.type, TRUTH_FALSE)) /* the right side is never evaluated */
        return known(v, TRUTH_FALSE);
    right = cedar_check_condition(v, expr->b, unite(v, prior, left.caps));
    if (left.type == NULL || right.type == NULL)
        return NOTHING;
    if (is_truth(right.type, TRUTH_FALSE))
        return known(v, TRUTH_FALSE);
    if (is_truth(right.type, TRUTH_TRUE))
        right.type = left.type;
    else if (!is_truth(left.type, TRUTH_TRUE))
        right.type = cedar_bool_type(v, TRUTH_ANY);
    right.caps = unite(v, left.caps, right.caps);
    return right;
}

static struct checked check_or(struct validator *v, const struct cedar_expr *expr,
                               const struct cedar_capabilities *prior)
{
    struct checked left = cedar_check_condition(v, expr->a, prior), right;

    if (is_truth(left.type, TRUTH_TRUE))
        return left;
    right = cedar_check_condition(v, expr->b, prior);
    if (left.type == NULL || right.type == NULL)
        return NOTHING;
    if (is_truth(right.type, TRUTH_TRUE) || is_truth(left.type, TRUTH_FALSE))
        return right;
    if (is_truth(right.type, TRUTH_FALSE))
        return left;
    return (struct checked){cedar_bool_type(v, TRUTH_ANY), in_both(v, left.caps, right.caps)};
}

static struct checked check_not(struct validator *v, const struct cedar_expr *operand,
                                const struct cedar_capabilities *prior)
{
    struct checked checked = cedar_check_condition(v, operand, prior);

    if (checked.type == NULL)
        return NOTHING;
    return known(v, checked.type->truth == TRUTH_TRUE    ? TRUTH_FALSE
                    : checked.type->truth == TRUTH_FALSE ? TRUTH_TRUE
                                                         : TRUTH_ANY);
}

/* The least upper bound, or a fault that says what does not go together. */
static const struct cedar_type *join(struct validator *v, struct cedar_span span,
                                     const struct cedar_type *a, const struct cedar_type *b,
                                     const char *what)
{
    const struct cedar_type *type;

    if (cedar_type_lub(&v->types, a, b, &type) != CEDAR_OK) {
        v->out_of_memory = true;
        return NULL;
    }
    if (type == NULL)
        cedar_validator_fault(v, span, "%s must be of one type, found %s and %s", what,
                              cedar_type_text(v->names, a).text, cedar_type_text(v->names, b).text);
    return type;
}

static struct checked check_if(struct validator *v, const struct cedar_expr *expr,
                               const struct cedar_capabilities *prior)
{
    struct checked test = cedar_check_condition(v, expr->a, prior), yes, no;

    if (is_truth(test.type, TRUTH_FALSE))
        return cedar_check_expr(v, expr->c, prior);
    yes = cedar_check_expr(v, expr->b, unite(v, prior, test.caps));
    yes.caps = unite(v, yes.caps, test.caps);
    if (is_truth(test.type, TRUTH_TRUE))
        return yes;
    no = cedar_check_expr(v, expr->c, prior);
    if (test.type == NULL || yes.type == NULL || no.type == NULL)
        return NOTHING;
    yes.type = join(v, expr->span, yes.type, no.type, "both branches of an `if`");
    yes.caps = in_both(v, yes.caps, no.caps);
    return yes;
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* A literal, or the action, whose identity is known. */
static bool is_literal(const struct cedar_expr *expr)
{
    return expr->kind == EXPR_BOOL || expr->kind == EXPR_LONG || expr->kind == EXPR_STRING ||
           expr->kind == EXPR_ENTITY || (expr->kind == EXPR_VAR && expr->u.var == VAR_ACTION);
}

/* The uid of an entity literal or of the action; NULL for other expressions. */
static const struct cedar_uid *literal_uid(const struct validator *v, const struct cedar_expr *expr)
{
    if (expr->kind == EXPR_ENTITY)
        return &expr->u.uid;
    if (expr->kind == EXPR_VAR && expr->u.var == VAR_ACTION)
        return &v->action->uid;
    return NULL;
}

static bool literals_equal(const struct validator *v, const struct cedar_expr *a,
                           const struct cedar_expr *b)
{
    const struct cedar_uid *left = literal_uid(v, a), *right = literal_uid(v, b);

    if (left != NULL || right != NULL)
        return left != NULL && right != NULL && cedar_uid_eq(left, right);
    if (a->kind != b->kind)
        return false;
    if (a->kind == EXPR_STRING)
        return cedar_str_eq(a->u.string, b->u.string);
    return a->kind == EXPR_BOOL ? a->u.boolean == b->u.boolean : a->u.integer == b->u.integer;
}

static struct checked check_equal(struct validator *v, const struct cedar_expr *expr,
                                  const struct cedar_capabilities *prior)
{
    struct checked a = cedar_check_expr(v, expr->a, prior);
    struct checked b = cedar_check_expr(v, expr->b, prior);

    if (a.type == NULL || b.type == NULL)
        return NOTHING;
    if (a.type->kind == TYPE_ENTITY && b.type->kind == TYPE_ENTITY && a.type != b.type)
        return known(v, TRUTH_FALSE);
    if (is_literal(expr->a) && is_literal(expr->b))
        return known(v, literals_equal(v, expr->a, expr->b) ? TRUTH_TRUE : TRUTH_FALSE);
    if (join(v, expr->span, a.type, b.type, "what is compared") == NULL)
        return NOTHING;
    return known(v, TRUTH_ANY);
}

static struct checked check_unequal(struct validator *v, const struct cedar_expr *expr,
                                    const struct cedar_capabilities *prior)
{
    struct checked equal = check_equal(v, expr, prior);

    if (is_truth(equal.type, TRUTH_TRUE))
        return known(v, TRUTH_FALSE);
    if (is_truth(equal.type, TRUTH_FALSE))
        return known(v, TRUTH_TRUE);
    return equal;
}

static struct checked check_order(struct validator *v, const struct cedar_expr *expr,
                                  const struct cedar_capabilities *prior)
{
    unsigned ordered = KIND(TYPE_LONG) | KIND(TYPE_DATETIME) | KIND(TYPE_DURATION);
    const char *help = "a decimal is compared by .lessThan() and its like";
    struct checked a =
        cedar_check_operand(v, expr->a, prior, ordered, "Long, datetime or duration", help);
    struct checked b =
        cedar_check_operand(v, expr->b, prior, ordered, "Long, datetime or duration", help);

    if (a.type != NULL && b.type != NULL && a.type != b.type)
        join(v, expr->span, a.type, b.type, "what is compared");
    return known(v, TRUTH_ANY);
}

static struct checked check_arithmetic(struct validator *v, const struct cedar_expr *expr,
                                       const struct cedar_capabilities *prior)
{
    const char *help =
        expr->kind == EXPR_ADD ? "`+` adds numbers; strings and sets cannot be put together" : NULL;

    cedar_check_operand(v, expr->a, prior, KIND(TYPE_LONG), "Long", help);
    if (expr->b != NULL)
        cedar_check_operand(v, expr->b, prior, KIND(TYPE_LONG), "Long", help);
    return plain(v, TYPE_LONG);
}

/* ---- in and is ------------------------------------------------------------------------------ */

/* uid in the entity that expr names. */
static bool action_in_literal(const struct validator *v, const struct action_type *action,
                              const struct cedar_expr *expr)
{
    const struct cedar_uid *uid = literal_uid(v, expr);
    const struct action_type *group = cedar_find_action(v->schema, uid);

    return group == action || (group != NULL && cedar_closure_has(&v->schema->action_closure,
                                                                  action->index, group->index));
}

/*
 * Between an action and actions that the policy names, the schema knows the answer. Returns
 * false if this is not such a case.
 */
static bool decide_action_in(const struct validator *v, const struct cedar_expr *low,
                             const struct cedar_expr *high, enum cedar_truth *out)
{
    const struct cedar_uid *uid = literal_uid(v, low);
    const struct action_type *action = uid != NULL ? cedar_find_action(v->schema, uid) : NULL;

    *out = TRUTH_FALSE;
    if (action == NULL)
        return false;
    if (literal_uid(v, high) != NULL) {
        *out = action_in_literal(v, action, high) ? TRUTH_TRUE : TRUTH_FALSE;
        return true;
    }
    if (high->kind != EXPR_SET)
        return false;
    for (uint32_t i = 0; i < high->u.list.n; i++) {
        if (literal_uid(v, high->u.list.items[i]) == NULL)
            return false;
        if (action_in_literal(v, action, high->u.list.items[i]))
            *out = TRUTH_TRUE;
    }
    return true;
}

static struct checked check_in_operands(struct validator *v, const struct cedar_expr *low_expr,
                                        const struct cedar_expr *high_expr,
                                        const struct cedar_capabilities *prior)
{
    struct checked low = cedar_check_operand(v, low_expr, prior, KIND(TYPE_ENTITY), "an entity",
                                             "membership in a set is .contains()");
    struct checked high =
        cedar_check_operand(v, high_expr, prior, KIND(TYPE_ENTITY) | KIND(TYPE_SET),
                            "an entity or a set of entities", NULL);
    const struct cedar_type *group = high.type;
    enum cedar_truth truth;

    if (group != NULL && group->kind == TYPE_SET)
        group = group->element;
    if (group != NULL && group->kind != TYPE_ENTITY) {
        cedar_validator_fault(v, high_expr->span,
                              "expected a set of entities, found %s; membership in a set is "
                              ".contains()",
                              cedar_type_text(v->names, high.type).text);
        return NOTHING;
    }
    if (low.type == NULL || group == NULL)
        return NOTHING;
    if (decide_action_in(v, low_expr, high_expr, &truth))
        return known(v, truth);
    return known(v, cedar_type_can_be_in(v->schema, low.type->entity, group->entity) ? TRUTH_ANY
                                                                                     : TRUTH_FALSE);
}

static struct checked check_is(struct validator *v, const struct cedar_expr *expr,
                               const struct cedar_capabilities *prior)
{
    struct checked checked = cedar_check_operand(v, expr->a, prior, KIND(TYPE_ENTITY), "an entity",
                                                 "`is` tells the types of entities alone");
    struct checked in;

    if (checked.type != NULL)
        checked = known(v, checked.type->entity == expr->u.name ? TRUTH_TRUE : TRUTH_FALSE);
    if (expr->b == NULL || is_truth(checked.type, TRUTH_FALSE))
        return checked;
    in = check_in_operands(v, expr->a, expr->b, prior);
    return checked.type == NULL ? NOTHING : in;
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* The record of what an entity or record type declares; NULL for the type of actions. */
static const struct cedar_type *attributes_of(const struct validator *v,
                                              const struct cedar_type *type)
{
    return type->kind == TYPE_RECORD ? type : cedar_schema_entity_attrs(v->schema, type->entity);
}

static const struct cedar_attr_type *find_attr(const struct validator *v,
                                               const struct cedar_type *type, cedar_name name)
{
    const struct cedar_type *record = attributes_of(v, type);

    return record != NULL ? cedar_type_find(record, name) : NULL;
}

/* Apart from its callers, for they are recursive and its frame is large. */
__attribute__((noinline)) static void fault_optional(struct validator *v, struct cedar_span span,
                                                     const struct cedar_type *type, cedar_name name)
{
    cedar_validator_fault(v, span, "attribute `%s` of %s is optional; test it first with `has`",
                          cedar_show(cedar_name_str(v->names, name)).text,
                          cedar_type_text(v->names, type).text);
}

__attribute__((noinline)) static void fault_no_attr(struct validator *v, struct cedar_span span,
                                                    const struct cedar_type *type, cedar_name name)
{
    const struct cedar_type *record = attributes_of(v, type);
    struct cedar_suggestion guess;

    cedar_suggest_begin(&guess, v->names, cedar_name_str(v->names, name));
    for (uint32_t i = 0; record != NULL && i < record->n_attrs; i++)
        cedar_suggest_name(&guess, record->attrs[i].name);
    cedar_validator_fault(
        v, span, "%s has no attribute `%s`%s", cedar_type_text(v->names, type).text,
        cedar_show(cedar_name_str(v->names, name)).text, cedar_suggest_end(&guess));
}

static struct checked check_get(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    struct checked base = cedar_check_operand(
        v, expr->a, prior, KIND(TYPE_ENTITY) | KIND(TYPE_RECORD), "an entity or a record", NULL);
    const struct cedar_attr_type *attr;
    uint32_t number;

    if (base.type == NULL)
        return NOTHING;
    attr = find_attr(v, base.type, expr->u.name);
    if (attr == NULL) {
        fault_no_attr(v, expr->span, base.type, expr->u.name);
        return NOTHING;
    }
    if (!attr->required) {
        number = number_of(v, expr->a);
        if (!cedar_capabilities_has(prior, cedar_has_attr(number, expr->u.name)))
            fault_optional(v, expr->span, base.type, expr->u.name);
    }
    return (struct checked){attr->type, NULL};
}

/* One step of `has`: base is what stands before the attribute, number its number. */
static struct checked check_has_step(struct validator *v, const struct cedar_type *base,
                                     uint32_t number, const struct cedar_attr_type *attr,
                                     const struct cedar_capabilities *prior)
{
    cedar_capability item = cedar_has_attr(number, attr->name);
    /* An entity may be missing altogether, so even a required attribute may be absent. */
    bool certain =
        (attr->required && base->kind == TYPE_RECORD) || cedar_capabilities_has(prior, item);

    return (struct checked){cedar_bool_type(v, certain ? TRUTH_TRUE : TRUTH_ANY), one(v, item)};
}

/* a has b.c.d means a has b && a.b has c && a.b.c has d. */
static struct checked check_has(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    struct checked base =
        cedar_check_operand(v, expr->a, prior, KIND(TYPE_ENTITY) | KIND(TYPE_RECORD),
                            "an entity or a record", "for a set there is .contains()");
    struct checked whole = known(v, TRUTH_TRUE), step;
    const struct cedar_type *type = base.type;
    const struct cedar_attr_type *attr;
    uint32_t number = number_of(v, expr->a);

    if (type == NULL)
        return known(v, TRUTH_ANY);
    for (uint32_t i = 0; i < expr->u.path.n; i++) {
        cedar_name name = expr->u.path.names[i];

        if (type->kind != TYPE_ENTITY && type->kind != TYPE_RECORD) {
            cedar_validator_fault(v, expr->span,
                                  "expected an entity or a record before `%s`, found %s",
                                  cedar_show(cedar_name_str(v->names, name)).text,
                                  cedar_type_text(v->names, type).text);
            return known(v, TRUTH_ANY);
        }
        attr = find_attr(v, type, name);
        if (attr == NULL)
            return known(v, TRUTH_FALSE);
        step = check_has_step(v, type, number, attr, unite(v, prior, whole.caps));
        if (is_truth(step.type, TRUTH_ANY))
            whole.type = step.type;
        whole.caps = unite(v, whole.caps, step.caps);
        type = attr->type;
        number = cedar_number_get(&v->numbers, number, name);
        v->out_of_memory |= number == 0;
    }
    return whole;
}

/* ---- sets and records ------------------------------------------------------------------------ */

static struct checked check_set(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    const struct cedar_type *element = NULL;
    bool complete = true;

    if (expr->u.list.n == 0) {
        cedar_validator_fault(v, expr->span, "an empty set has no type; .isEmpty() tests for it");
        return NOTHING;
    }
    for (uint32_t i = 0; i < expr->u.list.n; i++) {
        struct checked item = cedar_check_expr(v, expr->u.list.items[i], prior);

        if (item.type != NULL && element != NULL)
            item.type =
                join(v, expr->u.list.items[i]->span, element, item.type, "the elements of a set");
        if (item.type == NULL)
            complete = false;
        else
            element = item.type;
    }
    if (!complete || element == NULL)
        return NOTHING;
    return remember(v, (struct checked){cedar_type_set(&v->types, element), NULL});
}

static struct checked check_record(struct validator *v, const struct cedar_expr *expr,
                                   const struct cedar_capabilities *prior)
{
    struct cedar_attr_type *attrs =
        CEDAR_NEW_N(&v->scratch, struct cedar_attr_type, expr->u.record.n);
    bool complete = true;

    if (attrs == NULL) {
        v->out_of_memory = true;
        return NOTHING;
    }
    for (uint32_t i = 0; i < expr->u.record.n; i++) {
        const struct cedar_pair *pair = &expr->u.record.pairs[i];

        attrs[i] = (struct cedar_attr_type){.name = pair->name, .required = true};
        attrs[i].type = cedar_check_expr(v, pair->value, prior).type;
        complete &= attrs[i].type != NULL;
    }
    if (!complete)
        return NOTHING;
    return remember(v,
                    (struct checked){cedar_type_record(&v->types, attrs, expr->u.record.n), NULL});
}

struct checked cedar_check_expr(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    if (v->out_of_memory)
        return NOTHING;
    switch (expr->kind) {
    case EXPR_BOOL:
        return known(v, expr->u.boolean ? TRUTH_TRUE : TRUTH_FALSE);
    case EXPR_LONG:
        return plain(v, TYPE_LONG);
    case EXPR_STRING:
        return plain(v, TYPE_STRING);
    case EXPR_ENTITY:
        return check_entity(v, &expr->u.uid);
    case EXPR_VAR:
        return check_var(v, expr->u.var);
    case EXPR_NOT:
        return check_not(v, expr->a, prior);
    case EXPR_AND:
        return check_and(v, expr, prior);
    case EXPR_OR:
        return check_or(v, expr, prior);
    case EXPR_EQ:
        return check_equal(v, expr, prior);
    case EXPR_NE:
        return check_unequal(v, expr, prior);
    case EXPR_LT:
    case EXPR_LE:
    case EXPR_GT:
    case EXPR_GE:
        return check_order(v, expr, prior);
    case EXPR_NEG:
    case EXPR_ADD:
    case EXPR_SUB:
    case EXPR_MUL:
        return check_arithmetic(v, expr, prior);
    case EXPR_IN:
        return check_in_operands(v, expr->a, expr->b, prior);
    case EXPR_IF:
        return check_if(v, expr, prior);
    case EXPR_GET:
        return check_get(v, expr, prior);
    case EXPR_HAS:
        return check_has(v, expr, prior);
    case EXPR_LIKE:
        cedar_check_operand(v, expr->a, prior, KIND(TYPE_STRING), "String", NULL);
        return known(v, TRUTH_ANY);
    case EXPR_IS:
        return check_is(v, expr, prior);
    case EXPR_SET:
        return check_set(v, expr, prior);
    case EXPR_RECORD:
        return check_record(v, expr, prior);
    case EXPR_CALL:
        return cedar_check_call(v, expr, prior);
    }
    return NOTHING;
}
