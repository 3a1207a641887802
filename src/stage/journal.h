/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - what was done with staged work, so that it is done once and a crash loses nothing.
 *
 * A file of lines, appended to and never rewritten; a last line that was cut off counts for
 * nothing. Fields are separated by blanks; bytes of a path outside of '!' to '~', and '%', are
 * written as %XX.
 *
 *   t TEMP PATH           a temporary name will be made beside PATH in the workspace
 *   a TEMP PATH INO       TEMP, inode INO, will get the name PATH, where nothing is
 *   x TEMP PATH INO SIG   TEMP, inode INO, will change places with PATH, which is SIG
 *   m TEMP PATH SIG       PATH, which is SIG, will be moved to TEMP and then removed
 *   e TEMP PATH           done with TEMP
 *   s PATH UPPER LOWER    the agent's state UPPER of PATH is settled: the workspace has LOWER
 *   b PATH BEFORE         belay itself will change the folder PATH, or make it (BEFORE is all 0)
 *   f PATH BEFORE AFTER   belay itself changed the folder PATH of the workspace
 *   d PATH                what the agent did with PATH was dropped
 */
#ifndef BELAY_STAGE_JOURNAL_H
#define BELAY_STAGE_JOURNAL_H

#include "stage/sig.h"
#include "stage/stage.h"

#include "base/text.h"

#define JOURNAL_MAX (256u << 20)

enum note_kind {
    NOTE_TEMP = 't',
    NOTE_ADD = 'a',
    NOTE_EXCHANGE = 'x',
    NOTE_MOVE = 'm',
    NOTE_END = 'e',
    NOTE_SETTLED = 's',
    NOTE_FOLDER_BEGIN = 'b',
    NOTE_FOLDER = 'f',
    NOTE_DROPPED = 'd',
};

struct note {
    enum note_kind kind;
    const char *path, *temp; /* temp: "" where the kind has none */
    uint64_t ino;
    struct sig a, b;
    size_t order;
};

struct journal {
    struct arena mem;
    struct note *notes; /* by path, then as written */
    size_t n;
};

/* Reads it. A line that cannot be is an error: nothing is changed by guess. */
bool journal_read(const struct stage *s, struct journal *j, struct err *e);
bool journal_parse(struct str text, struct journal *j, struct err *e);
void journal_release(struct journal *j);

/* The last note of this kind on the path, or NULL. */
const struct note *journal_last(const struct journal *j, const char *path, enum note_kind kind);
/*
 * When somebody else than belay last changed this folder of the workspace, as far as `now` tells.
 */
struct timespec journal_folder_time(const struct journal *j, const char *path,
                                    const struct sig *now);

/* Appends one line; journal_sync() puts what was appended on the disk. */
bool journal_add(const struct stage *s, const struct note *n, struct err *e);
bool journal_sync(const struct stage *s, struct err *e);

/*
 * Puts right what an interrupted keep left in the workspace: a temporary file goes, or goes back.
 * Whatever it finds under its own names that is not what it wrote down stays and is told.
 */
bool journal_repair(const struct stage *s, struct err *e);

#endif
