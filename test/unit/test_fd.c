/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/belay-fd-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

TEST(write_all_reports)
{
    int p[2];

    (void)signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(p) == 0);
    CHECK(fd_write_all(p[1], "abc", 3));
    CHECK(fd_write_all(p[1], NULL, 0));
    (void)close(p[0]);
    CHECK(!fd_write_all(p[1], "abc", 3) && errno == EPIPE);
    (void)close(p[1]);
    CHECK(!fd_write_all(-1, "abc", 3) && errno == EBADF);
}

TEST(read_all_is_bounded)
{
    struct err e;
    AUTO_BUF struct buf exact = {0}, small = {0};
    int p[2];

    CHECK(pipe(p) == 0);
    CHECK(fd_write_all(p[1], "0123456789", 10));
    (void)close(p[1]);
    buf_init(&exact, 10);
    CHECK(fd_read_all(p[0], &exact, "pipe", &e));
    CHECK_STR(buf_cstr(&exact), "0123456789");
    (void)close(p[0]);
    CHECK(pipe(p) == 0);
    CHECK(fd_write_all(p[1], "0123456789", 10));
    (void)close(p[1]);
    buf_init(&small, 9);
    CHECK(!fd_read_all(p[0], &small, "pipe", &e));
    CHECK_STR(e.text, "pipe: larger than 9 bytes");
    (void)close(p[0]);
    CHECK(!fd_read_all(-1, &small, "nothing", &e));
    CHECK_INT(e.sys, EBADF);
}

TEST(read_file_takes_regular_files_only)
{
    struct err e;
    AUTO_BUF struct buf b = {0};
    char path[128];

    buf_init(&b, 100);
    (void)snprintf(path, sizeof(path), "%s", in_dir("file"));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd_write_all(fd, "text", 4));
    (void)close(fd);
    CHECK(fd_read_file(path, &b, &e));
    CHECK_STR(buf_cstr(&b), "text");
    CHECK(unlink(path) == 0);
    CHECK(!fd_read_file(path, &b, &e) && e.sys == ENOENT);
    CHECK(!fd_read_file(dir, &b, &e) && strstr(e.text, "is a directory") != NULL);
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(!fd_read_file(path, &b, &e)); /* and does not wait for a writer */
    CHECK(strstr(e.text, "not a regular file") != NULL);
    CHECK(unlink(path) == 0);
    CHECK(!fd_read_file("/dev/zero", &b, &e));
}

TEST(memfd_is_sealed_and_rewound)
{
    struct err e;
    AUTO_CLOSE int fd = fd_memfd("x", "hello", 5, &e);
    char got[8] = "";

    CHECK(fd >= 0);
    CHECK_INT(read(fd, got, sizeof(got)), 5);
    CHECK_STR(got, "hello");
    CHECK(pwrite(fd, "H", 1, 0) < 0 && errno == EPERM);
    CHECK(ftruncate(fd, 1) != 0 && errno == EPERM);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    AUTO_CLOSE int empty = fd_memfd("y", NULL, 0, &e);
    CHECK(empty >= 0);
}

TEST(close_from_keeps_what_is_named)
{
    pid_t pid = fork();

    if (pid == 0) {
        const int keep[] = {75, 71, 71, -1, 3, 80};
        bool good = true;

        for (int i = 70; i <= 80; i++)
            (void)dup2(0, i);
        fd_close_from(70, keep, ARRAY_LEN(keep));
        for (int i = 70; i <= 80; i++) {
            bool open = fcntl(i, F_GETFD) >= 0;

            good = good && open == (i == 71 || i == 75 || i == 80);
        }
        good = good && fcntl(0, F_GETFD) >= 0;
        fd_close_from(70, NULL, 0);
        good = good && fcntl(80, F_GETFD) < 0;
        _exit(good ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(flags)
{
    int p[2];

    CHECK(pipe(p) == 0);
    CHECK(fd_set_nonblock(p[0]) && (fcntl(p[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK(fd_set_cloexec(p[0], true) && fcntl(p[0], F_GETFD) == FD_CLOEXEC);
    CHECK(fd_set_cloexec(p[0], false) && fcntl(p[0], F_GETFD) == 0);
    (void)close(p[0]);
    (void)close(p[1]);
    CHECK(!fd_set_nonblock(-1) && !fd_set_cloexec(-1, true));
}

TEST(folder_goes)
{
    CHECK(rmdir(dir) == 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        UNIT(write_all_reports),
        UNIT(read_all_is_bounded),
        UNIT(read_file_takes_regular_files_only),
        UNIT(memfd_is_sealed_and_rewound),
        UNIT(close_from_keeps_what_is_named),
        UNIT(flags),
        UNIT(folder_goes),
    };

    if (mkdtemp(dir) == NULL)
        return 1;
    return unit_run(tests, ARRAY_LEN(tests));
}
