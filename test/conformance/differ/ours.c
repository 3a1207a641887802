/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ours CASE... - what this library says of generated cases, for `run` to compare with what the
 * reference implementation says. A case holds schema, policies, request (JSON) and entities
 * (JSON), separated by NUL. One line a case, tab-separated:
 *   file, whether policies parse, are valid, request and entities are valid (0 or 1 each),
 *   the decision with the ids of the deciding and the failing policies.
 */
#include "cedar.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_CASE = 1 << 20, MAX_ANCESTORS = 1000 };

struct world {
    struct cedar_names *names;
    struct cedar_schema *schema;
    struct cedar_policies *policies;
    struct cedar_parsed_request *request;
    struct cedar_entities *entities;
    struct cedar_error err;
};

static struct cedar_str next_part(struct cedar_str *rest)
{
    const char *nul = memchr(rest->ptr, '\0', rest->len);
    size_t len = nul != NULL ? (size_t)(nul - rest->ptr) : rest->len;
    struct cedar_str part = {rest->ptr, len};
    size_t used = nul != NULL ? len + 1 : len;

    *rest = (struct cedar_str){rest->ptr + used, rest->len - used};
    return part;
}

/*
 * The reference warns of a scope that nothing applies to, where its earlier releases and the
 * conformance corpus call the policy invalid. The generator makes many, so they do not count.
 */
static void count(void *ctx, const struct cedar_finding *finding)
{
    static const char known[] = "no request can match this scope";

    if (finding->severity == CEDAR_FAULT &&
        strncmp(finding->at.message, known, sizeof(known) - 1) != 0)
        ++*(unsigned *)ctx;
}

static bool policies_valid(struct world *w)
{
    unsigned faults = 0;
    bool valid = false;

    return cedar_validate_policies(w->schema, w->policies, count, &faults, &valid, &w->err) ==
               CEDAR_OK &&
           faults == 0;
}

static bool request_valid(struct world *w, struct cedar_str json)
{
    bool valid = false;

    return cedar_request_parse(w->names, NULL, json, w->schema, &w->request, &w->err) == CEDAR_OK &&
           cedar_validate_request(w->schema, cedar_parsed_request(w->request), NULL, NULL, &valid,
                                  &w->err) == CEDAR_OK &&
           valid;
}

static bool entities_valid(struct world *w, struct cedar_str json)
{
    bool valid = false;

    return cedar_entities_parse(w->names, NULL, json, w->schema, &w->entities, &w->err) ==
               CEDAR_OK &&
           cedar_validate_entities(w->schema, w->entities, NULL, NULL, &valid, &w->err) ==
               CEDAR_OK &&
           valid;
}

static void print_decision(struct world *w)
{
    struct cedar_program *program = NULL;
    struct cedar_answer answer;
    size_t room;
    void *scratch;

    if (cedar_compile(w->policies, NULL, &program, &w->err) != CEDAR_OK)
        return;
    room = (cedar_scratch_size(program, MAX_ANCESTORS) + 15) / 16 * 16;
    scratch = aligned_alloc(16, room);
    if (scratch != NULL) {
        cedar_decide(program, w->entities, cedar_parsed_request(w->request), scratch, room,
                     &answer);
        fputs(answer.decision == CEDAR_ALLOW ? "allow" : "deny", stdout);
        for (uint32_t i = 0; i < answer.n_reasons; i++)
            printf(" +%s", cedar_policy_info(w->policies, answer.reasons[i]).id);
        for (uint32_t i = 0; i < answer.n_errors; i++)
            printf(" !%s", cedar_policy_info(w->policies, answer.errors[i].policy).id);
    }
    free(scratch);
    cedar_program_free(program);
}

static void judge(const char *file, struct cedar_str rest)
{
    struct cedar_str schema = next_part(&rest), policies = next_part(&rest);
    struct cedar_str request = next_part(&rest);
    struct world w = {.names = cedar_names_new(NULL, NULL, 0)};
    bool parsed = false, valid = false, asked = false, known = false;

    if (w.names != NULL && cedar_schema_parse(w.names, schema, &w.schema, &w.err) == CEDAR_OK) {
        parsed = cedar_policies_parse(w.names, NULL, policies, &w.policies, &w.err) == CEDAR_OK;
        valid = parsed && policies_valid(&w);
        asked = request_valid(&w, request);
        known = entities_valid(&w, rest);
    }
    printf("%s\t%d%d%d%d\t", file, parsed, valid, asked, known);
    if (parsed && asked && known)
        print_decision(&w);
    putchar('\n');
    cedar_entities_free(w.entities);
    cedar_parsed_request_free(w.request);
    cedar_policies_free(w.policies);
    cedar_schema_free(w.schema);
    cedar_names_free(w.names);
}

int main(int argc, char **argv)
{
    char *text = malloc(MAX_CASE);

    for (int i = 1; i < argc && text != NULL; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t len = file != NULL ? fread(text, 1, MAX_CASE, file) : 0;

        if (file == NULL || fclose(file) != 0 || len == 0 || len == MAX_CASE) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            free(text);
            return 1;
        }
        judge(argv[i], (struct cedar_str){text, len});
    }
    free(text);
    return argc > 1 ? 0 : 1;
}
