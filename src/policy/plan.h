/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - lowering: what of a policy this host's kernel can hold alone, and what kern and
 * the gate must judge.
 *
 * The kernel layer (mounts and Landlock) is a coarse upper bound. It may be wider than the
 * policy only where a trap hands the difference to kern: PLAN_TRAP_WRITE for writes,
 * PLAN_TRAP_READ for reads, PLAN_TRAP_CONNECT for path sockets. A rule that nothing here
 * can hold is an error that names it.
 *
 * Method: Dir and File literals cut the file system into regions. For each region every
 * rule is known to hold, known not to hold, or open (it looks at more than folders). What is
 * settled goes into mounts; what is open is trapped.
 */
#ifndef BELAY_POLICY_PLAN_H
#define BELAY_POLICY_PLAN_H

#include "base/mem.h"
#include "policy/policy.h"

enum plan_access { PLAN_HIDE, PLAN_READ, PLAN_WRITE };

/* Parents come before children; a child overrides. What no entry covers is not in the jail. */
struct plan_mount {
    const char *path;        /* canonical; exists on the host unless fresh */
    enum plan_access access; /* HIDE: an empty, unwritable thing of the same kind covers it */
    bool fresh;              /* the jail's own (/tmp /dev /proc /run), never the host's */
    bool directory;
};

enum plan_trap { PLAN_TRAP_WRITE = 1, PLAN_TRAP_READ = 2, PLAN_TRAP_CONNECT = 4 };

struct plan {
    struct plan_mount *mounts;
    size_t nmounts;
    unsigned traps;   /* bits of enum plan_trap; execs are always trapped */
    bool verify_exec; /* a rule looks at program or arguments: kern verifies after exec */
    bool verify_env;  /* a rule looks at context.env: kern reads variables and verifies them */
    bool undo;        /* a rule has @undo: kern takes copies */
    bool measure;     /* a rule looks at context.sha256 or script_sha256: kern hashes what runs */
    bool gate;        /* some permit allows sending: the gate is needed */
    bool opens;       /* ... and to look inside: some permit is about requests or inference */
    /*
     * Paths that a rule hides although what is around them can be read, and that do not exist
     * now: nothing can cover them. The agent cannot make them; what others make there later
     * can be read.
     */
    const char **late;
    size_t nlate;
    /* Rules that nothing here holds, and that may go unheld all the same: see plan_host. */
    struct plan_unheld {
        const char *rule, *why;
    } *unheld;
    size_t nunheld;
    uint16_t *ports; /* loopback ports of the host that the agent may reach: those named */
    size_t nports;
    struct arena arena; /* owns everything above */
};

/* What the plan must know of the host: made by plan_host_probe(), or by hand in tests. */
struct plan_host {
    const char *const *tops; /* entries of "/" that are directories or links: "/usr", "/bin" */
    size_t ntops;
    /* Does this path exist, and is it a directory? */
    bool (*exists)(void *ctx, const char *path, bool *directory);
    void *ctx;
    /* Ids of rules without which a run may start (minimum.allow_unenforced of belay.yaml). */
    const char *const *may_go_unheld;
    size_t nmay_go_unheld;
};

/* Fills *h from the file system; strings live in the arena. */
bool plan_host_probe(struct plan_host *h, struct arena *a, struct err *e);

/* False: *e names the rule that cannot be held and why, unless that rule may go unheld. Release with plan_release. */
bool policy_plan(const struct policy *p, const struct session *s, const struct plan_host *host,
                 struct plan *plan, struct err *e);
void plan_release(struct plan *plan);

/* The access that the plan's mounts give to a path. */
enum plan_access plan_access_of(const struct plan *plan, const char *path);

/*
 * Can a session that was started with the plan `running` go on under a policy whose plan is `next`?
 * Its mounts and filters stay as they are, so: no new trap, no new verification, no new port, no
 * gate where there was none, and nothing hidden from reading that is visible now. False: *e says
 * what needs a new session. What `next` would show and `running` does not stays hidden.
 */
bool plan_can_follow(const struct plan *running, const struct plan *next, struct err *e);

enum plan_where { WHERE_KERNEL = 1, WHERE_KERN = 2, WHERE_GATE = 4 };

struct plan_rule {
    size_t rule;      /* for policy_rule() */
    unsigned where;   /* bits of enum plan_where */
    const char *cost; /* in words; static */
};
/* Who enforces each rule here. Allocated in the plan's arena; policy_rules() entries. */
struct plan_rule *policy_where(const struct policy *p, const struct session *s, struct plan *plan);

#endif
