/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.h - the user's terminal, relayed to the agent's own pty.
 *
 * While it is open the user's terminal is raw and every byte goes through: Ctrl-C and Ctrl-Z
 * become signals on the agent's side, inside its session. A prompt can be laid over whatever
 * the agent shows: the relay then stands still in both directions, what is typed goes to the
 * prompt, and afterwards the agent is made to draw anew.
 *
 * The user's terminal is opened anew and never made non-blocking for others; a terminal that
 * takes nothing (Ctrl-S) does not stop the keeper's loop.
 */
#ifndef BELAY_KEEPER_TERMINAL_H
#define BELAY_KEEPER_TERMINAL_H

#include "base/err.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/ioctl.h>

struct terminal;

struct terminal_hooks {
    void *arg;
    void (*gone)(void *arg);             /* the user's terminal has hung up */
    void (*answer)(void *arg, bool yes); /* to the prompt that is showing */
};

/* The first of descriptors 0, 1, 2 that is a terminal, or -1. */
int terminal_find(void);
/* Its size; false when it has none. */
bool terminal_size(int fd, struct winsize *size);

/* Relays between the terminal behind `tty_fd` and `pty` (not owned). NULL and *e on failure. */
struct terminal *terminal_open(struct event_base *base, int tty_fd, int pty,
                               const struct terminal_hooks *hooks, struct err *e);
/* Passes what the pty still holds (bounded in time), restores the terminal and frees. */
void terminal_close(struct terminal *t);

/* The window changed: tells the agent's side. */
void terminal_resized(struct terminal *t);
/* Restores the terminal for the time that belay itself is stopped, and takes it back. */
void terminal_suspend(struct terminal *t);
void terminal_resume(struct terminal *t);

/* Lays a prompt over the screen; `text` is printable lines. One at a time. */
void terminal_prompt(struct terminal *t, const char *text);
bool terminal_prompting(const struct terminal *t);
/* Takes the prompt away without an answer. */
void terminal_prompt_end(struct terminal *t);

/* A line of belay's own between the agent's lines. Not shown (false) while the agent draws the
 * screen itself: it would land in the middle of the picture. */
bool terminal_line(struct terminal *t, const char *text);

#endif
