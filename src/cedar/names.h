/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - references to the table of interned names, for the objects that hold one.
 */
#ifndef CEDAR_NAMES_H
#define CEDAR_NAMES_H

#include "arena.h"

/* Takes a reference; cedar_names_free() gives it back. */
struct cedar_names *cedar_names_hold(struct cedar_names *names);
/* How many names there are; valid names are 1..count. */
uint32_t cedar_names_count(const struct cedar_names *names);
/* The allocator that the table was made with. */
const struct cedar_allocator *cedar_names_allocator(const struct cedar_names *names);

/* cedar_intern() that tells no memory from too many names. */
enum cedar_status cedar_intern_or_fail(struct cedar_names *names, struct cedar_str text,
                                       cedar_name *out, struct cedar_error *err);

#endif
