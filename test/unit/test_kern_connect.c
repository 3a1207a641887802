/* SPDX-License-Identifier: Apache-2.0 */
/* How kern serves connect: path sockets by what they are, internet addresses only noted. */
#include "kern_world.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/un.h>

static char dir[64];
static int tcp_port;

static void make_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/kern-test-XXXXXX");
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        abort();
}

static void clean(void)
{
    char command[100];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (chdir("/") != 0 || system(command) != 0)
        printf("# %s could not be removed\n", dir);
}

static struct sockaddr_un unix_address(const char *path, socklen_t *n)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    *n = sizeof(a);
    if (path[0] == '@') {
        a.sun_path[0] = '\0';
        *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    return a;
}

static int serve(const char *path, int type)
{
    socklen_t n;
    struct sockaddr_un a = unix_address(path, &n);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 ||
        (type != SOCK_DGRAM && listen(fd, 1) != 0))
        abort();
    return fd;
}

static int dial_from(int fd, const char *path)
{
    socklen_t n;
    struct sockaddr_un a = unix_address(path, &n);
    int rc = connect(fd, (struct sockaddr *)&a, n);

    return rc == 0 ? 0 : errno;
}

static int dial(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = dial_from(fd, path);

    close(fd);
    return error;
}

static enum outcome no_agent_socket(const struct action *a)
{
    return a->kind == RESOURCE_SOCKET && memmem(a->resource.p, a->resource.n, "bad", 3) != NULL
               ? OUTCOME_DENY
               : OUTCOME_ALLOW;
}

static int paths(void *arg)
{
    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    if (dial("good") != 0)
        return 1;
    if (dial("bad") != EACCES || dial("./alias") != EACCES)
        return 2;
    if (dial("nowhere") != ENOENT || dial("plain") != ECONNREFUSED)
        return 3;
    if (dial("@kern-test-good") != 0 || dial("@kern-test-bad") != EACCES)
        return 4;
    if (dial_from(0, "good") != ENOTSOCK || dial_from(99, "good") != EBADF)
        return 5;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (dial_from(fd, "datagram") != 0 || send(fd, "x", 1, 0) != 1)
        return 6;
    if (connect(fd, (struct sockaddr *)&(struct sockaddr){.sa_family = AF_UNSPEC}, 2) != 0)
        return 7;
    return 0;
}

TEST(path_sockets)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_CONNECT, false, no_agent_socket);

    make_dir();
    int fds[] = {serve("good", SOCK_STREAM), serve("bad", SOCK_STREAM),
                 serve("datagram", SOCK_DGRAM), serve("@kern-test-good", SOCK_STREAM),
                 serve("@kern-test-bad", SOCK_STREAM)};
    close(open("plain", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (symlink("bad", "alias") != 0)
        abort();
    CHECK(world_run(w, paths, NULL));
    clean();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    if (world_code(w) != 0)
        printf("# %s", w->log);
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    CHECK(world_saw(w, "connect @kern-test-good connect"));
}

/* A queue that is full: the connecting task waits, and kern goes on. */
static int full(void *arg)
{
    int status;

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    for (int i = 0; i < 2; i++)
        if (dial_from(socket(AF_UNIX, SOCK_STREAM, 0), "good") != 0)
            return 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(dial_from(socket(AF_UNIX, SOCK_STREAM, 0), "good"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (dial_from(fd, "good") != EAGAIN || dial("nowhere") != ENOENT)
        return 2;
    close(open("now", O_WRONLY | O_CREAT, 0600)); /* the listener takes them from here on */
    waitpid(pid, &status, 0);
    return status;
}

static void *accept_later(void *arg)
{
    while (access("now", F_OK) != 0)
        usleep(10000);
    for (int i = 0; i < 3; i++)
        close(accept(*(int *)arg, NULL, NULL));
    return NULL;
}

TEST(full_queue)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_CONNECT, false, no_agent_socket);
    pthread_t t;

    make_dir();
    int fd = serve("good", SOCK_STREAM);
    pthread_create(&t, NULL, accept_later, &fd);
    CHECK(world_run(w, full, NULL));
    pthread_join(t, NULL);
    clean();
    close(fd);
    CHECK_INT(world_code(w), 0);
}

static int internet(void *arg)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)tcp_port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)arg;
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        return 1;
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != -1 || errno != EISCONN)
        return 2;
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
        return 3;
    a.sin_port = htons(1);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != -1 || errno != ECONNREFUSED)
        return 4;
    if (connect(fd, NULL, sizeof(a)) != -1 || errno != EFAULT)
        return 5;
    return connect(fd, (struct sockaddr *)&a, 1) == -1 && errno == EINVAL ? 0 : 6;
}

TEST(internet_is_noted)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_CONNECT, false, NULL);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 5) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    tcp_port = ntohs(a.sin_port);
    CHECK(world_run(w, internet, NULL));
    close(fd);
    CHECK_INT(world_code(w), 0);
    CHECK(world_saw(w, "note 127.0.0.1"));
    CHECK_INT(w->actions, 0);
}

/* bind: a path socket is a new name in a folder; what is none is left alone. */

static enum outcome no_bad_name(const struct action *a)
{
    return a->verb == VERB_CREATE && memmem(a->resource.p, a->resource.n, "bad", 3) != NULL
               ? OUTCOME_DENY
               : OUTCOME_ALLOW;
}

static int bind_at(const char *path)
{
    socklen_t n;
    struct sockaddr_un a = unix_address(path, &n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = bind(fd, (struct sockaddr *)&a, n) == 0 ? 0 : errno;

    close(fd);
    return error;
}

static int binds(void *arg)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr any = {.sa_family = AF_UNIX};
    struct stat st;

    (void)arg;
    if (chdir(dir) != 0)
        return 99;
    (void)umask(027);
    if (bind_at("made") != 0 || stat("made", &st) != 0 || (st.st_mode & 0777) != 0750)
        return 1;
    if (bind_at("made") != EADDRINUSE || bind_at(".") != EADDRINUSE)
        return 2;
    if (bind_at("bad") != EACCES || bind_at("alias/../bad") != EACCES || access("bad", F_OK) == 0)
        return 3;
    if (bind_at("nowhere/x") != ENOENT || bind_at("@kern-test-bound") != 0)
        return 4;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, &any, sizeof(any.sa_family)) != 0 || bind(fd, NULL, 3) != -1 || errno != EFAULT)
        return 5;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&in, sizeof(in)) != 0)
        return 6;
    int listener = serve("good", SOCK_STREAM);
    return dial("good") == 0 && close(listener) == 0 ? 0 : 7;
}

TEST(names_of_sockets)
{
    AUTO_FREE struct world *w = world_new(TRAP_EXEC | TRAP_WRITE, false, no_bad_name);
    char line[sizeof(dir) + 32];

    make_dir();
    (void)snprintf(line, sizeof(line), "create %s/made bind", dir);
    if (symlink(".", "alias") != 0)
        abort();
    CHECK(world_run(w, binds, NULL));
    clean();
    if (world_code(w) != 0)
        printf("# %s", w->log);
    CHECK_INT(world_code(w), 0);
    CHECK_INT(w->kern_status, -1);
    CHECK(world_saw(w, line));
}

UNIT_MAIN(UNIT(names_of_sockets), UNIT(path_sockets), UNIT(full_queue), UNIT(internet_is_noted))
