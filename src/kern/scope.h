/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.h - what the agent may see and change at all, where no mounts say so (tier B).
 *
 * Landlock is an upper bound that cannot be narrowed again further down a path, and it does not
 * bind kern in the same way; so kern compares each thing that it would open, change or connect to
 * for the agent with the plan, before it asks the judge. In tier A the scope is empty, and allows
 * all: there the mounts have decided.
 */
#ifndef BELAY_KERN_SCOPE_H
#define BELAY_KERN_SCOPE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum scope_access { SCOPE_HIDDEN, SCOPE_READ, SCOPE_CHANGE };

struct scope_entry {
    const char *path;
    size_t n;
    enum scope_access access;
};

struct scope {
    char *text;
    struct scope_entry *entries; /* parents before children */
    size_t n;
};

/* Reads a memfd of jail/host.h. False: *e; nothing is held. */
bool scope_load(struct scope *s, int fd, struct err *e);
void scope_release(struct scope *s);

/* What the nearest entry at or above a canonical path says; HIDDEN when there is none. */
enum scope_access scope_of(const struct scope *s, const char *path);
/* May a thing of that path be used so? Always true of an empty scope. */
bool scope_allows(const struct scope *s, const char *path, enum scope_access wanted);
/*
 * Are both below the same entry, as on one mount? What is moved or linked from one to another would get
 * the rights of its new place without having had them: a socket in a cache is spoken to by nobody, one in
 * the workspace is. Mounts refuse that with EXDEV, and so does kern. Always true of an empty scope.
 */
bool scope_joins(const struct scope *s, const char *path, const char *other);

#endif
