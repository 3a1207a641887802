/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pager.h - long text on a terminal goes through $PAGER (else less), as git's does.
 */
#ifndef BELAY_CLI_PAGER_H
#define BELAY_CLI_PAGER_H

#include "base/text.h"

#include <sys/types.h>

struct pager {
    pid_t pid; /* 0: none, standard output itself */
    int fd;
};

/* `wanted` and standard output a terminal: starts one. Without one it goes on as it is. */
void pager_start(struct pager *p, bool wanted);
/* False: nobody reads any more. */
bool pager_write(struct pager *p, struct str text);
/* Waits until the person has read. */
void pager_end(struct pager *p);

#endif
