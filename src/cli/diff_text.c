/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff_text.h"

#include "base/fd.h"
#include "base/mem.h"
#include "jail/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM    "/usr/bin/diff"
#define LOOK_BYTES 8000 /* a zero byte among so many makes a file binary, as git has it */
#define LINE_MAX_  2000 /* bytes of a line that are shown */
#define OUT_MAX    (64u << 20)

enum { FD_OLD = 3, FD_NEW = 4 };

static bool is_binary(int fd)
{
    char head[LOOK_BYTES];
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof(head), 0) : 0;

    return n > 0 && memchr(head, '\0', (size_t)n) != NULL;
}

static bool is_large(int fd)
{
    struct stat st;

    return fd >= 0 && (fstat(fd, &st) != 0 || st.st_size > DIFF_FILE_MAX);
}

static bool bound(int resource, rlim_t most)
{
    struct rlimit l = {most, most};

    return setrlimit((__rlimit_resource_t)resource, &l) == 0;
}

static bool confine(void)
{
    AUTO_CLOSE int root = open("/", O_PATH | O_CLOEXEC);
    const struct ll_rule read_only = {root, ll_fs_read()};
    const struct ll_domain domain = {.abi = ll_abi(),
                                     .files = true,
                                     .tcp = true,
                                     .scopes = true,
                                     .rules = &read_only,
                                     .nrules = 1};
    struct err ignored;

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ll_enter(&domain, &ignored) &&
           bound(RLIMIT_CPU, 30) && bound(RLIMIT_AS, 1u << 30) && bound(RLIMIT_CORE, 0) &&
           bound(RLIMIT_FSIZE, 0);
}

static void child(int old, int new, const char *old_label, const char *new_label, int out)
    __attribute__((noreturn));
static void child(int old, int new, const char *old_label, const char *new_label, int out)
{
    char labels[2][PATH_MAX + 64];
    char name[] = "diff", unified[] = "-u", locale[] = "LC_ALL=C";
    char files[2][16] = {"/dev/fd/3", "/dev/fd/4"}, nothing[] = "/dev/null";
    char *argv[] = {name,
                    unified,
                    labels[0],
                    labels[1],
                    old >= 0 ? files[0] : nothing,
                    new >= 0 ? files[1] : nothing,
                    NULL};
    char *envp[] = {locale, NULL};
    int from[3] = {old, new, out};

    (void)snprintf(labels[0], sizeof(labels[0]), "--label=%s", old_label);
    (void)snprintf(labels[1], sizeof(labels[1]), "--label=%s", new_label);
    for (int i = 0; i < 3; i++)
        if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16)) < 0)
            _exit(2);
    if (dup2(from[2], STDOUT_FILENO) < 0 || (old >= 0 && dup2(from[0], FD_OLD) < 0) ||
        (new >= 0 && dup2(from[1], FD_NEW) < 0))
        _exit(2);
    if (old < 0)
        (void)close(FD_OLD);
    if (new < 0)
        (void)close(FD_NEW);
    (void)close_range(FD_NEW + 1, ~0u, 0);
    if (confine())
        (void)execve(PROGRAM, argv, envp);
    _exit(127);
}

static void put_line(struct buf *out, const char *line, size_t n, bool colour)
{
    const char *paint = "";

    if (colour)
        paint = line[0] == '+' ? "\033[32m" : line[0] == '-' ? "\033[31m" : "";
    if (colour && n > 1 && line[0] == '@' && line[1] == '@')
        paint = "\033[36m";
    buf_puts(out, paint);
    for (const char *end = line + n, *tab; line < end; line = tab + (tab < end)) {
        tab = memchr(line, '\t', (size_t)(end - line));
        if (tab == NULL)
            tab = end;
        buf_add_safe(out, (struct str){line, (size_t)(tab - line)}, LINE_MAX_);
        if (tab < end)
            buf_puts(out, "\t");
    }
    buf_puts(out, paint[0] != '\0' ? "\033[0m\n" : "\n");
}

static void take_line(struct buf *out, const char *line, size_t n, bool colour, unsigned number,
                      struct diff_count *count)
{
    if (number > 2 && n > 0) { /* behind the two lines with the names */
        count->added += line[0] == '+';
        count->removed += line[0] == '-';
    }
    if (out != NULL)
        put_line(out, line, n, colour);
}

/* False: it printed more than is shown. */
static bool take_output(int fd, struct buf *out, bool colour, struct diff_count *count)
{
    AUTO_BUF struct buf text = {0};
    struct err ignored;
    unsigned number = 0;

    buf_init(&text, OUT_MAX);
    bool whole = fd_read_all(fd, &text, "diff", &ignored);
    for (size_t at = 0; at < text.n;) {
        const char *line = text.p + at, *end = memchr(line, '\n', text.n - at);
        size_t n = end != NULL ? (size_t)(end - line) : text.n - at;

        number += number < 3;
        take_line(out, line, n, colour, number, count);
        at += n + 1;
    }
    if (!whole && out != NULL)
        buf_puts(out, "(the rest is not shown)\n");
    return whole;
}

static bool run(int old, int new, const char *old_label, const char *new_label, struct buf *out,
                bool colour, struct diff_count *count, struct err *e)
{
    int way[2], status = 0;

    if (pipe2(way, O_CLOEXEC) != 0)
        return err_sys(e, EX_FAIL, "diff");
    pid_t pid = fork();
    if (pid == 0)
        child(old, new, old_label, new_label, way[1]);
    (void)close(way[1]);
    if (pid > 0 && !take_output(way[0], out, colour, count))
        (void)kill(pid, SIGKILL);
    (void)close(way[0]);
    if (pid < 0)
        return err_sys(e, EX_FAIL, "diff");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(e, EX_FAIL, PROGRAM ": cannot be executed; sudo apt install diffutils");
    if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
        return err_set(e, EX_FAIL, PROGRAM " failed");
    return true;
}

enum diff_text diff_text(int old, int new, const char *old_label, const char *new_label,
                         struct buf *out, bool colour, struct diff_count *count, struct err *e)
{
    *count = (struct diff_count){0};
    if (is_large(old) || is_large(new))
        return DIFF_LARGE;
    if (is_binary(old) || is_binary(new))
        return DIFF_BINARY;
    return run(old, new, old_label, new_label, out, colour, count, e) ? DIFF_TEXT : DIFF_FAILED;
}
