/* SPDX-License-Identifier: Apache-2.0 */
/* Printing a schema in the JSON format. */
#include "json.h"
#include "schema.h"

struct printer {
    const struct cedar_schema *schema;
    struct cedar_json_writer json;
};

static void put_key(struct printer *p, const char *key)
{
    cedar_json_key(&p->json, cedar_str(key));
}

static void put_name(struct printer *p, cedar_name name)
{
    cedar_json_put_string(&p->json, cedar_name_str(p->schema->names, name));
}

static void put_notes(struct printer *p, const struct schema_note *note)
{
    if (note == NULL)
        return;
    put_key(p, "annotations");
    cedar_json_begin(&p->json, '{');
    for (; note != NULL; note = note->next) {
        cedar_json_key(&p->json, note->key);
        if (note->has_value)
            cedar_json_put_string(&p->json, note->value);
        else
            cedar_json_put_null(&p->json);
    }
    cedar_json_end(&p->json, '}');
}

/* ---- types ----------------------------------------------------------------------------------- */

static void put_type_members(struct printer *p, const struct schema_type *type);

static void put_type(struct printer *p, const struct schema_type *type)
{
    cedar_json_begin(&p->json, '{');
    put_type_members(p, type);
    cedar_json_end(&p->json, '}');
}

static void put_attributes(struct printer *p, const struct schema_attr *attr)
{
    put_key(p, "attributes");
    cedar_json_begin(&p->json, '{');
    for (; attr != NULL; attr = attr->next) {
        cedar_json_key(&p->json, cedar_name_str(p->schema->names, attr->name));
        cedar_json_begin(&p->json, '{');
        put_type_members(p, attr->type);
        if (!attr->required) {
            put_key(p, "required");
            cedar_json_put_bool(&p->json, false);
        }
        put_notes(p, attr->notes);
        cedar_json_end(&p->json, '}');
    }
    cedar_json_end(&p->json, '}');
}

static void put_type_members(struct printer *p, const struct schema_type *type)
{
    static const char *const kinds[] = {
        [WRITTEN_BOOL] = "Boolean",          [WRITTEN_LONG] = "Long",
        [WRITTEN_STRING] = "String",         [WRITTEN_SET] = "Set",
        [WRITTEN_RECORD] = "Record",         [WRITTEN_ENTITY] = "Entity",
        [WRITTEN_EITHER] = "EntityOrCommon", [WRITTEN_EXTENSION] = "Extension",
    };

    put_key(p, "type");
    if (type->kind == WRITTEN_COMMON) {
        put_name(p, type->name);
        return;
    }
    cedar_json_put_string(&p->json, cedar_str(kinds[type->kind]));
    if (type->kind == WRITTEN_SET) {
        put_key(p, "element");
        put_type(p, type->element);
    } else if (type->kind == WRITTEN_RECORD) {
        put_attributes(p, type->attrs);
    } else if (type->name != CEDAR_NO_NAME) {
        put_key(p, "name");
        put_name(p, type->name);
    }
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void put_type_refs(struct printer *p, const char *key, const struct schema_ref *ref)
{
    put_key(p, key);
    cedar_json_begin(&p->json, '[');
    for (; ref != NULL; ref = ref->next)
        put_name(p, ref->name);
    cedar_json_end(&p->json, ']');
}

static void put_common(struct printer *p, const struct schema_common *common)
{
    cedar_json_key(&p->json, cedar_name_str(p->schema->names, common->name));
    cedar_json_begin(&p->json, '{');
    put_type_members(p, common->type);
    put_notes(p, common->notes);
    cedar_json_end(&p->json, '}');
}

static void put_choices(struct printer *p, const struct schema_choice *choice)
{
    put_key(p, "enum");
    cedar_json_begin(&p->json, '[');
    for (; choice != NULL; choice = choice->next)
        cedar_json_put_string(&p->json, choice->id);
    cedar_json_end(&p->json, ']');
}

static void put_entity(struct printer *p, const struct schema_entity *entity)
{
    cedar_json_key(&p->json, cedar_name_str(p->schema->names, entity->name));
    cedar_json_begin(&p->json, '{');
    if (entity->choices != NULL)
        put_choices(p, entity->choices);
    if (entity->parents != NULL)
        put_type_refs(p, "memberOfTypes", entity->parents);
    if (entity->shape != NULL) {
        put_key(p, "shape");
        put_type(p, entity->shape);
    }
    if (entity->tags != NULL) {
        put_key(p, "tags");
        put_type(p, entity->tags);
    }
    put_notes(p, entity->notes);
    cedar_json_end(&p->json, '}');
}

static void put_groups(struct printer *p, const struct schema_ref *ref)
{
    put_key(p, "memberOf");
    cedar_json_begin(&p->json, '[');
    for (; ref != NULL; ref = ref->next) {
        cedar_json_begin(&p->json, '{');
        put_key(p, "id");
        cedar_json_put_string(&p->json, ref->id);
        if (ref->name != CEDAR_NO_NAME) {
            put_key(p, "type");
            put_name(p, ref->name);
        }
        cedar_json_end(&p->json, '}');
    }
    cedar_json_end(&p->json, ']');
}

static void put_action(struct printer *p, const struct schema_action *action)
{
    cedar_json_key(&p->json, action->id);
    cedar_json_begin(&p->json, '{');
    if (action->parents != NULL)
        put_groups(p, action->parents);
    put_key(p, "appliesTo");
    cedar_json_begin(&p->json, '{');
    put_type_refs(p, "principalTypes", action->principals);
    put_type_refs(p, "resourceTypes", action->resources);
    if (action->context != NULL) {
        put_key(p, "context");
        put_type(p, action->context);
    }
    cedar_json_end(&p->json, '}');
    put_notes(p, action->notes);
    cedar_json_end(&p->json, '}');
}

static void put_namespace(struct printer *p, const struct schema_namespace *ns)
{
    cedar_json_key(&p->json, cedar_name_str(p->schema->names, ns->name));
    cedar_json_begin(&p->json, '{');
    if (ns->commons != NULL) {
        put_key(p, "commonTypes");
        cedar_json_begin(&p->json, '{');
        for (const struct schema_common *c = ns->commons; c != NULL; c = c->next)
            put_common(p, c);
        cedar_json_end(&p->json, '}');
    }
    put_key(p, "entityTypes");
    cedar_json_begin(&p->json, '{');
    for (const struct schema_entity *e = ns->entities; e != NULL; e = e->next)
        put_entity(p, e);
    cedar_json_end(&p->json, '}');
    put_key(p, "actions");
    cedar_json_begin(&p->json, '{');
    for (const struct schema_action *a = ns->actions; a != NULL; a = a->next)
        put_action(p, a);
    cedar_json_end(&p->json, '}');
    put_notes(p, ns->notes);
    cedar_json_end(&p->json, '}');
}

enum cedar_status cedar_schema_print_json(const struct cedar_schema *schema, cedar_write_fn *write,
                                          void *ctx, struct cedar_error *err)
{
    struct printer p = {.schema = schema, .json = {.write = write, .ctx = ctx}};

    cedar_json_begin(&p.json, '{');
    for (const struct schema_namespace *ns = schema->fragment.namespaces; ns; ns = ns->next)
        put_namespace(&p, ns);
    cedar_json_end(&p.json, '}');
    if (p.json.failed)
        return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){"", 0},
                          (struct cedar_span){0, 0}, "the output could not be written");
    return CEDAR_OK;
}
