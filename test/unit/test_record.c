/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/fd.h"
#include "base/mem.h"
#include "record/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system that can be told to fail: the nth write, sync or reservation, with an errno. */
static struct {
    int write_at, sync_at, reserve_at; /* 1: the next one; 0: never */
    int error;
    size_t short_write; /* the failing write first takes so many bytes */
    int64_t tick;
    int syncs;
} fault;

static bool due(int *at)
{
    if (*at == 0 || --*at > 0)
        return false;
    errno = fault.error;
    return true;
}

static ssize_t fault_write(int fd, const void *p, size_t n)
{
    if (fault.write_at == 1 && fault.short_write > 0) {
        ssize_t k = write(fd, p, fault.short_write);

        fault.short_write = 0;
        return k;
    }
    return due(&fault.write_at) ? -1 : write(fd, p, n);
}

static int fault_sync(int fd)
{
    fault.syncs++;
    return due(&fault.sync_at) ? -1 : fdatasync(fd);
}

static int fault_reserve(int fd, off_t at, off_t n)
{
    return due(&fault.reserve_at) ? -1 : fallocate(fd, FALLOC_FL_KEEP_SIZE, at, n);
}

static void fault_now(struct timespec *wall, int64_t *mono)
{
    fault.tick += 1000;
    *wall = (struct timespec){1700000000, fault.tick};
    *mono = fault.tick;
}

static const struct record_io fault_io = {fault_write, pwrite, fault_sync, fault_reserve,
                                          fault_now};

static int memory(void)
{
    return memfd_create("record", MFD_CLOEXEC);
}

/* A record on copies of the descriptors, so that the test may look at the files. */
static struct record *start(int fd, int head)
{
    struct err e;
    int head_copy = head >= 0 ? dup(head) : -1;
    const struct record_setup s = {.fd = dup(fd),
                                   .head_fd = head_copy,
                                   .session = STR("s1"),
                                   .policy_digest = STR("00ff"),
                                   .io = &fault_io};

    (void)fcntl(fd, F_SETFL, O_APPEND);
    return record_start(&s, &e);
}

static uint64_t add_note(struct record *r, const char *text, uint64_t cause)
{
    struct err e;
    const struct record_event n = {.kind = RECORD_NOTE,
                                   .actor = "gate",
                                   .outcome = RECORD_NO_OUTCOME,
                                   .text = str_of(text),
                                   .cause = cause};

    return record_add(r, &n, &e);
}

/* Lines 1 (start), 2..n-1 (notes) and n (end), all synced. */
static void make(int fd, int head, int n)
{
    struct err e;
    struct record *r = start(fd, head);
    char text[32];

    for (int i = 2; i < n; i++) {
        (void)snprintf(text, sizeof(text), "note %d", i);
        (void)add_note(r, text, (uint64_t)i - 1);
    }
    (void)record_end(r, STR("done"), &e);
}

static struct record_report verify(int fd, int head)
{
    struct record_report rep;
    struct err e;

    if (!record_verify(fd, head, &rep, &e))
        rep = (struct record_report){.status = RECORD_NO_RECORD, .line = 999};
    return rep;
}

/* The file as lines, to be put together anew. */
struct text {
    struct buf b;
    struct str line[64];
    size_t n;
};

static void text_free(struct text *t)
{
    buf_free(&t->b);
}
#define AUTO_TEXT __attribute__((cleanup(text_free)))

static void load(struct text *t, int fd)
{
    struct err e;

    buf_init(&t->b, 1 << 20);
    t->n = 0;
    (void)lseek(fd, 0, SEEK_SET);
    (void)fd_read_all(fd, &t->b, "record", &e);
    for (size_t i = 0, from = 0; i < t->b.n; i++)
        if (t->b.p[i] == '\n') {
            t->line[t->n++] = (struct str){t->b.p + from, i + 1 - from};
            from = i + 1;
        }
}

/* Writes the lines named (numbers from 1) into a new file. */
static int rebuild(const struct text *t, const int *order, size_t n)
{
    int fd = memory();

    for (size_t i = 0; i < n; i++)
        (void)fd_write_all(fd, t->line[order[i] - 1].p, t->line[order[i] - 1].n);
    return fd;
}

#define REBUILD(t, ...) \
    rebuild((t), (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

#define CHECK_FOUND(fd, head, want, at)                                       \
    do {                                                                      \
        struct record_report rep_ = verify((fd), (head));                     \
        CHECK_STR(record_status_name(rep_.status), record_status_name(want)); \
        CHECK_INT(rep_.line, at);                                             \
    } while (0)

static void reset(void)
{
    memset(&fault, 0, sizeof(fault));
}

TEST(digest_is_sha256)
{
    unsigned char d[DIGEST_SIZE], back[DIGEST_SIZE];
    char hex[DIGEST_HEX];

    digest_bytes(STR("abc"), d); /* FIPS 180-4 example */
    digest_hex(d, hex);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest_parse(str_of(hex), back) && memcmp(d, back, sizeof(d)) == 0);
    hex[0] = 'B';
    CHECK(!digest_parse(str_of(hex), back));
    CHECK(!digest_parse(STR("ba78"), back));
}

TEST(whole_record_holds)
{
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    struct record_report r = verify(fd, head);
    CHECK_STR(record_status_name(r.status), "whole");
    CHECK_INT(r.lines, 8);
    CHECK(r.has_head);
    CHECK_FOUND(fd, -1, RECORD_WHOLE, 0);
}

TEST(prev_is_the_hash_of_the_line_with_its_newline)
{
    int fd = memory();
    AUTO_TEXT struct text t = {0};
    unsigned char d[DIGEST_SIZE];
    char hex[DIGEST_HEX];

    reset();
    make(fd, -1, 3);
    load(&t, fd);
    CHECK_INT(t.n, 3);
    digest_bytes(t.line[1], d);
    digest_hex(d, hex);
    CHECK(memmem(t.line[2].p, t.line[2].n, hex, 64) != NULL);
    CHECK(memmem(t.line[0].p, t.line[0].n, "\"format\":\"belay-record/1\"", 25) != NULL);
    CHECK(memmem(t.line[0].p, t.line[0].n, "\"time\":\"2023-11-14T22:13:20.000001000Z\"", 39) !=
          NULL);
}

TEST(every_changed_line_is_named)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    load(&t, fd);
    for (int i = 1; i <= 8; i++) {
        int all[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        struct str keep = t.line[i - 1];
        AUTO_FREE char *copy = malloc(keep.n);
        AUTO_CLOSE int bad = -1;

        memcpy(copy, keep.p, keep.n);
        *(char *)memmem(copy, keep.n, "\"s1\"", 4) = '"';
        ((char *)memmem(copy, keep.n, "\"s1\"", 4))[2] = '2'; /* session s2: still valid JSON */
        t.line[i - 1].p = copy;
        bad = rebuild(&t, all, 8);
        CHECK_FOUND(bad, head, RECORD_CHANGED, i);
        if (i < 7)
            CHECK_FOUND(bad, -1, RECORD_CHANGED, i);
        t.line[i - 1] = keep;
    }
}

TEST(line_that_is_no_json_is_named)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory();

    reset();
    make(fd, -1, 6);
    load(&t, fd);
    t.line[2] = STR("{\"seq\":3,\n");
    AUTO_CLOSE int bad = REBUILD(&t, 1, 2, 3, 4, 5, 6);
    CHECK_FOUND(bad, -1, RECORD_CHANGED, 3);
}

TEST(missing_lines_are_named)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    load(&t, fd);
    AUTO_CLOSE int one = REBUILD(&t, 1, 2, 3, 5, 6, 7, 8);
    struct record_report r = verify(one, head);
    CHECK_STR(record_status_name(r.status), "missing");
    CHECK_INT(r.line, 4);
    CHECK_INT(r.from, 4);
    CHECK_INT(r.to, 4);
    AUTO_CLOSE int three = REBUILD(&t, 1, 2, 6, 7, 8);
    r = verify(three, -1);
    CHECK_STR(record_status_name(r.status), "missing");
    CHECK_INT(r.from, 3);
    CHECK_INT(r.to, 5);
    AUTO_CLOSE int start_cut = REBUILD(&t, 3, 4, 5, 6, 7, 8);
    r = verify(start_cut, head);
    CHECK_STR(record_status_name(r.status), "missing");
    CHECK_INT(r.from, 1);
    CHECK_INT(r.to, 2);
}

TEST(added_lines_are_named)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    load(&t, fd);
    AUTO_CLOSE int copied = REBUILD(&t, 1, 2, 3, 2, 4, 5, 6, 7, 8);
    CHECK_FOUND(copied, head, RECORD_ADDED, 4);
    AUTO_CLOSE int behind = REBUILD(&t, 1, 2, 3, 4, 5, 6, 7, 8, 3);
    CHECK_FOUND(behind, head, RECORD_ADDED, 9);
    t.line[10] = STR("hello\n");
    AUTO_CLOSE int foreign = REBUILD(&t, 1, 2, 3, 11, 4, 5, 6, 7, 8);
    CHECK_FOUND(foreign, head, RECORD_ADDED, 4);
    t.line[10] = STR("tail");
    AUTO_CLOSE int tail = REBUILD(&t, 1, 2, 3, 4, 5, 6, 7, 8, 11);
    CHECK_FOUND(tail, head, RECORD_ADDED, 9);
}

TEST(moved_lines_are_named)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    load(&t, fd);
    AUTO_CLOSE int swapped = REBUILD(&t, 1, 2, 4, 3, 5, 6, 7, 8);
    CHECK_FOUND(swapped, head, RECORD_MOVED, 3);
    AUTO_CLOSE int later = REBUILD(&t, 1, 2, 4, 5, 6, 3, 7, 8);
    CHECK_FOUND(later, -1, RECORD_MOVED, 3);
}

TEST(cut_end_is_seen_by_the_head)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory(), head = memory();

    reset();
    make(fd, head, 8);
    load(&t, fd);
    AUTO_CLOSE int cut = REBUILD(&t, 1, 2, 3, 4, 5);
    struct record_report r = verify(cut, head);
    CHECK_STR(record_status_name(r.status), "cut");
    CHECK_INT(r.line, 5);
    CHECK_INT(r.from, 6);
    CHECK_INT(r.to, 8);
    CHECK(!record_status_intact(r.status));
    CHECK_FOUND(cut, -1, RECORD_OPEN, 0);
    t.line[6].n -= 5; /* cut within a line that had reached the disk: no crash does that */
    AUTO_CLOSE int within = REBUILD(&t, 1, 2, 3, 4, 5, 6, 7);
    CHECK_FOUND(within, head, RECORD_END_MISSING, 6);
    AUTO_CLOSE int none = memory();
    CHECK_FOUND(none, head, RECORD_END_MISSING, 0);
    CHECK_FOUND(none, -1, RECORD_EMPTY, 0);
}

TEST(crash_is_told_from_tampering)
{
    struct err e;
    int fd = memory(), head = memory();
    struct stat st;

    reset();
    struct record *r = start(fd, head);
    CHECK(r != NULL);
    (void)add_note(r, "one", 0);
    CHECK(record_flush(r, true, &e));
    (void)add_note(r, "two", 0);
    CHECK(record_flush(r, false, &e));
    CHECK_INT(record_unsynced(r), 1);
    record_drop(r);
    CHECK_FOUND(fd, head, RECORD_OPEN, 0);
    CHECK(fstat(fd, &st) == 0 && ftruncate(fd, st.st_size - 7) == 0);
    struct record_report rep = verify(fd, head);
    CHECK_STR(record_status_name(rep.status), "torn");
    CHECK_INT(rep.line, 3);
    CHECK_INT(rep.lines, 2);
    CHECK(record_status_intact(rep.status));
}

/* A crashed session of `n` synced lines, of which only `kept` bytes reached the disk in the
 * record itself. */
static void power_loss(int fd, int head, int n, off_t kept)
{
    struct err e;
    struct record *r = start(fd, head);

    for (int i = 2; i <= n; i++) {
        (void)add_note(r, "note", 0);
        (void)record_flush(r, true, &e);
    }
    record_drop(r);
    if (kept >= 0)
        (void)!ftruncate(fd, kept);
}

TEST(lines_lost_with_the_power_come_back_from_the_head)
{
    struct err e;
    AUTO_CLOSE int whole = memory();
    AUTO_CLOSE int whole_head = memory();

    reset();
    power_loss(whole, whole_head, 12, -1);
    AUTO_TEXT struct text t = {0};
    load(&t, whole);
    CHECK_INT(t.n, 12);
    for (off_t kept = (off_t)t.line[0].n; kept < (off_t)t.b.n; kept += 97) {
        AUTO_CLOSE int fd = memory();
        AUTO_CLOSE int head = memory();
        AUTO_TEXT struct text back = {0};

        reset();
        power_loss(fd, head, 12, kept);
        struct record_report r = verify(fd, head);
        CHECK_STR(record_status_name(r.status), "open");
        CHECK_INT(r.lines, 12);
        CHECK(r.copies > 0);
        CHECK(verify(fd, -1).lines < 12);
        CHECK(record_recover(fd, head, &r, &e));
        r = verify(fd, head);
        CHECK_INT(r.lines, 12);
        CHECK_INT(r.copies, 0);
        load(&back, fd);
        CHECK(str_eq(buf_str(&back.b), buf_str(&t.b)));
    }
}

TEST(copies_do_not_hide_what_was_done)
{
    struct text t = {0};
    AUTO_CLOSE int fd = memory();
    AUTO_CLOSE int head = memory();

    reset();
    power_loss(fd, head, 12, -1);
    load(&t, fd);
    for (size_t i = 0; i + 1 < t.n; i++) { /* a change before the end stays a change */
        *(char *)memmem(t.b.p + (t.line[i].p - t.b.p), t.line[i].n, "s1", 2) = 'x';
        AUTO_CLOSE int bad = memory();
        CHECK(fd_write_all(bad, t.b.p, t.b.n));
        CHECK(!record_status_intact(verify(bad, head).status));
        *(char *)memmem(t.b.p + (t.line[i].p - t.b.p), t.line[i].n, "x1", 2) = 's';
    }
    buf_free(&t.b);
}

TEST(many_lines_pass_through_the_head)
{
    struct err e;
    AUTO_CLOSE int fd = memory();
    AUTO_CLOSE int head = memory();
    struct stat st;

    reset();
    struct record *r = start(fd, head);
    for (int i = 2; i <= 3000; i++) { /* the copies fill up several times */
        CHECK(add_note(r, "a note of some length, so that the head fills up soon", 0) != 0);
        CHECK(record_flush(r, i % 3 == 0, &e));
    }
    CHECK(fstat(head, &st) == 0 && st.st_size == HEAD_SIZE + HEAD_TAIL);
    struct record_report rep = verify(fd, head);
    CHECK_INT(rep.lines, 3000);
    CHECK_INT(rep.copies, 0);
    CHECK(record_end(r, STR("over"), &e));
    CHECK_FOUND(fd, head, RECORD_WHOLE, 0);
    CHECK(fstat(head, &st) == 0 && st.st_size == HEAD_SIZE);
}

TEST(rewritten_history_is_seen_by_the_head)
{
    int fd = memory(), head = memory(), other = memory(), other_head = memory();

    reset();
    make(fd, head, 6);
    make(other, other_head, 9); /* another time, other hashes, a chain that holds */
    CHECK_FOUND(other, head, RECORD_REWRITTEN, 6);
    AUTO_CLOSE int same_length = memory();
    make(same_length, -1, 6);
    CHECK_FOUND(same_length, head, RECORD_CHANGED, 6);
}

TEST(full_disk_leaves_room_for_the_end)
{
    struct err e;
    int fd = memory(), head = memory();
    char text[100];

    reset();
    fault.reserve_at = 2;
    fault.error = ENOSPC;
    memset(text, 'x', sizeof(text));
    text[99] = '\0';
    struct record *r = start(fd, head);
    int n = 1;
    while (add_note(r, text, 0) != 0 && record_flush(r, false, &e))
        n++;
    CHECK_INT(e.code, EX_RECORD);
    CHECK_INT(e.sys, ENOSPC);
    CHECK(strstr(e.text, "session s1") != NULL);
    CHECK(n > 1000);
    CHECK_INT(add_note(r, "late", 0), 0);
    CHECK(!record_flush(r, true, &e));
    CHECK(record_end(r, STR("the disk is full"), &e));
    struct record_report rep = verify(fd, head);
    CHECK_STR(record_status_name(rep.status), "whole");
    CHECK_INT(rep.lines, n + 2); /* the event that was not released, and the end */
}

TEST(every_failing_write_is_reported)
{
    static const int errors[] = {ENOSPC, EIO, EROFS, EFBIG};

    for (size_t k = 0; k < ARRAY_LEN(errors); k++)
        for (int nth = 1; nth <= 6; nth++) {
            struct err e;
            AUTO_CLOSE int fd = memory();
            AUTO_CLOSE int head = memory();
            int good = 0;

            reset();
            fault.write_at = nth;
            fault.error = errors[k];
            fault.short_write = (size_t)(nth % 3) * 10;
            struct record *r = start(fd, head);
            while (add_note(r, "x", 0) != 0 && record_flush(r, false, &e))
                good++;
            CHECK_INT(good, nth - 1);
            CHECK_INT(e.sys, errors[k]);
            record_drop(r);
            CHECK(record_status_intact(verify(fd, head).status) || nth == 1);
        }
}

TEST(failed_sync_is_final)
{
    struct err e;
    int fd = memory(), head = memory();

    reset();
    fault.sync_at = 1;
    fault.error = EIO;
    struct record *r = start(fd, head);
    CHECK(!record_flush(r, true, &e));
    CHECK_INT(e.sys, EIO);
    CHECK(!record_flush(r, true, &e)); /* although the next fdatasync would succeed */
    CHECK(!record_end(r, STR("x"), &e));
    CHECK_FOUND(fd, head, RECORD_OPEN, 0);
}

TEST(file_size_limit_is_an_error_and_no_signal)
{
    struct rlimit was, low = {1 << 20, RLIM_INFINITY};
    struct err e;
    char path[] = "/tmp/belay-record-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);

    CHECK(fd >= 0 && unlink(path) == 0);
    reset();
    CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
    low.rlim_max = was.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
    struct record *r = start(fd, -1);
    bool failed = false;
    for (int i = 0; i < 20000 && !failed; i++)
        failed =
            add_note(r, "some text to fill the file with", 0) == 0 || !record_flush(r, false, &e);
    CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
    CHECK(failed);
    CHECK_INT(e.sys, EFBIG);
    CHECK(record_end(r, STR("no space"), &e));
    CHECK_FOUND(fd, -1, RECORD_WHOLE, 0);
}

static bool put_file(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && fd_write_all(fd, text, strlen(text));
}

/* Root in a user and a mount namespace of its own. */
static bool own_namespaces(void)
{
    AUTO_FREE char *uids = xasprintf("0 %u 1", getuid());
    AUTO_FREE char *gids = xasprintf("0 %u 1", getgid());

    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put_file("/proc/self/setgroups", "deny") &&
           put_file("/proc/self/uid_map", uids) && put_file("/proc/self/gid_map", gids);
}

/* In a mount namespace of its own: 0 good, 77 cannot be had here, else the line that failed. */
static int fill_small_disk(void)
{
    struct record_io io = record_system_io;
    struct record_report rep;
    struct err e;
    int fd, head, n = 0;

    if (!own_namespaces() || mount("small", "/tmp", "tmpfs", 0, "size=3m") != 0)
        return 77;
    if (!record_make_files("/tmp/s1", &fd, &head, &e))
        return __LINE__;
    const struct record_setup s = {
        .fd = fd, .head_fd = head, .session = STR("s1"), .policy_digest = STR("00"), .io = &io};
    struct record *r = record_start(&s, &e);
    while (r != NULL && add_note(r, "some text to fill the disk with", 0) != 0 &&
           record_flush(r, n % 100 == 0, &e))
        n++;
    if (r == NULL || e.sys != ENOSPC || n < 1000 || !record_end(r, STR("full"), &e))
        return __LINE__;
    if (!record_verify(open("/tmp/s1/record.jsonl", O_RDONLY), open("/tmp/s1/head", O_RDONLY), &rep,
                       &e) ||
        rep.status != RECORD_WHOLE || (int)rep.lines < n)
        return __LINE__;
    return 0;
}

TEST(small_disk_runs_full)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int line = fill_small_disk();

        if (line != 0 && line != 77)
            printf("# line %d\n", line);
        _exit(line == 0 || line == 77 ? line : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        SKIP("no user and mount namespaces here");
    CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(file_that_is_not_empty_is_refused)
{
    struct err e;
    const struct record_setup s = {.fd = memory(), .head_fd = -1, .session = STR("s1")};

    CHECK(fd_write_all(s.fd, "x", 1));
    CHECK(record_start(&s, &e) == NULL);
    CHECK(strstr(e.text, "not empty") != NULL);
}

TEST(group_commit_syncs_once)
{
    struct err e;
    int fd = memory(), head = memory();

    reset();
    struct record *r = start(fd, head);
    for (int i = 0; i < 50; i++)
        (void)add_note(r, "x", 0);
    CHECK(record_flush(r, true, &e));
    CHECK_INT(fault.syncs, 1);
    CHECK(record_flush(r, true, &e));
    CHECK_INT(fault.syncs, 1);
    CHECK_INT(record_unsynced(r), 0);
    CHECK(record_end(r, STR(""), &e));
}

TEST(long_events_are_cut_to_a_valid_line)
{
    struct err e;
    int fd = memory();
    struct action a;
    AUTO_BUF struct buf list = {0};
    AUTO_FREE char *big = malloc(100000);

    reset();
    memset(big, 1, 100000); /* six bytes each in JSON */
    buf_init(&list, 1 << 20);
    for (int i = 0; i < 300; i++)
        action_list_add(&list, (struct str){big, 500});
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, (struct str){big, 4096});
    action_list(&a, FIELD_ARGV, buf_str(&list));
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (field_kind((enum field_id)i) == FIELD_STR)
            action_str(&a, (enum field_id)i, (struct str){big, 100000});
    struct record *r = start(fd, -1);
    const struct record_event ev = {.kind = RECORD_ACTION,
                                    .actor = "agent",
                                    .action = &a,
                                    .outcome = OUTCOME_DENY,
                                    .text = {big, 100000}};
    CHECK_INT(record_add(r, &ev, &e), 2);
    CHECK(record_end(r, STR(""), &e));
    CHECK_FOUND(fd, -1, RECORD_WHOLE, 0);
    AUTO_TEXT struct text t = {0};
    load(&t, fd);
    CHECK(t.line[1].n < RECORD_LINE_MAX);
    CHECK(memmem(t.line[1].p, t.line[1].n, "\"cut\":true", 10) != NULL);
}

TEST(names_that_are_no_utf8_keep_their_bytes)
{
    struct err e;
    int fd = memory();
    struct action a;
    AUTO_TEXT struct text t = {0};

    reset();
    action_init(&a, VERB_WRITE, RESOURCE_FILE, (struct str){"/w/\xff\"\n", 6});
    struct record *r = start(fd, -1);
    const struct record_event ev = {
        .kind = RECORD_ACTION, .actor = "agent", .action = &a, .outcome = OUTCOME_ALLOW};
    (void)record_add(r, &ev, &e);
    CHECK(record_end(r, STR(""), &e));
    load(&t, fd);
    CHECK(memmem(t.line[1].p, t.line[1].n, "\"id_hex\":\"2f772fff220a\"", 23) != NULL);
    CHECK_FOUND(fd, -1, RECORD_WHOLE, 0);
}

TEST(hostile_files_are_findings)
{
    AUTO_CLOSE int deep = memory();
    AUTO_CLOSE int text = memory();
    AUTO_CLOSE int endless = memory();
    AUTO_FREE char *big = malloc(1 << 20);

    memset(big, '[', 1 << 20);
    (void)fd_write_all(endless, big, 1 << 20);
    CHECK_FOUND(endless, -1, RECORD_NO_RECORD, 1);
    big[100000] = '\n';
    (void)fd_write_all(deep, big, 100001);
    CHECK_FOUND(deep, -1, RECORD_NO_RECORD, 1);
    (void)fd_write_all(text, "\n\nhello\n\0\n", 10);
    CHECK_FOUND(text, -1, RECORD_NO_RECORD, 1);
    struct record_line p;
    CHECK(!record_line_parse(STR("{\"seq\":-1,\"prev\":\"\"}\n"), &p));
    CHECK(!record_line_parse(STR("[]\n"), &p));
    CHECK(!record_line_parse(STR("\n"), &p));
}

TEST(overlong_line_is_stepped_over)
{
    AUTO_TEXT struct text t = {0};
    int fd = memory();
    AUTO_FREE char *big = malloc(2 * RECORD_LINE_MAX);

    reset();
    make(fd, -1, 6);
    load(&t, fd);
    memset(big, 'x', 2 * RECORD_LINE_MAX);
    big[2 * RECORD_LINE_MAX - 1] = '\n';
    t.line[10] = (struct str){big, 2 * RECORD_LINE_MAX};
    AUTO_CLOSE int bad = REBUILD(&t, 1, 2, 11, 3, 4, 5, 6);
    CHECK_FOUND(bad, -1, RECORD_ADDED, 3);
}

struct seen {
    uint64_t seq[32];
    size_t n, stop_at;
};

static bool see(void *ctx, const struct record_line *p, struct str line)
{
    struct seen *s = ctx;

    (void)line;
    s->seq[s->n++] = p->seq;
    return s->n != s->stop_at;
}

TEST(query_filters)
{
    struct err e;
    int fd = memory();
    struct action a;
    uint64_t bad;
    const struct str rules[] = {STR("no-hooks"), STR("other")};

    reset();
    struct record *r = start(fd, -1);
    action_init(&a, VERB_WRITE, RESOURCE_FILE, STR("/w/.git/hooks/x"));
    struct record_event ev = {.kind = RECORD_ACTION,
                              .actor = "agent",
                              .action = &a,
                              .outcome = OUTCOME_DENY,
                              .rules = rules,
                              .nrules = 2};
    (void)record_add(r, &ev, &e); /* 2 */
    ev.outcome = OUTCOME_ALLOW;
    ev.nrules = 0;
    (void)record_add(r, &ev, &e); /* 3 */
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, STR("/bin/sh"));
    (void)record_add(r, &ev, &e);          /* 4 */
    CHECK(record_end(r, STR("over"), &e)); /* 5 */
    struct seen s = {0};
    const struct record_filter by_rule = {.rule = STR("no-hooks")};
    CHECK(record_query(fd, &by_rule, see, &s, &bad, &e));
    CHECK(s.n == 1 && s.seq[0] == 2);
    s = (struct seen){0};
    const struct record_filter by_verb = {.verb = STR("write"), .outcome = STR("allow")};
    CHECK(record_query(fd, &by_verb, see, &s, &bad, &e));
    CHECK(s.n == 1 && s.seq[0] == 3);
    s = (struct seen){0};
    const struct record_filter range = {.from = 3, .to = 4};
    CHECK(record_query(fd, &range, see, &s, &bad, &e));
    CHECK(s.n == 2 && s.seq[0] == 3 && s.seq[1] == 4);
    s = (struct seen){0};
    const struct record_filter by_text = {.text = STR("/bin/sh")};
    CHECK(record_query(fd, &by_text, see, &s, &bad, &e));
    CHECK(s.n == 1 && s.seq[0] == 4);
    s = (struct seen){.stop_at = 2};
    const struct record_filter any = {0};
    CHECK(record_query(fd, &any, see, &s, &bad, &e));
    CHECK_INT(s.n, 2);
    CHECK_INT(bad, 0);
}

TEST(why_walks_the_causes)
{
    struct err e;
    int fd = memory();
    struct seen s = {0};

    reset();
    struct record *r = start(fd, -1);
    (void)add_note(r, "a", 0);    /* 2 */
    (void)add_note(r, "b", 2);    /* 3 */
    (void)add_note(r, "c", 0);    /* 4 */
    (void)add_note(r, "d", 3);    /* 5 */
    (void)add_note(r, "loop", 7); /* 6 */
    (void)add_note(r, "self", 7); /* 7 */
    CHECK(record_end(r, STR(""), &e));
    CHECK(record_why(fd, 5, see, &s, &e));
    CHECK(s.n == 3 && s.seq[0] == 5 && s.seq[1] == 3 && s.seq[2] == 2);
    s.n = 0;
    CHECK(!record_why(fd, 6, see, &s, &e)); /* causes must come before */
    CHECK(!record_why(fd, 7, see, &s, &e));
    CHECK(!record_why(fd, 99, see, &s, &e));
    CHECK(strstr(e.text, "no event 99") != NULL);
    CHECK(!record_why(fd, 0, see, &s, &e));
}

TEST(files_are_made_once_and_private)
{
    char dir[] = "/tmp/belay-record-XXXXXX", path[64];
    struct err e;
    struct stat st;
    int fd, head, fd2, head2;

    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof(path), "%s/s1", dir);
    CHECK(record_make_files(path, &fd, &head, &e));
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK((fcntl(fd, F_GETFL) & O_APPEND) != 0);
    CHECK(!record_make_files(path, &fd2, &head2, &e));
    CHECK_INT(e.code, EX_RECORD);
    CHECK(strstr(e.text, path) != NULL);
    (void)close(fd);
    (void)close(head);
    int d = open(path, O_DIRECTORY);
    CHECK(unlinkat(d, "record.jsonl", 0) == 0 && unlinkat(d, "head", 0) == 0);
    (void)close(d);
    CHECK(rmdir(path) == 0 && rmdir(dir) == 0);
}

UNIT_MAIN(UNIT(digest_is_sha256), UNIT(whole_record_holds),
          UNIT(prev_is_the_hash_of_the_line_with_its_newline), UNIT(every_changed_line_is_named),
          UNIT(line_that_is_no_json_is_named), UNIT(missing_lines_are_named),
          UNIT(added_lines_are_named), UNIT(moved_lines_are_named),
          UNIT(cut_end_is_seen_by_the_head), UNIT(crash_is_told_from_tampering),
          UNIT(lines_lost_with_the_power_come_back_from_the_head),
          UNIT(copies_do_not_hide_what_was_done), UNIT(many_lines_pass_through_the_head),
          UNIT(rewritten_history_is_seen_by_the_head), UNIT(full_disk_leaves_room_for_the_end),
          UNIT(every_failing_write_is_reported), UNIT(failed_sync_is_final),
          UNIT(file_size_limit_is_an_error_and_no_signal), UNIT(small_disk_runs_full),
          UNIT(file_that_is_not_empty_is_refused), UNIT(group_commit_syncs_once),
          UNIT(long_events_are_cut_to_a_valid_line), UNIT(names_that_are_no_utf8_keep_their_bytes),
          UNIT(hostile_files_are_findings), UNIT(overlong_line_is_stepped_over),
          UNIT(query_filters), UNIT(why_walks_the_causes), UNIT(files_are_made_once_and_private))
