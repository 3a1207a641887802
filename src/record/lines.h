/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - walks the lines of a file within a bound (private to src/record).
 */
#ifndef BELAY_RECORD_LINES_H
#define BELAY_RECORD_LINES_H

#include "record/reader.h"

enum lines_result {
    LINES_ONE,  /* a line, its newline included */
    LINES_TORN, /* the last bytes of the file, without a newline */
    LINES_LONG, /* over RECORD_LINE_MAX: skipped, *line is its start */
    LINES_END,
    LINES_ERROR, /* *e */
};

struct lines {
    int fd;
    off_t at;    /* offset in the file of the next line */
    size_t from; /* position in buf of the next line */
    struct buf buf;
    bool eof;
};

void lines_start(struct lines *l, int fd, off_t at);
void lines_stop(struct lines *l); /* frees, does not close */
#define AUTO_LINES __attribute__((cleanup(lines_stop)))

/* The view is valid until the next call. */
enum lines_result lines_next(struct lines *l, struct str *line, struct err *e);

/* The next copy in the bytes behind a head; false at the zero byte that ends them. */
bool record_copy_next(struct str *rest, struct str *line);

#endif
