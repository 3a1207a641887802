/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies in JSON: what is read can be written, and is the same when read again; it compiles,
 * and decides without a fault.
 */
#include "cedar.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    char *ptr;
    size_t len, cap;
};

static bool append(void *ctx, const char *piece, size_t n)
{
    struct text *t = ctx;

    if (t->cap - t->len <= n) {
        t->cap = (t->cap + n + 64) * 2;
        t->ptr = realloc(t->ptr, t->cap);
        assert(t->ptr != NULL);
    }
    if (n > 0)
        memcpy(t->ptr + t->len, piece, n);
    t->len += n;
    return true;
}

static void check_again(struct cedar_names *names, const struct text *once)
{
    struct cedar_policies *again;
    struct text twice = {0};
    enum cedar_status status;

    status = cedar_policies_parse_json(names, NULL, (struct cedar_str){once->ptr, once->len},
                                       &again, NULL);
    assert(status == CEDAR_OK || once->len > CEDAR_MAX_TEXT);
    if (status != CEDAR_OK)
        return;
    assert(cedar_policies_print_json(again, append, &twice, NULL) == CEDAR_OK);
    assert(once->len == twice.len && memcmp(once->ptr, twice.ptr, once->len) == 0);
    cedar_policies_free(again);
    free(twice.ptr);
}

static void check_decides(struct cedar_names *names, struct cedar_policies *policies)
{
    cedar_name user = cedar_intern(names, CEDAR_STR("User"));
    cedar_name action = cedar_intern(names, CEDAR_STR("Action"));
    struct cedar_request request = {
        .principal = cedar_uid(user, CEDAR_STR("alice")),
        .action = cedar_uid(action, CEDAR_STR("view")),
        .resource = cedar_uid(user, CEDAR_STR("bob")),
    };
    struct cedar_program *program;
    struct cedar_answer answer;
    size_t size;
    void *scratch;

    assert(cedar_compile(policies, NULL, &program, NULL) == CEDAR_OK);
    size = cedar_scratch_size(program, 64);
    scratch = malloc(size);
    assert(scratch != NULL);
    cedar_decide(program, NULL, &request, scratch, size, &answer);
    assert(answer.n_reasons + answer.n_errors <= 2 * cedar_policies_count(policies));
    free(scratch);
    cedar_program_free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_str source = {(const char *)data, size};
    struct cedar_policies *policies;
    struct cedar_error err;
    struct text json = {0};

    if (cedar_policies_parse_json(names, NULL, source, &policies, &err) == CEDAR_OK) {
        assert(cedar_policies_print_json(policies, append, &json, NULL) == CEDAR_OK);
        check_again(names, &json);
        check_decides(names, policies);
        cedar_policies_free(policies);
        free(json.ptr);
    } else {
        assert(err.status != CEDAR_OK && err.message[0] != '\0');
    }
    cedar_names_free(names);
    return 0;
}
