/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roles.h - the keeper's children: judge, kern, gate. Started by re-execution, so that each
 * has an address space of its own and holds nothing but the descriptors it is given.
 *
 * A role ends with the keeper (PDEATHSIG, and its socket to the keeper closes). The keeper
 * learns of a role's end by its pidfd. The spawner keeps ownership of the descriptors it
 * passes; the child gets copies at fixed numbers (enum role_fd).
 */
#ifndef BELAY_KEEPER_ROLES_H
#define BELAY_KEEPER_ROLES_H

#include "base/err.h"
#include "policy/message.h"

#include <sys/types.h>

struct role_child {
    enum role role;
    pid_t pid; /* 0: not started or already reaped */
    int pidfd; /* readable when it has ended */
    int sock;  /* the keeper's end */
};

/* Starts the role. peers[0..npeers) become descriptors 4, 5, ... (-1 leaves the number closed).
 * False: nothing was started, *e says why. */
bool role_start(struct role_child *r, enum role role, const int *peers, size_t npeers,
                struct err *e);

/* The roles of a session, started together; the sockets between them are already theirs. */
struct roles {
    struct role_child judge, kern, gate;
    int kern_judge; /* kern's end of its way to the judge, for another kern; see role_become() */
};

/* Starts all three. They wait for their CONFIG, so this can be done before anything is known of the
 * session, while policy and plan are still being read. False: none is left, *e says why. */
bool roles_start(struct roles *r, struct err *e);
/* Ends those that run, all at once, and reaps them. */
void roles_end(struct roles *r);

/*
 * A role that is not started here but in a process that somebody else forks: make a seat, fork,
 * and there take it with role_become(); here say what became of it.
 */
struct role_seat {
    enum role role;
    pid_t parent;  /* who made the seat, and stays the role's parent */
    int keeper[2]; /* [0] stays here */
    int peer;      /* not owned */
};
bool role_seat_make(struct role_seat *s, enum role role, int peer, struct err *e);
/* Turns this process into the role. */
_Noreturn void role_become(const struct role_seat *s);
/* The process of the seat, a child of this one; 0: there is none. Fills *r. */
bool role_seat_taken(struct role_seat *s, struct role_child *r, pid_t pid, struct err *e);

/* Waits for the answer to CONFIG: READY, or FAILED with its text, or the role's death. */
bool role_await_ready(struct role_child *r, int timeout_ms, struct err *e);

/* Ends it (SIGKILL) and reaps. Harmless when it never started. */
void role_end(struct role_child *r);

/* Says in words how a dead role ended, after reaping it. */
void role_obituary(struct role_child *r, char *text, size_t size);

#endif
