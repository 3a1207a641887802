/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - `belay policy`: what a person does with rules before an agent runs under them. */
#include "cli/policy.h"

#include "base/fd.h"
#include "base/mem.h"
#include "cli/cli.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    {"check", policy_check_command}, {"format", policy_format_command},
    {"eval", policy_eval_command},   {"explain", policy_explain_command},
    {"test", policy_test_command},   {"schema", policy_schema_command},
    {"where", policy_where_command}, {"reload", policy_reload_command},
};

static const char help[] =
    "  check [--schema FILE] [--json] [FILE...]\n"
    "      is it valid, and is anything odd? Without files: the policy that `belay run` would use\n"
    "  format [--write | --check] FILE...          Cedar text in its usual layout; comments stay\n"
    "  format --to json|cedar FILE                 from the one form into the other\n"
    "  eval [-p POLICY]... ACTION                  what would be decided\n"
    "  eval -p FILE --request FILE [--entities FILE] [--schema FILE]     for any Cedar policy\n"
    "  explain [-p POLICY]... ACTION\n"
    "      which rules decide, which nearly do and why not, and what little would change it\n"
    "  test [-p POLICY]... FILE...                 cases: allow|ask|deny|freeze|kill ACTION [by "
    "RULE]\n"
    "  schema [--to json|cedar] [FILE]             belay's schema, or another one, in either form\n"
    "  where [-p POLICY]...                        what enforces each rule on this host\n"
    "  reload [-p POLICY]... [SESSION]             other rules for a session that runs\n"
    "\n"
    "  ACTION is VERB RESOURCE [FIELD=VALUE]..., as in\n"
    "      write ./src/main.c\n"
    "      connect api.anthropic.com port=443\n"
    "      exec /usr/bin/npm argv=npm argv=publish\n"
    "  where ./ is the workspace and ~/ the home.\n"
    "\n"
    "  -p, --policy NAME|FILE, -w, --workspace DIR, -c, --config FILE   as in 'belay run'\n"
    "      --json   as JSON, where a result is shown\n";

int policy_options(int argc, char **argv, struct setup *s, bool *as_json)
{
    static const struct option options[] = {{"policy", required_argument, NULL, 'p'},
                                            {"workspace", required_argument, NULL, 'w'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "+p:w:c:", options, NULL)) != -1;) {
        if (c == 'p' && s->npolicies < POLICY_TEXTS_MAX) {
            s->policies[s->npolicies++] = optarg;
        } else if (c == 'w') {
            s->workspace_option = optarg;
        } else if (c == 'c') {
            s->config = optarg;
        } else if (c == 'j') {
            *as_json = true;
        } else {
            (void)cli_usage("policy", "wrong option");
            return -1;
        }
    }
    return optind;
}

bool policy_read_text(const char *path, struct buf *text, struct err *e)
{
    bool ok = strcmp(path, "-") == 0 ? fd_read_all(STDIN_FILENO, text, "standard input", e)
                                     : fd_read_file(path, text, e);

    if (!ok)
        e->code = EX_POLICY;
    return ok;
}

int cmd_policy(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        cli_help("policy", help);
        return EX_OK;
    }
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(subcommands); i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    if (argc < 2)
        return cli_usage("policy",
                         "what is to be done? check, format, eval, explain, test, schema, "
                         "where or reload");
    return cli_usage("policy", "does not know '%s'", argv[1]);
}
