/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/exchange.h"

#include "gate/answer.h"
#include "gate/clock.h"
#include "gate/creds_filter.h"
#include "gate/head.h"
#include "gate/infer.h"
#include "gate/name.h"
#include "gate/request_ask.h"
#include "gate/scan.h"
#include "http/target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_MAX = 64 * 1024, TRIES_MAX = 3, PATH_MAX_ = 4 * HTTP_TARGET_MAX };

static void poke(struct exchange *x)
{
    if (x->down != NULL)
        link_poke(&x->door->link);
    if (x->up != NULL)
        link_poke(&x->upstream->link);
}

static void note(const struct exchange *x)
{
    if (x->id == 0)
        return; /* never allowed: the verdict says it all */
    gate_note(x->door->gate->asker, &(struct note){.id = x->id,
                                                   .event = x->event,
                                                   .kind = "request",
                                                   .text = x->error != NULL ? x->error : "",
                                                   .up = x->sending.total,
                                                   .down = x->receiving.total,
                                                   .status = x->response.status,
                                                   .ms = (uint64_t)(clock_ms() - x->began)});
}

/* Both streams are over. */
static void release(struct exchange *x)
{
    struct http_door *d = x->door;

    assert(x->down == NULL && x->up == NULL && x->wait == NULL);
    note(x);
    if (x->prev != NULL)
        x->prev->next = x->next;
    else
        d->exchanges = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    d->nexchanges--;
    d->gate->requests--;
    d->served = d->link.in;
    flow_free(&x->sending);
    flow_free(&x->receiving);
    arena_release(&x->mem);
    free(x);
}

static void send_answer(struct exchange *x, const struct answer *a)
{
    x->is_late = false;
    x->responded = true;
    answer_send(x->down, &x->request, a);
    poke(x);
}

/* The rest of the request is short, and on its way. */
static bool is_worth_waiting(const struct exchange *x)
{
    return !x->sending.ended && !x->request.expect && !x->request.websocket &&
           x->request.length <= LATE_MAX && x->sending.total <= LATE_MAX;
}

/* The gate answers by itself. */
static void answer(struct exchange *x, unsigned status, struct str rule, struct str reason)
{
    const struct answer a = {status, head_copy_str(&x->mem, rule), head_copy_str(&x->mem, reason)};

    x->state = EXCHANGE_ANSWERED;
    if (x->up != NULL)
        http_reset(x->up, HTTP_RESET_CANCEL);
    x->response.status = status;
    x->late = a;
    x->is_late = is_worth_waiting(x);
    if (!x->is_late)
        send_answer(x, &a);
}

/* Nothing more of it is wanted on either side. Releases the exchange. */
static void abandon(struct exchange *x, const char *error)
{
    struct http_stream *down = x->down;

    if (x->error == NULL)
        x->error = error;
    poke(x);
    x->state = EXCHANGE_ANSWERED;
    if (x->up != NULL)
        http_reset(x->up, HTTP_RESET_CANCEL);
    if (down != NULL)
        http_reset(down, HTTP_RESET_CANCEL);
}

/* An end that has come through is passed on. */
static void pass_end(struct flow *f)
{
    if (f->done || f->to == NULL || f->out.n > 0 || f->waiting)
        return;
    if (!f->through && !(f->cut && f->chain.cutter != NULL && f->chain.cutter->polite))
        return;
    f->done = true;
    http_end(f->to, f->trailers, f->ntrailers);
}

/* A filter would not have it. True: the exchange is over for the caller. */
static bool was_cut(struct exchange *x)
{
    const struct flow *f = x->sending.cut ? &x->sending : &x->receiving;
    const struct filter *by = f->chain.cutter;
    const char *why = by != NULL ? by->reason : "more than the limit waits to be judged";

    if (!f->cut || (f->out.n > 0 && f->to != NULL) || x->state == EXCHANGE_ANSWERED)
        return false;
    x->error = why;
    if (!x->responded) {
        answer(x, 403, STR(""), str_of(why));
    } else if (f == &x->receiving && by != NULL && by->polite) {
        pass_end(&x->receiving);
        x->state = EXCHANGE_ANSWERED;
        if (x->up != NULL)
            http_reset(x->up, HTTP_RESET_CANCEL);
        poke(x);
    } else {
        abandon(x, why);
    }
    return true;
}

static void on_upstream(void *arg, struct upstream *u, const struct upstream_failure *why);

/* Passes on what is ready, in both directions. May release the exchange. */
static void step(struct exchange *x)
{
    if (was_cut(x))
        return;
    if (x->state == EXCHANGE_WAITING && x->wait == NULL &&
        (x->sending.chain.first == NULL || flow_has_output(&x->sending))) {
        struct upstream_wish w = x->door->wish;

        w.http1 = x->request.websocket;
        x->wait = upstream_get(x->door->gate->upstreams, &w, on_upstream, x);
    }
    if (x->state == EXCHANGE_SENT) {
        pass_end(&x->sending);
        pass_end(&x->receiving);
    }
    poke(x);
}

static void on_sending_resumed(void *arg)
{
    struct exchange *x = arg;

    flow_resume(&x->sending);
    step(x);
}

static void on_receiving_resumed(void *arg)
{
    struct exchange *x = arg;

    flow_resume(&x->receiving);
    step(x);
}

/* With the values of credentials in place of what the agent has, which are wiped when they are
 * gone. */
static bool send_head(struct exchange *x, struct upstream *u, const struct http_head *head,
                      const char **why)
{
    struct creds_head filled = {0};

    if (!creds_inject(x->door->gate->creds, &x->place, x->inject, head, &filled, why))
        return false;
    x->upstream = u;
    x->reused = u->requests > 0;
    x->tries++;
    x->up = upstream_request(u, &filled.head);
    creds_head_wipe(&filled);
    *why = "this request cannot be sent to the server";
    return x->up != NULL;
}

/* The connection to the server is there: the head goes. */
static void on_upstream(void *arg, struct upstream *u, const struct upstream_failure *why)
{
    struct exchange *x = arg;
    struct http_head head = x->request;
    const char *objection = NULL;

    x->wait = NULL;
    if (u == NULL) {
        x->error = why->status == 403 ? "not allowed" : why->reason;
        answer(x, why->status, STR(""), str_of(why->reason));
        return;
    }
    if (x->sending.chain.first != NULL)
        head.expect = false; /* it was told to continue by the gate */
    if (x->sending.chain.changes && !head.end)
        head.length = -1;
    if (!send_head(x, u, &head, &objection)) {
        x->error = objection;
        answer(x, 502, STR(""), str_of(objection));
        return;
    }
    http_set_arg(x->up, x);
    x->sending.to = x->receiving.from = x->up;
    x->state = EXCHANGE_SENT;
    x->sent = true;
    if (head.end && !head.websocket)
        x->sending.done = true;
    flow_run(&x->sending);
    step(x);
}

/* It may go: the filters of its body are made, and what came of it meanwhile goes through them. */
static void let_go(struct exchange *x, uint32_t id, const struct verdict *v)
{
    const struct http_door *d = x->door;
    const char *why = infer_socket(&x->request);

    x->id = id;
    x->event = v->event;
    x->duties = v->duties;
    x->inject = head_copy_str(&x->mem, v->inject);
    if (why != NULL) {
        x->error = why;
        answer(x, 426, STR(""), str_of(why)); /* clients go on over HTTP then */
        return;
    }
    x->state = EXCHANGE_WAITING;
    if ((x->duties & DUTY_REDACT) != 0 && x->asked.carries.n > 0)
        scan_head_redact(d->gate->scanner, &x->mem, &x->request);
    x->sending_as = (struct filter_context){.gate = d->gate,
                                            .way = FILTER_UP,
                                            .host = d->wish.host,
                                            .port = d->wish.port,
                                            .request = &x->request,
                                            .event = v->event,
                                            .duties = v->duties,
                                            .id = id,
                                            .asked = &x->asked,
                                            .paths = x->paths,
                                            .npaths = x->npaths,
                                            .place = &x->place,
                                            .sent = &x->sent,
                                            .plain = &x->plain};
    if (!x->request.websocket)
        filter_chain_make(&x->sending.chain, &x->sending_as, on_sending_resumed, x);
    if (x->plain)
        head_set(&x->mem, &x->request, STR("accept-encoding"), STR("identity"));
    if (x->request.expect && x->sending.chain.first != NULL)
        (void)http_respond(x->down, &(struct http_head){.status = 100, .length = -1});
    x->sending.waiting = false;
    flow_run(&x->sending);
    step(x);
}

static bool judge(struct exchange *x);

static void on_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct exchange *x = arg;

    x->question = 0;
    if (v->outcome != OUTCOME_ALLOW) {
        answer(x, 403, v->nrules > 0 ? v->rules[0] : STR(""), v->reason);
        return;
    }
    if (++x->judged < x->npaths)
        (void)judge(x);
    else
        let_go(x, id, v);
}

/* What the detectors see in the head, where a rule looks at that; a list in frame form. */
static struct str head_carries(struct exchange *x)
{
    static const struct detect_finding websocket = {.label = "unscanned", .detector = "websocket"};
    struct scan_kinds found = {0};
    AUTO_BUF struct buf list = {0};

    if ((x->door->duties & DUTY_SCAN) == 0)
        return STR("");
    scan_head(x->door->gate->scanner, &x->request, &found);
    if (x->request.websocket)
        (void)scan_kinds_add(&found, &websocket);
    buf_init(&list, SCAN_KINDS * (SCAN_KIND_MAX + 8));
    scan_kinds_list(&found, &list);
    return head_copy_str(&x->mem, buf_str(&list));
}

static bool judge(struct exchange *x)
{
    const struct http_door *d = x->door;

    x->asked = (struct request_question){.head = &x->request,
                                         .host = d->wish.host,
                                         .port = d->wish.port,
                                         .path = x->paths[x->judged],
                                         .query = x->query,
                                         .credential = str_of(x->carries.name),
                                         .carries = head_carries(x),
                                         .dialled = d->wish.dialled,
                                         .cause = d->wish.cause,
                                         .op = "head"};
    x->question = request_ask(d->gate->asker, &x->asked, on_verdict, x);
    if (x->question != 0)
        return true;
    gate_refuse(d->gate, REFUSAL_PENDING);
    answer(x, 503, STR(""), STR("too many questions wait for a verdict"));
    return false;
}

/* The policy has changed since the connection was allowed. */
static void on_connection_verdict(void *arg, uint32_t id, const struct verdict *v)
{
    struct exchange *x = arg;
    struct http_door *d = x->door;

    x->question = 0;
    if (v->outcome == OUTCOME_ALLOW && (v->duties & DUTY_OPEN) != 0) {
        d->stale = false;
        d->id = id;
        d->duties = v->duties;
        d->wish.cause = v->event;
        (void)judge(x);
        return;
    }
    if (v->outcome == OUTCOME_ALLOW) /* no longer looked into: the next connection passes unread */
        answer(x, 503, STR(""), STR("the policy has changed; connect again"));
    else
        answer(x, 403, v->nrules > 0 ? v->rules[0] : STR(""), v->reason);
    http_shut(d->link.http);
}

static void ask_about_connection(struct exchange *x)
{
    const struct upstream_wish *w = &x->door->wish;
    char address[ADDR_TEXT_MAX];
    struct action a;

    action_init(&a, VERB_CONNECT, RESOURCE_HOST, w->host);
    action_int(&a, FIELD_PORT, w->port);
    action_int(&a, FIELD_NAMED, w->named ? 1 : 0);
    addr_text(&w->address, address);
    if (!w->named)
        action_str(&a, FIELD_ADDRESS, str_of(address));
    a.dialled = w->dialled;
    x->question = gate_ask(x->door->gate->asker, &a, on_connection_verdict, x);
    if (x->question == 0)
        answer(x, 503, STR(""), STR("too many questions wait for a verdict"));
}

/* Is the request for the place that the connection was allowed to? NULL: yes. */
static const char *misdirected(const struct exchange *x)
{
    const struct upstream_wish *w = &x->door->wish;
    struct http_authority a;
    struct name name;
    struct addr address;
    unsigned port;

    if (!http_authority_parse(x->request.authority, &a))
        return "the request names no host";
    port = a.port != 0 ? a.port : w->tls ? 443 : 80;
    if (port != w->port)
        return "the request names another port than its connection goes to";
    if (a.host.n > 2 && a.host.p[0] == '[')
        a.host = (struct str){a.host.p + 1, a.host.n - 2};
    if (!w->named && addr_from_text(a.host, &address) && addr_eq(&address, &w->address))
        return NULL;
    if (name_from_text(a.host, &name) && str_eq(name_str(&name), w->host))
        return NULL;
    return "the request names another host than its connection goes to";
}

/* The path as rules see it, and the query. NULL: it is fit to be judged. */
static const char *read_target(struct exchange *x)
{
    AUTO_BUF struct buf exact = {0}, folded = {0};
    const struct str target = x->request.target;
    const char *query = memchr(target.p, '?', target.n), *why = NULL;

    buf_init(&exact, PATH_MAX_);
    buf_init(&folded, PATH_MAX_);
    if (query != NULL)
        x->query = (struct str){query + 1, target.n - (size_t)(query + 1 - target.p)};
    if (!http_path_canonical(target, &exact, &folded, &why))
        return why;
    x->paths[x->npaths++] = head_copy_str(&x->mem, buf_str(&exact));
    if (!str_eq(buf_str(&exact), buf_str(&folded)))
        x->paths[x->npaths++] = head_copy_str(&x->mem, buf_str(&folded));
    return NULL;
}

/* Turned away by the gate itself. */
static void turn_away(struct exchange *x, unsigned status, const char *why)
{
    const struct http_door *d = x->door;

    gate_note(d->gate->asker, &(struct note){.id = d->id,
                                             .event = d->wish.cause,
                                             .kind = "refused",
                                             .text = why,
                                             .ms = (uint64_t)(clock_ms() - x->began)});
    answer(x, status, STR(""), str_of(why));
}

/* May it carry what it carries? NULL: yes, as far as credentials go. */
static const char *check_credentials(struct exchange *x)
{
    const struct http_door *d = x->door;

    x->place = (struct creds_place){d->wish.host, d->wish.port, d->wish.tls, x->paths[0]};
    creds_scan_head(d->gate->creds, &x->place, &x->request, &x->carries);
    if (x->carries.refused != NULL && x->carries.misplaced)
        creds_alert(d->gate, d->id, d->wish.cause, x->carries.refused);
    return x->carries.refused;
}

static void on_down_head(void *arg, struct http_stream *s, const struct http_head *head)
{
    struct http_door *d = arg;
    struct exchange *x = xcalloc(1, sizeof(*x));
    const char *why;

    x->door = d;
    x->down = s;
    x->began = clock_ms();
    x->next = d->exchanges;
    if (x->next != NULL)
        x->next->prev = x;
    d->exchanges = x;
    d->nexchanges++;
    d->gate->requests++;
    head_copy(&x->mem, &x->request, head);
    http_set_arg(s, x);
    flow_init(&x->sending, s);
    flow_init(&x->receiving, NULL);
    x->receiving.to = s;
    x->sending.waiting = true; /* nothing moves before the verdict */
    x->sending.ended = head->end && !head->websocket;
    if (d->gate->requests > d->gate->limits.requests)
        answer(x, 503, STR(""), STR("too many requests at a time"));
    else if ((why = misdirected(x)) != NULL)
        turn_away(x, 421, why);
    else if ((why = read_target(x)) != NULL)
        turn_away(x, 400, why);
    else if ((why = check_credentials(x)) != NULL)
        turn_away(x, 403, why);
    else if (d->stale)
        ask_about_connection(x);
    else
        (void)judge(x);
}

static void on_down_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    if (x->state == EXCHANGE_ANSWERED) {
        http_take(s, n);
        x->sending.total += n;
        if (x->is_late && !is_worth_waiting(x))
            send_answer(x, &x->late);
        return;
    }
    flow_data(&x->sending, p, n);
    step(x);
}

static void on_down_end(void *arg, struct http_stream *s, const struct http_field *trailers,
                        size_t n)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    if (x->state == EXCHANGE_ANSWERED) {
        if (x->is_late)
            send_answer(x, &x->late);
        return;
    }
    flow_end(&x->sending, head_copy_fields(&x->mem, trailers, n), n);
    step(x);
}

static void on_down_room(void *arg, struct http_stream *s)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    flow_run(&x->receiving);
    step(x);
}

static void on_down_over(void *arg, struct http_stream *s, bool in_order, enum http_reset why)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    (void)why;
    if (x == NULL)
        return;
    x->down = x->sending.from = x->receiving.to = NULL;
    if (!in_order && x->error == NULL)
        x->error = "the client went away";
    gate_ask_cancel(x->door->gate->asker, x->question);
    if (x->wait != NULL)
        upstream_cancel(x->wait);
    x->wait = NULL;
    x->state = EXCHANGE_ANSWERED;
    if (x->up == NULL) {
        release(x);
        return;
    }
    link_poke(&x->upstream->link);
    http_reset(x->up, HTTP_RESET_CANCEL);
}

/* The server answers. */
static void begin_answer(struct exchange *x, const struct http_head *head)
{
    head_copy(&x->mem, &x->response, head);
    x->receiving_as = x->sending_as;
    x->receiving_as.way = FILTER_DOWN;
    x->receiving_as.response = &x->response;
    if (!head->end && !head->websocket)
        filter_chain_make(&x->receiving.chain, &x->receiving_as, on_receiving_resumed, x);
    if (x->receiving.chain.changes)
        x->response.length = -1;
    if (!http_respond(x->down, &x->response)) {
        x->error = "the server's answer cannot be passed on";
        answer(x, 502, STR(""), STR("the server's answer cannot be passed on"));
        return;
    }
    x->responded = true;
    if (head->end)
        x->receiving.done = true;
    if (x->request.websocket && !head->websocket)
        x->sending.done = true; /* it was a request without a body */
    step(x);
}

static void on_up_head(void *arg, struct http_stream *s, const struct http_head *head)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    if (x->state != EXCHANGE_SENT || x->responded)
        return;
    if (head->status >= 200 || head->status == 101) {
        begin_answer(x, head);
    } else if (head->status != 100 || (x->request.expect && x->sending.chain.first == NULL)) {
        (void)http_respond(x->down, head);
        poke(x);
    }
}

static void on_up_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    if (x->state != EXCHANGE_SENT) {
        http_take(s, n);
        return;
    }
    flow_data(&x->receiving, p, n);
    step(x);
}

static void on_up_end(void *arg, struct http_stream *s, const struct http_field *trailers, size_t n)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    if (x->state != EXCHANGE_SENT)
        return;
    flow_end(&x->receiving, head_copy_fields(&x->mem, trailers, n), n);
    step(x);
}

static void on_up_room(void *arg, struct http_stream *s)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    flow_run(&x->sending);
    step(x);
}

static bool is_idempotent(struct str method)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(method, names[i]))
            return true;
    return false;
}

/* The server had closed a kept connection when the request came, or would not have it on this one.
 */
static bool may_try_again(const struct exchange *x, enum http_reset why)
{
    return !x->responded && x->tries < TRIES_MAX && x->request.end && !x->request.websocket &&
           (why == HTTP_RESET_REFUSED ||
            (why == HTTP_RESET_LOST && x->reused && is_idempotent(x->request.method)));
}

static const char *loss(const struct exchange *x, enum http_reset why)
{
    if (why == HTTP_RESET_PROTOCOL)
        return "the server's answer is malformed";
    if (why == HTTP_RESET_LOST)
        return x->responded ? "the server closed the connection in the middle of its answer"
                            : "the server closed the connection without an answer";
    return "the server ended the request";
}

static void on_up_over(void *arg, struct http_stream *s, bool in_order, enum http_reset why)
{
    struct exchange *x = http_arg(s);

    (void)arg;
    x->up = x->sending.to = x->receiving.from = NULL;
    if (x->down == NULL) {
        release(x);
    } else if (in_order || x->state != EXCHANGE_SENT) {
        poke(x);
    } else if (may_try_again(x, why)) {
        x->state = EXCHANGE_WAITING;
        step(x);
    } else if (!x->responded) {
        x->error = loss(x, why);
        answer(x, 502, STR(""), str_of(x->error));
    } else {
        x->error = loss(x, why);
        x->broken = true;
        poke(x);
    }
}

void exchange_end_broken(struct http_door *d)
{
    for (struct exchange *x = d->exchanges, *next; x != NULL; x = next) {
        next = x->next;
        if (x->broken)
            abandon(x, x->error);
    }
}

const struct http_hooks exchange_down_hooks = {on_down_head, on_down_data, on_down_end,
                                               on_down_room, on_down_over};
const struct http_hooks exchange_up_hooks = {on_up_head, on_up_data, on_up_end, on_up_room,
                                             on_up_over};
