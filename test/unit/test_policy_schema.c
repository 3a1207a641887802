/* SPDX-License-Identifier: Apache-2.0 */
/* The schema agrees with action.def, and with the requests that are made from actions. */
#include "unit.h"

#include "cedar/type.h"
#include "policy/internal.h"

#include <stdlib.h>

static const char *const field_types[] = {
#define FIELD(sym, name, kind, cedar) cedar,
#include "policy/action.def"
#undef FIELD
};

static const char *type_name(const struct cedar_type *t)
{
    switch (t->kind) {
    case TYPE_BOOL:
        return "Bool";
    case TYPE_LONG:
        return "Long";
    case TYPE_STRING:
        return "String";
    case TYPE_IPADDR:
        return "ipaddr";
    case TYPE_SET:
        return t->element->kind == TYPE_STRING ? "Set<String>" : "Set";
    case TYPE_ENTITY:
    case TYPE_RECORD:
    case TYPE_DECIMAL:
    case TYPE_DATETIME:
    case TYPE_DURATION:
        break;
    }
    return "other";
}

static struct cedar_schema *schema_of(struct cedar_names *names)
{
    struct str text = policy_schema();
    struct cedar_schema *schema = NULL;
    struct cedar_error e;

    if (cedar_schema_parse(names, (struct cedar_str){text.p, text.n}, &schema, &e) != CEDAR_OK)
        printf("# %u:%u: %s\n", e.line, e.column, e.message);
    return schema;
}

static struct cedar_uid verb_uid(struct cedar_names *names, enum verb v)
{
    return cedar_uid(cedar_intern(names, CEDAR_STR("Action")), cedar_str(verb_name(v)));
}

TEST(contexts_hold_the_fields_of_actions)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_schema *schema = schema_of(names);
    bool used[FIELD_COUNT] = {false};

    CHECK(schema != NULL);
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        struct cedar_uid uid = verb_uid(names, (enum verb)v);
        const struct cedar_type *context = cedar_schema_context(schema, &uid);

        CHECK((context != NULL) == (v != VERB_RESOLVE));
        for (uint32_t i = 0; context != NULL && i < context->n_attrs; i++) {
            struct cedar_str attr = cedar_name_str(names, context->attrs[i].name);
            unsigned f = 0;

            if (v == VERB_INFER && str_is(str_from(attr), "spent"))
                continue; /* the judge's own: no adapter can say it */
            while (f < FIELD_COUNT && !str_is(str_from(attr), field_name((enum field_id)f)))
                f++;
            CHECK(f < FIELD_COUNT);
            used[f] = true;
            CHECK_STR(type_name(context->attrs[i].type), field_types[f]);
        }
    }
    for (unsigned f = 0; f < FIELD_COUNT; f++)
        CHECK(used[f]);
    cedar_schema_free(schema);
    cedar_names_free(names);
}

TEST(verbs_and_resources_are_declared)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_schema *schema = schema_of(names);
    size_t n, verbs = 0;

    CHECK(schema != NULL);
    for (unsigned k = 0; k < RESOURCE_COUNT; k++) {
        cedar_name type = cedar_intern(names, cedar_str(resource_type((enum resource_kind)k)));

        CHECK(cedar_schema_entity_attrs(schema, type) != NULL);
    }
    const struct cedar_entity *actions = cedar_schema_actions(schema, &n);
    for (size_t i = 0; i < n; i++)
        for (unsigned v = 0; v < VERB_COUNT; v++)
            if (str_is(str_from(actions[i].uid.id), verb_name((enum verb)v))) {
                bool grouped = verb_group((enum verb)v)[0] != '\0';

                verbs++;
                CHECK(actions[i].n_parents == (grouped ? 1 : 0));
                CHECK(!grouped ||
                      str_is(str_from(actions[i].parents[0].id), verb_group((enum verb)v)));
            }
    CHECK(verbs == VERB_COUNT - 1);
    cedar_schema_free(schema);
    cedar_names_free(names);
}

static void take_finding(void *ctx, const struct cedar_finding *f)
{
    (void)ctx;
    printf("# %s\n", f->at.message);
}

static const struct session session = {.agent = {"claude", 6},
                                       .user = {"u", 1},
                                       .home = {"/home/u", 7},
                                       .workspace = {"/home/u/proj", 12}};

/* Fills every field that this verb's context may hold. */
static void fill(struct action *a, const struct cedar_type *context, struct cedar_names *names)
{
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        enum field_id id = (enum field_id)f;

        if (cedar_type_attr(context, cedar_intern(names, cedar_str(field_name(id)))) == NULL)
            continue;
        a->has[f] = true;
        if (id == FIELD_ADDRESS)
            a->field[f].str = STR("::1");
        else if (field_kind(id) == FIELD_STR)
            a->field[f].str = STR("x");
    }
}

static bool valid(const struct policy *p, const struct cedar_schema *schema, const struct action *a)
{
    struct request *r = xcalloc(1, sizeof(*r));
    const char *reason = "";
    struct cedar_error e;
    bool good = false, all = request_make(p, &session, a, r, &reason);

    if (!all)
        printf("# %s\n", reason);
    all = all &&
          cedar_validate_request(schema, &r->cedar, take_finding, NULL, &good, &e) == CEDAR_OK &&
          good;
    struct cedar_entities *entities = NULL;
    const struct cedar_entity own[] = {r->entities[0], r->entities[2]}; /* not the action */
    all = all && cedar_entities_build(p->names, NULL, own, 2, &entities, &e) == CEDAR_OK &&
          cedar_validate_entities(schema, entities, take_finding, NULL, &good, &e) == CEDAR_OK &&
          good;
    cedar_entities_free(entities);
    free(r);
    return all;
}

TEST(every_request_fits_the_schema)
{
    static const struct {
        enum verb verb;
        enum resource_kind kind;
        const char *resource;
    } cases[] = {
        {VERB_READ, RESOURCE_FILE, "/home/u/proj/x"},
        {VERB_WRITE, RESOURCE_FILE, "/"},
        {VERB_CREATE, RESOURCE_FILE, "/x"},
        {VERB_DELETE, RESOURCE_FILE, "/x"},
        {VERB_EXEC, RESOURCE_PROGRAM, "/usr/bin/true"},
        {VERB_CONNECT, RESOURCE_HOST, "a.example"},
        {VERB_CONNECT, RESOURCE_HOST, "::1"},
        {VERB_CONNECT, RESOURCE_HOST, "10.0.0.1"},
        {VERB_CONNECT, RESOURCE_HOST, "localhost"},
        {VERB_CONNECT, RESOURCE_SOCKET, "/x/y"},
        {VERB_CONNECT, RESOURCE_SOCKET, "@abstract"},
        {VERB_REQUEST, RESOURCE_HOST, "a.example"},
        {VERB_INFER, RESOURCE_MODEL, "anthropic/claude-x"},
        {VERB_INFER, RESOURCE_MODEL, "openrouter/meta/llama"},
        {VERB_CALL, RESOURCE_TOOL, "agent/Bash"},
    };
    struct policy_text text = {"t", STR("")};
    struct err e = {0};
    struct policy *p = policy_load(&text, 1, "/home/u", &e);
    CHECK(p != NULL);
    struct cedar_schema *schema = schema_of(p->names);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cedar_uid uid = verb_uid(p->names, cases[i].verb);
        struct action a;

        action_init(&a, cases[i].verb, cases[i].kind, str_of(cases[i].resource));
        printf("# %s %s\n", verb_name(cases[i].verb), cases[i].resource);
        CHECK(valid(p, schema, &a));
        fill(&a, cedar_schema_context(schema, &uid), p->names);
        CHECK(valid(p, schema, &a));
    }
    cedar_schema_free(schema);
    policy_free(p);
}

UNIT_MAIN(UNIT(contexts_hold_the_fields_of_actions), UNIT(verbs_and_resources_are_declared),
          UNIT(every_request_fits_the_schema))
