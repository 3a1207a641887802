/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.h - what kind of thing an opened path led to, and who decides about it.
 *
 * Files, folders, FIFOs and sockets with a path are the policy's. Devices are the jail's: it
 * shows only harmless ones, and kern opens only those it knows. What has no name (a pipe, a
 * memfd, a file that was removed) the task holds already. On a procfs a task may write a few
 * things about itself; kern, which may look into every task, must not lend it more.
 */
#ifndef BELAY_KERN_OBJECT_H
#define BELAY_KERN_OBJECT_H

#include "kern/request.h"

enum object_class {
    OBJECT_JUDGED,  /* ask */
    OBJECT_FREE,    /* may be opened without asking */
    OBJECT_TTY,     /* /dev/tty: the task's own terminal, not kern's */
    OBJECT_REFUSED, /* EACCES */
};

enum object_class object_class(struct request *r, const struct place *p, bool write);
/* An O_PATH descriptor of the task's controlling terminal, or -errno. */
int object_tty(const struct request *r);

#endif
