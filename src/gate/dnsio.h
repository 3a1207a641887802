/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsio.h - how DNS questions come in and answers go out: datagrams, and connections over TCP
 * (RFC 7766; one question of a connection at a time, the next are read when it is answered).
 */
#ifndef BELAY_GATE_DNSIO_H
#define BELAY_GATE_DNSIO_H

#include "base/err.h"
#include "gate/addr.h"

#include <event2/event.h>

struct dnsio;
struct dns_session;

/* Where a question came from. May be kept until it is answered, after dnsio_hold. */
struct dns_peer {
    int sock; /* UDP */
    struct sockaddr_storage peer;
    struct addr local;           /* the address that was asked; n == 0: unknown */
    struct dns_session *session; /* TCP, else NULL */
};

/* One question, of at most DNS_UDP_MAX bytes. True: it was answered with dnsio_answer, or will
 * be, after dnsio_hold. False: it never will be; a connection is closed. */
typedef bool dns_question_fn(void *arg, const struct dns_peer *from, const uint8_t *p, size_t n);

/* Sockets are bound UDP sockets, or -1. NULL and *e on failure. */
struct dnsio *dnsio_new(struct event_base *base, int udp4, int udp6, dns_question_fn *fn, void *arg,
                        struct err *e);
/* Takes an accepted, non-blocking TCP connection. False: there are too many, it is not taken. */
bool dnsio_accept(struct dnsio *io, int fd);

/* Takes a connected, non-blocking packet socket (tier B): each packet is a question or an answer.
 * False: there are too many, it is not taken. */
bool dnsio_adopt(struct dnsio *io, int fd);

/* The answer comes later: exactly one dnsio_answer must follow, also when the asker is gone. */
void dnsio_hold(const struct dns_peer *from);
/* At most DNS_PLAIN_MAX bytes. An answer that the asker has no room for is lost. */
void dnsio_answer(const struct dns_peer *to, const uint8_t *p, size_t n);

#endif
