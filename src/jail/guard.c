/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/guard.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/confine.h"
#include "jail/host.h"
#include "jail/landlock.h"
#include "jail/uapi.h"
#include "jail/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct bpf_rule guard_calls[] = {
    CALL(sigaltstack), /* harmless; the sanitizers' runtime asks for it */
    CALL(wait4),        CALL(kill),
    CALL(openat),       CALL(getdents64),
    CALL(lseek),        CALL(close),
    CALL(newfstatat),   CALL(fstat),
    CALL(unlinkat),     CALL(fchmod),
    CALL(fchmodat),     CALL(exit_group),
    CALL(rt_sigreturn), CALL(restart_syscall),
    CALL(brk),          CALL(munmap),
    CALL(mremap),       CALL_IF(mmap, 2, 4 /* PROT_EXEC */, 0),
};

/* What G removes at the end: a folder in another, both held. */
struct scratch {
    int above, folder;
    const char *name;
};

static bool open_scratch(struct scratch *t, const char *path)
{
    char above[4096];
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    *t = (struct scratch){-1, -1, NULL};
    if (slash == NULL || (size_t)(slash - path) >= sizeof(above))
        return path == NULL;
    snprintf(above, sizeof(above), "%.*s/", (int)(slash - path), path);
    t->name = slash + 1;
    t->above = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
    t->folder = t->above < 0
                    ? -1
                    : openat(t->above, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return t->folder >= 0;
}

static bool confine_guard(const struct start *s, const struct scratch *t, struct err *e)
{
    const int keep[] = {s->host->gone, t->above, t->folder};
    const struct ll_rule rule = {t->folder, LANDLOCK_ACCESS_FS_READ_DIR |
                                                LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                                LANDLOCK_ACCESS_FS_REMOVE_FILE};
    /* The folder's own name stands in the one above, where others of the user's stand too; which
     * of them G may remove is said by the only name that it ever passes. */
    const struct ll_rule above = {t->above, LANDLOCK_ACCESS_FS_REMOVE_DIR};
    const struct ll_rule rules[] = {rule, above};
    const struct ll_domain domain = {
        .abi = ll_abi(), .files = true, .rules = rules, .nrules = t->folder >= 0 ? 2 : 0};

    fd_close_from(0, keep, ARRAY_LEN(keep));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NAME, "belay-guard", 0, 0, 0) != 0)
        return err_sys(e, EX_FAIL, "the jail's guard");
    return ll_enter(&domain, e) && confine_filter(guard_calls, ARRAY_LEN(guard_calls), false, e);
}

/* Scopes signals, for this process and those that it makes. */
static bool enter_scope(struct err *e)
{
    const struct ll_domain domain = {.abi = ll_abi(), .scopes = true};

    return ll_enter(&domain, e);
}

/* Removes every name of the folder that can be; `left` gets one that is a folder and could not,
 * or "". */
static long clear_folder(int folder, char left[NAME_MAX + 1])
{
    char space[8192] __attribute__((aligned(8)));
    long n, removed = 0;

    left[0] = '\0';
    (void)lseek(folder, 0, SEEK_SET);
    while ((n = syscall(SYS_getdents64, folder, space, sizeof(space))) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent64 *d = (const struct dirent64 *)(const void *)(space + at);

            at += d->d_reclen;
            if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                continue;
            if (unlinkat(folder, d->d_name, 0) == 0 ||
                unlinkat(folder, d->d_name, AT_REMOVEDIR) == 0)
                removed++;
            else
                snprintf(left, NAME_MAX + 1, "%.255s", d->d_name);
        }
    }
    return removed;
}

static int enter_folder(int folder, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int inner = openat(folder, name, flags);

    if (inner < 0 &&
        fchmodat(folder, name, 0700, 0) == 0) /* the agent may have locked itself out */
        inner = openat(folder, name, flags);
    return inner;
}

/*
 * Everything below the folder, without recursion and with one descriptor, however deep the agent
 * has built: down into what is not empty, up from what is. Gives up when it goes down more often
 * than something is removed, by the depth that is left to it.
 */
static void empty_folder(int folder)
{
    const long deepest = 1 << 20;
    long depth = 0, debt = 0;
    int at = folder;

    while (at >= 0 && debt < deepest) {
        char left[NAME_MAX + 1];
        int next;

        debt -= clear_folder(at, left);
        if (left[0] == '\0' && depth == 0)
            break;
        next = left[0] != '\0' ? enter_folder(at, left) : -1;
        if (next >= 0) {
            depth++;
            debt++;
        } else if (depth > 0) {
            (void)fchmod(at, 0700);
            next = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            depth--;
        }
        if (at != folder)
            (void)close(at);
        at = next;
    }
    if (at >= 0 && at != folder)
        (void)close(at);
}

static void watch_over(const struct start *s, struct scratch *t, pid_t init)
    __attribute__((noreturn));
static void watch_over(const struct start *s, struct scratch *t, pid_t init)
{
    pid_t pid;

    do {
        pid = waitpid(-1, NULL, 0);
    } while ((pid > 0 && pid != init) || (pid < 0 && errno == EINTR));
    /* Under one lock, and no fork is finished while a signal waits: nobody slips through. Who is
     * orphaned by it is G's child then, so when none is left, nobody is. */
    (void)kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    (void)close(s->host->gone);
    if (t->folder >= 0) {
        empty_folder(t->folder);
        (void)unlinkat(t->above, t->name, AT_REMOVEDIR);
    }
    _exit(EX_OK);
}

static void give_up(const struct start *s, const struct err *e) __attribute__((noreturn));
static void give_up(const struct start *s, const struct err *e)
{
    (void)wire_send(s->control, WIRE_ERROR, e->code, e->text, NULL, 0);
    _exit(EX_FAIL);
}

void guard_main(const struct start *s)
{
    struct err e = {0};
    struct scratch scratch;
    pid_t init;

    (void)setsid(); /* what is typed at the user's terminal is not for G and J */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 ||
        !open_scratch(&scratch, s->plan->scratch)) {
        err_sys(&e, EX_HOST, "the jail's guard");
        give_up(s, &e);
    }
    if (!enter_scope(&e))
        give_up(s, &e);
    init = fork();
    if (init == 0) {
        if (!enter_scope(&e))
            give_up(s, &e);
        init_main(s);
    }
    if (init < 0) {
        err_sys(&e, EX_HOST, "starting the jail's init");
        give_up(s, &e);
    }
    if (!confine_guard(s, &scratch, &e)) {
        (void)kill(init, SIGKILL);
        _exit(EX_FAIL);
    }
    watch_over(s, &scratch, init);
}
