/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what this host can enforce, found by doing it.
 *
 * Each check makes real jails (the command in them is never released) and tries the real
 * operation on them. Takes some 50 ms. Leaves nothing behind.
 */
#ifndef BELAY_JAIL_DOCTOR_H
#define BELAY_JAIL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

/* X(id, required, name): what is required must work, or no agent can be run in tier A. */
#define JAIL_PROBES(X)                           \
    X(NAMESPACES, true, "namespaces and mounts") \
    X(LANDLOCK, false, "Landlock")               \
    X(LISTENER, true, "supervised calls")        \
    X(KILLABLE, false, "unbroken questions")     \
    X(TRACE, false, "tracing from outside")      \
    X(GATE, true, "gate over IPv4")              \
    X(GATE6, false, "gate over IPv6")            \
    X(TERMINAL, true, "own terminal")            \
    X(CGROUP, false, "stop by cgroup")           \
    X(MEMORY, false, "limit of memory")          \
    X(OVERLAY, false, "overlay without root")    \
    X(HOST, false, "hold without namespaces")

/* What an agent in tier B lacks or sees, each in a few words; for doctor, record and start. */
const char *const *jail_tier_b_lacks(size_t *n);

enum jail_probe_id {
#define X(id, required, name) JAIL_PROBE_##id,
    JAIL_PROBES(X)
#undef X
        JAIL_PROBES_MAX
};

struct jail_probe {
    const char *name;
    bool required, ok;
    char detail[512]; /* what was found, or the reason and what is lost; one line */
};

/* Which tier an agent gets on a host with these findings: 'a', 'b', or 0 for none. */
char jail_probe_tier(const struct jail_probe *probes, size_t n);

/* Fills probes[id] for at most `max` ids; returns how many. */
size_t jail_probe(struct jail_probe *probes, size_t max);

#endif
