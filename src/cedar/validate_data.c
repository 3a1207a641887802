/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of requests and entities: values against the types that a schema declares. */
#include "names.h"
#include "parser.h"
#include "suggest.h"
#include "validate.h"

/* Where in a value a fault is: printed as context.a.b[2]. */
struct place {
    const struct place *up; /* NULL: what holds the value */
    const char *label;      /* of the outermost place, and of the tags; else NULL */
    cedar_name name;        /* of an attribute or tag; CEDAR_NO_NAME: an element of a set */
    uint32_t index;
};

struct place_text {
    char text[128];
};

static void print_place(struct cedar_buf *buf, const struct cedar_names *names,
                        const struct place *place)
{
    if (place->up != NULL)
        print_place(buf, names, place->up);
    if (place->label != NULL)
        cedar_buf_printf(buf, "%s%s", place->up != NULL ? "." : "", place->label);
    else if (place->name == CEDAR_NO_NAME)
        cedar_buf_printf(buf, "[%u]", place->index);
    else
        cedar_buf_printf(buf, ".%s", cedar_show(cedar_name_str(names, place->name)).text);
}

static struct place_text show_place(const struct validator *v, const struct place *place)
{
    struct place_text out;
    struct cedar_buf buf = {.ptr = out.text, .cap = sizeof(out.text)};

    print_place(&buf, v->names, place);
    cedar_buf_end(&buf);
    return out;
}

static void fault(struct validator *v, const struct place *place, const char *what,
                  const char *detail)
{
    cedar_validator_fault(v, (struct cedar_span){0, 0}, "%s: %s%s", show_place(v, place).text, what,
                          detail);
}

/* ---- entities by identity -------------------------------------------------------------------- */

static void fault_type(struct validator *v, const struct place *place, cedar_name type)
{
    struct cedar_suggestion guess;

    cedar_suggest_begin(&guess, v->names, cedar_name_str(v->names, type));
    for (uint32_t i = 0; i < v->schema->n_entities; i++)
        cedar_suggest_name(&guess, v->schema->entities[i].name);
    cedar_validator_fault(
        v, (struct cedar_span){0, 0}, "%s: unknown entity type `%s`%s", show_place(v, place).text,
        cedar_show(cedar_name_str(v->names, type)).text, cedar_suggest_end(&guess));
}

/* Whether an entity of this identity may exist. */
static void check_uid(struct validator *v, const struct place *place, const struct cedar_uid *uid)
{
    const struct entity_type *type = cedar_find_entity_type(v->schema, uid->type);

    if (cedar_is_action_type(v->names, uid->type)) {
        if (cedar_find_action(v->schema, uid) == NULL)
            fault(v, place, "unknown action ", cedar_uid_text(v->names, uid).text);
    } else if (type == NULL) {
        fault_type(v, place, uid->type);
    } else if (!cedar_entity_type_has_id(type, uid->id)) {
        fault(v, place, cedar_uid_text(v->names, uid).text,
              " is not one of the entities of its enumerated type");
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

static void check_value(struct validator *v, const struct place *place,
                        const struct cedar_value *value, const struct cedar_type *type);

static const struct cedar_field *find_field(const struct cedar_field *fields, uint32_t n,
                                            cedar_name name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (fields[i].name == name)
            return &fields[i];
    }
    return NULL;
}

static void fault_undeclared(struct validator *v, const struct place *place,
                             const struct cedar_type *type, cedar_name name)
{
    struct cedar_suggestion guess;

    cedar_suggest_begin(&guess, v->names, cedar_name_str(v->names, name));
    for (uint32_t i = 0; i < type->n_attrs; i++)
        cedar_suggest_name(&guess, type->attrs[i].name);
    fault(v, place, "this attribute is not declared", cedar_suggest_end(&guess));
}

static void check_missing(struct validator *v, const struct place *place,
                          const struct cedar_field *fields, uint32_t n,
                          const struct cedar_type *type)
{
    for (uint32_t i = 0; i < type->n_attrs; i++) {
        struct place inner = {.up = place, .name = type->attrs[i].name};

        if (type->attrs[i].required && find_field(fields, n, type->attrs[i].name) == NULL)
            fault(v, &inner, "this attribute is required but missing", "");
    }
}

static void check_fields(struct validator *v, const struct place *place,
                         const struct cedar_field *fields, uint32_t n,
                         const struct cedar_type *type)
{
    uint32_t required = 0, present = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct cedar_attr_type *declared = cedar_type_find(type, fields[i].name);
        struct place inner = {.up = place, .name = fields[i].name};

        if (declared == NULL) {
            fault_undeclared(v, &inner, type, fields[i].name);
            continue;
        }
        present += declared->required;
        check_value(v, &inner, &fields[i].value, declared->type);
    }
    for (uint32_t i = 0; i < type->n_attrs; i++)
        required += type->attrs[i].required;
    if (present < required) /* names are distinct */
        check_missing(v, place, fields, n, type);
}

static bool is_kind(enum cedar_kind kind, enum cedar_type_kind type)
{
    static const enum cedar_kind kinds[] = {
        [TYPE_BOOL] = CEDAR_BOOL,         [TYPE_LONG] = CEDAR_LONG,
        [TYPE_STRING] = CEDAR_STRING,     [TYPE_ENTITY] = CEDAR_ENTITY,
        [TYPE_SET] = CEDAR_SET,           [TYPE_RECORD] = CEDAR_RECORD,
        [TYPE_IPADDR] = CEDAR_IPADDR,     [TYPE_DECIMAL] = CEDAR_DECIMAL,
        [TYPE_DATETIME] = CEDAR_DATETIME, [TYPE_DURATION] = CEDAR_DURATION,
    };

    return kinds[type] == kind;
}

static const char *kind_name(enum cedar_kind kind)
{
    static const char *const kind_names[] = {
        [CEDAR_BOOL] = "a Bool",         [CEDAR_LONG] = "a Long",
        [CEDAR_STRING] = "a String",     [CEDAR_ENTITY] = "an entity",
        [CEDAR_SET] = "a set",           [CEDAR_RECORD] = "a record",
        [CEDAR_IPADDR] = "an ipaddr",    [CEDAR_DECIMAL] = "a decimal",
        [CEDAR_DATETIME] = "a datetime", [CEDAR_DURATION] = "a duration",
    };

    return kind_names[kind];
}

static void fault_mismatch(struct validator *v, const struct place *place,
                           const struct cedar_type *type, const char *found)
{
    cedar_validator_fault(v, (struct cedar_span){0, 0}, "%s: expected %s, found %s",
                          show_place(v, place).text, cedar_type_text(v->names, type).text, found);
}

/* Recursion is bounded by the depth of the declared type. */
static void check_value(struct validator *v, const struct place *place,
                        const struct cedar_value *value, const struct cedar_type *type)
{
    if (!is_kind((enum cedar_kind)value->kind, type->kind)) {
        fault_mismatch(v, place, type, kind_name((enum cedar_kind)value->kind));
    } else if (type->kind == TYPE_ENTITY) {
        if (value->uid->type != type->entity)
            fault_mismatch(v, place, type, cedar_uid_text(v->names, value->uid).text);
        else
            check_uid(v, place, value->uid);
    } else if (type->kind == TYPE_SET) {
        for (uint32_t i = 0; i < value->len; i++) {
            struct place inner = {.up = place, .index = i};

            check_value(v, &inner, &value->items[i], type->element);
        }
    } else if (type->kind == TYPE_RECORD) {
        check_fields(v, place, value->fields, value->len, type);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool applies(const struct entity_type *const *types, uint32_t n, cedar_name name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (types[i]->name == name)
            return true;
    }
    return false;
}

/* "User, Group ..." */
static void print_types(const struct validator *v, struct cedar_buf *buf,
                        const struct entity_type *const *types, uint32_t n)
{
    for (uint32_t i = 0; i < n && i < 4; i++)
        cedar_buf_printf(buf, "%s%s", i > 0 ? ", " : "",
                         cedar_show(cedar_name_str(v->names, types[i]->name)).text);
    cedar_buf_printf(buf, n == 0 ? "nothing" : n > 4 ? ", ..." : "");
}

static void check_applies(struct validator *v, const char *what, const struct action_type *action,
                          const struct entity_type *const *types, uint32_t n, cedar_name type)
{
    char list[160];
    struct cedar_buf buf = {.ptr = list, .cap = sizeof(list)};

    if (applies(types, n, type) || cedar_find_entity_type(v->schema, type) == NULL)
        return; /* an unknown type was told already */
    print_types(v, &buf, types, n);
    cedar_buf_end(&buf);
    cedar_validator_fault(v, (struct cedar_span){0, 0},
                          "%s: action %s does not apply to a %s of type %s, only to %s", what,
                          cedar_uid_text(v->names, &action->uid).text, what,
                          cedar_show(cedar_name_str(v->names, type)).text, list);
}

static void check_participant(struct validator *v, const char *what, const struct cedar_uid *uid)
{
    struct place place = {.label = what};

    if (cedar_is_action_type(v->names, uid->type))
        fault_type(v, &place, uid->type);
    else
        check_uid(v, &place, uid);
}

static void check_entity(struct validator *v, const struct cedar_entity *entity, bool is_whole);

static void check_request(struct validator *v, const struct cedar_request *request)
{
    const struct action_type *action = cedar_find_action(v->schema, &request->action);
    struct place place = {.label = "action"};

    check_participant(v, "principal", &request->principal);
    check_participant(v, "resource", &request->resource);
    for (uint32_t i = 0; i < request->n_entities; i++)
        check_entity(v, &request->entities[i], false);
    if (action == NULL) {
        fault(v, &place, "unknown action ", cedar_uid_text(v->names, &request->action).text);
        return;
    }
    check_applies(v, "principal", action, action->principals, action->n_principals,
                  request->principal.type);
    check_applies(v, "resource", action, action->resources, action->n_resources,
                  request->resource.type);
    place.label = "context";
    check_fields(v, &place, request->context, request->n_context, action->context);
}

enum cedar_status cedar_validate_request(const struct cedar_schema *schema,
                                         const struct cedar_request *request,
                                         cedar_report_fn *report, void *ctx, bool *valid,
                                         struct cedar_error *err)
{
    struct validator v = {.schema = schema,
                          .names = schema->names,
                          .report = report,
                          .report_ctx = ctx,
                          .valid = true};

    (void)err; /* nothing here needs memory */
    check_request(&v, request);
    *valid = v.valid;
    return CEDAR_OK;
}

/* ---- entities -------------------------------------------------------------------------------- */

static uint32_t count_bits(const struct cedar_closure *closure, uint32_t row)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < closure->words; i++)
        n += (uint32_t)__builtin_popcountll(closure->bits[(size_t)row * closure->words + i]);
    return n;
}

/*
 * An action must be as the schema declares it. What a request brings may leave out groups, for
 * it need not name the further ones.
 */
static void check_action(struct validator *v, const struct place *place,
                         const struct cedar_entity *entity, bool is_whole)
{
    const struct action_type *action = cedar_find_action(v->schema, &entity->uid), *group;
    uint32_t declared = 0;

    if (action == NULL) {
        fault(v, place, "this action is not declared", "");
        return;
    }
    if (entity->n_attrs > 0 || entity->n_tags > 0)
        fault(v, place, "actions have no attributes and no tags", "");
    for (uint32_t i = 0; i < entity->n_parents; i++) {
        group = cedar_find_action(v->schema, &entity->parents[i]);
        if (group != NULL &&
            cedar_closure_has(&v->schema->action_closure, action->index, group->index))
            declared++;
        else
            fault(v, place, "it is not declared to be in ",
                  cedar_uid_text(v->names, &entity->parents[i]).text);
    }
    if (is_whole && declared < count_bits(&v->schema->action_closure, action->index))
        fault(v, place, "it is not in all the groups that the schema declares", "");
}

static void check_parent(struct validator *v, const struct place *place,
                         const struct entity_type *type, const struct cedar_uid *parent)
{
    const struct entity_type *above = cedar_find_entity_type(v->schema, parent->type);

    if (above == NULL ||
        !cedar_closure_has(&v->schema->entity_closure, type->index, above->index)) {
        cedar_validator_fault(v, (struct cedar_span){0, 0},
                              "%s: entities of type %s cannot be in %s", show_place(v, place).text,
                              cedar_show(cedar_name_str(v->names, type->name)).text,
                              cedar_uid_text(v->names, parent).text);
        return;
    }
    check_uid(v, place, parent);
}

static void check_tags(struct validator *v, const struct place *place,
                       const struct entity_type *type, const struct cedar_entity *entity)
{
    struct place tags = {.up = place, .label = "tags"};

    if (entity->n_tags > 0 && type->tags == NULL) {
        fault(v, place, "entities of its type have no tags", "");
        return;
    }
    for (uint32_t i = 0; i < entity->n_tags; i++) {
        struct place inner = {.up = &tags, .name = entity->tags[i].name};

        check_value(v, &inner, &entity->tags[i].value, type->tags);
    }
}

static void check_entity(struct validator *v, const struct cedar_entity *entity, bool is_whole)
{
    struct cedar_uid_text uid = cedar_uid_text(v->names, &entity->uid);
    const struct entity_type *type = cedar_find_entity_type(v->schema, entity->uid.type);
    struct place place = {.label = uid.text};

    if (cedar_is_action_type(v->names, entity->uid.type)) {
        check_action(v, &place, entity, is_whole);
        return;
    }
    check_uid(v, &place, &entity->uid);
    if (type == NULL)
        return;
    check_fields(v, &place, entity->attrs, entity->n_attrs, type->attrs);
    for (uint32_t i = 0; i < entity->n_parents; i++)
        check_parent(v, &place, type, &entity->parents[i]);
    check_tags(v, &place, type, entity);
}

enum cedar_status cedar_validate_entities(const struct cedar_schema *schema,
                                          const struct cedar_entities *entities,
                                          cedar_report_fn *report, void *ctx, bool *valid,
                                          struct cedar_error *err)
{
    struct validator v = {.schema = schema,
                          .names = schema->names,
                          .report = report,
                          .report_ctx = ctx,
                          .valid = true};

    (void)err;
    for (size_t i = 0; i < cedar_entities_count(entities); i++) {
        struct cedar_entity entity = cedar_entities_at(entities, i);

        check_entity(&v, &entity, true);
    }
    *valid = v.valid;
    return CEDAR_OK;
}
