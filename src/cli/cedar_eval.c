/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cedar_eval.h"

#include "base/fd.h"
#include "base/mem.h"
#include "cedar/cedar.h"
#include "cli/cedar_files.h"
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANCESTORS 4096

struct evaluation {
    const char *policy, *entities, *schema, *request;
    bool as_json;
    struct cedar_names *names;
    struct cedar_policies *policies;
    struct cedar_program *program;
    struct cedar_schema *type_schema;
    struct cedar_entities *store;
    struct cedar_parsed_request *parsed;
};

bool cedar_eval_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--request", 9) == 0)
            return true;
    return false;
}

static int options(struct evaluation *v, int argc, char **argv)
{
    static const struct option list[] = {
        {"policy", required_argument, NULL, 'p'}, {"entities", required_argument, NULL, 'e'},
        {"schema", required_argument, NULL, 's'}, {"request", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},         {0}};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "p:", list, NULL)) != -1;) {
        const char **to = c == 'p'   ? &v->policy
                          : c == 'e' ? &v->entities
                          : c == 's' ? &v->schema
                          : c == 'r' ? &v->request
                                     : NULL;

        if (c == 'j')
            v->as_json = true;
        else if (to == NULL)
            return cli_usage("policy", "wrong option");
        else
            *to = optarg;
    }
    if (v->policy == NULL || v->request == NULL || optind < argc)
        return cli_usage("policy", "eval --request needs --policy FILE and no further argument");
    return -1;
}

static bool load_request(struct evaluation *v, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    struct cedar_error x;

    buf_init(&text, CEDAR_MAX_JSON);
    if (v->entities != NULL) {
        if (!fd_read_file(v->entities, &text, e))
            return false;
        if (cedar_entities_parse(v->names, NULL, cedar_text(&text), v->type_schema, &v->store,
                                 &x) != CEDAR_OK)
            return cedar_fault(&x, v->entities, &text, e);
    }
    buf_clear(&text);
    if (!fd_read_file(v->request, &text, e))
        return false;
    if (cedar_request_parse(v->names, NULL, cedar_text(&text), v->type_schema, &v->parsed, &x) !=
        CEDAR_OK)
        return cedar_fault(&x, v->request, &text, e);
    return true;
}

static bool load(struct evaluation *v, struct err *e)
{
    struct cedar_error x;

    v->names = cedar_names_new(NULL, NULL, 0);
    if (v->names == NULL)
        abort();
    if (!cedar_load_policies(v->names, v->policy, &v->policies, e) ||
        (v->schema != NULL && !cedar_load_schema(v->names, v->schema, &v->type_schema, e)))
        return false;
    if (cedar_compile(v->policies, NULL, &v->program, &x) != CEDAR_OK)
        return err_set(e, EX_POLICY, "%s: %s", v->policy, x.message);
    return load_request(v, e);
}

static void put_answer(const struct evaluation *v, const struct cedar_answer *a, struct buf *out)
{
    struct json j;
    char text[512];

    json_start(&j, out);
    json_obj(&j, NULL);
    json_cstr(&j, "decision", a->decision == CEDAR_ALLOW ? "allow" : "deny");
    json_arr(&j, "reason");
    for (uint32_t i = 0; i < a->n_reasons; i++)
        json_cstr(&j, NULL, cedar_policy_info(v->policies, a->reasons[i]).id);
    json_arr_end(&j);
    json_arr(&j, "errors");
    for (uint32_t i = 0; i < a->n_errors; i++) {
        (void)cedar_policy_error_print(v->program, &a->errors[i], text, sizeof(text));
        json_obj(&j, NULL);
        json_cstr(&j, "policy", cedar_policy_info(v->policies, a->errors[i].policy).id);
        json_cstr(&j, "error", text);
        json_obj_end(&j);
    }
    json_arr_end(&j);
    json_obj_end(&j);
    buf_puts(out, "\n");
}

static void put_words(const struct evaluation *v, const struct cedar_answer *a, struct buf *out)
{
    char text[512];

    buf_puts(out, a->decision == CEDAR_ALLOW ? "allow" : "deny");
    for (uint32_t i = 0; i < a->n_reasons; i++) {
        buf_puts(out, i == 0 ? "  by " : ", ");
        buf_add_safe(out, str_of(cedar_policy_info(v->policies, a->reasons[i]).id), 128);
    }
    buf_puts(out, "\n");
    for (uint32_t i = 0; i < a->n_errors; i++) {
        (void)cedar_policy_error_print(v->program, &a->errors[i], text, sizeof(text));
        buf_add_safe(out, str_of(cedar_policy_info(v->policies, a->errors[i].policy).id), 128);
        buf_puts(out, " cannot be evaluated: ");
        buf_add_safe(out, str_of(text), sizeof(text));
        buf_puts(out, "\n");
    }
}

static int decide(const struct evaluation *v)
{
    AUTO_BUF struct buf out = {0};
    size_t size = cedar_scratch_size(v->program, ANCESTORS);
    AUTO_FREE void *scratch = aligned_alloc(16, (size + 15) & ~(size_t)15);
    struct cedar_answer a;

    if (scratch == NULL)
        abort();
    buf_init(&out, 16u << 20);
    cedar_decide(v->program, v->store, cedar_parsed_request(v->parsed), scratch, size, &a);
    if (v->as_json)
        put_answer(v, &a, &out);
    else
        put_words(v, &a, &out);
    return cli_put(&out);
}

int cedar_eval_command(int argc, char **argv)
{
    struct evaluation v = {0};
    struct err e = {0};
    int code = options(&v, argc, argv);

    if (code >= 0)
        return code;
    code = load(&v, &e) ? decide(&v) : cli_fail(&e);
    cedar_parsed_request_free(v.parsed);
    cedar_entities_free(v.store);
    cedar_schema_free(v.type_schema);
    cedar_program_free(v.program);
    cedar_policies_free(v.policies);
    cedar_names_free(v.names);
    return code;
}
