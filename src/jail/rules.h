/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - the agent's Landlock domain, consistent with the jail's mounts.
 */
#ifndef BELAY_JAIL_RULES_H
#define BELAY_JAIL_RULES_H

#include "base/err.h"
#include "jail/tree.h"

/* Inside the new root, with no_new_privs. `abi` > 0. */
bool rules_enter(const struct tree *t, int abi, struct err *e);

struct host;
struct jail_plan;

/* What may be read in tier B; the paths are the tree's and the struct's own. Found before any
 * domain is entered, as listing folders takes rights. */
struct rules_names {
    struct arena mem;
    const char **list;
    size_t n, size;
    bool leave_hidden; /* something is hidden where Landlock cannot hide it, below a folder that can
                          be written or among too many names: opens must be trapped */
};
void rules_find_names(const struct tree *t, struct rules_names *x);
void rules_names_release(struct rules_names *x);

/* Tier B, where the host's root is the agent's: what is not said may not be opened. Landlock
 * cannot take back below a folder what it gives there: around what is hidden in a folder that is
 * only read, every other name is given instead (the folder itself cannot be listed then); else a
 * stricter place inside a wider one is the supervisor's to hold. */
enum rules_for {
    RULES_ANCESTOR, /* the supervisor's domain, around the agent's: besides, /proc, and what it is
                       itself made of */
    RULES_AGENT     /* with TRAP_READ without /proc: the supervisor opens what is the agent's own */
};
bool rules_enter_host(const struct host *h, const struct jail_plan *plan, enum rules_for who,
                      struct err *e);

#endif
