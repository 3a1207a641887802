/* SPDX-License-Identifier: Apache-2.0 */
/* A role after confine_role(): what it still can do and what ends it. Each try is a process. */
#include "base/mem.h"
#include "jail/confine.h"
#include "jail/landlock.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct bpf_rule no_rules[1] = {CALL(read)};
static const struct bpf_rule file_rules[] = {
    CALL(openat), CALL(socket), CALL(bind), CALL(kill), CALL_IF(prctl, 0, BPF_INT, PR_GET_DUMPABLE),
    CALL(capget)};

/* Runs `body` confined in a child; its wait status. */
static int confined(const struct confine *c, int (*body)(void))
{
    struct err e = {0};
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (!confine_role(c, &e)) {
            printf("# %s\n", e.text);
            fflush(stdout);
            _exit(99);
        }
        _exit(body());
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

#define DIED(status) (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)

static int ordinary(void)
{
    char *p = malloc(300000);
    int fds[2];

    if (p == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
        return 1;
    free(p);
    return 0;
}

static int quiet(void)
{
    char *p = malloc(300000);

    p[0] = 1;
    free(p);
    return getpid() > 0 && clock() != (clock_t)-2 ? 0 : 1;
}

static int opens(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static int executes(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static int forks(void)
{
    return fork() < 0 ? 0 : 1;
}

static int writable_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? 0
               : 1;
}

TEST(base_calls_work)
{
    const struct confine c = {.name = "t", .rules = no_rules, .nrules = 0};
    int status = confined(&c, quiet);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(other_calls_end_the_role)
{
    const struct confine c = {.name = "t", .rules = no_rules, .nrules = 0};

    CHECK(DIED(confined(&c, ordinary)));
    CHECK(DIED(confined(&c, executes)));
    CHECK(DIED(confined(&c, forks)));
    CHECK(DIED(confined(&c, writable_code)));
    CHECK_INT(confined(&c, opens), 0); /* refused, not fatal: the C library asks for locales */
}

static int no_files(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES && open("/", O_RDONLY) < 0 ? 0 : 1;
}

static int bind_tcp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0
           : errno == EACCES                                            ? 7
                                                                        : 1;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno == EPERM ? 7 : 1;
}

TEST(landlock_takes_files_ports_and_signals)
{
    struct confine c = {.name = "t", .rules = file_rules, .nrules = ARRAY_LEN(file_rules)};
    const struct bpf_rule with_ppid[] = {CALL(getppid), CALL(kill)};
    int abi = ll_abi();

    if (abi < 1)
        SKIP("no Landlock");
    c.landlock = CONFINE_FILES;
    CHECK_INT(confined(&c, no_files), 0);
    CHECK_INT(confined(&c, bind_tcp), 0);
    c.landlock = CONFINE_FILES | CONFINE_TCP;
    CHECK_INT(WEXITSTATUS(confined(&c, bind_tcp)), abi >= 4 ? 7 : 0);
    c.rules = with_ppid;
    c.nrules = ARRAY_LEN(with_ppid);
    CHECK_INT(WEXITSTATUS(confined(&c, signal_parent)), 0);
    c.landlock = CONFINE_SCOPES;
    CHECK_INT(WEXITSTATUS(confined(&c, signal_parent)), abi >= 6 ? 7 : 0);
}

static int still_open(void)
{
    return (fcntl(50, F_GETFD) >= 0 ? 1 : 0) + (fcntl(51, F_GETFD) >= 0 ? 2 : 0) +
           (prctl(PR_GET_DUMPABLE) != 0 ? 4 : 0);
}

TEST(descriptors_and_dumps_are_given_up)
{
    const int keep[] = {50};
    struct confine c = {.name = "t",
                        .rules = file_rules,
                        .nrules = ARRAY_LEN(file_rules),
                        .keep = keep,
                        .nkeep = 1};

    CHECK(dup2(0, 50) == 50 && dup2(0, 51) == 51);
    CHECK_INT(WEXITSTATUS(confined(&c, still_open)), 1);
    c.keep = NULL;
    CHECK_INT(WEXITSTATUS(confined(&c, still_open)), 3);
    close(50);
    close(51);
}

static int effective(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) != 0)
        return 99;
    return data[1].effective != 0 ? 98 : (int)data[0].effective >> CAP_SYS_PTRACE;
}

TEST(only_the_asked_capabilities_stay)
{
    struct confine c = {.name = "t", .rules = file_rules, .nrules = ARRAY_LEN(file_rules)};

    CHECK_INT(confined(&c, effective), 0);
    if (geteuid() != 0)
        SKIP("not root: there is none to keep");
    c.caps = 1ULL << CAP_SYS_PTRACE;
    CHECK_INT(WEXITSTATUS(confined(&c, effective)), 1);
}

UNIT_MAIN(UNIT(base_calls_work), UNIT(other_calls_end_the_role),
          UNIT(landlock_takes_files_ports_and_signals), UNIT(descriptors_and_dumps_are_given_up),
          UNIT(only_the_asked_capabilities_stay))
