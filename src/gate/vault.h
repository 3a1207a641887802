/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.h - the values of credentials in memory, on their way from the keeper to the gate and
 * there.
 *
 * The keeper fills one (vault_new, vault_add), gives it away in a memory file (vault_seal) and
 * wipes it; the gate opens that file once (vault_open), which wipes it. The bytes of a vault lie
 * in pages of their own: not in a core dump, locked where that is allowed, gone in a child.
 */
#ifndef BELAY_GATE_VAULT_H
#define BELAY_GATE_VAULT_H

#include "base/err.h"
#include "policy/place.h"

#include <stdint.h>

#define VAULT_SECRETS_MAX     64
#define VAULT_PLACES_MAX      16   /* of one credential */
#define VAULT_VALUE_MAX       4096 /* bytes of a value */
#define VAULT_PLACEHOLDER_MAX 512
#define VAULT_CORE            25 /* "belay" and 20 letters or digits: 100 bits */
#define VAULT_SIZE            (1u << 20)

struct secret {
    struct str name, value, placeholder;
    struct str header; /* lower case */
    struct str format; /* of the header where the gate puts it in; holds one %s */
    bool only;         /* no other credential may go to its hosts */
    struct place place[VAULT_PLACES_MAX];
    size_t nplaces;
};

struct vault {
    char *pages; /* VAULT_SIZE bytes; all strings of the secrets lie there */
    size_t used;
    struct str core; /* what all placeholders of this session have in common */
    struct secret secret[VAULT_SECRETS_MAX];
    size_t n;
};

/* An empty vault with a fresh core. NULL: *e. */
struct vault *vault_new(struct err *e);
void vault_free(struct vault *v); /* wipes; NULL is nothing */

/* Adds one: copies its strings, makes the placeholder. The value may not hold what a header may
 * not. False: *e. */
bool vault_add(struct vault *v, const struct secret *s, struct err *e);

/* A memory file with all of it; -1 and *e. */
int vault_seal(const struct vault *v, struct err *e);
/* Reads it and wipes it. NULL: *e, damaged. */
struct vault *vault_open(int fd, struct err *e);

/* Does `text` hold the value of some credential? Its name, or NULL. */
const char *vault_holds_value(const struct vault *v, struct str text);

#endif
