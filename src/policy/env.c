/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/env.h"

#include "base/mem.h"

#include <string.h>

bool env_matches(const char *name, const char *pattern)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return strncmp(name, pattern, n - 1) == 0;
    return strcmp(name, pattern) == 0;
}

bool env_passes_by_default(const char *name)
{
    static const char *const pass[] = {
#define PASS(pattern) pattern,
#include "policy/env.def"
#undef PASS
    };

    for (size_t i = 0; i < ARRAY_LEN(pass); i++)
        if (env_matches(name, pass[i]))
            return true;
    return false;
}

bool env_changes_programs(const char *name)
{
    static const char *const changes[] = {
#define CHANGES(pattern) pattern,
#include "policy/env.def"
#undef CHANGES
    };

    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (env_matches(name, changes[i]))
            return true;
    return false;
}
