/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/pass.h"

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"
#include "gate/clock.h"
#include "policy/message.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

enum { PASS_MS = 10000, PORTS = 65536 };

struct pass {
    struct addr to; /* n == 0: none */
    uint16_t port;
    int64_t until;
};

struct passes {
    struct gate *gate;
    struct dnsd *dnsd;
    int kern;
    struct event ev;
    struct frame_in in;
    struct pass by_port[2][PORTS]; /* IPv4, IPv6 */
};

/* What one MSG_PASS says. */
struct word {
    int64_t family, from, port; /* family 0: names are asked for by the descriptor */
    struct addr to;
};

static bool read_field(const struct frame_field *x, struct word *w)
{
    switch (x->tag) {
    case MSG_TAG_KIND:
        w->family = x->num;
        return x->kind == FRAME_INT && (x->num == 0 || x->num == 4 || x->num == 6);
    case MSG_TAG_LOCAL:
        w->from = x->num;
        return x->kind == FRAME_INT && x->num > 0 && x->num < PORTS;
    case MSG_TAG_PORT:
        w->port = x->num;
        return x->kind == FRAME_INT && x->num > 0 && x->num < PORTS;
    case MSG_TAG_ADDRESS:
        return x->kind == FRAME_BYTES && addr_from_text(x->bytes, &w->to);
    default:
        return false;
    }
}

static bool read_word(struct frame_in *f, struct word *w)
{
    struct frame_field x;
    enum frame_result r;

    *w = (struct word){.family = -1};
    while ((r = frame_next(f, &x)) == FRAME_OK)
        if (!read_field(&x, w))
            return false;
    if (r != FRAME_EOF || w->family < 0)
        return false;
    return w->family == 0 ? f->nfds == 1
                          : f->nfds == 0 && w->from > 0 && w->port > 0 && w->to.n > 0;
}

/* Anything but what kern would send means that it is kern no longer: the keeper sees us end. */
static void broken(void)
{
    static const char words[] = "belay: gate: kern sent something unexpected\n";

    (void)fd_write_all(STDERR_FILENO, words, sizeof(words) - 1);
    _exit(EX_ROLE);
}

static void take_word(struct passes *p)
{
    struct word w;

    if (p->in.type != MSG_PASS || !message_permitted(ROLE_KERN, ROLE_GATE, PHASE_RUN, p->in.type) ||
        !read_word(&p->in, &w))
        broken();
    if (w.family == 0) {
        dnsd_adopt(p->dnsd, fd_take(&p->in.fds[0]));
        return;
    }
    p->by_port[w.family == 6][w.from] =
        (struct pass){.to = w.to, .port = (uint16_t)w.port, .until = clock_ms() + PASS_MS};
}

static void read_words(struct passes *p)
{
    for (;;) { /* to the end: the word on a connection stands before it, and kern's socket is short
                */
        switch (frame_recv(p->kern, &p->in, message_fds(MSG_PASS))) {
        case FRAME_OK:
            take_word(p);
            break;
        case FRAME_AGAIN:
            return;
        case FRAME_EOF: /* the keeper ends us as well */
            event_del(&p->ev);
            return;
        case FRAME_BAD:
            broken();
        }
    }
}

static void on_kern(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_words(arg);
}

bool pass_take(struct passes *p, bool v6, uint16_t from, struct addr *to, uint16_t *port)
{
    struct pass *x = &p->by_port[v6][from];

    /* Always: an old pass of this port may lie here, which what comes in front of the connection
     * replaces. */
    read_words(p);
    bool good = x->to.n > 0 && clock_ms() < x->until;

    *to = x->to;
    *port = x->port;
    x->to.n = 0;
    return good;
}

struct passes *passes_new(struct gate *g, struct dnsd *dnsd, int kern, struct err *e)
{
    struct passes *p = xcalloc(1, sizeof(*p)); /* mostly pages that are never touched */

    p->gate = g;
    p->dnsd = dnsd;
    p->kern = kern;
    if (!fd_set_nonblock(kern)) {
        err_sys(e, EX_ROLE, "gate: kern's socket");
        free(p);
        return NULL;
    }
    event_assign(&p->ev, g->base, kern, EV_READ | EV_PERSIST, on_kern, p);
    event_add(&p->ev, NULL);
    return p;
}
