/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "record/lines.h"

#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Where the first `n` lines end. */
static bool find_end(int fd, uint64_t n, off_t *end, struct err *e)
{
    AUTO_LINES struct lines l = {0};
    struct str line;

    lines_start(&l, fd, 0);
    for (uint64_t i = 0; i < n; i++) {
        enum lines_result r = lines_next(&l, &line, e);

        if (r == LINES_ERROR)
            return false;
        if (r != LINES_ONE)
            return err_set(e, EX_RECORD, "the record has changed since it was checked");
    }
    *end = l.at;
    return true;
}

bool record_copy_next(struct str *rest, struct str *line)
{
    const char *newline = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;

    if (newline == NULL || rest->p[0] == '\0')
        return false;
    *line = (struct str){rest->p, (size_t)(newline - rest->p) + 1};
    rest->p += line->n;
    rest->n -= line->n;
    return true;
}

/* Appends those copies whose numbers lie in from..to. */
static bool append_copies(int fd, struct str copies, uint64_t from, uint64_t to, struct err *e)
{
    struct str line;

    while (from <= to && record_copy_next(&copies, &line)) {
        struct record_line p;

        if (!record_line_parse(line, &p))
            break;
        bool wanted = p.seq == from;
        record_line_release(&p);
        if (!wanted)
            continue;
        if (!fd_write_all(fd, line.p, line.n))
            return err_sys(e, EX_RECORD, "the record cannot be written");
        from++;
    }
    return from > to || err_set(e, EX_RECORD, "the head has changed since it was checked");
}

bool record_recover(int fd, int head_fd, const struct record_report *report, struct err *e)
{
    AUTO_BUF struct buf head = {0};
    uint64_t own = report->lines - report->copies;
    off_t end = 0;

    if (report->copies == 0)
        return true;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return err_sys(e, EX_RECORD, "the record is still being written");
    buf_init(&head, HEAD_SIZE + HEAD_TAIL);
    if (lseek(head_fd, HEAD_SIZE, SEEK_SET) < 0 ||
        !fd_read_all(head_fd, &head, "the head of the record", e) || !find_end(fd, own, &end, e))
        return false;
    if (ftruncate(fd, end) != 0 || lseek(fd, end, SEEK_SET) < 0)
        return err_sys(e, EX_RECORD, "the record cannot be cut back to its last whole line");
    if (!append_copies(fd, buf_str(&head), own + 1, report->lines, e))
        return false;
    return fdatasync(fd) == 0 || err_sys(e, EX_RECORD, "the record cannot be brought to the disk");
}
