/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/link.h"

#include "gate/clock.h"
#include "gate/relay.h"
#include "gate/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_MAX = 64 * 1024,   /* bytes read at once */
    TURN_MAX = 1024 * 1024, /* bytes moved for one link before others have their turn */
    LINGER_SECONDS = 2,     /* for the peer to read the last words */
};

enum io { IO_AGAIN = -1, IO_FAILED = -2 };

/* One for all: what is not taken at once is stashed. */
static unsigned char incoming[READ_MAX];

static void kick(struct link *l)
{
    event_active(&l->kick, EV_TIMEOUT, 1);
}

void link_poke(struct link *l)
{
    if (!l->moving)
        kick(l);
}

/* What OpenSSL says to a call that gave `r` <= 0. */
static ssize_t tls_outcome(struct link *l, int r)
{
    switch (SSL_get_error(l->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return IO_FAILED;
    }
}

static ssize_t plain_outcome(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_FAILED;
}

static ssize_t take(struct link *l)
{
    int r;

    if (l->ssl == NULL)
        return plain_outcome(recv(l->fd, incoming, sizeof(incoming), 0));
    ERR_clear_error();
    r = SSL_read(l->ssl, incoming, sizeof(incoming));
    return r > 0 ? r : tls_outcome(l, r);
}

static ssize_t put(struct link *l, struct str out)
{
    int r;

    if (l->ssl == NULL)
        return plain_outcome(send(l->fd, out.p, out.n, MSG_NOSIGNAL));
    ERR_clear_error();
    r = SSL_write(l->ssl, out.p, out.n > READ_MAX ? READ_MAX : (int)out.n);
    return r > 0 ? r : tls_outcome(l, r);
}

static void fail(struct link *l, const char *error)
{
    if (l->error == NULL)
        l->error = error;
    l->closing = l->lingering = true;
}

void link_close(struct link *l, const char *error)
{
    if (error != NULL)
        fail(l, error);
    l->closing = true;
    kick(l);
}

/* To the codec. False: nothing was taken. */
static bool feed(struct link *l, const void *p, size_t n)
{
    ssize_t took = http_feed(l->http, p, n);

    if (took < 0) {
        if (l->error == NULL)
            l->error = http_error(l->http);
        l->closing = true; /* what it has to say to that is still sent */
        buf_clear(&l->stash);
        return true;
    }
    if ((const char *)p == l->stash.p) {
        memmove(l->stash.p, l->stash.p + took, l->stash.n - (size_t)took);
        l->stash.n -= (size_t)took;
    } else {
        buf_add(&l->stash, (const char *)p + took, n - (size_t)took);
    }
    return took > 0;
}

static void ended_by_peer(struct link *l)
{
    l->eof = true;
    if (!http_feed_end(l->http) && l->error == NULL)
        l->error = "the connection ended in the middle";
}

/* Bytes read, or -1 when nothing can be done now. */
static ssize_t read_some(struct link *l)
{
    ssize_t n;

    if (l->stash.n > 0)
        return !http_blocked(l->http) && feed(l, l->stash.p, l->stash.n) ? 0 : -1;
    if (!l->readable || l->eof || l->lingering || http_blocked(l->http))
        return -1;
    n = take(l);
    /* A short read has emptied the socket; under TLS, more may lie in OpenSSL. An end that came
     * with it is not told of again. */
    if (n == IO_AGAIN || (l->ssl == NULL && n > 0 && n < READ_MAX && !l->hung_up))
        l->readable = false;
    if (n == IO_AGAIN)
        return -1;
    if (n == IO_FAILED) {
        fail(l, http_streams(l->http) > 0 ? "connection reset" : NULL);
        return -1;
    }
    if (n == 0) {
        ended_by_peer(l);
        return 0;
    }
    l->in += (uint64_t)n;
    l->active = clock_ms();
    (void)feed(l, incoming, (size_t)n);
    return n;
}

static ssize_t write_some(struct link *l)
{
    struct str out = http_output(l->http);
    ssize_t n;

    if (out.n == 0 || l->lingering)
        return -1;
    n = put(l, out);
    if (n == IO_AGAIN)
        return -1;
    if (n <= 0) {
        fail(l, "connection reset");
        return -1;
    }
    l->out += (uint64_t)n;
    l->active = clock_ms();
    http_sent(l->http, (size_t)n);
    return n;
}

/* Back and forth as long as something moves. False: not all is done yet. */
static bool move(struct link *l)
{
    bool more = true;
    size_t moved;

    l->moving = true;
    for (moved = 0; more && moved < TURN_MAX;) {
        ssize_t got = read_some(l), wrote = write_some(l);

        more = wrote >= 0 || got >= 0;
        moved += (size_t)(wrote > 0 ? wrote : 0) + (size_t)(got > 0 ? got : 0);
    }
    l->moving = false;
    if (l->meter != NULL && !meter_add(l->meter, moved))
        fail(l, METER_OVER);
    return !more;
}

static bool handshake(struct link *l)
{
    int r;

    if (l->opened)
        return true;
    ERR_clear_error();
    r = l->ssl == NULL ? 1 : SSL_do_handshake(l->ssl);
    if (r != 1 && tls_outcome(l, r) == IO_AGAIN)
        return false;
    if (r != 1) {
        fail(l, l->server ? tls_accept_error(l->ssl, &l->pinned) : tls_connect_error(l->ssl));
        ERR_clear_error();
        return false;
    }
    l->opened = true;
    l->active = clock_ms();
    l->hooks->open(l->arg);
    return l->http != NULL;
}

static bool all_is_said(struct link *l)
{
    return l->http == NULL || http_output(l->http).n == 0;
}

/* The end of what we say. A peer that still sends would answer a close with a reset, and might lose
 * our last words for it: so what comes is read for a moment. */
static void linger(struct link *l)
{
    const struct timeval patience = {LINGER_SECONDS, 0};

    if (l->ssl != NULL && l->opened)
        (void)SSL_shutdown(l->ssl);
    (void)shutdown(l->fd, SHUT_WR);
    l->lingering = true;
    event_add(&l->linger, &patience);
    kick(l);
}

static void end(struct link *l)
{
    event_del(&l->io);
    event_del(&l->kick);
    event_del(&l->linger);
    l->hooks->ended(l->arg, l->error);
}

/* False: the link is gone. */
static bool settle(struct link *l)
{
    if (l->http != NULL && http_closing(l->http))
        l->closing = true;
    if (l->eof && l->http != NULL && http_streams(l->http) == 0)
        l->closing = true;
    if (!l->closing || (!l->lingering && !all_is_said(l)))
        return true;
    if (!l->lingering && !l->eof && l->server) {
        linger(l);
        return false;
    }
    if (!l->lingering && l->ssl != NULL && l->opened)
        (void)SSL_shutdown(l->ssl);
    end(l);
    return false;
}

static void pump(struct link *l)
{
    bool done = true;

    if (!l->lingering && handshake(l)) {
        done = move(l);
        l->hooks->after(l->arg);
    }
    if (settle(l) && !done)
        kick(l);
}

static void drain(struct link *l)
{
    ssize_t n;

    do
        n = recv(l->fd, incoming, sizeof(incoming), 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN)
        end(l);
}

/* A connection that is not read from is looked at for its end. */
static void look_for_reset(struct link *l)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (l->http == NULL || !http_blocked(l->http))
        return;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0)
        fail(l, "connection reset");
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    (void)fd;
    if ((what & (EV_READ | EV_CLOSED)) != 0)
        l->readable = true;
    if ((what & EV_CLOSED) != 0)
        l->hung_up = true;
    if (event_pending(&l->linger, EV_TIMEOUT, NULL)) {
        drain(l);
        return;
    }
    if (l->readable)
        look_for_reset(l);
    pump(l);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end(arg);
}

void link_start(struct link *l, struct event_base *base, int fd, SSL *ssl, bool server,
                const struct link_hooks *hooks, void *arg)
{
    *l = (struct link){.base = base,
                       .hooks = hooks,
                       .arg = arg,
                       .fd = fd,
                       .ssl = ssl,
                       .server = server,
                       .readable = true,
                       .active = clock_ms()};
    buf_init(&l->stash, READ_MAX);
    /* Edge triggered, so that it is added once, and what is not read does not wake us again. */
    event_assign(&l->io, base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event,
                 l);
    event_assign(&l->kick, base, -1, 0, on_event, l);
    event_assign(&l->linger, base, -1, 0, on_linger, l);
    event_add(&l->io, NULL);
    kick(l);
}

void link_speak(struct link *l, struct http_conn *http)
{
    assert(l->http == NULL);
    l->http = http;
}

void link_free(struct link *l)
{
    struct http_conn *http = l->http;

    event_del(&l->io);
    event_del(&l->kick);
    event_del(&l->linger);
    l->http = NULL;
    if (http != NULL)
        http_conn_free(http);
    tls_free(l->ssl);
    l->ssl = NULL;
    buf_free(&l->stash);
    if (l->fd >= 0 && l->error != NULL && l->server && l->opened)
        close_with_reset(l->fd);
    else if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
