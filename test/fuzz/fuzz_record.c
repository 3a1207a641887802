/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that somebody has touched. First byte 0: the rest is the file. Otherwise a record
 * is made, and the rest are edits to it, five bytes each (what, where, how much, value): however
 * it was edited, it must not be called whole unless it is what it was.
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

static char made[FILE_MAX];
static size_t made_n;
static int made_head;

static void fixed_now(struct timespec *wall, int64_t *mono_ns)
{
    *wall = (struct timespec){1700000000, 0};
    *mono_ns = 0;
}

static void make(void)
{
    struct record_io io = record_system_io;
    int fd = memfd_create("record", MFD_CLOEXEC);
    struct err e;

    io.now = fixed_now;
    made_head = memfd_create("head", MFD_CLOEXEC);
    const struct record_setup s = {.fd = dup(fd),
                                   .head_fd = dup(made_head),
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
        uint64_t seq = record_add(r, &ev, &e);
        assert(seq == i + 2);
    }
    bool ok = record_end(r, STR("over"), &e);
    ssize_t n = pread(fd, made, sizeof(made), 0);
    assert(ok && n > 0);
    made_n = (size_t)n;
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

static void read_all(int fd, int head, bool same)
{
    static const struct record_filter all;
    struct record_report r;
    uint64_t bad, last = 1;
    struct err e;

    bool ok = record_verify(fd, head, &r, &e);
    assert(ok);
    assert(head < 0 || same == (r.status == RECORD_WHOLE));
    assert(head < 0 || same || !record_status_intact(r.status));
    ok = record_query(fd, &all, never, &last, &bad, &e);
    assert(ok);
    (void)record_why(fd, last, never, &last, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[FILE_MAX];
    size_t n = size > 0 ? size - 1 : 0;
    bool edited = size > 0 && data[0] != 0;

    if (made_n == 0)
        make();
    if (size == 0 || size > FILE_MAX)
        return 0;
    if (edited) {
        n = made_n;
        memcpy(text, made, n);
        for (size_t i = 1; i + 5 <= size && i < 5 * 64; i += 5)
            n = edit(text, n, data + i);
    } else {
        memcpy(text, data + 1, n);
    }
    AUTO_CLOSE int fd = memfd_create("edited", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    read_all(fd, edited ? made_head : -1, n == made_n && memcmp(text, made, n) == 0);
    return 0;
}
