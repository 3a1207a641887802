/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify_add_watch in tier B: Landlock lets it look into every folder, hidden ones too. The
 * watch is set for the agent, on what its path leads to, if that may be read at all.
 */
#include "kern/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

static enum step prepare(struct request *r)
{
    struct walker w = request_walker(r);
    uint32_t mask = (uint32_t)request_arg(r, r->trap->rest);
    int flags = ((mask & IN_DONT_FOLLOW) != 0 ? O_NOFOLLOW : 0) |
                ((mask & IN_ONLYDIR) != 0 ? O_DIRECTORY : 0);
    int error;

    r->first_path = request_path(r, r->trap->path, &error);
    if (r->first_path == NULL)
        return answer_error(r, -error);
    int fd = resolve_object(&w, AT_FDCWD, r->first_path, flags, 0);
    error = fd < 0 ? fd : place_take(&r->kern->view, fd, &r->at);
    if (error != 0)
        return answer_error(r, -error);
    request_within(r, r->at.path, SCOPE_READ);
    r->held = tracee_steal((pid_t)r->call.pid, (int)request_arg(r, 0));
    if (r->held < 0) {
        error = -r->held;
        r->held = -1;
        return answer_error(r, error);
    }
    return STEP_JUDGE;
}

static enum step act(struct request *r)
{
    char name[16];
    uint32_t mask = (uint32_t)request_arg(r, r->trap->rest) & ~(uint32_t)IN_DONT_FOLLOW;

    (void)snprintf(name, sizeof(name), "%d", r->at.object); /* see view.self_fd */
    int wd = inotify_add_watch(r->held, name, mask);
    return answer_result(r, wd >= 0 ? wd : -errno);
}

const struct plan plan_inotify = {prepare, act};
