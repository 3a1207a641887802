/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.h - the role that decides, and writes down what it decided before anyone acts on it.
 *
 * It holds the policy, the state of the session and the record; it opens no file, makes no
 * connection and starts nothing. Its sockets: the keeper (ROLE_FD_KEEPER), kern
 * (ROLE_FD_JUDGE_KERN), the gate (ROLE_FD_JUDGE_GATE). Each frame is checked against the
 * permit table and read strictly; a bad one from anybody is the judge's end, and so the agent's.
 *
 * For each action: decide, record, bring to the disk what is sent out of the machine, and only
 * then answer. Messages gathered in one turn of the loop are recorded together.
 *
 * With the keeper (fields: PROTOCOL.md):
 *   EVENT     kind "start" begins the RUN phase. "exit" and "kill" end it: what kern and the
 *             gate have said until then is still recorded, nothing after, and the record is
 *             ended before RECORDED is sent. "processes" gives the watch a COUNT. Any other
 *             kind is recorded as it is. Every EVENT is answered by RECORDED; all but "start"
 *             and "processes" are on the disk by then.
 *   ASK       a question; ANSWER with its id decides it. ASK_OVER: it is settled, whoever did.
 *   STOP      freeze or kill the agent now.
 *   ALERT     kind "notice": a line for the agent's terminal; kind "alert": for the people too.
 */
#ifndef BELAY_JUDGE_JUDGE_H
#define BELAY_JUDGE_JUDGE_H

#include "base/err.h"
#include "base/text.h"
#include "policy/settings.h"

#define JUDGE_TEXT_MAX 4096 /* bytes of each text of the configuration */

/* X(field, tag): texts of the configuration; as in struct session of policy/policy.h. */
#define JUDGE_TEXTS(X)                                     \
    X(session, 33) /* id of the session, for the record */ \
    X(agent, 34)                                           \
    X(user, 35)                                            \
    X(home, 36)                                            \
    X(workspace, 37)

/* X(field, tag, lowest, highest): what the judge needs of the settings. */
#define JUDGE_NUMBERS(X)                \
    X(ask_timeout, 40, 1, 86400)        \
    X(denials_count, 41, 0, 100000)     \
    X(denials_window, 42, 1, 3600)      \
    X(execs_count, 43, 0, 1000000)      \
    X(execs_window, 44, 1, 3600)        \
    X(watch_processes, 45, 0, 100000)   \
    X(budget_cents, 46, 0, BUDGET_MAX)  \
    X(budget_tokens, 47, 0, BUDGET_MAX) \
    X(budget_requests_per_minute, 48, 0, BUDGET_RATE_MAX) \
    X(canary_freeze, 49, 0, 1)

struct judge_config {
    int policy;       /* memfd with the bytes of policy_pack() */
    int record, head; /* the two of record_make_files() */
#define X(field, tag) struct str field;
    JUDGE_TEXTS(X)
#undef X
    const struct settings *settings;
};

/* Keeper: sends CONFIG. The descriptors stay the caller's. */
bool judge_config_send(int sock, const struct judge_config *c, struct err *e);

/* Judge: receives it, with settings of which only JUDGE_NUMBERS are set. Descriptors and
 * memory are the caller's: judge_config_free. */
bool judge_config_recv(int sock, struct judge_config *c, struct err *e);
void judge_config_free(struct judge_config *c);

/* The role. Returns an exit code when the keeper is gone or nothing can be recorded. */
int judge_main(void);

#endif
