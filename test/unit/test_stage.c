/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staged work without a jail: an upper folder made by hand, with the marks that overlayfs makes.
 * Every step of a keep is once the last one (fork, _exit), and is put right by the next; and at
 * every step somebody else replaces the original.
 */
#include "unit.h"

#include "base/fd.h"
#include "base/mem.h"
#include "stage/changes.h"
#include "stage/journal.h"
#include "stage/remove.h"
#include "stage/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static char top[] = "/var/tmp/belay-stage-XXXXXX";
static char session[64], lower[64];
static char *upper;

static const char *at(const char *tree, const char *name)
{
    static char path[4][512];
    static unsigned next;
    char *p = path[next++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", tree, name);
    return p;
}

static bool put(const char *tree, const char *name, const char *text)
{
    AUTO_CLOSE int fd = open(at(tree, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    return fd >= 0 && fd_write_all(fd, text, strlen(text));
}

static bool holds(const char *tree, const char *name, const char *text)
{
    AUTO_BUF struct buf b = {0};
    struct err e;

    buf_init(&b, 1 << 20);
    return fd_read_file(at(tree, name), &b, &e) && strcmp(buf_cstr(&b), text) == 0;
}

static bool gone(const char *tree, const char *name)
{
    return access(at(tree, name), F_OK) != 0 && errno == ENOENT;
}

static bool whiteout(const char *name)
{
    return mknod(at(upper, name), S_IFCHR, makedev(0, 0)) == 0;
}

/* File times move on in steps of the kernel's clock. */
static void pause_clock(void)
{
    const struct timespec t = {.tv_nsec = 20000000};

    (void)nanosleep(&t, NULL);
}

static bool remove_world(void)
{
    struct err e;
    AUTO_CLOSE int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return (access(session, F_OK) != 0 || remove_tree(fd, "session", &e)) &&
           (access(lower, F_OK) != 0 || remove_tree(fd, "work", &e));
}

/* A workspace, and on top of it: a changed, b deleted, d deleted with all in it, n/f new, s a link
 * in place of a file, m with another mode. */
static bool make_world(void)
{
    static bool first = true;
    struct err e = {0};

    if (first && mkdtemp(top) == NULL)
        return false;
    first = false;
    (void)snprintf(session, sizeof(session), "%s/session", top);
    (void)snprintf(lower, sizeof(lower), "%s/work", top);
    if (!remove_world() || mkdir(session, 0700) != 0 || mkdir(lower, 0755) != 0 ||
        mkdir(at(lower, "d"), 0755) != 0 || !put(lower, "a", "old a") || !put(lower, "b", "old b") ||
        !put(lower, "d/x", "old x") || !put(lower, "s", "old s") || !put(lower, "m", "m"))
        return false;
    pause_clock();
    free(upper);
    char *stage = NULL;
    if (!stage_create(session, lower, &stage, &e)) {
        printf("# %s\n", e.text);
        return false;
    }
    upper = xasprintf("%s/upper", stage);
    free(stage);
    pause_clock();
    return put(upper, "a", "new a") && whiteout("b") && whiteout("d") &&
           mkdir(at(upper, "n"), 0750) == 0 && put(upper, "n/f", "new f") &&
           symlink("a", at(upper, "s")) == 0 && put(upper, "m", "m") &&
           chmod(at(upper, "m"), 0755) == 0;
}

static void tell(void *ctx, const struct change *c, const char *why)
{
    (void)ctx;
    (void)c;
    (void)why;
}

static bool keep(bool force, size_t *refused, char *const *paths, size_t n)
{
    struct stage s;
    struct changes c;
    struct err e = {0};

    if (!stage_open(session, true, &s, &e)) {
        printf("# %s\n", e.text);
        return false;
    }
    struct transfer t = {.from = s.upper,
                         .to = s.lower,
                         .self = -1,
                         .journal = &s,
                         .changed = "changed",
                         .force = force,
                         .paths = paths,
                         .npaths = n,
                         .tell = tell};
    bool ok = changes_find(&s, &c, &e);
    if (ok) {
        ok = transfer_changes(&t, &c, &e);
        changes_release(&c);
    }
    if (!ok)
        printf("# %s\n", e.text);
    stage_close(&s);
    if (refused != NULL)
        *refused = t.refused;
    return ok;
}

static size_t count_changes(struct changes *c)
{
    struct stage s;
    struct err e;
    size_t n = SIZE_MAX;

    if (!stage_open(session, false, &s, &e))
        return n;
    if (changes_find(&s, c, &e))
        n = c->n;
    stage_close(&s);
    return n;
}

static size_t temporary_files(void)
{
    size_t n = 0;
    DIR *d = opendir(lower);

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += strncmp(e->d_name, ".belay", 6) == 0;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static bool all_kept(void)
{
    struct stat st;

    return holds(lower, "a", "new a") && gone(lower, "b") && gone(lower, "d") &&
           holds(lower, "n/f", "new f") && holds(lower, "s", "new a") &&
           lstat(at(lower, "s"), &st) == 0 && S_ISLNK(st.st_mode) &&
           stat(at(lower, "m"), &st) == 0 && (st.st_mode & 07777) == 0755 &&
           stat(at(lower, "n"), &st) == 0 && (st.st_mode & 07777) == 0750;
}

/* Each side is whole: the old or the new, and the agent's own is there. */
static bool nothing_lost(void)
{
    bool a = holds(lower, "a", "old a") || holds(lower, "a", "new a");
    struct stat st;

    return a && holds(upper, "a", "new a") && holds(upper, "n/f", "new f") &&
           lstat(at(lower, "s"), &st) == 0;
}

TEST(finds_what_differs)
{
    struct changes c;

    CHECK(make_world());
    CHECK_INT(count_changes(&c), 8);
    static const struct {
        const char *path;
        enum change_kind kind;
    } want[] = {{"a", CHANGE_CONTENT}, {"b", CHANGE_DELETED},  {"d", CHANGE_DELETED},
                {"d/x", CHANGE_DELETED}, {"m", CHANGE_MODE},   {"n", CHANGE_ADDED},
                {"n/f", CHANGE_ADDED}, {"s", CHANGE_CONTENT}};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        CHECK_STR(c.list[i].path, want[i].path);
        CHECK_INT(c.list[i].kind, want[i].kind);
        CHECK(!c.list[i].conflict);
    }
    changes_release(&c);
}

TEST(marks_in_attributes)
{
    struct changes c;

    CHECK(make_world());
    CHECK(mkdir(at(lower, "o"), 0755) == 0 && put(lower, "o/old", "x"));
    CHECK(mkdir(at(upper, "o"), 0755) == 0 && put(upper, "o/new", "y"));
    CHECK(setxattr(at(upper, "o"), "user.overlay.opaque", "y", 1, 0) == 0);
    CHECK(put(lower, "w", "x") && put(upper, "w", ""));
    CHECK(setxattr(at(upper, "w"), "user.overlay.whiteout", "y", 1, 0) == 0);
    CHECK_INT(count_changes(&c), 11);
    CHECK_STR(c.list[7].path, "o/new");
    CHECK_STR(c.list[8].path, "o/old");
    CHECK_INT(c.list[8].kind, CHANGE_DELETED);
    CHECK_STR(c.list[10].path, "w");
    CHECK_INT(c.list[10].kind, CHANGE_DELETED);
    changes_release(&c);
}

TEST(names_with_any_bytes)
{
    static const char name[] = "\x1b[2J %41\n\t\xff\"\\";
    struct changes c;

    CHECK(make_world() && put(upper, name, "x") && keep(false, NULL, NULL, 0));
    CHECK(holds(lower, name, "x"));
    CHECK_INT(count_changes(&c), 0);
    changes_release(&c);
    CHECK(put(upper, name, "longer"));
    CHECK_INT(count_changes(&c), 1);
    CHECK(!c.list[0].conflict); /* the journal knows it by this name */
    changes_release(&c);
}

TEST(keeps_all)
{
    size_t refused;
    struct changes c;

    CHECK(make_world() && keep(false, &refused, NULL, 0));
    CHECK_INT(refused, 0);
    CHECK(all_kept());
    CHECK_INT(temporary_files(), 0);
    CHECK_INT(count_changes(&c), 0);
    changes_release(&c);
    CHECK(keep(false, &refused, NULL, 0) && all_kept()); /* nothing to do is no error */
}

TEST(sees_a_changed_original)
{
    static const char *const names[] = {"a", "b", "d/x", "s"};
    size_t refused;

    CHECK(make_world());
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK(put(lower, names[i], "mine"));
    CHECK(put(lower, "n", "mine")); /* a file where the agent made a folder */
    CHECK(keep(false, &refused, NULL, 0));
    CHECK(refused >= ARRAY_LEN(names) + 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK(holds(lower, names[i], "mine"));
    CHECK(holds(lower, "n", "mine"));
    CHECK(keep(true, NULL, NULL, 0));
    CHECK(holds(lower, "a", "new a"));
}

/* ---- a crash at each step --------------------------------------------------------------- */

static unsigned steps_left;

static void die(const char *what)
{
    (void)what;
    if (steps_left-- == 0)
        _exit(99);
}

static int keep_in_child(unsigned steps)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        steps_left = steps;
        transfer_step = die;
        _exit(keep(false, NULL, NULL, 0) ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_crash_at_any_step_loses_nothing)
{
    unsigned steps = 0;
    int ended;

    do {
        CHECK(make_world());
        ended = keep_in_child(steps++);
        CHECK(ended == 0 || ended == 99);
        CHECK(nothing_lost());
        CHECK(keep(false, NULL, NULL, 0));
        CHECK(all_kept());
        CHECK_INT(temporary_files(), 0);
    } while (ended == 99 && steps < 1000);
    CHECK(steps > 20 && steps < 1000);
    printf("# ended at each of %u steps\n", steps - 1);
}

TEST(two_crashes_lose_nothing)
{
    for (unsigned first = 0; first < 40; first += 7)
        for (unsigned second = 0; second < 12; second += 5) {
            CHECK(make_world());
            (void)keep_in_child(first);
            (void)keep_in_child(second);
            CHECK(nothing_lost());
            CHECK(keep(false, NULL, NULL, 0) && all_kept());
            CHECK_INT(temporary_files(), 0);
        }
}

/* ---- somebody else at each step --------------------------------------------------------- */

static const char *victim;
static bool attacked;

/* As an editor does: a new file takes the old one's name. */
static void replace(const char *what)
{
    (void)what;
    if (steps_left-- != 0)
        return;
    attacked = put(lower, "mine.tmp", "mine") &&
               rename(at(lower, "mine.tmp"), at(lower, victim)) == 0;
}

static bool race(const char *name)
{
    for (unsigned steps = 0; steps < 200; steps++) {
        if (!make_world())
            return false;
        victim = name;
        attacked = false;
        steps_left = steps;
        transfer_step = replace;
        AUTO_FREE char *path = xstrdup(name);
        bool ok = keep(false, NULL, &path, 1);
        transfer_step = NULL;
        if (!ok)
            return false;
        if (!attacked)
            return steps > 2;
        if (!holds(lower, name, "mine")) {
            printf("# %s was lost at step %u\n", name, steps);
            return false;
        }
    }
    return false;
}

TEST(a_newer_original_wins_at_any_step)
{
    CHECK(race("a"));
    CHECK(race("b"));
}

/* ---- journal ---------------------------------------------------------------------------- */

TEST(journal_refuses_what_it_did_not_write)
{
    static const char *const bad[] = {
        "q /a\n",
        "s\n",
        "s a 1:1:1.0:1.0 1:1:1.0:1.0\n",
        "s /a 1:1:1.0:1.0\n",
        "s /a 1:1:1.0:1.0 1:1:1.0:1.0 more\n",
        "s /a 1:1:1.0:1.0 1:1:1.0:x\n",
        "d /a%0\n",
        "d /a%00\n",
        "d /a%zz\n",
        "a /.belay-1 /a\n",
        "a /.belay-1 /a -1\n",
        "t /x/y /a\n",
        "d  /a\n",
        "\n",
    };
    struct journal j;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (journal_parse(str_of(bad[i]), &j, &e))
            printf("# %s", bad[i]);
        CHECK(!journal_parse(str_of(bad[i]), &j, &e));
    }
    CHECK(journal_parse(STR("d /b\nd /a%20%FF\nd /cut"), &j, &e));
    CHECK_INT(j.n, 2); /* the last line was cut off */
    CHECK_STR(j.notes[0].path, "a \xff");
    journal_release(&j);
}

TEST(removes_trees_of_any_shape)
{
    struct err e;
    AUTO_CLOSE int fd = -1;
    AUTO_CLOSE int here = open(".", O_PATH | O_CLOEXEC);

    CHECK(make_world());
    fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(put(lower, "outside", "x") && mkdir(at(session, "t"), 0755) == 0);
    CHECK(symlink("../../work", at(session, "t/link")) == 0);
    CHECK(chdir(at(session, "t")) == 0);
    for (int i = 0; i < 3000; i++)
        CHECK(mkdir("deep", 0755) == 0 && chdir("deep") == 0);
    CHECK(fchdir(here) == 0);
    CHECK(mkdir(at(session, "t/closed"), 0755) == 0 && put(session, "t/closed/f", "x") &&
          chmod(at(session, "t/closed"), 0) == 0);
    CHECK(remove_tree(fd, "session", &e));
    CHECK(holds(lower, "outside", "x"));
    CHECK(remove_world() && rmdir(top) == 0);
}

UNIT_MAIN(UNIT(finds_what_differs), UNIT(marks_in_attributes), UNIT(names_with_any_bytes),
          UNIT(keeps_all), UNIT(sees_a_changed_original), UNIT(a_crash_at_any_step_loses_nothing),
          UNIT(two_crashes_lose_nothing), UNIT(a_newer_original_wins_at_any_step),
          UNIT(journal_refuses_what_it_did_not_write), UNIT(removes_trees_of_any_shape))
