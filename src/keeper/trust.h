/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust.h - whom the programs in the jail believe: the host's authorities and the session's own.
 *
 * Where a policy opens connections, the gate makes an authority for the session (gate/ca.h). Its
 * certificate joins the host's in every place where programs look: the system's store, by files
 * that are seen in the jail alone, and the variables that runtimes read. What the user named in
 * such a variable joins too. The gate itself believes the host's, those, and what gate.trust names.
 */
#ifndef BELAY_KEEPER_TRUST_H
#define BELAY_KEEPER_TRUST_H

#include "base/mem.h"
#include "base/text.h"
#include "jail/jail.h"
#include "policy/settings.h"

#define TRUST_FILES_MAX 16

struct trust {
    struct jail_file files[TRUST_FILES_MAX]; /* for the jail */
    size_t nfiles;
    char **envp;           /* the agent's, with the variables set */
    struct buf pem;        /* what the agent believes: the host's, until the session's own joins */
    struct buf ca;         /* the session's own */
    struct buf java, node; /* what these two find in place of theirs */
};

/*
 * Asks the gate at `gate_sock` for the session's authority. Nothing is taken from below
 * `workspace`, where the agent can write. False: *e. In any case, trust_free() later.
 */
bool trust_begin(struct trust *t, int gate_sock, const struct settings *s, const char *workspace,
                 char *const *envp, struct err *e);
/* Waits for it, and fills the rest of *t; `envp` lives in the arena. */
bool trust_finish(struct trust *t, int gate_sock, const char *workspace, char *const *envp,
                  struct arena *a, struct err *e);
void trust_free(struct trust *t);

#endif
