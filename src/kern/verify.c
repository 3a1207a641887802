/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/verify.h"

#include "base/fd.h"
#include "kern/argv.h"
#include "kern/env.h"
#include "kern/exec.h"
#include "kern/measure.h"
#include "kern/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static struct request *find_traced(struct kern *k, pid_t tid)
{
    for (size_t i = 0; i < k->top; i++)
        if (k->requests[i].state == REQUEST_TRACED && (pid_t)k->requests[i].call.pid == tid)
            return &k->requests[i];
    return NULL;
}

static struct request *find_process(struct kern *k, pid_t tgid)
{
    for (size_t i = 0; i < k->top; i++)
        if (k->requests[i].state == REQUEST_TRACED && k->requests[i].who.tgid == tgid)
            return &k->requests[i];
    return NULL;
}

static enum step refuse(struct request *r, int error)
{
    if (error == ESRCH) {
        request_end(r);
        return STEP_DONE;
    }
    request_note(r, "refused: the process is traced by another, so what it executes cannot be "
                    "verified; a rule of the policy looks at programs");
    return answer_error(r, EACCES);
}

enum step verify_start(struct request *r)
{
    pid_t tid = (pid_t)r->call.pid;
    struct request *other = find_process(r->kern, r->who.tgid);

    if (other != NULL && (pid_t)other->call.pid != tid)
        return STEP_LATER;
    if (other != NULL) /* its last exec failed, and it is here again before it was let go */
        request_end(other);
    else if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0)
        return refuse(r, errno);
    r->state = REQUEST_TRACED;
    /* False: the task has died, and its number may be another's already. Whoever it is, he is
     * let go at his next stop. */
    r->let_go = request_let_go(r);
    /* A failed exec makes no event of its own: this stops the task before it goes on. It comes
     * too late for an exec that went well, and then detaching clears it. */
    (void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    return STEP_DONE;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static bool program_matches(struct kern *k, const struct request *r, pid_t pid)
{
    char path[32];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%d/exe", (int)pid);
    return fstatat(k->view.proc, path, &st, 0) == 0 &&
           same_file(&st, &r->exec->file[r->exec->n - 1].st);
}

static bool leads_to(const struct walker *w, const struct exec_file *f)
{
    struct stat st;
    AUTO_CLOSE int fd = resolve_object(w, AT_FDCWD, f->named, 0, 0);

    return fd >= 0 && fstat(fd, &st) == 0 && same_file(&st, &f->st);
}

/* The interpreter will open the script by its name: at least now that still is the script
 * that was judged. What happens to the file later is the file rules' to say. */
static bool scripts_match(struct kern *k, struct request *r, pid_t pid)
{
    struct walker w = {.view = &k->view, .tid = pid, .ids = &r->who};

    for (size_t i = 0; i + 1 < r->exec->n; i++)
        if (!leads_to(&w, &r->exec->file[i]))
            return false;
    return r->exec->given.fd < 0 || leads_to(&w, &r->exec->given);
}

static bool arguments_match(struct kern *k, const struct exec *x, pid_t pid)
{
    AUTO_BUF struct buf text = {0};
    size_t left = argv_size(x);
    AUTO_CLOSE int fd = tracee_open(k->view.proc, pid, "cmdline", O_RDONLY);

    buf_init(&text, left);
    while (fd >= 0 && left > 0) {
        char chunk[4096];
        size_t want = left < sizeof(chunk) ? left : sizeof(chunk);
        ssize_t n = read(fd, chunk, want);

        if (n > 0)
            buf_add(&text, chunk, (size_t)n);
        if (n < (ssize_t)want)
            break;
        left -= (size_t)n;
    }
    return fd >= 0 && argv_matches(x, buf_str(&text));
}

static const char *difference(struct kern *k, struct request *r, pid_t pid)
{
    if (!program_matches(k, r, pid))
        return "killed: the program was exchanged between judgement and start";
    if (!arguments_match(k, r->exec, pid))
        return "killed: the arguments were exchanged between judgement and start";
    if (!scripts_match(k, r, pid))
        return "killed: the script was exchanged between judgement and start";
    if (k->config.read_env && !env_same(k, r->exec, pid))
        return "killed: variables were exchanged between judgement and start";
    const char *why = measure_difference(r, pid);
    if (why != NULL)
        return why;
    if (env_scrub(k, pid) != 0)
        return "killed: variables could not be taken from the program";
    return NULL;
}

/* A new program stands in `pid`, which may have been another thread of its process. */
static void executed(struct kern *k, pid_t pid)
{
    unsigned long former = 0;
    struct request *r = NULL;

    if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &former) == 0)
        r = find_traced(k, (pid_t)former);
    const char *why = NULL;
    if (r == NULL)
        why = "killed: an exec that nobody judged";
    else if (r->let_go)
        why = difference(k, r, pid);
    if (why == NULL) {
        (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
    } else {
        (void)kill(pid, SIGKILL);
        if (r != NULL)
            request_note(r, why);
    }
    if (r != NULL)
        request_end(r);
}

static void stopped(struct kern *k, pid_t tid, int status)
{
    int event = status >> 16;

    if (event == PTRACE_EVENT_EXEC) {
        executed(k, tid);
        return;
    }
    struct request *r = find_traced(k, tid);
    long signal = event == 0 ? WSTOPSIG(status) : 0;
    (void)ptrace(PTRACE_DETACH, tid, NULL, signal);
    if (r != NULL)
        request_end(r);
}

void verify_events(struct kern *k)
{
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, WNOHANG | __WALL);

        if (tid <= 0)
            return;
        if (WIFSTOPPED(status)) {
            stopped(k, tid, status);
            continue;
        }
        struct request *r = find_traced(k, tid);
        if (r != NULL) /* died before or during its exec */
            request_end(r);
    }
}
