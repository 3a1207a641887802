/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/conn.h"

#include "base/mem.h"
#include "gate/clock.h"
#include "gate/dial.h"
#include "gate/http_door.h"
#include "gate/refusal.h"
#include "gate/relay.h"
#include "gate/scan.h"
#include "gate/sniff.h"
#include "gate/socket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SWEEP_SECONDS = 5,
    SILENT_MS = 1000, /* a client that says nothing for so long lets the server speak first */
};

enum conn_state {
    CONN_ASKING,
    CONN_LOOKUP,
    CONN_DIALING,
    CONN_SNIFFING,
    CONN_REFUSING,
    CONN_OPENED,
    CONN_RELAY
};

struct conn {
    struct conns *all;
    struct conn *prev, *next;
    enum conn_state state;
    int fd;            /* the agent's side until RELAY */
    struct host *host; /* held; NULL for a literal address */
    struct dial_target target;
    char text[ADDR_TEXT_MAX]; /* the address that the agent dialled; target points to it */
    struct event watch, grace;
    uint32_t question;
    struct lookup *lookup;
    struct dial *dial;
    struct dial_result dialled; /* of an address that is opened; its fd is ours, else -1 */
    uint32_t duties;            /* of the verdict that allowed it */
    bool only_http;             /* allowed for the sake of requests alone */
    bool opens;                 /* HTTP and TLS are for the door, not the relay */
    struct http_door *door;
    struct relay relay;
    int64_t began, active;
    uint64_t seen;                  /* relay_bytes at the last sweep */
    const char *objection;          /* why the inspection refused */
    char refusal[REFUSAL_TEXT_MAX]; /* what the agent is told while REFUSING */
    uint64_t up, down;              /* bytes through the door */
    /* for the note: the action that allowed it */
    uint32_t id;
    uint64_t event;
    char address[ADDR_TEXT_MAX]; /* "" while there is none */
};

struct conns {
    struct gate *gate;
    void (*room)(void *arg);
    void *arg;
    size_t n;
    struct conn *head;
    struct event sweep;
};

size_t conns_count(const struct conns *c)
{
    return c->n;
}

static void note(struct conn *c, const char *error)
{
    if (c->id == 0)
        return; /* never allowed: the verdict says it all */
    gate_note(c->all->gate->asker,
              &(struct note){.id = c->id,
                             .event = c->event,
                             .kind = c->objection != NULL ? "refused" : "connection",
                             .text = error != NULL ? error : "",
                             .address = c->address[0] != '\0' ? c->address : NULL,
                             .port = c->target.port,
                             .up = c->up + c->relay.way[0].total,
                             .down = c->down + c->relay.way[1].total,
                             .ms = (uint64_t)(clock_ms() - c->began)});
}

/* Takes it off the books; what it holds open was released before. */
static void forget(struct conn *c)
{
    struct conns *all = c->all;

    if (c->host != NULL)
        pool_release(all->gate->pool, c->host, clock_ms());
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        all->head = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    all->n--;
    free(c);
    all->room(all->arg);
}

static void relay(struct conn *c, int fd);
static void look_up(struct conn *c);

/* Before OPENED and RELAY: the agent's connection is reset. */
static void drop(struct conn *c, const char *error)
{
    assert(c->state != CONN_RELAY && c->state != CONN_OPENED);
    event_del(&c->watch);
    event_del(&c->grace);
    gate_ask_cancel(c->all->gate->asker, c->question);
    if (c->lookup != NULL)
        lookup_cancel(c->lookup);
    if (c->dial != NULL)
        dial_cancel(c->dial);
    if (c->dialled.fd >= 0)
        close(c->dialled.fd);
    close_with_reset(c->fd);
    note(c, error);
    forget(c);
}

/* The judge said no: the agent's connection is reset, as soon as it could be told why. */
static void refuse(struct conn *c)
{
    static const struct timeval patience = {0, REFUSAL_WAIT_MS * 1000};

    if (refusal_tell(c->fd, c->refusal)) {
        drop(c, "not allowed");
        return;
    }
    c->state = CONN_REFUSING;
    event_add(&c->grace, &patience); /* also when the client is in its grace already */
}

static void on_relay_done(void *arg, const char *error)
{
    struct conn *c = arg;

    note(c, c->objection != NULL ? c->objection : error);
    forget(c);
}

static void on_door_ended(void *arg, const struct http_door_end *end)
{
    struct conn *c = arg;

    c->up = end->up;
    c->down = end->down;
    if (end->refused)
        c->objection = end->error;
    note(c, end->error);
    forget(c);
}

/* What the agent's requests are judged by stands in the door from now on. */
static void open_door(struct conn *c, bool tls)
{
    struct gate *g = c->all->gate;
    const struct upstream_wish wish = {.host = c->target.host,
                                       .named = c->target.named,
                                       .address = c->target.addrs[0],
                                       .port = c->target.port,
                                       .tls = tls,
                                       .dialled = c->target.dialled,
                                       .cause = c->event};

    c->door = http_door_new(g, &wish, c->fd, c->id, on_door_ended, c);
    if (c->door == NULL) {
        drop(c, "cannot make a certificate");
        return;
    }
    c->door->duties = c->duties;
    event_del(&c->watch);
    event_del(&c->grace);
    if (c->dialled.fd >= 0)
        upstream_adopt(g->upstreams, &wish, &c->dialled);
    c->dialled.fd = -1;
    c->fd = -1;
    c->state = CONN_OPENED;
}

/* It speaks something that nobody looks into. */
static void pass_unread(struct conn *c)
{
    int fd = fd_take(&c->dialled.fd);

    if (c->only_http) {
        if (fd >= 0)
            close(fd);
        c->objection = "neither HTTP nor TLS, and nothing else is permitted there";
        drop(c, c->objection);
    } else if (fd >= 0) {
        relay(c, fd);
    } else {
        look_up(c);
    }
}

static void object(struct conn *c, const char *why)
{
    c->objection = why;
    (void)refusal_tell(c->fd, why);
    drop(c, why);
}

static void look(struct conn *c)
{
    uint8_t first[SNI_HELLO_MAX + 64];
    struct sni sni;
    ssize_t n = recv(c->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
    const char *why;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(c, "client went away");
        return;
    }
    switch (sniff(first, (size_t)n, &sni)) {
    case SNIFF_MORE:
        break;
    case SNIFF_TLS:
        why = sni_objection(&sni, c->target.host, c->target.named, c->target.port);
        if (why != NULL)
            object(c, why);
        else
            open_door(c, true);
        break;
    case SNIFF_HTTP:
        open_door(c, false);
        break;
    case SNIFF_OTHER:
        pass_unread(c);
        break;
    case SNIFF_BAD:
        object(c, "malformed TLS greeting");
        break;
    }
}

/* The client of these speaks first, always. */
static bool is_web_port(const struct conn *c)
{
    return c->target.port == 443 || c->target.port == 80;
}

/* The verdict asks to look inside. */
static void open_up(struct conn *c)
{
    struct timeval patience = {SILENT_MS / 1000, SILENT_MS % 1000 * 1000};

    c->only_http = (c->duties & DUTY_ONLY_HTTP) != 0;
    c->opens = true;
    if (c->all->gate->tls == NULL) {
        object(c, "belay: this session was started with a policy that opens no connections");
        return;
    }
    if (c->only_http || is_web_port(c))
        patience = (struct timeval){c->all->gate->limits.head_seconds, 0};
    event_del(&c->grace);
    event_add(&c->grace, &patience);
    c->state = CONN_SNIFFING;
    look(c);
}

/* Looks at the first bytes without taking them: if they are TLS, do they name the host that was
 * judged? */
static enum inspect inspect(void *arg, int fd)
{
    uint8_t first[SNI_HELLO_MAX + 64];
    struct conn *c = arg;
    struct sni sni;
    ssize_t n = recv(fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return INSPECT_MORE;
    switch (n > 0 ? sniff(first, (size_t)n, &sni) : SNIFF_OTHER) {
    case SNIFF_OTHER:
        return INSPECT_PASS;
    case SNIFF_MORE:
        return INSPECT_MORE;
    case SNIFF_HTTP:
        c->objection = c->opens ? "HTTP from a client that was silent first" : NULL;
        break;
    case SNIFF_TLS:
        c->objection = c->opens
                           ? "TLS from a client that was silent first"
                           : sni_objection(&sni, c->target.host, c->target.named, c->target.port);
        break;
    case SNIFF_BAD:
        c->objection = "malformed TLS greeting";
        break;
    }
    if (c->objection == NULL)
        return INSPECT_PASS;
    (void)refusal_tell(fd, c->objection);
    return INSPECT_REFUSE;
}

static void relay(struct conn *c, int fd)
{
    event_del(&c->watch);
    event_del(&c->grace);
    socket_prepare(c->fd);
    socket_prepare(fd);
    c->state = CONN_RELAY;
    c->active = clock_ms();
    relay_start(&c->relay, c->all->gate->base, &c->all->gate->meter, c->fd, fd, inspect,
                on_relay_done, c);
}

static void on_dialed(void *arg, const struct dial_result *r)
{
    struct conn *c = arg;

    c->dial = NULL;
    if (r->allowed) {
        c->id = r->id;
        c->event = r->event;
        addr_text(&r->addr, c->address);
    }
    if (r->fd < 0 && r->refusal[0] != '\0') {
        memcpy(c->refusal, r->refusal, sizeof(c->refusal));
        refuse(c);
    } else if (r->fd < 0) {
        drop(c, r->error);
    } else if ((r->duties & DUTY_OPEN) != 0 && !c->target.named) {
        c->dialled = *r;
        c->duties = r->duties;
        open_up(c);
    } else {
        relay(c, r->fd);
    }
}

static void dial(struct conn *c)
{
    c->state = CONN_DIALING;
    c->dial = dial_start(c->all->gate, &c->target, on_dialed, c);
}

static void on_lookup(void *arg, const struct addr *addrs, size_t n, const char *error)
{
    struct conn *c = arg;

    c->lookup = NULL;
    if (n == 0) {
        drop(c, error);
        return;
    }
    c->target.n = n;
    memcpy(c->target.addrs, addrs, n * sizeof(addrs[0]));
    dial(c);
}

static void look_up(struct conn *c)
{
    c->state = CONN_LOOKUP;
    c->lookup = lookup_start(c->all->gate->resolver, &c->host->name, on_lookup, c);
}

static void go_on(struct conn *c)
{
    if ((c->duties & DUTY_OPEN) != 0)
        open_up(c);
    else
        look_up(c);
}

static void on_name_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct conn *c = arg;

    (void)id;
    c->question = 0;
    if (v->outcome == OUTCOME_ALLOW) {
        go_on(c);
        return;
    }
    refusal_text(c->refusal, v);
    refuse(c);
}

/* A name carries what is in it to whoever answers for its domain: where detectors see something in
 * it, looking it up is judged as a request. True: the connection waits for that, or is over. */
static bool judge_name(struct conn *c)
{
    struct gate *g = c->all->gate;
    struct scan_kinds found = {0};
    AUTO_BUF struct buf carries = {0};
    struct action a;

    if ((c->duties & DUTY_SCAN) == 0)
        return false;
    scan_name(g->scanner, c->target.host, &found);
    if (found.n == 0)
        return false;
    buf_init(&carries, SCAN_KINDS * (SCAN_KIND_MAX + 8));
    scan_kinds_list(&found, &carries);
    action_init(&a, VERB_REQUEST, RESOURCE_HOST, c->target.host);
    action_str(&a, FIELD_OP, STR("name"));
    action_str(&a, FIELD_METHOD, STR("QUERY"));
    action_str(&a, FIELD_SCHEME, STR("dns"));
    action_int(&a, FIELD_PORT, 53);
    action_str(&a, FIELD_PATH, STR("/"));
    action_str(&a, FIELD_QUERY, STR(""));
    action_list(&a, FIELD_HEADERS, STR(""));
    action_int(&a, FIELD_SIZE, 0);
    action_str(&a, FIELD_TYPE, STR(""));
    action_str(&a, FIELD_CREDENTIAL, STR(""));
    action_list(&a, FIELD_CARRIES, buf_str(&carries));
    a.dialled = c->target.dialled;
    a.cause = c->event;
    c->question = gate_ask(g->asker, &a, on_name_verdict, c);
    if (c->question == 0) {
        gate_refuse(g, REFUSAL_PENDING);
        drop(c, NULL);
    }
    return true;
}

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct conn *c = arg;

    c->question = 0;
    if (v->outcome != OUTCOME_ALLOW) {
        refusal_text(c->refusal, v);
        refuse(c);
        return;
    }
    c->id = id;
    c->event = c->target.cause = v->event;
    c->duties = v->duties;
    if (!judge_name(c))
        go_on(c);
}

static void ask_by_name(struct conn *c)
{
    struct gate *g = c->all->gate;
    struct action a;

    action_init(&a, VERB_CONNECT, RESOURCE_HOST, c->target.host);
    action_int(&a, FIELD_PORT, c->target.port);
    action_int(&a, FIELD_NAMED, 1);
    a.dialled = c->target.dialled;
    c->question = gate_ask(g->asker, &a, on_verdict, c);
    if (c->question != 0)
        return;
    gate_refuse(g, REFUSAL_PENDING);
    drop(c, NULL);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    if (c->state == CONN_SNIFFING && !c->only_http && !is_web_port(c))
        pass_unread(c);
    else if (c->state == CONN_SNIFFING)
        drop(c, "the client said nothing");
    else
        drop(c, c->state == CONN_REFUSING ? "not allowed" : "client went away");
}

/* The agent's side while it is held: an error is its end, a close may be half a close. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval grace = {CONN_GRACE_MS / 1000, CONN_GRACE_MS % 1000 * 1000};
    struct conn *c = arg;
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0)
        drop(c, "client went away");
    else if (c->state == CONN_REFUSING)
        refuse(c);
    else if (c->state == CONN_SNIFFING)
        look(c);
    else if ((what & EV_CLOSED) != 0 && !event_pending(&c->grace, EV_TIMEOUT, NULL))
        event_add(&c->grace, &grace);
}

static void aim(struct conn *c, const struct addr *to, uint16_t port)
{
    c->target.port = port;
    addr_text(to, c->text);
    c->target.dialled = str_of(c->text);
    if (c->host != NULL) {
        c->target.host = name_str(&c->host->name);
        c->target.named = true;
        return;
    }
    c->target.host = addr_is_loopback(to) ? STR("localhost") : str_of(c->text);
    c->target.n = 1;
    c->target.addrs[0] = *to;
}

void conn_start(struct conns *all, int fd, const struct addr *to, uint16_t port)
{
    struct gate *g = all->gate;
    struct host *host;
    enum pool_class class = pool_classify(g->pool, to, &host);

    if (class == POOL_STALE || class == POOL_RESOLVER) {
        gate_refuse(g, REFUSAL_STALE);
        close_with_reset(fd);
        return;
    }
    if (meter_over(&g->meter)) {
        gate_refuse(g, REFUSAL_BYTES);
        close_with_reset(fd);
        return;
    }
    struct conn *c = xcalloc(1, sizeof(*c));

    c->all = all;
    c->fd = fd;
    c->dialled.fd = -1;
    c->began = clock_ms();
    c->next = all->head;
    if (c->next != NULL)
        c->next->prev = c;
    all->head = c;
    all->n++;
    if (host != NULL) {
        pool_hold(g->pool, host);
        c->host = host;
    }
    event_assign(&c->watch, g->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_watch, c);
    event_assign(&c->grace, g->base, -1, 0, on_grace, c);
    event_add(&c->watch, NULL);
    aim(c, to, port);
    if (host != NULL)
        ask_by_name(c);
    else
        dial(c);
}

/* Connections on which nothing moved for the idle limit are reset. */
static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct conns *all = arg;
    const int64_t now = clock_ms(), limit = (int64_t)all->gate->limits.idle_seconds * 1000;

    (void)fd;
    (void)what;
    for (struct conn *c = all->head, *next; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_OPENED)
            http_door_sweep(c->door, now);
        if (c->state != CONN_RELAY)
            continue;
        if (c->seen != relay_bytes(&c->relay)) {
            c->seen = relay_bytes(&c->relay);
            c->active = now;
        } else if (now - c->active >= limit) {
            relay_abort(&c->relay);
            note(c, "idle for too long");
            forget(c);
        }
    }
}

void conns_reloaded(struct conns *all)
{
    for (struct conn *c = all->head; c != NULL; c = c->next)
        if (c->state == CONN_OPENED)
            http_door_reloaded(c->door);
}

struct conns *conns_new(struct gate *g, void (*room)(void *arg), void *arg)
{
    const struct timeval period = {SWEEP_SECONDS, 0};
    struct conns *all = xcalloc(1, sizeof(*all));

    all->gate = g;
    all->room = room;
    all->arg = arg;
    event_assign(&all->sweep, g->base, -1, EV_PERSIST, on_sweep, all);
    event_add(&all->sweep, &period);
    return all;
}
