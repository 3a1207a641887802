/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.h - one line of the record from one event: pure, no clock and no file (private to
 * src/record).
 */
#ifndef BELAY_RECORD_LINE_H
#define BELAY_RECORD_LINE_H

#include "record/record.h"

struct line_stamp {
    uint64_t seq;
    struct timespec wall;
    int64_t mono_ns;
    struct str session;
    struct str policy_digest; /* first line only, else empty */
    const char *prev;         /* hex */
};

/* Appends the line with its newline to `out`. False: it does not fit in RECORD_LINE_MAX even
 * with its texts cut, which the bounds on events rule out; `out` is then as before. */
bool line_build(struct buf *out, const struct line_stamp *stamp, const struct record_event *event);

#endif
