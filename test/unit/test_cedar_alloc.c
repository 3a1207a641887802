/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nth allocation fails, for every n: each function then says so, and gives back all that it
 * took. Deciding allocates nothing.
 */
#include "cedar_fail_alloc.h"
#include "unit.h"

static const char policies_text[] =
    "// c\n@id(\"a\") permit (principal in ?principal, action in [Action::\"a\"], resource)"
    " when { [1, {a: \"x\"}].contains(context.n) && context has a.b && ip(\"::1\").isIpv6() };"
    "forbid (principal is A::B, action == Action::\"b\", resource in R::\"r\")"
    " unless { resource.p like \"*a*\" || (if true then false else -1 < 2) }; // end\n";

static const char entities_text[] =
    "[{\"uid\": {\"type\": \"U\", \"id\": \"a\"}, \"attrs\": {\"x\": [1, {\"y\": \"z\"}], \"i\": "
    "{\"__extn\": {\"fn\": \"ip\", \"arg\": \"::1\"}}}, \"parents\": [{\"type\": \"G\", \"id\": "
    "\"g\"}], \"tags\": {\"t\": true}}, {\"uid\": {\"type\": \"G\", \"id\": \"g\"}, \"parents\": "
    "[{\"type\": \"G\", \"id\": \"h\"}]}]";

static const char request_text[] =
    "{\"principal\": {\"type\": \"U\", \"id\": \"a\"}, \"action\": \"Action::\\\"b\\\"\", "
    "\"resource\": {\"type\": \"R\", \"id\": \"r\"}, \"context\": {\"n\": 1}}";

struct text {
    char ptr[8192];
    size_t len;
};

static bool append(void *ctx, const char *piece, size_t n)
{
    struct text *text = ctx;

    if (n > sizeof(text->ptr) - text->len)
        return false;
    memcpy(text->ptr + text->len, piece, n);
    text->len += n;
    return true;
}

struct world {
    struct cedar_names *names;
    struct cedar_policies *policies, *again;
    struct cedar_program *program;
    struct cedar_entities *entities, *copies;
    struct cedar_parsed_request *request;
};

static void end(struct world *w)
{
    cedar_parsed_request_free(w->request);
    cedar_entities_free(w->copies);
    cedar_entities_free(w->entities);
    cedar_program_free(w->program);
    cedar_policies_free(w->again);
    cedar_policies_free(w->policies);
    cedar_names_free(w->names);
}

#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

static enum cedar_status make_policies(struct world *w, const struct cedar_allocator *a,
                                       struct cedar_error *err)
{
    struct cedar_str text = cedar_str(policies_text);
    struct text json = {.len = 0}, other = {.len = 0};
    struct cedar_uid uid;

    TRY(cedar_policies_parse(w->names, a, text, &w->policies, err));
    uid = cedar_uid(cedar_lookup(w->names, CEDAR_STR("R")), CEDAR_STR("q"));
    TRY(cedar_policies_link(w->policies, CEDAR_STR("policy0"), CEDAR_STR("l"), &uid, NULL, err));
    TRY(cedar_policies_print_json(w->policies, append, &json, err));
    TRY(cedar_policies_parse_json(w->names, a, (struct cedar_str){json.ptr, json.len}, &w->again,
                                  err));
    TRY(cedar_policies_print(w->policies, append, &other, err));
    TRY(cedar_format(a, text, append, &other, err));
    return cedar_compile(w->policies, a, &w->program, err);
}

static enum cedar_status make(struct world *w, const struct cedar_allocator *a,
                              struct cedar_error *err)
{
    struct cedar_entity copies[2];

    w->names = cedar_names_new(a, NULL, 0);
    if (w->names == NULL)
        return err->status = CEDAR_ERR_MEMORY;
    TRY(make_policies(w, a, err));
    TRY(cedar_entities_parse(w->names, a, cedar_str(entities_text), NULL, &w->entities, err));
    for (size_t i = 0; i < 2; i++)
        copies[i] = cedar_entities_at(w->entities, i);
    TRY(cedar_entities_build(w->names, a, copies, 2, &w->copies, err));
    return cedar_request_parse(w->names, a, cedar_str(request_text), NULL, &w->request, err);
}

TEST(every_allocation_may_fail)
{
    enum cedar_status status = CEDAR_ERR_MEMORY;
    size_t n = 0;

    for (; status != CEDAR_OK; n++) {
        struct fail_alloc counter = {.left = n};
        struct cedar_allocator alloc = fail_allocator(&counter);
        struct cedar_error err = {0};
        struct world w = {0};

        status = make(&w, &alloc, &err);
        CHECK(status == CEDAR_OK || status == CEDAR_ERR_MEMORY);
        CHECK(status == err.status || status == CEDAR_OK);
        end(&w);
        CHECK_INT(counter.held, 0);
        CHECK(n < 10000);
    }
    CHECK(n > 50);
}

TEST(deciding_allocates_nothing)
{
    struct fail_alloc counter = {.left = SIZE_MAX};
    struct cedar_allocator alloc = fail_allocator(&counter);
    struct cedar_answer answer;
    struct cedar_explanation why;
    struct cedar_error err;
    struct world w = {0};
    void *scratch;
    size_t size, asked;

    CHECK_INT(make(&w, &alloc, &err), CEDAR_OK);
    size = cedar_scratch_size(w.program, 64);
    scratch = malloc(size);
    asked = counter.asked;
    cedar_decide(w.program, w.entities, cedar_parsed_request(w.request), scratch, size, &answer);
    cedar_explain(w.program, 1, w.entities, cedar_parsed_request(w.request), scratch, size, &why);
    CHECK_INT(counter.asked, asked);
    free(scratch);
    end(&w);
    CHECK_INT(counter.held, 0);
}

/* What holds another may go before it or after it. */
TEST(order_of_freeing_does_not_matter)
{
    struct fail_alloc counter = {.left = SIZE_MAX};
    struct cedar_allocator alloc = fail_allocator(&counter);
    struct cedar_error err;
    struct world w = {0};

    CHECK_INT(make(&w, &alloc, &err), CEDAR_OK);
    cedar_names_free(w.names);
    cedar_policies_free(w.policies);
    CHECK_INT(cedar_policies_count(cedar_program_policies(w.program)), 3);
    w.names = NULL;
    w.policies = NULL;
    end(&w);
    CHECK_INT(counter.held, 0);
}

UNIT_MAIN(UNIT(every_allocation_may_fail), UNIT(deciding_allocates_nothing),
          UNIT(order_of_freeing_does_not_matter))
