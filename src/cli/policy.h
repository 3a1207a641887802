/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - the parts of `belay policy`, and what they share. Each part takes its own argv, as a
 * command does.
 */
#ifndef BELAY_CLI_POLICY_H
#define BELAY_CLI_POLICY_H

#include "cli/setup.h"

int policy_check_command(int argc, char **argv);
int policy_format_command(int argc, char **argv);
int policy_eval_command(int argc, char **argv);
int policy_explain_command(int argc, char **argv);
int policy_test_command(int argc, char **argv);
int policy_schema_command(int argc, char **argv);
int policy_where_command(int argc, char **argv);
int policy_reload_command(int argc, char **argv);

/* The options that most parts take: --policy, --workspace, --config, --json. Returns the index of
 * the first argument that is no option, or -1 after telling what is wrong. */
int policy_options(int argc, char **argv, struct setup *s, bool *as_json);

/* Reads a file, or standard input for "-". */
bool policy_read_text(const char *path, struct buf *text, struct err *e);

#endif
