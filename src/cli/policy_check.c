/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_check.c - `belay policy check`: are the rules valid, and is anything odd in them?
 * Shows every fault, not only the first; exits with 120 when there is one.
 */
#include "cli/policy.h"

#include "cli/cedar_files.h"
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What belay's annotations do, for the linter. */
static const char *const duties[] = {"ask", "freeze", "kill", "deny", "alert", "label", NULL};
static const char *const softens[] = {"ask", NULL};
static const char *const needs_permit[] = {"ask", NULL};
static const struct cedar_lint_options lint_options = {duties, softens, needs_permit};

struct checking {
    const char *schema_file;
    bool as_json;
    struct json j;
    struct buf out;
    struct cedar_names *names;
    struct cedar_schema *schema;
    const char *file;
    const struct buf *text;
    unsigned faults, warnings;
};

static const char *const severities[] = {"note", "warning", "error"};

static void report(void *ctx, const struct cedar_finding *f)
{
    struct checking *k = ctx;
    char rendered[2048];

    if (f->severity == CEDAR_FAULT)
        k->faults++;
    else if (f->severity == CEDAR_WARNING)
        k->warnings++;
    if (k->as_json) {
        json_obj(&k->j, NULL);
        json_cstr(&k->j, "file", k->file);
        json_int(&k->j, "line", f->at.line);
        json_int(&k->j, "column", f->at.column);
        json_cstr(&k->j, "severity", severities[f->severity]);
        json_cstr(&k->j, "policy", f->policy_id != NULL ? f->policy_id : "");
        json_cstr(&k->j, "message", f->at.message);
        json_obj_end(&k->j);
        return;
    }
    (void)cedar_error_render(&f->at, k->file, cedar_text(k->text), rendered, sizeof(rendered));
    char *word = strstr(rendered, ": error: ");
    if (word != NULL && f->severity != CEDAR_FAULT) {
        buf_add(&k->out, rendered, (size_t)(word - rendered) + 2);
        buf_printf(&k->out, "%s: %s\n", severities[f->severity], word + 9);
    } else {
        buf_printf(&k->out, "%s\n", rendered);
    }
}

static void report_error(struct checking *k, const struct cedar_error *x)
{
    const struct cedar_finding f = {.severity = CEDAR_FAULT, .at = *x};

    report(k, &f);
}

static void check_policies(struct checking *k, struct cedar_policies *policies)
{
    struct cedar_error x = {0};
    bool valid = false;

    if (cedar_validate_policies(k->schema, policies, report, k, &valid, &x) != CEDAR_OK)
        report_error(k, &x);
    else if (valid && cedar_lint(k->schema, policies, &lint_options, report, k, &x) != CEDAR_OK)
        report_error(k, &x);
}

/* What belay asks beyond Cedar: annotations, paths that name something, duplicate ids. */
static void check_as_belay(struct checking *k)
{
    const struct policy_text text = {k->file, buf_str(k->text)};
    const char *home = getenv("HOME");
    struct err e = {0};
    struct policy *p =
        policy_load(&text, 1, home != NULL && home[0] == '/' ? home : "/nonexistent", &e);

    if (p == NULL) {
        k->faults++;
        if (k->as_json) {
            json_obj(&k->j, NULL);
            json_cstr(&k->j, "file", k->file);
            json_cstr(&k->j, "severity", "error");
            json_cstr(&k->j, "message", e.text);
            json_obj_end(&k->j);
        } else {
            buf_printf(&k->out, "%s\n", e.text);
        }
    }
    policy_free(p);
}

static void check_text(struct checking *k, const char *file, const struct buf *text)
{
    struct cedar_policies *policies = NULL;
    struct cedar_error x;
    bool json = cedar_is_json(text);
    unsigned faults = k->faults, warnings = k->warnings;

    k->file = file;
    k->text = text;
    if ((json ? cedar_policies_parse_json(k->names, NULL, cedar_text(text), &policies, &x)
              : cedar_policies_parse(k->names, NULL, cedar_text(text), &policies, &x)) != CEDAR_OK)
        report_error(k, &x);
    else
        check_policies(k, policies);
    if (k->faults == faults && k->schema_file == NULL && !json)
        check_as_belay(k);
    if (k->faults == faults && !k->as_json)
        buf_printf(&k->out, "%s: %zu rules, valid%s\n", file,
                   policies != NULL ? cedar_policies_count(policies) : 0,
                   k->warnings > warnings ? ", with warnings" : "");
    cedar_policies_free(policies);
}

static bool check_file(struct checking *k, const char *file, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    struct str preset = policy_preset(file);

    buf_init(&text, CEDAR_MAX_TEXT);
    if (preset.p != NULL && strpbrk(file, "/.") == NULL)
        buf_add(&text, preset.p, preset.n);
    else if (!policy_read_text(file, &text, e))
        return false;
    check_text(k, file, &text);
    return true;
}

static bool open_schema(struct checking *k, struct err *e)
{
    struct str own = policy_schema();
    struct cedar_error x;

    k->names = cedar_names_new(NULL, NULL, 0);
    if (k->names == NULL)
        abort();
    if (k->schema_file != NULL)
        return cedar_load_schema(k->names, k->schema_file, &k->schema, e);
    if (cedar_schema_parse(k->names, (struct cedar_str){own.p, own.n}, &k->schema, &x) == CEDAR_OK)
        return true;
    return err_set(e, EX_POLICY, "belay.cedarschema:%u: %s", x.line, x.message);
}

static int check_all(struct checking *k, char *const *files, int n)
{
    AUTO_ARENA struct arena mem = {0};
    struct err e = {0};
    bool ok = open_schema(k, &e);

    buf_init(&k->out, 64u << 20);
    json_start(&k->j, &k->out);
    if (k->as_json)
        json_arr(&k->j, NULL);
    if (ok && n == 0) {
        const char *own = setup_default_policy(&mem);

        ok = check_file(k, own, &e);
    }
    for (int i = 0; ok && i < n; i++)
        ok = check_file(k, files[i], &e);
    if (k->as_json) {
        json_arr_end(&k->j);
        buf_puts(&k->out, "\n");
    }
    int code = cli_put(&k->out);
    buf_free(&k->out);
    cedar_schema_free(k->schema);
    cedar_names_free(k->names);
    if (!ok)
        return cli_fail(&e);
    return k->faults > 0 ? EX_POLICY : code;
}

int policy_check_command(int argc, char **argv)
{
    static const struct option options[] = {
        {"schema", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct checking k = {0};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            k.schema_file = optarg;
        else if (c == 'j')
            k.as_json = true;
        else
            return cli_usage("policy", "wrong option");
    }
    return check_all(&k, argv + optind, argc - optind);
}
