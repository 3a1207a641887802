/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of policies, requests and entities. */
#include "cedar_fail_alloc.h"
#include "unit.h"

#include "cedar.h"

#include <stdio.h>

static const char photos[] =
    "namespace App {"
    "  type Spot = { x: Long, name?: String };"
    "  entity User in [Group] = { age: Long, nick?: String, spot?: Spot, home: Spot,"
    "    tags: Set<String>, boss?: User, ip: ipaddr, since: datetime, score: decimal };"
    "  entity Group in [Group];"
    "  entity Photo in [Album] = { owner: User, public: Bool } tags String;"
    "  entity Album in [Album];"
    "  entity Color enum [\"red\", \"blue\"];"
    "  action view in [read] appliesTo { principal: [User], resource: [Photo, Album],"
    "    context: { at?: datetime, authenticated: Bool, note: { text?: String } } };"
    "  action edit in [write] appliesTo { principal: [User, Group], resource: Photo };"
    "  action paint appliesTo { principal: User, resource: Color };"
    "  action read in [write]; action write; action idle;"
    "}";

/* What a validation found, a line each. */
struct findings {
    char text[4096];
    size_t len;
    int faults, warnings;
};

static void collect(void *ctx, const struct cedar_finding *finding)
{
    struct findings *f = ctx;

    f->faults += finding->severity == CEDAR_FAULT;
    f->warnings += finding->severity == CEDAR_WARNING;
    if (f->len + CEDAR_MESSAGE_MAX < sizeof(f->text))
        f->len += (size_t)sprintf(f->text + f->len, "%s\n", finding->at.message);
}

struct setting {
    struct cedar_names *names;
    struct cedar_schema *schema;
    struct findings found;
    struct cedar_error err;
    bool valid;
};

static struct setting begin(const struct cedar_allocator *alloc)
{
    struct setting s = {.names = cedar_names_new(alloc, NULL, 0)};

    if (s.names != NULL)
        cedar_schema_parse(s.names, cedar_str(photos), &s.schema, &s.err);
    return s;
}

static void end(struct setting *s)
{
    cedar_schema_free(s->schema);
    cedar_names_free(s->names);
}

static void validate(struct setting *s, const struct cedar_allocator *alloc, const char *text)
{
    struct cedar_policies *policies = NULL;
    struct cedar_str view = cedar_str(text);

    s->valid = false;
    if (s->schema == NULL)
        return;
    cedar_policies_parse(s->names, alloc, view, &policies, &s->err);
    if (policies != NULL)
        cedar_validate_policies(s->schema, policies, collect, &s->found, &s->valid, &s->err);
    cedar_policies_free(policies);
}

/* Validates one condition of a policy on viewing and returns the findings; NULL if it is no policy.
 */
static const char *check(const char *scope, const char *condition)
{
    static struct setting s;
    char text[1024];

    s = begin(NULL);
    snprintf(text, sizeof(text), "permit (%s) when { %s };", scope, condition);
    validate(&s, NULL, text);
    end(&s);
    if (s.err.status != CEDAR_OK)
        printf("# %s: %s\n", text, s.err.message);
    return s.err.status != CEDAR_OK ? NULL : s.found.text;
}

static const char view[] = "principal, action == App::Action::\"view\", resource is App::Photo";

TEST(well_typed)
{
    static const char *const good[] = {
        "principal.age > 3 && -principal.age + 2 * 3 <= 7",
        "principal has nick && principal.nick like \"a*\"",
        "principal has spot && principal.spot has name && principal.spot.name == \"x\"",
        "principal has spot.name && principal.spot.name == \"x\"",
        "if principal has nick then principal.nick == \"x\" else false",
        "(principal has nick && principal has boss) && principal.nick == \"\"",
        "(principal has nick || principal has nick) && principal.nick == \"\"",
        "principal has boss && principal.boss has nick && principal.boss.nick == \"\"",
        "context has at && context.at < datetime(\"2024-10-15\")",
        "context.authenticated && context.note has text && context.note.text == \"\"",
        "{a: principal}.a.age == 1",
        "[1, 2].contains(principal.age) && principal.tags.containsAny([\"a\"])",
        "principal.tags.isEmpty() || principal.tags == [\"b\"]",
        "resource.hasTag(\"k\") && resource.getTag(\"k\") == \"v\"",
        ("principal has nick && resource.hasTag(principal.nick) && "
         "resource.getTag(principal.nick) == \"\""),
        "principal.ip.isInRange(ip(\"10.0.0.0/8\")) && principal.score.lessThan(decimal(\"1.5\"))",
        "principal.since.offset(duration(\"1d\")).toTime() < duration(\"5h\")",
        "principal in App::Group::\"g\" && resource in [App::Album::\"a\", App::Album::\"b\"]",
        "resource.owner == principal",
        "principal == App::Photo::\"p\" || principal.age == 1",
        "1 == \"a\" || true",
        "false && principal.nothing.at.all || true",
        "true || principal.nothing.at.all",
        "if true then principal.age == 1 else principal.nothing",
        "principal is App::Group && principal.nothing == 1 || true",
        "action in App::Action::\"write\"",
        "action == App::Action::\"view\" && action in [App::Action::\"read\"]",
        "resource in App::Group::\"g\" && principal.nothing || true",
        "action has foo && action.foo || true",
        "[{a: 1}, {a: 2}].contains({a: principal.age})",
        "(if principal.age == 1 then [true] else [principal.age == 2]).contains(false)",
        "App::Color::\"red\" == App::Color::\"blue\" || true",
        "principal has age && principal.age == 1",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_STR(check(view, good[i]), "");
    }
}

TEST(ill_typed)
{
    static const struct {
        const char *condition, *part;
    } bad[] = {
        {"principal.age", "expected Bool, found Long"},
        {"principal.aeg == 1", "App::User has no attribute `aeg`; did you mean `age`?"},
        {"principal.nick == \"x\"", "attribute `nick` of App::User is optional"},
        {"principal has nick || principal.nick == \"x\"", "is optional"},
        {"!(principal has nick) || principal.nick == \"x\"", "is optional"},
        {"!(principal has nick) && principal.nick == \"x\"", "is optional"},
        {"(principal has nick || principal has spot) && principal.nick == \"\"", "is optional"},
        {"if principal has nick then true else principal.nick == \"\"", "is optional"},
        {"resource.owner has nick && principal.nick == \"\"", "is optional"},
        {"principal.spot.x == 1", "is optional"},
        {"context.at < datetime(\"2024-10-15\")", "is optional"},
        {"context.nothing", "has no attribute `nothing`"},
        {"principal.age == \"x\"", "must be of one type, found Long and String"},
        {"principal.age + \"x\" == 1", "expected Long, found String"},
        {"principal.age < \"x\"", "expected Long, datetime or duration, found String"},
        {"principal.since < duration(\"1d\")", "must be of one type, found datetime and duration"},
        {"principal.score < decimal(\"1.0\")", ".lessThan()"},
        {"[1, \"a\"].contains(1)", "elements of a set must be of one type, found Long and String"},
        {"[].contains(1)", "an empty set has no type"},
        {"principal.tags.contains(1)", "Long cannot be in a set of String"},
        {"principal.tags.containsAll(\"a\")", "expected a set, found String"},
        {"principal.tags.containsAny([1])", "Long cannot be in a set of String"},
        {"principal.contains(1)", "expected a set, found App::User"},
        {"principal in principal.tags", "expected a set of entities, found Set<String>"},
        {"principal.age in principal", "expected an entity, found Long"},
        {"principal.age is App::User", "expected an entity, found Long"},
        {"principal.age has x", "expected an entity or a record, found Long"},
        {"principal has age.x", "expected an entity or a record before `x`, found Long"},
        {"principal.age like \"a\"", "expected String, found Long"},
        {"ip(\"1.2.3\").isIpv4()", "ip() cannot read \"1.2.3\""},
        {"ip(principal.home.name).isIpv4()", "string literal"},
        {"ip(1).isIpv4()", "string literal"},
        {"ip(\"1.2.3.4\", \"x\").isIpv4()", "ip() takes 1 argument, found 2"},
        {"principal.ip.isInRange()", "isInRange() takes 1 argument, found 0"},
        {"principal.age.isIpv4()", "expected ipaddr, found Long"},
        {"decimal(\"1.23456\").lessThan(decimal(\"1.0\"))", "decimal() cannot read"},
        {"resource.getTag(\"k\") == \"v\"", "test it first with .hasTag()"},
        {"resource.hasTag(\"k\") && resource.getTag(\"j\") == \"v\"", "test it first"},
        {"resource.hasTag(1)", "expected String, found Long"},
        {"principal.getTag(\"k\") == \"v\"", "entities of type App::User have no tags"},
        {"principal == App::Usr::\"u\"",
         "unknown entity type `App::Usr`; did you mean `App::User`?"},
        {"principal == User::\"u\"", "unknown entity type `User`; did you mean `App::User`?"},
        {"principal is User", "unknown entity type `User`"},
        {"false && principal is User", "unknown entity type `User`"},
        {"App::Color::\"rde\" == App::Color::\"red\"", "did you mean `red`?"},
        {"action == App::Action::\"veiw\"",
         "unknown action App::Action::\"veiw\"; did you mean `view`?"},
        {"action == Action::\"view\"", "did you mean App::Action::\"view\"?"},
        {"action.foo == 1", "App::Action has no attribute `foo`"},
        {"[principal, resource].contains(principal)", "must be of one type"},
        {"if principal.age == 1 then 1 else true", "both branches of an `if`"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *found = check(view, bad[i].condition);

        CHECK(found != NULL);
        if (strstr(found, bad[i].part) == NULL)
            printf("# %s\n# -> %s\n", bad[i].condition, found);
        CHECK(strstr(found, bad[i].part) != NULL);
    }
}

/* Several mistakes are told in one run, each once, with the environment. */
TEST(tells_all_mistakes_once)
{
    struct setting s = begin(NULL);

    validate(&s, NULL,
             "permit (principal, action, resource) when { principal.a == 1 && principal.b == 2 };");
    CHECK(!s.valid);
    CHECK_INT(s.found.faults, 4); /* two attributes of App::User, and of App::Group */
    CHECK(strstr(s.found.text, "App::User has no attribute `a` (principal App::User, action "
                               "App::Action::\"view\", resource App::Photo)") != NULL);
    end(&s);
}

TEST(scopes)
{
    static const struct {
        const char *scope, *part;
    } cases[] = {
        {"principal, action, resource", ""},
        {"principal is App::Group, action, resource", ""},
        {"principal is App::Group, action == App::Action::\"view\", resource",
         "applies to such a principal"},
        {"principal, action == App::Action::\"view\", resource is App::Color",
         "applies to such a resource"},
        {"principal is App::Group, action, resource is App::Album",
         "applies to such a principal and resource together"},
        {"principal, action == App::Action::\"idle\", resource", "applies to such a principal"},
        {"principal, action in [], resource", "names no action"},
        {"principal, action in [App::Action::\"write\"], resource is App::Album", ""},
        {"principal in App::Group::\"g\", action, resource in App::Album::\"a\"", ""},
        {"principal in App::Album::\"g\", action, resource", "applies to such a principal"},
        {"principal is App::User in App::Group::\"g\", action, resource", ""},
        {"principal == App::Color::\"green\", action, resource", "enumerated type"},
        {"principal, action in [App::Action::\"view\", App::Action::\"nope\"], resource",
         "unknown action"},
        {"principal, action, resource == App::Color::\"red\"", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = check(cases[i].scope, "true");

        CHECK(found != NULL);
        if (strstr(found, cases[i].part) == NULL || (*cases[i].part == '\0' && *found != '\0'))
            printf("# %s\n# -> %s\n", cases[i].scope, found);
        CHECK(*cases[i].part != '\0' ? strstr(found, cases[i].part) != NULL : *found == '\0');
    }
}

TEST(warns_of_the_impossible)
{
    struct setting s = begin(NULL);

    validate(&s, NULL,
             "permit (principal, action, resource) when { principal is App::Photo };"
             "permit (principal, action, resource) unless { true };"
             "permit (principal, action, resource) when { context.authenticated };");
    CHECK_INT(s.found.warnings, 2);
    CHECK_INT(s.found.faults, 1); /* edit has no such context */
    CHECK(strstr(s.found.text, "can never apply") != NULL);
    end(&s);
}

/* Policies of the JSON format, where `has` takes a path as an array. */
static enum cedar_status validate_json(struct setting *s, const char *attr)
{
    static const char form[] =
        "{\"effect\": \"permit\", \"principal\": {\"op\": \"is\", \"entity_type\": \"App::User\"},"
        "\"action\": {\"op\": \"All\"}, \"resource\": {\"op\": \"All\"}, \"conditions\": "
        "[{\"kind\":"
        "\"when\", \"body\": {\"&&\": {\"left\": {\"has\": {\"left\": {\"Var\": \"principal\"},"
        "\"attr\": %s}}, \"right\": {\"==\": {\"left\": {\".\": {\"left\": {\".\": {\"left\": "
        "{\"Var\":"
        "\"principal\"}, \"attr\": \"spot\"}}, \"attr\": \"name\"}}, \"right\": {\"Value\": "
        "\"x\"}}}}}}]}";
    struct cedar_policies *policies = NULL;
    char text[1024];
    enum cedar_status status;

    snprintf(text, sizeof(text), form, attr);
    status = cedar_policies_parse_json(s->names, NULL, cedar_str(text), &policies, &s->err);
    if (status == CEDAR_OK)
        status =
            cedar_validate_policies(s->schema, policies, collect, &s->found, &s->valid, &s->err);
    cedar_policies_free(policies);
    return status;
}

TEST(json_policies)
{
    struct setting s = begin(NULL);

    CHECK_INT(validate_json(&s, "[\"spot\", \"name\"]"), CEDAR_OK);
    CHECK(s.valid);
    CHECK_INT(validate_json(&s, "\"spot\""), CEDAR_OK);
    CHECK(!s.valid);
    CHECK(strstr(s.found.text, "attribute `name` of") != NULL);
    CHECK_INT(validate_json(&s, "[]"), CEDAR_ERR_SYNTAX);
    CHECK_INT(validate_json(&s, "[\"a b\", \"c\"]"), CEDAR_ERR_SYNTAX);
    CHECK_INT(validate_json(&s, "[\"a\", 1]"), CEDAR_ERR_SYNTAX);
    end(&s);
}

TEST(templates_and_links)
{
    struct setting s = begin(NULL);
    struct cedar_policies *policies = NULL;
    struct cedar_uid user, album;
    static const char text[] =
        "permit (principal == ?principal, action, resource in ?resource) when "
        "{ principal is App::User && principal.age > 1 };";

    CHECK_INT(cedar_policies_parse(s.names, NULL, cedar_str(text), &policies, &s.err), CEDAR_OK);
    CHECK_INT(cedar_validate_policies(s.schema, policies, collect, &s.found, &s.valid, &s.err),
              CEDAR_OK);
    CHECK(s.valid);
    user = cedar_uid(cedar_intern(s.names, cedar_str("App::User")), cedar_str("u"));
    album = cedar_uid(cedar_intern(s.names, cedar_str("App::Album")), cedar_str("a"));
    CHECK_INT(cedar_policies_link(policies, cedar_str("policy0"), cedar_str("good"), &user, &album,
                                  &s.err),
              CEDAR_OK);
    cedar_validate_policies(s.schema, policies, collect, &s.found, &s.valid, &s.err);
    CHECK(s.valid);
    CHECK_INT(cedar_policies_link(policies, cedar_str("policy0"), cedar_str("bad"), &album, &user,
                                  &s.err),
              CEDAR_OK);
    cedar_validate_policies(s.schema, policies, collect, &s.found, &s.valid, &s.err);
    CHECK(!s.valid);
    CHECK(strstr(s.found.text, "no request can match") != NULL);
    cedar_policies_free(policies);
    end(&s);
}

TEST(names_must_be_shared)
{
    struct setting s = begin(NULL);
    struct cedar_names *other = cedar_names_new(NULL, NULL, 0);
    struct cedar_policies *policies = NULL;

    CHECK_INT(cedar_policies_parse(other, NULL, cedar_str(""), &policies, &s.err), CEDAR_OK);
    CHECK_INT(cedar_validate_policies(s.schema, policies, NULL, NULL, &s.valid, &s.err),
              CEDAR_ERR_INVALID);
    cedar_policies_free(policies);
    cedar_names_free(other);
    end(&s);
}

/* ---- requests and entities --------------------------------------------------------------------
 */

static const char *check_request(const char *json)
{
    static struct setting s;
    struct cedar_parsed_request *request = NULL;

    s = begin(NULL);
    if (cedar_request_parse(s.names, NULL, cedar_str(json), NULL, &request, &s.err) == CEDAR_OK)
        cedar_validate_request(s.schema, cedar_parsed_request(request), collect, &s.found, &s.valid,
                               &s.err);
    cedar_parsed_request_free(request);
    end(&s);
    return s.err.status != CEDAR_OK ? s.err.message : s.valid ? "" : s.found.text;
}

#define REQUEST(principal, action, resource, context)                                          \
    "{\"principal\": \"" principal "\", \"action\": \"" action "\", \"resource\": \"" resource \
    "\", \"context\": " context "}"
#define USER  "App::User::\\\"u\\\""
#define PHOTO "App::Photo::\\\"p\\\""
#define VIEW  "App::Action::\\\"view\\\""

TEST(requests)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {REQUEST(USER, VIEW, PHOTO, "{\"authenticated\": true, \"note\": {}}"), ""},
        {REQUEST(USER, VIEW, PHOTO, "{\"note\": {}}"),
         "context.authenticated: this attribute is required"},
        {REQUEST(USER, VIEW, PHOTO, "{\"authenticated\": 1, \"note\": {}}"),
         "context.authenticated: expected Bool, found a Long"},
        {REQUEST(USER, VIEW, PHOTO, "{\"authenticated\": true, \"note\": {\"txt\": \"\"}}"),
         "context.note.txt: this attribute is not declared; did you mean `text`?"},
        {REQUEST(USER, VIEW, USER, "{\"authenticated\": true, \"note\": {}}"),
         "does not apply to a resource of type App::User, only to App::Photo, App::Album"},
        {REQUEST("App::Group::\\\"g\\\"", VIEW, PHOTO, "{\"authenticated\": true, \"note\": {}}"),
         "does not apply to a principal of type App::Group"},
        {REQUEST("User::\\\"u\\\"", VIEW, PHOTO, "{\"authenticated\": true, \"note\": {}}"),
         "principal: unknown entity type `User`; did you mean `App::User`?"},
        {REQUEST(USER, "App::Action::\\\"vew\\\"", PHOTO, "{}"), "action: unknown action"},
        {REQUEST(USER, "App::Action::\\\"paint\\\"", "App::Color::\\\"red\\\"", "{}"), ""},
        {REQUEST(USER, "App::Action::\\\"paint\\\"", "App::Color::\\\"green\\\"", "{}"),
         "is not one of the entities of its enumerated type"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = check_request(cases[i].json);

        if (strstr(found, cases[i].part) == NULL)
            printf("# %s\n# -> %s\n", cases[i].json, found);
        CHECK(*cases[i].part != '\0' ? strstr(found, cases[i].part) != NULL : *found == '\0');
    }
}

/* Entities that a request brings are checked with it. */
TEST(entities_of_a_request)
{
    struct setting s = begin(NULL);
    cedar_name user = cedar_intern(s.names, cedar_str("App::User"));
    cedar_name group = cedar_intern(s.names, cedar_str("App::Group"));
    cedar_name action = cedar_intern(s.names, cedar_str("App::Action"));
    struct cedar_uid parents[] = {cedar_uid(user, cedar_str("x")),
                                  cedar_uid(action, cedar_str("read"))};
    struct cedar_entity brought[] = {
        {.uid = cedar_uid(group, cedar_str("g")), .parents = &parents[0], .n_parents = 1},
        {.uid = cedar_uid(action, cedar_str("view")), .parents = &parents[1], .n_parents = 1},
    };
    struct cedar_request request = {
        .principal = cedar_uid(group, cedar_str("g")),
        .action = cedar_uid(action, cedar_str("edit")),
        .resource = cedar_uid(cedar_intern(s.names, cedar_str("App::Photo")), cedar_str("p")),
        .entities = brought,
        .n_entities = 2,
    };

    cedar_validate_request(s.schema, &request, collect, &s.found, &s.valid, &s.err);
    CHECK(!s.valid);
    CHECK_INT(s.found.faults, 1);
    CHECK(strstr(s.found.text, "App::Group cannot be in App::User::\"x\"") != NULL);
    end(&s);
}

static const char *check_entities(const char *json)
{
    static struct setting s;
    struct cedar_entities *entities = NULL;

    s = begin(NULL);
    if (cedar_entities_parse(s.names, NULL, cedar_str(json), NULL, &entities, &s.err) == CEDAR_OK)
        cedar_validate_entities(s.schema, entities, collect, &s.found, &s.valid, &s.err);
    cedar_entities_free(entities);
    end(&s);
    return s.err.status != CEDAR_OK ? s.err.message : s.valid ? "" : s.found.text;
}

#define ENTITY(type, id, attrs, parents)                                         \
    "{\"uid\": {\"type\": \"" type "\", \"id\": \"" id "\"}, \"attrs\": {" attrs \
    "}, \"parents\": [" parents "]}"
#define UID(type, id) "{\"type\": \"" type "\", \"id\": \"" id "\"}"
#define OWNER         "\"owner\": {\"__entity\": " UID("App::User", "u") "}"

TEST(entities)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"[]", ""},
        {"[" ENTITY("App::Group", "g", "", UID("App::Group", "h")) "]", ""},
        {"[" ENTITY("App::Photo", "p", OWNER ", \"public\": true", UID("App::Album", "a")) "]", ""},
        {"[" ENTITY("App::Photo", "p", OWNER, "") "]",
         "App::Photo::\"p\".public: this attribute is required"},
        {"[" ENTITY("App::Photo", "p", OWNER ", \"public\": 1", "") "]",
         "App::Photo::\"p\".public: expected Bool, found a Long"},
        {"[" ENTITY("App::Photo", "p",
                    "\"owner\": {\"__entity\": " UID("App::Album", "u") "}, \"public\": true",
                    "") "]",
         "expected App::User, found App::Album::\"u\""},
        {"[" ENTITY("App::Photo", "p", OWNER ", \"public\": true, \"x\": 1", "") "]",
         "App::Photo::\"p\".x: this attribute is not declared"},
        {"[" ENTITY("App::Photo", "p", OWNER ", \"public\": true", UID("App::Group", "g")) "]",
         "cannot be in App::Group::\"g\""},
        {"[" ENTITY("App::Nope", "p", "", "") "]", "unknown entity type `App::Nope`"},
        {"[" ENTITY("App::Color", "red", "", "") "]", ""},
        {"[" ENTITY("App::Color", "pink", "", "") "]", "enumerated type"},
        {"[{\"uid\": " UID("App::Photo",
                           "p") ", \"attrs\": {" OWNER
                                ", \"public\": true}, \"parents\": [], \"tags\": {\"k\": \"v\"}}]",
         ""},
        {"[{\"uid\": " UID("App::Photo",
                           "p") ", \"attrs\": {" OWNER
                                ", \"public\": true}, \"parents\": [], \"tags\": {\"k\": 1}}]",
         "App::Photo::\"p\".tags.k: expected String, found a Long"},
        {"[{\"uid\": " UID("App::Group", "g") ", \"attrs\": {}, \"parents\": [],"
                                              "\"tags\": {\"k\": 1}}]",
         "entities of its type have no tags"},
        {"[" ENTITY("App::Action", "view", "",
                    UID("App::Action", "read") "," UID("App::Action", "write")) "]",
         ""},
        {"[" ENTITY("App::Action", "view", "", UID("App::Action", "read")) "]",
         "not in all the groups"},
        {"[" ENTITY("App::Action", "view", "",
                    UID("App::Action", "read") "," UID("App::Action",
                                                       "write") "," UID("App::Action", "idle")) "]",
         "not declared to be in App::Action::\"idle\""},
        {"[" ENTITY("App::Action", "nope", "", "") "]", "this action is not declared"},
        {"[" ENTITY("App::Action", "idle", "\"a\": 1", "") "]", "actions have no attributes"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = check_entities(cases[i].json);

        if (strstr(found, cases[i].part) == NULL)
            printf("# %s\n# -> %s\n", cases[i].json, found);
        CHECK(*cases[i].part != '\0' ? strstr(found, cases[i].part) != NULL : *found == '\0');
    }
}

/* ---- without memory -----------------------------------------------------------------------------
 */

static enum cedar_status try_with(size_t left, size_t *held)
{
    static const char text[] =
        "permit (principal, action == App::Action::\"view\", resource is App::Photo) when {"
        " principal has spot.name && principal.spot.name like \"a*b\" &&"
        " resource.hasTag(\"k\") && resource.getTag(\"k\") != \"v\" &&"
        " {a: [1, principal.age], b: true} == {b: principal.age > 2, a: [3]} &&"
        " (if principal has nick then [principal] else [resource.owner]).contains(principal) };"
        "permit (principal, action, resource) when { principal.typo };";
    struct fail_alloc counter = {.left = SIZE_MAX};
    struct cedar_allocator alloc = fail_allocator(&counter);
    struct setting s;

    counter.left = left;
    s = begin(&alloc);
    validate(&s, &alloc, text);
    end(&s);
    *held = counter.held;
    return s.names == NULL ? CEDAR_ERR_MEMORY : s.err.status;
}

TEST(survives_failing_allocations)
{
    enum cedar_status status = CEDAR_ERR_MEMORY;
    size_t left = 0, held;

    for (; status == CEDAR_ERR_MEMORY && left < 10000; left++) {
        status = try_with(left, &held);
        CHECK_INT(held, 0);
    }
    CHECK_INT(status, CEDAR_OK);
    CHECK(left > 10);
}

/* A condition as deep as the parser allows is checked without harm. */
TEST(deep_conditions)
{
    size_t room = 1 << 16, n;
    char *text = malloc(room);
    struct setting s = begin(NULL);

    CHECK(text != NULL);
    n = (size_t)sprintf(text, "permit (principal is App::User, action, resource) when { true");
    for (int i = 0; i < 1000; i++)
        n += (size_t)sprintf(text + n, " && principal has nick");
    sprintf(text + n, " && principal.nick == \"\" };");
    validate(&s, NULL, text);
    CHECK_INT(s.err.status, CEDAR_OK);
    CHECK(s.valid);
    free(text);
    end(&s);
}

UNIT_MAIN(UNIT(well_typed), UNIT(ill_typed), UNIT(tells_all_mistakes_once), UNIT(scopes),
          UNIT(warns_of_the_impossible), UNIT(json_policies), UNIT(templates_and_links),
          UNIT(names_must_be_shared), UNIT(requests), UNIT(entities_of_a_request), UNIT(entities),
          UNIT(survives_failing_allocations), UNIT(deep_conditions))
