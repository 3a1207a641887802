/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - the agent's seccomp filter: refuse.def, in tier B refuse_host.def, then traps.def,
 * then allow.
 */
#ifndef BELAY_JAIL_FILTER_H
#define BELAY_JAIL_FILTER_H

#include "base/err.h"
#include "jail/bpf.h"

/* `traps`: enum jail_traps. */
bool filter_make(unsigned traps, struct bpf_program *out, struct err *e);

/* One line of refuse.def, for tests and for `belay doctor`. */
struct filter_refusal {
    const char *group, *name;
    int error; /* errno that the agent gets */
    struct bpf_rule rule;
};

/* The table and its length; and what tier B refuses besides (refuse_host.def). */
const struct filter_refusal *filter_refusals(size_t *n);
const struct filter_refusal *filter_host_refusals(size_t *n);

#endif
