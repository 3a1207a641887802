/* SPDX-License-Identifier: Apache-2.0 */
/*
 * screen.h - which of the terminal's two screens the agent is showing.
 *
 * The one thing that the keeper recognises in the agent's output: the private modes 47, 1047
 * and 1049 (xterm control sequences, "Alternate Screen Buffer"), so that a prompt can be laid
 * over a full-screen program and taken away again. Everything else passes unread.
 */
#ifndef BELAY_KEEPER_SCREEN_H
#define BELAY_KEEPER_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen {
    bool alternate; /* the alternate screen is showing */
    unsigned char state, match;
    unsigned number; /* parameter being read, bounded */
};

/* Zero-initialised to start. Takes any bytes, split anywhere. */
void screen_feed(struct screen *s, const char *p, size_t n);

#endif
