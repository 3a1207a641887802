/* SPDX-License-Identifier: Apache-2.0 */
/* scan_filter.h - the detectors as filters of bodies: see scan.h. */
#ifndef BELAY_GATE_SCAN_FILTER_H
#define BELAY_GATE_SCAN_FILTER_H

#include "gate/filter.h"

struct filter *scan_filter_make(const struct filter_context *c);

#endif
