/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary.h - decoys: files that look like secrets, made for one session.
 *
 * The setting `canaries` names them as KIND:PATH. The jail shows them where the policy hides the
 * real thing, or over it; nothing is made on the host. Each holds values drawn for this session,
 * which are good for nothing: their opening (kern watches it), and their values anywhere in what is
 * sent (the gate is told them), mean that something in the session looks for secrets.
 */
#ifndef BELAY_KEEPER_CANARY_H
#define BELAY_KEEPER_CANARY_H

#include "base/err.h"
#include "jail/jail.h"
#include "policy/settings.h"

#define CANARIES_MAX      32
#define CANARY_TOKENS_MAX 64 /* of all together */

struct canaries {
    struct jail_file file[CANARIES_MAX];
    const char *path[CANARIES_MAX]; /* the same paths, for kern */
    size_t n;
    const char *token[CANARY_TOKENS_MAX];
    size_t ntokens;
};

/* Makes those of the settings; "~/" is the home, "./" the workspace. Everything lives in the arena.
 * False: *e names a setting that says nothing. */
bool canaries_make(struct canaries *c, const struct settings *s, const char *home,
                   const char *workspace, struct arena *a, struct err *e);

#endif
