/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect and bind. Address and socket are taken once: kern connects the task's own socket
 * (pidfd_getfd(2)) to the address that it read. Letting the call go on would be a race even
 * for internet addresses, as both could be exchanged for a path socket's.
 *
 * A path socket is judged by the canonical path of what the address leads to, and that very
 * object is connected to; its peer sees kern's pid in SO_PEERCRED, with the same user. An
 * abstract socket is judged as "@name"; it can only be one of the socket's own network
 * namespace. Internet addresses are the gate's to judge, where all ways lead: the judge is
 * told which process connects where.
 *
 * bind makes a name in a folder, which is judged like any other that is made; other addresses
 * are not, as they are the agent's own in its network namespace.
 *
 * In tier B the network is the host's, and what is connected to and bound is net.h's to say.
 *
 * kern never blocks: the socket is made non-blocking for the moment of the call, and asked
 * again later.
 */
#include "base/fd.h"
#include "kern/net.h"
#include "kern/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PATH offsetof(struct sockaddr_un, sun_path)

static int take_socket(struct request *r)
{
    socklen_t n = sizeof(r->connect->domain);

    r->held = tracee_steal((pid_t)r->call.pid, (int)request_arg(r, r->trap->dir));
    if (r->held < 0) {
        int error = r->held;
        r->held = -1;
        return error;
    }
    if (getsockopt(r->held, SOL_SOCKET, SO_DOMAIN, &r->connect->domain, &n) != 0)
        return errno == ENOTSOCK ? -ENOTSOCK : -errno;
    return 0;
}

static int read_address(struct request *r)
{
    struct connect *c = r->connect;
    uint64_t n = (uint32_t)request_arg(r, r->trap->rest);

    if (n < sizeof(c->to.any.sa_family) || n > sizeof(c->to))
        return -EINVAL;
    c->n = (socklen_t)n;
    return mem_read(&r->kern->mem, request_arg(r, r->trap->path), &c->to, (size_t)n);
}

static int check_socket(struct request *r, const char *id)
{
    struct action *a = request_check(r, VERB_CONNECT, RESOURCE_SOCKET, id);

    if (a == NULL)
        return -E2BIG;
    action_str(a, FIELD_OP, STR("connect"));
    return 0;
}

/* A name with zero bytes inside cannot be written down, so no rule can speak of it. */
static int check_abstract(struct request *r, const char *name, size_t n)
{
    char id[sizeof(struct sockaddr_un) + 2];

    if (memchr(name, '\0', n) != NULL)
        return -EACCES;
    id[0] = '@';
    memcpy(id + 1, name, n);
    id[n + 1] = '\0';
    return check_socket(r, id);
}

static int check_unix(struct request *r)
{
    struct connect *c = r->connect;
    struct walker w = request_walker(r);
    char path[sizeof(c->to.un.sun_path) + 1];

    if (c->to.any.sa_family == AF_UNSPEC)
        return 0; /* takes a datagram socket's peer away */
    if (c->to.any.sa_family != AF_UNIX || c->n <= UNIX_PATH || c->n > sizeof(c->to.un))
        return -EINVAL;
    size_t n = c->n - UNIX_PATH;
    if (c->to.un.sun_path[0] == '\0')
        return check_abstract(r, c->to.un.sun_path + 1, n - 1);
    n = strnlen(c->to.un.sun_path, n);
    memcpy(path, c->to.un.sun_path, n);
    path[n] = '\0';
    int fd = resolve_object(&w, AT_FDCWD, path, 0, 0);
    if (fd < 0)
        return fd;
    int error = place_take(&r->kern->view, fd, &r->at);
    if (error != 0)
        return error;
    if (!S_ISSOCK(r->at.st.st_mode))
        return -ECONNREFUSED;
    return check_socket(r, r->at.path);
}

/* Only attribution; the gate decides. */
static void note_internet(struct request *r)
{
    const union address *to = &r->connect->to;
    char text[INET6_ADDRSTRLEN] = "";

    if (to->any.sa_family == AF_INET && r->connect->n >= sizeof(to->in4)) {
        (void)inet_ntop(AF_INET, &to->in4.sin_addr, text, sizeof(text));
        request_note_connect(r, text, ntohs(to->in4.sin_port));
    } else if (to->any.sa_family == AF_INET6 && r->connect->n >= sizeof(to->in6)) {
        (void)inet_ntop(AF_INET6, &to->in6.sin6_addr, text, sizeof(text));
        request_note_connect(r, text, ntohs(to->in6.sin6_port));
    }
}

static int take_arguments(struct request *r)
{
    r->connect = arena_alloc(&r->arena, sizeof(*r->connect));
    int error = read_address(r);
    return error != 0 ? error : take_socket(r);
}

/* Tier B: the network is the host's. */
static bool is_host(const struct request *r)
{
    return (r->kern->config.traps & TRAP_HOST) != 0;
}

static bool is_internet(const struct request *r)
{
    return r->connect->domain == AF_INET || r->connect->domain == AF_INET6;
}

static enum step prepare(struct request *r)
{
    int error = take_arguments(r);

    if (error == 0 && is_host(r) && net_is_names(r->connect))
        return answer_result(r, net_names_connect(r->connect));
    if (error == 0 && r->connect->domain == AF_UNIX)
        error = check_unix(r);
    else if (error == 0 && !is_host(r))
        note_internet(r);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

/* The object that was judged, under kern's own name for it; see view.self_fd. */
static void aim_at_object(struct request *r)
{
    struct connect *c = r->connect;

    memset(&c->to, 0, sizeof(c->to));
    c->to.un.sun_family = AF_UNIX;
    int n = snprintf(c->to.un.sun_path, sizeof(c->to.un.sun_path), "%d", r->at.object);
    c->n = (socklen_t)(UNIX_PATH + (size_t)n + 1);
}

static int connect_now(struct request *r, bool *block)
{
    int flags = fcntl(r->held, F_GETFL);

    *block = flags >= 0 && (flags & O_NONBLOCK) == 0;
    if (*block)
        (void)fcntl(r->held, F_SETFL, flags | O_NONBLOCK);
    int error = connect(r->held, &r->connect->to.any, r->connect->n) == 0 ? 0 : -errno;
    if (*block)
        (void)fcntl(r->held, F_SETFL, flags);
    return error;
}

/* The second call completes the first: it takes the outcome, and the socket is then what it
 * would be after one that waited. */
static enum step await_connected(struct request *r)
{
    struct pollfd p = {.fd = r->held, .events = POLLOUT};
    bool block;

    if (poll(&p, 1, 0) == 0)
        return STEP_LATER;
    int error = connect_now(r, &block);
    return error == -EALREADY ? STEP_LATER : answer_result(r, error == -EISCONN ? 0 : error);
}

static enum step act(struct request *r)
{
    bool block;

    if (r->connect->started)
        return await_connected(r);
    if (r->at.object >= 0) {
        if (!place_unmoved(&r->kern->view, &r->at))
            return STEP_AGAIN;
        aim_at_object(r);
    } else if (is_host(r) && is_internet(r)) {
        int wrong = net_aim(r);

        if (wrong != 0)
            return wrong == -EAGAIN ? STEP_LATER : answer_error(r, -wrong);
    }
    int error = connect_now(r, &block);
    if (block && error == -EAGAIN) /* a path socket whose queue is full */
        return STEP_LATER;
    if (!block || error != -EINPROGRESS)
        return answer_result(r, error);
    r->connect->started = true;
    return await_connected(r);
}

const struct plan plan_connect = {prepare, act};

/* A path that is to be bound; 0 without r->at for an address that is none. */
static int find_name(struct request *r)
{
    struct connect *c = r->connect;
    struct walker w = request_walker(r);
    char path[sizeof(c->to.un.sun_path) + 1];

    if (c->domain != AF_UNIX || c->to.any.sa_family != AF_UNIX || c->n <= UNIX_PATH ||
        c->n > sizeof(c->to.un) || c->to.un.sun_path[0] == '\0')
        return 0;
    size_t n = strnlen(c->to.un.sun_path, c->n - UNIX_PATH);
    memcpy(path, c->to.un.sun_path, n);
    path[n] = '\0';
    int error = resolve_entry(&w, AT_FDCWD, path, 0, &r->at);
    if (error != 0)
        return error;
    if (r->at.parent < 0)
        return -EACCES;
    if (r->at.object >= 0 || r->at.dots)
        return -EADDRINUSE;
    return request_file_check(r, VERB_CREATE, r->at.path, "bind") ? 0 : -E2BIG;
}

static enum step prepare_bind(struct request *r)
{
    int error = take_arguments(r);

    if (error == 0 && is_host(r) && net_is_names(r->connect))
        return answer_result(r, net_names_bind(r->connect));
    if (error == 0 && is_host(r) && is_internet(r))
        error = net_narrow(r);
    if (error == 0)
        error = find_name(r);
    return error != 0 ? answer_error(r, -error) : STEP_JUDGE;
}

/* The name in the folder that was judged, by kern's own name for that; see aim_at_object(). */
static int aim_at_name(struct request *r)
{
    struct connect *c = r->connect;

    memset(&c->to, 0, sizeof(c->to));
    c->to.un.sun_family = AF_UNIX;
    int n =
        snprintf(c->to.un.sun_path, sizeof(c->to.un.sun_path), "%d/%s", r->at.parent, r->at.name);
    if (n < 0 || (size_t)n >= sizeof(c->to.un.sun_path))
        return -ENAMETOOLONG;
    c->n = (socklen_t)(UNIX_PATH + (size_t)n + 1);
    return 0;
}

static enum step act_bind(struct request *r)
{
    if (r->at.parent >= 0) {
        if (!place_unmoved(&r->kern->view, &r->at))
            return STEP_AGAIN;
        int error = aim_at_name(r);
        if (error != 0)
            return answer_error(r, -error);
        (void)umask((mode_t)request_who(r)->umask);
    }
    int rc = bind(r->held, &r->connect->to.any, r->connect->n);
    if (rc == 0 && r->at.parent >= 0)
        r->kern->generation++;
    return answer_result(r, rc == 0 ? 0 : -errno);
}

const struct plan plan_bind = {prepare_bind, act_bind};
