/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h - connects to one of several addresses, each of which the judge allowed first.
 *
 * Addresses are tried in order. The next one is asked about when the one before failed or has
 * not answered within DIAL_STAGGER_MS (RFC 8305, 5); the first that connects is used, the
 * others are dropped. An address is connected to exactly as it was judged.
 */
#ifndef BELAY_GATE_DIAL_H
#define BELAY_GATE_DIAL_H

#include "gate/refusal.h"
#include "gate/state.h"

#define DIAL_ADDRS_MAX  6
#define DIAL_STAGGER_MS 250

struct dial;

struct dial_target {
    struct str host;    /* the resource that is judged; must live as long as the dial */
    bool named;         /* the agent gave a name */
    struct str dialled; /* the address that the agent connected to; lives as long as host */
    uint64_t cause;     /* event of the decision on the name, 0: there was none */
    uint16_t port;
    size_t n; /* addresses beyond DIAL_ADDRS_MAX are not tried */
    struct addr addrs[LOOKUP_ADDRS_MAX];
};

struct dial_result {
    int fd;            /* connected, non-blocking, the receiver's; -1: failed */
    bool allowed;      /* at least one address was */
    struct addr addr;  /* connected to, or allowed last */
    uint32_t id;       /* of the action about it, for the note; 0 when nothing was allowed */
    uint64_t event;    /* of its verdict */
    uint32_t duties;   /* likewise */
    const char *error; /* when failed */
    /* when failed and no address was allowed: what the judge said, else \"\" */
    char refusal[REFUSAL_TEXT_MAX];
};

/* Called once, never from within dial_start. The dial is over and freed when it returns. */
typedef void dial_fn(void *arg, const struct dial_result *r);

struct dial *dial_start(struct gate *g, const struct dial_target *t, dial_fn *fn, void *arg);
/* Also takes back the question that waits. fn is not called. */
void dial_cancel(struct dial *d);

#endif
