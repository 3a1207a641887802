/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cedar_eval.h - `belay policy eval --request FILE`: any Cedar policy, entities and request, with
 * nothing of belay's own in between.
 */
#ifndef BELAY_CLI_CEDAR_EVAL_H
#define BELAY_CLI_CEDAR_EVAL_H

#include <stdbool.h>

bool cedar_eval_wanted(int argc, char **argv); /* is --request among the options? */
int cedar_eval_command(int argc, char **argv);

#endif
