/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    bool freezes;
} whats[] = {
#define X(sym, name, freezes) {name, freezes},
    WATCH_FINDINGS(X)
#undef X
};

const char *watch_what_name(enum watch_what w)
{
    return whats[w].name;
}

bool watch_what_freezes(enum watch_what w)
{
    return whats[w].freezes;
}

static void window_init(struct watch_window *w, int64_t limit, int64_t length_ms)
{
    assert(limit >= 0 && length_ms >= WATCH_SLICES && length_ms <= WATCH_QUIET_MAX);
    *w = (struct watch_window){.limit = limit, .length_ms = length_ms, .slice = -1};
}

void watch_init(struct watch *w, const struct watch_settings *s)
{
    memset(w, 0, sizeof(*w));
    w->settings = *s;
    window_init(&w->denials, s->denials, s->denials_ms);
    window_init(&w->execs, s->execs, s->execs_ms);
}

static int64_t window_sum(const struct watch_window *w)
{
    int64_t sum = 0;

    for (int i = 0; i < WATCH_SLICES; i++)
        sum += w->count[i];
    return sum;
}

/* Moves on to the slice of `now`; what lies a window back is forgotten. */
static void window_advance(struct watch_window *w, int64_t now_ms)
{
    int64_t slice = now_ms * WATCH_SLICES / w->length_ms;

    if (w->slice < 0) {
        w->slice = w->started = slice;
        return;
    }
    if (slice <= w->slice)
        return;
    /* A window that is over without a finding is what was usual. */
    int64_t sum = window_sum(w);
    if (sum > w->usual && slice - w->started >= WATCH_SLICES)
        w->usual = sum;
    int64_t steps = slice - w->slice < WATCH_SLICES ? slice - w->slice : WATCH_SLICES;
    for (int64_t i = 1; i <= steps; i++)
        w->count[(w->slice + i) % WATCH_SLICES] = 0;
    if (steps == WATCH_SLICES)
        memset(w->count, 0, sizeof(w->count));
    w->slice = slice;
}

/* Counts one; true when the limit is reached, and the window then starts anew. */
static bool window_hit(struct watch_window *w, int64_t now_ms, int64_t *count, int64_t *usual)
{
    if (w->limit == 0)
        return false;
    window_advance(w, now_ms);
    w->count[w->slice % WATCH_SLICES]++;
    *count = window_sum(w);
    *usual = w->usual;
    if (*count < w->limit)
        return false;
    window_init(w, w->limit, w->length_ms);
    w->usual = *usual;
    return true;
}

__attribute__((format(printf, 5, 6))) static bool found(struct watch_finding *f,
                                                        enum watch_what what, int64_t count,
                                                        int64_t limit, const char *fmt, ...)
{
    va_list ap;

    *f = (struct watch_finding){.what = what, .count = count, .limit = limit};
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
    return true;
}

/* What was usual until now: how a person tells a bomb from hard work. */
static void say_before(char *text, size_t size, int64_t usual)
{
    if (usual > 0)
        (void)snprintf(text, size, "until now there were at most %lld", (long long)usual);
    else
        (void)snprintf(text, size, "this came in its first moments");
}

static bool burst(struct watch_finding *f, enum watch_what what, const struct watch_window *w,
                  int64_t count, int64_t usual, const char *did)
{
    char before[64];

    say_before(before, sizeof(before), usual);
    return found(f, what, count, w->limit, "%lld %s within %lld s, where %lld is the limit; %s",
                 (long long)count, did, (long long)(w->length_ms / 1000), (long long)w->limit,
                 before);
}

/* The place for this thing: its own, a free one, or that of the oldest. */
static struct watch_repeat *repeat_of(struct watch *w, int64_t now_ms, uint64_t thing)
{
    struct watch_repeat *oldest = &w->repeats[0];

    for (int i = 0; i < WATCH_REPEATS; i++) {
        struct watch_repeat *r = &w->repeats[i];

        if (r->thing == thing && now_ms - r->since < WATCH_RETRY_MS)
            return r;
        if (r->thing == 0 || (oldest->thing != 0 && r->since < oldest->since))
            oldest = r;
    }
    *oldest = (struct watch_repeat){.thing = thing, .since = now_ms};
    return oldest;
}

bool watch_denied(struct watch *w, int64_t now_ms, uint64_t thing, struct watch_finding *f)
{
    int64_t count, usual;

    f->what = WATCH_NOTHING;
    if (window_hit(&w->denials, now_ms, &count, &usual))
        return burst(f, WATCH_DENIALS, &w->denials, count, usual, "actions were denied");
    if (w->denials.limit == 0 || thing == 0)
        return false;
    struct watch_repeat *r = repeat_of(w, now_ms, thing);
    if (++r->count != WATCH_RETRIES)
        return false;
    return found(f, WATCH_REPEATED, WATCH_RETRIES, WATCH_RETRIES,
                 "the same denied action was tried %d times within %lld s", WATCH_RETRIES,
                 (long long)(now_ms - r->since + 999) / 1000);
}

bool watch_exec(struct watch *w, int64_t now_ms, struct watch_finding *f)
{
    int64_t count, usual;

    f->what = WATCH_NOTHING;
    return window_hit(&w->execs, now_ms, &count, &usual) &&
           burst(f, WATCH_EXECS, &w->execs, count, usual, "programs were started");
}

bool watch_processes(struct watch *w, int64_t count, struct watch_finding *f)
{
    int64_t peak = w->processes_peak;
    char before[64];

    f->what = WATCH_NOTHING;
    if (w->settings.processes == 0 || count < w->settings.processes) {
        if (count > peak)
            w->processes_peak = count;
        return false;
    }
    say_before(before, sizeof(before), peak);
    return found(f, WATCH_PROCESSES, count, w->settings.processes,
                 "%lld processes at once, where %lld is the limit; %s", (long long)count,
                 (long long)w->settings.processes, before);
}
