/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "judge/judge.h"
#include "policy/message.h"

#include "base/frame.h"

#include <stdlib.h>
#include <string.h>

enum { FD_POLICY, FD_RECORD, FD_HEAD, FD_COUNT };

bool judge_config_send(int sock, const struct judge_config *c, struct err *e)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    const int fds[FD_COUNT] = {c->policy, c->record, c->head};

    frame_start(f, MSG_CONFIG, 0);
#define X(field, tag) frame_put_str(f, (tag), c->field);
    JUDGE_TEXTS(X)
#undef X
#define X(field, tag, low, high) frame_put_int(f, (tag), c->settings->field);
    JUDGE_NUMBERS(X)
#undef X
    if (!frame_send(sock, f, fds, FD_COUNT))
        return err_sys(e, EX_ROLE, "the judge cannot be configured");
    return true;
}

static bool take_text(struct str *text, const struct frame_field *x)
{
    if (x->kind != FRAME_BYTES || x->bytes.n > JUDGE_TEXT_MAX ||
        (x->bytes.n > 0 && memchr(x->bytes.p, '\0', x->bytes.n) != NULL))
        return false;
    char *copy = xcalloc(x->bytes.n + 1, 1);
    if (x->bytes.n > 0)
        memcpy(copy, x->bytes.p, x->bytes.n);
    *text = (struct str){copy, x->bytes.n};
    return true;
}

static bool take_number(int64_t *number, const struct frame_field *x, int64_t low, int64_t high)
{
    *number = x->num;
    return x->kind == FRAME_INT && x->num >= low && x->num <= high;
}

static bool take_field(struct judge_config *c, struct settings *s, const struct frame_field *x,
                       uint64_t *seen)
{
    if (x->tag >= 64 || (*seen & (uint64_t)1 << x->tag) != 0)
        return false;
    *seen |= (uint64_t)1 << x->tag;
    switch (x->tag) {
#define X(field, tag) \
    case (tag):       \
        return take_text(&c->field, x);
        JUDGE_TEXTS(X)
#undef X
#define X(field, tag, low, high) \
    case (tag):                  \
        return take_number(&s->field, x, (low), (high));
        JUDGE_NUMBERS(X)
#undef X
    default:
        return false;
    }
}

static bool read_fields(struct frame_in *f, struct judge_config *c, struct settings *s)
{
    uint64_t needed = 0, seen = 0;
    struct frame_field x;
    enum frame_result r;

#define X(field, tag) needed |= (uint64_t)1 << (tag);
    JUDGE_TEXTS(X)
#undef X
#define X(field, tag, low, high) needed |= (uint64_t)1 << (tag);
    JUDGE_NUMBERS(X)
#undef X
    while ((r = frame_next(f, &x)) == FRAME_OK)
        if (!take_field(c, s, &x, &seen))
            return false;
    return r == FRAME_EOF && seen == needed;
}

bool judge_config_recv(int sock, struct judge_config *c, struct err *e)
{
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));
    struct settings *s = xcalloc(1, sizeof(*s));

    *c = (struct judge_config){.policy = -1, .record = -1, .head = -1, .settings = s};
    if (frame_recv(sock, f, FD_COUNT) != FRAME_OK) {
        judge_config_free(c);
        return err_set(e, EX_ROLE, "the judge was not configured");
    }
    if (f->type == MSG_CONFIG && f->nfds == FD_COUNT && read_fields(f, c, s)) {
        c->policy = fd_take(&f->fds[FD_POLICY]);
        c->record = fd_take(&f->fds[FD_RECORD]);
        c->head = fd_take(&f->fds[FD_HEAD]);
        return true;
    }
    frame_close_fds(f);
    judge_config_free(c);
    return err_set(e, EX_ROLE, "the judge's configuration is malformed");
}

void judge_config_free(struct judge_config *c)
{
    mem_auto_close(&c->policy);
    mem_auto_close(&c->record);
    mem_auto_close(&c->head);
    mem_auto_free(&c->settings);
    c->settings = NULL;
#define X(field, tag)           \
    mem_auto_free(&c->field.p); \
    c->field = (struct str){0};
    JUDGE_TEXTS(X)
#undef X
}
