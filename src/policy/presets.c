/* SPDX-License-Identifier: Apache-2.0 */
/* presets.c - the policies that come with belay, by name. */
#include "base/mem.h"
#include "policy/embedded.h"
#include "policy/policy.h"

#include <string.h>

static const struct preset {
    const char *name;
    const struct str *text;
} presets[] = {
    {"coding", &embedded_coding},
    {"readonly", &embedded_readonly},
    {"offline", &embedded_offline},
    {"egress", &embedded_egress},
};

struct str policy_preset(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return *presets[i].text;
    return (struct str){NULL, 0};
}

const char *policy_preset_name(size_t i)
{
    return i < ARRAY_LEN(presets) ? presets[i].name : NULL;
}

struct str policy_schema(void)
{
    return embedded_schema;
}
