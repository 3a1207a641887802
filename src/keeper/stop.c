/* SPDX-License-Identifier: Apache-2.0 */
/* stop.c - freeze, resume, kill, and the keeper's own lines in the record. */
#include "keeper/session.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void keeper_record(struct keeper *k, const char *kind, const char *by, const char *text,
                   int64_t count, enum after after)
{
    struct frame_out *f = &k->out;
    uint32_t id = ++k->next_event;

    if (k->roles->judge.sock < 0)
        return;
    frame_start(f, MSG_EVENT, id);
    frame_put_cstr(f, MSG_TAG_KIND, kind);
    frame_put_cstr(f, MSG_TAG_BY, by);
    frame_put_cstr(f, MSG_TAG_TEXT, text);
    if (count != INT64_MIN)
        frame_put_int(f, MSG_TAG_COUNT, count);
    if (after == AFTER_START) {
        frame_list_start(f, MSG_TAG_LIST);
        for (char *const *a = k->o->argv; *a != NULL && frame_room(f) > strlen(*a) + 4096; a++)
            frame_list_item(f, str_of(*a));
        frame_list_end(f);
    }
    if (after != AFTER_NOTHING) {
        size_t i = 0;

        while (i < WAITING_MAX && k->waiting[i].id != 0)
            i++;
        if (i == WAITING_MAX) {
            keeper_fault(k, EX_ROLE, "the judge does not record what the keeper does");
            return;
        }
        k->waiting[i].id = id;
        k->waiting[i].after = after;
    }
    if (!frame_send(k->roles->judge.sock, f, NULL, 0) && k->state != STATE_ENDING)
        keeper_fault(k, EX_ROLE, "the judge cannot be reached");
}

static void resume_now(struct keeper *k)
{
    struct err e = {0};

    if (k->state != STATE_FROZEN)
        return;
    if (!jail_resume(&k->jail, &e)) {
        keeper_fault(k, EX_ROLE, "%s", e.text);
        return;
    }
    k->state = STATE_RUNNING;
    people_thawed(k);
    people_notice(k, "the agent goes on");
}

void keeper_recorded(struct keeper *k, uint32_t id)
{
    struct err e = {0};
    enum after after = AFTER_NOTHING;

    for (size_t i = 0; i < WAITING_MAX; i++)
        if (k->waiting[i].id == id && id != 0) {
            after = k->waiting[i].after;
            k->waiting[i].id = 0;
        }
    switch (after) {
    case AFTER_START:
        if (k->state != STATE_STARTING)
            break;
        k->state = STATE_RUNNING;
        k->running_since = asks_now();
        if (!jail_release(&k->jail, &e))
            keeper_fault(k, EX_ROLE, "%s", e.text);
        break;
    case AFTER_RESUME:
        resume_now(k);
        break;
    case AFTER_END:
        keeper_stop_loop(k);
        break;
    case AFTER_NOTHING:
        break;
    }
}

void keeper_freeze(struct keeper *k, const char *by, const char *why)
{
    struct err e = {0};

    if (k->state != STATE_RUNNING)
        return;
    if (!jail_freeze(&k->jail, &e)) { /* what cannot be frozen is killed */
        keeper_kill(k, EX_STOPPED, "keeper", e.text);
        return;
    }
    k->state = STATE_FROZEN;
    keeper_record(k, "freeze", by, why, INT64_MIN, AFTER_NOTHING);
}

void keeper_resume(struct keeper *k, const char *by)
{
    if (k->state == STATE_FROZEN)
        keeper_record(k, "resume", by, "", INT64_MIN, AFTER_RESUME);
}

void keeper_kill(struct keeper *k, int code, const char *by, const char *why)
{
    struct err e = {0};

    if (k->state == STATE_ENDING)
        return;
    k->state = STATE_ENDING;
    k->exit_code = code;
    people_thawed(k);
    if (!jail_kill(&k->jail, &e) && k->fault->code == 0)
        *k->fault = e;
    keeper_end_record(k, "kill", by, why);
}

void keeper_end_record(struct keeper *k, const char *kind, const char *by, const char *text)
{
    assert(k->state == STATE_ENDING);
    keeper_record(k, kind, by, text, k->exit_code, AFTER_END);
    if (k->roles->judge.sock < 0)
        keeper_stop_loop(k);
}

void keeper_fault(struct keeper *k, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX / 2];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (k->fault->code == 0)
        err_set(k->fault, code, "%s; the agent was killed", text);
    if (k->state != STATE_ENDING)
        keeper_kill(k, code, "keeper", text);
}
