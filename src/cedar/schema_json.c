/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON schema format. Unknown members are errors: a typo must not widen a schema. */
#include "json.h"
#include "schema_ast.h"
#include "text.h"

#define TRY(call)                               \
    do {                                        \
        enum cedar_status try_status_ = (call); \
        if (try_status_ != CEDAR_OK)            \
            return try_status_;                 \
    } while (0)

struct reader {
    struct schema_fragment *fragment;
    struct cedar_error *err;
};

/* Fails with a message about one name, which stands for %s in the format. */
#define fail(r, span, format, name)                                               \
    cedar_fail((r)->err, CEDAR_ERR_SYNTAX, (r)->fragment->source, (span), format, \
               cedar_show(name).text)

static enum cedar_status want(struct reader *r, const struct cedar_json *json,
                              enum cedar_json_kind kind, const char *what)
{
    if (json->kind == kind)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                      "expected %s, found %s", what, cedar_json_kind_name(json));
}

/* allowed is a list that ends with NULL. */
static enum cedar_status want_members(struct reader *r, const struct cedar_json *json,
                                      const char *const *allowed)
{
    TRY(want(r, json, JSON_OBJECT, "an object"));
    for (uint32_t i = 0; i < json->n; i++) {
        const struct cedar_json_member *member = &json->members[i];
        const char *const *name = allowed;

        while (*name != NULL && !cedar_str_eq(member->key, cedar_str(*name)))
            name++;
        if (*name == NULL)
            return fail(r, member->span, "unknown member \"%s\"", member->key);
    }
    return CEDAR_OK;
}

static enum cedar_status intern(struct reader *r, struct cedar_str text, cedar_name *out)
{
    *out = cedar_intern(r->fragment->names, text);
    return *out != CEDAR_NO_NAME ? CEDAR_OK : cedar_fail_memory(r->err);
}

/* A name that is declared: one identifier. */
static enum cedar_status declared_name(struct reader *r, const struct cedar_json_member *member,
                                       cedar_name *out)
{
    if (!cedar_is_ident(member->key) || cedar_is_reserved(member->key))
        return fail(r, member->span, "`%s` is no name for a type", member->key);
    return intern(r, member->key, out);
}

/* A name that is referred to: a path, perhaps into __cedar. */
static enum cedar_status referred_name(struct reader *r, struct cedar_str text,
                                       struct cedar_span span, cedar_name *out)
{
    struct cedar_str prefix = CEDAR_STR("__cedar::"), rest = text;

    if (text.len > prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0)
        rest = (struct cedar_str){text.ptr + prefix.len, text.len - prefix.len};
    if (!cedar_is_path(rest))
        return fail(r, span, "`%s` is no name of a type", text);
    return intern(r, text, out);
}

static enum cedar_status read_notes(struct reader *r, const struct cedar_json *json,
                                    struct schema_note **out)
{
    if (json == NULL)
        return CEDAR_OK;
    TRY(want(r, json, JSON_OBJECT, "an object of annotations"));
    for (uint32_t i = 0; i < json->n; i++) {
        const struct cedar_json_member *member = &json->members[i];
        struct schema_note *note = CEDAR_NEW(r->fragment->arena, struct schema_note);

        if (note == NULL)
            return cedar_fail_memory(r->err);
        if (!cedar_is_ident(member->key))
            return fail(r, member->span, "`%s` is no name for an annotation", member->key);
        note->key = member->key;
        note->has_value = member->value.kind != JSON_NULL;
        if (note->has_value) {
            TRY(want(r, &member->value, JSON_STRING, "a string"));
            note->value = member->value.string;
        }
        *out = note;
        out = &note->next;
    }
    return CEDAR_OK;
}

/* Where a type stands decides what else its object may hold. */
enum place { PLACE_PLAIN, PLACE_COMMON, PLACE_ATTRIBUTE };

static enum cedar_status read_type_into(struct reader *r, const struct cedar_json *json,
                                        enum place place, struct schema_type *out);

static enum cedar_status read_type_at(struct reader *r, const struct cedar_json *json,
                                      enum place place, struct schema_type **out)
{
    *out = CEDAR_NEW(r->fragment->arena, struct schema_type);
    if (*out == NULL)
        return cedar_fail_memory(r->err);
    return read_type_into(r, json, place, *out);
}

static enum cedar_status read_type(struct reader *r, const struct cedar_json *json,
                                   struct schema_type **out)
{
    return read_type_at(r, json, PLACE_PLAIN, out);
}

static enum cedar_status read_attr(struct reader *r, const struct cedar_json_member *member,
                                   struct schema_attr **out)
{
    struct schema_attr *attr = CEDAR_NEW(r->fragment->arena, struct schema_attr);
    const struct cedar_json *required;

    if (attr == NULL)
        return cedar_fail_memory(r->err);
    attr->span = member->span;
    attr->required = true;
    TRY(intern(r, member->key, &attr->name));
    TRY(read_type_at(r, &member->value, PLACE_ATTRIBUTE, &attr->type));
    required = cedar_json_get(&member->value, "required");
    if (required != NULL) {
        TRY(want(r, required, JSON_BOOL, "true or false"));
        attr->required = required->boolean;
    }
    *out = attr;
    return read_notes(r, cedar_json_get(&member->value, "annotations"), &attr->notes);
}

static enum cedar_status read_record(struct reader *r, const struct cedar_json *json,
                                     struct schema_type *out)
{
    const struct cedar_json *attrs = cedar_json_get(json, "attributes");
    const struct cedar_json *open = cedar_json_get(json, "additionalAttributes");
    struct schema_attr **end = &out->attrs;

    out->kind = WRITTEN_RECORD;
    if (attrs == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "a record type without \"attributes\"");
    TRY(want(r, attrs, JSON_OBJECT, "an object of attributes"));
    if (open != NULL) {
        TRY(want(r, open, JSON_BOOL, "true or false"));
        if (open->boolean)
            return cedar_fail(r->err, CEDAR_ERR_INVALID, r->fragment->source, open->span,
                              "records of undeclared attributes are not supported");
    }
    if (attrs->n > CEDAR_MAX_ELEMENTS)
        return cedar_fail(r->err, CEDAR_ERR_LIMIT, r->fragment->source, attrs->span,
                          "a record of more than %u attributes", CEDAR_MAX_ELEMENTS);
    for (uint32_t i = 0; i < attrs->n; i++) {
        TRY(read_attr(r, &attrs->members[i], end));
        end = &(*end)->next;
    }
    out->n_attrs = attrs->n;
    return CEDAR_OK;
}

static enum cedar_status read_named(struct reader *r, const struct cedar_json *json,
                                    enum schema_type_kind kind, struct schema_type *out)
{
    const struct cedar_json *name = cedar_json_get(json, "name");

    out->kind = kind;
    if (name == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "this type needs a \"name\"");
    TRY(want(r, name, JSON_STRING, "a string"));
    return referred_name(r, name->string, name->span, &out->name);
}

static enum cedar_status read_set(struct reader *r, const struct cedar_json *json,
                                  struct schema_type *out)
{
    const struct cedar_json *element = cedar_json_get(json, "element");

    out->kind = WRITTEN_SET;
    if (element == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "a set type without \"element\"");
    return read_type(r, element, &out->element);
}

/* The members that a kind of type may have beside "type". */
struct type_form {
    const char *name;
    enum schema_type_kind kind;
    const char *members[3];
};

static const struct type_form *find_form(struct cedar_str name)
{
    static const struct type_form forms[] = {
        {"String", WRITTEN_STRING, {NULL}},
        {"Long", WRITTEN_LONG, {NULL}},
        {"Boolean", WRITTEN_BOOL, {NULL}},
        {"Set", WRITTEN_SET, {"element", NULL}},
        {"Record", WRITTEN_RECORD, {"attributes", "additionalAttributes", NULL}},
        {"Entity", WRITTEN_ENTITY, {"name", NULL}},
        {"EntityOrCommon", WRITTEN_EITHER, {"name", NULL}},
        {"Extension", WRITTEN_EXTENSION, {"name", NULL}},
    };
    static const struct type_form common = {"", WRITTEN_COMMON, {NULL}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (cedar_str_eq(name, cedar_str(forms[i].name)))
            return &forms[i];
    }
    return &common;
}

static enum cedar_status check_form(struct reader *r, const struct cedar_json *json,
                                    const struct type_form *form, enum place place)
{
    const char *allowed[7] = {"type"};
    size_t n = 1;

    if (place != PLACE_PLAIN)
        allowed[n++] = "annotations";
    if (place == PLACE_ATTRIBUTE)
        allowed[n++] = "required";
    for (size_t i = 0; form->members[i] != NULL; i++)
        allowed[n++] = form->members[i];
    allowed[n] = NULL;
    return want_members(r, json, allowed);
}

static enum cedar_status read_type_into(struct reader *r, const struct cedar_json *json,
                                        enum place place, struct schema_type *out)
{
    const struct cedar_json *type;
    const struct type_form *form;

    TRY(want(r, json, JSON_OBJECT, "a type (an object)"));
    type = cedar_json_get(json, "type");
    if (type == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "a type without \"type\"");
    TRY(want(r, type, JSON_STRING, "a string"));
    form = find_form(type->string);
    TRY(check_form(r, json, form, place));
    out->span = type->span;
    out->kind = form->kind;
    switch (form->kind) {
    case WRITTEN_SET:
        return read_set(r, json, out);
    case WRITTEN_RECORD:
        return read_record(r, json, out);
    case WRITTEN_ENTITY:
    case WRITTEN_EITHER:
    case WRITTEN_EXTENSION:
        return read_named(r, json, form->kind, out);
    case WRITTEN_COMMON:
        return referred_name(r, type->string, type->span, &out->name);
    case WRITTEN_BOOL:
    case WRITTEN_LONG:
    case WRITTEN_STRING:
        break;
    }
    return CEDAR_OK;
}

/* An array of the names of entity types. */
static enum cedar_status read_type_refs(struct reader *r, const struct cedar_json *json,
                                        struct schema_ref **out)
{
    TRY(want(r, json, JSON_ARRAY, "an array of entity types"));
    for (uint32_t i = 0; i < json->n; i++) {
        struct schema_ref *ref = CEDAR_NEW(r->fragment->arena, struct schema_ref);

        if (ref == NULL)
            return cedar_fail_memory(r->err);
        TRY(want(r, &json->items[i], JSON_STRING, "the name of an entity type"));
        ref->span = json->items[i].span;
        TRY(referred_name(r, json->items[i].string, ref->span, &ref->name));
        *out = ref;
        out = &ref->next;
    }
    return CEDAR_OK;
}

static enum cedar_status read_choices(struct reader *r, const struct cedar_json *json,
                                      struct schema_choice **out)
{
    TRY(want(r, json, JSON_ARRAY, "an array of ids"));
    if (json->n == 0)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "an enumerated entity type needs at least one id");
    for (uint32_t i = 0; i < json->n; i++) {
        *out = CEDAR_NEW(r->fragment->arena, struct schema_choice);
        if (*out == NULL)
            return cedar_fail_memory(r->err);
        TRY(want(r, &json->items[i], JSON_STRING, "an id (a string)"));
        (*out)->id = json->items[i].string;
        out = &(*out)->next;
    }
    return CEDAR_OK;
}

static enum cedar_status read_entity(struct reader *r, const struct cedar_json_member *member,
                                     struct schema_namespace *ns)
{
    static const char *const standard[] = {"memberOfTypes", "shape", "tags",
                                           "annotations",   "enum",  NULL};
    static const char *const enumerated[] = {"enum", "annotations", NULL};
    struct schema_entity *entity = CEDAR_NEW(r->fragment->arena, struct schema_entity);
    const struct cedar_json *json = &member->value, *part;

    if (entity == NULL)
        return cedar_fail_memory(r->err);
    entity->span = member->span;
    TRY(declared_name(r, member, &entity->name));
    TRY(want_members(r, json, cedar_json_get(json, "enum") != NULL ? enumerated : standard));
    if ((part = cedar_json_get(json, "enum")) != NULL)
        TRY(read_choices(r, part, &entity->choices));
    if ((part = cedar_json_get(json, "memberOfTypes")) != NULL)
        TRY(read_type_refs(r, part, &entity->parents));
    if ((part = cedar_json_get(json, "shape")) != NULL)
        TRY(read_type(r, part, &entity->shape));
    if ((part = cedar_json_get(json, "tags")) != NULL)
        TRY(read_type(r, part, &entity->tags));
    *ns->entities_end = entity;
    ns->entities_end = &entity->next;
    return read_notes(r, cedar_json_get(json, "annotations"), &entity->notes);
}

static enum cedar_status read_action_ref(struct reader *r, const struct cedar_json *json,
                                         struct schema_ref *ref)
{
    static const char *const members[] = {"id", "type", NULL};
    const struct cedar_json *id, *type;

    TRY(want_members(r, json, members));
    ref->span = json->span;
    id = cedar_json_get(json, "id");
    if (id == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "an action group without \"id\"");
    TRY(want(r, id, JSON_STRING, "a string"));
    ref->id = id->string;
    type = cedar_json_get(json, "type");
    if (type == NULL || type->kind == JSON_NULL)
        return CEDAR_OK;
    TRY(want(r, type, JSON_STRING, "a string"));
    return referred_name(r, type->string, type->span, &ref->name);
}

static enum cedar_status read_action_refs(struct reader *r, const struct cedar_json *json,
                                          struct schema_ref **out)
{
    TRY(want(r, json, JSON_ARRAY, "an array of action groups"));
    for (uint32_t i = 0; i < json->n; i++) {
        *out = CEDAR_NEW(r->fragment->arena, struct schema_ref);
        if (*out == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_action_ref(r, &json->items[i], *out));
        out = &(*out)->next;
    }
    return CEDAR_OK;
}

static enum cedar_status read_applies(struct reader *r, const struct cedar_json *json,
                                      struct schema_action *action)
{
    static const char *const members[] = {"principalTypes", "resourceTypes", "context", NULL};
    const struct cedar_json *principals, *resources, *context;

    if (json == NULL || json->kind == JSON_NULL)
        return CEDAR_OK;
    TRY(want_members(r, json, members));
    principals = cedar_json_get(json, "principalTypes");
    resources = cedar_json_get(json, "resourceTypes");
    if (principals == NULL || resources == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, json->span,
                          "\"appliesTo\" without \"%s\"",
                          principals == NULL ? "principalTypes" : "resourceTypes");
    TRY(read_type_refs(r, principals, &action->principals));
    TRY(read_type_refs(r, resources, &action->resources));
    context = cedar_json_get(json, "context");
    return context != NULL ? read_type(r, context, &action->context) : CEDAR_OK;
}

static enum cedar_status read_action(struct reader *r, const struct cedar_json_member *member,
                                     struct schema_namespace *ns)
{
    static const char *const members[] = {"appliesTo", "memberOf", "annotations", "attributes",
                                          NULL};
    struct schema_action *action = CEDAR_NEW(r->fragment->arena, struct schema_action);
    const struct cedar_json *json = &member->value, *part;

    if (action == NULL)
        return cedar_fail_memory(r->err);
    action->id = member->key;
    action->span = member->span;
    TRY(want_members(r, json, members));
    part = cedar_json_get(json, "attributes");
    if (part != NULL && part->kind != JSON_NULL && !(part->kind == JSON_OBJECT && part->n == 0))
        return cedar_fail(r->err, CEDAR_ERR_INVALID, r->fragment->source, part->span,
                          "actions cannot have attributes");
    part = cedar_json_get(json, "memberOf");
    if (part != NULL && part->kind != JSON_NULL)
        TRY(read_action_refs(r, part, &action->parents));
    TRY(read_applies(r, cedar_json_get(json, "appliesTo"), action));
    *ns->actions_end = action;
    ns->actions_end = &action->next;
    return read_notes(r, cedar_json_get(json, "annotations"), &action->notes);
}

static enum cedar_status read_common(struct reader *r, const struct cedar_json_member *member,
                                     struct schema_namespace *ns)
{
    struct schema_common *common = CEDAR_NEW(r->fragment->arena, struct schema_common);

    if (common == NULL)
        return cedar_fail_memory(r->err);
    common->span = member->span;
    TRY(declared_name(r, member, &common->name));
    if (cedar_schema_is_builtin(member->key))
        return fail(r, member->span, "`%s` is built in: a common type cannot have its name",
                    member->key);
    TRY(read_type_at(r, &member->value, PLACE_COMMON, &common->type));
    *ns->commons_end = common;
    ns->commons_end = &common->next;
    return read_notes(r, cedar_json_get(&member->value, "annotations"), &common->notes);
}

typedef enum cedar_status read_member_fn(struct reader *r, const struct cedar_json_member *member,
                                         struct schema_namespace *ns);

static enum cedar_status read_members(struct reader *r, const struct cedar_json *json,
                                      read_member_fn *read, struct schema_namespace *ns)
{
    TRY(want(r, json, JSON_OBJECT, "an object of declarations"));
    for (uint32_t i = 0; i < json->n; i++)
        TRY(read(r, &json->members[i], ns));
    return CEDAR_OK;
}

static enum cedar_status read_namespace(struct reader *r, const struct cedar_json_member *member)
{
    static const char *const members[] = {"entityTypes", "actions", "commonTypes", "annotations",
                                          NULL};
    const struct cedar_json *json = &member->value, *entities, *actions, *commons;
    cedar_name name = CEDAR_NO_NAME;
    struct schema_namespace *ns;
    bool is_new;

    if (member->key.len > 0) {
        if (!cedar_is_path(member->key))
            return fail(r, member->span, "`%s` is no name for a namespace", member->key);
        TRY(intern(r, member->key, &name));
    }
    ns = cedar_schema_namespace(r->fragment, name, &is_new);
    if (ns == NULL)
        return cedar_fail_memory(r->err);
    ns->span = member->span;
    TRY(want_members(r, json, members));
    entities = cedar_json_get(json, "entityTypes");
    actions = cedar_json_get(json, "actions");
    commons = cedar_json_get(json, "commonTypes");
    if (entities == NULL || actions == NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, member->span,
                          "a namespace without \"%s\"",
                          entities == NULL ? "entityTypes" : "actions");
    if (commons != NULL)
        TRY(read_members(r, commons, read_common, ns));
    TRY(read_members(r, entities, read_entity, ns));
    TRY(read_members(r, actions, read_action, ns));
    TRY(read_notes(r, cedar_json_get(json, "annotations"), &ns->notes));
    if (name == CEDAR_NO_NAME && ns->notes != NULL)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->fragment->source, member->span,
                          "the empty namespace cannot have annotations");
    return CEDAR_OK;
}

enum cedar_status cedar_schema_read_json(struct schema_fragment *fragment, struct cedar_error *err)
{
    struct reader r = {.fragment = fragment, .err = err};
    struct cedar_json json;

    TRY(cedar_json_parse(fragment->arena, fragment->source, CEDAR_MAX_TEXT, &json, err));
    TRY(want(&r, &json, JSON_OBJECT, "an object of namespaces"));
    for (uint32_t i = 0; i < json.n; i++)
        TRY(read_namespace(&r, &json.members[i]));
    return CEDAR_OK;
}
