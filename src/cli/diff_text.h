/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff_text.h - the difference of two files as text, made by diff(1).
 *
 * Both contents may be hostile. diff gets them as descriptors and never a name; it runs without
 * new privileges, in a Landlock domain in which nothing can be written or connected, with little
 * memory and time. What it prints is made safe line by line.
 */
#ifndef BELAY_CLI_DIFF_TEXT_H
#define BELAY_CLI_DIFF_TEXT_H

#include "base/err.h"
#include "base/text.h"

#define DIFF_FILE_MAX (32 << 20) /* larger files are not shown line by line */

enum diff_text { DIFF_TEXT, DIFF_BINARY, DIFF_LARGE, DIFF_FAILED };

struct diff_count {
    uint64_t added, removed; /* lines */
};

/*
 * `old`, `new`: descriptors, or -1 for nothing. The labels are printable. Adds a unified diff to
 * `out` unless it is NULL, in colour if asked, and counts. DIFF_FAILED: *e.
 */
enum diff_text diff_text(int old, int new, const char *old_label, const char *new_label,
                         struct buf *out, bool colour, struct diff_count *count, struct err *e);

#endif
