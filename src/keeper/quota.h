/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h - what a session may use, watched by the keeper: limits.memory, cpu, written and time.
 *
 * Sampled four times a second. Going over is an event in the record, an alert, and, by the
 * settings, the agent frozen (the default), ended (limits.kill) or slowed down (limits.throttle). A
 * person who lets it go on gives it the same again of what is used up; memory is only said again
 * once it was below the limit. Hitting what the kernel refuses by itself (limits.processes, files)
 * is told once.
 */
#ifndef BELAY_KEEPER_QUOTA_H
#define BELAY_KEEPER_QUOTA_H

#include "base/err.h"
#include "jail/usage.h"
#include "policy/settings.h"

enum quota {
    QUOTA_MEMORY,
    QUOTA_CPU,
    QUOTA_WRITTEN,
    QUOTA_TIME,
    QUOTA_PROCESSES,
    QUOTA_FILES,
    QUOTA_COUNT
};
enum quota_verdict { QUOTA_TELL, QUOTA_SLOW, QUOTA_FREEZE, QUOTA_KILL };

struct quotas {
    int64_t limit[QUOTA_COUNT]; /* 0: none; grows when a person lets the agent go on */
    int64_t step[QUOTA_COUNT];  /* as set */
    bool over[QUOTA_COUNT];
    enum quota_verdict verdict[QUOTA_COUNT];
    struct usage usage;
};

struct quota_finding {
    enum quota what;
    enum quota_verdict verdict;
    int64_t used;
    char text[256]; /* one line: which limit, how much, what follows, how to raise it */
};

/* False: *e names a word in limits.kill or limits.throttle that is no limit. */
bool quotas_start(struct quotas *q, const struct settings *s, struct err *e);
/* Is there anything to look at? */
bool quotas_any(const struct quotas *q);
/* Compares what is used (usage, and `ms` since the start) with the limits. The next finding, or
 * false. */
bool quotas_check(struct quotas *q, int64_t ms, struct quota_finding *f);

#endif
