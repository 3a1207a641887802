/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hold.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "policy/message.h"

#include <string.h>

static bool call(int sock, enum message m, struct frame_in *in, struct err *e)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    frame_start(f, (uint16_t)m, 1);
    return client_call(sock, f, in, e);
}

/* Its state and the agent's process. */
static bool ask(struct hold *h, int sock, bool *frozen, struct err *e)
{
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));
    struct frame_field x;

    if (!call(sock, MSG_STATUS, in, e))
        return false;
    if (in->type != MSG_STATUS_IS)
        return err_set(e, EX_FAIL, "session %s gave an answer that does not fit", h->id);
    while (frame_next(in, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_STATE)
            *frozen = str_is(x.bytes, "frozen");
        else if (x.tag == MSG_TAG_PID && x.num > 0 && x.num <= INT32_MAX)
            h->pid = (pid_t)x.num;
    }
    return true;
}

static bool order(const struct hold *h, int sock, enum message m, struct err *e)
{
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));

    if (!call(sock, m, in, e))
        return false;
    return in->type == MSG_DONE ||
           err_set(e, EX_FAIL, "session %s refused to be frozen just now; try again", h->id);
}

static void wait_signals(struct hold *h)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGTSTP);
    (void)sigprocmask(SIG_BLOCK, &set, &h->mask);
}

bool hold_session(struct hold *h, const char *id, struct err *e)
{
    struct err none = {0};
    bool frozen = false;

    *h = (struct hold){.running = false};
    memcpy(h->id, id, strlen(id) + 1);
    wait_signals(h);
    AUTO_CLOSE int sock = client_connect(id, &none);
    if (sock < 0)
        return true; /* it has ended */
    h->running = true;
    if (!ask(h, sock, &frozen, e) || (!frozen && !order(h, sock, MSG_FREEZE, e))) {
        (void)sigprocmask(SIG_SETMASK, &h->mask, NULL);
        return false;
    }
    h->frozen = !frozen;
    return true;
}

void hold_end(struct hold *h)
{
    struct err e = {0};

    if (h->frozen) {
        AUTO_CLOSE int sock = client_connect(h->id, &e);
        if (sock < 0 || !order(h, sock, MSG_RESUME, &e))
            (void)cli_fail(&e);
    }
    (void)sigprocmask(SIG_SETMASK, &h->mask, NULL);
}
