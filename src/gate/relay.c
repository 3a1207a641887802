/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/relay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIPE_SIZE = 256 * 1024, /* bytes asked for; the kernel may give less */
    TURN_MAX = 1024 * 1024, /* bytes moved for one relay before others have their turn */
    STOCK_MAX = 64,         /* empty pipes kept */
};

static struct pipe_pair stock[STOCK_MAX];
static size_t stocked;

static bool pipe_take(struct pipe_pair *p)
{
    int fds[2];

    if (stocked > 0) {
        *p = stock[--stocked];
        return true;
    }
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller pipe is only slower */
    *p = (struct pipe_pair){fds[0], fds[1], 0};
    return true;
}

/* Only an empty pipe may serve another connection. */
static void pipe_give(struct pipe_pair *p)
{
    if (p->r < 0)
        return;
    if (p->n == 0 && stocked < STOCK_MAX) {
        stock[stocked++] = *p;
    } else {
        close(p->r);
        close(p->w);
    }
    *p = (struct pipe_pair){-1, -1, 0};
}

void close_with_reset(int fd)
{
    struct linger now = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

enum step { STEP_NONE, STEP_MOVED, STEP_FAILED };

/* From the socket into the pipe. */
static enum step fill(struct relay_side *from, struct relay_way *way)
{
    if (way->ended || !from->readable || way->pipe.n >= PIPE_SIZE)
        return STEP_NONE;
    if (way->pipe.r < 0 && !pipe_take(&way->pipe))
        return STEP_FAILED;
    ssize_t n = splice(from->fd, NULL, way->pipe.w, NULL, PIPE_SIZE - way->pipe.n,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (n > 0) {
        way->pipe.n += (size_t)n;
        return STEP_MOVED;
    }
    if (n == 0) {
        way->ended = true;
        return STEP_MOVED;
    }
    if (errno == EINTR)
        return STEP_MOVED;
    if (errno != EAGAIN)
        return STEP_FAILED;
    /* With bytes in the pipe it may be the pipe that is full. */
    if (way->pipe.n == 0)
        from->readable = false;
    return STEP_NONE;
}

/* From the pipe into the socket, and the end of the stream once the pipe is empty. */
static enum step drain(struct relay_side *to, struct relay_way *way, size_t *moved)
{
    if (way->pipe.n > 0 && to->writable) {
        ssize_t n =
            splice(way->pipe.r, NULL, to->fd, NULL, way->pipe.n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        if (n > 0) {
            way->pipe.n -= (size_t)n;
            way->total += (uint64_t)n;
            *moved += (size_t)n;
            return STEP_MOVED;
        }
        if (n < 0 && errno == EINTR)
            return STEP_MOVED;
        if (n == 0 || errno != EAGAIN)
            return STEP_FAILED;
        to->writable = false;
    }
    if (way->pipe.n == 0 && way->ended && !way->closed) {
        way->closed = true;
        return shutdown(to->fd, SHUT_WR) == 0 ? STEP_MOVED : STEP_FAILED;
    }
    return STEP_NONE;
}

/* Moves what can be moved one way. False: it failed, errno says why. */
static bool pump(struct relay_side *from, struct relay_side *to, struct relay_way *way, bool *more)
{
    enum step in, out;
    size_t moved = 0;

    do {
        in = fill(from, way);
        out = in == STEP_FAILED ? STEP_FAILED : drain(to, way, &moved);
    } while (out != STEP_FAILED && (in == STEP_MOVED || out == STEP_MOVED) && moved < TURN_MAX);
    if (out == STEP_FAILED)
        return false;
    *more = *more || moved >= TURN_MAX;
    if (way->pipe.n == 0)
        pipe_give(&way->pipe);
    return true;
}

static void release(struct relay *r, bool reset)
{
    event_del(&r->again);
    for (int i = 0; i < 2; i++) {
        event_del(&r->side[i].ev);
        pipe_give(&r->way[i].pipe);
        if (reset)
            close_with_reset(r->side[i].fd);
        else
            close(r->side[i].fd);
        r->side[i].fd = -1;
    }
}

static void finish(struct relay *r, const char *error)
{
    release(r, error != NULL);
    r->done(r->arg, error);
}

static const char *failure(int error)
{
    switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
        return "connection reset";
    case ETIMEDOUT:
        return "peer does not answer";
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return "out of descriptors or memory";
    default:
        return "connection failed";
    }
}

static bool refused(struct relay *r)
{
    if (r->inspect == NULL || !r->side[0].readable)
        return false;
    switch (r->inspect(r->arg, r->side[0].fd)) {
    case INSPECT_PASS:
        r->inspect = NULL;
        break;
    case INSPECT_MORE:
        r->side[0].readable = false;
        break;
    case INSPECT_REFUSE:
        return true;
    }
    return false;
}

static void run(struct relay *r)
{
    const uint64_t before = relay_bytes(r);
    bool more = false;

    if (refused(r)) {
        finish(r, "refused by what it sent first");
        return;
    }
    for (int i = 0; i < 2; i++)
        if (!pump(&r->side[i], &r->side[1 - i], &r->way[i], &more)) {
            finish(r, failure(errno));
            return;
        }
    if (r->meter != NULL && !meter_add(r->meter, relay_bytes(r) - before))
        finish(r, METER_OVER);
    else if (r->way[0].closed && r->way[1].closed)
        finish(r, NULL);
    else if (more)
        event_active(&r->again, EV_TIMEOUT, 0);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run(arg);
}

static void on_side(struct relay *r, int i, short what)
{
    if ((what & EV_READ) != 0)
        r->side[i].readable = true;
    if ((what & EV_WRITE) != 0)
        r->side[i].writable = true;
    run(r);
}

static void on_side0(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    on_side(arg, 0, what);
}

static void on_side1(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    on_side(arg, 1, what);
}

void relay_start(struct relay *r, struct event_base *base, struct meter *meter, int fd0, int fd1,
                 relay_inspect_fn *inspect, relay_done_fn *done, void *arg)
{
    const short edge = EV_READ | EV_WRITE | EV_ET | EV_PERSIST;
    const int fds[2] = {fd0, fd1};

    memset(r, 0, sizeof(*r));
    r->base = base;
    r->meter = meter;
    r->inspect = inspect;
    r->done = done;
    r->arg = arg;
    event_assign(&r->again, base, -1, 0, on_again, r);
    for (int i = 0; i < 2; i++) {
        r->side[i].fd = fds[i];
        r->side[i].writable = true;
        r->side[i].readable = true;
        r->way[i].pipe = (struct pipe_pair){-1, -1, 0};
        event_assign(&r->side[i].ev, base, fds[i], edge, i == 0 ? on_side0 : on_side1, r);
        event_add(&r->side[i].ev, NULL);
    }
    event_active(&r->again, EV_TIMEOUT, 0);
}

void relay_abort(struct relay *r)
{
    release(r, true);
}

uint64_t relay_bytes(const struct relay *r)
{
    return r->way[0].total + r->way[1].total;
}
