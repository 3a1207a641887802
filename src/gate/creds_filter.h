/* SPDX-License-Identifier: Apache-2.0 */
/* creds_filter.h - placeholders of credentials in the bodies of requests; see creds.h. */
#ifndef BELAY_GATE_CREDS_FILTER_H
#define BELAY_GATE_CREDS_FILTER_H

#include "gate/filter.h"

filter_maker creds_filter_make;

/* People are told that a placeholder went where it does not belong. `id`, `event`: of the action
 * that it is about. */
void creds_alert(struct gate *g, uint32_t id, uint64_t event, const char *text);

#endif
