/* SPDX-License-Identifier: Apache-2.0 */
/* Oddities among valid policies. */
#include "cedar_fail_alloc.h"
#include "unit.h"

#include "cedar.h"

#include <stdio.h>

static const char schema_text[] =
    "entity User in [Team] = { age: Long, nick?: String }; entity Team; entity Bot;"
    "entity File in [Dir] = { size: Long }; entity Dir in [Dir]; entity Host;"
    "action read in [any] appliesTo { principal: [User, Bot], resource: [File, Dir] };"
    "action write in [any] appliesTo { principal: [User], resource: [File] };"
    "action connect appliesTo { principal: [User, Bot], resource: [Host] }; action any;";

static const struct cedar_lint_options options = {
    .duties = (const char *const[]){"ask", "kill", "alert", NULL},
    .softens = (const char *const[]){"ask", NULL},
    .needs_permit = (const char *const[]){"ask", NULL},
};

struct findings {
    char text[2048];
    size_t len;
};

static void collect(void *ctx, const struct cedar_finding *finding)
{
    struct findings *f = ctx;

    if (f->len + CEDAR_MESSAGE_MAX + 32 < sizeof(f->text))
        f->len += (size_t)sprintf(f->text + f->len, "%s: %s\n",
                                  finding->policy_id != NULL ? finding->policy_id : "",
                                  finding->at.message);
}

static enum cedar_status lint_with(const struct cedar_allocator *alloc, const char *text,
                                   const struct cedar_lint_options *with, struct findings *found)
{
    struct cedar_names *names = cedar_names_new(alloc, NULL, 0);
    struct cedar_schema *schema = NULL;
    struct cedar_policies *policies = NULL;
    struct cedar_error err;
    enum cedar_status status = CEDAR_ERR_MEMORY;

    memset(found, 0, sizeof(*found));
    if (names == NULL)
        return status;
    status = cedar_schema_parse(names, cedar_str(schema_text), &schema, &err);
    if (status == CEDAR_OK)
        status = cedar_policies_parse(names, alloc, cedar_str(text), &policies, &err);
    if (status == CEDAR_OK)
        status = cedar_lint(schema, policies, with, collect, found, &err);
    cedar_policies_free(policies);
    cedar_schema_free(schema);
    cedar_names_free(names);
    return status;
}

static const char *lint(const char *text)
{
    static struct findings found;

    return lint_with(NULL, text, &options, &found) == CEDAR_OK ? found.text : "failed";
}

#define ALL "(principal, action, resource)"

TEST(quiet)
{
    static const char *const good[] = {
        "",
        "permit " ALL ";",
        "permit (principal is User, action, resource); permit (principal is Bot, action, "
        "resource);",
        "permit " ALL " when { principal has nick }; permit " ALL " when { principal has age };",
        "permit (principal, action == Action::\"read\", resource);"
        "permit (principal, action == Action::\"write\", resource);",
        "permit " ALL "; forbid (principal, action == Action::\"read\", resource);",
        /* a forbid that only asks does not make the permit idle */
        "permit (principal is User, action, resource); @ask forbid (principal is User, action, "
        "resource);",
        /* duties differ */
        "@kill forbid (principal is Bot, action, resource); forbid " ALL ";",
        "@alert(\"a\") permit (principal is Bot, action, resource); permit " ALL ";",
        "permit (principal == User::\"a\", action, resource);"
        "permit (principal in Team::\"t\", action, resource);",
        "permit (principal == ?principal, action, resource); permit " ALL ";",
        "permit (principal, action, resource in Dir::\"d\"); @ask forbid (principal, "
        "action == Action::\"read\", resource is File);",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_STR(lint(good[i]), "");
}

TEST(finds)
{
    static const struct {
        const char *text, *part;
    } odd[] = {
        {"permit " ALL "; permit (principal is Bot, action, resource);",
         "policy1: this policy adds nothing: `policy0` (line 1) applies wherever it does"},
        {"permit (principal is Bot, action, resource);\n@id(\"wide\") permit " ALL ";",
         "policy0: this policy adds nothing: `wide` (line 2)"},
        {"permit " ALL "; permit " ALL ";", "policy1: this policy adds nothing: `policy0`"},
        /* by the schema, only files are written */
        {"permit (principal, action == Action::\"write\", resource);"
         "permit (principal is User, action == Action::\"write\", resource is File);",
         "policy1: this policy adds nothing: `policy0`"},
        {"permit (principal, action in [Action::\"any\"], resource);"
         "permit (principal, action == Action::\"read\", resource);",
         "policy1: this policy adds nothing"},
        {"permit " ALL " when { resource is File && principal has nick };"
         "permit " ALL " when { principal has nick } when { resource is File } unless { "
         "principal is Bot };",
         "policy1: this policy adds nothing: `policy0`"},
        {"permit (principal in Team::\"t\", action, resource);"
         "permit (principal is User in Team::\"t\", action, resource);",
         "policy1: this policy adds nothing: `policy0`"},
        {"permit (principal is Bot, action, resource) when { true }; forbid (principal is Bot, "
         "action, "
         "resource);",
         "policy0: this permit has no effect: the forbid `policy1`"},
        {"permit (principal == User::\"a\", action, resource) when { resource is File && principal "
         "is "
         "User }; forbid " ALL " when { principal is User };",
         "policy0: this permit has no effect"},
        {"permit " ALL
         " when { principal has nick && resource is File } unless { principal has nick };",
         "policy0: this policy can never apply: one of its conditions is also required to be "
         "false"},
        {"@alert(\"a\") permit " ALL "; permit (principal is Bot, action, resource);",
         "policy1: this policy adds nothing"},
        {"@ask forbid (principal, action == Action::\"connect\", resource);"
         "permit (principal, action in Action::\"any\", resource);",
         "policy0: nothing that this forbid concerns is ever permitted"},
        {"@ask forbid (principal == Bot::\"a\", action, resource);"
         "permit (principal == Bot::\"b\", action, resource);",
         "policy0: nothing that this forbid concerns is ever permitted"},
        {"@ask forbid (principal is Bot, action, resource); permit (principal is User, action, "
         "resource);",
         "policy0: nothing that this forbid concerns is ever permitted"},
    };

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        const char *found = lint(odd[i].text);

        if (strstr(found, odd[i].part) == NULL)
            printf("# %s\n# -> %s\n", odd[i].text, found);
        CHECK(strstr(found, odd[i].part) != NULL);
        CHECK(strchr(found, '\n') != NULL && strchr(found, '\n')[1] == '\0'); /* and no more */
    }
}

TEST(hidden_characters)
{
    CHECK(strstr(lint("// a comment \xe2\x80\xae\npermit " ALL ";"), "U+202E") != NULL);
    CHECK(strstr(lint("permit (principal == User::\"a\xe2\x80\x8b\", action, resource);"),
                 "U+200B is a character that shows as nothing") != NULL);
    CHECK(strstr(lint("permit " ALL "; // \xf3\xa0\x81\x81"), "U+E0041") != NULL);
    CHECK_STR(lint("permit (principal == User::\"\\u{202e}\xc3\xa4\xf0\x9f\x98\x80\", action, "
                   "resource);"),
              "");
}

TEST(works_without_options)
{
    struct findings found;

    CHECK_INT(lint_with(NULL, "permit " ALL "; @ask forbid " ALL ";", NULL, &found), CEDAR_OK);
    CHECK(strstr(found.text, "this permit has no effect") != NULL);
}

TEST(survives_failing_allocations)
{
    struct fail_alloc counter = {.left = SIZE_MAX};
    struct cedar_allocator alloc = fail_allocator(&counter);
    enum cedar_status status = CEDAR_ERR_MEMORY;
    struct findings found;
    size_t left = 0;

    for (; status == CEDAR_ERR_MEMORY && left < 10000; left++) {
        counter.left = left;
        status = lint_with(&alloc,
                           "permit " ALL " when { principal has nick && resource is File };"
                           "forbid " ALL " unless { principal is Bot || 1 < 2 };",
                           &options, &found);
        CHECK_INT(counter.held, 0);
    }
    CHECK_INT(status, CEDAR_OK);
    CHECK(left > 10);
}

UNIT_MAIN(UNIT(quiet), UNIT(finds), UNIT(hidden_characters), UNIT(works_without_options),
          UNIT(survives_failing_allocations))
