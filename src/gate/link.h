/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - one connection that speaks HTTP: a socket, perhaps TLS in it, and a codec (http.h).
 *
 * It moves bytes: what comes is fed to the codec, what the codec has to say is sent. A codec that
 * is blocked is not fed, and then the socket is not read: back-pressure reaches the peer.
 *
 *   open    the TLS handshake is done (or there is none): set the codec with link_speak()
 *   after   bytes were fed or sent: look at what became possible; may close the link
 *   ended   the connection is over (error NULL: in order). The codec's streams are over by then. It
 * is the link's last call, which frees it with link_free(). They are called from the event loop
 * only. Codec hooks may use everything of http.h, and link_poke.
 */
#ifndef BELAY_GATE_LINK_H
#define BELAY_GATE_LINK_H

#include "gate/meter.h"
#include "http/http.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

struct link_hooks {
    void (*open)(void *arg);
    void (*after)(void *arg);
    void (*ended)(void *arg, const char *error);
};

struct link {
    struct event_base *base;
    const struct link_hooks *hooks;
    void *arg;
    int fd;
    SSL *ssl;               /* NULL: plain */
    bool server;            /* the peer is the agent */
    bool opened;            /* the handshake is done */
    bool eof;               /* the peer said that it sends no more, and all was read */
    bool hung_up;           /* it said so; there may be more to read */
    bool closing;           /* link_close() was called, or the codec is done */
    bool lingering;         /* all was said; what still comes is dropped */
    bool pinned;            /* the agent's client refused our certificate */
    bool readable;          /* there may be something to read */
    bool moving;            /* bytes are being moved: nobody needs to poke it */
    struct http_conn *http; /* NULL before link_speak() */
    const char *error;      /* why it ended */
    struct buf stash;       /* read, and not yet taken by the codec */
    struct event io, kick, linger;
    uint64_t in, out; /* bytes of HTTP */
    struct meter *meter; /* counts them; NULL: nobody does */
    int64_t active;   /* clock_ms() of the last byte */
};

/* Takes the socket (connected, non-blocking) and `ssl`. */
void link_start(struct link *l, struct event_base *base, int fd, SSL *ssl, bool server,
                const struct link_hooks *hooks, void *arg);
void link_speak(struct link *l, struct http_conn *http);
/* The codec may have something to say, or may be fed again: looked at from the loop. */
void link_poke(struct link *l);
/* Ends it once what the codec has to say is sent; with an error at once. `ended` comes from the
 * loop. */
void link_close(struct link *l, const char *error);
/* Releases everything. The codec, if any, is freed: its streams are over first. */
void link_free(struct link *l);

#endif
