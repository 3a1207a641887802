/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/ask.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/gate.h"
#include "policy/message.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Frames that wait for room. Each question and each connection adds at most a few, and both are
 * bounded; a judge that lets this many pile up is not coming back. */
enum { QUEUE_MAX = 65536 };

struct question {
    uint32_t id; /* 0: free */
    ask_fn *fn;
    void *arg;
};

struct queued {
    struct queued *next;
    size_t n;
    unsigned char data[];
};

struct asker {
    int sock;
    ask_lost_fn *lost;
    void (*reloaded)(void *arg);
    void *reloaded_arg;
    ask_marks_fn *marks;
    void *marks_arg;
    struct event *readable, *writable;
    uint32_t last_id;
    size_t limit, waiting, slots;
    struct queued *head, **tail;
    size_t queued;
    struct frame_out out;
    struct frame_in in;
    struct question questions[];
};

static struct question *slot_of(struct asker *a, uint32_t id)
{
    return &a->questions[id % a->slots];
}

/* Labels first, then the marks. False: malformed. */
static bool take_marks(struct asker *a)
{
    struct frame_field labels, marks, more;

    if (frame_next(&a->in, &labels) != FRAME_OK || labels.tag != MSG_TAG_LIST ||
        labels.kind != FRAME_LIST || frame_next(&a->in, &marks) != FRAME_OK ||
        marks.tag != MSG_TAG_MARKS || marks.kind != FRAME_BYTES || marks.bytes.n % 8 != 0 ||
        frame_next(&a->in, &more) != FRAME_EOF)
        return false;
    if (a->marks != NULL)
        a->marks(a->marks_arg, labels.bytes, marks.bytes);
    return true;
}

static void answered(struct asker *a)
{
    struct verdict v;

    if (a->in.type == MSG_MARKS) {
        if (!take_marks(a))
            a->lost("the judge sent malformed marks");
        return;
    }
    if (a->in.type == MSG_RELOADED) {
        if (a->reloaded != NULL)
            a->reloaded(a->reloaded_arg);
        return;
    }
    if (!message_permitted(ROLE_JUDGE, ROLE_GATE, PHASE_RUN, a->in.type) ||
        !verdict_get(&a->in, &v)) {
        a->lost("the judge sent something that is no verdict");
        return;
    }
    struct question *q = slot_of(a, a->in.id), was = *q;

    if (a->in.id == 0 || q->id != a->in.id)
        return; /* cancelled while the verdict was on its way */
    q->id = 0;
    a->waiting--;
    was.fn(was.arg, was.id, &v);
}

static void on_readable(evutil_socket_t sock, short what, void *arg)
{
    struct asker *a = arg;

    (void)what;
    for (int i = 0; i < 64; i++) {
        switch (frame_recv(sock, &a->in, 0)) {
        case FRAME_OK:
            answered(a);
            break;
        case FRAME_AGAIN:
            return;
        case FRAME_EOF:
            a->lost(NULL);
            return;
        case FRAME_BAD:
            a->lost("the judge sent a malformed frame");
            return;
        }
    }
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == ENOBUFS;
}

static void on_writable(evutil_socket_t sock, short what, void *arg)
{
    struct asker *a = arg;

    (void)what;
    while (a->head != NULL) {
        struct queued *q = a->head;

        if (send(sock, q->data, q->n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (!would_block())
                a->lost(NULL);
            else
                event_add(a->writable, NULL);
            return;
        }
        a->head = q->next;
        a->queued--;
        free(q);
    }
    a->tail = &a->head;
}

static void enqueue(struct asker *a)
{
    bool whole = frame_finish(&a->out);
    struct queued *q = xcalloc(1, sizeof(*q) + a->out.n);

    assert(whole); /* what the gate says is far shorter than a frame may be */
    q->n = a->out.n;
    memcpy(q->data, a->out.data, q->n);
    *a->tail = q;
    a->tail = &q->next;
    if (++a->queued > QUEUE_MAX)
        a->lost("the judge does not read");
    event_add(a->writable, NULL);
}

static void post(struct asker *a)
{
    if (a->head != NULL)
        enqueue(a);
    else if (!frame_send(a->sock, &a->out, NULL, 0)) {
        if (would_block())
            enqueue(a);
        else
            a->lost(NULL);
    }
}

void asker_on_reload(struct asker *a, void (*fn)(void *arg), void *arg)
{
    a->reloaded = fn;
    a->reloaded_arg = arg;
}

void asker_on_marks(struct asker *a, ask_marks_fn *fn, void *arg)
{
    a->marks = fn;
    a->marks_arg = arg;
}

struct asker *asker_new(struct event_base *base, int sock, size_t limit, ask_lost_fn *lost)
{
    size_t slots = limit * 2; /* so that a free one is found at once */
    struct asker *a = xcalloc(1, sizeof(*a) + slots * sizeof(a->questions[0]));

    a->sock = sock;
    a->lost = lost;
    a->limit = limit;
    a->slots = slots;
    a->tail = &a->head;
    a->readable = event_new(base, sock, EV_READ | EV_PERSIST, on_readable, a);
    a->writable = event_new(base, sock, EV_WRITE, on_writable, a);
    if (!fd_set_nonblock(sock) || a->readable == NULL || a->writable == NULL ||
        event_add(a->readable, NULL) != 0)
        lost("cannot watch the judge's socket");
    return a;
}

uint32_t gate_ask(struct asker *a, const struct action *action, ask_fn *fn, void *arg)
{
    if (a->waiting == a->limit)
        return 0;
    do
        a->last_id++;
    while (a->last_id == 0 || slot_of(a, a->last_id)->id != 0);

    frame_start(&a->out, MSG_ACTION, a->last_id);
    action_put(&a->out, action);
    *slot_of(a, a->last_id) = (struct question){a->last_id, fn, arg};
    a->waiting++;
    post(a);
    return a->last_id;
}

void gate_ask_cancel(struct asker *a, uint32_t id)
{
    struct question *q = slot_of(a, id);

    if (id == 0 || q->id != id)
        return;
    q->id = 0;
    a->waiting--;
    frame_start(&a->out, MSG_CANCEL, id);
    post(a);
}

static void put_finds(struct frame_out *f, struct str list)
{
    struct str item;

    frame_list_start(f, MSG_TAG_LIST);
    while (frame_list_next(&list, &item) == FRAME_OK)
        frame_list_item(f, item);
    frame_list_end(f);
}

static void put_usage(struct frame_out *f, const struct note *n)
{
    frame_put_int(f, NOTE_TAG_INPUT, (int64_t)n->input);
    frame_put_int(f, NOTE_TAG_OUTPUT, (int64_t)n->output);
    frame_put_int(f, NOTE_TAG_CACHED, (int64_t)n->cached);
    frame_put_int(f, NOTE_TAG_COST, (int64_t)n->microcents);
}

void gate_note(struct asker *a, const struct note *n)
{
    frame_start(&a->out, MSG_NOTE, n->id);
    frame_put_cstr(&a->out, MSG_TAG_KIND, n->kind);
    frame_put_int(&a->out, MSG_TAG_EVENT, (int64_t)n->event);
    frame_put_cstr(&a->out, MSG_TAG_TEXT, n->text);
    if (n->address != NULL) {
        frame_put_cstr(&a->out, MSG_TAG_ADDRESS, n->address);
        frame_put_int(&a->out, MSG_TAG_PORT, n->port);
    }
    frame_put_int(&a->out, NOTE_TAG_UP, (int64_t)n->up);
    frame_put_int(&a->out, NOTE_TAG_DOWN, (int64_t)n->down);
    frame_put_int(&a->out, NOTE_TAG_MS, (int64_t)n->ms);
    if (n->count > 0)
        frame_put_int(&a->out, MSG_TAG_COUNT, (int64_t)n->count);
    if (n->finds.n > 0)
        put_finds(&a->out, n->finds);
    if (n->metered)
        put_usage(&a->out, n);
    if (n->status > 0)
        frame_put_int(&a->out, NOTE_TAG_STATUS, n->status);
    post(a);
}
