/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard.h - staged changes dropped.
 *
 * Of a session that has ended, the journal notes what was dropped, and it is seen no more. While it
 * runs, the agent must see the originals again, and an upper folder must not be changed under
 * a mounted overlay: so the originals are put back through the overlay itself, by a process
 * that has joined the jail's mounts. The session is frozen meanwhile.
 */
#ifndef BELAY_STAGE_DISCARD_H
#define BELAY_STAGE_DISCARD_H

#include "stage/transfer.h"

/* Notes the selected changes as dropped. `t` says which (t->paths), and gets the count. */
bool discard_ended(struct transfer *t, const struct changes *c, struct err *e);

/* In the jail of the process `agent`. `t` as for transfer_changes; its trees are set here. */
bool discard_running(struct transfer *t, const struct changes *c, pid_t agent, struct err *e);

#endif
