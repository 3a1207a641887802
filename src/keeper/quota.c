/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/quota.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *unit;
    bool set_verdict; /* may stand in limits.kill and limits.throttle */
    bool rises;       /* never falls by itself */
} quotas[QUOTA_COUNT] = {
    [QUOTA_MEMORY] = {"memory", "bytes", true, false},
    [QUOTA_CPU] = {"cpu", "s of CPU time", true, true},
    [QUOTA_WRITTEN] = {"written", "bytes written", true, true},
    [QUOTA_TIME] = {"time", "s", true, true},
    [QUOTA_PROCESSES] = {"processes", "processes", false, false},
    [QUOTA_FILES] = {"files", "open files in one process", false, false},
};

static bool set_verdicts(struct quotas *q, const struct settings_list *list, const char *key,
                         enum quota_verdict verdict, struct err *e)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t what = 0;

        while (what < QUOTA_COUNT &&
               (!quotas[what].set_verdict || strcmp(quotas[what].name, list->item[i]) != 0))
            what++;
        if (what == QUOTA_COUNT)
            return err_set(e, EX_POLICY, "%s: \"%s\" is none of memory, cpu, written, time", key,
                           list->item[i]);
        q->verdict[what] = verdict;
    }
    return true;
}

bool quotas_start(struct quotas *q, const struct settings *s, struct err *e)
{
    *q = (struct quotas){.limit = {[QUOTA_MEMORY] = s->limit_memory,
                                   [QUOTA_CPU] = s->limit_cpu,
                                   [QUOTA_WRITTEN] = s->limit_written,
                                   [QUOTA_TIME] = s->limit_time,
                                   [QUOTA_PROCESSES] = s->limit_processes,
                                   [QUOTA_FILES] = s->limit_files}};
    memcpy(q->step, q->limit, sizeof(q->step));
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        q->verdict[i] = quotas[i].set_verdict ? QUOTA_FREEZE : QUOTA_TELL;
    return set_verdicts(q, &s->limit_slow, "limits.throttle", QUOTA_SLOW, e) &&
           set_verdicts(q, &s->limit_kill, "limits.kill", QUOTA_KILL, e);
}

bool quotas_any(const struct quotas *q)
{
    return q->limit[QUOTA_MEMORY] != 0 || q->limit[QUOTA_CPU] != 0 ||
           q->limit[QUOTA_WRITTEN] != 0 || q->limit[QUOTA_TIME] != 0;
}

static int64_t used_of(const struct quotas *q, size_t what, int64_t ms)
{
    switch ((enum quota)what) {
    case QUOTA_MEMORY:
        return q->usage.memory;
    case QUOTA_CPU:
        return q->usage.cpu_ms / 1000;
    case QUOTA_WRITTEN:
        return q->usage.written_bytes;
    case QUOTA_TIME:
        return ms / 1000;
    case QUOTA_PROCESSES:
        return q->usage.processes;
    case QUOTA_FILES:
        return q->usage.files;
    case QUOTA_COUNT:
        break;
    }
    return 0;
}

static void describe(const struct quotas *q, struct quota_finding *f)
{
    static const char *const follows[] = {
        [QUOTA_TELL] = "more is refused",
        [QUOTA_SLOW] = "slowed down",
        [QUOTA_FREEZE] = "frozen; to go on gives as much again",
        [QUOTA_KILL] = "ended",
    };

    (void)snprintf(f->text, sizeof(f->text),
                   "over limits.%s: %lld %s, %lld allowed; %s; raise limits.%s in belay.yaml",
                   quotas[f->what].name, (long long)f->used, quotas[f->what].unit,
                   (long long)q->limit[f->what], follows[f->verdict], quotas[f->what].name);
}

bool quotas_check(struct quotas *q, int64_t ms, struct quota_finding *f)
{
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        int64_t used = used_of(q, i, ms);
        bool over = q->limit[i] != 0 && used >= q->limit[i], was = q->over[i];

        q->over[i] = over && !quotas[i].rises;
        if (!over || was)
            continue;
        *f = (struct quota_finding){.what = (enum quota)i, .verdict = q->verdict[i], .used = used};
        describe(q, f);
        if (quotas[i].rises)
            q->limit[i] = used + q->step[i];
        return true;
    }
    return false;
}
