/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - belay.yaml: what is no authorization.
 *
 * Strict: an unknown key, a double key, a value of the wrong kind or out of range is an error
 * with file, line, column and, for a near miss, the key that was meant. Keys, defaults and
 * ranges: settings.def. Every pointer belongs to the struct; release with settings_free.
 */
#ifndef BELAY_POLICY_SETTINGS_H
#define BELAY_POLICY_SETTINGS_H

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#define SETTINGS_TEXT_MAX (256u << 10)
#define BUDGET_MAX        1000000000000 /* cents, or tokens */
#define BUDGET_RATE_MAX   10000

struct settings_list {
    const char **item;
    size_t n;
};

#define SETTINGS_CREDENTIALS_MAX 64
#define SETTINGS_PLACES_MAX      16 /* of one credential */

/* A credential that the agent uses and never holds. Texts that were not given are NULL. */
struct settings_credential {
    const char *name;
#define KIND_TEXT                                   const char *
#define KIND_LIST                                   struct settings_list
#define KIND_SWITCH                                 bool
#define CREDENTIAL(kind, field, key, item, meaning) KIND_##kind field;
#include "policy/settings.def"
#undef CREDENTIAL
#undef KIND_TEXT
#undef KIND_LIST
#undef KIND_SWITCH
};

struct settings {
#define INTEGER(field, path, low, high, preset, unit, meaning) int64_t field;
#define LIST(field, path, item_kind, meaning)                  struct settings_list field;
#include "policy/settings.def"
#undef INTEGER
#undef LIST
    struct settings_credential *credentials;
    size_t ncredentials;
    struct arena arena;
};

/* What a credential's setting leaves out. */
const char *settings_credential_header(const struct settings_credential *c);
const char *settings_credential_format(const struct settings_credential *c);
const char *settings_credential_env(const struct settings_credential *c); /* NULL: none */

/* The values that hold without a file. */
void settings_default(struct settings *s);
/* Reads over the defaults. False: *e has EX_POLICY and the place; *s is then good for nothing but
 * settings_free. */
bool settings_parse(struct settings *s, const char *file, struct str text, struct err *e);
void settings_free(struct settings *s);

/*
 * Does the variable NAME pass into the jail? The names of env.def and env.pass do, unless
 * env.block names them. A variable that changes what programs do (LD_PRELOAD, NODE_OPTIONS,
 * SSH_AUTH_SOCK ...) passes only if env.pass names it in full, never by PREFIX*. One that holds a
 * credential of belay.yaml, or is to hold its placeholder, never does.
 */
bool settings_env_passes(const struct settings *s, const char *name);

#endif
