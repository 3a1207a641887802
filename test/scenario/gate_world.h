/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_world.h - a gate under test between two worlds, all played by one test process.
 *
 * A child makes a network namespace as the agent's is (all addresses local, TCP and DNS
 * redirected) and opens sockets in it on request; the test process plays the agent with
 * them, the judge, the upstream name server and the upstream hosts (on the loopback). The
 * gate is a child too. Every wait is bounded by WORLD_WAIT_MS.
 */
#ifndef BELAY_TEST_GATE_WORLD_H
#define BELAY_TEST_GATE_WORLD_H

#include "gate/addr.h"
#include "gate/dns.h"
#include "gate/gate.h"
#include "policy/action.h"

#include <sys/types.h>

#define WORLD_WAIT_MS 4000

struct world {
    pid_t agent, gate;
    int factory; /* asks the child for sockets inside */
    struct gate_config config;
    bool opens; /* the next gate is asked for an authority first, which is in `authority` */
    struct buf authority;
    int keeper, judge; /* our ends */
    int resolver;      /* UDP, upstream */
    int resolver_tcp;
    int upstream; /* TCP listener on 127.0.0.1 */
    uint16_t upstream_port;
    char resolver_text[32];
    unsigned descriptors; /* limit for the next gate; 0: as it is */
    /* the last frame from the gate */
    struct frame_in in;
    struct action action;
};

/* NULL, or why it cannot be had here (the test is then skipped). The world is one for all. */
const char *world_open(void);
struct world *world(void);
/* Starts a gate with these limits, READY; ends the one before. */
bool world_gate(const struct gate_limits *limits);
void world_close(void);

/* The agent: a connected socket inside, -1 on failure. kind: SOCK_STREAM or SOCK_DGRAM */
int agent_socket(int kind, const char *address, uint16_t port);
/* Asks over UDP and reads the answer (after the judge's part was played, if any). */
bool agent_ask(int sock, uint16_t id, const char *name, uint16_t type);
bool agent_reply(int sock, uint16_t id, const char *name, uint16_t type, struct dns_reply *r);
/* Asks for `name` and plays a judge that allows it; its address of the gate's own. */
bool agent_learn(const char *name, uint16_t type, char text[ADDR_TEXT_MAX]);

/* The judge: the next frame is of this type (w->in, w->action filled). */
bool judge_next(unsigned type);
/* The next frame is an ACTION like this; address NULL: it has none. */
bool judge_asked(enum verb verb, const char *host, int port, const char *address);
bool judge_says(uint32_t id, enum outcome outcome, const char *reason);
bool judge_says_with(uint32_t id, enum outcome outcome, const char *reason, uint32_t duties);
/* Another policy holds. */
bool judge_reloads(void);
/* Both: asked, and allowed. */
bool judge_allows(enum verb verb, const char *host, int port, const char *address);
bool judge_quiet(int ms); /* nothing comes */
/* Fields of the NOTE in w->in; the strings live in the frame. */
struct world_note {
    struct str kind, text, address;
    int64_t event, port, up, down, ms, count, status;
};
bool judge_note(struct world_note *n);

/* The name server: takes one question over UDP and answers with these addresses (comma
 * separated; "" none; "!" NXDOMAIN; "tc" truncated; "servfail"). */
bool resolver_answers(const char *name, uint16_t type, const char *addresses, uint8_t ttl);
/* Both questions of one lookup, in any order: IPv4 as given, IPv6 as given. */
bool resolver_both(const char *name, const char *four, const char *six, uint8_t ttl);

/* A whole connection to `name`, allowed and connected: the agent's end and the host's. */
bool world_connect(const char *name, int *agent, int *host);

bool wait_readable(int fd, int ms);
/* Reads exactly n bytes and compares. */
bool expect_bytes(int fd, const char *bytes);
bool expect_eof(int fd);
bool expect_reset(int fd);

/* Each test starts with a gate of its own, which knows no names yet; `unavailable` is the answer
 * of world_open(). */
#define WORLD(limits)              \
    do {                           \
        if (unavailable != NULL)   \
            SKIP(unavailable);     \
        CHECK(world_gate(limits)); \
    } while (0)

#endif
