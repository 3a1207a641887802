/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include "text.h"

/* ---- maps and closures -------------------------------------------------------------- */

static uint32_t slot_of(const struct cedar_name_map *map, cedar_name name)
{
    uint32_t i = (name * 0x9e3779b1u) & (map->cap - 1);

    while (map->slots[i].name != CEDAR_NO_NAME && map->slots[i].name != name)
        i = (i + 1) & (map->cap - 1);
    return i;
}

void *cedar_name_map_get(const struct cedar_name_map *map, cedar_name name)
{
    return map->cap == 0 || name == CEDAR_NO_NAME ? NULL : map->slots[slot_of(map, name)].value;
}

static bool map_grow(struct cedar_name_map *map)
{
    struct cedar_name_map bigger = {.arena = map->arena, .len = map->len};

    bigger.cap = map->cap == 0 ? 16 : map->cap * 2;
    bigger.slots = CEDAR_NEW_N(map->arena, struct name_slot, bigger.cap);
    if (bigger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < map->cap; i++) {
        if (map->slots[i].name != CEDAR_NO_NAME)
            bigger.slots[slot_of(&bigger, map->slots[i].name)] = map->slots[i];
    }
    *map = bigger;
    return true;
}

bool cedar_name_map_put(struct cedar_name_map *map, cedar_name name, void *value)
{
    struct name_slot *slot;

    if ((map->len + 1) * 2 > map->cap && !map_grow(map))
        return false;
    slot = &map->slots[slot_of(map, name)];
    map->len += slot->name == CEDAR_NO_NAME;
    *slot = (struct name_slot){name, value};
    return true;
}

/* Marks all that is above node; stack has room for every node. */
static void close_node(struct cedar_closure *closure, uint32_t node, cedar_parents_fn *parents,
                       const void *ctx, uint32_t *stack)
{
    uint64_t *row = closure->bits + (size_t)node * closure->words;
    uint32_t top = 0, next = node, n;

    for (;;) {
        const uint32_t *list = parents(ctx, next, &n);

        for (uint32_t i = 0; i < n; i++) {
            uint64_t bit = UINT64_C(1) << (list[i] % 64);

            if ((row[list[i] / 64] & bit) == 0) {
                row[list[i] / 64] |= bit;
                stack[top++] = list[i];
            }
        }
        if (top == 0)
            return;
        next = stack[--top];
    }
}

enum cedar_status cedar_closure_make(struct cedar_arena *arena, uint32_t n,
                                     cedar_parents_fn *parents, const void *ctx,
                                     struct cedar_closure *out)
{
    uint32_t *stack = CEDAR_NEW_N(arena, uint32_t, n);

    out->n = n;
    out->words = (n + 63) / 64;
    out->bits = CEDAR_NEW_N(arena, uint64_t, (size_t)n * out->words);
    if (stack == NULL || out->bits == NULL)
        return CEDAR_ERR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        close_node(out, i, parents, ctx, stack);
    return CEDAR_OK;
}

/* ---- looking things up --------------------------------------------------------------- */

bool cedar_schema_is_builtin(struct cedar_str name)
{
    static const char *const builtin[] = {"Bool", "Boolean", "Entity", "Extension",
                                          "Long", "Record",  "Set",    "String"};

    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        if (cedar_str_eq(name, cedar_str(builtin[i])))
            return true;
    }
    return false;
}

static struct schema_namespace *find_namespace(const struct schema_fragment *fragment,
                                               cedar_name name)
{
    return name == CEDAR_NO_NAME ? fragment->empty
                                 : cedar_name_map_get(&fragment->namespaces_by_name, name);
}

struct schema_namespace *cedar_schema_namespace(struct schema_fragment *fragment, cedar_name name,
                                                bool *is_new)
{
    struct schema_namespace *ns = find_namespace(fragment, name);

    *is_new = ns == NULL;
    if (ns != NULL)
        return ns;
    ns = CEDAR_NEW(fragment->arena, struct schema_namespace);
    if (ns == NULL)
        return NULL;
    if (name == CEDAR_NO_NAME)
        fragment->empty = ns;
    else if (!cedar_name_map_put(&fragment->namespaces_by_name, name, ns))
        return NULL;
    ns->name = name;
    ns->commons_end = &ns->commons;
    ns->entities_end = &ns->entities;
    ns->actions_end = &ns->actions;
    *fragment->namespaces_end = ns;
    fragment->namespaces_end = &ns->next;
    return ns;
}

const struct entity_type *cedar_find_entity_type(const struct cedar_schema *schema, cedar_name name)
{
    return cedar_name_map_get(&schema->entity_map, name);
}

const struct action_type *cedar_find_action(const struct cedar_schema *schema,
                                            const struct cedar_uid *uid)
{
    if (schema->n_slots == 0)
        return NULL;
    for (uint32_t i = uid->hash & (schema->n_slots - 1);; i = (i + 1) & (schema->n_slots - 1)) {
        const struct action_type *action = schema->actions_by_uid[i];

        if (action == NULL || cedar_uid_eq(&action->uid, uid))
            return action;
    }
}

/* Whether an action of the first type is below one of the second. */
static bool action_type_below(const struct cedar_schema *schema, cedar_name below, cedar_name above)
{
    for (uint32_t i = 0; i < schema->n_actions; i++) {
        if (schema->actions[i].uid.type != below)
            continue;
        for (uint32_t j = 0; j < schema->n_actions; j++) {
            if (schema->actions[j].uid.type == above &&
                cedar_closure_has(&schema->action_closure, i, j))
                return true;
        }
    }
    return false;
}

bool cedar_type_can_be_in(const struct cedar_schema *schema, cedar_name below, cedar_name above)
{
    const struct entity_type *low = cedar_find_entity_type(schema, below);
    const struct entity_type *high = cedar_find_entity_type(schema, above);

    if (below == above)
        return true;
    if (low != NULL && high != NULL)
        return cedar_closure_has(&schema->entity_closure, low->index, high->index);
    return low == NULL && high == NULL && action_type_below(schema, below, above);
}

static int compare(struct cedar_str a, struct cedar_str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

bool cedar_entity_type_has_id(const struct entity_type *type, struct cedar_str id)
{
    uint32_t low = 0, high = type->n_ids;

    if (type->ids == NULL)
        return true;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(type->ids[middle], id);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* ---- what the JSON loader asks -------------------------------------------------------- */

const struct cedar_type *cedar_schema_entity_attrs(const struct cedar_schema *schema,
                                                   cedar_name type)
{
    const struct entity_type *found = cedar_find_entity_type(schema, type);

    return found != NULL ? found->attrs : NULL;
}

const struct cedar_type *cedar_schema_entity_tags(const struct cedar_schema *schema,
                                                  cedar_name type)
{
    const struct entity_type *found = cedar_find_entity_type(schema, type);

    return found != NULL ? found->tags : NULL;
}

const struct cedar_type *cedar_schema_context(const struct cedar_schema *schema,
                                              const struct cedar_uid *action)
{
    const struct action_type *found = cedar_find_action(schema, action);

    return found != NULL ? found->context : NULL;
}

const struct cedar_entity *cedar_schema_actions(const struct cedar_schema *schema, size_t *n)
{
    *n = schema->n_actions;
    return schema->as_entities;
}

bool cedar_schema_action_is_in(const struct cedar_schema *schema, const struct cedar_uid *action,
                               const struct cedar_uid *group)
{
    const struct action_type *low = cedar_find_action(schema, action);
    const struct action_type *high = cedar_find_action(schema, group);

    return low != NULL && high != NULL &&
           cedar_closure_has(&schema->action_closure, low->index, high->index);
}

/* ---- life ------------------------------------------------------------------------------ */

typedef enum cedar_status read_fn(struct schema_fragment *fragment, struct cedar_error *err);

static enum cedar_status fill(struct cedar_schema *schema, struct cedar_str text, read_fn *read,
                              struct cedar_error *err)
{
    enum cedar_status status;

    schema->fragment =
        (struct schema_fragment){.arena = &schema->arena, .names = schema->names, .source = text};
    schema->fragment.namespaces_end = &schema->fragment.namespaces;
    schema->fragment.namespaces_by_name.arena = &schema->arena;
    schema->types.arena = &schema->arena;
    schema->entity_map.arena = &schema->arena;
    schema->common_map.arena = &schema->arena;
    schema->action_map.arena = &schema->arena;
    status = read(&schema->fragment, err);
    if (status == CEDAR_OK)
        status = cedar_schema_resolve(schema, err);
    schema->fragment.source = (struct cedar_str){"", 0}; /* the caller's text may go now */
    return status;
}

static enum cedar_status make(struct cedar_names *names, struct cedar_str text, read_fn *read,
                              struct cedar_schema **out, struct cedar_error *err)
{
    struct cedar_allocator alloc = *cedar_names_allocator(names);
    struct cedar_schema *schema = alloc.resize(alloc.ctx, NULL, 0, sizeof(*schema));
    enum cedar_status status;

    if (schema == NULL)
        return cedar_fail_memory(err);
    memset(schema, 0, sizeof(*schema));
    cedar_arena_init(&schema->arena, &alloc);
    schema->names = cedar_names_hold(names);
    status = fill(schema, text, read, err);
    if (status == CEDAR_OK)
        *out = schema;
    else
        cedar_schema_free(schema);
    return status;
}

enum cedar_status cedar_schema_parse(struct cedar_names *names, struct cedar_str text,
                                     struct cedar_schema **out, struct cedar_error *err)
{
    return make(names, text, cedar_schema_read_text, out, err);
}

enum cedar_status cedar_schema_parse_json(struct cedar_names *names, struct cedar_str json,
                                          struct cedar_schema **out, struct cedar_error *err)
{
    return make(names, json, cedar_schema_read_json, out, err);
}

void cedar_schema_free(struct cedar_schema *schema)
{
    struct cedar_allocator alloc;
    struct cedar_names *names;

    if (schema == NULL)
        return;
    alloc = schema->arena.alloc;
    names = schema->names;
    cedar_arena_free(&schema->arena);
    alloc.resize(alloc.ctx, schema, sizeof(*schema), 0);
    cedar_names_free(names);
}
