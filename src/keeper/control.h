/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the control socket of a session: RUNTIME/belay/ID.sock, packets of frame.h.
 *
 * Who may speak on it: the same user (and root), by SO_PEERCRED; the folder has mode 0700 and is
 * not in the jail. What may be said: the CLIENT rows of message.def. A client that breaks the
 * protocol, or does not read its answers, is dropped.
 */
#ifndef BELAY_KEEPER_CONTROL_H
#define BELAY_KEEPER_CONTROL_H

#include "base/frame.h"

#include <event2/event.h>
#include <sys/types.h>

#define CONTROL_CLIENTS_MAX 32

struct control;
struct control_client;

/* Called for each permitted frame; answers go through control_reply. `uid` is the peer's. */
typedef void control_handler(void *arg, struct control_client *c, struct frame_in *f, uid_t uid);

/* The folder for sockets: $XDG_RUNTIME_DIR/belay, else /run/user/UID/belay, else a folder of the
 * user's own in /tmp. Made (0700) if `make`; one that is not the user's own is refused. */
bool control_folder(struct buf *path, bool make, struct err *e);

struct control *control_open(struct event_base *base, const char *path, control_handler *handler,
                             void *arg, struct err *e);
/* Closes all clients and removes the socket. NULL is harmless. */
void control_close(struct control *c);

/* A client that is answered later: by number, for it may be gone by then. */
uint64_t control_client_number(const struct control_client *c);
struct control_client *control_client_find(struct control *k, uint64_t number);

/* Sends one frame to the client; one that cannot take it is dropped later. */
void control_reply(struct control_client *c, struct frame_out *f);

#endif
