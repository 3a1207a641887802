/* SPDX-License-Identifier: Apache-2.0 */
/* Deciding: every operator, the index, requests that bring their entities, explanations. */
#include "unit.h"

#include "cedar.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_ANCESTORS = 256 };

static const char entities_json[] =
    "[{\"uid\": {\"type\": \"U\", \"id\": \"a\"}, \"attrs\": {\"age\": 9223372036854775807, "
    "\"boss\": {\"__entity\": {\"type\": \"U\", \"id\": \"b\"}}, \"none\": {\"__entity\": "
    "{\"type\":"
    "\"U\", \"id\": \"nobody\"}}, \"rec\": {\"x\": {\"y\": 1}}}, \"parents\": [{\"type\": \"G\", "
    "\"id\": \"g\"}], \"tags\": {\"k\": [1, 2]}},"
    "{\"uid\": {\"type\": \"U\", \"id\": \"b\"}, \"attrs\": {\"name\": \"bob\"}, \"parents\": []},"
    "{\"uid\": {\"type\": \"G\", \"id\": \"g\"}, \"attrs\": {}, \"parents\": [{\"type\": \"G\", "
    "\"id\": \"top\"}]},"
    "{\"uid\": {\"type\": \"Action\", \"id\": \"read\"}, \"attrs\": {}, \"parents\": [{\"type\": "
    "\"Action\", \"id\": \"all\"}]}]";

static const char request_json[] =
    "{\"principal\": {\"type\": \"U\", \"id\": \"a\"}, \"action\": {\"type\": \"Action\", \"id\": "
    "\"read\"}, \"resource\": {\"type\": \"R\", \"id\": \"r\"}, \"context\": {\"n\": 5, \"s\": "
    "\"abc\", \"t\": true, \"set\": [1, 2, 3], \"ip\": {\"__extn\": {\"fn\": \"ip\", \"arg\": "
    "\"10.1.2.3\"}}, \"d\": {\"__extn\": {\"fn\": \"datetime\", \"arg\": \"2024-01-02\"}}}}";

struct world {
    struct cedar_names *names;
    struct cedar_policies *policies;
    struct cedar_program *program;
    struct cedar_entities *entities;
    struct cedar_parsed_request *parsed;
    void *scratch;
    size_t size;
    struct cedar_answer answer;
    struct cedar_error err;
};

static void end(struct world *w)
{
    cedar_parsed_request_free(w->parsed);
    cedar_entities_free(w->entities);
    cedar_program_free(w->program);
    cedar_policies_free(w->policies);
    cedar_names_free(w->names);
    free(w->scratch);
    memset(w, 0, sizeof(*w));
}

static bool begin(struct world *w, const char *policies)
{
    memset(w, 0, sizeof(*w));
    w->names = cedar_names_new(NULL, NULL, 0);
    if (cedar_policies_parse(w->names, NULL, cedar_str(policies), &w->policies, &w->err) !=
            CEDAR_OK ||
        cedar_compile(w->policies, NULL, &w->program, &w->err) != CEDAR_OK ||
        cedar_entities_parse(w->names, NULL, cedar_str(entities_json), NULL, &w->entities,
                             &w->err) != CEDAR_OK ||
        cedar_request_parse(w->names, NULL, cedar_str(request_json), NULL, &w->parsed, &w->err) !=
            CEDAR_OK) {
        printf("# %s\n", w->err.message);
        return false;
    }
    w->size = cedar_scratch_size(w->program, MAX_ANCESTORS);
    w->scratch = malloc(w->size);
    return w->scratch != NULL;
}

static void decide(struct world *w)
{
    cedar_decide(w->program, w->entities, cedar_parsed_request(w->parsed), w->scratch, w->size,
                 &w->answer);
}

/* What a condition comes to: 't', 'f', or the first letter of the error. */
static char value_of(const char *condition)
{
    static const char errors[] = {[CEDAR_EVAL_TYPE] = 'T',
                                  [CEDAR_EVAL_NO_ENTITY] = 'E',
                                  [CEDAR_EVAL_NO_ATTR] = 'A',
                                  [CEDAR_EVAL_OVERFLOW] = 'O',
                                  [CEDAR_EVAL_EXTENSION] = 'X'};
    char text[1024], result = '?';
    struct world w;

    snprintf(text, sizeof(text), "permit (principal, action, resource) when { %s };", condition);
    if (begin(&w, text)) {
        decide(&w);
        result = w.answer.decision == CEDAR_ALLOW ? 't' : 'f';
        if (w.answer.n_errors > 0)
            result = errors[w.answer.errors[0].error];
    }
    end(&w);
    return result;
}

struct sample {
    const char *condition;
    char value;
};

#define CHECK_VALUES(list)                                                 \
    do {                                                                   \
        for (size_t i_ = 0; i_ < sizeof(list) / sizeof((list)[0]); i_++) { \
            char got_ = value_of((list)[i_].condition);                    \
            if (got_ != (list)[i_].value)                                  \
                printf("# %s is %c\n", (list)[i_].condition, got_);        \
            CHECK(got_ == (list)[i_].value);                               \
        }                                                                  \
    } while (0)

TEST(logic)
{
    static const struct sample list[] = {
        {"true", 't'},
        {"!true", 'f'},
        {"1", 'T'},
        {"!1", 'T'},
        {"true && 1", 'T'},
        {"false && 1", 'f'},
        {"1 && false", 'T'},
        {"true || 1", 't'},
        {"false || 1", 'T'},
        {"(true && 1) == 1", 'T'},
        {"(false || 1) == 1", 'T'},
        {"if true then false else 1", 'f'},
        {"if false then 1 else true", 't'},
        {"if 1 then true else true", 'T'},
        {"if context.t then true else principal.nothing", 't'},
        {"(if false then 1 else 2) == 2", 't'},
        {"[if true then 1 else 2, true && false].contains(false)", 't'},
    };

    CHECK_VALUES(list);
}

TEST(comparing)
{
    static const struct sample list[] = {
        {"1 == 1", 't'},
        {"1 == \"1\"", 'f'},
        {"1 != true", 't'},
        {"\"a\" == \"a\"", 't'},
        {"context.s == \"abc\"", 't'},
        {"\"abc\" == context.s", 't'},
        {"principal == U::\"a\"", 't'},
        {"principal != U::\"a\"", 'f'},
        {"U::\"a\" == V::\"a\"", 'f'},
        {"[1, 2, 2] == [2, 1]", 't'},
        {"[1, 2] == [1, 3]", 'f'},
        {"[] == []", 't'},
        {"[[1], [2]] == [[2], [1]]", 't'},
        {"{a: 1, b: 2} == {b: 2, a: 1}", 't'},
        {"{a: 1} == {a: 1, b: 2}", 'f'},
        {"{a: 1} == {b: 1}", 'f'},
        {"{a: context.n} == {a: 5}", 't'},
        {"ip(\"1.2.3.4\") == ip(\"1.2.3.4/32\")", 't'},
        {"decimal(\"1.0\") == decimal(\"1.0000\")", 't'},
        {"datetime(\"1970-01-01\") == duration(\"0ms\")", 'f'},
        {"1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2", 't'},
        {"1 < \"2\"", 'T'},
        {"decimal(\"1.0\") < decimal(\"2.0\")", 'T'},
        {"datetime(\"2024-01-01\") < context.d", 't'},
        {"duration(\"1h\") >= duration(\"60m\")", 't'},
        {"duration(\"1h\") >= 5", 'T'},
        {"context.d > duration(\"1h\")", 'T'},
    };

    CHECK_VALUES(list);
}

TEST(arithmetic)
{
    static const struct sample list[] = {
        {"1 + 2 * 3 - 4 == 3", 't'},     {"-context.n == -5", 't'},
        {"principal.age + 1 > 0", 'O'},  {"-principal.age - 2 < 0", 'O'},
        {"principal.age * 2 == 0", 'O'}, {"-(-9223372036854775807 - 1) == 0", 'O'},
        {"1 + \"1\" == 2", 'T'},         {"-\"1\" == 1", 'T'},
    };

    CHECK_VALUES(list);
}

TEST(entities_and_records)
{
    static const struct sample list[] = {
        {"principal in G::\"g\" && principal in G::\"top\"", 't'},
        {"principal in principal", 't'},
        {"principal in G::\"other\"", 'f'},
        {"principal in [G::\"x\", G::\"top\"]", 't'},
        {"principal in []", 'f'},
        {"principal in [G::\"g\", 1]", 'T'},
        {"principal in 1", 'T'},
        {"1 in principal", 'T'},
        {"U::\"unknown\" in G::\"g\"", 'f'},
        {"action in Action::\"all\"", 't'},
        {"principal.boss.name == \"bob\"", 't'},
        {"principal.none.name == \"bob\"", 'E'},
        {"principal.nothing", 'A'},
        {"resource.x == 1", 'E'},
        {"context.nothing", 'A'},
        {"context.n.x == 1", 'T'},
        {"{a: {b: 1}}.a.b == 1", 't'},
        {"principal has age && !(principal has nothing)", 't'},
        {"resource has x", 'f'},
        {"principal has rec.x.y", 't'},
        {"principal has rec.z.y", 'f'},
        {"principal has boss.name && !(principal has none.name)", 't'},
        {"principal has age.x", 'T'},
        {"1 has x", 'T'},
        {"principal is U && !(principal is V)", 't'},
        {"principal is U in G::\"top\"", 't'},
        {"principal is V in 1", 'f'},
        {"principal is U in 1", 'T'},
        {"1 is U", 'T'},
        {"principal.hasTag(\"k\") && !principal.hasTag(\"z\")", 't'},
        {"principal.getTag(\"k\") == [2, 1]", 't'},
        {"principal.getTag(\"z\") == 1", 'A'},
        {"resource.hasTag(\"k\")", 'f'},
        {"resource.getTag(\"k\") == 1", 'E'},
        {"principal.hasTag(1)", 'T'},
        {"context.s like \"a*\" && !(context.s like \"b*\")", 't'},
        {"context.n like \"5\"", 'T'},
    };

    CHECK_VALUES(list);
}

TEST(sets)
{
    static const struct sample list[] = {
        {"[1, 2].contains(2) && ![1].contains([1])", 't'},
        {"context.set.contains(context.n)", 'f'},
        {"context.set.containsAll([3, 1]) && context.set.containsAll([])", 't'},
        {"context.set.containsAll([4])", 'f'},
        {"context.set.containsAny([9, 3])", 't'},
        {"context.set.containsAny([])", 'f'},
        {"[].isEmpty() && !context.set.isEmpty()", 't'},
        {"1 == [1].contains(1)", 'f'},
        {"[9, 8, 7, 6, 5, 4, 3, 2, 1, 1].contains(context.n)", 't'},
        {"[9, 8, 7, 6, 4, 3, 2, 1, 1, 0].contains(context.n)", 'f'},
        {"[\"i\", \"h\", \"g\", \"ff\", \"e\", \"d\", \"abc\", \"b\", \"\"].contains(context.s)",
         't'},
        {"[\"i\", \"h\", \"g\", \"ff\", \"e\", \"d\", \"abd\", \"b\", \"\"].contains(context.s)",
         'f'},
        {"[9, 8, 7, 6, 5, 4, 3, 2, 1].contains(\"5\")", 'f'},
        {"[9, 8, 7, 6, 5, 4, 3, 2, 1] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]", 't'},
        {"[9, 8, 7, 6, 5, 4, 3, 2, 1].containsAll(context.set)", 't'},
        {"[9, 8, 7, 6, 5, 4, 3, 2].containsAll(context.set)", 'f'},
        {"principal in [G::\"1\", G::\"2\", G::\"3\", G::\"4\", G::\"5\", G::\"6\", G::\"7\", "
         "G::\"8\", "
         "G::\"top\"]",
         't'},
        {"principal in [G::\"1\", G::\"2\", G::\"3\", G::\"4\", G::\"5\", G::\"6\", G::\"7\", "
         "G::\"8\", "
         "U::\"a\"]",
         't'},
        {"principal in [G::\"1\", G::\"2\", G::\"3\", G::\"4\", G::\"5\", G::\"6\", G::\"7\", "
         "G::\"8\", "
         "U::\"g\"]",
         'f'},
        {"principal in [9, 8, 7, 6, 5, 4, 3, 2, 1]", 'T'},
        {"context.n.contains(1)", 'T'},
        {"[1].containsAll(1)", 'T'},
        {"context.isEmpty()", 'T'},
    };

    CHECK_VALUES(list);
}

TEST(extensions)
{
    static const struct sample list[] = {
        {"context.ip.isInRange(ip(\"10.0.0.0/8\")) && context.ip.isIpv4()", 't'},
        {"context.ip.isIpv6() || context.ip.isLoopback() || context.ip.isMulticast()", 'f'},
        {"ip(context.s).isIpv4()", 'X'},
        {"ip(\"zz\").isIpv4()", 'X'},
        {"ip(1).isIpv4()", 'T'},
        {"ip(\"::1\", \"::1\").isIpv4()", 'X'},
        {"context.s.isIpv4()", 'T'},
        {"decimal(\"1.5\").lessThan(decimal(\"1.6\"))", 't'},
        {"decimal(\"1.5\").greaterThanOrEqual(decimal(\"1.5\"))", 't'},
        {"decimal(\"1.5\").greaterThan(1)", 'T'},
        {"context.d.toDate() == context.d && context.d.toTime() == duration(\"0s\")", 't'},
        {"context.d.offset(duration(\"25h\")).toTime().toHours() == 1", 't'},
        {"context.d.durationSince(datetime(\"2024-01-01\")).toDays() == 1", 't'},
        {"datetime(\"9999-12-31\").offset(duration(\"9223372036854775807ms\")) == context.d", 'X'},
        {"duration(\"-90s\").toMinutes() == -1 && duration(\"90s\").toSeconds() == 90", 't'},
        {"duration(\"90s\").toMilliseconds() == 90000", 't'},
        {"context.d.toDays() == 1", 'T'},
        {"datetime(\"yesterday\") == context.d", 'X'},
    };

    CHECK_VALUES(list);
}

TEST(decisions)
{
    struct world w;

    CHECK(begin(&w, "permit (principal, action, resource);"
                    "permit (principal == U::\"a\", action, resource);"
                    "permit (principal == ?principal, action, resource);"
                    "forbid (principal, action, resource) when { context.nothing };"
                    "forbid (principal in G::\"none\", action, resource);"));
    decide(&w);
    CHECK(w.answer.decision == CEDAR_ALLOW && !w.answer.exhausted);
    CHECK(w.answer.n_reasons == 2 && w.answer.reasons[0] == 0 && w.answer.reasons[1] == 1);
    CHECK(w.answer.n_errors == 1 && w.answer.errors[0].policy == 3);
    end(&w);
    CHECK(begin(&w, "permit (principal, action, resource);"
                    "forbid (principal, action == Action::\"read\", resource);"
                    "forbid (principal is U, action in Action::\"all\", resource is R);"));
    decide(&w);
    CHECK(w.answer.decision == CEDAR_DENY && w.answer.n_reasons == 2);
    CHECK(w.answer.reasons[0] == 1 && w.answer.reasons[1] == 2);
    end(&w);
    CHECK(begin(&w, ""));
    decide(&w);
    CHECK(w.answer.decision == CEDAR_DENY && w.answer.n_reasons == 0);
    end(&w);
}

/* Files in folders and labels, without JSON; two of the entities are the store's. */
TEST(requests_bring_entities)
{
    static const char policies[] =
        "permit (principal, action, resource in Dir::\"/home\")"
        " when { resource.path like \"*.c\" && principal in G::\"top\" };"
        "forbid (principal in Label::\"secret\", action, resource)"
        " unless { resource in Label::\"trusted\" };"
        "forbid (principal, action, resource) when { resource.dir.hidden };";
    struct world w;
    struct cedar_request r;

    CHECK(begin(&w, policies));
    {
        cedar_name file = cedar_intern(w.names, CEDAR_STR("File"));
        cedar_name dir = cedar_intern(w.names, CEDAR_STR("Dir"));
        cedar_name label = cedar_intern(w.names, CEDAR_STR("Label"));
        cedar_name g = cedar_lookup(w.names, CEDAR_STR("G"));
        struct cedar_uid home = cedar_uid(dir, CEDAR_STR("/home"));
        struct cedar_uid src = cedar_uid(dir, CEDAR_STR("/home/src"));
        struct cedar_uid secret = cedar_uid(label, CEDAR_STR("secret"));
        struct cedar_uid trusted = cedar_uid(label, CEDAR_STR("trusted"));
        struct cedar_uid agent_in[] = {cedar_uid(g, CEDAR_STR("g")), secret};
        struct cedar_field dir_attrs[] = {
            {cedar_intern(w.names, CEDAR_STR("hidden")), cedar_bool(false)}};
        struct cedar_field attrs[] = {
            {cedar_intern(w.names, CEDAR_STR("path")), cedar_string(CEDAR_STR("/home/src/a.c"))},
            {cedar_intern(w.names, CEDAR_STR("dir")), cedar_entity(&src)}};
        struct cedar_entity own[] = {
            {.uid = cedar_uid(file, CEDAR_STR("/home/src/a.c")),
             .parents = &src,
             .n_parents = 1,
             .attrs = attrs,
             .n_attrs = 2},
            {.uid = src, .parents = &home, .n_parents = 1, .attrs = dir_attrs, .n_attrs = 1},
            {.uid = cedar_uid(cedar_lookup(w.names, CEDAR_STR("U")), CEDAR_STR("a")),
             .parents = agent_in,
             .n_parents = 1},
        };

        r = *cedar_parsed_request(w.parsed);
        r.resource = own[0].uid;
        r.entities = own;
        r.n_entities = 3;
        cedar_decide(w.program, w.entities, &r, w.scratch, w.size, &w.answer);
        CHECK(w.answer.decision == CEDAR_ALLOW && w.answer.n_errors == 0);
        own[2].n_parents = 2; /* the agent is secret now */
        cedar_decide(w.program, w.entities, &r, w.scratch, w.size, &w.answer);
        CHECK(w.answer.decision == CEDAR_DENY && w.answer.reasons[0] == 1);
        own[1].parents = &trusted; /* the folder is trusted, and no longer in /home */
        cedar_decide(w.program, w.entities, &r, w.scratch, w.size, &w.answer);
        CHECK(w.answer.decision == CEDAR_DENY && w.answer.n_reasons == 0);
        own[1].parents = &own[0].uid; /* a circle harms nothing */
        cedar_decide(w.program, w.entities, &r, w.scratch, w.size, &w.answer);
        CHECK(w.answer.decision == CEDAR_DENY && !w.answer.exhausted);
    }
    end(&w);
}

TEST(scopes_admit)
{
    const struct cedar_request *r;
    struct world w;

    CHECK(begin(&w, "permit (principal == U::\"z\", action, resource);"
                    "permit (principal, action == Action::\"read\", resource) when { false };"
                    "permit (principal == ?principal, action, resource);"));
    r = cedar_parsed_request(w.parsed);
    CHECK(cedar_scope_admits(w.program, w.entities, r, CEDAR_PERMIT, w.scratch, w.size));
    CHECK(!cedar_scope_admits(w.program, w.entities, r, CEDAR_FORBID, w.scratch, w.size));
    CHECK(!cedar_policy_scope_admits(w.program, 0, w.entities, r, w.scratch, w.size));
    CHECK(cedar_policy_scope_admits(w.program, 1, w.entities, r, w.scratch, w.size));
    CHECK(!cedar_policy_scope_admits(w.program, 2, w.entities, r, w.scratch, w.size));
    CHECK(!cedar_policy_scope_admits(w.program, 3, w.entities, r, w.scratch, w.size));
    CHECK(!cedar_scope_admits(w.program, w.entities, r, CEDAR_PERMIT, w.scratch, 64));
    end(&w);
}

static bool span_is(const struct world *w, struct cedar_span span, const char *text)
{
    struct cedar_str source = cedar_policies_source(w->policies);

    return cedar_str_eq((struct cedar_str){source.ptr + span.start, span.end - span.start},
                        cedar_str(text));
}

TEST(explains)
{
    struct cedar_explanation why;
    char text[128];
    struct world w;

    CHECK(begin(&w, "permit (principal == U::\"z\", action, resource);"
                    "permit (principal, action == Action::\"write\", resource);"
                    "permit (principal, action, resource is S);"
                    "permit (principal, action, resource) when { true }"
                    " when { context.t && context.n > 5 && 1 };"
                    "permit (principal, action, resource) unless { false || context.t || 1 };"
                    "permit (principal, action, resource) when { true } unless { context.s };"
                    "permit (principal, action, resource) when { context.n + \"x\" == 1 };"
                    "permit (principal, action, resource) when { context.n == 5 };"
                    "permit (principal == ?principal, action, resource);"));
#define EXPLAIN(i)                                                                               \
    cedar_explain(w.program, (i), w.entities, cedar_parsed_request(w.parsed), w.scratch, w.size, \
                  &why)
    EXPLAIN(0);
    CHECK(why.outcome == CEDAR_NO_PRINCIPAL && span_is(&w, why.span, "principal == U::\"z\""));
    EXPLAIN(1);
    CHECK(why.outcome == CEDAR_NO_ACTION && span_is(&w, why.span, "action == Action::\"write\""));
    EXPLAIN(2);
    CHECK(why.outcome == CEDAR_NO_RESOURCE && span_is(&w, why.span, "resource is S"));
    EXPLAIN(3);
    CHECK(why.outcome == CEDAR_NO_CONDITION && why.condition == 1);
    CHECK(span_is(&w, why.span, "context.n > 5"));
    EXPLAIN(4);
    CHECK(why.outcome == CEDAR_NO_CONDITION && span_is(&w, why.span, "context.t"));
    EXPLAIN(5);
    CHECK(why.outcome == CEDAR_FAILED && why.condition == 1 && span_is(&w, why.span, "context.s"));
    cedar_policy_error_print(w.program, &why.error, text, sizeof(text));
    CHECK_STR(text, "expected a boolean, found a string");
    EXPLAIN(6);
    CHECK(why.outcome == CEDAR_FAILED && span_is(&w, why.span, "context.n + \"x\""));
    CHECK(why.error.policy == 6 && why.error.want == CEDAR_LONG && why.error.got == CEDAR_STRING);
    EXPLAIN(7);
    CHECK(why.outcome == CEDAR_SATISFIED);
    EXPLAIN(8);
    CHECK(why.outcome == CEDAR_IS_TEMPLATE);
    EXPLAIN(9);
    CHECK(why.outcome == CEDAR_EXHAUSTED);
    end(&w);
}

TEST(links_apply)
{
    struct cedar_uid g;
    struct world w;

    CHECK(begin(&w, "permit (principal in ?principal, action, resource) when { context.t };"));
    g = cedar_uid(cedar_lookup(w.names, CEDAR_STR("G")), CEDAR_STR("top"));
    CHECK_INT(cedar_policies_link(w.policies, CEDAR_STR("policy0"), CEDAR_STR("l"), &g, NULL, NULL),
              CEDAR_OK);
    cedar_program_free(w.program);
    CHECK_INT(cedar_compile(w.policies, NULL, &w.program, NULL), CEDAR_OK);
    w.size = cedar_scratch_size(w.program, MAX_ANCESTORS);
    free(w.scratch);
    w.scratch = malloc(w.size);
    decide(&w);
    CHECK(w.answer.decision == CEDAR_ALLOW && w.answer.n_reasons == 1 && w.answer.reasons[0] == 1);
    end(&w);
}

/* Comparing large sets, one against the other, is quadratic: the budget ends it in a denial. */
TEST(budget_denies)
{
    size_t n = 20000;
    struct cedar_value *a = calloc(n, sizeof(*a)), *b = calloc(n, sizeof(*b));
    struct cedar_field context[2];
    struct cedar_request r;
    struct world w;

    CHECK(a != NULL && b != NULL);
    for (size_t i = 0; i < n; i++) {
        a[i] = cedar_long((int64_t)i);
        b[i] = cedar_long((int64_t)(n - 1 - i));
    }
    CHECK(begin(&w, "permit (principal, action, resource);"
                    "forbid (principal, action, resource) when { context.a == context.b };"));
    context[0] =
        (struct cedar_field){cedar_lookup(w.names, CEDAR_STR("a")), cedar_set(a, (uint32_t)n)};
    context[1] =
        (struct cedar_field){cedar_lookup(w.names, CEDAR_STR("b")), cedar_set(b, (uint32_t)n)};
    r = *cedar_parsed_request(w.parsed);
    r.context = context;
    r.n_context = 2;
    cedar_decide(w.program, w.entities, &r, w.scratch, w.size, &w.answer);
    CHECK(w.answer.exhausted && w.answer.decision == CEDAR_DENY && w.answer.n_reasons == 0);
    end(&w);
    free(a);
    free(b);
}

TEST(little_scratch_denies)
{
    struct world w;

    CHECK(begin(&w, "permit (principal in G::\"top\", action, resource)"
                    " when { [context.n].contains(5) && {a: context.n} == {a: 5} };"));
    decide(&w);
    CHECK(w.answer.decision == CEDAR_ALLOW);
    for (size_t size = 0; size < w.size; size += 16) {
        void *scratch = malloc(size > 0 ? size : 1);

        CHECK(scratch != NULL);
        cedar_decide(w.program, w.entities, cedar_parsed_request(w.parsed), scratch, size,
                     &w.answer);
        free(scratch);
        CHECK(w.answer.exhausted ? w.answer.decision == CEDAR_DENY
                                 : w.answer.decision == CEDAR_ALLOW);
    }
    end(&w);
}

/* Policies of every shape of scope, drawn by a fixed generator. */
static size_t draw_policy(char *text, size_t room, uint64_t *seed)
{
    static const char *const principals[] = {
        "principal",
        "principal == U::\"a\"",
        "principal in G::\"g\"",
        "principal is U",
        "principal is V",
        "principal in G::\"top\"",
        "principal == U::\"b\"",
        "principal is U in G::\"top\"",
        "principal in G::\"q\"",
    };
    static const char *const actions[] = {
        "action",
        "action == Action::\"read\"",
        "action in Action::\"all\"",
        "action in [Action::\"read\", Action::\"all\"]",
        "action == Action::\"write\"",
        "action in []",
    };
    static const char *const resources[] = {
        "resource",
        "resource == R::\"r\"",
        "resource is R",
        "resource in R::\"r\"",
        "resource in R::\"s\"",
        "resource is S",
    };
    static const char *const conditions[] = {
        "",
        " when { principal == U::\"a\" && resource is R && context.t }",
        " when { principal in G::\"none\" && context.nothing }",
        " when { resource is R in R::\"r\" } unless { principal is V }",
        " when { context.nothing }",
        " unless { principal == U::\"a\" }",
        " when { principal is V && context.nothing } when { true }",
    };
    unsigned pick[5];

    for (int i = 0; i < 5; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        pick[i] = (unsigned)(*seed >> 33);
    }
    return (size_t)snprintf(text, room, "%s (%s, %s, %s)%s;\n", pick[0] % 8 ? "permit" : "forbid",
                            principals[pick[1] % 9], actions[pick[2] % 6], resources[pick[3] % 6],
                            conditions[pick[4] % 7]);
}

/* What the index finds is what looking at every policy finds. */
TEST(index_agrees)
{
    enum { POLICIES = 400, ROOM = POLICIES * 256 };
    char *text = malloc(ROOM);
    uint64_t seed = 7;

    CHECK(text != NULL);
    for (int round = 0; round < 20; round++) {
        size_t len = 0, reasons = 0, errors = 0;
        struct world w;

        for (int i = 0; i < POLICIES; i++)
            len += draw_policy(text + len, ROOM - len, &seed);
        CHECK(begin(&w, text));
        decide(&w);
        CHECK(w.answer.n_evaluated < POLICIES);
        for (uint32_t i = 0; i < POLICIES; i++) {
            bool forbids = cedar_policy_info(w.policies, i).effect == CEDAR_FORBID;
            struct cedar_answer answer = w.answer;
            struct cedar_explanation why;
            bool reason = false;

            for (uint32_t k = 0; k < answer.n_reasons; k++)
                reason |= answer.reasons[k] == i;
            void *scratch = malloc(w.size);
            CHECK(scratch != NULL);
            cedar_explain(w.program, i, w.entities, cedar_parsed_request(w.parsed), scratch, w.size,
                          &why);
            free(scratch);
            errors += why.outcome == CEDAR_FAILED;
            reasons += reason;
            CHECK(!reason || why.outcome == CEDAR_SATISFIED);
            if (why.outcome == CEDAR_SATISFIED && forbids)
                CHECK(reason && answer.decision == CEDAR_DENY);
            if (why.outcome == CEDAR_SATISFIED && answer.decision == CEDAR_ALLOW)
                CHECK(reason);
        }
        CHECK_INT(reasons, w.answer.n_reasons);
        CHECK_INT(errors, w.answer.n_errors);
        end(&w);
    }
    free(text);
}

UNIT_MAIN(UNIT(logic), UNIT(comparing), UNIT(arithmetic), UNIT(entities_and_records), UNIT(sets),
          UNIT(extensions), UNIT(decisions), UNIT(requests_bring_entities), UNIT(scopes_admit),
          UNIT(explains), UNIT(links_apply), UNIT(budget_denies), UNIT(little_scratch_denies),
          UNIT(index_agrees))
