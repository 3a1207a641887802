/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deciding: policies, request (JSON) and entities (JSON), separated by NUL. The answer is the
 * same the second time and with more scratch, agrees with what explaining each policy says, and
 * however little scratch there is, the outcome is the same or a denial.
 */
#include "cedar.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct cedar_names *names;
    struct cedar_policies *policies;
    struct cedar_program *program;
    struct cedar_parsed_request *request;
    struct cedar_entities *entities;
};

static struct cedar_str next_part(struct cedar_str *rest)
{
    const char *nul = rest->len > 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;
    struct cedar_str part = *rest;

    if (nul == NULL) {
        *rest = CEDAR_STR("");
        return part;
    }
    part.len = (size_t)(nul - rest->ptr);
    rest->ptr += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

static void *scratch_of(size_t size)
{
    void *scratch = malloc(size > 0 ? size : 1);

    assert(scratch != NULL);
    return scratch;
}

static bool listed(const struct cedar_answer *answer, uint32_t policy)
{
    for (uint32_t i = 0; i < answer->n_reasons; i++)
        if (answer->reasons[i] == policy)
            return true;
    return false;
}

static bool failed(const struct cedar_answer *answer, uint32_t policy)
{
    for (uint32_t i = 0; i < answer->n_errors; i++)
        if (answer->errors[i].policy == policy)
            return true;
    return false;
}

/* Every policy by itself, past the index: what it says must be what was decided. */
static void check_explanations(const struct world *w, const struct cedar_answer *answer)
{
    const struct cedar_request *request = cedar_parsed_request(w->request);
    size_t size = cedar_scratch_size(w->program, 1000);
    void *scratch = scratch_of(size);
    bool permit = false, forbid = false;

    for (size_t i = 0; i < cedar_policies_count(w->policies); i++) {
        enum cedar_effect effect = cedar_policy_info(w->policies, i).effect;
        struct cedar_explanation why;
        char text[256];

        cedar_explain(w->program, i, w->entities, request, scratch, size, &why);
        if (why.outcome == CEDAR_EXHAUSTED)
            continue;
        permit |= why.outcome == CEDAR_SATISFIED && effect == CEDAR_PERMIT;
        forbid |= why.outcome == CEDAR_SATISFIED && effect == CEDAR_FORBID;
        assert((why.outcome == CEDAR_FAILED) == failed(answer, (uint32_t)i));
        assert(!listed(answer, (uint32_t)i) || why.outcome == CEDAR_SATISFIED);
        cedar_policy_error_print(w->program, &why.error, text, sizeof(text));
    }
    assert((answer->decision == CEDAR_ALLOW) == (permit && !forbid));
    free(scratch);
}

static void check_scratch(const struct world *w, const struct cedar_answer *answer)
{
    const struct cedar_request *request = cedar_parsed_request(w->request);
    size_t enough = cedar_scratch_size(w->program, 16);

    for (size_t size = 0; size <= enough; size += enough / 7 + 1) {
        void *scratch = scratch_of(size);
        struct cedar_answer other;

        cedar_decide(w->program, w->entities, request, scratch, size, &other);
        assert(other.exhausted
                   ? other.decision == CEDAR_DENY
                   : other.decision == answer->decision && other.n_reasons == answer->n_reasons);
        free(scratch);
    }
}

static void check(const struct world *w)
{
    size_t size = cedar_scratch_size(w->program, 1000);
    void *scratch = scratch_of(size);
    struct cedar_answer answer;

    cedar_decide(w->program, w->entities, cedar_parsed_request(w->request), scratch, size, &answer);
    if (!answer.exhausted) {
        check_explanations(w, &answer);
        check_scratch(w, &answer);
    }
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_str rest = {(const char *)data, size};
    struct cedar_str policies = next_part(&rest), request = next_part(&rest);
    struct world w = {.names = cedar_names_new(NULL, NULL, 0)};

    if (cedar_policies_parse(w.names, NULL, policies, &w.policies, NULL) == CEDAR_OK &&
        cedar_request_parse(w.names, NULL, request, NULL, &w.request, NULL) == CEDAR_OK &&
        cedar_entities_parse(w.names, NULL, next_part(&rest), NULL, &w.entities, NULL) ==
            CEDAR_OK &&
        cedar_compile(w.policies, NULL, &w.program, NULL) == CEDAR_OK)
        check(&w);
    cedar_program_free(w.program);
    cedar_policies_free(w.policies);
    cedar_parsed_request_free(w.request);
    cedar_entities_free(w.entities);
    cedar_names_free(w.names);
    return 0;
}
