/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attacks of the escape suite: small programs that try one thing each. `attack NAME [ARGS]`
 * ends with 0 if the attack had its effect, so the tests can run it without belay, where it must,
 * and with belay, where it must not.
 *
 * Every attack aims at what the test made: its files, its processes, namespaces of its own.
 * What could hurt the machine stops one step before (a device or a setting is opened for
 * writing, and nothing is written).
 */
#ifndef REDTEAM_ATTACK_H
#define REDTEAM_ATTACK_H

#include <stdbool.h>

enum {
    EFFECT = 0,
    REFUSED = 1,      /* errno says how */
    MISUSED = 2,      /* no such attack, or arguments missing */
    UNAVAILABLE = 77, /* this kernel or user cannot do it, belay or not */
};

struct attack {
    const char *name;
    int needs; /* arguments */
    int (*run)(char **args);
};

/* Each ends with a name of NULL. */
extern const struct attack kernel_attacks[], namespace_attacks[], process_attacks[], file_attacks[],
    socket_attacks[], race_attacks[];

/* EFFECT if `ok`, else REFUSED. */
int effect_if(bool ok);

/* For what a kernel may not have, or gives to root alone: without belay that is UNAVAILABLE. */
int effect_if_known(bool ok);

#endif
