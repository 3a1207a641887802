/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - reads a record, checks it, searches it. The format is described in record.h.
 *
 * Everything read is hostile: lines are bounded by RECORD_LINE_MAX, their JSON by depth.
 * Descriptors are borrowed and must be seekable; their position is not used. A record may be
 * read while it is written.
 */
#ifndef BELAY_RECORD_READER_H
#define BELAY_RECORD_READER_H

#include "base/err.h"
#include "record/record.h"

#include <jansson.h>

/* What record_verify() found. STATUS(symbol, name, intact) */
#define RECORD_STATUS(X)                                                                        \
    X(WHOLE, "whole", true)          /* chain holds, end line present, head agrees */           \
    X(OPEN, "open", true)            /* chain holds, no end: still written, or a crash */       \
    X(TORN, "torn", true)            /* as open, and the last line broke off in writing */      \
    X(EMPTY, "empty", false)         /* no line at all */                                       \
    X(CHANGED, "changed", false)     /* line `line` is not what was written */                  \
    X(MISSING, "missing", false)     /* events `from`..`to` were cut out before line `line` */  \
    X(ADDED, "added", false)         /* line `line` was never written by belay */               \
    X(MOVED, "moved", false)         /* line `line` stands out of its place */                  \
    X(END_MISSING, "cut", false)     /* events after line `line`, up to `to`, were cut off */   \
    X(REWRITTEN, "rewritten", false) /* the chain holds but is not the one that the head saw */ \
    X(NO_RECORD, "foreign", false)   /* the first line is not that of a record of this format */

enum record_status {
#define X(sym, name, intact) RECORD_##sym,
    RECORD_STATUS(X)
#undef X
};

const char *record_status_name(enum record_status s);
bool record_status_intact(enum record_status s);

struct record_report {
    enum record_status status;
    uint64_t lines;    /* whole lines that hold together, from the first */
    uint64_t line;     /* line number meant by `status`, 1 the first; 0 if none */
    uint64_t from, to; /* event numbers, for MISSING and END_MISSING */
    uint64_t copies;   /* of the lines, those that stand only in the head: a loss of power */
    bool has_head;     /* a head was there to compare with */
    char text[256];    /* the finding in words, printable */
};

/* Checks the record; head_fd -1 if there is none, which the report tells. False and *e only if
 * the files cannot be read; a bad record is a report. */
bool record_verify(int fd, int head_fd, struct record_report *report, struct err *e);

/* Brings lines that stand only in the head (report->copies) into the record, in place of a line
 * that broke off. `fd` is open for reading and writing; it is an error while the session runs. */
bool record_recover(int fd, int head_fd, const struct record_report *report, struct err *e);

/* One line parsed. Views point into `json`, valid until record_line_release(). */
struct record_line {
    uint64_t seq, cause;
    struct str kind, verb, outcome, id, reason; /* empty when absent */
    unsigned char prev[DIGEST_SIZE], hash[DIGEST_SIZE];
    json_t *json;
};

/* Parses one line, its newline included. False: not a line of a record. */
bool record_line_parse(struct str line, struct record_line *parsed);
void record_line_release(struct record_line *parsed);

/* What record_query() shows: lines that fit every member set. */
struct record_filter {
    uint64_t from, to; /* event numbers, inclusive; 0: no bound */
    struct str kind, verb, outcome, rule;
    struct str text; /* anywhere in the line, as written there */
};

/* `line` has no newline. Return false to stop. */
typedef bool record_visit(void *ctx, const struct record_line *parsed, struct str line);

/* Visits matching lines in order; lines that are no events are skipped and counted in *bad. */
bool record_query(int fd, const struct record_filter *filter, record_visit *visit, void *ctx,
                  uint64_t *bad, struct err *e);

/* Visits event `seq`, then its cause, and so on to the first. */
bool record_why(int fd, uint64_t seq, record_visit *visit, void *ctx, struct err *e);

#endif
