/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "base/mem.h"
#include "record/line.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Events gathered before they are written; more are written early. */
#define PENDING_MAX  (4u * 1024 * 1024)
#define PENDING_HIGH (PENDING_MAX - RECORD_LINE_MAX)
#define SESSION_MAX  128

struct record {
    int fd, head_fd;
    const struct record_io *io;
    char session[SESSION_MAX];
    uint64_t seq, written, synced;   /* last event added, in the file, on the disk */
    off_t size, reserved;            /* bytes in the file, bytes it has blocks for */
    bool reserving;                  /* the file system can reserve */
    bool failed;                     /* no more events */
    bool lost;                       /* what reached the disk is not known */
    unsigned char last[DIGEST_SIZE]; /* hash of event `seq` */
    struct buf pending;
    struct buf tail;    /* lines that may not be on the disk in record.jsonl */
    size_t tail_copied; /* bytes of them that are in the head */
};

static int system_reserve(int fd, off_t at, off_t n)
{
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, at, n);
}

static void system_now(struct timespec *wall, int64_t *mono_ns)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, wall);
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    *mono_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const struct record_io record_system_io = {write, pwrite, fdatasync, system_reserve, system_now};

static int make_file(int dir, const char *dir_name, const char *name, int flags, struct err *e)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

    if (fd < 0)
        err_sys(e, EX_RECORD, "%s/%s: the record cannot be created", dir_name, name);
    return fd;
}

bool record_make_files(const char *dir, int *record_fd, int *head_fd, struct err *e)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_sys(e, EX_RECORD, "%s: the folder of the record cannot be made", dir);
    AUTO_CLOSE int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (d < 0)
        return err_sys(e, EX_RECORD, "%s: the folder of the record cannot be opened", dir);
    AUTO_CLOSE int record = make_file(d, dir, "record.jsonl", O_APPEND, e);
    if (record < 0)
        return false;
    (void)flock(record, LOCK_EX | LOCK_NB); /* new, so free; some file systems cannot */
    AUTO_CLOSE int head = make_file(d, dir, "head", 0, e);
    if (head < 0)
        return false;
    *record_fd = fd_take(&record);
    *head_fd = fd_take(&head);
    return true;
}

/* The record takes nothing more; `what` failed with errno. */
static bool fail(struct record *r, struct err *e, const char *what)
{
    r->failed = true;
    return err_sys(e, EX_RECORD, "the record of session %s: %s", r->session, what);
}

static bool refuse(const struct record *r, struct err *e)
{
    return err_set(e, EX_RECORD, "the record of session %s has failed before", r->session);
}

/* Makes sure that blocks for n more bytes and the reserve are there, before they are needed. */
static bool reserve(struct record *r, size_t n, struct err *e)
{
    off_t need = r->size + (off_t)n + RECORD_RESERVE;

    if (!r->reserving || need <= r->reserved)
        return true;
    off_t more = need - r->reserved;
    more = (more + RECORD_SEGMENT - 1) / RECORD_SEGMENT * RECORD_SEGMENT;
    int failed;
    do {
        failed = r->io->reserve(r->fd, r->reserved, more);
    } while (failed != 0 && errno == EINTR);
    if (failed == 0) {
        r->reserved += more;
        return true;
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
        r->reserving = false;
        return true;
    }
    return fail(r, e, "no space can be reserved");
}

static void drop_front(struct buf *b, size_t n)
{
    if (n > 0)
        memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

static bool write_pending(struct record *r, struct err *e)
{
    size_t at = 0;

    while (at < r->pending.n) {
        ssize_t k = r->io->write(r->fd, r->pending.p + at, r->pending.n - at);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            errno = k == 0 ? EIO : errno;
            /* What went out is out: the last words go on exactly behind it. */
            drop_front(&r->pending, at);
            return fail(r, e, "cannot be written");
        }
        at += (size_t)k;
        r->size += k;
    }
    buf_clear(&r->pending);
    r->written = r->seq;
    return true;
}

static bool head_pwrite(struct record *r, const void *p, size_t n, off_t at, struct err *e)
{
    ssize_t k;

    do {
        k = r->io->pwrite(r->head_fd, p, n, at);
    } while (k < 0 && errno == EINTR);
    if (k == (ssize_t)n)
        return true;
    errno = k >= 0 ? ENOSPC : errno;
    return fail(r, e, "its head cannot be written");
}

static bool write_head(struct record *r, bool ended, struct err *e)
{
    char text[HEAD_SIZE + 1], hex[DIGEST_HEX];
    AUTO_BUF struct buf b = {0};
    struct json j;

    digest_hex(r->last, hex);
    buf_init(&b, HEAD_SIZE - 1);
    json_start(&j, &b);
    json_obj(&j, NULL);
    json_cstr(&j, "format", HEAD_FORMAT);
    json_int(&j, "seq", (int64_t)r->seq);
    json_cstr(&j, "hash", hex);
    json_bool(&j, "ended", ended);
    json_obj_end(&j);
    assert(!b.full);
    (void)snprintf(text, sizeof(text), "%-*s\n", HEAD_SIZE - 1, buf_cstr(&b));
    return head_pwrite(r, text, HEAD_SIZE, 0, e);
}

/* All of the head that will ever be used is written once, so that writing it again changes
 * nothing but its contents: no journal of the file system is waited for. */
static bool lay_out_head(struct record *r, struct err *e)
{
    static const char zeros[8192];
    const size_t all = HEAD_SIZE + HEAD_TAIL;

    for (size_t at = 0, n; r->head_fd >= 0 && at < all; at += n) {
        n = all - at < sizeof(zeros) ? all - at : sizeof(zeros);
        if (!head_pwrite(r, zeros, n, (off_t)at, e))
            return false;
    }
    return true;
}

static bool sync_file(struct record *r, int fd, struct err *e)
{
    int failed;

    do {
        failed = r->io->sync(fd);
    } while (failed != 0 && errno == EINTR);
    if (failed == 0)
        return true;
    r->lost = true; /* a second fdatasync may claim success for pages given up */
    return fail(r, e, "cannot be brought to the disk");
}

/* The copies, and behind them the zero byte that ends them; then the head that counts them. */
static bool sync_copies(struct record *r, struct err *e)
{
    size_t n = r->tail.n - r->tail_copied;

    return head_pwrite(r, buf_cstr(&r->tail) + r->tail_copied, n + 1,
                       (off_t)(HEAD_SIZE + r->tail_copied), e) &&
           write_head(r, false, e) && sync_file(r, r->head_fd, e);
}

static bool sync_all(struct record *r, struct err *e)
{
    if (r->synced == r->seq)
        return true;
    if (r->head_fd >= 0 && !r->tail.full) {
        if (!sync_copies(r, e))
            return false;
        r->tail_copied = r->tail.n;
    } else {
        if (!sync_file(r, r->fd, e) || (r->head_fd >= 0 && !write_head(r, false, e)))
            return false;
        buf_clear(&r->tail);
        r->tail_copied = 0;
    }
    r->synced = r->seq;
    return true;
}

/* Everything to the disk in record.jsonl; the copies are not needed any more. */
static bool sync_end(struct record *r, struct err *e)
{
    if (!sync_file(r, r->fd, e))
        return false;
    if (r->head_fd < 0)
        return true;
    if (!write_head(r, true, e))
        return false;
    return ftruncate(r->head_fd, HEAD_SIZE) == 0 || fail(r, e, "its head cannot be cut");
}

/* Adds an event whatever the state of the record: for the last words. */
static bool add(struct record *r, const struct record_event *event, struct str policy,
                struct err *e)
{
    char prev[DIGEST_HEX];
    struct line_stamp stamp = {
        .seq = r->seq + 1, .session = str_of(r->session), .policy_digest = policy, .prev = prev};
    size_t start = r->pending.n;

    digest_hex(r->last, prev);
    r->io->now(&stamp.wall, &stamp.mono_ns);
    if (!line_build(&r->pending, &stamp, event)) {
        errno = EMSGSIZE;
        return fail(r, e, "an event does not fit");
    }
    digest_bytes((struct str){r->pending.p + start, r->pending.n - start}, r->last);
    buf_add(&r->tail, r->pending.p + start, r->pending.n - start);
    r->seq++;
    return true;
}

struct record *record_start(const struct record_setup *setup, struct err *e)
{
    struct record *r = xcalloc(1, sizeof(*r));
    const struct record_event first = {
        .kind = RECORD_RECORD, .actor = "judge", .outcome = RECORD_NO_OUTCOME};
    struct stat st;

    r->fd = setup->fd;
    r->head_fd = setup->head_fd;
    r->io = setup->io != NULL ? setup->io : &record_system_io;
    r->reserving = true;
    buf_init(&r->pending, PENDING_MAX);
    buf_init(&r->tail, HEAD_TAIL - 1);
    (void)snprintf(r->session, sizeof(r->session), "%.*s",
                   (int)(setup->session.n < SESSION_MAX ? setup->session.n : SESSION_MAX),
                   setup->session.p);
    bool ok = fstat(r->fd, &st) == 0 || fail(r, e, "cannot be examined");
    if (ok && st.st_size != 0)
        ok = err_set(e, EX_RECORD, "the record of session %s is not empty", r->session);
    if (ok && reserve(r, 0, e) && lay_out_head(r, e) && add(r, &first, setup->policy_digest, e))
        return r;
    record_drop(r);
    return NULL;
}

uint64_t record_add(struct record *r, const struct record_event *event, struct err *e)
{
    if (r->failed) {
        refuse(r, e);
        return 0;
    }
    if (r->pending.n > PENDING_HIGH && !record_flush(r, false, e))
        return 0;
    return add(r, event, (struct str){0}, e) ? r->seq : 0;
}

bool record_flush(struct record *r, bool sync, struct err *e)
{
    if (r->failed)
        return refuse(r, e);
    if (r->pending.n > 0 && (!reserve(r, r->pending.n, e) || !write_pending(r, e)))
        return false;
    return !sync || sync_all(r, e);
}

uint64_t record_unsynced(const struct record *r)
{
    return r->written - r->synced;
}

uint64_t record_seq(const struct record *r)
{
    return r->seq;
}

bool record_end(struct record *r, struct str why, struct err *e)
{
    const struct record_event end = {
        .kind = RECORD_END, .actor = "judge", .outcome = RECORD_NO_OUTCOME, .text = why};
    bool ok = r->lost ? refuse(r, e)
                      : add(r, &end, (struct str){0}, e) && write_pending(r, e) && sync_end(r, e);

    if (ok && r->reserving && ftruncate(r->fd, r->size) != 0)
        ok = fail(r, e, "reserved space cannot be given back");
    record_drop(r);
    return ok;
}

void record_drop(struct record *r)
{
    mem_auto_close(&r->fd);
    mem_auto_close(&r->head_fd);
    buf_free(&r->pending);
    buf_free(&r->tail);
    free(r);
}
