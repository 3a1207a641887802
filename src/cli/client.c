/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "base/mem.h"
#include "keeper/control.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 10000

bool client_id_valid(const char *id)
{
    size_t n = strlen(id);

    if (n == 0 || n > SESSION_ID_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]))
            return false;
    return true;
}

static int connect_path(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        return -1;
    return fd_take(&fd);
}

static bool socket_path(struct buf *path, const char *id, struct err *e)
{
    if (!control_folder(path, false, e))
        return false;
    buf_printf(path, "/%s.sock", id);
    return true;
}

int client_connect(const char *id, struct err *e)
{
    AUTO_BUF struct buf path = {0};

    buf_init(&path, 4096);
    if (!socket_path(&path, id, e))
        return -1;
    int fd = connect_path(buf_cstr(&path));
    if (fd < 0)
        err_sys(e, EX_FAIL, "session %s does not answer", id);
    return fd;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "ID.sock" and it answers? A socket that nobody serves is left over from a crash. */
static bool take_entry(struct client_sessions *s, const char *folder, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
    const char *dot = strrchr(name, '.');
    char id[SESSION_ID_MAX + 1];

    if (dot == NULL || strcmp(dot, ".sock") != 0 || (size_t)(dot - name) > SESSION_ID_MAX ||
        s->n == CLIENT_SESSIONS_MAX)
        return false;
    memcpy(id, name, (size_t)(dot - name));
    id[dot - name] = '\0';
    if (!client_id_valid(id))
        return false;
    AUTO_CLOSE int fd = connect_path(path);
    if (fd < 0) {
        if (errno == ECONNREFUSED)
            (void)unlink(path);
        return false;
    }
    memcpy(s->id[s->n++], id, sizeof(id));
    return true;
}

bool client_list(struct client_sessions *s, struct err *e)
{
    AUTO_BUF struct buf path = {0};

    s->n = 0;
    buf_init(&path, 4096);
    if (!control_folder(&path, false, e))
        return e->sys == ENOENT;
    DIR *dir = opendir(buf_cstr(&path));
    if (dir == NULL)
        return err_sys(e, EX_FAIL, "%s: cannot be read", buf_cstr(&path));
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        (void)take_entry(s, buf_cstr(&path), d->d_name);
    (void)closedir(dir);
    qsort(s->id, s->n, sizeof(s->id[0]), by_name);
    return true;
}

bool client_pick(const char *name, char id[SESSION_ID_MAX + 1], struct err *e)
{
    AUTO_FREE struct client_sessions *s = xcalloc(1, sizeof(*s));

    if (name != NULL) {
        if (!client_id_valid(name))
            return err_set(e, EX_USAGE_, "'%s' is not the id of a session; 'belay ps' lists them",
                           name);
        memcpy(id, name, strlen(name) + 1);
        return true;
    }
    if (!client_list(s, e))
        return false;
    if (s->n == 0)
        return err_set(e, EX_FAIL, "no session is running");
    if (s->n > 1)
        return err_set(e, EX_FAIL, "%zu sessions are running: name one ('belay ps' lists them)",
                       s->n);
    memcpy(id, s->id[0], SESSION_ID_MAX + 1);
    return true;
}

bool client_next(int sock, struct frame_in *in, struct err *e)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, ANSWER_MS);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return err_set(e, EX_FAIL, "the session did not answer within %d s", ANSWER_MS / 1000);
    if (n < 0 || frame_recv(sock, in, 0) != FRAME_OK)
        return err_set(e, EX_FAIL, "the session ended");
    return true;
}

bool client_call(int sock, struct frame_out *out, struct frame_in *in, struct err *e)
{
    if (!frame_send(sock, out, NULL, 0))
        return err_sys(e, EX_FAIL, "the session cannot be reached");
    return client_next(sock, in, e);
}
