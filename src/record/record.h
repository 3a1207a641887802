/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the record of a session: written here, read and checked by reader.h.
 *
 * Format "belay-record/1". A record is a file of lines; each is one JSON object (RFC 8259)
 * followed by a newline. Line N has `seq` N, starting at 1. Its last member, `prev`, is the
 * SHA-256, in lower-case hex, of all bytes of the line before, its newline included
 * (`sed -n 3p record.jsonl | sha256sum` gives the `prev` of line 4); in the first line it is
 * 64 zeros. The first line has the kind "record" and names format, session and policy; the
 * last line of a record that was closed has the kind "end". Kinds: record.def.
 *
 * Beside it lies `head`: HEAD_SIZE bytes with one JSON object, format "belay-head/1", padded
 * with blanks: number and hash of the last line that is on the disk. A record shorter than its
 * head says was cut; one that only lacks what came after the head, or whose last line has no
 * newline, may be the work of a crash. Behind them `head` holds copies of the latest lines,
 * up to a zero byte. It has a fixed size and is written in place, which brings lines to the disk
 * some thirty times faster than a file that grows; record.jsonl follows when the copies fill
 * HEAD_TAIL bytes, and at the end, when the copies go. After a loss of power, copies that
 * continue the chain of record.jsonl are part of the record: record_recover().
 *
 * What is promised: whoever changes, removes, adds or moves lines of `record.jsonl` and
 * nothing else is found out, and so is whoever cuts its end up to the last line synced. Not
 * promised: one who may write both files, outside the jail, with the user's own rights, can
 * write a new history into both. Signatures over heads are what ends that; the lines are
 * ready to be leaves of such a tree and need no change for it.
 *
 * The writer owns both descriptors. A line counts as recorded when record_flush() returned
 * true after it; on disk when it did so with `sync`. Any failure to write is final: the
 * record takes no more events, and the caller stops the agent. Space is reserved ahead, so a
 * full disk is noticed while there is still room to say so and to end the record.
 * Single threaded; not signal safe.
 */
#ifndef BELAY_RECORD_RECORD_H
#define BELAY_RECORD_RECORD_H

#include "base/err.h"
#include "policy/action.h"
#include "record/digest.h"

#include <stdint.h>
#include <sys/types.h>

#define RECORD_FORMAT   "belay-record/1"
#define HEAD_FORMAT     "belay-head/1"
#define RECORD_LINE_MAX (256u * 1024) /* bytes of a line, newline included */
#define RECORD_SEGMENT  (1024 * 1024) /* bytes reserved at a time */
#define RECORD_RESERVE  (64 * 1024)   /* bytes kept for the last words */
#define HEAD_SIZE       256
#define HEAD_TAIL       (128u * 1024) /* bytes of copies behind it */

enum record_kind {
#define KIND(sym, name, meaning) RECORD_##sym,
#include "record/record.def"
#undef KIND
    RECORD_KIND_COUNT
};

const char *record_kind_name(enum record_kind k);

#define RECORD_NO_OUTCOME (-1)

/* A number of an event's own: an exit status, processes, bytes. */
struct record_number {
    const char *key;
    int64_t value;
};

/* What a line says. Zero or empty members are left out of the line. Views; not kept. */
struct record_event {
    enum record_kind kind;
    const char *actor; /* agent, keeper, judge, kern, gate, person */
    pid_t pid;
    const struct action *action; /* verb, resource and context */
    int outcome;                 /* enum outcome, or RECORD_NO_OUTCOME */
    const struct str *rules;
    size_t nrules;
    struct str reason;
    const struct str *labels; /* picked up by the session */
    size_t nlabels;
    struct str name; /* EVENT, NOTE, ALERT: which */
    struct str text;
    struct str by;      /* ANSWER, EVENT: who said so */
    struct str address; /* NOTE: of the other end */
    struct str argv;    /* EVENT start: the command, a list in frame form */
    struct str finds;   /* NOTE: what the detectors found, a list in frame form */
    const struct record_number *numbers;
    size_t nnumbers;
    uint64_t cause; /* seq of the event that led here */
};

/* What the record needs of the system; replaced by tests. All behave like their namesakes. */
struct record_io {
    ssize_t (*write)(int fd, const void *p, size_t n);
    ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
    int (*sync)(int fd);
    int (*reserve)(int fd, off_t at, off_t n); /* fallocate with FALLOC_FL_KEEP_SIZE */
    void (*now)(struct timespec *wall, int64_t *mono_ns);
};
extern const struct record_io record_system_io;

struct record_setup {
    int fd;      /* empty, open for appending; taken over in any case */
    int head_fd; /* taken over; -1: no head is kept (tests) */
    struct str session;
    struct str policy_digest; /* hex SHA-256 of the policies and settings in force */
    const struct record_io *io;
};

struct record;

/* Makes `dir` (one level, 0700) and in it record.jsonl and head (0600), which must not exist
 * yet. Used by whoever holds the file system; the descriptors go to the judge. The record is
 * locked (flock) as long as one of them is open: by that a reader knows a running session. */
bool record_make_files(const char *dir, int *record_fd, int *head_fd, struct err *e);

/* Starts the record with its first line, not flushed yet; NULL and *e on failure. */
struct record *record_start(const struct record_setup *setup, struct err *e);

/* Adds an event and gives it its number, 0 and *e when the record has failed. In memory only
 * until record_flush(). An event too long for a line has its texts cut and says "cut":true. */
uint64_t record_add(struct record *r, const struct record_event *event, struct err *e);

/* Writes what was added; with `sync` every line is on the disk afterwards, in record.jsonl or
 * as a copy in the head. */
bool record_flush(struct record *r, bool sync, struct err *e);

/* Lines flushed but not known to be on the disk. */
uint64_t record_unsynced(const struct record *r);
uint64_t record_seq(const struct record *r); /* number of the last event */

/* Writes the end line, for which space is reserved, syncs, gives reserved blocks back, closes
 * and frees r. A record that failed for want of space is ended all the same; events added
 * and never flushed then stand in it although nothing was released for them. */
bool record_end(struct record *r, struct str why, struct err *e);
/* Closes the descriptors and forgets, as a crash would (tests, error paths). */
void record_drop(struct record *r);

#endif
