/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - a session: its start, its life, its end.
 *
 * The keeper starts the roles and the jail, serves the control socket and the terminal,
 * freezes and kills. It reads nothing that the agent wrote except lengths and descriptors: the
 * agent's terminal passes through it unread but for one escape sequence (screen.h), and the texts
 * of questions are made safe by the judge and again by asks.h.
 *
 * One libevent loop, no threads. Everything the keeper does on its own is an EVENT for the
 * record; what loosens (start, resume) waits until it is recorded, what tightens (freeze, kill)
 * is done first.
 */
#ifndef BELAY_KEEPER_KEEPER_H
#define BELAY_KEEPER_KEEPER_H

#include "base/err.h"
#include "keeper/doors.h"
#include "policy/plan.h"
#include "policy/policy.h"
#include "policy/settings.h"

struct roles;

/* What jail will do; see tier.h. */
enum tier_choice { TIER_ANY, TIER_ONLY_A, TIER_ONLY_B };

struct keeper_options {
    const char *id;                                    /* of the session: letters and digits */
    const char *folder;                                /* of the record; exists, mode 0700 */
    const char *workspace, *home, *cwd, *user, *agent; /* as in struct session */
    char *const *argv;                                 /* the command */
    char *const *envp;                                 /* its whole environment */
    int *credentials; /* memory file of vault_seal(), -1: none; closed once the gate has it */
    const struct policy *policy;
    const struct plan *plan;
    const struct settings *settings;
    const char *const *hidden;         /* belay's own folders, NULL-terminated: never in the jail */
    const struct published *published; /* servers of the agent's that the host may reach */
    size_t npublished;
    struct roles *roles; /* started by roles_start(); taken over */
    const char *stage;   /* folder of staged work, made by stage_create(); NULL: none */
    enum tier_choice tier;
    bool quiet; /* no notices on standard error but errors */
};

/* Runs the session to its end. Returns the exit code: the agent's own, 128 + signal, or one of
 * base/err.h; on a failure of belay's *e says what. */
int keeper_run(const struct keeper_options *o, struct err *e);

#endif
