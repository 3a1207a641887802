/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promise of validation: valid policies, asked with a valid request over valid entities,
 * never meet a value of another type or an attribute or tag that is not there. And that of the
 * linter: a permit that it calls idle never allows anything. Input: schema, policies, request
 * (JSON) and entities (JSON), separated by NUL.
 */
#include "cedar.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_ANCESTORS = 1000, MAX_IDLE = 64 };

struct input {
    struct cedar_str schema, policies, request, entities;
};

struct world {
    struct cedar_names *names;
    struct cedar_schema *schema;
    struct cedar_policies *policies;
    struct cedar_parsed_request *request;
    struct cedar_entities *entities;
    struct cedar_error err;
    char idle[MAX_IDLE][32]; /* ids of permits without effect */
    size_t n_idle;
};

static struct cedar_str next_part(struct cedar_str *rest)
{
    const char *nul = rest->len > 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;
    struct cedar_str part = *rest;

    if (nul == NULL) {
        rest->ptr += rest->len;
        rest->len = 0;
        return part;
    }
    part.len = (size_t)(nul - rest->ptr);
    rest->ptr += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

static void ignore(void *ctx, const struct cedar_finding *finding)
{
    (void)ctx;
    assert(strlen(finding->at.message) < CEDAR_MESSAGE_MAX);
}

static bool policies_hold(struct world *w)
{
    bool valid = false, again = false;

    assert(cedar_validate_policies(w->schema, w->policies, ignore, NULL, &valid, &w->err) ==
           CEDAR_OK);
    assert(cedar_validate_policies(w->schema, w->policies, NULL, NULL, &again, &w->err) ==
           CEDAR_OK);
    assert(valid == again);
    return valid;
}

static void note_idle(void *ctx, const struct cedar_finding *finding)
{
    static const char idle[] = "this permit has no effect";
    struct world *w = ctx;

    if (finding->policy_id != NULL && w->n_idle < MAX_IDLE &&
        strncmp(finding->at.message, idle, sizeof(idle) - 1) == 0)
        snprintf(w->idle[w->n_idle++], sizeof(w->idle[0]), "%s", finding->policy_id);
}

static bool is_idle(const struct world *w, uint32_t policy)
{
    const char *id = cedar_policy_info(w->policies, policy).id;

    for (size_t i = 0; i < w->n_idle; i++) {
        if (strcmp(w->idle[i], id) == 0)
            return true;
    }
    return false;
}

static bool facts_hold(struct world *w)
{
    bool request = false, entities = false;

    cedar_validate_request(w->schema, cedar_parsed_request(w->request), ignore, NULL, &request,
                           &w->err);
    cedar_validate_entities(w->schema, w->entities, ignore, NULL, &entities, &w->err);
    return request && entities;
}

static void decide(struct world *w, bool valid)
{
    struct cedar_program *program = NULL;
    struct cedar_answer answer;
    size_t room;
    void *scratch;

    if (cedar_compile(w->policies, NULL, &program, &w->err) != CEDAR_OK)
        return;
    room = cedar_scratch_size(program, MAX_ANCESTORS);
    scratch = aligned_alloc(16, (room + 15) / 16 * 16);
    assert(scratch != NULL);
    cedar_decide(program, w->entities, cedar_parsed_request(w->request), scratch, room, &answer);
    for (uint32_t i = 0; i < answer.n_errors; i++) {
        assert(!valid || answer.errors[i].error != CEDAR_EVAL_TYPE);
        assert(!valid || answer.errors[i].error != CEDAR_EVAL_NO_ATTR);
    }
    for (uint32_t i = 0; i < answer.n_reasons && answer.decision == CEDAR_ALLOW; i++)
        assert(!is_idle(w, answer.reasons[i]));
    free(scratch);
    cedar_program_free(program);
}

static void run(struct world *w, const struct input *in)
{
    bool valid;

    if (cedar_schema_parse(w->names, in->schema, &w->schema, &w->err) != CEDAR_OK ||
        cedar_policies_parse(w->names, NULL, in->policies, &w->policies, &w->err) != CEDAR_OK)
        return;
    valid = policies_hold(w);
    cedar_lint(w->schema, w->policies, NULL, note_idle, w, &w->err);
    if (cedar_request_parse(w->names, NULL, in->request, w->schema, &w->request, &w->err) !=
            CEDAR_OK ||
        cedar_entities_parse(w->names, NULL, in->entities, w->schema, &w->entities, &w->err) !=
            CEDAR_OK)
        return;
    if (facts_hold(w))
        decide(w, valid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_str rest = {(const char *)data, size};
    struct input in;
    struct world w = {.names = cedar_names_new(NULL, NULL, 0)};

    assert(w.names != NULL);
    in.schema = next_part(&rest);
    in.policies = next_part(&rest);
    in.request = next_part(&rest);
    in.entities = rest;
    run(&w, &in);
    cedar_entities_free(w.entities);
    cedar_parsed_request_free(w.request);
    cedar_policies_free(w.policies);
    cedar_schema_free(w.schema);
    cedar_names_free(w.names);
    return 0;
}
