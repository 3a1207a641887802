/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c - may another policy take over in a running session? */
#include "policy/plan.h"

#include <string.h>

static bool new_trap(const struct plan *running, const struct plan *next, struct err *e)
{
    static const struct {
        unsigned trap;
        const char *what;
    } traps[] = {
        {PLAN_TRAP_WRITE, "changes of files to be judged"},
        {PLAN_TRAP_READ, "reads of files to be judged"},
        {PLAN_TRAP_CONNECT, "path sockets to be judged"},
    };

    for (size_t i = 0; i < ARRAY_LEN(traps); i++)
        if ((next->traps & ~running->traps & traps[i].trap) != 0)
            return !err_set(e, EX_POLICY, "it needs %s, and this session was started without that",
                            traps[i].what);
    if (next->verify_exec && !running->verify_exec)
        return !err_set(e, EX_POLICY,
                        "it looks at programs, and this session was started without that");
    if (next->verify_env && !running->verify_env)
        return !err_set(e, EX_POLICY,
                        "it looks at the variables of programs, and this session was started "
                        "without that");
    if (next->measure && !running->measure)
        return !err_set(e, EX_POLICY,
                        "it looks at hashes of programs, and this session was started without "
                        "that");
    if (next->undo && !running->undo)
        return !err_set(e, EX_POLICY,
                        "it asks for copies of what is changed (@undo), and this session was "
                        "started without that");
    if (next->gate && !running->gate)
        return !err_set(e, EX_POLICY,
                        "it opens the network, and this session was started without a gate");
    if (next->opens && !running->opens)
        return !err_set(e, EX_POLICY,
                        "it looks into connections, and this session was started without "
                        "certificates for that");
    return false;
}

static bool new_port(const struct plan *running, const struct plan *next, struct err *e)
{
    for (size_t i = 0; i < next->nports; i++) {
        bool known = false;

        for (size_t k = 0; k < running->nports && !known; k++)
            known = running->ports[k] == next->ports[i];
        if (!known)
            return !err_set(e, EX_POLICY,
                            "it names port %u of the host's loopback, which this session was "
                            "started without",
                            next->ports[i]);
    }
    return false;
}

/* Reading is settled by mounts, which stand: less can be shown only where reads are trapped. */
static bool less_shown(const struct plan *running, const struct plan *next, const char *path,
                       struct err *e)
{
    enum plan_access was = plan_access_of(running, path), will = plan_access_of(next, path);

    if (was == PLAN_HIDE || will != PLAN_HIDE || (running->traps & PLAN_TRAP_READ) != 0)
        return false;
    return !err_set(e, EX_POLICY, "it hides %s, which this session was started with", path);
}

static bool less_written(const struct plan *running, const struct plan *next, const char *path,
                         struct err *e)
{
    if (plan_access_of(running, path) != PLAN_WRITE || plan_access_of(next, path) == PLAN_WRITE ||
        (running->traps & PLAN_TRAP_WRITE) != 0)
        return false;
    return !err_set(e, EX_POLICY, "it makes %s read-only, and this session does not judge writes",
                    path);
}

/* That a rule goes unheld is in the record from the start, or not at all. */
static bool new_unheld(const struct plan *running, const struct plan *next, struct err *e)
{
    for (size_t i = 0; i < next->nunheld; i++) {
        bool known = false;

        for (size_t k = 0; k < running->nunheld && !known; k++)
            known = strcmp(running->unheld[k].rule, next->unheld[i].rule) == 0;
        if (!known)
            return !err_set(e, EX_POLICY, "rule %s cannot be enforced here: %s",
                            next->unheld[i].rule, next->unheld[i].why);
    }
    return false;
}

bool plan_can_follow(const struct plan *running, const struct plan *next, struct err *e)
{
    if (new_trap(running, next, e) || new_port(running, next, e) || new_unheld(running, next, e))
        return false;
    for (size_t i = 0; i < running->nmounts + next->nmounts; i++) {
        const char *path = i < running->nmounts ? running->mounts[i].path
                                                : next->mounts[i - running->nmounts].path;

        if (less_shown(running, next, path, e) || less_written(running, next, path, e))
            return false;
    }
    return true;
}
