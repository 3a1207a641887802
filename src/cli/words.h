/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - an action as a person writes it, for `belay policy eval`, `explain` and `test`:
 *
 *   VERB RESOURCE [FIELD=VALUE]...
 *   write ./src/main.c          connect api.anthropic.com port=443
 *   exec /usr/bin/npm argv=npm argv=publish
 *   request POST https://api.example.com/v1/items?draft=1 type=application/json
 *   infer anthropic/claude-sonnet-4-5 spent.cents=2100       call agent/Bash label=secret
 *
 * "./" and "." stand for the workspace, "~/" and "~" for the home. A resource that begins with "/"
 * or "@" is a socket for connect, a file or program otherwise. For an exec, name, cwd and command
 * are filled in from the program and argv unless given. label=NAME puts the agent in a label,
 * spent.cents, spent.tokens and spent.requests say what the session has cost.
 */
#ifndef BELAY_CLI_WORDS_H
#define BELAY_CLI_WORDS_H

#include "base/mem.h"
#include "policy/policy.h"

/* The action; its strings live in the words and the arena. The labels of *s and what it has spent
 * are those of the words, else none. False: *e says which word is wrong. */
bool words_action(char *const *words, size_t n, const struct policy *p, struct session *s,
                  struct arena *mem, struct action *a, struct err *e);

/* Splits a line into words at blanks; "double quotes" hold blanks together, # starts a comment.
 * Changes the line. False: a quote is not closed, or there are more than `max` words. */
bool words_split(char *line, char **words, size_t max, size_t *n);

#endif
