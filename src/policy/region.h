/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.h - what the policy says of a whole part of the file system, not of one file.
 *
 * The Dir and File literals of a policy, the workspace, the home and the repository cut the
 * file system into regions. Within one, a condition that looks at nothing but folders gives
 * the same answer everywhere: one sample settles it. A condition that looks at more (a
 * pattern, the operation, a label) is open, unless one of its conjuncts is about folders
 * alone and already false.
 */
#ifndef BELAY_POLICY_REGION_H
#define BELAY_POLICY_REGION_H

#include "policy/internal.h"

enum said {
    SAID_NO,   /* denied everywhere in the region */
    SAID_YES,  /* allowed everywhere, without asking */
    SAID_OPEN, /* must be judged one by one */
};

struct surveyor; /* opaque: the policy, the session, scratch and what is known of each rule */

struct surveyor *surveyor_new(const struct policy *p, const struct session *s);
void surveyor_free(struct surveyor *v);

/* What the policy says to `verb` on one sample of a region: a path that no rule names. */
enum said surveyor_says(struct surveyor *v, enum verb verb, enum resource_kind kind,
                        struct str sample);

/* The decision on one sample as it stands; port -1: none. */
enum outcome surveyor_decides(struct surveyor *v, enum verb verb, enum resource_kind kind,
                              struct str sample, int64_t port);

/* Can rule i apply to this verb and kind of resource at all? */
bool surveyor_concerns(struct surveyor *v, size_t rule, enum verb verb, enum resource_kind kind);
/* Does rule i look at folders alone? */
bool surveyor_folders_only(const struct surveyor *v, size_t rule);
/* The part of a pattern (as in Cedar text) before its first wildcard or escape, if that is the
 * start of a path; else empty. */
struct str pattern_start(struct str pattern);
/* Does its scope narrow the resource? */
bool surveyor_names_resource(const struct surveyor *v, size_t rule);

/* A host that this rule on requests or inference is about, and that is let through unread; empty:
 * there is none. See gaps.c. */
struct str gap_of(struct surveyor *v, const struct policy *p, const struct session *s, size_t rule);

struct plan;
/* Bits of enum plan_where: who holds rule i under this plan; 0: nobody. */
unsigned where_of(struct surveyor *v, const struct plan *plan, size_t rule);

#endif
