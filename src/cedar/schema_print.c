/* SPDX-License-Identifier: Apache-2.0 */
/* Printing a schema in the human-readable format. Comments are not kept. */
#include "schema.h"
#include "text.h"

enum { INDENT = 2 };

struct printer {
    const struct cedar_schema *schema;
    const struct schema_namespace *ns;
    cedar_write_fn *write;
    void *ctx;
    struct cedar_arena arena; /* for quoting */
    struct cedar_error *err;
    enum cedar_status status; /* nothing is written after a failure */
    int indent;
    bool after_item; /* a blank line stands between declarations */
};

static void put(struct printer *p, struct cedar_str text)
{
    if (p->status == CEDAR_OK && text.len > 0 && !p->write(p->ctx, text.ptr, text.len))
        p->status = cedar_fail(p->err, CEDAR_ERR_INVALID, (struct cedar_str){"", 0},
                               (struct cedar_span){0, 0}, "the output could not be written");
}

static void put_text(struct printer *p, const char *text)
{
    put(p, cedar_str(text));
}

static void put_line(struct printer *p)
{
    put_text(p, "\n");
    for (int i = 0; i < p->indent; i++)
        put_text(p, " ");
}

static void put_name(struct printer *p, cedar_name name)
{
    put(p, cedar_name_str(p->schema->names, name));
}

static void put_quoted(struct printer *p, struct cedar_str text)
{
    struct cedar_buf count = {NULL, 0, 0}, buf;

    cedar_quote(&count, text);
    buf = (struct cedar_buf){cedar_arena_get(&p->arena, count.len + 1), count.len + 1, 0};
    if (buf.ptr == NULL) {
        if (p->status == CEDAR_OK)
            p->status = cedar_fail_memory(p->err);
        return;
    }
    cedar_quote(&buf, text);
    put(p, (struct cedar_str){buf.ptr, buf.len});
}

/* Bare if it can be. */
static void put_word(struct printer *p, struct cedar_str word)
{
    if (cedar_is_ident(word) && !cedar_is_reserved(word))
        put(p, word);
    else
        put_quoted(p, word);
}

static void fail(struct printer *p, const char *why, cedar_name name)
{
    if (p->status == CEDAR_OK)
        p->status = cedar_fail(p->err, CEDAR_ERR_CONFLICT, (struct cedar_str){"", 0},
                               (struct cedar_span){0, 0},
                               "`%s` cannot be written in the human-readable format: %s",
                               cedar_show(cedar_name_str(p->schema->names, name)).text, why);
}

static void put_notes(struct printer *p, const struct schema_note *note)
{
    for (; note != NULL; note = note->next) {
        put_text(p, "@");
        put(p, note->key);
        if (note->has_value) {
            put_text(p, "(");
            put_quoted(p, note->value);
            put_text(p, ")");
        }
        put_line(p);
    }
}

/* ---- types ----------------------------------------------------------------------------------- */

static void put_type(struct printer *p, const struct schema_type *type);

static void put_record(struct printer *p, const struct schema_type *type)
{
    put_text(p, "{");
    p->indent += INDENT;
    for (const struct schema_attr *attr = type->attrs; attr != NULL; attr = attr->next) {
        put_line(p);
        put_notes(p, attr->notes);
        put_word(p, cedar_name_str(p->schema->names, attr->name));
        put_text(p, attr->required ? ": " : "?: ");
        put_type(p, attr->type);
        put_text(p, attr->next != NULL ? "," : "");
    }
    p->indent -= INDENT;
    if (type->attrs != NULL)
        put_line(p);
    put_text(p, "}");
}

static void put_type(struct printer *p, const struct schema_type *type)
{
    switch (type->kind) {
    case WRITTEN_BOOL:
        put_text(p, "__cedar::Bool");
        break;
    case WRITTEN_LONG:
        put_text(p, "__cedar::Long");
        break;
    case WRITTEN_STRING:
        put_text(p, "__cedar::String");
        break;
    case WRITTEN_EXTENSION:
        put_text(p, "__cedar::");
        put_name(p, type->name);
        break;
    case WRITTEN_ENTITY:
    case WRITTEN_COMMON:
        if (!cedar_schema_is_plain_reference(p->schema, p->ns, type))
            fail(p, "an entity type and a common type have this name", type->name);
        put_name(p, type->name);
        break;
    case WRITTEN_EITHER:
        put_name(p, type->name);
        break;
    case WRITTEN_SET:
        put_text(p, "Set<");
        put_type(p, type->element);
        put_text(p, ">");
        break;
    case WRITTEN_RECORD:
        put_record(p, type);
        break;
    }
}

/* ---- declarations ---------------------------------------------------------------------------- */

static void begin_item(struct printer *p, const struct schema_note *notes)
{
    if (p->after_item)
        put_text(p, "\n");
    p->after_item = true;
    for (int i = 0; i < p->indent; i++)
        put_text(p, " ");
    put_notes(p, notes);
}

static void end_item(struct printer *p)
{
    put_text(p, ";\n");
}

static void put_type_refs(struct printer *p, const struct schema_ref *ref)
{
    put_text(p, "[");
    for (; ref != NULL; ref = ref->next) {
        put_name(p, ref->name);
        put_text(p, ref->next != NULL ? ", " : "");
    }
    put_text(p, "]");
}

static void put_common(struct printer *p, const struct schema_common *common)
{
    begin_item(p, common->notes);
    put_text(p, "type ");
    put_name(p, common->name);
    put_text(p, " = ");
    put_type(p, common->type);
    end_item(p);
}

static void put_choices(struct printer *p, const struct schema_choice *choice)
{
    put_text(p, " enum [");
    for (; choice != NULL; choice = choice->next) {
        put_quoted(p, choice->id);
        put_text(p, choice->next != NULL ? ", " : "");
    }
    put_text(p, "]");
}

static void put_entity(struct printer *p, const struct schema_entity *entity)
{
    begin_item(p, entity->notes);
    put_text(p, "entity ");
    put_name(p, entity->name);
    if (entity->choices != NULL)
        put_choices(p, entity->choices);
    if (entity->parents != NULL) {
        put_text(p, " in ");
        put_type_refs(p, entity->parents);
    }
    if (entity->shape != NULL && entity->shape->kind != WRITTEN_RECORD)
        fail(p, "its shape is a common type", entity->name);
    else if (entity->shape != NULL && entity->shape->attrs != NULL) {
        put_text(p, " = ");
        put_record(p, entity->shape);
    }
    if (entity->tags != NULL) {
        put_text(p, " tags ");
        put_type(p, entity->tags);
    }
    end_item(p);
}

static void put_groups(struct printer *p, const struct schema_ref *ref)
{
    put_text(p, " in [");
    for (; ref != NULL; ref = ref->next) {
        if (ref->name != CEDAR_NO_NAME) {
            put_name(p, ref->name);
            put_text(p, "::");
            put_quoted(p, ref->id);
        } else {
            put_word(p, ref->id);
        }
        put_text(p, ref->next != NULL ? ", " : "");
    }
    put_text(p, "]");
}

static void put_applies(struct printer *p, const struct schema_action *action)
{
    put_text(p, " appliesTo {");
    p->indent += INDENT;
    put_line(p);
    put_text(p, "principal: ");
    put_type_refs(p, action->principals);
    put_text(p, ",");
    put_line(p);
    put_text(p, "resource: ");
    put_type_refs(p, action->resources);
    put_text(p, ",");
    put_line(p);
    put_text(p, "context: ");
    if (action->context != NULL)
        put_type(p, action->context);
    else
        put_text(p, "{}");
    p->indent -= INDENT;
    put_line(p);
    put_text(p, "}");
}

static void put_action(struct printer *p, const struct schema_action *action)
{
    begin_item(p, action->notes);
    put_text(p, "action ");
    put_word(p, action->id);
    if (action->parents != NULL)
        put_groups(p, action->parents);
    if (action->principals != NULL && action->resources != NULL)
        put_applies(p, action); /* else it applies to nothing */
    end_item(p);
}

static void put_declarations(struct printer *p)
{
    for (const struct schema_common *c = p->ns->commons; c != NULL; c = c->next)
        put_common(p, c);
    for (const struct schema_entity *e = p->ns->entities; e != NULL; e = e->next)
        put_entity(p, e);
    for (const struct schema_action *a = p->ns->actions; a != NULL; a = a->next)
        put_action(p, a);
}

static void put_namespace(struct printer *p)
{
    if (p->ns->name == CEDAR_NO_NAME) {
        put_declarations(p);
        return;
    }
    begin_item(p, p->ns->notes);
    put_text(p, "namespace ");
    put_name(p, p->ns->name);
    put_text(p, " {\n");
    p->indent += INDENT;
    p->after_item = false;
    put_declarations(p);
    p->after_item = true;
    p->indent -= INDENT;
    put_text(p, "}\n");
}

enum cedar_status cedar_schema_print(const struct cedar_schema *schema, cedar_write_fn *write,
                                     void *ctx, struct cedar_error *err)
{
    struct printer p = {.schema = schema, .write = write, .ctx = ctx, .err = err};

    cedar_arena_init(&p.arena, &schema->arena.alloc);
    for (p.ns = schema->fragment.namespaces; p.ns != NULL; p.ns = p.ns->next)
        put_namespace(&p);
    cedar_arena_free(&p.arena);
    return p.status;
}
