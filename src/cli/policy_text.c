/* SPDX-License-Identifier: Apache-2.0 */
/* policy_text.c - `belay policy format` and `schema`: texts from one form into another. */
#include "cli/policy.h"

#include "base/fd.h"
#include "cli/cedar_files.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum form { FORM_SAME, FORM_CEDAR, FORM_JSON };

static bool form_of(const char *word, enum form *f)
{
    *f = strcmp(word, "json") == 0 ? FORM_JSON : FORM_CEDAR;
    return *f == FORM_JSON || strcmp(word, "cedar") == 0;
}

/* Replaces the file as a whole: a crash leaves the old or the new, never half of one. */
static bool replace_file(const char *path, const struct buf *text, struct err *e)
{
    AUTO_FREE char *next = xasprintf("%s.XXXXXX", path);
    AUTO_CLOSE int fd = mkostemp(next, O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return err_sys(e, EX_FAIL, "%s: cannot be written", path);
    if (stat(path, &st) != 0 || fchmod(fd, st.st_mode & 07777) != 0 ||
        !fd_write_all(fd, text->p, text->n) || fsync(fd) != 0 || rename(next, path) != 0) {
        err_sys(e, EX_FAIL, "%s: cannot be written", path);
        (void)unlink(next);
        return false;
    }
    return true;
}

static bool convert(const char *file, enum form to, struct buf *out, struct err *e)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_policies *policies = NULL;
    struct cedar_error x = {0};
    bool ok;

    if (names == NULL)
        abort();
    ok = cedar_load_policies(names, file, &policies, e);
    if (ok && (to == FORM_JSON ? cedar_policies_print_json(policies, cedar_to_buf, out, &x)
                               : cedar_policies_print(policies, cedar_to_buf, out, &x)) != CEDAR_OK)
        ok = err_set(e, EX_POLICY, "%s: cannot be written in that form: %s", file, x.message);
    cedar_policies_free(policies);
    cedar_names_free(names);
    return ok;
}

struct formatting {
    enum form to;
    bool write, check;
    unsigned different;
};

static bool format_one(struct formatting *f, const char *file, struct err *e)
{
    AUTO_BUF struct buf text = {0}, out = {0};
    struct cedar_error x;

    buf_init(&text, CEDAR_MAX_TEXT);
    buf_init(&out, 8 * CEDAR_MAX_TEXT);
    if (!policy_read_text(file, &text, e))
        return false;
    if (f->to != FORM_SAME || cedar_is_json(&text)) {
        if (!convert(file, f->to == FORM_SAME ? FORM_JSON : f->to, &out, e))
            return false;
    } else if (cedar_format(NULL, cedar_text(&text), cedar_to_buf, &out, &x) != CEDAR_OK) {
        return cedar_fault(&x, file, &text, e);
    }
    bool same = str_eq(buf_str(&text), buf_str(&out));
    if (f->check) {
        if (!same && printf("%s: is not formatted\n", file) > 0)
            f->different++;
        return true;
    }
    if (f->write)
        return same || replace_file(file, &out, e);
    return cli_put(&out) == EX_OK || err_set(e, EX_FAIL, "standard output cannot be written");
}

int policy_format_command(int argc, char **argv)
{
    static const struct option options[] = {{"write", no_argument, NULL, 'i'},
                                            {"check", no_argument, NULL, 'c'},
                                            {"to", required_argument, NULL, 't'},
                                            {0}};
    struct formatting f = {0};
    struct err e = {0};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "i", options, NULL)) != -1;) {
        if (c == 'i')
            f.write = true;
        else if (c == 'c')
            f.check = true;
        else if (c != 't' || !form_of(optarg, &f.to))
            return cli_usage("policy", "format takes --write, --check and --to json|cedar");
    }
    if (optind == argc)
        return cli_usage("policy", "format needs a file, or - for standard input");
    if (f.write && (f.to != FORM_SAME || f.check))
        return cli_usage("policy", "--write goes with neither --to nor --check");
    for (int i = optind; i < argc; i++)
        if (!format_one(&f, argv[i], &e))
            return cli_fail(&e);
    return f.different == 0 ? EX_OK : EX_FAIL;
}

static bool load_schema(struct cedar_names *names, const char *file, struct cedar_schema **out,
                        struct err *e)
{
    struct str own = policy_schema();
    struct cedar_error x;

    if (file != NULL)
        return cedar_load_schema(names, file, out, e);
    if (cedar_schema_parse(names, (struct cedar_str){own.p, own.n}, out, &x) == CEDAR_OK)
        return true;
    return err_set(e, EX_POLICY, "belay.cedarschema:%u: %s", x.line, x.message);
}

int policy_schema_command(int argc, char **argv)
{
    static const struct option options[] = {{"to", required_argument, NULL, 't'}, {0}};
    AUTO_BUF struct buf out = {0};
    struct cedar_schema *schema = NULL;
    struct cedar_error x = {0};
    struct err e = {0};
    enum form to = FORM_SAME;

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c != 't' || !form_of(optarg, &to))
            return cli_usage("policy", "schema takes --to json|cedar");
    if (argc - optind > 1)
        return cli_usage("policy", "schema takes at most one file");
    buf_init(&out, 8 * CEDAR_MAX_TEXT);
    if (optind == argc && to == FORM_SAME) { /* with its comments: they explain it */
        struct str own = policy_schema();

        buf_add(&out, own.p, own.n);
        return cli_put(&out);
    }
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    if (names == NULL)
        abort();
    bool ok = load_schema(names, argv[optind], &schema, &e);
    if (ok && (to == FORM_JSON ? cedar_schema_print_json(schema, cedar_to_buf, &out, &x)
                               : cedar_schema_print(schema, cedar_to_buf, &out, &x)) != CEDAR_OK)
        ok = err_set(&e, EX_POLICY, "the schema cannot be written in that form: %s", x.message);
    int code = ok ? cli_put(&out) : cli_fail(&e);
    cedar_schema_free(schema);
    cedar_names_free(names);
    return code;
}
