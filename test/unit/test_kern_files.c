/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How kern serves file calls. The first test makes several hundred calls twice, once bare and
 * once under kern with everything allowed, and compares every result, every errno and the tree
 * that is left: an agent must not notice. The others say no.
 */
#include "kern_world.h"
#include "unit.h"

#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <utime.h>

static char dir[512];
static FILE *out;

static void note(const char *what, long rc)
{
    int e = errno;

    if (rc < 0)
        fprintf(out, "%s: %s\n", what, strerrorname_np(e));
    else
        fprintf(out, "%s: ok\n", what);
    errno = 0;
}

#define DO(call) note(#call, (long)(call))

/* Opens, tells what the descriptor is, writes where it can, closes. */
static void try_open(const char *what, int fd)
{
    struct stat st;
    char c = 'x';

    note(what, fd);
    if (fd < 0)
        return;
    fstat(fd, &st);
    int flags = fcntl(fd, F_GETFL);
    fprintf(out, "  mode %o size %ld flags %o cloexec %d\n", st.st_mode,
            S_ISREG(st.st_mode) ? (long)st.st_size : 0L, flags, fcntl(fd, F_GETFD));
    if (S_ISREG(st.st_mode)) {
        note("  write", write(fd, &c, 1));
        note("  pread", pread(fd, &c, 1, 0));
    }
    close(fd);
}

#define OPEN(...)   try_open("open(" #__VA_ARGS__ ")", open(__VA_ARGS__))
#define OPENAT(...) try_open("openat(" #__VA_ARGS__ ")", openat(__VA_ARGS__))

static void try_openat2(const char *what, int fd, const char *path, uint64_t flags, uint64_t mode,
                        uint64_t resolve)
{
    struct open_how how = {flags, mode, resolve};

    try_open(what, (int)syscall(SYS_openat2, fd, path, &how, sizeof(how)));
}

#define OPENAT2(...) try_openat2("openat2(" #__VA_ARGS__ ")", __VA_ARGS__)

static void *volatile bad = (void *)8;

static void opens(void)
{
    int d = open("d", O_RDONLY | O_DIRECTORY);
    char longer[5000], name[300];

    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    umask(027);
    OPEN("new", O_WRONLY | O_CREAT, 0666);
    OPEN("new", O_WRONLY | O_CREAT | O_EXCL, 0666);
    OPEN("new", O_RDWR | O_APPEND | O_CLOEXEC);
    OPEN("new", O_WRONLY | O_TRUNC);
    OPEN("new", O_RDONLY | O_TRUNC);
    OPEN("readonly", O_WRONLY | O_CREAT, 0444);
    OPEN("setuid", O_WRONLY | O_CREAT, 06755);
    OPEN("missing", O_WRONLY);
    OPEN("missing/x", O_WRONLY | O_CREAT, 0600);
    OPEN("new/x", O_WRONLY | O_CREAT, 0600);
    OPEN("slash/", O_WRONLY | O_CREAT, 0600);
    OPEN("new/", O_WRONLY);
    OPEN("d", O_WRONLY);
    OPEN("d", O_RDONLY | O_CREAT, 0600);
    OPEN("d", O_WRONLY | O_CREAT, 0600);
    OPEN("d/", O_RDWR);
    OPEN(".", O_WRONLY);
    OPEN("", O_WRONLY | O_CREAT, 0600);
    OPEN("d/..", O_WRONLY | O_CREAT, 0600);
    OPEN(longer, O_WRONLY | O_CREAT, 0600);
    OPEN(name, O_WRONLY | O_CREAT, 0600);
    OPEN(bad, O_WRONLY | O_CREAT, 0600);
    OPEN("to-new", O_WRONLY);
    OPEN("to-new", O_WRONLY | O_NOFOLLOW);
    OPEN("to-new", O_WRONLY | O_CREAT | O_EXCL, 0600);
    OPEN("dangling", O_WRONLY);
    OPEN("dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    OPEN("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600);
    OPEN("dangling", O_WRONLY | O_CREAT, 0640);
    OPEN("loop", O_WRONLY | O_CREAT, 0600);
    OPEN("to-d/in", O_WRONLY | O_CREAT, 0600);
    OPEN("d", O_WRONLY | O_DIRECTORY);
    OPEN("new", O_WRONLY | O_DIRECTORY);
    OPEN("d", O_TMPFILE | O_RDWR, 0600);
    OPEN("new", O_TMPFILE | O_RDWR, 0600);
    OPEN("d", O_TMPFILE | O_RDONLY, 0600);
    OPEN("new", O_RDWR | O_NONBLOCK);
    OPEN("new", O_WRONLY | O_SYNC);
    OPEN("new", O_ACCMODE);
    OPEN("fifo", O_WRONLY | O_NONBLOCK);
    OPEN("fifo", O_RDWR);
    OPEN("fifo", O_RDWR | O_CREAT, 0600);
    OPEN("/dev/null", O_WRONLY);
    OPEN("/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0666);
    OPEN("/dev/full", O_WRONLY);
    OPEN("/dev/urandom", O_RDWR);
    OPENAT(d, "at", O_WRONLY | O_CREAT, 0600);
    OPENAT(d, "../up", O_WRONLY | O_CREAT, 0600);
    OPENAT(99, "at", O_WRONLY | O_CREAT, 0600);
    OPENAT(99, "new", O_WRONLY);
    OPENAT(99, dir, O_WRONLY);
    try_open("creat", creat("created", 0666));
    try_open("creat again", creat("created", 0666));
    OPENAT2(AT_FDCWD, "new", O_RDONLY, 0, 0);
    OPENAT2(AT_FDCWD, "new", O_RDWR, 0, 0);
    OPENAT2(AT_FDCWD, "new", O_RDWR, 0600, 0);
    OPENAT2(AT_FDCWD, "new2", O_RDWR | O_CREAT, 0600, 0);
    OPENAT2(AT_FDCWD, "new", 1ull << 40, 0, 0);
    OPENAT2(AT_FDCWD, "new", O_RDONLY, 0, 1u << 20);
    OPENAT2(d, "../new", O_WRONLY, 0, RESOLVE_BENEATH);
    OPENAT2(d, "../new", O_WRONLY, 0, RESOLVE_IN_ROOT);
    OPENAT2(d, "/at", O_WRONLY, 0, RESOLVE_IN_ROOT);
    OPENAT2(d, "/at2", O_WRONLY | O_CREAT, 0600, RESOLVE_IN_ROOT);
    OPENAT2(d, "at3", O_WRONLY | O_CREAT, 0600, RESOLVE_BENEATH);
    OPENAT2(AT_FDCWD, "to-new", O_WRONLY, 0, RESOLVE_NO_SYMLINKS);
    OPEN("d", O_PATH | O_DIRECTORY);
    OPEN("to-new", O_PATH | O_NOFOLLOW);
    note("openat2 short", syscall(SYS_openat2, AT_FDCWD, "new", &(struct open_how){0}, 8));
    note("openat2 fault", syscall(SYS_openat2, AT_FDCWD, "new", bad, 24));
    close(d);
}

static void by_proc(void)
{
    char path[64];
    int fd = open("new", O_RDONLY), p[2];

    if (pipe(p) != 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    try_open("own descriptor for writing", open(path, O_WRONLY));
    try_open("own descriptor, truncated", open(path, O_WRONLY | O_TRUNC));
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", p[1]);
    try_open("own pipe", open(path, O_WRONLY));
    try_open("own name", open("/proc/self/comm", O_WRONLY));
    try_open("own thread's name", open("/proc/thread-self/comm", O_RDWR));
    try_open("by the own root", open("/proc/self/root/dev/null", O_WRONLY));
    try_open("by the own folder", open("/proc/self/cwd/new", O_WRONLY));
    try_open("new by the own folder", open("/proc/self/cwd/by-proc", O_WRONLY | O_CREAT, 0600));
    try_open("a folder's name", open("/proc/self/fd", O_WRONLY));
    try_open("nothing there", open("/proc/self/nothing", O_WRONLY | O_CREAT, 0600));
    close(fd);
    close(p[0]);
    close(p[1]);
}

static void names(void)
{
    int d = open("d", O_RDONLY | O_DIRECTORY);

    umask(022);
    DO(mkdir("made", 0777));
    DO(mkdir("made", 0777));
    DO(mkdir("made2/", 0700));
    DO(mkdir("to-new", 0700));
    DO(mkdir("dangling2/", 0700));
    DO(mkdir("missing/made", 0700));
    DO(mkdir(".", 0700));
    DO(mkdir("..", 0700));
    DO(mkdir("/", 0700));
    DO(mkdir("", 0700));
    DO(mkdirat(d, "deep", 01777));
    DO(rmdir("missing"));
    DO(rmdir("new"));
    DO(rmdir("."));
    DO(rmdir("made/.."));
    DO(rmdir("d"));
    DO(rmdir("made2/"));
    DO(rmdir("/"));
    DO(unlink("made"));
    DO(unlink("missing"));
    DO(unlink("new/"));
    DO(unlink("created"));
    DO(unlink("to-new/"));
    DO(unlinkat(d, "at", 0));
    DO(unlinkat(d, "deep", 0));
    DO(unlinkat(d, "deep", AT_REMOVEDIR));
    DO(unlinkat(d, "deep", 0x4000));
    DO(mknod("node", S_IFREG | 0640, 0));
    DO(mknod("node", S_IFREG | 0640, 0));
    DO(mknod("plain", 0666, 0));
    DO(mknod("pipe", S_IFIFO | 0622, 0));
    DO(mknod("sock", S_IFSOCK | 0622, 0));
    DO(mknod("dirnode", S_IFDIR | 0700, 0));
    DO(mknodat(d, "node", S_IFREG | 0640, 0));
    DO(symlink("anything", "sym"));
    DO(symlink("anything", "sym"));
    DO(symlink("", "empty"));
    DO(symlink("x", "sym/y"));
    DO(symlinkat("in d", d, "sym"));
    DO(link("new", "hard"));
    DO(link("new", "hard"));
    DO(link("d", "hard-d"));
    DO(link("missing", "hard2"));
    DO(link("to-new", "hard-link"));
    DO(linkat(AT_FDCWD, "to-new", d, "hard", AT_SYMLINK_FOLLOW));
    DO(linkat(AT_FDCWD, "new", d, "hard2", 0x4));
    int t = open("d", O_TMPFILE | O_RDWR, 0600);
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", t);
    DO(linkat(AT_FDCWD, path, d, "was-nameless", AT_SYMLINK_FOLLOW));
    close(t);
    close(d);
}

static void renames(void)
{
    int d = open("d", O_RDONLY | O_DIRECTORY);

    DO(mkdir("r", 0700));
    DO(mkdir("r/sub", 0700));
    DO(mkdir("r/sub/deeper", 0700));
    DO(mkdir("empty-dir", 0700));
    OPEN("r/sub/file", O_WRONLY | O_CREAT, 0600);
    OPEN("one", O_WRONLY | O_CREAT, 0600);
    OPEN("two", O_WRONLY | O_CREAT, 0600);
    DO(rename("one", "two"));
    DO(rename("one", "two"));
    DO(rename("two", "one/"));
    DO(rename("two", "three"));
    DO(rename("three", "three"));
    DO(rename("three", "r"));
    DO(rename("r", "three"));
    DO(rename("r", "empty-dir"));
    DO(rename("empty-dir", "d"));
    DO(rename("empty-dir", "empty-dir/sub/in-itself"));
    DO(rename("empty-dir/", "moved/"));
    DO(rename(".", "x"));
    DO(rename("moved/..", "x"));
    DO(rename("three", "moved/sub/.."));
    DO(rename("sym", "sym2"));
    DO(renameat(AT_FDCWD, "three", d, "three"));
    DO((int)syscall(SYS_renameat2, d, "three", AT_FDCWD, "moved", RENAME_NOREPLACE));
    DO((int)syscall(SYS_renameat2, d, "three", AT_FDCWD, "moved", RENAME_EXCHANGE));
    DO((int)syscall(SYS_renameat2, d, "three", AT_FDCWD, "fresh", RENAME_NOREPLACE));
    DO((int)syscall(SYS_renameat2, d, "missing", AT_FDCWD, "fresh", RENAME_EXCHANGE));
    DO((int)syscall(SYS_renameat2, d, "three", AT_FDCWD, "fresh", 64));
    DO((int)syscall(SYS_renameat2, d, "three", AT_FDCWD, "fresh",
                    RENAME_NOREPLACE | RENAME_EXCHANGE));
    DO(rename("missing", "x"));
    DO(rename("missing/x", "x"));
    DO(rename(bad, "x"));
    close(d);
}

static void attrs(void)
{
    struct timespec t[2] = {{1000, 5}, {2000, 7}}, omit[2] = {{0, UTIME_OMIT}, {3000, 0}};
    struct timeval v[2] = {{4000, 5}, {5000, 6}}, wrong[2] = {{0, 0}, {0, 2000000}};
    static char big[70000];
    int fd = open("new", O_RDONLY), d = open("d", O_RDONLY);

    DO(chmod("new", 0604));
    DO(chmod("to-new", 0640));
    DO(chmod("missing", 0640));
    DO(chmod("d", 03711));
    DO(fchmod(fd, 0600));
    DO(fchmod(99, 0600));
    DO(fchmodat(d, "hard", 0644, 0));
    DO((int)syscall(SYS_fchmodat2, AT_FDCWD, "sym2", 0600, AT_SYMLINK_NOFOLLOW));
    DO((int)syscall(SYS_fchmodat2, fd, "", 0620, AT_EMPTY_PATH));
    DO((int)syscall(SYS_fchmodat2, fd, "", 0620, 1));
    DO(chown("new", (uid_t)-1, (gid_t)-1));
    DO(chown("missing", (uid_t)-1, (gid_t)-1));
    DO(lchown("sym2", getuid(), getgid()));
    DO(fchown(fd, getuid(), (gid_t)-1));
    DO(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
    DO(fchownat(AT_FDCWD, "new", getuid(), getgid(), 8));
    DO(truncate("new", 100));
    DO(truncate("new", -1));
    DO(truncate("d", 0));
    DO(truncate("pipe", 0));
    DO(truncate("missing", 0));
    DO(utimensat(AT_FDCWD, "new", t, 0));
    DO(utimensat(AT_FDCWD, "sym2", t, AT_SYMLINK_NOFOLLOW));
    DO(utimensat(AT_FDCWD, "new", omit, 0));
    DO(utimensat(AT_FDCWD, "node", NULL, 0));
    DO(utimensat(AT_FDCWD, "node", t, 0x800000));
    DO(futimens(d, t));
    DO(futimens(99, t));
    DO(utimes("plain", v));
    DO(utimes("plain", wrong));
    DO(utime("setuid", &(struct utimbuf){6000, 7000}));
    DO(futimesat(AT_FDCWD, "readonly", v));
    DO(setxattr("new", "user.a", "value", 5, 0));
    DO(setxattr("new", "user.a", "value", 5, XATTR_CREATE));
    DO(setxattr("new", "user.b", "value", 5, XATTR_REPLACE));
    DO(setxattr("new", "bogus", "value", 5, 0));
    DO(setxattr("new", "", "value", 5, 0));
    DO(setxattr("new", "user.big", big, sizeof(big), 0));
    DO(setxattr("missing", "user.a", "value", 5, 0));
    DO(lsetxattr("sym2", "user.a", "value", 5, 0));
    DO(fsetxattr(fd, "user.c", "value", 5, 0));
    DO(removexattr("new", "user.c"));
    DO(removexattr("new", "user.c"));
    DO(fremovexattr(fd, "user.a"));
    DO(lremovexattr("sym2", "user.a"));
    close(fd);
    close(d);
}

static void in_a_removed_folder(void)
{
    DO(mkdir("gone", 0700));
    DO(chdir("gone"));
    DO(rmdir("../gone"));
    OPEN("x", O_WRONLY | O_CREAT, 0600);
    DO(mkdir("x", 0700));
    DO(chdir(dir));
}

/* Two processes meet at a FIFO, in both orders. */
static void meet_at_fifo(void)
{
    for (int late = 0; late < 2; late++) {
        char c = 0;
        pid_t pid = fork();

        if (pid == 0) {
            usleep(late != 0 ? 100000 : 0);
            int fd = open("fifo", O_RDONLY);
            _exit(read(fd, &c, 1) == 1 && c == 'z' ? 0 : 1);
        }
        usleep(late != 0 ? 0 : 100000);
        int fd = open("fifo", O_WRONLY), status;
        note("fifo", write(fd, "z", 1));
        close(fd);
        waitpid(pid, &status, 0);
        fprintf(out, "  status %d\n", status);
    }
}

static void dump(const char *path, int depth)
{
    char command[1024];

    (void)depth;
    (void)snprintf(command, sizeof(command),
                   "cd %s && find . ! -name log -printf '%%P %%y %%m %%l %%n\\n' | sort", path);
    FILE *p = popen(command, "r");
    char line[1024];
    while (p != NULL && fgets(line, sizeof(line), p) != NULL)
        fputs(line, out);
    if (p != NULL)
        pclose(p);
    static const char *const timed[] = {"new", "node", "d", "plain", "setuid", "readonly"};
    for (size_t i = 0; i < ARRAY_LEN(timed); i++) {
        struct stat st;

        if (lstat(timed[i], &st) == 0 && st.st_mtime < 100000)
            fprintf(out, "%s %ld %ld.%09ld %ld\n", timed[i], st.st_atime < 100000 ? st.st_atime : 0,
                    st.st_mtime, st.st_mtim.tv_nsec, (long)st.st_size);
    }
}

static int everything(void *log)
{
    if (chdir(dir) != 0)
        return 1;
    out = fopen(log, "we");
    if (out == NULL)
        return 2;
    errno = 0;
    opens();
    by_proc();
    names();
    renames();
    attrs();
    in_a_removed_folder();
    meet_at_fifo();
    dump(".", 0);
    return fclose(out) == 0 ? 0 : 3;
}

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void clean(void)
{
    char command[600];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (chdir("/") != 0 || system(command) != 0)
        printf("# %s could not be removed\n", dir);
}

static void make_dir_in(const char *where)
{
    (void)snprintf(dir, sizeof(dir), "%s/kern-test-XXXXXX", where);
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        abort();
    must(mkdir("d", 0700));
    must(mkfifo("fifo", 0600));
    must(symlink("new", "to-new"));
    must(symlink("made-by-link", "dangling"));
    must(symlink("nowhere", "dangling2"));
    must(symlink("loop", "loop"));
    must(symlink("d", "to-d"));
}

static void make_dir(void)
{
    make_dir_in("/tmp");
}

static char *slurp(const char *path)
{
    AUTO_BUF struct buf b = {0};
    struct err e;

    buf_init(&b, 1u << 20);
    if (!fd_read_file(path, &b, &e))
        return xstrdup(e.text);
    return b.p != NULL ? xasprintf("%.*s", (int)b.n, b.p) : xstrdup("");
}

/* The first lines that differ, for the reader of a failed test. */
static void show_difference(const char *a, const char *b)
{
    for (int shown = 0; *a != '\0' && *b != '\0' && shown < 20;) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

        if (n != m || memcmp(a, b, n) != 0) {
            printf("# bare: %.*s\n# kern: %.*s\n", (int)n, a, (int)m, b);
            shown++;
        }
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
}

static char *bare_log(void)
{
    char name[] = "/tmp/kern-log-XXXXXX";
    int status;

    close(mkstemp(name));
    make_dir();
    pid_t pid = fork();
    if (pid == 0)
        _exit(everything(name));
    waitpid(pid, &status, 0);
    clean();
    char *text = slurp(name);
    (void)unlink(name);
    return text;
}

static void compare(unsigned traps)
{
    char name[] = "/tmp/kern-log-XXXXXX";
    AUTO_FREE char *bare = bare_log();
    AUTO_FREE struct world *w = world_new(traps, false, NULL);

    close(mkstemp(name));
    make_dir();
    CHECK(world_run(w, everything, name));
    clean();
    AUTO_FREE char *seen = slurp(name);
    (void)unlink(name);
    if (strcmp(bare, seen) != 0)
        show_difference(bare, seen);
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    CHECK(strlen(bare) > 10000);
    CHECK(strcmp(bare, seen) == 0);
}

TEST(same_as_bare_with_writes_trapped)
{
    compare(TRAP_EXEC | TRAP_WRITE);
}

TEST(same_as_bare_with_everything_trapped)
{
    compare(TRAP_EXEC | TRAP_WRITE | TRAP_READ);
}

/* What is refused, and by which names */

static bool like(const struct action *a, const char *part)
{
    return memmem(a->resource.p, a->resource.n, part, strlen(part)) != NULL;
}

/* Nothing may be written, made or removed in a folder `guard/inner`, wherever that is. */
static enum outcome guard(const struct action *a)
{
    return a->verb != VERB_READ && a->verb != VERB_EXEC && like(a, "/guard/inner") ? OUTCOME_DENY
                                                                                   : OUTCOME_ALLOW;
}

#define MUST_FAIL(n, call, error)                                         \
    do {                                                                  \
        errno = 0;                                                        \
        if ((call) != -1 || errno != (error)) {                           \
            fprintf(stderr, "# %s: %s\n", #call, strerrorname_np(errno)); \
            return (n);                                                   \
        }                                                                 \
    } while (0)
#define MUST_WORK(n, call)                                                \
    do {                                                                  \
        if ((call) == -1) {                                               \
            fprintf(stderr, "# %s: %s\n", #call, strerrorname_np(errno)); \
            return (n);                                                   \
        }                                                                 \
    } while (0)

static int refusals(void *arg)
{
    char path[64];
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct open_how how = {.flags = O_WRONLY};

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    MUST_FAIL(1, open("guard/inner/file", O_WRONLY), EACCES);
    MUST_FAIL(2, open("guard/inner/new", O_WRONLY | O_CREAT, 0600), EACCES);
    MUST_FAIL(3, open("guard/../guard/./inner//file", O_RDWR), EACCES);
    MUST_FAIL(4, open("by-link", O_WRONLY), EACCES);
    MUST_FAIL(5, open("dangle", O_WRONLY | O_CREAT, 0600), EACCES);
    MUST_FAIL(6, open("guard/inner/file", O_RDONLY | O_TRUNC), EACCES);
    MUST_FAIL(7, creat("guard/inner/file", 0600), EACCES);
    MUST_FAIL(8, (int)syscall(SYS_openat2, AT_FDCWD, "guard/inner/file", &how, sizeof(how)),
              EACCES);
    int in = open("guard/inner", O_RDONLY | O_DIRECTORY), fd = open("guard/inner/file", O_RDONLY);
    MUST_FAIL(9, openat(in, "file", O_WRONLY), EACCES);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST_FAIL(10, open(path, O_WRONLY), EACCES);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/file", in);
    MUST_FAIL(11, open(path, O_WRONLY), EACCES);
    MUST_FAIL(12, fchmod(fd, 0666), EACCES);
    MUST_FAIL(13, chmod("by-link", 0666), EACCES);
    MUST_FAIL(14, fchown(fd, getuid(), getgid()), EACCES);
    MUST_FAIL(15, futimens(fd, now), EACCES);
    MUST_FAIL(16, truncate("by-link", 0), EACCES);
    MUST_FAIL(17, fsetxattr(fd, "user.x", "y", 1, 0), EACCES);
    MUST_FAIL(18, unlink("guard/inner/file"), EACCES);
    MUST_FAIL(19, unlinkat(in, "file", 0), EACCES);
    MUST_FAIL(20, mkdir("guard/inner/d", 0700), EACCES);
    MUST_FAIL(21, symlink("x", "guard/inner/s"), EACCES);
    MUST_FAIL(22, mknod("guard/inner/n", S_IFIFO | 0600, 0), EACCES);
    /* a second name of a guarded file would be a way to write it */
    MUST_FAIL(23, link("guard/inner/file", "second"), EACCES);
    MUST_FAIL(24, linkat(AT_FDCWD, "by-link", AT_FDCWD, "second", AT_SYMLINK_FOLLOW), EACCES);
    MUST_FAIL(25, link("outside", "guard/inner/second"), EACCES);
    MUST_FAIL(26, rename("outside", "guard/inner/file"), EACCES);
    MUST_FAIL(27, rename("guard/inner/file", "out"), EACCES);
    MUST_FAIL(28, (int)syscall(SYS_renameat2, AT_FDCWD, "outside", in, "file", RENAME_EXCHANGE),
              EACCES);
    /* the folder above it may not go either, as it takes what is guarded with it */
    MUST_FAIL(29, rename("guard", "g"), EACCES);
    MUST_FAIL(30,
              (int)syscall(SYS_renameat2, AT_FDCWD, "guard", AT_FDCWD, "other", RENAME_EXCHANGE),
              EACCES);
    MUST_FAIL(31, rmdir("guard/inner"), EACCES);
    /* and what was made elsewhere may not come there */
    MUST_WORK(32, mkdir("prepared", 0700));
    MUST_WORK(33, mkdir("prepared/inner", 0700));
    MUST_WORK(34, close(open("prepared/inner/evil", O_WRONLY | O_CREAT, 0600)));
    MUST_WORK(35, mkdir("elsewhere", 0700));
    MUST_FAIL(36, rename("prepared", "elsewhere/guard"), EACCES);
    MUST_FAIL(37, rename("prepared/inner", "elsewhere/../guard/inner"), EACCES);
    MUST_WORK(38, symlink("guard", "alias"));
    MUST_FAIL(39, open("alias/inner/file", O_WRONLY), EACCES);
    MUST_WORK(40, rename("prepared", "elsewhere/fine"));
    /* devices and other processes are not kern's to open */
    MUST_FAIL(41, open("/proc/1/oom_score_adj", O_WRONLY), EACCES);
    MUST_FAIL(42, open("/proc/self/mem", O_RDWR), EACCES);
    MUST_FAIL(43, open("/proc/sys/kernel/core_pattern", O_WRONLY), EACCES);
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)getppid());
    MUST_FAIL(44, open(path, O_WRONLY), EACCES);
    (void)snprintf(path, sizeof(path), "/proc/%d/root/tmp/x", (int)getppid());
    MUST_FAIL(45, open(path, O_WRONLY | O_CREAT, 0600), EACCES);
    MUST_FAIL(46, mknod("dev", S_IFCHR | 0600, 0x103), EPERM);
    return 0;
}

static void make_guarded(void)
{
    make_dir();
    must(mkdir("guard", 0700));
    must(mkdir("guard/inner", 0700));
    must(mkdir("other", 0700));
    must(close(creat("guard/inner/file", 0600)));
    must(close(creat("outside", 0600)));
    must(symlink("guard/inner/file", "by-link"));
    must(symlink("guard/inner/not-yet", "dangle"));
}

TEST(refused_by_every_name)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, guard);

    make_guarded();
    CHECK(world_run(w, refusals, NULL));
    CHECK(access("guard/inner/new", F_OK) != 0 && access("second", F_OK) != 0);
    clean();
    if (world_code(w) != 0)
        printf("# %s", w->log);
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

/* While a write is asked about, the name is led elsewhere: what is written is what was asked. */
static enum outcome ask_slow(const struct action *a)
{
    return a->verb == VERB_WRITE && like(a, "slow") ? OUTCOME_ASK : guard(a);
}

static int turned_while_asked(void *arg)
{
    int status;

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("turn/slow", O_WRONLY);
        _exit(fd >= 0 && write(fd, "x", 1) == 1 ? 0 : errno);
    }
    usleep(100000);
    MUST_WORK(1, unlink("turn"));
    MUST_WORK(2, symlink("guard/inner", "turn"));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

TEST(turned_while_asked)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, ask_slow);
    struct stat good, bad_one;

    make_guarded();
    must(mkdir("fine", 0700));
    must(close(creat("fine/slow", 0600)));
    must(close(creat("guard/inner/slow", 0600)));
    must(symlink("fine", "turn"));
    CHECK(world_run(w, turned_while_asked, NULL));
    must(stat("fine/slow", &good));
    must(stat("guard/inner/slow", &bad_one));
    clean();
    CHECK_INT(world_code(w), 0);
    CHECK_INT(good.st_size, 1);
    CHECK_INT(bad_one.st_size, 0);
}

/* While the move of a folder is asked about, something is put into it. */
static enum outcome ask_move(const struct action *a)
{
    bool rename = a->has[FIELD_OP] && str_is(a->field[FIELD_OP].str, "rename");

    return rename && like(a, "/moving") && !like(a, "/moving/") ? OUTCOME_ASK : guard(a);
}

static int filled_while_asked(void *arg)
{
    int status;

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    MUST_WORK(1, mkdir("moving", 0700));
    pid_t pid = fork();
    if (pid == 0)
        _exit(rename("moving", "moved") == 0 ? 0 : errno);
    usleep(100000);
    MUST_WORK(2, mkdir("moving/x", 0700));
    MUST_WORK(3, mkdir("moving/x/y", 0700));
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static enum outcome ask_then_guard(const struct action *a)
{
    enum outcome o = ask_move(a);

    return o == OUTCOME_ALLOW && like(a, "moved/x") ? OUTCOME_DENY : o;
}

TEST(folder_filled_while_asked)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, ask_then_guard);

    make_dir();
    CHECK(world_run(w, filled_while_asked, NULL));
    bool moved = access("moved", F_OK) == 0;
    clean();
    CHECK_INT(world_code(w), EACCES);
    CHECK(!moved);
}

/* A folder too large to be judged: callers are sent to copy it, thing by thing. */
static int large_folder(void *arg)
{
    char name[32];

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    MUST_WORK(1, rename("some", "some2"));
    MUST_FAIL(2, rename("many", "many2"), EXDEV);
    MUST_WORK(3, mkdir("deep", 0700));
    for (int i = 0; i < 80; i++) {
        (void)snprintf(name, sizeof(name), "d%d", i);
        MUST_WORK(4, mkdir(name, 0700));
        MUST_WORK(5, chdir(name));
    }
    MUST_WORK(6, chdir(dir));
    MUST_FAIL(7, rename("d0", "e0"), EXDEV);
    struct rlimit limit = {1000, 1000};
    MUST_WORK(8, setrlimit(RLIMIT_FSIZE, &limit));
    MUST_WORK(9, truncate("file", 1000));
    MUST_FAIL(10, truncate("file", 1001), EFBIG);
    return 0;
}

TEST(limits)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, NULL);
    char name[32];

    make_dir_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* many files: in memory */
    must(mkdir("some", 0700));
    must(mkdir("many", 0700));
    must(close(creat("file", 0600)));
    for (int i = 0; i < 9000; i++) {
        (void)snprintf(name, sizeof(name), "%s/%d", i < 500 ? "some" : "many", i);
        must(close(creat(name, 0600)));
    }
    CHECK(world_run(w, large_folder, NULL));
    clean();
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
}

/* Reading is judged where it is trapped. */
static enum outcome no_secret(const struct action *a)
{
    return like(a, "secret") ? OUTCOME_DENY : OUTCOME_ALLOW;
}

static int reads(void *arg)
{
    char path[64];
    struct open_how how = {.flags = O_RDONLY};

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    MUST_FAIL(1, open("secret", O_RDONLY), EACCES);
    MUST_FAIL(2, open("./d/../secret", O_RDONLY | O_CLOEXEC), EACCES);
    MUST_FAIL(3, (int)syscall(SYS_openat2, AT_FDCWD, "secret", &how, sizeof(how)), EACCES);
    int fd = open("secret", O_PATH);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST_FAIL(4, open(path, O_RDONLY), EACCES);
    MUST_FAIL(5, link("secret", "other"), EACCES);
    MUST_WORK(6, open("d", O_RDONLY | O_DIRECTORY));
    MUST_WORK(7, open("/proc/self/status", O_RDONLY));
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
    MUST_WORK(8, open(path, O_RDONLY));
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)getppid());
    MUST_FAIL(9, open(path, O_RDONLY), EACCES);
    MUST_WORK(10, open("/etc/passwd", O_RDONLY));
    return 0;
}

TEST(reads_judged)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE | TRAP_READ, false, no_secret);

    make_dir();
    must(close(creat("secret", 0600)));
    CHECK(world_run(w, reads, NULL));
    clean();
    CHECK_INT(world_code(w), 0);
}

/* Whoever changes the process changes what a relative path means, not what was judged. */
static int umasks(void *arg)
{
    struct stat st;

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    for (unsigned m = 0; m < 0777; m += 0111) {
        umask((mode_t)m);
        MUST_WORK(1, close(open("masked", O_WRONLY | O_CREAT | O_EXCL, 0777)));
        must(stat("masked", &st));
        if ((st.st_mode & 0777) != (0777 & ~m))
            return 2;
        MUST_WORK(3, unlink("masked"));
    }
    return 0;
}

TEST(umask_of_the_task)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, NULL);

    make_dir();
    CHECK(world_run(w, umasks, NULL));
    clean();
    CHECK_INT(world_code(w), 0);
}

/* The judge goes: kern goes, and with it every trapped call. */
static int alone(void *arg)
{
    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    MUST_WORK(1, close(open("before", O_WRONLY | O_CREAT, 0600)));
    kill(getppid(), SIGUSR1);
    usleep(300000);
    MUST_FAIL(2, open("after", O_WRONLY | O_CREAT, 0600), ENOSYS);
    return 0;
}

static struct world *deaf;

static void go_deaf(int signal)
{
    (void)signal;
    (void)shutdown(deaf->sock, SHUT_RDWR);
}

TEST(judge_gone_nothing_goes)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, NULL);

    deaf = w;
    w->lives_on = true;
    make_dir();
    (void)signal(SIGUSR1, go_deaf);
    CHECK(world_run(w, alone, NULL));
    clean();
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, EX_ROLE << 8);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT(same_as_bare_with_writes_trapped),
        UNIT(same_as_bare_with_everything_trapped),
        UNIT(refused_by_every_name),
        UNIT(turned_while_asked),
        UNIT(folder_filled_while_asked),
        UNIT(limits),
        UNIT(reads_judged),
        UNIT(umask_of_the_task),
        UNIT(judge_gone_nothing_goes),
    };

    return unit_run(tests, ARRAY_LEN(tests));
}
