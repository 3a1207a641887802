/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - G of tier B: see host.h.
 */
#ifndef BELAY_JAIL_GUARD_H
#define BELAY_JAIL_GUARD_H

#include "jail/init.h"

/* In the child of P: makes J, outlives it and whatever it leaves. Never returns. */
void guard_main(const struct start *s) __attribute__((noreturn));

#endif
