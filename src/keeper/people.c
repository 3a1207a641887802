/* SPDX-License-Identifier: Apache-2.0 */
/* people.c - what reaches people and what they say: questions, notices, alerts, control socket. */
#include "keeper/session.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTICE_MS      200 /* at most one notice in this time; the rest are counted */
#define ALERT_TEXT     1024u
#define ALERTS_AT_ONCE 4

static void line(struct keeper *k, const char *text)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 8192);
    buf_puts(&b, "belay: ");
    buf_add_safe(&b, str_of(text), 4096);
    if (k->terminal != NULL) {
        (void)terminal_line(k->terminal, buf_cstr(&b));
        return;
    }
    buf_puts(&b, "\n");
    (void)fd_write_all(STDERR_FILENO, b.p, b.n);
}

void people_notice(struct keeper *k, const char *text)
{
    int64_t now = asks_now();

    if (k->o->quiet)
        return;
    if (now - k->last_notice < NOTICE_MS) {
        k->notices_held++;
        return;
    }
    k->last_notice = now;
    if (k->notices_held > 0) {
        char more[64];

        (void)snprintf(more, sizeof(more), "(%u more notices: 'belay log' has them)",
                       k->notices_held);
        k->notices_held = 0;
        line(k, more);
    }
    line(k, text);
}

void people_alert(struct keeper *k, struct str hostile)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 2 * ALERT_TEXT + 64);
    buf_add_safe(&b, hostile, ALERT_TEXT);
    line(k, buf_cstr(&b));
    if (k->alert_pipe < 0)
        return;
    buf_puts(&b, "\n");
    /* A pipe that is full means that the command hangs: the record has the alert all the same. */
    (void)!write(k->alert_pipe, b.p, b.n);
}

/* One run of the user's command: the alert as JSON on its standard input. */
static void run_alert(char *const *argv, const char *session, struct str text)
{
    AUTO_BUF struct buf b = {0};
    struct json j;
    int p[2];

    buf_init(&b, 16384);
    json_start(&j, &b);
    json_obj(&j, NULL);
    json_cstr(&j, "session", session);
    json_str(&j, "alert", text);
    json_obj_end(&j);
    buf_puts(&b, "\n");
    if (pipe2(p, O_CLOEXEC) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)dup2(p[0], STDIN_FILENO);
        (void)execvp(argv[0], argv);
        _exit(EX_NOTFOUND);
    }
    (void)close(p[0]);
    (void)fd_write_all(p[1], b.p, b.n); /* fits the pipe: never blocks */
    (void)close(p[1]);
}

/*
 * The process that runs the alert command. It is forked before anything of the agent exists,
 * so that the keeper itself never has to execute anything later.
 */
static _Noreturn void alert_runner(int in, char *const *argv, const char *session)
{
    char text[2 * ALERT_TEXT + 64];
    size_t n = 0;
    int running = 0;

    for (;;) {
        ssize_t got = read(in, text + n, sizeof(text) - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(0);
        n += (size_t)got;
        for (char *end; (end = memchr(text, '\n', n)) != NULL;) {
            size_t used = (size_t)(end - text) + 1;

            while (running > 0 && waitpid(-1, NULL, running < ALERTS_AT_ONCE ? WNOHANG : 0) > 0)
                running--;
            run_alert(argv, session, (struct str){text, used - 1});
            running++;
            n -= used;
            memmove(text, text + used, n);
        }
        if (n == sizeof(text))
            n = 0;
    }
}

bool alert_command_start(struct keeper *k, struct err *e)
{
    const struct settings_list *command = &k->o->settings->alert_command;
    int p[2];

    k->alert_pipe = -1;
    if (command->n == 0)
        return true;
    if (pipe2(p, O_CLOEXEC) != 0)
        return err_sys(e, EX_FAIL, "a pipe for alerts");
    k->alert_pid = fork();
    if (k->alert_pid == 0) {
        char **argv = xcalloc(command->n + 1, sizeof(*argv));

        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        for (size_t i = 0; i < command->n; i++)
            argv[i] = xstrdup(command->item[i]);
        fd_close_from(3, &p[0], 1);
        alert_runner(p[0], argv, k->o->id);
    }
    (void)close(p[0]);
    if (k->alert_pid < 0) {
        (void)close(p[1]);
        return err_sys(e, EX_FAIL, "the alert command's process");
    }
    k->alert_pipe = p[1];
    return fd_set_nonblock(p[1]);
}

static void frozen_text(const struct keeper *k, struct buf *out)
{
    buf_printf(out,
               "belay: the agent is frozen, and a person must decide (session %s)\n\n  %s\n\n"
               "Type yes to let it go on, no to end it, then Enter.\n\n> ",
               k->o->id, k->frozen_why);
}

/* What a frozen agent waits for comes before what it was held for. */
static void show_next_question(struct keeper *k)
{
    AUTO_BUF struct buf text = {0};

    if (k->terminal == NULL || terminal_prompting(k->terminal) ||
        (k->asks.n == 0 && k->frozen_why == NULL))
        return;
    buf_init(&text, 32768);
    k->frozen_shown = k->frozen_why != NULL;
    if (k->frozen_shown)
        frozen_text(k, &text);
    else
        asks_prompt_text(&k->asks.item[0], k->o->id, &text);
    terminal_prompt(k->terminal, buf_cstr(&text));
}

void people_frozen(struct keeper *k, const char *why)
{
    AUTO_BUF struct buf safe = {0};

    if (k->terminal == NULL || k->state != STATE_FROZEN)
        return;
    buf_init(&safe, 8192);
    buf_add_safe(&safe, str_of(why), 2048);
    free(k->frozen_why);
    k->frozen_why = xstrdup(buf_cstr(&safe));
    if (terminal_prompting(k->terminal))
        terminal_prompt_end(k->terminal);
    show_next_question(k);
}

void people_thawed(struct keeper *k)
{
    bool showing = k->frozen_why != NULL && k->frozen_shown;

    free(k->frozen_why);
    k->frozen_why = NULL;
    k->frozen_shown = false;
    if (k->terminal == NULL)
        return;
    if (showing && terminal_prompting(k->terminal))
        terminal_prompt_end(k->terminal);
    if (k->state != STATE_ENDING)
        show_next_question(k);
}

void people_asked(struct keeper *k, struct frame_in *f)
{
    AUTO_BUF struct buf b = {0};

    if (!asks_add(&k->asks, f)) {
        keeper_fault(k, EX_ROLE, "the judge asked in a way that does not fit");
        return;
    }
    k->asked++;
    if (k->terminal != NULL) {
        show_next_question(k);
        return;
    }
    const struct ask *q = asks_find(&k->asks, f->id);
    buf_init(&b, 16384);
    buf_printf(&b, "held: %s; 'belay approve %s/%u' or 'belay deny %s/%u' within %lld s",
               q->summary, k->o->id, q->id, k->o->id, q->id,
               (long long)((q->deadline - asks_now() + 999) / 1000));
    if (!k->o->quiet)
        line(k, buf_cstr(&b));
}

static void question_gone(struct keeper *k, uint32_t id)
{
    bool showing = k->asks.n > 0 && k->asks.item[0].id == id && !k->frozen_shown;

    if (!asks_remove(&k->asks, id) || k->terminal == NULL)
        return;
    if (showing && terminal_prompting(k->terminal))
        terminal_prompt_end(k->terminal);
    show_next_question(k);
}

void people_ask_over(struct keeper *k, uint32_t id)
{
    question_gone(k, id);
}

bool people_decide(struct keeper *k, uint32_t id, bool yes, const char *by)
{
    struct frame_out *f = &k->out;

    if (asks_find(&k->asks, id) == NULL)
        return false;
    frame_start(f, MSG_ANSWER, id);
    frame_put_int(f, MSG_TAG_YES, yes);
    frame_put_cstr(f, MSG_TAG_BY, by);
    if (!frame_send(k->roles->judge.sock, f, NULL, 0)) {
        keeper_fault(k, EX_ROLE, "the judge cannot be reached");
        return false;
    }
    question_gone(k, id);
    return true;
}

void people_terminal_answer(void *arg, bool yes)
{
    struct keeper *k = arg;

    if (k->frozen_shown) {
        people_thawed(k);
        if (yes)
            keeper_resume(k, "terminal");
        else
            keeper_kill(k, EX_STOPPED, "terminal", "asked for");
        return;
    }
    if (k->asks.n > 0)
        (void)people_decide(k, k->asks.item[0].id, yes, "terminal");
}

static const char *const state_names[] = {"starting", "running", "frozen", "ending"};

static void reply_status(struct keeper *k, struct control_client *c, uint32_t id)
{
    struct frame_out *f = &k->out;

    frame_start(f, MSG_STATUS_IS, id);
    frame_put_cstr(f, MSG_TAG_SESSION, k->o->id);
    frame_put_cstr(f, MSG_TAG_STATE, state_names[k->state]);
    frame_put_int(f, MSG_TAG_PID, k->jail.agent_pid);
    frame_put_int(f, MSG_TAG_COUNT, (int64_t)k->asks.n);
    frame_put_int(f, MSG_TAG_STARTED, k->started);
    frame_put_int(f, MSG_TAG_PROCESSES, k->state == STATE_ENDING ? 0 : jail_count(&k->jail));
    frame_put_cstr(f, MSG_TAG_TEXT, k->o->workspace);
    frame_list_start(f, MSG_TAG_LIST);
    for (char *const *a = k->o->argv; *a != NULL && frame_room(f) > strlen(*a) + 4096; a++)
        frame_list_item(f, str_of(*a));
    frame_list_end(f);
    control_reply(c, f);
}

static void reply(struct keeper *k, struct control_client *c, uint32_t id, const char *refusal)
{
    struct frame_out *f = &k->out;

    frame_start(f, refusal == NULL ? MSG_DONE : MSG_REFUSED, id);
    if (refusal != NULL)
        frame_put_cstr(f, MSG_TAG_TEXT, refusal);
    control_reply(c, f);
}

static void reply_pending(struct keeper *k, struct control_client *c, uint32_t id)
{
    for (size_t i = 0; i < k->asks.n; i++) {
        const struct ask *q = &k->asks.item[i];
        struct frame_out *f = &k->out;

        frame_start(f, MSG_PENDING_IS, id);
        frame_put_int(f, MSG_TAG_ASK, q->id);
        frame_put_int(f, MSG_TAG_LEFT, q->deadline > asks_now() ? q->deadline - asks_now() : 0);
        frame_put_cstr(f, MSG_TAG_SUMMARY, q->summary);
        frame_put_cstr(f, MSG_TAG_TEXT, q->reason);
        frame_put_cstr(f, MSG_TAG_RULES, q->rules);
        control_reply(c, f);
    }
    reply(k, c, id, NULL);
}

static const char *decide(struct keeper *k, struct frame_in *f, const char *by)
{
    struct frame_field x;
    int64_t ask = 0, yes = -1;

    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_ASK && x.kind == FRAME_INT)
            ask = x.num;
        else if (x.tag == MSG_TAG_YES && x.kind == FRAME_INT)
            yes = x.num;
    }
    if (ask <= 0 || ask > UINT32_MAX || (yes != 0 && yes != 1))
        return "malformed";
    return people_decide(k, (uint32_t)ask, yes == 1, by) ? NULL : "not waiting";
}

/* Passed on unread: whether it is a policy is the judge's to find out. */
static const char *reload(struct keeper *k, struct control_client *c, struct frame_in *f)
{
    struct frame_out *out = &k->out;

    if (k->state != STATE_RUNNING && k->state != STATE_FROZEN)
        return "the session is not running";
    if (k->reload_client != 0)
        return "another policy is being read just now";
    if (f->nfds != 1)
        return "no policy came with the message";
    frame_start(out, MSG_RELOAD, ++k->next_event);
    if (!frame_send(k->roles->judge.sock, out, f->fds, 1))
        return "the judge cannot be reached";
    k->reload_client = control_client_number(c);
    k->reload_frame = f->id;
    return NULL;
}

void people_reloaded(struct keeper *k, const char *why)
{
    struct control_client *c = control_client_find(k->control, k->reload_client);

    if (k->reload_client != 0 && c != NULL)
        reply(k, c, k->reload_frame, why);
    k->reload_client = 0;
}

void people_control(void *arg, struct control_client *c, struct frame_in *f, uid_t uid)
{
    struct keeper *k = arg;
    uint32_t id = f->id;
    const char *refusal;
    char by[32];

    (void)snprintf(by, sizeof(by), "uid %u", (unsigned)uid);
    switch (f->type) {
    case MSG_STATUS:
        reply_status(k, c, id);
        return;
    case MSG_PENDING:
        reply_pending(k, c, id);
        return;
    case MSG_DECIDE:
        reply(k, c, id, decide(k, f, by));
        return;
    case MSG_POLICY:
        refusal = reload(k, c, f);
        if (refusal != NULL)
            reply(k, c, id, refusal);
        return;
    case MSG_FREEZE:
        keeper_freeze(k, by, "asked for");
        reply(k, c, id, k->state == STATE_FROZEN ? NULL : "the session is not running");
        return;
    case MSG_RESUME:
        reply(k, c, id, k->state == STATE_FROZEN ? NULL : "the session is not frozen");
        keeper_resume(k, by);
        return;
    case MSG_KILL:
        if (k->state == STATE_ENDING) {
            reply(k, c, id, "the session is ending");
            return;
        }
        keeper_kill(k, EX_STOPPED, by, "asked for");
        reply(k, c, id, NULL);
        return;
    default:
        return;
    }
}
