/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pager.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 32

/* $PAGER in words, without a shell: blanks part them. */
static void split(char *text, char *argv[WORDS_MAX + 1])
{
    size_t n = 0;

    for (char *at = NULL, *word = strtok_r(text, " \t", &at); word != NULL && n < WORDS_MAX;
         word = strtok_r(NULL, " \t", &at))
        argv[n++] = word;
    argv[n] = NULL;
}

static void child(char *const *argv, int in) __attribute__((noreturn));
static void child(char *const *argv, int in)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setenv("LESS", "FRX", 0);
    if (dup2(in, STDIN_FILENO) >= 0)
        (void)execvp(argv[0], argv);
    /* No pager here: the text passes. */
    char buffer[4096];
    for (ssize_t n; (n = read(in, buffer, sizeof(buffer))) > 0;)
        if (!fd_write_all(STDOUT_FILENO, buffer, (size_t)n))
            break;
    _exit(0);
}

void pager_start(struct pager *p, bool wanted)
{
    const char *said = getenv("PAGER");
    AUTO_FREE char *text = xstrdup(said != NULL ? said : "less");
    char *argv[WORDS_MAX + 1];
    int way[2];

    *p = (struct pager){.pid = 0, .fd = STDOUT_FILENO};
    split(text, argv);
    if (!wanted || !isatty(STDOUT_FILENO) || argv[0] == NULL || strcmp(argv[0], "cat") == 0 ||
        pipe2(way, O_CLOEXEC) != 0)
        return;
    p->pid = fork();
    if (p->pid == 0)
        child(argv, way[0]);
    (void)close(way[0]);
    if (p->pid > 0) {
        p->fd = way[1];
        return;
    }
    (void)close(way[1]);
    p->pid = 0;
}

bool pager_write(struct pager *p, struct str text)
{
    return text.n == 0 || fd_write_all(p->fd, text.p, text.n);
}

void pager_end(struct pager *p)
{
    if (p->pid <= 0)
        return;
    (void)close(p->fd);
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C in the pager is for the pager */
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
