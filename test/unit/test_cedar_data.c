/* SPDX-License-Identifier: Apache-2.0 */
/* Entities and requests from JSON: escapes, hierarchies, errors, limits. */
#include "unit.h"

#include "cedar.h"

#include <stdio.h>
#include <stdlib.h>

static struct cedar_names *names;

static struct cedar_entities *load(const char *text, struct cedar_error *err)
{
    struct cedar_entities *entities = NULL;

    if (names == NULL)
        names = cedar_names_new(NULL, NULL, 0);
    return cedar_entities_parse(names, NULL, cedar_str(text), NULL, &entities, err) == CEDAR_OK
               ? entities
               : NULL;
}

#define U(id) "{\"type\": \"U\", \"id\": \"" id "\"}"
#define ENTITY(id, attrs, parents) \
    "{\"uid\": " U(id) ", \"attrs\": {" attrs "}, \"parents\": [" parents "]}"

TEST(values)
{
    struct cedar_entities *e = load(
        "[" ENTITY("a",
                   "\"b\": true, \"n\": -5, \"s\": \"x\\u0000\\ud83d\\ude00\", \"set\": [1, []],"
                   "\"r\": {\"\": {\"type\": \"U\", \"id\": \"b\"}},"
                   "\"e\": {\"__entity\": " U(
                       "b") "},"
                            "\"d\": {\"__extn\": {\"fn\": \"decimal\", \"arg\": \"1.5\"}},"
                            "\"o\": {\"__extn\": {\"fn\": \"offset\", \"args\": ["
                            "{\"__extn\": {\"fn\": \"datetime\", \"arg\": \"1970-01-01\"}},"
                            "{\"__extn\": {\"fn\": \"duration\", \"args\": [\"-1ms\"]}}]}}",
                   "") "]",
        NULL);
    char text[512];
    struct cedar_entity a;
    size_t len = 0;

    CHECK(e != NULL && cedar_entities_count(e) == 1);
    a = cedar_entities_at(e, 0);
    for (uint32_t i = 0; i < a.n_attrs; i++) {
        len += cedar_value_print(names, &a.attrs[i].value, text + len, sizeof(text) - len);
        text[len++] = ' ';
        text[len] = '\0';
    }
    CHECK_STR(text, "true -5 \"x\\0\xf0\x9f\x98\x80\" [1, []] {\"\": {\"type\": \"U\", \"id\": "
                    "\"b\"}} U::\"b\" decimal(\"1.5\") datetime(\"1969-12-31T23:59:59.999Z\") ");
    CHECK_INT(cedar_value_print(names, &a.attrs[2].value, text, 3), 9);
    CHECK_STR(text, "\"x");
    cedar_entities_free(e);
}

TEST(ancestors_are_closed)
{
    struct cedar_entities *e = load("[" ENTITY("a", "", U("b") "," U("c")) "," ENTITY(
                                        "b", "", U("d")) "," ENTITY("d", "", U("e")) "]",
                                    NULL);
    struct cedar_entity a;

    CHECK(e != NULL);
    a = cedar_entities_at(e, 0);
    CHECK_INT(a.n_parents, 4);
    for (uint32_t i = 1; i < a.n_parents; i++)
        CHECK(a.parents[i - 1].hash <= a.parents[i].hash);
    cedar_entities_free(e);
}

TEST(errors)
{
    static const struct {
        const char *text, *message;
        enum cedar_status status;
    } bad[] = {
        {"{}", "an array of entities", CEDAR_ERR_SYNTAX},
        {"[1]", "expected an entity", CEDAR_ERR_SYNTAX},
        {"[{}]", "no \"uid\"", CEDAR_ERR_INVALID},
        {"[{\"uid\": 1}]", "expected an entity", CEDAR_ERR_SYNTAX},
        {"[{\"uid\": " U("a") ", \"attr\": {}}]", "no \"attr\"", CEDAR_ERR_SYNTAX},
        {"[{\"uid\": {\"type\": \"a b\", \"id\": \"\"}}]", "no type's name", CEDAR_ERR_INVALID},
        {"[" ENTITY("a", "\"x\": null", "") "]", "found null", CEDAR_ERR_SYNTAX},
        {"[" ENTITY("a", "\"x\": 1.5", "") "]", "no 64-bit integer", CEDAR_ERR_SYNTAX},
        {"[" ENTITY("a", "\"x\": 9223372036854775808", "") "]", "no 64-bit", CEDAR_ERR_SYNTAX},
        {"[" ENTITY("a", "\"x\": 1, \"x\": 1", "") "]", "twice", CEDAR_ERR_CONFLICT},
        {"[" ENTITY("a", "\"x\": {\"__entity\": 1}", "") "]", "expected an entity",
         CEDAR_ERR_SYNTAX},
        {"[" ENTITY("a", "\"x\": {\"__expr\": \"1\"}", "") "]", "no longer", CEDAR_ERR_INVALID},
        {"[" ENTITY("a", "\"x\": {\"__extn\": {\"fn\": \"ip\", \"arg\": \"q\"}}", "") "]",
         "no ip address", CEDAR_ERR_INVALID},
        {"[" ENTITY("a", "\"x\": {\"__extn\": {\"fn\": \"foo\", \"arg\": \"q\"}}", "") "]",
         "no such function", CEDAR_ERR_INVALID},
        {"[" ENTITY("a", "\"x\": {\"__extn\": 1, \"y\": 2}", "") "]", "stands alone",
         CEDAR_ERR_INVALID},
        {"[" ENTITY("a", "", "1") "]", "expected an entity", CEDAR_ERR_SYNTAX},
        {"[" ENTITY("a", "", U("a")) "]", "U::\"a\" is its own ancestor", CEDAR_ERR_CYCLE},
        {"[" ENTITY("a", "", U("b")) "," ENTITY("b", "", U("c")) "," ENTITY("c", "", U("a")) "]",
         "is its own ancestor", CEDAR_ERR_CYCLE},
        {"[" ENTITY("a", "\"x\": 1", "") "," ENTITY("a", "\"x\": 2", "") "]", "stands twice",
         CEDAR_ERR_CONFLICT},
        {"[", "ends where", CEDAR_ERR_SYNTAX},
        {"[] []", "more text", CEDAR_ERR_SYNTAX},
        {"[\"\\ud800\"]", "surrogate", CEDAR_ERR_SYNTAX},
        {"[\"\x01\"]", "control character", CEDAR_ERR_SYNTAX},
        {"[01]", "expected `,`", CEDAR_ERR_SYNTAX},
        {"[tru]", "expected a value", CEDAR_ERR_SYNTAX},
        {"[\"\xff\"]", "UTF-8", CEDAR_ERR_SYNTAX},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cedar_error err = {0};

        CHECK(load(bad[i].text, &err) == NULL);
        if (strstr(err.message, bad[i].message) == NULL)
            CHECK_STR(err.message, bad[i].message);
        CHECK_INT(err.status, bad[i].status);
    }
}

TEST(doubles_that_agree_are_one)
{
    struct cedar_entities *e =
        load("[" ENTITY("a", "\"x\": [1, 2]", U("b")) "," ENTITY("a", "\"x\": [2, 1]", U("b")) "]",
             NULL);

    CHECK(e != NULL && cedar_entities_count(e) == 1);
    cedar_entities_free(e);
}

/* A chain and a diamond of some size close without recursion and without blowing up. */
TEST(deep_hierarchies)
{
    enum { N = 3000 };
    struct cedar_entity *list = calloc(N, sizeof(*list));
    struct cedar_uid *parents = calloc(N, sizeof(*parents));
    struct cedar_entities *e = NULL;
    char(*ids)[16] = calloc(N + 1, sizeof(*ids));

    CHECK(list != NULL && parents != NULL && ids != NULL);
    names = names != NULL ? names : cedar_names_new(NULL, NULL, 0);
    for (uint32_t i = 0; i <= N; i++)
        snprintf(ids[i], sizeof(ids[i]), "%u", i);
    for (uint32_t i = 0; i < N; i++) {
        parents[i] = cedar_uid(cedar_intern(names, CEDAR_STR("D")), cedar_str(ids[i + 1]));
        list[i].uid = cedar_uid(cedar_intern(names, CEDAR_STR("D")), cedar_str(ids[i]));
        list[i].parents = &parents[i];
        list[i].n_parents = 1;
    }
    CHECK_INT(cedar_entities_build(names, NULL, list, N, &e, NULL), CEDAR_OK);
    CHECK_INT(cedar_entities_at(e, 0).n_parents, N);
    cedar_entities_free(e);
    free(list);
    free(parents);
    free(ids);
}

TEST(nesting_is_limited)
{
    enum { N = 100000 };
    char *text = malloc(2 * N + 1);
    struct cedar_error err;

    CHECK(text != NULL);
    memset(text, '[', N);
    memset(text + N, ']', N);
    text[2 * N] = '\0';
    CHECK(load(text, &err) == NULL);
    CHECK_INT(err.status, CEDAR_ERR_LIMIT);
    free(text);
}

TEST(requests)
{
    struct cedar_parsed_request *parsed;
    const struct cedar_request *r;
    struct cedar_error err = {0};

    CHECK_INT(cedar_request_parse(names, NULL,
                                  CEDAR_STR("{\"principal\": \"U::\\\"a\\\"\", \"action\": " U(
                                      "x") ", \"resource\": {\"__entity\": " U("y") "}}"),
                                  NULL, &parsed, &err),
              CEDAR_OK);
    r = cedar_parsed_request(parsed);
    CHECK(r->n_context == 0 && cedar_str_eq(r->principal.id, CEDAR_STR("a")));
    cedar_parsed_request_free(parsed);
    CHECK_INT(cedar_request_parse(names, NULL, CEDAR_STR("{\"principal\": " U("a") "}"), NULL,
                                  &parsed, &err),
              CEDAR_ERR_SYNTAX);
    CHECK_STR(err.message, "the request has no \"action\"");
    CHECK_INT(cedar_request_parse(names, NULL,
                                  CEDAR_STR("{\"principal\": \"U\", \"action\": " U(
                                      "x") ", \"resource\": " U("y") "}"),
                                  NULL, &parsed, &err),
              CEDAR_ERR_SYNTAX);
    CHECK_INT(cedar_request_parse(names, NULL,
                                  CEDAR_STR("{\"principal\": " U("a") ", \"action\": " U(
                                      "x") ", \"resource\": " U("y") ", \"context\": []}"),
                                  NULL, &parsed, &err),
              CEDAR_ERR_SYNTAX);
}

/* Where the schema declares a type, a value needs no escape. */
TEST(schemas_read_for_you)
{
    static const char text[] = "[{\"uid\": " U("a") ", \"attrs\": {\"boss\": " U(
        "b") ", \"ip\": \"10.0.0.0/8\", "
             "\"at\": {\"fn\": \"datetime\", \"arg\": \"2024-01-01\"}, "
             "\"l\": [\"1.5\"]}, \"parents\": [], \"tags\": {\"k\": \"1h\"}}]";
    struct cedar_schema *schema;
    struct cedar_entities *e;
    struct cedar_entity a;
    size_t n;

    CHECK_INT(cedar_schema_parse(names,
                                 CEDAR_STR("entity U = { boss: U, ip: ipaddr, at: datetime, l: "
                                           "Set<decimal> } tags duration;"
                                           "action all; action read in [all];"),
                                 &schema, NULL),
              CEDAR_OK);
    CHECK_INT(cedar_entities_parse(names, NULL, cedar_str(text), schema, &e, NULL), CEDAR_OK);
    CHECK_INT(cedar_entities_count(e), 3);
    a = cedar_entities_at(e, 0);
    for (uint32_t i = 0; i < a.n_attrs; i++)
        CHECK(a.attrs[i].value.kind != CEDAR_STRING && a.attrs[i].value.kind != CEDAR_RECORD);
    CHECK_INT(a.tags[0].value.kind, CEDAR_DURATION);
    n = 0;
    for (size_t i = 0; i < 3; i++)
        n += cedar_entities_at(e, i).n_parents;
    CHECK_INT(n, 1);
    cedar_entities_free(e);
    cedar_schema_free(schema);
}

UNIT_MAIN(UNIT(values), UNIT(ancestors_are_closed), UNIT(errors), UNIT(doubles_that_agree_are_one),
          UNIT(deep_hierarchies), UNIT(nesting_is_limited), UNIT(requests),
          UNIT(schemas_read_for_you))
