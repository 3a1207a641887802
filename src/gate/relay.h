/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - carries bytes both ways between two connected stream sockets, by splice(2).
 *
 * The bytes stay in the kernel. Back-pressure is the pipe's: what the one side does not take,
 * the other is not read for. End of stream is passed on as a half-close, a reset as a reset.
 * Pipes are taken from a small stock only while bytes are in them, so an idle connection costs
 * its two descriptors.
 *
 * A relay may hold back what comes from side 0 until `inspect` has seen its first bytes.
 */
#ifndef BELAY_GATE_RELAY_H
#define BELAY_GATE_RELAY_H

#include "gate/meter.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inspect {
    INSPECT_PASS,   /* let everything through from now on */
    INSPECT_MORE,   /* look again when more has come */
    INSPECT_REFUSE, /* end the relay; both sides are reset */
};

/* NULL error: both directions ended in order. It is the last thing the relay does; both
 * sockets are closed by then. The function may free the relay. */
typedef void relay_done_fn(void *arg, const char *error);
typedef enum inspect relay_inspect_fn(void *arg, int fd);

struct pipe_pair {
    int r, w; /* -1 when none is taken */
    size_t n; /* bytes in it */
};

struct relay_way {
    struct pipe_pair pipe;
    uint64_t total; /* bytes delivered */
    bool ended;     /* end of stream was read */
    bool closed;    /* and passed on */
};

struct relay_side {
    int fd;
    struct event ev;
    bool readable, writable;
};

struct relay {
    struct event_base *base;
    struct relay_side side[2];
    struct relay_way way[2];   /* way[i] leads from side i to the other */
    struct meter *meter;       /* counts what is delivered; NULL: nobody does */
    struct event again;        /* yields to others in the middle of bulk */
    relay_inspect_fn *inspect; /* NULL once passed */
    relay_done_fn *done;
    void *arg;
};

/* Takes both descriptors (non-blocking sockets). `meter` and `inspect` may be NULL. `done` is never called
 * from within. */
void relay_start(struct relay *r, struct event_base *base, struct meter *meter, int fd0, int fd1,
                 relay_inspect_fn *inspect, relay_done_fn *done, void *arg);
/* Resets both sides and releases everything; `done` is not called. */
void relay_abort(struct relay *r);
/* Bytes delivered so far in both directions: changes while the relay lives. */
uint64_t relay_bytes(const struct relay *r);

/* Closes a TCP socket so that the peer sees a reset. */
void close_with_reset(int fd);

#endif
