/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/control.h"

#include "base/mem.h"
#include "policy/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control_client {
    struct control *control;
    struct event *event;
    int fd; /* -1: free */
    uid_t uid;
    uint64_t number;
    bool lost;
};

struct control {
    char *path;
    int fd;
    struct event *event;
    struct event_base *base;
    control_handler *handler;
    void *arg;
    struct control_client client[CONTROL_CLIENTS_MAX];
    uint64_t last_number;
    struct frame_in in;
};

static bool own_folder(const char *path, bool make, struct err *e)
{
    struct stat st;

    if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_sys(e, EX_FAIL, "%s: cannot be made", path);
    if (lstat(path, &st) != 0)
        return err_sys(e, EX_FAIL, "%s: no session has run here", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return err_set(
            e, EX_FAIL,
            "%s: must be a folder of your own with mode 0700; remove it or mend its mode", path);
    return true;
}

bool control_folder(struct buf *path, bool make, struct err *e)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat st;

    buf_clear(path);
    if (runtime != NULL && runtime[0] == '/')
        buf_printf(path, "%s/belay", runtime);
    else
        buf_printf(path, "/run/user/%u/belay", (unsigned)geteuid());
    AUTO_FREE char *parent = xstrdup(buf_cstr(path));
    *strrchr(parent, '/') = '\0';
    if (stat(parent, &st) != 0 || !S_ISDIR(st.st_mode)) {
        buf_clear(path);
        buf_printf(path, "/tmp/belay-%u", (unsigned)geteuid());
    }
    return own_folder(buf_cstr(path), make, e);
}

static void client_drop(struct control_client *c)
{
    if (c->event != NULL)
        event_free(c->event);
    c->event = NULL;
    mem_auto_close(&c->fd);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
    struct control_client *c = arg;
    struct frame_in *f = &c->control->in;

    (void)fd;
    (void)what;
    enum frame_result r = frame_recv(c->fd, f, 1);
    if (r == FRAME_AGAIN)
        return;
    if (r != FRAME_OK || !message_permitted(ROLE_CLIENT, ROLE_KEEPER, PHASE_RUN, f->type) ||
        f->nfds > message_fds((enum message)f->type)) {
        if (r == FRAME_OK)
            frame_close_fds(f);
        client_drop(c);
        return;
    }
    c->control->handler(c->control->arg, c, f, c->uid);
    frame_close_fds(f);
    if (c->lost)
        client_drop(c);
}

static struct control_client *free_slot(struct control *k)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (k->client[i].fd < 0)
            return &k->client[i];
    return NULL;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct control *k = arg;
    AUTO_CLOSE int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct control_client *c = free_slot(k);
    struct ucred cred;
    socklen_t n = sizeof(cred);

    (void)what;
    if (peer < 0 || c == NULL || getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0 ||
        (cred.uid != geteuid() && cred.uid != 0))
        return;
    c->control = k;
    c->uid = cred.uid;
    c->lost = false;
    c->number = ++k->last_number;
    c->fd = fd_take(&peer);
    c->event = event_new(k->base, c->fd, EV_READ | EV_PERSIST, on_client, c);
    if (c->event == NULL || event_add(c->event, NULL) != 0)
        client_drop(c);
}

static int listen_on(const char *path, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (strlen(path) >= sizeof(a.sun_path)) {
        err_set(e, EX_FAIL, "%s: too long for a socket; set XDG_RUNTIME_DIR to a shorter folder",
                path);
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || chmod(path, 0600) != 0 ||
        listen(fd, 16) != 0) {
        err_sys(e, EX_FAIL, "%s: the control socket cannot be made", path);
        return -1;
    }
    return fd_take(&fd);
}

struct control *control_open(struct event_base *base, const char *path, control_handler *handler,
                             void *arg, struct err *e)
{
    AUTO_CLOSE int fd = listen_on(path, e);

    if (fd < 0)
        return NULL;
    struct control *k = xcalloc(1, sizeof(*k));
    k->path = xstrdup(path);
    k->base = base;
    k->handler = handler;
    k->arg = arg;
    k->fd = fd_take(&fd);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        k->client[i].fd = -1;
    k->event = event_new(base, k->fd, EV_READ | EV_PERSIST, on_connection, k);
    if (k->event == NULL || event_add(k->event, NULL) != 0)
        abort();
    return k;
}

void control_close(struct control *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        client_drop(&k->client[i]);
    event_free(k->event);
    mem_auto_close(&k->fd);
    (void)unlink(k->path);
    free(k->path);
    free(k);
}

uint64_t control_client_number(const struct control_client *c)
{
    return c->number;
}

struct control_client *control_client_find(struct control *k, uint64_t number)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (k->client[i].fd >= 0 && k->client[i].number == number)
            return &k->client[i];
    return NULL;
}

void control_reply(struct control_client *c, struct frame_out *f)
{
    if (!c->lost && !frame_send(c->fd, f, NULL, 0))
        c->lost = true; /* dropped when its handler returns */
}
