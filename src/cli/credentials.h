/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h - the values of credentials, on their way from where they lie to the gate.
 *
 * Read at the start of a session, before its jail exists: out of belay's own environment (and
 * wiped there), a file, or what a command prints. They stay in a vault (gate/vault.h) until the
 * gate has them, and the agent gets a placeholder for each.
 */
#ifndef BELAY_CLI_CREDENTIALS_H
#define BELAY_CLI_CREDENTIALS_H

#include "cli/setup.h"
#include "gate/vault.h"

/* All that the settings name; needs setup_plan(). NULL with e->code 0: none are; else *e. A file
 * that the agent could read, and a rule that names an unknown credential, are errors. */
struct vault *credentials_read(const struct setup *s, struct err *e);

/* "NAME=placeholder" for the i-th credential of the settings, in the arena; NULL: it has no
 * variable. */
char *credentials_variable(const struct setup *s, const struct vault *v, size_t i,
                           struct arena *mem);

#endif
