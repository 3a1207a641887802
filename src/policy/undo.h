/* SPDX-License-Identifier: Apache-2.0 */
/*
 * undo.h - the file of copies by which `belay undo` restores what a session changed: written by
 * kern (src/kern/undo.c), read by src/stage/undo.c.
 *
 * A row of entries, each at a multiple of UNDO_BLOCK: a head, the path (absolute, canonical, as the
 * agent saw it), and at the next multiple `size` bytes of content: a file's bytes, with its
 * holes, or where a link leads. A path has one entry: what was there when it was first touched.
 * Numbers are of the machine's own byte order; the file never leaves it. The head is written last,
 * so an entry without one is the end.
 */
#ifndef BELAY_POLICY_UNDO_H
#define BELAY_POLICY_UNDO_H

#include <stdint.h>

#define UNDO_MAGIC     0x6f646e7579616c62ull /* "blayundo" */
#define UNDO_BLOCK     4096u
#define UNDO_FOLDER    "undo" /* in the session's folder */
#define UNDO_COPIES    "copies"
#define UNDO_SIZE_MAX  (1ll << 40) /* bytes of one file, holes included */
#define UNDO_TOTAL_MAX (1ll << 43) /* of the whole */

struct undo_head {
    uint64_t magic;
    uint64_t event; /* of the record, by which the change was allowed */
    uint64_t dev;   /* where it lies: what the jail has for itself is not the host's */
    int64_t size;   /* of the content */
    int64_t mtime, mtime_ns;
    uint32_t mode; /* with the type; 0: nothing was there */
    uint32_t uid, gid;
    uint32_t path; /* bytes of the path, behind the head */
};

#endif
