/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - the command line's side of the control sockets.
 */
#ifndef BELAY_CLI_CLIENT_H
#define BELAY_CLI_CLIENT_H

#include "base/frame.h"

#include <sys/types.h>

#define CLIENT_SESSIONS_MAX 256
#define SESSION_ID_MAX      16

struct client_sessions {
    char id[CLIENT_SESSIONS_MAX][SESSION_ID_MAX + 1];
    size_t n;
};

/* The sessions of this user that answer; sockets left by a crash are removed. Sorted. */
bool client_list(struct client_sessions *s, struct err *e);

/* Picks the session: the one named, or the only one when `name` is NULL. */
bool client_pick(const char *name, char id[SESSION_ID_MAX + 1], struct err *e);

/* Is it made as session ids are: 1 to 16 letters and digits? */
bool client_id_valid(const char *id);

/* Connects; -1 and *e on failure. */
int client_connect(const char *id, struct err *e);

/* Sends one frame and receives the answer (waits at most 10 s). */
bool client_call(int sock, struct frame_out *out, struct frame_in *in, struct err *e);
/* Receives one more answer. */
bool client_next(int sock, struct frame_in *in, struct err *e);

#endif
