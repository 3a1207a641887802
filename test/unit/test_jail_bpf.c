/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler against a plain reading of its table, and the agent's filter against examples. */
#include "base/mem.h"
#include "jail/bpf.h"
#include "jail/filter.h"
#include "jail/jail.h"
#include "jail/uapi.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LAST   500
#define BEYOND (SECCOMP_RET_ERRNO | ENOSYS)
#define OTHER  SECCOMP_RET_ALLOW

static bool holds(const struct bpf_test *t, uint64_t arg)
{
    /* With an empty upper half of the mask the upper half of the value is not looked at. */
    uint64_t value = t->mask >> 32 == 0 ? (uint32_t)t->value : t->value;

    switch (t->how) {
    case BPF_EQ:
        return (arg & t->mask) == value;
    case BPF_NE:
        return (arg & t->mask) != value;
    case BPF_ANY:
        return (arg & t->mask) != 0;
    }
    return false;
}

static uint32_t reference(const struct bpf_rule *rules, size_t n, uint32_t nr,
                          const uint64_t args[6])
{
    for (size_t i = 0; i < n; i++) {
        bool all = rules[i].nr >= 0 && (uint32_t)rules[i].nr == nr;
        for (size_t k = 0; all && k < rules[i].ntests; k++)
            all = holds(&rules[i].test[k], args[rules[i].test[k].arg]);
        if (all)
            return rules[i].action;
    }
    return nr > LAST ? BEYOND : OTHER;
}

static uint64_t pick(void)
{
    static const uint64_t some[] = {0,      1,          2,          3,          0x80,
                                    0xf000, 0xffffffff, 1ULL << 32, 5ULL << 33, UINT64_MAX};

    return some[(size_t)random() % ARRAY_LEN(some)];
}

static void random_rule(struct bpf_rule *r, uint32_t action)
{
    *r = (struct bpf_rule){.nr = (int)(random() % (LAST + 1)) - 1,
                           .action = SECCOMP_RET_ERRNO | (action % 100 + 1),
                           .ntests = (uint8_t)(random() % (BPF_TESTS_MAX + 1))};
    for (size_t k = 0; k < r->ntests; k++) {
        uint64_t mask = pick();
        if ((uint32_t)mask == 0)
            mask |= 1;
        r->test[k] = (struct bpf_test){.arg = (uint8_t)(random() % 6),
                                       .how = (enum bpf_how)(random() % 3),
                                       .mask = mask,
                                       .value = pick() & mask};
    }
}

TEST(random_tables_mean_what_they_say)
{
    static struct bpf_rule rules[120];
    static struct bpf_program prog;
    struct err e = {0};

    srandom(7);
    for (int round = 0; round < 60; round++) {
        size_t n = 1 + (size_t)random() % ARRAY_LEN(rules);
        for (size_t i = 0; i < n; i++)
            random_rule(&rules[i], (uint32_t)i);
        CHECK(bpf_assemble(rules, n, OTHER, LAST, BEYOND, &prog, &e));
        for (int call = 0; call < 3000; call++) {
            uint32_t nr = random() % 3 != 0 ? (uint32_t)rules[(size_t)random() % n].nr
                                            : (uint32_t)(random() % (LAST + 20));
            uint64_t args[6];
            for (int i = 0; i < 6; i++)
                args[i] = pick();
            CHECK_INT(bpf_run(&prog, JAIL_AUDIT_ARCH, nr, args), reference(rules, n, nr, args));
        }
    }
}

TEST(another_architecture_ends_the_process)
{
    static struct bpf_program prog;
    const uint64_t args[6] = {0};
    struct err e = {0};

    CHECK(filter_make(0, &prog, &e));
    CHECK_INT(bpf_run(&prog, AUDIT_ARCH_I386, 20, args), SECCOMP_RET_KILL_PROCESS);
    CHECK_INT(bpf_run(&prog, JAIL_AUDIT_ARCH, 0x40000001, args), SECCOMP_RET_ERRNO | ENOSYS);
    CHECK_INT(bpf_run(&prog, JAIL_AUDIT_ARCH, SYS_LAST_KNOWN + 1, args),
              SECCOMP_RET_ERRNO | ENOSYS);
    CHECK_INT(bpf_run(&prog, JAIL_AUDIT_ARCH, SYS_read, args), SECCOMP_RET_ALLOW);
}

TEST(too_many_rules_are_an_error)
{
    static struct bpf_rule rules[BPF_RULES_MAX + 1];
    static struct bpf_program prog;
    struct err e = {0};

    CHECK(!bpf_assemble(rules, ARRAY_LEN(rules), OTHER, LAST, BEYOND, &prog, &e));
    CHECK(strstr(e.text, "more than") != NULL);
}

static uint32_t open_with(const struct bpf_program *p, int flags)
{
    const uint64_t args[6] = {0, 0, (uint64_t)flags};

    return bpf_run(p, JAIL_AUDIT_ARCH, SYS_openat, args);
}

TEST(which_opens_are_trapped)
{
    static struct bpf_program prog;
    struct err e = {0};

    CHECK(filter_make(TRAP_WRITE, &prog, &e));
    CHECK_INT(open_with(&prog, O_RDONLY | O_CLOEXEC), SECCOMP_RET_ALLOW);
    CHECK_INT(open_with(&prog, O_RDONLY | O_DIRECTORY), SECCOMP_RET_ALLOW);
    CHECK_INT(open_with(&prog, O_WRONLY), SECCOMP_RET_USER_NOTIF);
    CHECK_INT(open_with(&prog, O_RDWR), SECCOMP_RET_USER_NOTIF);
    CHECK_INT(open_with(&prog, O_RDONLY | O_CREAT), SECCOMP_RET_USER_NOTIF);
    CHECK_INT(open_with(&prog, O_RDONLY | O_TRUNC), SECCOMP_RET_USER_NOTIF);
    CHECK_INT(open_with(&prog, O_TMPFILE | O_WRONLY), SECCOMP_RET_USER_NOTIF);
    CHECK(filter_make(TRAP_WRITE | TRAP_READ, &prog, &e));
    CHECK_INT(open_with(&prog, O_RDONLY), SECCOMP_RET_USER_NOTIF);
    CHECK(filter_make(TRAP_EXEC, &prog, &e));
    CHECK_INT(open_with(&prog, O_RDWR), SECCOMP_RET_ALLOW);
}

static uint32_t make_socket(const struct bpf_program *prog, uint32_t nr, int family, int type)
{
    const uint64_t args[6] = {(uint64_t)family, (uint64_t)type};

    return bpf_run(prog, JAIL_AUDIT_ARCH, nr, args);
}

TEST(datagrams_between_processes_where_path_sockets_are_judged)
{
    static const uint32_t calls[] = {SYS_socket, SYS_socketpair};
    static struct bpf_program prog;
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        CHECK(filter_make(TRAP_EXEC | TRAP_CONNECT | TRAP_DATAGRAM, &prog, &e));
        CHECK_INT(make_socket(&prog, calls[i], AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC),
                  SECCOMP_RET_ERRNO | ESOCKTNOSUPPORT);
        CHECK_INT(make_socket(&prog, calls[i], AF_UNIX, SOCK_RAW),
                  SECCOMP_RET_ERRNO | ESOCKTNOSUPPORT);
        CHECK_INT(make_socket(&prog, calls[i], AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK),
                  SECCOMP_RET_ALLOW);
        CHECK_INT(make_socket(&prog, calls[i], AF_UNIX, SOCK_SEQPACKET), SECCOMP_RET_ALLOW);
        CHECK(filter_make(TRAP_EXEC | TRAP_CONNECT, &prog, &e));
        CHECK_INT(make_socket(&prog, calls[i], AF_UNIX, SOCK_DGRAM), SECCOMP_RET_ALLOW);
    }
    CHECK(filter_make(TRAP_DATAGRAM, &prog, &e));
    CHECK_INT(make_socket(&prog, SYS_socket, AF_INET, SOCK_DGRAM), SECCOMP_RET_ALLOW);
}

/* A call whose verdict needs no argument must be found without reading one, or the kernel
 * would run the program for every read() of the agent. */
TEST(plain_calls_stay_in_the_kernels_bitmap)
{
    static const int plain[] = {SYS_read,       SYS_write,  SYS_close,       SYS_mmap,   SYS_futex,
                                SYS_newfstatat, SYS_getpid, SYS_epoll_pwait, SYS_recvmsg};
    static struct bpf_program prog;
    struct err e = {0};

    CHECK(filter_make(TRAP_EXEC | TRAP_WRITE, &prog, &e));
    printf("# %zu instructions\n", prog.n);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        uint32_t acc = 0;
        size_t steps = 0, pc = 0;
        for (; prog.insns[pc].code != (BPF_RET | BPF_K); pc++, steps++) {
            const struct sock_filter *in = &prog.insns[pc];
            if (in->code == (BPF_LD | BPF_W | BPF_ABS)) {
                CHECK(in->k == 0 || in->k == 4); /* the number, the architecture */
                acc = in->k == 0 ? (uint32_t)plain[i] : JAIL_AUDIT_ARCH;
            } else if (in->code == (BPF_JMP | BPF_JEQ | BPF_K)) {
                pc += acc == in->k ? in->jt : in->jf;
            } else if (in->code == (BPF_JMP | BPF_JGE | BPF_K)) {
                pc += acc >= in->k ? in->jt : in->jf;
            } else {
                CHECK(in->code == (BPF_JMP | BPF_JA | BPF_K));
                pc += in->k;
            }
        }
        CHECK_INT(prog.insns[pc].k, SECCOMP_RET_ALLOW);
        CHECK(steps < 20);
    }
}

UNIT_MAIN(UNIT(random_tables_mean_what_they_say), UNIT(another_architecture_ends_the_process),
          UNIT(too_many_rules_are_an_error), UNIT(which_opens_are_trapped),
          UNIT(datagrams_between_processes_where_path_sockets_are_judged),
          UNIT(plain_calls_stay_in_the_kernels_bitmap))
