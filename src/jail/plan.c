/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/plan.h"

#include <ctype.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What the agent may inherit: nothing by which it could reach past its own walls. */
static bool check_stdio(int n, int fd, struct err *e)
{
    static const char *const names[] = {"standard input", "standard output", "standard error"};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(e, EX_FAIL, "%s (descriptor %d)", names[n], fd);
    if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode))
        return true;
    if (S_ISDIR(st.st_mode))
        return err_set(e, EX_FAIL,
                       "%s is a folder, through which the agent could leave its own root; "
                       "redirect it, for example from /dev/null",
                       names[n]);
    if (S_ISCHR(st.st_mode)) {
        unsigned minor_ = minor(st.st_rdev);
        /* null, zero, full, random, urandom: Documentation/admin-guide/devices.txt */
        if (major(st.st_rdev) == 1 && (minor_ == 3 || minor_ == 5 || (minor_ >= 7 && minor_ <= 9)))
            return true;
        if (isatty(fd))
            return err_set(e, EX_FAIL, "%s is a terminal and must be replaced by the jail's own",
                           names[n]);
    }
    if (S_ISSOCK(st.st_mode)) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof(peer), type_size = sizeof(int);
        int type = 0;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
            getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family == AF_UNIX)
            return true;
        return err_set(e, EX_FAIL,
                       "%s is a socket of the host's network, which the agent could use past the "
                       "gate; put a pipe in between, for example with | cat",
                       names[n]);
    }
    return err_set(e, EX_FAIL, "%s is a device, which the agent may not have; use a pipe or a file",
                   names[n]);
}

static bool check_session(const char *id, struct err *e)
{
    size_t n = id == NULL ? 0 : strlen(id);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '-' && id[i] != '_')
            n = 0;
    if (n == 0 || n > JAIL_SESSION_MAX)
        return err_set(e, EX_FAIL, "a session id is 1 to %d of [A-Za-z0-9_-]", JAIL_SESSION_MAX);
    return true;
}

bool jail_plan_check(const struct jail_plan *p, struct err *e)
{
    if (!check_session(p->session, e))
        return false;
    if (p->argv == NULL || p->argv[0] == NULL || p->envp == NULL)
        return err_set(e, EX_USAGE_, "there is no command to run");
    if (p->cwd == NULL || p->cwd[0] != '/')
        return err_set(e, EX_FAIL, "the agent's working folder must be absolute");
    if (p->nhost_ports > JAIL_HOST_PORTS_MAX)
        return err_set(e, EX_POLICY, "the policy names %zu ports of this host, more than %d",
                       p->nhost_ports, JAIL_HOST_PORTS_MAX);
    if (p->nfiles > JAIL_FILES_MAX)
        return err_set(e, EX_FAIL, "%zu files of the jail's own, more than %d", p->nfiles,
                       JAIL_FILES_MAX);
    for (size_t i = 0; i < p->nfiles; i++)
        if (p->files[i].n > JAIL_FILE_MAX)
            return err_set(e, EX_FAIL, "%s: too large to be shown in the jail", p->files[i].path);
    if (p->npublished > JAIL_PUBLISHED_MAX)
        return err_set(e, EX_USAGE_, "%zu ports to publish, more than %d", p->npublished,
                       JAIL_PUBLISHED_MAX);
    for (int i = 0; i < 3; i++)
        if ((p->pty_mask >> i & 1) == 0 && p->stdio[i] >= 0 && !check_stdio(i, p->stdio[i], e))
            return false;
    return true;
}
