/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - notices when a session behaves as none should: bursts of denied actions, of
 * programs, of processes, and one denied thing tried again and again.
 *
 * Pure functions over counters: no I/O, no clock (the caller gives the time), no allocation,
 * and no bytes of the agent's; things are told apart by a number that the caller makes. A
 * finding may only tighten: freeze the agent, or tell people. It explains itself.
 *
 * Counting: a window is cut into WATCH_SLICES slices of equal length; what fell out of it is
 * forgotten a slice at a time, so a count covers at least 15/16 of the window and never more
 * than it. Defaults (settings.def) lie far above a build (25 programs in a second) and above
 * an installation that is refused a handful of things.
 */
#ifndef BELAY_WATCH_WATCH_H
#define BELAY_WATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_SLICES    16
#define WATCH_TEXT_MAX  256
#define WATCH_RETRIES   10      /* the same denied thing so often within ... */
#define WATCH_RETRY_MS  60000   /* ... this time is told to people, once */
#define WATCH_REPEATS   64      /* denied things remembered for that */
#define WATCH_QUIET_MAX 3600000 /* a window is at most an hour */

/* Limits; a count of 0 switches that one off. */
struct watch_settings {
    int64_t denials, denials_ms;
    int64_t execs, execs_ms;
    int64_t processes;
};

/* FINDING(symbol, name, freezes) */
#define WATCH_FINDINGS(X)           \
    X(NOTHING, "nothing", false)    \
    X(DENIALS, "denials", true)     \
    X(EXECS, "programs", true)      \
    X(PROCESSES, "processes", true) \
    X(REPEATED, "repeated", false)

enum watch_what {
#define X(sym, name, freezes) WATCH_##sym,
    WATCH_FINDINGS(X)
#undef X
};

struct watch_finding {
    enum watch_what what;
    int64_t count, limit;
    char text[WATCH_TEXT_MAX]; /* one printable line: what, how many, in which time, the usual */
};

const char *watch_what_name(enum watch_what w);
bool watch_what_freezes(enum watch_what w);

struct watch_window {
    int64_t limit, length_ms;
    int64_t slice; /* number of the newest slice */
    uint32_t count[WATCH_SLICES];
    int64_t usual;   /* most that a window has held before the one that is full now */
    int64_t started; /* first slice ever used */
};

struct watch_repeat {
    uint64_t thing; /* 0: free */
    int64_t since;  /* ms */
    uint32_t count;
};

struct watch {
    struct watch_settings settings;
    struct watch_window denials, execs;
    struct watch_repeat repeats[WATCH_REPEATS];
    int64_t processes_peak;
};

void watch_init(struct watch *w, const struct watch_settings *settings);

/* Each says whether it found something and fills *f. `now_ms` never runs backwards. After a
 * finding that freezes, that counter starts anew. */
bool watch_denied(struct watch *w, int64_t now_ms, uint64_t thing, struct watch_finding *f);
bool watch_exec(struct watch *w, int64_t now_ms, struct watch_finding *f);
bool watch_processes(struct watch *w, int64_t count, struct watch_finding *f);

#endif
