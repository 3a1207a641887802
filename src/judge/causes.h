/* SPDX-License-Identifier: Apache-2.0 */
/*
 * causes.h - what led to an action: the program that a process runs, and the process that a
 * connection belongs to. Bounded; what is forgotten is unknown, never wrong by overflow.
 *
 * A process number that is used again without an exec of its own keeps the cause of the one
 * before until that is forgotten. Causes are for people; nothing is decided by them.
 */
#ifndef BELAY_JUDGE_CAUSES_H
#define BELAY_JUDGE_CAUSES_H

#include "policy/action.h"

#include <stdint.h>

#define CAUSES_SETS     1024 /* times CAUSES_WAYS processes are remembered */
#define CAUSES_WAYS     4
#define CONNECTS_MAX    256  /* connections that kern saw begin and the gate did not yet */
#define CONNECT_MS      5000 /* after that they are not matched any more */
#define CONNECT_ADDRESS 46

struct causes {
    uint64_t used; /* counts uses, for the oldest of a set */
    struct {
        pid_t pid; /* 0: free */
        bool led;
        uint64_t event, used;
    } set[CAUSES_SETS][CAUSES_WAYS];
    struct connect_note {
        pid_t pid; /* 0: free or matched */
        int64_t port, at_ms;
        char address[CONNECT_ADDRESS];
    } connects[CONNECTS_MAX];
    size_t next_connect;
};

/* Process `pid` runs what event `event` recorded; `led`: an intent of a model led to it. */
void causes_exec(struct causes *c, pid_t pid, uint64_t event, bool led);
/* The event by which `pid` came to run what it runs, 0 if unknown. */
uint64_t causes_of(struct causes *c, pid_t pid, bool *led);

/* kern: process `pid` is connecting to this address, as it sees it. */
void causes_connect(struct causes *c, int64_t now_ms, pid_t pid, struct str address, int64_t port);
/* gate: which process began this connection? The oldest note with that port, and with that
 * address if `address` is not empty; each note is matched once. 0: unknown. */
pid_t causes_match(struct causes *c, int64_t now_ms, struct str address, int64_t port);

#endif
