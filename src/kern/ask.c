/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/ask.h"

#include "kern/marks.h"
#include "kern/measure.h"
#include "kern/serve.h"
#include "kern/undo.h"
#include "policy/message.h"

#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

/* One of each is enough: frames are built and read one at a time. */
static struct frame_out out;
static struct frame_in in;

/* False: no room now. A judge that is gone is noticed on its socket. */
static bool send_frame(struct kern *k)
{
    if (frame_send(k->judge, &out, NULL, 0))
        return true;
    if (errno == EAGAIN)
        return false;
    if (errno == EMSGSIZE)
        serve_fail(k, "kern: an action does not fit into a frame");
    else
        serve_fail(k, "kern: the judge is gone: %s", strerror(errno));
    return true;
}

static bool send_check(struct request *r, size_t i)
{
    frame_start(&out, MSG_ACTION, r->first + (uint32_t)i);
    action_put(&out, &r->checks[i]);
    return send_frame(r->kern);
}

static bool send_again(struct request *r)
{
    for (size_t i = 0; r->again && i < r->sent; i++)
        if (r->seen[i] == SEEN_AGAIN) {
            if (!send_check(r, i))
                return false;
            r->seen[i] = SEEN_NOT;
        }
    r->again = false;
    return true;
}

static bool send_checks(struct request *r)
{
    if (!send_again(r))
        return false;
    while (r->sent < r->nchecks) {
        if (!send_check(r, r->sent))
            return false;
        r->sent++;
    }
    return true;
}

void ask_start(struct request *r)
{
    struct kern *k = r->kern;

    r->first = k->next_id;
    k->next_id += (uint32_t)r->nchecks;
    r->seen = arena_alloc(&r->arena, r->nchecks);
    r->state = REQUEST_JUDGED;
    if (event_pending(k->on_judge_room, EV_WRITE, NULL) || !send_checks(r))
        (void)event_add(k->on_judge_room, NULL);
}

bool ask_tell(struct kern *k, const struct action *a)
{
    frame_start(&out, MSG_ACTION, k->next_id++);
    action_put(&out, a);
    return send_frame(k);
}

void ask_go_on(struct kern *k)
{
    for (size_t i = 0; i < k->top; i++)
        if (k->requests[i].state == REQUEST_JUDGED && !send_checks(&k->requests[i]))
            return;
    (void)event_del(k->on_judge_room);
}

void ask_cancel(struct request *r)
{
    if (r->state != REQUEST_JUDGED || r->answered == r->sent)
        return;
    for (size_t i = 0; i < r->sent; i++) {
        if (r->seen[i] != SEEN_NOT)
            continue;
        frame_start(&out, MSG_CANCEL, r->first + (uint32_t)i);
        if (!send_frame(r->kern))
            return; /* no room: the answer will find nobody */
    }
}

static struct request *find_request(struct kern *k, uint32_t id)
{
    for (size_t i = 0; i < k->top; i++) {
        struct request *r = &k->requests[i];

        if (r->state == REQUEST_JUDGED && id - r->first < r->sent)
            return r;
    }
    return NULL;
}

static bool take_verdict(struct kern *k)
{
    struct verdict v;

    if (!verdict_get(&in, &v) || v.outcome == OUTCOME_ASK)
        return serve_fail(k, "kern: the judge sent a malformed verdict");
    if ((int32_t)(in.id - k->next_id) >= 0)
        return serve_fail(k, "kern: the judge answered what was not asked");
    struct request *r = find_request(k, in.id);
    if (r == NULL)
        return true; /* cancelled meanwhile */
    if (r->seen[in.id - r->first] != SEEN_NOT)
        return serve_fail(k, "kern: the judge answered twice");
    r->seen[in.id - r->first] = SEEN_ANSWERED;
    r->answered++;
    if ((v.duties & DUTY_UNDO) != 0)
        undo_wanted(r, in.id - r->first, v.event);
    if ((v.duties & DUTY_MARK) != 0)
        r->mark = in.id;
    if (v.outcome > r->worst)
        r->worst = v.outcome;
    if (r->worst != OUTCOME_ALLOW)
        serve_denied(r);
    else if (r->answered == r->nchecks)
        serve_allowed(r);
    return true;
}

/* A person is to be asked: the same action again, and what it would run by content. */
static bool take_measure(struct kern *k)
{
    struct request *r = find_request(k, in.id);

    if (r == NULL)
        return true;
    size_t i = in.id - r->first;
    if (r->exec == NULL || r->checks[i].has[FIELD_SHA256] || r->seen[i] != SEEN_NOT)
        return serve_fail(k, "kern: the judge wants what is no program measured");
    measure_checks(r, &r->checks[i], 1);
    r->seen[i] = SEEN_AGAIN;
    r->again = true;
    if (!send_again(r))
        (void)event_add(k->on_judge_room, NULL);
    return true;
}

bool ask_read(struct kern *k)
{
    enum frame_result got = frame_recv(k->judge, &in, 0);

    if (got == FRAME_AGAIN)
        return true;
    if (got != FRAME_OK)
        return serve_fail(k, "kern: the judge is gone");
    if (message_permitted(ROLE_JUDGE, ROLE_KERN, PHASE_RUN, in.type)) {
        if (in.type == MSG_VERDICT)
            return take_verdict(k);
        if (in.type == MSG_MEASURE)
            return take_measure(k);
    }
    return serve_fail(k, "kern: the judge sent %s", message_name((enum message)in.type));
}

bool ask_marks(struct request *r, const uint64_t *marks, size_t n)
{
    static unsigned char bytes[MARKS_MAX * 8];

    for (size_t i = 0; i < n; i++) {
        uint64_t little = htole64(marks[i]);

        memcpy(bytes + 8 * i, &little, 8);
    }
    frame_start(&out, MSG_MARKS, r->mark);
    frame_put_str(&out, MSG_TAG_MARKS, (struct str){(const char *)bytes, 8 * n});
    return send_frame(r->kern);
}

static void note_start(struct request *r)
{
    frame_start(&out, MSG_NOTE, r->first);
    frame_put_int(&out, MSG_TAG_PID, request_who(r)->tgid);
}

void request_note(struct request *r, const char *text)
{
    note_start(r);
    frame_put_cstr(&out, MSG_TAG_TEXT, text);
    (void)send_frame(r->kern);
}

void request_note_connect(struct request *r, const char *address, int port)
{
    note_start(r);
    frame_put_cstr(&out, MSG_TAG_ADDRESS, address);
    frame_put_int(&out, MSG_TAG_PORT, port);
    (void)send_frame(r->kern);
}
