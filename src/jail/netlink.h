/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h - just enough netlink (RFC 3549, kernel Documentation/userspace-api/netlink) to
 * send a batch of requests and learn that all of them were done.
 */
#ifndef BELAY_JAIL_NETLINK_H
#define BELAY_JAIL_NETLINK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define NL_BATCH_MAX 32768u

/* Messages back to back. A message that does not fit sets `full`; nl_send() then fails. */
struct nl_batch {
    size_t n, message; /* bytes used; where the open message starts */
    size_t acks;       /* answers to wait for */
    bool full;
    unsigned char data[NL_BATCH_MAX] __attribute__((aligned(8)));
};

/* Starts a message with `head` (nhead bytes) after the netlink header. NLM_F_REQUEST is added
 * to `flags`; with NLM_F_ACK in them, nl_send() waits for its answer. */
void nl_start(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t nhead);
void nl_put(struct nl_batch *b, uint16_t type, const void *p, size_t n);
void nl_put_text(struct nl_batch *b, uint16_t type, const char *text);
void nl_put_be32(struct nl_batch *b, uint16_t type, uint32_t value);
/* Attributes in an attribute: the value goes to nl_nest_end(). */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, size_t nest);

/* Sends to NETLINK_`protocol` of this network namespace; waits at most 2 s. `what` is for the
 * message. */
bool nl_send(struct nl_batch *b, int protocol, const char *what, struct err *e);

#endif
