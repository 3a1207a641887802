/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - the commands, and what they share.
 *
 * A command gets its own argv (argv[0] is its name) and returns an exit code of base/err.h.
 * Results go to standard output, everything else to standard error.
 */
#ifndef BELAY_CLI_CLI_H
#define BELAY_CLI_CLI_H

#include "base/err.h"
#include "base/text.h"

#define COMMAND(name, function, arguments, summary) int function(int argc, char **argv);
#include "cli/command.def"
#undef COMMAND

/* "belay: TEXT" on standard error; returns e->code. */
int cli_fail(const struct err *e);
/* A wrong command line: says what, points to the help, returns EX_USAGE_. */
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints a command's help (from man text made of command.def and its options). */
void cli_help(const char *command, const char *options);

/* For commands whose only options are --help and, unless as_json is NULL, --json: -1 and optind at
 * the first argument, or the exit code when there is nothing more to do. */
int cli_options(const char *command, const char *help, int argc, char **argv, bool *as_json);

/* Standard output is a terminal that takes colour (NO_COLOR and TERM=dumb are heeded). */
bool cli_colour(void);
/* Writes to standard output; a closed or full output is an error and not silence. */
int cli_put(const struct buf *out);

/* The folder of the records: $XDG_STATE_HOME/belay/sessions or ~/.local/state/belay/sessions. */
bool cli_state_folder(struct buf *path, struct err *e);

#endif
