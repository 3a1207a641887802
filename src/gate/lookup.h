/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h - asks the host's name servers for the addresses of a name.
 *
 * Needs no file and no NSS after it is made. A and AAAA are asked at once, each from a socket
 * of its own (a fresh source port) with a random id (RFC 5452); servers are tried in turn; a
 * truncated reply is asked for again over TCP. Addresses are kept for their time to live, at
 * most LOOKUP_KEEP_MS. /etc/hosts goes first.
 */
#ifndef BELAY_GATE_LOOKUP_H
#define BELAY_GATE_LOOKUP_H

#include "gate/dns.h"
#include "gate/hostcfg.h"

#include <event2/event.h>

#define LOOKUP_KEEP_MS   60000
#define LOOKUP_ADDRS_MAX 16

struct resolver;
struct lookup;

/* n == 0: none, `error` says why. The lookup is over and freed when the function returns. */
typedef void lookup_fn(void *arg, const struct addr *addrs, size_t n, const char *error);

/* `config` stays the caller's and must live as long; `timeout_ms` bounds one lookup. */
struct resolver *resolver_new(struct event_base *base, const struct hostcfg *config,
                              unsigned timeout_ms);

/* fn is called later, never from within. NULL: not possible now. */
struct lookup *lookup_start(struct resolver *r, const struct name *name, lookup_fn *fn, void *arg);
void lookup_cancel(struct lookup *l);

#endif
