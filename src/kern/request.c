/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/request.h"

#include "kern/ask.h"
#include "kern/exec.h"
#include "kern/uapi.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void respond(const struct request *r, int64_t value, int error, unsigned flags)
{
    struct seccomp_notif_resp resp = {
        .id = r->call.id, .val = value, .error = -error, .flags = flags};

    /* ENOENT: the task was killed meanwhile; there is nobody to answer. */
    (void)ioctl(r->kern->config.listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

enum step answer_error(struct request *r, int error)
{
    assert(error > 0);
    respond(r, 0, error, 0);
    request_end(r);
    return STEP_DONE;
}

enum step answer_value(struct request *r, int64_t value)
{
    respond(r, value, 0, 0);
    request_end(r);
    return STEP_DONE;
}

enum step answer_result(struct request *r, int result)
{
    return result < 0 ? answer_error(r, -result) : answer_value(r, result);
}

bool request_let_go(struct request *r)
{
    struct seccomp_notif_resp resp = {.id = r->call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

    return ioctl(r->kern->config.listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0;
}

enum step answer_continue(struct request *r)
{
    (void)request_let_go(r);
    request_end(r);
    return STEP_DONE;
}

enum step answer_fd(struct request *r, int fd, bool cloexec)
{
    struct seccomp_notif_addfd add = {.id = r->call.id,
                                      .flags = SECCOMP_ADDFD_FLAG_SEND,
                                      .srcfd = (uint32_t)fd,
                                      .newfd_flags = cloexec ? O_CLOEXEC : 0};
    int got = ioctl(r->kern->config.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    int error = errno;

    (void)close(fd);
    if (got < 0 && error != ENOENT)
        return answer_error(r, error); /* EMFILE: the task has too many */
    request_end(r);
    return STEP_DONE;
}

bool request_valid(const struct request *r)
{
    uint64_t id = r->call.id;

    return ioctl(r->kern->config.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void request_clear(struct request *r)
{
    ask_cancel(r);
    place_clear(&r->at);
    place_clear(&r->to);
    mem_auto_close(&r->held);
    r->held = -1;
    exec_release(r);
    arena_release(&r->arena);
    r->checks = NULL;
    r->nchecks = r->room = r->sent = r->answered = 0;
    r->worst = OUTCOME_ALLOW;
    r->outside = false;
    r->first_path = r->second_path = NULL;
}

void request_end(struct request *r)
{
    request_clear(r);
    r->state = REQUEST_FREE;
}

char *request_strdup(struct request *r, const char *s)
{
    return arena_strndup(&r->arena, s, strlen(s));
}

static enum scope_access wanted_for(enum verb verb)
{
    return verb == VERB_WRITE || verb == VERB_CREATE || verb == VERB_DELETE ? SCOPE_CHANGE
                                                                            : SCOPE_READ;
}

/* A memfd has no place. What is executed from one was written by the agent. */
void request_within(struct request *r, const char *path, enum scope_access wanted)
{
    if (strncmp(path, "/memfd:", 7) != 0)
        r->outside |= !scope_allows(&r->kern->scope, path, wanted);
}

struct action *request_check(struct request *r, enum verb verb, enum resource_kind kind,
                             const char *resource)
{
    if (r->nchecks == r->room) {
        if (r->nchecks >= CHECKS_MAX)
            return NULL;
        size_t room = r->room == 0 ? 4 : r->room * 2;
        struct action *more = arena_alloc(&r->arena, room * sizeof(*more));
        if (r->nchecks > 0)
            memcpy(more, r->checks, r->nchecks * sizeof(*more));
        r->checks = more;
        r->room = room;
    }
    struct action *a = &r->checks[r->nchecks++];
    action_init(a, verb, kind, str_of(request_strdup(r, resource)));
    if (resource[0] == '/')
        request_within(r, resource, wanted_for(verb));
    a->pid = request_who(r)->tgid;
    a->parent = r->who.parent;
    return a;
}

bool request_file_check(struct request *r, enum verb verb, const char *path, const char *op)
{
    struct action *a = request_check(r, verb, RESOURCE_FILE, path);

    if (a != NULL)
        action_str(a, FIELD_OP, str_of(op));
    return a != NULL;
}

uint64_t request_arg(const struct request *r, int i)
{
    assert(i >= 0 && i < 6);
    return r->call.data.args[i];
}

char *request_path(struct request *r, int arg, int *error)
{
    char path[PATH_MAX];
    ssize_t n = mem_string(&r->kern->mem, request_arg(r, arg), path, sizeof(path));

    *error = n < 0 ? (int)n : 0;
    return n < 0 ? NULL : arena_strndup(&r->arena, path, (size_t)n);
}

int request_dirfd(const struct request *r, int arg)
{
    return arg < 0 ? AT_FDCWD : (int)request_arg(r, arg);
}

const struct status *request_who(struct request *r)
{
    struct walker w = request_walker(r);

    (void)walker_ids(&w);
    return &r->who;
}

struct walker request_walker(struct request *r)
{
    return (struct walker){.view = &r->kern->view, .tid = (pid_t)r->call.pid, .ids = &r->who};
}
