/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - what the keeper, J and A say to each other over the jail's two sockets
 * (SOCK_SEQPACKET): starting and news on `control`, requests and their answers on `requests`,
 * so that who waits for an answer takes no news away. Both ends are belay's own code: A's copy
 * closes when it executes.
 */
#ifndef BELAY_JAIL_WIRE_H
#define BELAY_JAIL_WIRE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_FDS_MAX 4

enum wire_type {
    /* while starting */
    WIRE_GO = 1,  /* keeper: the id maps are written; the cgroup for A, if there is one */
    WIRE_ERROR,   /* J or A: cannot go on; value is the exit code, text says why */
    WIRE_SOCKETS, /* J: the gate's sockets; value has bit i for the i-th of tcp4 tcp6 udp4 udp6 */
    WIRE_PTY,     /* J: the master side */
    WIRE_KEPT,    /* J: the way to write to the plan's file that is kept */
    WIRE_ARMED,   /* A: confined and waiting; the listener; value is the Landlock ABI, and 256
                     when the listener is WAIT_KILLABLE */
    WIRE_READY,   /* J: confined and serving */
    /* requests to J, and answers */
    WIRE_FREEZE, /* answer's value: processes that could still run */
    WIRE_RESUME,
    WIRE_COUNT,   /* answer's value: processes */
    WIRE_SLOW,    /* lowest priority for all */
    WIRE_RUNNING, /* answer's value: processes on a processor, or queued for one */
    WIRE_INWARD,  /* on a way of its own: see inward.h */
    /* news */
    WIRE_EXEC_FAILED, /* A: value is the errno */
    WIRE_EXITED       /* J: value is A's wait status */
};

struct wire {
    uint32_t type;
    int32_t value;
    char text[ERR_TEXT_MAX];
};

/* `text` may be NULL. False with errno. */
bool wire_send(int sock, enum wire_type type, int value, const char *text, const int *fds,
               size_t nfds);

struct wire_in {
    struct wire msg;
    int fds[WIRE_FDS_MAX]; /* -1 past nfds */
    size_t nfds;
    pid_t sender; /* with SO_PASSCRED; else 0 */
};

enum wire_result { WIRE_OK, WIRE_NOTHING, WIRE_GONE };

/* Waits up to `ms` (0: not at all, -1: for ever). */
enum wire_result wire_recv(int sock, struct wire_in *in, int ms);
void wire_close_fds(struct wire_in *in); /* those not taken */

#endif
