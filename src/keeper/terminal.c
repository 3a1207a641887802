/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/terminal.h"

#include "base/fd.h"
#include "base/mem.h"
#include "keeper/screen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PUMP_SIZE       16384
#define DRAIN_MS        1000
#define PROMPT_TYPE_MAX 8
#define PROMPT_DEAF_MS  600 /* what was meant for the agent must not answer the prompt */
#define PROMPT_TEXT_MAX 8192
#define ENTER_ALTERNATE "\033[?1049h\033[2J\033[H"
#define LEAVE_ALTERNATE "\033[?1049l"

struct pump {
    int from, to;
    struct event *readable, *writable;
    size_t start, end;
    char data[PUMP_SIZE];
};

struct terminal {
    int tty, pty;
    struct termios saved;
    bool raw;
    struct pump in, out; /* in: user to agent */
    struct screen screen;
    struct terminal_hooks hooks;
    bool prompting;
    int64_t prompt_since;
    char typed[PROMPT_TYPE_MAX + 1];
};

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int terminal_find(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (isatty(fd))
            return fd;
    return -1;
}

bool terminal_size(int fd, struct winsize *size)
{
    return ioctl(fd, TIOCGWINSZ, size) == 0 && size->ws_row > 0 && size->ws_col > 0;
}

static bool set_raw(struct terminal *t)
{
    struct termios raw = t->saved;

    cfmakeraw(&raw);
    t->raw = tcsetattr(t->tty, TCSADRAIN, &raw) == 0;
    return t->raw;
}

static void set_cooked(struct terminal *t)
{
    if (t->raw)
        (void)tcsetattr(t->tty, TCSADRAIN, &t->saved);
    t->raw = false;
}

/* Belay's own words: best effort, a terminal that takes nothing loses them. */
static void say(struct terminal *t, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t k = write(t->tty, text, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = t->tty, .events = POLLOUT};

            if (poll(&p, 1, 100) == 1)
                continue;
        }
        if (k <= 0)
            return;
        text += k;
        n -= (size_t)k;
    }
}

static void pump_arm(struct pump *p)
{
    if (p->end > p->start) {
        (void)event_del(p->readable);
        (void)event_add(p->writable, NULL);
    } else {
        (void)event_del(p->writable);
        (void)event_add(p->readable, NULL);
    }
}

static void pump_pause(struct pump *p)
{
    (void)event_del(p->readable);
    (void)event_del(p->writable);
}

/* Writes what is held. False: the receiving side is gone. */
static bool pump_flush(struct pump *p)
{
    while (p->start < p->end) {
        ssize_t k = write(p->to, p->data + p->start, p->end - p->start);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return errno == EAGAIN;
        p->start += (size_t)k;
    }
    p->start = p->end = 0;
    return true;
}

/* Reads once. False: end or error. */
static bool pump_fill(struct pump *p)
{
    ssize_t k;

    do {
        k = read(p->from, p->data, sizeof(p->data));
    } while (k < 0 && errno == EINTR);
    if (k <= 0)
        return k < 0 && errno == EAGAIN;
    p->start = 0;
    p->end = (size_t)k;
    return true;
}

static void on_out(evutil_socket_t fd, short what, void *arg)
{
    struct terminal *t = arg;

    (void)fd;
    if (what & EV_READ) {
        if (!pump_fill(&t->out)) { /* no process has the pty open any more */
            pump_pause(&t->out);
            return;
        }
        screen_feed(&t->screen, t->out.data, t->out.end);
    }
    if (!pump_flush(&t->out)) {
        pump_pause(&t->out);
        t->hooks.gone(t->hooks.arg);
        return;
    }
    pump_arm(&t->out);
}

static void answered(struct terminal *t, bool yes)
{
    terminal_prompt_end(t);
    t->hooks.answer(t->hooks.arg, yes);
}

/* Only the whole words count, so that no single stray key can approve. */
static bool prompt_line(struct terminal *t)
{
    bool yes = strcmp(t->typed, "yes") == 0, no = strcmp(t->typed, "no") == 0;

    t->typed[0] = '\0';
    if (yes || no) {
        answered(t, yes);
        return true;
    }
    say(t, "\r\nPlease type the whole word yes or no: ");
    return false;
}

static void prompt_keys(struct terminal *t, const char *p, size_t n)
{
    if (now_ms() - t->prompt_since < PROMPT_DEAF_MS)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(t->typed);

        if (p[i] == '\r' || p[i] == '\n') {
            if (len > 0 && prompt_line(t))
                return;
        } else if (p[i] == 0x7f || p[i] == '\b') {
            if (len > 0) {
                t->typed[len - 1] = '\0';
                say(t, "\b \b");
            }
        } else if (p[i] >= 'a' && p[i] <= 'z' && len < PROMPT_TYPE_MAX) {
            t->typed[len] = p[i];
            t->typed[len + 1] = '\0';
            say(t, &t->typed[len]);
        }
    }
}

static void on_in(evutil_socket_t fd, short what, void *arg)
{
    struct terminal *t = arg;

    (void)fd;
    if (what & EV_READ) {
        struct pump *p = &t->in;

        if (!pump_fill(p)) {
            pump_pause(p);
            t->hooks.gone(t->hooks.arg);
            return;
        }
        if (t->prompting) {
            size_t n = p->end;

            p->start = p->end = 0;
            prompt_keys(t, p->data, n);
            return;
        }
    }
    if (!pump_flush(&t->in)) { /* nobody inside reads any more: drop it */
        t->in.start = t->in.end = 0;
    }
    pump_arm(&t->in);
}

static void pump_init(struct pump *p, struct event_base *base, int from, int to,
                      event_callback_fn callback, struct terminal *t)
{
    p->from = from;
    p->to = to;
    p->readable = event_new(base, from, EV_READ | EV_PERSIST, callback, t);
    p->writable = event_new(base, to, EV_WRITE | EV_PERSIST, callback, t);
    if (p->readable == NULL || p->writable == NULL)
        abort();
    pump_arm(p);
}

/* A description of its own, so that O_NONBLOCK is not shared with the user's shell. */
static int reopen(int tty_fd, struct err *e)
{
    char name[64];
    int fd = -1;

    if (ttyname_r(tty_fd, name, sizeof(name)) == 0)
        fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        err_sys(e, EX_FAIL, "the terminal on descriptor %d cannot be opened", tty_fd);
    return fd;
}

struct terminal *terminal_open(struct event_base *base, int tty_fd, int pty,
                               const struct terminal_hooks *hooks, struct err *e)
{
    AUTO_CLOSE int tty = reopen(tty_fd, e);

    if (tty < 0)
        return NULL;
    struct terminal *t = xcalloc(1, sizeof(*t));
    t->pty = pty;
    t->hooks = *hooks;
    t->tty = fd_take(&tty);
    if (tcgetattr(t->tty, &t->saved) != 0 || !set_raw(t) || !fd_set_nonblock(pty)) {
        err_sys(e, EX_FAIL, "the terminal cannot be made raw");
        mem_auto_close(&t->tty);
        free(t);
        return NULL;
    }
    pump_init(&t->in, base, t->tty, pty, on_in, t);
    pump_init(&t->out, base, pty, t->tty, on_out, t);
    terminal_resized(t);
    return t;
}

static void drain(struct terminal *t)
{
    int64_t end = now_ms() + DRAIN_MS;

    for (int64_t left; (left = end - now_ms()) > 0;) {
        bool held = t->out.end > t->out.start;
        struct pollfd p = {.fd = held ? t->tty : t->pty, .events = held ? POLLOUT : POLLIN};

        if (poll(&p, 1, (int)left) <= 0 || (p.revents & (held ? POLLOUT : POLLIN)) == 0)
            return;
        if ((!held && !pump_fill(&t->out)) || !pump_flush(&t->out))
            return;
    }
}

static void pump_free(struct pump *p)
{
    event_free(p->readable);
    event_free(p->writable);
}

void terminal_close(struct terminal *t)
{
    if (t == NULL)
        return;
    if (t->prompting)
        terminal_prompt_end(t);
    drain(t);
    pump_free(&t->in);
    pump_free(&t->out);
    if (t->screen.alternate) /* the agent was stopped in the middle of its picture */
        say(t, LEAVE_ALTERNATE "\033[?25h\033[0m");
    set_cooked(t);
    mem_auto_close(&t->tty);
    free(t);
}

void terminal_resized(struct terminal *t)
{
    struct winsize size;

    if (terminal_size(t->tty, &size))
        (void)ioctl(t->pty, TIOCSWINSZ, &size);
}

/* Programs draw anew on SIGWINCH, which the kernel sends only for a real change. */
static void redraw(struct terminal *t)
{
    struct winsize size, other;

    if (!terminal_size(t->tty, &size))
        return;
    other = size;
    other.ws_row = (unsigned short)(size.ws_row > 1 ? size.ws_row - 1 : size.ws_row + 1);
    (void)ioctl(t->pty, TIOCSWINSZ, &other);
    (void)ioctl(t->pty, TIOCSWINSZ, &size);
}

void terminal_suspend(struct terminal *t)
{
    pump_pause(&t->in);
    pump_pause(&t->out);
    set_cooked(t);
}

void terminal_resume(struct terminal *t)
{
    (void)set_raw(t);
    pump_arm(&t->in);
    if (!t->prompting)
        pump_arm(&t->out);
    terminal_resized(t);
    redraw(t);
}

void terminal_prompt(struct terminal *t, const char *text)
{
    AUTO_BUF struct buf b = {0};

    assert(!t->prompting);
    pump_pause(&t->out);
    pump_pause(&t->in);
    t->in.start = t->in.end = 0;
    t->prompting = true;
    t->prompt_since = now_ms();
    t->typed[0] = '\0';
    (void)tcflush(t->tty, TCIFLUSH);
    buf_init(&b, PROMPT_TEXT_MAX);
    buf_puts(&b, ENTER_ALTERNATE);
    for (; *text != '\0'; text++)
        buf_add(&b, *text == '\n' ? "\r\n" : text, *text == '\n' ? 2 : 1);
    say(t, buf_cstr(&b));
    (void)event_add(t->in.readable, NULL);
}

bool terminal_prompting(const struct terminal *t)
{
    return t->prompting;
}

void terminal_prompt_end(struct terminal *t)
{
    if (!t->prompting)
        return;
    t->prompting = false;
    if (!t->screen.alternate)
        say(t, LEAVE_ALTERNATE);
    pump_arm(&t->in);
    pump_arm(&t->out);
    redraw(t);
}

bool terminal_line(struct terminal *t, const char *text)
{
    struct termios inside;

    if (t->prompting || t->screen.alternate || tcgetattr(t->pty, &inside) != 0 ||
        (inside.c_lflag & ICANON) == 0)
        return false;
    say(t, "\r\n");
    say(t, text);
    say(t, "\r\n");
    return true;
}
