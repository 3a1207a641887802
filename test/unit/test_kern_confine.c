/* SPDX-License-Identifier: Apache-2.0 */
/* What a kern that was taken over could still do: each try is made by a confined process. */
#include "kern/kern.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t outside; /* some process that is not kern */
static struct kern_config config;

/* The status of a child that confines itself and then calls `f`; it ends with 0 when f worked. */
static int confined(int (*f)(void))
{
    int status;

    fflush(stdout);
    outside = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};

        if (!kern_confine(&config, &e)) {
            fprintf(stderr, "# %s\n", e.text);
            _exit(99);
        }
        _exit(f() < 0 ? 1 : 0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static bool dies(int (*f)(void))
{
    int status = confined(f);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool fails(int (*f)(void))
{
    int status = confined(f);

    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_process(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}

static int run_program(void)
{
    return execl("/bin/true", "true", NULL);
}

static int run_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : 0;
}

static int write_memory_of_another(void)
{
    return (int)process_vm_writev(outside, NULL, 0, NULL, 0, 0);
}

static int attach_and_poke(void)
{
    return (int)ptrace(PTRACE_POKEDATA, outside, NULL, NULL);
}

static int stop_another(void)
{
    return kill(outside, SIGSTOP);
}

static int make_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static int make_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static int set_limit(void)
{
    unsigned long limit[2] = {1, 1};

    return (int)syscall(SYS_prlimit64, outside, 7, limit, NULL);
}

static int change_user(void)
{
    return setuid(12345);
}

static int use_capability(void)
{
    return (int)syscall(SYS_mknodat, AT_FDCWD, "/tmp/kern-confine-device", 020600, 0x103);
}

static int kill_nobody(void)
{
    return kill(getpid(), 0) == 0 ? 0 : -1;
}

TEST(calls_that_end_it)
{
    CHECK(dies(make_socket));
    CHECK(dies(make_process));
    CHECK(dies(run_program));
    CHECK(dies(run_memory));
    CHECK(dies(write_memory_of_another));
    CHECK(dies(attach_and_poke));
    CHECK(dies(stop_another));
    CHECK(dies(make_mount));
    CHECK(dies(make_namespace));
    CHECK(dies(change_user));
    CHECK(dies(kill_nobody));
}

/* Only where variables are taken from programs can it write to what it traces. */
TEST(writing_memory_where_it_is_needed)
{
    config.nscrub = 1;
    CHECK(!dies(write_memory_of_another));
    CHECK(dies(attach_and_poke));
    config.nscrub = 0;
}

TEST(calls_that_fail)
{
    CHECK(fails(set_limit));
    CHECK(fails(use_capability));
}

/* The control: without confinement each of these does something else than to be ended. */
TEST(control)
{
    int fd = make_socket();

    CHECK(fd >= 0);
    close(fd);
    CHECK(kill_nobody() == 0);
    CHECK(run_memory() == 0);
}

UNIT_MAIN(UNIT(calls_that_end_it), UNIT(writing_memory_where_it_is_needed), UNIT(calls_that_fail),
          UNIT(control))
