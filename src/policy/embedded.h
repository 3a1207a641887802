/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embedded.h - the files of policies/ as parts of the binary; made by tools/embed.
 */
#ifndef BELAY_POLICY_EMBEDDED_H
#define BELAY_POLICY_EMBEDDED_H

#include "base/text.h"

extern const struct str embedded_schema;
extern const struct str embedded_coding;
extern const struct str embedded_readonly;
extern const struct str embedded_offline;
extern const struct str embedded_egress;

#endif
