/* SPDX-License-Identifier: Apache-2.0 */
/* Types of functions and methods. */
#include "ext.h"
#include "validate.h"

#define KIND(kind) (1u << (kind))

static const struct checked NOTHING = {NULL, NULL};

/* The extension functions and methods whose operands and result have fixed types. */
static const struct signature {
    enum cedar_type_kind args[2];
    uint8_t n; /* the receiver included */
    enum cedar_type_kind result;
} signatures[CALL_COUNT] = {
    [CALL_IS_IPV4] = {{TYPE_IPADDR}, 1, TYPE_BOOL},
    [CALL_IS_IPV6] = {{TYPE_IPADDR}, 1, TYPE_BOOL},
    [CALL_IS_LOOPBACK] = {{TYPE_IPADDR}, 1, TYPE_BOOL},
    [CALL_IS_MULTICAST] = {{TYPE_IPADDR}, 1, TYPE_BOOL},
    [CALL_IS_IN_RANGE] = {{TYPE_IPADDR, TYPE_IPADDR}, 2, TYPE_BOOL},
    [CALL_LESS_THAN] = {{TYPE_DECIMAL, TYPE_DECIMAL}, 2, TYPE_BOOL},
    [CALL_LESS_THAN_OR_EQUAL] = {{TYPE_DECIMAL, TYPE_DECIMAL}, 2, TYPE_BOOL},
    [CALL_GREATER_THAN] = {{TYPE_DECIMAL, TYPE_DECIMAL}, 2, TYPE_BOOL},
    [CALL_GREATER_THAN_OR_EQUAL] = {{TYPE_DECIMAL, TYPE_DECIMAL}, 2, TYPE_BOOL},
    [CALL_OFFSET] = {{TYPE_DATETIME, TYPE_DURATION}, 2, TYPE_DATETIME},
    [CALL_DURATION_SINCE] = {{TYPE_DATETIME, TYPE_DATETIME}, 2, TYPE_DURATION},
    [CALL_TO_DATE] = {{TYPE_DATETIME}, 1, TYPE_DATETIME},
    [CALL_TO_TIME] = {{TYPE_DATETIME}, 1, TYPE_DURATION},
    [CALL_TO_MILLISECONDS] = {{TYPE_DURATION}, 1, TYPE_LONG},
    [CALL_TO_SECONDS] = {{TYPE_DURATION}, 1, TYPE_LONG},
    [CALL_TO_MINUTES] = {{TYPE_DURATION}, 1, TYPE_LONG},
    [CALL_TO_HOURS] = {{TYPE_DURATION}, 1, TYPE_LONG},
    [CALL_TO_DAYS] = {{TYPE_DURATION}, 1, TYPE_LONG},
};

static struct checked plain(const struct validator *v, enum cedar_type_kind kind)
{
    return (struct checked){v->schema->plain[kind], NULL};
}

static bool has_count(struct validator *v, const struct cedar_expr *expr, uint32_t wanted)
{
    uint32_t receiver = cedar_calls[expr->u.call.call].is_method;

    if (expr->u.call.n == wanted)
        return true;
    cedar_validator_fault(v, expr->span, "%s() takes %u argument%s, found %u",
                          cedar_calls[expr->u.call.call].name, wanted - receiver,
                          wanted - receiver == 1 ? "" : "s", expr->u.call.n - receiver);
    return false;
}

/* ---- constructors ---------------------------------------------------------------------------- */

static bool can_read(enum cedar_call call, struct cedar_str text)
{
    struct cedar_ip ip;
    int64_t number;

    if (call == CALL_IP)
        return cedar_ip_read(text, &ip);
    if (call == CALL_DECIMAL)
        return cedar_decimal_read(text, &number);
    return call == CALL_DATETIME ? cedar_datetime_read(text, &number)
                                 : cedar_duration_read(text, &number);
}

static struct checked check_constructor(struct validator *v, const struct cedar_expr *expr,
                                        enum cedar_type_kind result)
{
    const char *name = cedar_calls[expr->u.call.call].name;
    const struct cedar_expr *arg;

    if (!has_count(v, expr, 1))
        return plain(v, result);
    arg = expr->u.call.args[0];
    if (arg->kind != EXPR_STRING)
        cedar_validator_fault(v, arg->span,
                              "%s() takes a string literal, so that it can be checked", name);
    else if (!can_read(expr->u.call.call, arg->u.string))
        cedar_validator_fault(v, arg->span, "%s() cannot read \"%s\"", name,
                              cedar_show(arg->u.string).text);
    return plain(v, result);
}

/* ---- extension methods ------------------------------------------------------------------------
 */

static struct checked check_method(struct validator *v, const struct cedar_expr *expr,
                                   const struct cedar_capabilities *prior)
{
    const struct signature *signature = &signatures[expr->u.call.call];

    if (has_count(v, expr, signature->n)) {
        for (uint32_t i = 0; i < signature->n; i++) {
            enum cedar_type_kind want = signature->args[i];

            cedar_check_operand(v, expr->u.call.args[i], prior, KIND(want),
                                cedar_type_text(v->names, v->schema->plain[want]).text, NULL);
        }
    }
    return plain(v, signature->result);
}

/* ---- sets -------------------------------------------------------------------------------------
 */

/* Faults unless the two may be equal, by type. */
static void want_comparable(struct validator *v, struct cedar_span span, const struct cedar_type *a,
                            const struct cedar_type *b, const char *what)
{
    const struct cedar_type *type;

    if (cedar_type_lub(&v->types, a, b, &type) != CEDAR_OK)
        v->out_of_memory = true;
    else if (type == NULL)
        cedar_validator_fault(v, span, "%s %s cannot be in a set of %s", what,
                              cedar_type_text(v->names, b).text, cedar_type_text(v->names, a).text);
}

static struct checked check_contains(struct validator *v, const struct cedar_expr *expr,
                                     const struct cedar_capabilities *prior)
{
    const struct cedar_expr *item = expr->u.call.args[1];
    struct checked set = cedar_check_operand(v, expr->u.call.args[0], prior, KIND(TYPE_SET),
                                             "a set", "for a group of entities there is `in`");
    struct checked element = cedar_check_expr(v, item, prior);

    if (set.type != NULL && element.type != NULL)
        want_comparable(v, item->span, set.type->element, element.type, "a value of type");
    return plain(v, TYPE_BOOL);
}

static struct checked check_contains_sets(struct validator *v, const struct cedar_expr *expr,
                                          const struct cedar_capabilities *prior)
{
    const struct cedar_expr *other = expr->u.call.args[1];
    struct checked set =
        cedar_check_operand(v, expr->u.call.args[0], prior, KIND(TYPE_SET), "a set", NULL);
    struct checked items = cedar_check_operand(v, other, prior, KIND(TYPE_SET), "a set",
                                               "a single value is tested by .contains()");

    if (set.type != NULL && items.type != NULL)
        want_comparable(v, other->span, set.type->element, items.type->element, "elements of type");
    return plain(v, TYPE_BOOL);
}

/* ---- tags -------------------------------------------------------------------------------------
 */

struct tag_access {
    const struct cedar_type *entity; /* NULL: reported already */
    const struct cedar_type *tags;   /* NULL: the entity type has none */
    cedar_capability capability;
};

static struct tag_access check_tag(struct validator *v, const struct cedar_expr *expr,
                                   const struct cedar_capabilities *prior)
{
    const struct cedar_expr *base = expr->u.call.args[0], *tag = expr->u.call.args[1];
    struct checked entity =
        cedar_check_operand(v, base, prior, KIND(TYPE_ENTITY), "an entity", NULL);
    struct checked name = cedar_check_operand(v, tag, prior, KIND(TYPE_STRING), "String", NULL);
    uint32_t base_number = cedar_number(&v->numbers, base);
    uint32_t tag_number = cedar_number(&v->numbers, tag);
    struct tag_access access = {.capability = cedar_has_tag(base_number, tag_number)};

    v->out_of_memory |= base_number == 0 || tag_number == 0;
    if (entity.type == NULL || name.type == NULL)
        return access;
    access.entity = entity.type;
    access.tags = cedar_schema_entity_tags(v->schema, entity.type->entity);
    return access;
}

static struct checked check_has_tag(struct validator *v, const struct cedar_expr *expr,
                                    const struct cedar_capabilities *prior)
{
    struct tag_access access = check_tag(v, expr, prior);
    enum cedar_truth truth = TRUTH_ANY;
    struct checked checked = {NULL, NULL};
    bool ok = true;

    if (access.entity != NULL && access.tags == NULL)
        truth = TRUTH_FALSE;
    else if (cedar_capabilities_has(prior, access.capability))
        truth = TRUTH_TRUE;
    checked.type = cedar_bool_type(v, truth);
    if (truth != TRUTH_FALSE)
        checked.caps = cedar_capabilities_one(&v->scratch, access.capability, &ok);
    v->out_of_memory |= !ok;
    return checked;
}

static struct checked check_get_tag(struct validator *v, const struct cedar_expr *expr,
                                    const struct cedar_capabilities *prior)
{
    struct tag_access access = check_tag(v, expr, prior);

    if (access.entity == NULL)
        return NOTHING;
    if (access.tags == NULL)
        cedar_validator_fault(v, expr->span, "entities of type %s have no tags",
                              cedar_type_text(v->names, access.entity).text);
    else if (!cedar_capabilities_has(prior, access.capability))
        cedar_validator_fault(
            v, expr->span, "the tag may be absent; test it first with .hasTag() of the same tag");
    return (struct checked){access.tags, NULL};
}

struct checked cedar_check_call(struct validator *v, const struct cedar_expr *expr,
                                const struct cedar_capabilities *prior)
{
    const struct cedar_call_info *info = &cedar_calls[expr->u.call.call];

    if (info->is_builtin && !has_count(v, expr, info->arity + 1u))
        return NOTHING;
    switch (expr->u.call.call) {
    case CALL_IP:
        return check_constructor(v, expr, TYPE_IPADDR);
    case CALL_DECIMAL:
        return check_constructor(v, expr, TYPE_DECIMAL);
    case CALL_DATETIME:
        return check_constructor(v, expr, TYPE_DATETIME);
    case CALL_DURATION:
        return check_constructor(v, expr, TYPE_DURATION);
    case CALL_CONTAINS:
        return check_contains(v, expr, prior);
    case CALL_CONTAINS_ALL:
    case CALL_CONTAINS_ANY:
        return check_contains_sets(v, expr, prior);
    case CALL_IS_EMPTY:
        cedar_check_operand(v, expr->u.call.args[0], prior, KIND(TYPE_SET), "a set",
                            "an empty string is compared with == \"\"");
        return plain(v, TYPE_BOOL);
    case CALL_HAS_TAG:
        return check_has_tag(v, expr, prior);
    case CALL_GET_TAG:
        return check_get_tag(v, expr, prior);
    case CALL_IS_IPV4:
    case CALL_IS_IPV6:
    case CALL_IS_LOOPBACK:
    case CALL_IS_MULTICAST:
    case CALL_IS_IN_RANGE:
    case CALL_LESS_THAN:
    case CALL_LESS_THAN_OR_EQUAL:
    case CALL_GREATER_THAN:
    case CALL_GREATER_THAN_OR_EQUAL:
    case CALL_OFFSET:
    case CALL_DURATION_SINCE:
    case CALL_TO_DATE:
    case CALL_TO_TIME:
    case CALL_TO_MILLISECONDS:
    case CALL_TO_SECONDS:
    case CALL_TO_MINUTES:
    case CALL_TO_HOURS:
    case CALL_TO_DAYS:
        return check_method(v, expr, prior);
    case CALL_COUNT:
        break;
    }
    return NOTHING;
}
