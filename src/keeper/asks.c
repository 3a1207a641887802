/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/asks.h"

#include "policy/message.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 4096u

int64_t asks_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char *safe_copy(struct str s)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 4 * TEXT_MAX);
    buf_add_safe(&b, s, TEXT_MAX);
    return xstrdup(buf_cstr(&b));
}

static char *safe_list(struct str list)
{
    AUTO_BUF struct buf b = {0};
    struct str item;

    buf_init(&b, 4 * TEXT_MAX);
    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (b.n > 0)
            buf_puts(&b, ", ");
        buf_add_safe(&b, item, 128);
    }
    return xstrdup(buf_cstr(&b));
}

static void ask_free(struct ask *q)
{
    free(q->summary);
    free(q->reason);
    free(q->rules);
    memset(q, 0, sizeof(*q));
}

static bool take_field(struct ask *q, const struct frame_field *x)
{
    switch (x->tag) {
    case MSG_TAG_SUMMARY:
        if (x->kind != FRAME_BYTES || q->summary != NULL)
            return false;
        q->summary = safe_copy(x->bytes);
        return true;
    case MSG_TAG_TEXT:
        if (x->kind != FRAME_BYTES || q->reason != NULL)
            return false;
        q->reason = safe_copy(x->bytes);
        return true;
    case MSG_TAG_RULES:
        if (x->kind != FRAME_LIST || q->rules != NULL)
            return false;
        q->rules = safe_list(x->bytes);
        return true;
    case MSG_TAG_LEFT:
        if (x->kind != FRAME_INT || x->num < 0 || x->num > 7 * 86400 * (int64_t)1000)
            return false;
        q->deadline = asks_now() + x->num;
        return true;
    default:
        return false;
    }
}

bool asks_add(struct asks *a, struct frame_in *f)
{
    struct ask q = {.id = f->id};
    struct frame_field x;
    enum frame_result r;
    bool ok = a->n < ASKS_MAX && f->id != 0 && asks_find(a, f->id) == NULL;

    while (ok && (r = frame_next(f, &x)) != FRAME_EOF)
        ok = r == FRAME_OK && take_field(&q, &x);
    if (!ok || q.summary == NULL || q.deadline == 0) {
        ask_free(&q);
        return false;
    }
    if (q.reason == NULL)
        q.reason = xstrdup("");
    if (q.rules == NULL)
        q.rules = xstrdup("");
    a->item[a->n++] = q;
    return true;
}

const struct ask *asks_find(const struct asks *a, uint32_t id)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->item[i].id == id)
            return &a->item[i];
    return NULL;
}

bool asks_remove(struct asks *a, uint32_t id)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->item[i].id != id)
            continue;
        ask_free(&a->item[i]);
        a->n--;
        memmove(&a->item[i], &a->item[i + 1], (a->n - i) * sizeof(a->item[0]));
        memset(&a->item[a->n], 0, sizeof(a->item[0]));
        return true;
    }
    return false;
}

void asks_clear(struct asks *a)
{
    for (size_t i = 0; i < a->n; i++)
        ask_free(&a->item[i]);
    a->n = 0;
}

void asks_prompt_text(const struct ask *q, const char *session, struct buf *out)
{
    int64_t left = (q->deadline - asks_now()) / 1000;

    buf_printf(out,
               "belay: the agent is held, and a person must decide (session %s, question %u)\n\n",
               session, q->id);
    buf_printf(out, "  %s\n\n", q->summary);
    if (q->reason[0] != '\0')
        buf_printf(out, "  why asked: %s\n", q->reason);
    if (q->rules[0] != '\0')
        buf_printf(out, "  rule:      %s\n", q->rules);
    buf_printf(out,
               "\nType yes to allow it this once, no to deny it, then Enter."
               "\nNo answer within %lld s is no.\n\n> ",
               (long long)(left > 0 ? left : 0));
}
