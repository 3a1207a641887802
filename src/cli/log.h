/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - shared by the parts of `belay log`: finding records, showing lines.
 */
#ifndef BELAY_CLI_LOG_H
#define BELAY_CLI_LOG_H

#include "base/err.h"
#include "base/text.h"
#include "record/reader.h"

#define LOG_PATH_MAX 4096

/* The record of session `id`, or the newest when NULL: its file, open for reading, and its head
 * (-1 if there is none). `name` gets the session's id. */
bool log_open(const char *id, int *record, int *head, char *name, size_t size, struct err *e);

/* One line of the record for a person. */
void log_line(struct buf *out, const struct record_line *l, bool colour);

int log_verify(int argc, char **argv);
int log_why(int argc, char **argv);
int log_sessions(int argc, char **argv);

#endif
