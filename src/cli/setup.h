/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup.h - what `belay run`, `belay policy` and `belay doctor` find out before they act:
 * who, where, under which policy and settings.
 *
 * Policy: --policy NAME-OR-FILE (repeated: all together), else CONFIG/belay/policy.cedar, else the
 * preset "coding". Settings: --config FILE, else CONFIG/belay/belay.yaml, else the defaults.
 * CONFIG is $XDG_CONFIG_HOME or ~/.config. A file that the agent could write is refused.
 */
#ifndef BELAY_CLI_SETUP_H
#define BELAY_CLI_SETUP_H

#include "policy/plan.h"
#include "policy/policy.h"
#include "policy/settings.h"

struct setup {
    /* in: zero, or what the options said */
    const char *policies[POLICY_TEXTS_MAX];
    size_t npolicies;
    const char *config, *workspace_option;
    const char *command; /* argv[0] of the agent, or NULL */

    /* out */
    struct arena arena;
    const char *home, *workspace, *cwd, *user;
    const char *policy_files[POLICY_TEXTS_MAX]; /* canonical paths of those that are files */
    size_t npolicy_files;
    const char *config_file; /* NULL: none */
    struct session session;
    struct settings settings;
    struct policy *policy;
    struct plan plan;
    bool planned;
};

/* The policy that holds when none is named: a file's path, or the preset's name. */
const char *setup_default_policy(struct arena *mem);

/* Who and where, settings and policy. */
bool setup_load(struct setup *s, struct err *e);
/* What a plan must know of this host and of the settings; strings live in the arena and *s. */
bool setup_probe(const struct setup *s, struct plan_host *host, struct arena *mem, struct err *e);
/* The plan for this host; refuses a policy or settings file that the plan lets the agent write. */
bool setup_plan(struct setup *s, struct err *e);
/* Does the plan show the agent this file of the host (canonical)? A rule on single files is not
 * looked at: true where only kern would refuse it. */
bool setup_agent_can_read(const struct setup *s, const char *path);
void setup_release(struct setup *s);

#endif
