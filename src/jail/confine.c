/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/confine.h"
#include "base/fd.h"
#include "base/mem.h"
#include "jail/landlock.h"
#include "jail/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define REFUSE(name, error)                                     \
    {                                                           \
        .nr = SYS_##name, .action = SECCOMP_RET_ERRNO | (error) \
    }
/* Memory that may be written is never executed. */
#define NO_EXEC(name)                                                         \
    {                                                                         \
        .nr = SYS_##name, .action = SECCOMP_RET_ALLOW, .ntests = 1, .test = { \
            {.arg = 2, .how = BPF_EQ, .mask = PROT_EXEC, .value = 0}          \
        }                                                                     \
    }

static const struct bpf_rule confine_base[] = {
    CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64), CALL(lseek),
    CALL(close), CALL(close_range), CALL(fstat),
    CALL_IF(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH), /* fstat() of glibc 2.33 and later */
    CALL(ftruncate), CALL(fsync), CALL(fdatasync), CALL(dup), CALL(dup3),
    CALL_IF(fcntl, 1, BPF_INT, F_GETFD), CALL_IF(fcntl, 1, BPF_INT, F_SETFD),
    CALL_IF(fcntl, 1, BPF_INT, F_GETFL), CALL_IF(fcntl, 1, BPF_INT, F_SETFL),
    CALL_IF(fcntl, 1, BPF_INT, F_DUPFD_CLOEXEC), CALL(recvmsg), CALL(sendmsg), CALL(recvfrom),
    CALL_IF(sendto, 4, UINT64_MAX, 0), /* send(): no address */
    CALL(shutdown), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_pwait), CALL(epoll_pwait2),
    CALL(ppoll), CALL(eventfd2), CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime),
#ifdef SYS_poll
    CALL(poll), CALL(epoll_wait), CALL(time), CALL(dup2),
#endif
    NO_EXEC(mmap), NO_EXEC(mprotect), CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk),
    CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
    CALL(gettimeofday), CALL(getrandom), CALL(getpid), CALL(gettid), CALL(getuid), CALL(geteuid),
    CALL(futex), CALL(sched_yield), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),
    CALL(sigaltstack), CALL(restart_syscall),
    CALL(tgkill), /* abort(); the pid is our own or the scope refuses */
    CALL(exit), CALL(exit_group),
    /* The C library goes on without these. */
    REFUSE(ioctl, ENOTTY), /* isatty() of a stream before its first line */
    REFUSE(sysinfo, ENOSYS), REFUSE(sched_getaffinity, ENOSYS), REFUSE(prlimit64, ENOSYS),
    REFUSE(rseq, ENOSYS), REFUSE(readlinkat, ENOSYS),
    REFUSE(openat, EACCES), /* time zones, locales, message catalogues */
};

bool confine_filter(const struct bpf_rule *rules, size_t n, bool with_base, struct err *e)
{
    struct bpf_rule all[BPF_RULES_MAX];
    struct bpf_program prog;
    size_t used = 0;

    if (n > BPF_RULES_MAX - ARRAY_LEN(confine_base))
        return err_set(e, EX_FAIL, "seccomp table of %zu rules is too long", n);
    for (size_t i = 0; i < n; i++) /* a role's own rules come before the common ones */
        all[used++] = rules[i];
    for (size_t i = 0; with_base && i < ARRAY_LEN(confine_base); i++)
        all[used++] = confine_base[i];
    if (!bpf_assemble(all, used, SECCOMP_RET_KILL_PROCESS, SYS_LAST_KNOWN, SECCOMP_RET_KILL_PROCESS,
                      &prog, e))
        return false;
    if (bpf_install(&prog, 0) < 0)
        return err_sys(e, EX_HOST, "seccomp: installing a filter");
    return true;
}

static bool set_caps(uint64_t keep, struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
        {.effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32)},
    };

    if (syscall(SYS_capset, &head, data) != 0)
        return err_sys(e, EX_FAIL, "dropping capabilities");
    return true;
}

bool confine_drop_caps(uint64_t keep, struct err *e)
{
    const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                               SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                               SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

    /* The bounding set and the secure bits take CAP_SETPCAP; who has it not has nothing
     * there that execve() could give back under no_new_privs. */
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return err_sys(e, EX_FAIL, "dropping capability %d from the bounding set", cap);
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0 && errno != EPERM)
        return err_sys(e, EX_FAIL, "setting the secure bits");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return err_sys(e, EX_FAIL, "clearing the ambient capabilities");
    return set_caps(keep, e);
}

bool confine_role(const struct confine *c, struct err *e)
{
    const struct ll_domain domain = {
        .abi = ll_abi(),
        .files = (c->landlock & CONFINE_FILES) != 0,
        .tcp = (c->landlock & CONFINE_TCP) != 0,
        .scopes = (c->landlock & CONFINE_SCOPES) != 0,
    };

    if (prctl(PR_SET_NAME, c->name, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, EX_FAIL, "%s: giving up privileges", c->name);
    if (c->keep != NULL)
        fd_close_from(3, c->keep, c->nkeep);
    if (!confine_drop_caps(c->caps, e) || !ll_enter(&domain, e) ||
        !confine_filter(c->rules, c->nrules, true, e))
        return err_wrap(e, "%s: confinement", c->name);
    return true;
}
