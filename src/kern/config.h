/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - kern's side of CONFIG: see kern.h for the keeper's.
 */
#ifndef BELAY_KERN_CONFIG_H
#define BELAY_KERN_CONFIG_H

#include "kern/kern.h"

/* Waits for CONFIG on `sock`; the descriptors become the caller's. False with *e. */
bool kern_config_recv(int sock, struct kern_config *c, struct err *e);
void kern_config_close(struct kern_config *c);

#endif
