/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: what parses, what does not and why, templates, JSON, formatting, limits. */
#include "unit.h"

#include "cedar.h"

#include <stdio.h>
#include <stdlib.h>

static struct cedar_names *names;

static struct cedar_policies *parse(const char *text, struct cedar_error *err)
{
    struct cedar_policies *policies = NULL;

    if (names == NULL)
        names = cedar_names_new(NULL, NULL, 0);
    return cedar_policies_parse(names, NULL, cedar_str(text), &policies, err) == CEDAR_OK ? policies
                                                                                          : NULL;
}

static struct cedar_policies *parse_json(const char *text, struct cedar_error *err)
{
    struct cedar_policies *policies = NULL;

    if (names == NULL)
        names = cedar_names_new(NULL, NULL, 0);
    return cedar_policies_parse_json(names, NULL, cedar_str(text), &policies, err) == CEDAR_OK
               ? policies
               : NULL;
}

struct text {
    char ptr[16384];
    size_t len;
};

static bool append(void *ctx, const char *piece, size_t n)
{
    struct text *text = ctx;

    if (n >= sizeof(text->ptr) - text->len)
        return false;
    memcpy(text->ptr + text->len, piece, n);
    text->len += n;
    text->ptr[text->len] = '\0';
    return true;
}

static bool refuse(void *ctx, const char *piece, size_t n)
{
    (void)ctx;
    (void)piece;
    (void)n;
    return false;
}

TEST(accepts)
{
    static const char *const good[] = {
        "",
        "// nothing but a comment",
        "permit(principal,action,resource);",
        "permit (principal == User::\"a\", action == N::Action::\"b\", resource in R::\"c\",);",
        "forbid (principal is A::B in ?principal, action in [], resource == ?resource);",
        "permit (principal == (U::\"a\"), action in ([(Action::\"x\")]), resource);",
        "permit (principal, action, resource in (?resource));",
        "@a @if(\"x\") permit (principal, action in [Action::\"x\",], resource is principal);",
        "permit (principal, action, resource) when { true } unless { false } when { 1 < 2 };",
        "permit (principal, action, resource) when { context has a.b.c || context has \"if\" };",
        "permit (principal, action, resource) when { -9223372036854775808 == --1 };",
        "permit (principal, action, resource) when { !!!!true && ----1 == 1 };",
        "permit (principal, action, resource) when { principal::\"x\" in [action, when::\"y\"] };",
        "permit (principal, action, resource) when { {\"a b\": 1, c: [],}[\"c\"].isEmpty() };",
        "permit (principal, action, resource) when { if true then 1 == 1 else 2 > 1 };",
        "permit (principal, action, resource) when { resource is A::B in principal };",
        "permit (principal, action, resource) when { ip(\"x\", \"y\").isIpv4(1) };",
        "permit (principal, action, resource) when { \"a\\\n  b\" like \"*\\**\" };",
    };
    struct cedar_error err = {0};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct cedar_policies *policies = parse(good[i], &err);

        CHECK_STR(policies != NULL ? "" : err.message, "");
        cedar_policies_free(policies);
    }
}

#define WHEN(condition) "permit (principal, action, resource) when { " condition " };"

TEST(errors_say_what_and_where)
{
    static const struct {
        const char *text, *message;
        unsigned line, column;
    } bad[] = {
        {"permit", "expected `(`", 1, 7},
        {"allow (principal, action, resource);", "expected `permit`", 1, 1},
        {"permit (principal, action);", "expected `,` and the resource", 1, 26},
        {"permit (action, principal, resource);", "expected principal", 1, 9},
        {"permit (principal, action, resource)", "expected `when`", 1, 37},
        {"permit (principal = User::\"a\", action, resource);", "`==`", 1, 19},
        {"permit (principal: User, action, resource);", "use `is`", 1, 18},
        {"permit (principal == ?resource, action, resource);", "?principal", 1, 22},
        {"permit (principal, action == ?action, resource);", "cannot be a slot", 1, 30},
        {"permit (principal, action is Action, resource);", "not by its type", 1, 27},
        {"permit (principal, action == User::\"a\", resource);", "type is Action", 1, 30},
        {"permit (principal in [User::\"a\"], action, resource);", "expected an entity", 1, 22},
        {"permit (principal == User, action, resource);", "`::`", 1, 26},
        {"@id(\"a\")\n@id(\"b\")\npermit (principal, action, resource);", "already", 2, 1},
        {WHEN(""), "cannot be empty", 1, 46},
        {WHEN("foo"), "`foo` is no variable", 1, 45},
        {WHEN("principal.in"), "reserved", 1, 55},
        {WHEN("foo(1)"), "no function", 1, 45},
        {WHEN("context.foo(1)"), "no method", 1, 53},
        {WHEN("contains(1)"), "it is a method", 1, 45},
        {WHEN("context.ip(1)"), "it is a function", 1, 53},
        {WHEN("[].contains()"), "takes 1 argument, not 0", 1, 45},
        {WHEN("[].isEmpty(1)"), "takes 0 arguments", 1, 45},
        {WHEN("1 / 2 == 1"), "no division", 1, 47},
        {WHEN("1 < 2 < 3"), "do not chain", 1, 51},
        {WHEN("1 = 2"), "`=` is no operator", 1, 47},
        {WHEN("!!!!!true"), "more than four", 1, 49},
        {WHEN("9223372036854775808 == 1"), "does not fit 64 bits", 1, 45},
        {WHEN("-9223372036854775809 == 1"), "does not fit 64 bits", 1, 46},
        {WHEN("{a: 1, \"a\": 2} == 1"), "twice", 1, 52},
        {WHEN("?principal == principal"), "scope only", 1, 45},
        {WHEN("\"a\" like context.x"), "pattern", 1, 54},
        {WHEN("\"a\\qb\" == \"\""), "no such escape", 1, 47},
        {WHEN("\"a"), "no end", 1, 45},
        {WHEN("true && if true then true else true"), "round brackets", 1, 53},
        {WHEN("(true"), "`)`", 1, 51},
        {WHEN("#"), "no meaning", 1, 45},
        {WHEN("true") "\n\n  \xc3\xa4", "no meaning", 3, 3},
        {"permit (principal, action, resource) where { true };", "expected `when`", 1, 38},
        {"permit (principal, action, resource) when true;", "expected `{`", 1, 43},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cedar_error err = {0};

        CHECK(parse(bad[i].text, &err) == NULL);
        if (strstr(err.message, bad[i].message) == NULL)
            CHECK_STR(err.message, bad[i].message);
        printf("# %s\n", err.message);
        CHECK_INT(err.line, bad[i].line);
        CHECK_INT(err.column, bad[i].column);
    }
}

TEST(errors_are_shown_with_their_line)
{
    struct cedar_error err;
    const char *text = "permit (principal, action, resource)\nwhen { \x1b principal.foo() };\n";
    char shown[512], small[8];

    CHECK(parse(text, &err) == NULL);
    cedar_error_render(&err, "a.cedar", cedar_str(text), shown, sizeof(shown));
    CHECK_STR(shown, "a.cedar:2:8: error: this character has no meaning here\n"
                     "  when { ? principal.foo() };\n"
                     "         ^\n");
    text = "permit (principal, action, resource)\nwhen { principal.foo() };\n";
    CHECK(parse(text, &err) == NULL);
    cedar_error_render(&err, "a.cedar", cedar_str(text), shown, sizeof(shown));
    CHECK_STR(shown, "a.cedar:2:18: error: `foo` is no method of the language\n"
                     "  when { principal.foo() };\n"
                     "                   ^~~\n");
    CHECK_INT(cedar_error_render(&err, "a.cedar", cedar_str(text), small, sizeof(small)), 7);
    CHECK_STR(small, "a.cedar");
}

TEST(tells_of_policies)
{
    struct cedar_policies *p = parse("@id(\"first\") @bare\npermit (principal, action, resource);\n"
                                     "forbid (principal == ?principal, action, resource) "
                                     "when { true } unless { false };",
                                     NULL);
    struct cedar_policy_info info;

    CHECK(p != NULL);
    CHECK_INT(cedar_policies_count(p), 2);
    info = cedar_policy_info(p, 0);
    CHECK_STR(info.id, "policy0");
    CHECK_STR(info.id_note, "first");
    CHECK(info.effect == CEDAR_PERMIT && !info.is_template && info.n_annotations == 2);
    CHECK_STR(cedar_policy_note(p, 0, "bare"), "");
    CHECK(cedar_policy_note(p, 0, "none") == NULL);
    info = cedar_policy_info(p, 1);
    CHECK(info.effect == CEDAR_FORBID && info.is_template && info.n_conditions == 2);
    CHECK(info.id_note == NULL && cedar_policy_condition(p, 1, 1).is_unless);
    CHECK(cedar_str_eq((struct cedar_str){cedar_policies_source(p).ptr + info.scope.start,
                                          info.scope.end - info.scope.start},
                       CEDAR_STR("principal == ?principal, action, resource")));
    cedar_policies_free(p);
}

static void list_literal(void *ctx, const struct cedar_literal *l)
{
    struct text *text = ctx;
    char piece[128] = "";

    if (l->kind == CEDAR_LIT_PATTERN)
        snprintf(piece, sizeof(piece), "%.*s", (int)l->pattern.len, l->pattern.ptr);
    else if (l->kind == CEDAR_LIT_TYPE || l->kind == CEDAR_LIT_ATTR)
        snprintf(piece, sizeof(piece), "%s", cedar_name_str(names, l->name).ptr);
    else
        cedar_value_print(names, &l->value, piece, sizeof(piece));
    append(text, l->in_scope ? "!" : "", l->in_scope);
    append(text, piece, strlen(piece));
    append(text, " ", 1);
}

TEST(lists_literals)
{
    struct cedar_policies *p =
        parse("permit (principal is U in G::\"g\", action in [Action::\"a\", Action::\"b\"], "
              "resource == R::\"r\") when { resource.path like \"*\\*x\" && context has a.b && "
              "[1, \"s\"].contains(T::\"t\") && principal is V };",
              NULL);
    struct text text = {0};

    CHECK(p != NULL);
    cedar_policy_literals(p, 0, list_literal, &text);
    CHECK_STR(text.ptr, "!U !G::\"g\" !Action::\"a\" !Action::\"b\" !R::\"r\" path *\\*x a b 1 "
                        "\"s\" T::\"t\" V ");
    cedar_policies_free(p);
}

TEST(links_templates)
{
    struct cedar_policies *p =
        parse("permit (principal == ?principal, action, resource in ?resource);"
              "permit (principal, action, resource);",
              NULL);
    struct cedar_uid u = cedar_uid(cedar_intern(names, CEDAR_STR("U")), CEDAR_STR("u"));
    struct cedar_error err;
    struct text text = {0};

    CHECK(p != NULL);
    CHECK_INT(cedar_policies_link(p, CEDAR_STR("policy0"), CEDAR_STR("l"), &u, NULL, &err),
              CEDAR_ERR_INVALID);
    CHECK(strstr(err.message, "?resource") != NULL);
    CHECK_INT(cedar_policies_link(p, CEDAR_STR("policy1"), CEDAR_STR("l"), &u, &u, &err),
              CEDAR_ERR_UNKNOWN);
    CHECK_INT(cedar_policies_link(p, CEDAR_STR("policy0"), CEDAR_STR("policy1"), &u, &u, &err),
              CEDAR_ERR_CONFLICT);
    CHECK_INT(cedar_policies_link(p, CEDAR_STR("policy0"), CEDAR_STR("l"), &u, &u, &err), CEDAR_OK);
    CHECK_STR(cedar_policy_info(p, 2).source_id, "policy0");
    CHECK_INT(cedar_policies_print(p, append, &text, NULL), CEDAR_OK);
    CHECK(strstr(text.ptr, "permit (principal == U::\"u\", action, resource in U::\"u\");") !=
          NULL);
    cedar_policies_free(p);
}

TEST(json_comes_back)
{
    struct cedar_policies *p =
        parse("@id(\"x\") @bare permit (principal is A in ?principal, action in [Action::\"a\"], "
              "resource == R::\"\\0\") when { context.a has b.c && -(5) < -x::\"y\".z };"
              "forbid (principal, action == Action::\"a\", resource);",
              NULL);
    struct cedar_uid u = cedar_uid(cedar_intern(names, CEDAR_STR("U")), CEDAR_STR("u"));
    struct cedar_policies *again;
    struct text once = {0}, twice = {0}, one = {0};

    CHECK(p != NULL);
    CHECK_INT(cedar_policies_link(p, CEDAR_STR("policy0"), CEDAR_STR("l"), &u, NULL, NULL),
              CEDAR_OK);
    CHECK_INT(cedar_policies_print_json(p, append, &once, NULL), CEDAR_OK);
    again = parse_json(once.ptr, NULL);
    CHECK(again != NULL);
    CHECK_INT(cedar_policies_count(again), 3);
    CHECK_INT(cedar_policies_print_json(again, append, &twice, NULL), CEDAR_OK);
    CHECK_STR(twice.ptr, once.ptr);
    cedar_policies_free(again);
    CHECK_INT(cedar_policy_print_json(p, 2, append, &one, NULL), CEDAR_OK);
    again = parse_json(one.ptr, NULL);
    CHECK(again != NULL && !cedar_policy_info(again, 0).is_template);
    cedar_policies_free(again);
    CHECK_INT(cedar_policies_print_json(p, refuse, NULL, NULL), CEDAR_ERR_INVALID);
    CHECK_INT(cedar_policies_print(p, refuse, NULL, NULL), CEDAR_ERR_INVALID);
    cedar_policies_free(p);
}

#define SCOPE                                                                                  \
    "\"principal\": {\"op\": \"All\"}, \"action\": {\"op\": \"All\"}, \"resource\": {\"op\": " \
    "\"All\"}"
#define BODY(body)                                                                              \
    "{\"effect\": \"permit\", " SCOPE ", \"conditions\": [{\"kind\": \"when\", \"body\": " body \
    "}]}"

TEST(json_errors)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "ends where a value"},
        {"[]", "a policy or a policy set"},
        {"{\"effect\": \"permit\"}", "no \"principal\""},
        {"{\"effect\": \"allow\", " SCOPE ", \"conditions\": []}", "\"permit\" or \"forbid\""},
        {"{\"effect\": \"permit\", \"effect\": \"permit\"}", "twice"},
        {"{\"policies\": {}}", "a policy set has"},
        {"{\"effect\": \"permit\", " SCOPE "}", "no \"conditions\""},
        {BODY("{}"), "an object with one key"},
        {BODY("{\"foo\": []}"), "`foo` is no expression"},
        {BODY("{\"Value\": null}"), "expected a value, found null"},
        {BODY("{\"Value\": 1.5}"), "no 64-bit integer"},
        {BODY("{\"Var\": \"self\"}"), "a variable is"},
        {BODY("{\"Slot\": \"?principal\"}"), "scope only"},
        {BODY("{\"==\": {\"left\": {\"Value\": 1}}}"), "no \"right\""},
        {BODY("{\"is\": {\"left\": {\"Var\": \"principal\"}, \"entity_type\": \"a b\"}}"),
         "no type's name"},
        {BODY("{\"like\": {\"left\": {\"Value\": \"\"}, \"pattern\": [1]}}"), "Wildcard"},
        {BODY("{\"isIpv4\": []}"), "a method needs"},
        {BODY("{\"Value\": {\"__entity\": {\"type\": \"A\", \"id\": 1}}}"), "both strings"},
        {"{\"staticPolicies\": {\"a\": {\"effect\": \"permit\", \"principal\": {\"op\": \"==\", "
         "\"slot\": \"?principal\"}, \"action\": {\"op\": \"All\"}, \"resource\": {\"op\": "
         "\"All\"}, \"conditions\": []}}}",
         "has no slot"},
        {"{\"templateLinks\": [{\"templateId\": \"x\", \"newId\": \"y\", \"values\": {}}]}",
         "no template `x`"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cedar_error err = {0};

        CHECK(parse_json(bad[i].text, &err) == NULL);
        if (strstr(err.message, bad[i].message) == NULL)
            CHECK_STR(err.message, bad[i].message);
    }
}

TEST(formats)
{
    static const char text[] =
        "// head\n\n\n// about\n@id(\"a\") @b forbid(principal,action==Action::\"x\",resource)// "
        "t\n"
        "when{context.a-1<-2&&!context.b};\n"
        "permit(principal in Group::\"some-long-group\",action in [Action::\"read\",// why\n"
        "Action::\"write\"],resource is File in Dir::\"/some/where\")unless{\n// odd\n"
        "resource.owner.name.something.long==principal.another.thing||context.list.contains("
        "{a:1,\"b c\":[1,2]})// last\n};// end\n//tail";
    static const char want[] = "// head\n"
                               "\n"
                               "// about\n"
                               "@id(\"a\")\n"
                               "@b\n"
                               "forbid (principal, action == Action::\"x\", resource) // t\n"
                               "when { context.a - 1 < -2 && !context.b };\n"
                               "\n"
                               "permit (\n"
                               "    principal in Group::\"some-long-group\",\n"
                               "    action in [\n"
                               "        Action::\"read\", // why\n"
                               "        Action::\"write\"\n"
                               "    ],\n"
                               "    resource is File in Dir::\"/some/where\"\n"
                               ")\n"
                               "unless {\n"
                               "    // odd\n"
                               "    resource.owner.name.something.long == "
                               "principal.another.thing ||\n"
                               "    context.list.contains({a: 1, \"b c\": [1, 2]}) // last\n"
                               "}; // end\n"
                               "\n"
                               "//tail\n";
    struct text once = {0}, twice = {0};
    struct cedar_error err;

    CHECK_INT(cedar_format(NULL, cedar_str(text), append, &once, NULL), CEDAR_OK);
    CHECK_STR(once.ptr, want);
    CHECK_INT(cedar_format(NULL, cedar_str(once.ptr), append, &twice, NULL), CEDAR_OK);
    CHECK_STR(twice.ptr, want);
    CHECK_INT(cedar_format(NULL, CEDAR_STR("permit"), append, &once, &err), CEDAR_ERR_SYNTAX);
    CHECK_INT(cedar_format(NULL, cedar_str(text), refuse, NULL, NULL), CEDAR_ERR_INVALID);
}

/* n times open, the middle, n times close, as the only condition of a policy. */
static enum cedar_status nested(size_t n, const char *open, const char *middle, const char *close)
{
    size_t room = n * (strlen(open) + strlen(close)) + strlen(middle) + 128, len;
    char *text = malloc(room);
    struct cedar_policies *policies = NULL;
    struct cedar_error err = {0};
    enum cedar_status status;

    len = (size_t)snprintf(text, room, "permit (principal, action, resource) when { ");
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, room - len, "%s", open);
    len += (size_t)snprintf(text + len, room - len, "%s", middle);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, room - len, "%s", close);
    snprintf(text + len, room - len, " };");
    policies = parse(text, &err);
    status = policies != NULL ? CEDAR_OK : err.status;
    cedar_policies_free(policies);
    free(text);
    return status;
}

TEST(depth_is_limited)
{
    CHECK_INT(nested(CEDAR_MAX_NESTING - 1, "(", "true", ")"), CEDAR_OK);
    CHECK_INT(nested(CEDAR_MAX_NESTING, "(", "true", ")"), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(100000, "[", "", "]"), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(100000, "if ", "true", ""), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(100000, "{a: ", "1", "}"), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(CEDAR_MAX_DEPTH - 1, "true && ", "true", ""), CEDAR_OK);
    CHECK_INT(nested(CEDAR_MAX_DEPTH, "true && ", "true", ""), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(CEDAR_MAX_DEPTH, "", "context", ".a"), CEDAR_ERR_LIMIT);
    CHECK_INT(nested(CEDAR_MAX_ELEMENTS - 1, "", "[1", ",1") == CEDAR_ERR_SYNTAX, 1);
}

/* The same for JSON: n negations around a constant. */
static enum cedar_status nested_json(size_t n)
{
    static const char open[] = "{\"!\": {\"arg\": ",
                      head[] = "{\"effect\": \"permit\", " SCOPE
                               ", \"conditions\": [{\"kind\": \"when\", \"body\": ";
    size_t room = n * (sizeof(open) + 2) + sizeof(head) + 64, len;
    char *text = malloc(room);
    struct cedar_policies *policies;
    struct cedar_error err = {0};

    len = (size_t)snprintf(text, room, "%s", head);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, room - len, "%s", open);
    len += (size_t)snprintf(text + len, room - len, "{\"Value\": true}");
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, room - len, "}}");
    snprintf(text + len, room - len, "}]}");
    policies = parse_json(text, &err);
    if (policies != NULL) {
        struct cedar_program *program = NULL;

        err.status = cedar_compile(policies, NULL, &program, &err);
        cedar_program_free(program);
    }
    cedar_policies_free(policies);
    free(text);
    return err.status;
}

TEST(json_depth_is_limited)
{
    CHECK_INT(nested_json(1000), CEDAR_OK);
    CHECK_INT(nested_json(1022), CEDAR_ERR_LIMIT);
    CHECK_INT(nested_json(5000), CEDAR_ERR_LIMIT);
}

TEST(size_is_limited)
{
    size_t n = CEDAR_MAX_TEXT + 1;
    char *text = malloc(n + 1);
    struct cedar_error err;

    CHECK(text != NULL);
    memset(text, ' ', n);
    text[n] = '\0';
    CHECK(parse(text, &err) == NULL);
    CHECK_INT(err.status, CEDAR_ERR_LIMIT);
    text[n - 1] = '\0';
    cedar_policies_free(parse(text, &err));
    memset(text, '[', n - 1);
    CHECK(parse_json(text, &err) == NULL);
    CHECK_INT(err.status, CEDAR_ERR_LIMIT);
    free(text);
    CHECK(parse("permit \xff", &err) == NULL);
    CHECK(strstr(err.message, "UTF-8") != NULL);
}

TEST(interns_names)
{
    static const struct cedar_str preset[] = {{"File", 4}, {"Dir", 3}, {"", 0}};
    struct cedar_names *n = cedar_names_new(NULL, preset, 3);

    CHECK_INT(cedar_intern(n, CEDAR_STR("Dir")), 2);
    CHECK_INT(cedar_intern(n, CEDAR_STR("")), 3);
    CHECK_INT(cedar_lookup(n, CEDAR_STR("Host")), CEDAR_NO_NAME);
    CHECK_INT(cedar_intern(n, CEDAR_STR("Host")), 4);
    CHECK_INT(cedar_intern(n, CEDAR_STR("Fi\0le")), 5);
    for (int i = 0; i < 10000; i++) {
        char text[32];

        snprintf(text, sizeof(text), "name%d", i);
        CHECK_INT(cedar_intern(n, cedar_str(text)), 6 + i);
    }
    CHECK_STR(cedar_name_str(n, 1).ptr, "File");
    CHECK_INT(cedar_name_str(n, 5).len, 5);
    CHECK_STR(cedar_name_str(n, 99999).ptr, "");
    cedar_names_free(n);
}

UNIT_MAIN(UNIT(accepts), UNIT(errors_say_what_and_where), UNIT(errors_are_shown_with_their_line),
          UNIT(tells_of_policies), UNIT(lists_literals), UNIT(links_templates),
          UNIT(json_comes_back), UNIT(json_errors), UNIT(formats), UNIT(depth_is_limited),
          UNIT(json_depth_is_limited), UNIT(size_is_limited), UNIT(interns_names))
