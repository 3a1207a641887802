/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/publish.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/clock.h"
#include "gate/relay.h"
#include "jail/inward.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VISITS_MAX = 256, CONNECT_SECONDS = 10 };

/* One connection from the host. */
struct visit {
    struct publish *all;
    struct visit *next; /* of those that wait for the jail's init, in the order of their requests */
    uint16_t port;
    bool six;
    int host, inside; /* -1 when there is none, or the relay has it */
    struct event connected;
    struct relay relay;
    int64_t began;
};

struct publish {
    struct gate *gate;
    int way;
    struct event answers;
    struct visit *first, **last; /* that wait */
    size_t n;
    struct door {
        struct publish *all;
        struct event ev;
        uint16_t port; /* inside */
    } doors[GATE_DOORS_MAX];
    size_t ndoors;
};

static void open_doors(struct publish *p, bool open)
{
    for (size_t i = 0; i < p->ndoors; i++)
        if (open)
            event_add(&p->doors[i].ev, NULL);
        else
            event_del(&p->doors[i].ev);
}

static void over(struct visit *v, const char *error)
{
    struct publish *p = v->all;

    gate_note(p->gate->asker, &(struct note){.kind = "published",
                                             .text = error != NULL ? error : "",
                                             .address = "127.0.0.1",
                                             .port = v->port,
                                             .up = v->relay.way[1].total,
                                             .down = v->relay.way[0].total,
                                             .ms = (uint64_t)(clock_ms() - v->began)});
    if (v->host >= 0)
        close_with_reset(v->host);
    mem_auto_close(&v->inside);
    free(v);
    if (p->n-- == VISITS_MAX && p->way >= 0)
        open_doors(p, true);
}

static void ask(struct visit *v)
{
    struct publish *p = v->all;

    if (!inward_ask(p->way, v->port, v->six)) {
        over(v, "the jail does not answer");
        return;
    }
    v->next = NULL;
    *p->last = v;
    p->last = &v->next;
}

static void on_relay_done(void *arg, const char *error)
{
    over(arg, error);
}

static void failed(struct visit *v)
{
    mem_auto_close(&v->inside);
    if (v->six) {
        over(v, "no server of the agent's listens there");
        return;
    }
    v->six = true;
    ask(v);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct visit *v = arg;
    int error = 0;
    socklen_t n = sizeof(error);

    if ((what & EV_TIMEOUT) != 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 ||
        error != 0) {
        failed(v);
        return;
    }
    relay_start(&v->relay, v->all->gate->base, &v->all->gate->meter, v->host, v->inside, NULL,
                on_relay_done, v);
    v->host = v->inside = -1;
}

static void on_answers(evutil_socket_t way, short what, void *arg)
{
    static const struct timeval patience = {CONNECT_SECONDS, 0};
    struct publish *p = arg;
    int fd, error;

    (void)what;
    for (;;) {
        enum inward_result r = inward_answer(way, &fd, &error);
        struct visit *v = p->first;

        if (r == INWARD_NOTHING)
            return;
        if (r == INWARD_GONE || v == NULL) { /* the session is ending */
            if (r == INWARD_OK)
                close(fd);
            event_del(&p->answers);
            open_doors(p, false);
            p->way = -1;
            return;
        }
        p->first = v->next;
        if (p->first == NULL)
            p->last = &p->first;
        v->inside = r == INWARD_OK ? fd : -1;
        if (r == INWARD_OK) {
            event_assign(&v->connected, p->gate->base, fd, EV_WRITE, on_connected, v);
            event_add(&v->connected, &patience);
        } else {
            failed(v);
        }
    }
}

static void on_door(evutil_socket_t listener, short what, void *arg)
{
    struct door *d = arg;
    struct publish *p = d->all;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (fd < 0)
        return;
    struct visit *v = xcalloc(1, sizeof(*v));

    v->all = p;
    v->port = d->port;
    v->host = fd;
    v->inside = -1;
    v->began = clock_ms();
    if (++p->n == VISITS_MAX)
        open_doors(p, false);
    ask(v);
}

bool publish_open(struct gate *g, const struct gate_config *c, struct err *e)
{
    if (c->ndoors == 0)
        return true;
    struct publish *p = xcalloc(1, sizeof(*p));

    p->gate = g;
    p->way = c->inward;
    p->last = &p->first;
    p->ndoors = c->ndoors;
    if (!fd_set_nonblock(p->way))
        return err_sys(e, EX_ROLE, "gate: cannot prepare the way into the jail");
    event_assign(&p->answers, g->base, p->way, EV_READ | EV_PERSIST, on_answers, p);
    event_add(&p->answers, NULL);
    for (size_t i = 0; i < c->ndoors; i++) {
        struct door *d = &p->doors[i];

        d->all = p;
        d->port = c->doors[i].port;
        if (!fd_set_nonblock(c->doors[i].listener))
            return err_sys(e, EX_ROLE, "gate: cannot prepare a published port");
        event_assign(&d->ev, g->base, c->doors[i].listener, EV_READ | EV_PERSIST, on_door, d);
    }
    open_doors(p, true);
    return true;
}
