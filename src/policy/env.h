/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.h - what belay knows of environment variables: see env.def.
 */
#ifndef BELAY_POLICY_ENV_H
#define BELAY_POLICY_ENV_H

#include <stdbool.h>

/* "NAME" or "PREFIX*"; the first matches in full, the second what begins with PREFIX. */
bool env_matches(const char *name, const char *pattern);
bool env_passes_by_default(const char *name);
bool env_changes_programs(const char *name);

#endif
