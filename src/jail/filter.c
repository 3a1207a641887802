/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/filter.h"
#include "base/mem.h"
#include "jail/jail.h"
#include "jail/uapi.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* shares its bit with the exit signal of clone() */
#endif
#define NAMESPACE_FLAGS                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define ENTRY(group, name, error, count, ...) \
    {#group, #name, error, {SYS_##name, SECCOMP_RET_ERRNO | (error), count, {__VA_ARGS__}}},
#define T(how, arg, mask, value) \
    {                            \
        arg, how, mask, value    \
    }
#define REFUSE(group, name, error) ENTRY(group, name, error, 0, T(BPF_EQ, 0, 0, 0))
#define REFUSE_IF(group, name, error, how, arg, mask, value) \
    ENTRY(group, name, error, 1, T(how, arg, mask, value))
#define REFUSE_IF2(group, name, error, ...) ENTRY(group, name, error, 2, __VA_ARGS__)
/* Stream and datagram sockets of TCP, UDP and multipath TCP; nothing raw. */
#define SOCKETS_OF(family)                                                    \
    ENTRY(sockets, socket, EPERM, 3, T(BPF_EQ, 0, BPF_INT, family),           \
          T(BPF_NE, 1, 0xf, SOCK_STREAM), T(BPF_NE, 1, 0xf, SOCK_DGRAM))      \
    ENTRY(sockets, socket, EPROTONOSUPPORT, 5, T(BPF_EQ, 0, BPF_INT, family), \
          T(BPF_NE, 2, BPF_INT, 0), T(BPF_NE, 2, BPF_INT, IPPROTO_TCP),       \
          T(BPF_NE, 2, BPF_INT, IPPROTO_UDP), T(BPF_NE, 2, BPF_INT, IPPROTO_MPTCP))
#define SOCKET_FAMILIES(name, a, b, c, d)                                                     \
    ENTRY(sockets, name, EAFNOSUPPORT, 4, T(BPF_NE, 0, BPF_INT, a), T(BPF_NE, 0, BPF_INT, b), \
          T(BPF_NE, 0, BPF_INT, c), T(BPF_NE, 0, BPF_INT, d))
#define PERSONALITIES(name, a, b, c)                                                   \
    ENTRY(process, name, EPERM, 3, T(BPF_NE, 0, BPF_INT, a), T(BPF_NE, 0, BPF_INT, b), \
          T(BPF_NE, 0, BPF_INT, c))

static const struct filter_refusal refusals[] = {
#include "jail/refuse.def"
};

static const struct filter_refusal host_refusals[] = {
#include "jail/refuse_host.def"
};

struct trap {
    unsigned class;
    struct bpf_rule rule;
};

#define TRAP(class, name) {class, {SYS_##name, SECCOMP_RET_USER_NOTIF, 0, {{0}}}},
/* O_WRONLY and O_RDWR write, O_ACCMODE (3) is for ioctls of odd devices, the rest create. */
#define TRAP_OPEN(class, name, arg) \
    {class,                         \
     {SYS_##name,                   \
      SECCOMP_RET_USER_NOTIF,       \
      1,                            \
      {T(BPF_ANY, arg, O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE_ONLY, 0)}}},
#define O_TMPFILE_ONLY (O_TMPFILE & ~O_DIRECTORY)
#define TRAP_SOCKET(class, family, type) \
    {class,                              \
     {SYS_socket,                        \
      SECCOMP_RET_USER_NOTIF,            \
      2,                                 \
      {T(BPF_EQ, 0, BPF_INT, family), T(BPF_EQ, 1, 0xf, type)}}},
#define NO_SOCKET(class, name, family, type, error) \
    {class,                                         \
     {SYS_##name,                                   \
      SECCOMP_RET_ERRNO | (error),                  \
      2,                                            \
      {T(BPF_EQ, 0, BPF_INT, family), T(BPF_EQ, 1, 0xf, type)}}},

static const struct trap traps_table[] = {
#include "jail/traps.def"
};

const struct filter_refusal *filter_refusals(size_t *n)
{
    *n = ARRAY_LEN(refusals);
    return refusals;
}

const struct filter_refusal *filter_host_refusals(size_t *n)
{
    *n = ARRAY_LEN(host_refusals);
    return host_refusals;
}

static size_t add_traps(struct bpf_rule *to, size_t n, unsigned classes)
{
    for (size_t i = 0; i < ARRAY_LEN(traps_table); i++)
        if ((traps_table[i].class & classes) != 0)
            to[n++] = traps_table[i].rule;
    return n;
}

bool filter_make(unsigned traps, struct bpf_program *out, struct err *e)
{
    struct bpf_rule rules[ARRAY_LEN(refusals) + ARRAY_LEN(host_refusals) + ARRAY_LEN(traps_table)];
    size_t n = 0;

    for (; n < ARRAY_LEN(refusals); n++)
        rules[n] = refusals[n].rule;
    for (size_t i = 0; (traps & TRAP_HOST) != 0 && i < ARRAY_LEN(host_refusals); i++)
        rules[n++] = host_refusals[i].rule;
    /* The first rule of a number decides, so "every open" goes before "opens that write". */
    n = add_traps(rules, n, traps & TRAP_READ);
    n = add_traps(rules, n, traps & ~(unsigned)TRAP_READ);
    return bpf_assemble(rules, n, SECCOMP_RET_ALLOW, SYS_LAST_KNOWN, SECCOMP_RET_ERRNO | ENOSYS,
                        out, e);
}
