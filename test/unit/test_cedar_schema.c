/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas: both formats, name resolution, hierarchies, limits, printing. */
#include "cedar_fail_alloc.h"
#include "unit.h"

#include "schema.h"

#include <stdio.h>

static struct cedar_str text_of(const char *s)
{
    return cedar_str(s);
}

/* Reads a schema, of the JSON format if it begins with a brace and quote; NULL if it fails. */
static struct cedar_schema *read_schema(struct cedar_names *names, const char *text,
                                        struct cedar_error *err)
{
    struct cedar_schema *schema = NULL;
    enum cedar_status status = text[0] == '{'
                                   ? cedar_schema_parse_json(names, text_of(text), &schema, err)
                                   : cedar_schema_parse(names, text_of(text), &schema, err);

    return status == CEDAR_OK ? schema : NULL;
}

/* What reading the text says: "" if it is a schema, else the message. */
static const char *verdict(const char *text, enum cedar_status *status)
{
    static struct cedar_error err;
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_schema *schema;

    memset(&err, 0, sizeof(err));
    schema = read_schema(names, text, &err);
    *status = schema != NULL ? CEDAR_OK : err.status;
    cedar_schema_free(schema);
    cedar_names_free(names);
    return schema != NULL ? "" : err.message;
}

TEST(accepts)
{
    static const char *const good[] = {
        "",
        "// a comment at the end",
        "entity A;",
        "entity A, B in [A, B] = { x: Long, };",
        "entity A { \"if\": Set<Set<Bool>>, y?: { z: ipaddr } } tags Set<String>;",
        "entity in_ in A; entity A;",
        "entity Color enum [\"red\", \"blue\",];",
        "type T = { a: T2 }; type T2 = __cedar::Long; entity A = { t: T };",
        "namespace N { entity A in N::B; entity B; action a, \"b c\" in x; action x; }",
        "namespace A::B { type Long2 = Long; } namespace C { entity X = { y: A::B::Long2 }; }",
        "entity String = { s: __cedar::String, t: String };",
        "@doc(\"x\") @bare entity A = { @doc(\"y\") a: Long };",
        "entity U; action v appliesTo { context: { a: Bool }, principal: U, resource: [U, U], };",
        "type C = {}; entity U; action v appliesTo { principal: U, resource: U, context: C };",
        "action a in [Action::\"b\"]; action b attributes {};",
        "namespace N { action a in Action::\"b\"; } action b;",
        "entity E = { a: Action }; action x;",
        "entity Set = { a: Set, b: Set<Set> };",
        "type entity = Long; entity type = { context: entity }; entity action, tags;",
        "{}",
        "{\"\": {\"entityTypes\": {}, \"actions\": {}}}",
        ("{\"N\": {\"entityTypes\": {\"A\": {\"shape\": {\"type\": \"Record\", \"attributes\": "
         "{\"x\":"
         "{\"type\": \"Set\", \"element\": {\"type\": \"Entity\", \"name\": \"A\"}, \"required\":"
         "false}}}, \"tags\": {\"type\": \"T\"}}}, \"actions\": {\"a\": {\"appliesTo\":"
         "{\"principalTypes\": [\"A\"], \"resourceTypes\": [], \"context\": {\"type\": \"T2\"}},"
         "\"memberOf\": [{\"id\": \"g\"}]}, \"g\": {}}, \"commonTypes\": {\"T\": {\"type\":"
         "\"Extension\", \"name\": \"decimal\"}, \"T2\": {\"type\": \"Record\", \"attributes\": "
         "{}}}}}"),
    };
    enum cedar_status status;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_STR(verdict(good[i], &status), "");
}

TEST(refuses)
{
    static const struct {
        const char *text;
        enum cedar_status status;
        const char *part; /* of the message */
    } bad[] = {
        {"entity", CEDAR_ERR_SYNTAX, "name of an entity type"},
        {"entity A", CEDAR_ERR_SYNTAX, "`;`"},
        {"entity A,;", CEDAR_ERR_SYNTAX, "name of an entity type"},
        {"entity in;", CEDAR_ERR_SYNTAX, "`in` is a reserved word"},
        {"entity __cedar;", CEDAR_ERR_SYNTAX, "`__cedar` is a reserved word"},
        {"namespace __cedar {}", CEDAR_ERR_SYNTAX, "`__cedar` is a reserved word"},
        {"entity A::B;", CEDAR_ERR_SYNTAX, "`;`"},
        {"entity A = { in: Long };", CEDAR_ERR_SYNTAX, "`in` is a reserved word"},
        {"entity A = Long;", CEDAR_ERR_SYNTAX, "`{`"},
        {"entity A = { x: Set };", CEDAR_ERR_UNKNOWN, "unknown type `Set`"},
        {"entity A = { x: Lon };", CEDAR_ERR_UNKNOWN, "did you mean `Long`?"},
        {"entity A = { x: Long, x: Bool };", CEDAR_ERR_CONFLICT, "attribute `x` is declared twice"},
        {"entity A; entity A;", CEDAR_ERR_CONFLICT, "entity type `A` is declared twice"},
        {"entity A, A;", CEDAR_ERR_CONFLICT, "entity type `A` is declared twice"},
        {"entity Action;", CEDAR_ERR_CONFLICT, "type of actions"},
        {"entity A in Action; action a;", CEDAR_ERR_UNKNOWN, "type of actions"},
        {"entity A in T; type T = Long;", CEDAR_ERR_UNKNOWN, "unknown entity type `T`"},
        {"entity A in Long;", CEDAR_ERR_UNKNOWN, "unknown entity type `Long`"},
        {"entity C enum [];", CEDAR_ERR_SYNTAX, "a string"},
        {"entity C enum [\"a\"] in C;", CEDAR_ERR_SYNTAX, "`;`"},
        {"type Long = Bool;", CEDAR_ERR_CONFLICT, "`Long` is built in"},
        {"type T = T;", CEDAR_ERR_CYCLE, "`T` is defined by itself"},
        {"type T = { a: Set<U> }; type U = { b: T };", CEDAR_ERR_CYCLE, "is defined by itself"},
        {"type T = Long; type T = Bool;", CEDAR_ERR_CONFLICT, "common type `T` is declared twice"},
        {"action a; action a;", CEDAR_ERR_CONFLICT, "action \"a\" is declared twice"},
        {"action a in a;", CEDAR_ERR_CYCLE, "is in itself"},
        {"action a in b; action b in c; action c in a;", CEDAR_ERR_CYCLE, "is in itself"},
        {"action a in b;", CEDAR_ERR_UNKNOWN, "unknown action group \"b\""},
        {"action a in [];", CEDAR_ERR_SYNTAX, "empty list of action groups"},
        {"action a appliesTo {};", CEDAR_ERR_SYNTAX, "without `principal`"},
        {"entity U; action a appliesTo { principal: U };", CEDAR_ERR_SYNTAX, "without `resource`"},
        {"entity U; action a appliesTo { principal: [], resource: U };", CEDAR_ERR_SYNTAX,
         "no entity types"},
        {"entity U; action a appliesTo { principal: U, principal: U, resource: U };",
         CEDAR_ERR_CONFLICT, "twice"},
        {"entity U; action a appliesTo { principal: U, resource: U, context: Long };",
         CEDAR_ERR_TYPE, "must be a record"},
        {"entity U; action a appliesTo { principal: U, resource: U, context: U };",
         CEDAR_ERR_UNKNOWN, "unknown common type `U`"},
        {"entity U; action a appliesTo { principal: V, resource: U };", CEDAR_ERR_UNKNOWN,
         "unknown entity type `V`"},
        {"action a appliesTo { principal: Action, resource: Action };", CEDAR_ERR_UNKNOWN,
         "type of actions"},
        {"@a @a entity A;", CEDAR_ERR_CONFLICT, "`@a` stands twice"},
        {"namespace N {} namespace N {}", CEDAR_ERR_CONFLICT, "namespace `N` is declared twice"},
        {"entity A; namespace N { entity A; }", CEDAR_ERR_CONFLICT, "empty namespace too"},
        {"entity A; namespace N { type A = Long; }", CEDAR_ERR_CONFLICT, "empty namespace too"},
        {"action a; namespace N { action a; }", CEDAR_ERR_CONFLICT, "empty namespace too"},
        {"namespace N { entity A in M::A; }", CEDAR_ERR_UNKNOWN, "did you mean `A`?"},
        {"namespace N { entity A; } entity B in A;", CEDAR_ERR_UNKNOWN, "did you mean `N::A`?"},
        {"[]", CEDAR_ERR_SYNTAX, "expected"},
        {"{\"\": {}}", CEDAR_ERR_SYNTAX, "without \"entityTypes\""},
        {"{\"\": {\"entityTypes\": {}}}", CEDAR_ERR_SYNTAX, "without \"actions\""},
        {"{\"\": {\"entityTypes\": {}, \"actions\": {}, \"extra\": 1}}", CEDAR_ERR_SYNTAX,
         "unknown member \"extra\""},
        {"{\"in\": {\"entityTypes\": {}, \"actions\": {}}}", CEDAR_ERR_SYNTAX, "no name"},
        {"{\"\": {\"entityTypes\": {\"A\": {\"tags\": {\"type\": \"Set\"}}}, \"actions\": {}}}",
         CEDAR_ERR_SYNTAX, "without \"element\""},
        {"{\"\": {\"entityTypes\": {\"A\": {\"tags\": {\"type\": \"A\"}}}, \"actions\": {}}}",
         CEDAR_ERR_UNKNOWN, "unknown common type `A`"},
        {"{\"\": {\"entityTypes\": {\"A\": {\"enum\": [\"a\"], \"tags\": {\"type\": \"Long\"}}},"
         "\"actions\": {}}}",
         CEDAR_ERR_SYNTAX, "unknown member \"tags\""},
        {"{\"\": {\"entityTypes\": {\"A\": {\"shape\": {\"type\": \"Long\"}}}, \"actions\": {}}}",
         CEDAR_ERR_TYPE, "must be a record"},
        {"{\"\": {\"entityTypes\": {\"A\": {\"shape\": {\"type\": \"Record\", \"attributes\": {},"
         "\"additionalAttributes\": true}}}, \"actions\": {}}}",
         CEDAR_ERR_INVALID, "undeclared attributes"},
        {"{\"\": {\"entityTypes\": {\"A\": {\"tags\": {\"type\": \"Long\", \"required\": true}}},"
         "\"actions\": {}}}",
         CEDAR_ERR_SYNTAX, "unknown member \"required\""},
        {"{\"\": {\"entityTypes\": {\"A\": {\"tags\": {\"type\": \"Extension\", \"name\": "
         "\"url\"}}},"
         "\"actions\": {}}}",
         CEDAR_ERR_UNKNOWN, "unknown extension type `url`"},
    };
    enum cedar_status status;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *message = verdict(bad[i].text, &status);

        if (strstr(message, bad[i].part) == NULL || status != bad[i].status)
            printf("# %s\n# -> %d %s\n", bad[i].text, status, message);
        CHECK_INT(status, bad[i].status);
        CHECK(strstr(message, bad[i].part) != NULL);
    }
}

TEST(places)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_error err;

    CHECK(read_schema(names, "entity A;\nentity B = {\n  x: Lnog\n};", &err) == NULL);
    CHECK_INT(err.line, 3);
    CHECK_INT(err.column, 6);
    CHECK_INT(err.span.end - err.span.start, 4);
    cedar_names_free(names);
}

/* The full name of the type of an attribute, as messages show it. */
static const char *attr_type(const char *text, const char *entity, const char *attr)
{
    static char shown[128];
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_buf buf = {.ptr = shown, .cap = sizeof(shown)};
    struct cedar_error err;
    struct cedar_schema *schema = read_schema(names, text, &err);
    const struct cedar_type *record;

    strcpy(shown, "");
    if (schema == NULL)
        return err.message[0] != '\0' ? "no schema" : "";
    record = cedar_schema_entity_attrs(schema, cedar_lookup(names, text_of(entity)));
    if (record != NULL && cedar_type_attr(record, cedar_lookup(names, text_of(attr))) != NULL)
        cedar_type_print(&buf, names, cedar_type_attr(record, cedar_lookup(names, text_of(attr))));
    cedar_buf_end(&buf);
    cedar_schema_free(schema);
    cedar_names_free(names);
    return shown;
}

TEST(names_resolve)
{
    /* the own namespace goes first */
    CHECK_STR(attr_type("namespace N { entity A = { x: B }; type B = Long; } namespace B {}",
                        "N::A", "x"),
              "Long");
    CHECK_STR(attr_type("namespace N { entity A = { x: B }; } entity B;", "N::A", "x"), "B");
    /* a common type goes before an entity type of its name */
    CHECK_STR(attr_type("entity A = { x: B }; entity B; type B = Bool;", "A", "x"), "Bool");
    /* built-in types may be hidden by entity types, and reached by __cedar */
    CHECK_STR(attr_type("namespace N { entity Long; entity A = { x: Long }; }", "N::A", "x"),
              "N::Long");
    CHECK_STR(
        attr_type("namespace N { entity Long; entity A = { x: __cedar::Long }; }", "N::A", "x"),
        "Long");
    CHECK_STR(attr_type("namespace N { entity A = { x: Action }; action a; }", "N::A", "x"),
              "N::Action");
    CHECK_STR(
        attr_type("type T = Set<U>; type U = { d?: decimal }; entity A = { x: T };", "A", "x"),
        "Set<{d?: decimal}>");
}

TEST(hierarchies)
{
    static const char text[] = "entity A in B; entity B in C; entity C in B; entity D;"
                               "action x in y; action y in z; action z;";
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_error err;
    struct cedar_schema *schema = read_schema(names, text, &err);
    cedar_name a, b, c, d;
    size_t n;

    CHECK(schema != NULL);
    a = cedar_lookup(names, text_of("A"));
    b = cedar_lookup(names, text_of("B"));
    c = cedar_lookup(names, text_of("C"));
    d = cedar_lookup(names, text_of("D"));
    CHECK(cedar_type_can_be_in(schema, a, b) && cedar_type_can_be_in(schema, a, c));
    CHECK(cedar_type_can_be_in(schema, b, c) && cedar_type_can_be_in(schema, c, b));
    CHECK(!cedar_type_can_be_in(schema, b, a) && !cedar_type_can_be_in(schema, a, d));
    CHECK(cedar_type_can_be_in(schema, d, d));
    CHECK(cedar_closure_has(&schema->action_closure, 0, 2));
    CHECK(!cedar_closure_has(&schema->action_closure, 2, 0));
    CHECK_INT(cedar_schema_actions(schema, &n)[0].n_parents, 1);
    CHECK_INT(n, 3);
    cedar_schema_free(schema);
    cedar_names_free(names);
}

/* ---- limits ---------------------------------------------------------------------------------- */

TEST(limits)
{
    size_t room = 1 << 20, n = 0;
    char *text = malloc(room);
    enum cedar_status status;

    CHECK(text != NULL);
    n = (size_t)sprintf(text, "type T = ");
    for (int i = 0; i < 100000; i++)
        n += (size_t)sprintf(text + n, "Set<");
    CHECK(strstr(verdict(text, &status), "nested more than 200 deep") != NULL);
    CHECK_INT(status, CEDAR_ERR_LIMIT);
    /* a chain of common types, from either end */
    n = 0;
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(text + n, "type T%d = T%d;", i, i + 1);
    sprintf(text + n, "type T300 = Long;");
    CHECK(strstr(verdict(text, &status), "nested more than 200 deep") != NULL);
    n = (size_t)sprintf(text, "type T0 = Long;");
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(text + n, "type T%d = T%d;", i + 1, i);
    CHECK(strstr(verdict(text, &status), "nested more than 200 deep") != NULL);
    /* doubling sixty times stays small */
    n = (size_t)sprintf(text, "type T0 = { a: Long };");
    for (int i = 0; i < 60; i++)
        n += (size_t)sprintf(text + n, "type T%d = { a: T%d, b: T%d };", i + 1, i, i);
    CHECK_STR(verdict(text, &status), "");
    n = 0;
    for (unsigned i = 0; i <= CEDAR_MAX_TYPES; i++)
        n += (size_t)sprintf(text + n, "entity E%u;", i);
    verdict(text, &status);
    CHECK_INT(status, CEDAR_ERR_LIMIT);
    free(text);
}

/* ---- printing -------------------------------------------------------------------------------- */

struct sink {
    char text[4096];
    size_t len;
    bool broken;
};

static bool sink_write(void *ctx, const char *text, size_t len)
{
    struct sink *sink = ctx;

    if (sink->broken || sink->len + len >= sizeof(sink->text))
        return false;
    memcpy(sink->text + sink->len, text, len);
    sink->len += len;
    sink->text[sink->len] = '\0';
    return true;
}

static const char rich[] = "namespace N {\n"
                           "  type T = {\n"
                           "    a: Long,\n"
                           "    \"b c\"?: Set<ipaddr>\n"
                           "  };\n"
                           "\n"
                           "  @doc(\"the users\")\n"
                           "  entity U in [G] = {\n"
                           "    @pii\n"
                           "    t: T\n"
                           "  } tags Set<String>;\n"
                           "\n"
                           "  entity G;\n"
                           "\n"
                           "  entity Color enum [\"red\", \"blue\"];\n"
                           "\n"
                           "  action view in [all, N::Action::\"x y\"] appliesTo {\n"
                           "    principal: [U],\n"
                           "    resource: [G, Color],\n"
                           "    context: {\n"
                           "      n: Bool\n"
                           "    }\n"
                           "  };\n"
                           "\n"
                           "  action all;\n"
                           "\n"
                           "  action \"x y\";\n"
                           "}\n";

TEST(prints_text)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct sink sink = {.len = 0};
    struct cedar_error err;
    struct cedar_schema *schema = read_schema(names, rich, &err);

    CHECK(schema != NULL);
    CHECK_INT(cedar_schema_print(schema, sink_write, &sink, &err), CEDAR_OK);
    CHECK_STR(sink.text, rich);
    sink.broken = true;
    CHECK(cedar_schema_print(schema, sink_write, &sink, &err) != CEDAR_OK);
    CHECK(cedar_schema_print_json(schema, sink_write, &sink, &err) != CEDAR_OK);
    cedar_schema_free(schema);
    cedar_names_free(names);
}

TEST(json_and_back)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct sink json = {.len = 0}, text = {.len = 0};
    struct cedar_error err;
    struct cedar_schema *schema = read_schema(names, rich, &err), *again;

    CHECK(schema != NULL);
    CHECK_INT(cedar_schema_print_json(schema, sink_write, &json, &err), CEDAR_OK);
    again = read_schema(names, json.text, &err);
    CHECK(again != NULL);
    CHECK_INT(cedar_schema_print(again, sink_write, &text, &err), CEDAR_OK);
    CHECK_STR(text.text, rich);
    cedar_schema_free(schema);
    cedar_schema_free(again);
    cedar_names_free(names);
}

/* JSON can name an entity type that a common type hides from the other format. */
TEST(json_beyond_text)
{
    static const char text[] =
        "{\"\": {\"entityTypes\": {\"A\": {\"tags\": {\"type\": \"Entity\", \"name\": \"A\"}}},"
        "\"actions\": {}, \"commonTypes\": {\"A\": {\"type\": \"Long\"}}}}";
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct sink sink = {.len = 0};
    struct cedar_error err;
    struct cedar_schema *schema = read_schema(names, text, &err);

    CHECK(schema != NULL);
    CHECK_INT(cedar_schema_print(schema, sink_write, &sink, &err), CEDAR_ERR_CONFLICT);
    cedar_schema_free(schema);
    cedar_names_free(names);
}

/* ---- without memory -------------------------------------------------------------------------- */

/* Reads and prints with an allocator that fails after `left` requests. */
static enum cedar_status try_with(const char *text, size_t left, size_t *held)
{
    struct fail_alloc alloc = {.left = SIZE_MAX};
    struct cedar_allocator allocator = fail_allocator(&alloc);
    struct cedar_names *names = cedar_names_new(&allocator, NULL, 0);
    struct sink sink = {.len = 0};
    struct cedar_error err = {.status = CEDAR_OK};
    struct cedar_schema *schema;

    alloc.left = left;
    schema = read_schema(names, text, &err);
    if (schema != NULL && cedar_schema_print(schema, sink_write, &sink, &err) == CEDAR_OK)
        cedar_schema_print_json(schema, sink_write, &sink, &err);
    cedar_schema_free(schema);
    cedar_names_free(names);
    *held = alloc.held;
    return err.status;
}

TEST(survives_failing_allocations)
{
    const char *texts[] = {rich, "{\"N\": {\"entityTypes\": {\"A\": {\"enum\": [\"a\"]}},"
                                 "\"actions\": {\"a\": {}}}}"};
    size_t held;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        enum cedar_status status = CEDAR_ERR_MEMORY;
        size_t left = 0;

        for (; status == CEDAR_ERR_MEMORY && left < 10000; left++) {
            status = try_with(texts[i], left, &held);
            CHECK_INT(held, 0);
        }
        CHECK_INT(status, CEDAR_OK);
        CHECK(left > 2);
    }
}

UNIT_MAIN(UNIT(accepts), UNIT(refuses), UNIT(places), UNIT(names_resolve), UNIT(hierarchies),
          UNIT(limits), UNIT(prints_text), UNIT(json_and_back), UNIT(json_beyond_text),
          UNIT(survives_failing_allocations))
