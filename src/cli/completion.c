/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c - `belay completion SHELL`: scripts made from command.def. */
#include "cli/cli.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define COMMAND(name, function, arguments, summary) name,
#include "cli/command.def"
#undef COMMAND
};
static const char *const summaries[] = {
#define COMMAND(name, function, arguments, summary) summary,
#include "cli/command.def"
#undef COMMAND
};

static void all_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", names[i]);
}

static void bash(struct buf *out)
{
    buf_puts(out, "_belay() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} i\n"
                  "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                  "        COMPREPLY=($(compgen -W '");
    all_names(out);
    buf_puts(out, "' -- \"$cur\"))\n"
                  "        return\n"
                  "    fi\n"
                  "    case ${COMP_WORDS[1]} in\n"
                  "    run)\n"
                  "        for ((i = 2; i < COMP_CWORD; i++)); do\n"
                  "            if [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
                  "                _command_offset $((i + 1)) 2>/dev/null\n"
                  "                return\n"
                  "            fi\n"
                  "        done\n"
                  "        COMPREPLY=($(compgen -f -W '--policy --config --workspace --env --stage "
                  "--publish --quiet --help --' -- \"$cur\")) ;;\n"
                  "    freeze | resume | kill | pending | log)\n"
                  "        COMPREPLY=($(compgen -W \"--all --json --help $(belay ps 2>/dev/null | "
                  "awk 'NR > 1 { print $1 }')\" -- \"$cur\")) ;;\n"
                  "    approve | deny)\n"
                  "        COMPREPLY=($(compgen -W \"$(belay pending 2>/dev/null | awk '/^[a-z0-9]+"
                  "\\/[0-9]+ / { print $1 }')\" -- \"$cur\")) ;;\n"
                  "    policy) COMPREPLY=($(compgen -f -W 'check format eval explain test schema "
                  "where reload' -- \"$cur\")) ;;\n"
                  "    help) COMPREPLY=($(compgen -W '");
    all_names(out);
    buf_puts(out, "' -- \"$cur\")) ;;\n"
                  "    esac\n"
                  "}\n"
                  "complete -F _belay belay\n");
}

static void zsh(struct buf *out)
{
    buf_puts(out, "#compdef belay\n_belay() {\n    local -a commands=(\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        buf_printf(out, "        '%s:%s'\n", names[i], summaries[i]);
    buf_puts(out, "    )\n"
                  "    if ((CURRENT == 2)); then\n"
                  "        _describe command commands\n"
                  "    elif [[ $words[2] == run && ${words[(i)--]} -lt $CURRENT ]]; then\n"
                  "        shift ${words[(i)--]} words\n"
                  "        CURRENT=$((CURRENT - ${words[(i)--]}))\n"
                  "        _normal\n"
                  "    else\n"
                  "        _files\n"
                  "    fi\n"
                  "}\n"
                  "compdef _belay belay\n");
}

static void fish(struct buf *out)
{
    buf_puts(out, "complete -c belay -f -n __fish_use_subcommand\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        buf_printf(out, "complete -c belay -n __fish_use_subcommand -a %s -d '%s'\n", names[i],
                   summaries[i]);
}

int cmd_completion(int argc, char **argv)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 65536);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        cli_help("completion", "For bash: eval \"$(belay completion bash)\"\n");
        return EX_OK;
    }
    if (argc != 2)
        return cli_usage("completion", "needs the name of a shell: bash, zsh or fish");
    if (strcmp(argv[1], "bash") == 0)
        bash(&out);
    else if (strcmp(argv[1], "zsh") == 0)
        zsh(&out);
    else if (strcmp(argv[1], "fish") == 0)
        fish(&out);
    else
        return cli_usage("completion", "knows bash, zsh and fish, not '%s'", argv[1]);
    return cli_put(&out);
}
