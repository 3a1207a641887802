/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that somebody has touched. First byte 0: the rest is the file. Otherwise a record
 * is made, and the rest are edits to it, five bytes each (what, where, how much, value). First
 * byte odd: the record was closed, and however it was edited, it must not be called whole unless
 * it is what it was. Even: the power went while it was written; what is called intact can be
 * recovered, and then holds by itself.
 */
#include "base/mem.h"
#include "record/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX 65536u

static struct made {
    char text[FILE_MAX];
    size_t n;
    int head;
} closed, broken;

static void fixed_now(struct timespec *wall, int64_t *mono_ns)
{
    *wall = (struct timespec){1700000000, 0};
    *mono_ns = 0;
}

static void make(struct made *m, bool end)
{
    struct record_io io = record_system_io;
    int fd = memfd_create("record", MFD_CLOEXEC);
    struct err e;
    bool ok = true;

    io.now = fixed_now;
    m->head = memfd_create("head", MFD_CLOEXEC);
    const struct record_setup s = {.fd = dup(fd),
                                   .head_fd = dup(m->head),
                                   .session = STR("fuzz"),
                                   .policy_digest = STR("00"),
                                   .io = &io};
    struct record *r = record_start(&s, &e);
    for (uint64_t i = 0; i < 10; i++) {
        const struct record_event ev = {.kind = RECORD_NOTE,
                                        .actor = "gate",
                                        .outcome = RECORD_NO_OUTCOME,
                                        .text = STR("something"),
                                        .cause = i};
        ok = ok && record_add(r, &ev, &e) == i + 2 && record_flush(r, true, &e);
    }
    if (end)
        ok = ok && record_end(r, STR("over"), &e);
    else
        record_drop(r);
    ssize_t n = pread(fd, m->text, sizeof(m->text), 0);
    assert(ok && n > 0);
    m->n = (size_t)n;
    (void)close(fd);
}

/* One edit of text[0..n); the new length. */
static size_t edit(char *text, size_t n, const uint8_t *op)
{
    size_t at = n == 0 ? 0 : (op[1] | (size_t)op[2] << 8) % n, many = op[3];

    switch (op[0] % 4) {
    case 0: /* change a byte */
        if (n > 0)
            text[at] = (char)op[4];
        return n;
    case 1: /* cut */
        many = many < n - at ? many : n - at;
        memmove(text + at, text + at + many, n - at - many);
        return n - many;
    case 2: /* insert, also newlines */
        many = many < FILE_MAX - n ? many : FILE_MAX - n;
        memmove(text + at + many, text + at, n - at);
        memset(text + at, op[4], many);
        return n + many;
    default: /* cut the end */
        return at;
    }
}

static bool never(void *ctx, const struct record_line *p, struct str line)
{
    uint64_t *last = ctx;

    assert(line.n < RECORD_LINE_MAX && p->seq > 0);
    *last = p->seq;
    return true;
}

static void read_all(int fd)
{
    static const struct record_filter all;
    uint64_t bad, last = 1;
    struct err e;

    bool ok = record_query(fd, &all, never, &last, &bad, &e);
    assert(ok);
    (void)record_why(fd, last, never, &last, &e);
}

static struct record_report verify(int fd, int head)
{
    struct record_report r;
    struct err e;
    bool ok = record_verify(fd, head, &r, &e);

    assert(ok && r.text[0] != '\0' && memchr(r.text, '\0', sizeof(r.text)) != NULL);
    return r;
}

static void check_closed(int fd, bool same)
{
    struct record_report r = verify(fd, closed.head);

    assert(same == (r.status == RECORD_WHOLE));
    assert(same || !record_status_intact(r.status));
}

static void check_broken(int fd)
{
    struct record_report r = verify(fd, broken.head);
    struct err e;

    if (!record_status_intact(r.status) || r.copies == 0)
        return;
    bool ok = record_recover(fd, broken.head, &r, &e);
    assert(ok);
    struct record_report again = verify(fd, broken.head);
    assert(again.status == RECORD_OPEN && again.lines == r.lines && again.copies == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[FILE_MAX];

    if (closed.n == 0) {
        make(&closed, true);
        make(&broken, false);
    }
    if (size == 0 || size > FILE_MAX)
        return 0;
    const struct made *m = data[0] % 2 != 0 ? &closed : &broken;
    size_t n = data[0] == 0 ? size - 1 : m->n;
    memcpy(text, data[0] == 0 ? (const char *)data + 1 : m->text, n);
    for (size_t i = 1; data[0] != 0 && i + 5 <= size && i < 5 * 64; i += 5)
        n = edit(text, n, data + i);
    AUTO_CLOSE int fd = memfd_create("edited", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    read_all(fd);
    if (data[0] == 0)
        (void)verify(fd, -1);
    else if (m == &closed)
        check_closed(fd, n == m->n && memcmp(text, m->text, n) == 0);
    else
        check_broken(fd);
    return 0;
}
