/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/stage.h"

#include "base/fd.h"
#include "jail/overlay.h"
#include "stage/journal.h"
#include "stage/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_below(int root, const char *path, int flags, uint64_t more)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | more};

    return (int)syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof(how));
}

static int open_parent(int root, const char *path, const char **name, uint64_t more)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *parent = xasprintf("%.*s", slash != NULL ? (int)(slash - path) : 0, path);

    *name = slash != NULL ? slash + 1 : path;
    return open_below(root, parent, O_PATH | O_DIRECTORY, more);
}

int stage_open_below(int root, const char *path, int flags)
{
    return open_below(root, path, flags, RESOLVE_NO_XDEV);
}

int stage_open_parent(int root, const char *path, const char **name)
{
    return open_parent(root, path, name, RESOLVE_NO_XDEV);
}

int stage_open_crossing(int root, const char *path, int flags)
{
    return open_below(root, path, flags, 0);
}

int stage_open_parent_crossing(int root, const char *path, const char **name)
{
    return open_parent(root, path, name, 0);
}

/* The root of the overlay has the mode and owner of its upper folder. */
static bool make_upper(int folder, const char *workspace)
{
    struct stat st;

    if (stat(workspace, &st) != 0 || mkdirat(folder, "upper", 0700) != 0 ||
        mkdirat(folder, "work", 0700) != 0)
        return false;
    if (geteuid() == 0 && fchownat(folder, "upper", st.st_uid, st.st_gid, 0) != 0)
        return false;
    return fchmodat(folder, "upper", st.st_mode & 07777, 0) == 0;
}

static bool write_file(int folder, const char *name, const char *text)
{
    AUTO_CLOSE int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd >= 0 && fd_write_all(fd, text, strlen(text)) && fsync(fd) == 0;
}

static bool inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool stage_create(const char *session, const char *workspace, char **path, struct err *e)
{
    AUTO_FREE char *made = xasprintf("%s/" STAGE_FOLDER, session);
    AUTO_FREE char *real = NULL;
    AUTO_CLOSE int folder = -1;

    if (mkdir(made, 0700) != 0)
        return err_sys(e, EX_HOST, "--stage: %s cannot be made", made);
    real = realpath(made, NULL);
    folder = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (real == NULL || folder < 0)
        return err_sys(e, EX_HOST, "--stage: %s", made);
    if (inside(real, workspace)) {
        (void)rmdir(made);
        return err_set(e, EX_HOST,
                       "--stage: belay's own folder %s lies in the workspace; set XDG_STATE_HOME "
                       "to a folder outside of it",
                       session);
    }
    if (!overlay_check(folder, made, e)) {
        (void)rmdir(made);
        return false;
    }
    if (!write_file(folder, "journal", "") || !make_upper(folder, workspace) ||
        !write_file(folder, "workspace", workspace) || fsync(folder) != 0)
        return err_sys(e, EX_HOST, "--stage: %s cannot be made", made);
    *path = made;
    made = NULL;
    return true;
}

bool stage_exists(const char *session)
{
    AUTO_FREE char *path = xasprintf("%s/" STAGE_FOLDER "/workspace", session);

    return access(path, F_OK) == 0;
}

static bool read_workspace(struct stage *s, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    AUTO_CLOSE int fd = openat(s->folder, "workspace", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    buf_init(&text, PATH_MAX);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(e, EX_FAIL, "the staged work's description");
    if (!fd_read_all(fd, &text, "the staged work's description", e))
        return false;
    if (text.n == 0 || text.p[0] != '/' || memchr(text.p, '\0', text.n) != NULL)
        return err_set(e, EX_FAIL, "the staged work's description is damaged");
    s->workspace = xstrdup(buf_cstr(&text));
    s->started = st.st_mtim;
    return true;
}

static bool open_folders(struct stage *s, struct err *e)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};

    s->upper = stage_open_below(s->folder, "upper", O_RDONLY | O_DIRECTORY);
    if (s->upper < 0)
        return err_sys(e, EX_FAIL, "the staged work");
    s->lower = (int)syscall(SYS_openat2, AT_FDCWD, s->workspace, &how, sizeof(how));
    if (s->lower < 0)
        return err_sys(e, EX_FAIL, "%s: the workspace of this session", s->workspace);
    return true;
}

bool stage_lock(struct stage *s, struct err *e)
{
    s->journal = openat(s->folder, "journal", O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (s->journal < 0)
        return err_sys(e, EX_FAIL, "the staged work's journal");
    if (flock(s->journal, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? err_set(e, EX_FAIL, "another belay keeps or discards in this session just now")
                   : err_sys(e, EX_FAIL, "the staged work's journal");
    return journal_repair(s, e);
}

bool stage_open(const char *session, bool change, struct stage *s, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/" STAGE_FOLDER, session);

    *s = (struct stage){.folder = -1, .upper = -1, .lower = -1, .journal = -1};
    s->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s->folder < 0)
        return err_sys(e, EX_FAIL, "%s: the staged work", path);
    if (read_workspace(s, e) && open_folders(s, e) && (!change || stage_lock(s, e)))
        return true;
    stage_close(s);
    return false;
}

void stage_close(struct stage *s)
{
    mem_auto_close(&s->folder);
    mem_auto_close(&s->upper);
    mem_auto_close(&s->lower);
    mem_auto_close(&s->journal);
    free(s->workspace);
    *s = (struct stage){.folder = -1, .upper = -1, .lower = -1, .journal = -1};
}

bool stage_remove(const char *session, struct err *e)
{
    AUTO_CLOSE int folder = open(session, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return err_sys(e, EX_FAIL, "%s", session);
    return remove_tree(folder, STAGE_FOLDER, e);
}
