/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h - a session that runs is frozen while its files are looked at and changed from outside.
 *
 * Signals by which a person would stop belay wait meanwhile, so that the session goes on again.
 */
#ifndef BELAY_CLI_HOLD_H
#define BELAY_CLI_HOLD_H

#include "cli/client.h"

#include <signal.h>

struct hold {
    char id[SESSION_ID_MAX + 1];
    bool running; /* it had not ended when it was held */
    bool frozen;  /* by us: not before */
    pid_t pid;    /* of the agent */
    sigset_t mask;
};

bool hold_session(struct hold *h, const char *id, struct err *e);
void hold_end(struct hold *h);

#endif
