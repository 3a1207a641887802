/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intents.h - what models have asked the agent to do, and which of its actions did it.
 *
 * An action of the agent's own (of a process that no intent started) belongs to the latest intent
 * that names what it does: a program whose command line holds the intent's command, a file whose
 * path or a host whose name stands in its arguments. A program that none names belongs to the
 * latest intent that nothing belongs to yet, if that is fresh: an agent runs helpers (rg for a
 * search) whose command line says nothing of the kind.
 *
 * Like all causes this is for people and decides nothing: so the arguments, hostile JSON, are only
 * searched, not parsed. Bounded; the oldest is forgotten.
 */
#ifndef BELAY_JUDGE_INTENTS_H
#define BELAY_JUDGE_INTENTS_H

#include "policy/action.h"

#include <stdint.h>

#define INTENTS_MAX      64
#define INTENT_ARGUMENTS 4096   /* bytes of the arguments that are kept */
#define INTENT_COMMAND   1024   /* bytes of the command that are compared */
#define INTENT_NAMED_MS  600000 /* a person may have to say yes in the agent first */
#define INTENT_FRESH_MS  30000

struct intents {
    struct intent {
        uint64_t event; /* 0: free */
        int64_t at_ms;
        bool used; /* some action belongs to it */
        char command[INTENT_COMMAND];
        size_t ncommand;
        char arguments[INTENT_ARGUMENTS];
        size_t narguments;
    } slot[INTENTS_MAX];
    size_t next;
};

void intents_add(struct intents *i, int64_t now_ms, const struct action *call, uint64_t event);

/* The event of the intent that this action carries out, 0: none. `workspace`: paths are named from
 * there too. */
uint64_t intents_match(struct intents *i, int64_t now_ms, const struct action *a,
                       struct str workspace);

/* Did an intent's event have this number? */
bool intents_is(const struct intents *i, uint64_t event);

/* The command that the arguments hold (JSON: "command" or "cmd", a string or a list of them, of
 * which the longest), without quotes, backslashes and double blanks. For tests. */
size_t intent_command(struct str arguments, char out[INTENT_COMMAND]);

#endif
