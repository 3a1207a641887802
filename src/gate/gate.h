/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - the role through which all TCP and DNS of the agent passes.
 *
 * The listeners are made inside the agent's network namespace (which has no way out) and
 * handed over; the gate itself stands outside. What it asks the judge:
 *
 *   resolve  Host NAME                       once for each name; the answer is kept
 *   connect  Host NAME, port, named=1        before the upstream lookup: no address yet
 *   connect  Host NAME, port, named=1, address   once for each address, before it is tried
 *   connect  Host ADDRESS, port, named=0, address   the agent gave a literal address; or the
 *                                            name led to an address of this very machine
 *   connect  Host "localhost", port, named=0, address   a service on the host's loopback
 *
 * No answer but ALLOW lets anything through. DNS: a name that is allowed gets addresses of the
 * gate's own (see pool.h); one that is not is answered NXDOMAIN with an extended error
 * (RFC 8914) that holds the reason, because clients stop at once at NXDOMAIN and try again
 * at REFUSED. TCP: a connection that is not allowed is told why where its protocol has words
 * for it (refusal.h), and reset.
 *
 * CANCEL with the id of an ACTION: the client is gone while its action was held.
 *
 * NOTE tells what became of things. Frame id: that of the ACTION it belongs to (whose VERDICT
 * said ALLOW), or 0 when the gate refused by itself without asking. Its fields:
 *   MSG_TAG_KIND     bytes: "connection" (one that was allowed has ended, or never came to be),
 *                    "request" (likewise), "published" (one from the host to a published port has;
 *                    id 0) or "refused" (what the gate turned away by itself; id may be 0)
 *   MSG_TAG_EVENT    int: the sequence number in that VERDICT, 0 with id 0
 *   MSG_TAG_TEXT     bytes: why it ended or was refused; empty: it ended in order
 *   MSG_TAG_ADDRESS  bytes: the address connected to or tried; absent when none was
 *   MSG_TAG_PORT     int: likewise
 *   NOTE_TAG_UP, NOTE_TAG_DOWN   int: bytes from the agent, bytes to the agent
 *   NOTE_TAG_MS      int: milliseconds from accept to end
 *   NOTE_TAG_STATUS  int: "request": status of the answer
 *   MSG_TAG_COUNT    int: "refused" with id 0: how many, since the last such note
 * Three more kinds, with what else they say:
 *   "found"          MSG_TAG_LIST: what the detectors found in what came in, each KIND or
 *                    KIND:DETAIL; a label of the session where a rule mentions it
 *   "usage"          MSG_TAG_TEXT: the model, as "provider/model"; NOTE_TAG_INPUT, OUTPUT, CACHED:
 *                    tokens since the last such note of this request; NOTE_TAG_COST: millionths
 *                    of a cent, likewise
 *   "alert"          MSG_TAG_TEXT: what people must know; recorded as an alert and told to them
 * Strings in it were made by the gate or are canonical names and addresses: printable ASCII.
 */
#ifndef BELAY_GATE_GATE_H
#define BELAY_GATE_GATE_H

#include "base/err.h"
#include "base/frame.h"
#include "policy/message.h"
#include "policy/settings.h"

#include <stdint.h>

/* X(name, default, least, most): bounds on what the agent can make the gate hold or do. */
#define GATE_LIMITS(X)                                                                          \
    X(connections, 4096, 1, 16384)    /* at a time; more wait in the listener's queue */        \
    X(pending, 1024, 1, 16384)        /* questions that wait for the judge; more are refused */ \
    X(names_per_second, 100, 1, 5000) /* new names; more are refused and counted */             \
    X(requests, 8192, 1, 65536)       /* on opened connections at a time; more are refused */   \
    X(head_seconds, 30, 1, 3600)      /* for the head of a request to come */                   \
    X(keep_seconds, 300, 1, 86400)    /* an opened connection without a request is closed */    \
    X(mebibytes, UINT32_MAX, 1, UINT32_MAX) /* of the whole session, both ways; at first any */ \
    X(idle_seconds, 7200, 1, 604800)  /* a connection without a byte for so long is reset */    \
    X(connect_ms, 10000, 10, 120000)  /* for one address to answer */                           \
    X(lookup_ms, 5000, 10, 60000)     /* for one upstream lookup */

struct gate_limits {
#define X(name, value, least, most) uint32_t name;
    GATE_LIMITS(X)
#undef X
};

#define GATE_DOORS_MAX         16 /* published ports, over IPv4 and IPv6 */
#define GATE_RESOLVERS_MAX     3
#define GATE_RESOLVER_TEXT_MAX 64
#define GATE_CANARIES_MAX      64
#define GATE_CANARY_MAX        96

struct gate_config {
    /* Made in the agent's namespace: TCP sockets that listen, UDP sockets that are bound.
     * -1 when there is none (a kernel without IPv6); not owned, the sender may close them. */
    int tcp4, tcp6, udp4, udp6;
    /* Servers of the agent's that the host may reach: the way to the jail's init (jail/inward.h),
     * and listeners on the host's loopback with the port inside that each leads to. Not owned
     * either. */
    int inward;
    /* Memory file of vault_seal() (vault.h), -1: there are no credentials. The gate wipes it. */
    int credentials;
    size_t ndoors;
    struct gate_door {
        int listener;
        uint16_t port;
    } doors[GATE_DOORS_MAX];
    /* Tier B: the listeners are the host's, and kern says on this socket who comes (pass.h). */
    int kern;
    struct gate_limits limits; /* a limit of 0 stands for its default */
    /* "ADDRESS:PORT" or "[ADDRESS]:PORT"; none: those of /etc/resolv.conf */
    const char *prices; /* lines of a price table, before those that belay brings; NULL: none */
    size_t nresolvers;
    char resolvers[GATE_RESOLVERS_MAX][GATE_RESOLVER_TEXT_MAX];
    /* detect of belay.yaml; the lists' own when read from a frame, see gate_config_free */
    int64_t detect_entropy, detect_names; /* 0: their defaults */
    struct settings_list detect_off, detect_allow;
    /* Values that stand in decoys of this session: what sends one carries "canary". */
    size_t ncanaries;
    char canaries[GATE_CANARIES_MAX][GATE_CANARY_MAX];
};

/* Addresses that the gate hands out. The first of each is the resolver's own, to be named
 * in the jail's resolv.conf. */
#define GATE_NET4      "198.18.0.0/15"
#define GATE_RESOLVER4 "198.18.0.1"
#define GATE_NET6      "fd62:656c:6179::/64"
#define GATE_RESOLVER6 "fd62:656c:6179::1"

/* All -1 and 0: the default limits, no sockets. */
void gate_config_init(struct gate_config *c);
/* Keeper: sends CONFIG. */
bool gate_config_send(int sock, const struct gate_config *c, struct err *e);
/* Gate: reads it from a frame that was received; the prices and descriptors are the caller's,
 * limits are filled in and in range. */
bool gate_config_read(struct frame_in *f, struct gate_config *c, struct err *e);
/* What was read, without the descriptors. */
void gate_config_free(struct gate_config *c);

/* The role. Descriptors as in PROTOCOL.md; returns an exit code when the keeper or the judge
 * is gone. */
int gate_main(void);

#endif
