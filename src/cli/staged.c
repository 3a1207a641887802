/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/staged.h"

#include "base/fd.h"
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void staged_put(struct buf *out, const char *path)
{
    if (path[0] == '\0')
        buf_puts(out, ".");
    else
        buf_add_safe(out, str_of(path), PATH_MAX);
}

/* Takes "", "." and ".." out of an absolute path, in place. */
static void clean(char *path)
{
    size_t n = 0;

    for (char *p = path; *p != '\0';) {
        size_t skip = strspn(p, "/"), k = strcspn(p + skip, "/");
        const char *name = p + skip;

        p += skip + k;
        if (k == 0 || (k == 1 && name[0] == '.'))
            continue;
        if (k == 2 && name[0] == '.' && name[1] == '.') {
            while (n > 0 && path[--n] != '/')
                ;
            continue;
        }
        path[n++] = '/';
        memmove(path + n, name, k);
        n += k;
    }
    path[n] = '\0';
}

static const char *below(const char *top, const char *path)
{
    size_t n = strlen(top);

    if (strncmp(path, top, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return path[n] == '/' ? path + n + 1 : path + n;
}

char *staged_below(struct arena *a, const char *top, const char *path)
{
    char here[PATH_MAX];
    char *full;

    if (path[0] == '/') {
        full = arena_strndup(a, path, strlen(path));
    } else {
        if (getcwd(here, sizeof(here)) == NULL || below(top, here) == NULL)
            full = arena_printf(a, "%s/%s", top, path); /* from elsewhere: of the workspace */
        else
            full = arena_printf(a, "%s/%s", here, path);
    }
    clean(full);
    const char *rest = below(top, full);
    return rest != NULL ? arena_strndup(a, rest, strlen(rest)) : NULL;
}

/* What a session's folder `kind` says about itself, if there is one. */
static bool described(const char *sessions, const char *id, const char *kind,
                      char workspace[PATH_MAX], struct timespec *when)
{
    AUTO_FREE char *path = xasprintf("%s/%s/%s/workspace", sessions, id, kind);
    struct stat st;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return false;
    size_t n = fread(workspace, 1, PATH_MAX - 1, f);
    bool ok = fstat(fileno(f), &st) == 0 && n > 0;
    (void)fclose(f);
    workspace[n] = '\0';
    *when = st.st_mtim;
    return ok;
}

/* The newest session whose workspace holds the current folder. */
static bool newest(const char *sessions, const char *kind, char id[SESSION_ID_MAX + 1])
{
    char here[PATH_MAX], workspace[PATH_MAX];
    struct timespec best = {0}, when;
    DIR *d = opendir(sessions);

    id[0] = '\0';
    if (getcwd(here, sizeof(here)) == NULL)
        here[0] = '\0';
    for (struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        if (!client_id_valid(x->d_name) ||
            !described(sessions, x->d_name, kind, workspace, &when) ||
            below(workspace, here) == NULL || time_before(when, best))
            continue;
        best = when;
        memcpy(id, x->d_name, strlen(x->d_name) + 1);
    }
    if (d != NULL)
        (void)closedir(d);
    return id[0] != '\0';
}

bool session_find(const char *kind, int *argc, char ***argv, char id[SESSION_ID_MAX + 1],
                  struct buf *folder, struct err *e)
{
    AUTO_BUF struct buf sessions = {0};
    char workspace[PATH_MAX];
    struct timespec when;

    buf_init(&sessions, PATH_MAX);
    if (!cli_state_folder(&sessions, e))
        return false;
    bool only_paths = *argc > 0 && strcmp((*argv)[-1], "--") == 0;
    if (*argc > 0 && !only_paths && client_id_valid((*argv)[0]) &&
        described(buf_cstr(&sessions), (*argv)[0], kind, workspace, &when)) {
        memcpy(id, (*argv)[0], strlen((*argv)[0]) + 1);
        --*argc;
        ++*argv;
    } else if (!newest(buf_cstr(&sessions), kind, id)) {
        return err_set(e, EX_FAIL,
                       "no session has %s in this folder; 'belay help run' tells how to have it",
                       strcmp(kind, STAGE_FOLDER) == 0 ? "staged work" : "copies for undo");
    }
    buf_printf(folder, "%s/%s", buf_cstr(&sessions), id);
    return true;
}

bool staged_each(struct staged_list *l, struct err *e)
{
    AUTO_BUF struct buf sessions = {0};
    char workspace[PATH_MAX];
    struct timespec when;
    size_t room = 0;

    *l = (struct staged_list){.n = 0};
    buf_init(&sessions, PATH_MAX);
    if (!cli_state_folder(&sessions, e))
        return false;
    DIR *d = opendir(buf_cstr(&sessions));
    for (struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        if (!client_id_valid(x->d_name) ||
            !described(buf_cstr(&sessions), x->d_name, STAGE_FOLDER, workspace, &when))
            continue;
        if (l->n == room) {
            room = room == 0 ? 16 : room * 2;
            l->list = xrealloc(l->list, room, sizeof(*l->list));
        }
        l->list[l->n].id = arena_strndup(&l->mem, x->d_name, strlen(x->d_name));
        l->list[l->n++].workspace = arena_strndup(&l->mem, workspace, strlen(workspace));
    }
    if (d != NULL)
        (void)closedir(d);
    return true;
}

void staged_list_release(struct staged_list *l)
{
    free(l->list);
    arena_release(&l->mem);
}

static bool take_paths(struct staged *x, int argc, char **argv, struct err *e)
{
    x->paths = arena_alloc(&x->mem, ((size_t)argc + 1) * sizeof(*x->paths));
    for (int i = 0; i < argc; i++) {
        x->paths[i] = staged_below(&x->mem, x->stage.workspace, argv[i]);
        if (x->paths[i] == NULL)
            return err_set(e, EX_USAGE_, "%s lies outside of the workspace %s", argv[i],
                           x->stage.workspace);
        x->npaths++;
    }
    return true;
}

bool staged_open(struct staged *x, int argc, char **argv, bool change, struct err *e)
{
    memset(x, 0, sizeof(*x));
    x->stage = (struct stage){.folder = -1, .upper = -1, .lower = -1, .journal = -1};
    buf_init(&x->folder, PATH_MAX);
    return session_find(STAGE_FOLDER, &argc, &argv, x->id, &x->folder, e) &&
           stage_open(buf_cstr(&x->folder), change, &x->stage, e) && take_paths(x, argc, argv, e);
}

void staged_close(struct staged *x)
{
    stage_close(&x->stage);
    buf_free(&x->folder);
    arena_release(&x->mem);
}

static void say_farewell(const char *id, const char *session, bool quiet)
{
    struct stage s;
    struct changes c;
    struct err e = {0};

    if (!stage_open(session, false, &s, &e)) {
        (void)cli_fail(&e);
        return;
    }
    bool found = changes_find(&s, &c, &e);
    stage_close(&s);
    if (!found) {
        (void)cli_fail(&e);
        return;
    }
    if (c.n == 0 && c.nunseen == 0) {
        if (!stage_remove(session, &e))
            (void)cli_fail(&e);
        else if (!quiet)
            fprintf(stderr, "belay: session %s changed nothing in the workspace\n", id);
    } else {
        fprintf(stderr,
                "belay: session %s: %zu changes are staged, the workspace is as it was; "
                "'belay diff %s' shows them, 'belay keep %s' takes them over, 'belay discard %s' "
                "drops them\n",
                id, c.n, id, id, id);
    }
    changes_release(&c);
}

static void await_end(const char *id, const char *session, int fd) __attribute__((noreturn));
static void await_end(const char *id, const char *session, int fd)
{
    sigset_t all;
    char quiet = 0;

    fd_close_from(3, &fd, 1); /* the roles' sockets: their ends must be the keeper's alone */
    (void)setsid();
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(fd, &quiet, 1) < 0 && errno == EINTR)
        ;
    say_farewell(id, session, quiet != 0);
    _exit(0);
}

bool farewell_start(struct farewell *f, const char *id, const char *session, struct err *e)
{
    int way[2];

    if (pipe2(way, O_CLOEXEC) != 0)
        return err_sys(e, EX_FAIL, "--stage");
    f->pid = fork();
    if (f->pid == 0)
        await_end(id, session, way[0]);
    (void)close(way[0]);
    f->fd = way[1];
    return f->pid > 0 || err_sys(e, EX_FAIL, "--stage");
}

void farewell_end(struct farewell *f, bool quiet)
{
    char one = 1;

    if (quiet)
        (void)!write(f->fd, &one, 1);
    (void)close(f->fd);
    while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
