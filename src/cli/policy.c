/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - `belay policy`: what a person does with rules before an agent runs under them. */
#include "cli/policy.h"

#include "base/mem.h"
#include "cli/cli.h"

#include <string.h>

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    {"where", policy_where_command},
};

static const char help[] =
    "  belay policy where [-p POLICY]... [-w DIR] [--json]\n"
    "      for each rule, what enforces it on this host, and what that costs\n";

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
        return cli_usage("policy", "says what to do: check, format, eval, explain, test, schema, where");
    return cli_usage("policy", "does not know '%s'", argv[1]);
}
