/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/settings.h"

#include "policy/env.h"

#include <string.h>

void settings_free(struct settings *s)
{
    arena_release(&s->arena);
    memset(s, 0, sizeof(*s));
}

const char *settings_credential_header(const struct settings_credential *c)
{
    return c->header != NULL ? c->header : "authorization";
}

const char *settings_credential_format(const struct settings_credential *c)
{
    if (c->format != NULL)
        return c->format;
    return strcmp(settings_credential_header(c), "authorization") == 0 ? "Bearer %s" : "%s";
}

const char *settings_credential_env(const struct settings_credential *c)
{
    return c->env != NULL ? c->env : c->from_env;
}

static bool listed(const struct settings_list *list, const char *name, bool exactly)
{
    for (size_t i = 0; i < list->n; i++)
        if (exactly ? strcmp(name, list->item[i]) == 0 : env_matches(name, list->item[i]))
            return true;
    return false;
}

static bool is_same(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static bool is_credential(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->ncredentials; i++)
        if (is_same(s->credentials[i].from_env, name) || is_same(s->credentials[i].env, name))
            return true;
    return false;
}

bool settings_env_passes(const struct settings *s, const char *name)
{
    if (listed(&s->env_block, name, false) || is_credential(s, name))
        return false;
    if (env_changes_programs(name))
        return listed(&s->env_pass, name, true);
    return env_passes_by_default(name) || listed(&s->env_pass, name, false);
}
