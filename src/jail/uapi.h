/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uapi.h - kernel constants that are newer than the headers of Debian 12 (Linux 6.1).
 *
 * Source: include/uapi of Linux 6.17. System calls from 424 up have the same number on
 * every architecture that belay builds for.
 */
#ifndef BELAY_JAIL_UAPI_H
#define BELAY_JAIL_UAPI_H

#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define JAIL_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_AUDIT_ARCH AUDIT_ARCH_AARCH64
#else
#error "belay knows the system calls of x86_64 and aarch64"
#endif

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_removexattrat
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_file_setattr
#define SYS_file_setattr 469
#endif
#define SYS_LAST_KNOWN 469 /* file_setattr; what comes later is refused until it is known */

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Landlock: what came after ABI 2. */
#define LL_FS_TRUNCATE    (1ULL << 14) /* ABI 3 */
#define LL_FS_IOCTL_DEV   (1ULL << 15) /* ABI 5 */
#define LL_SCOPE_ABSTRACT (1ULL << 0)  /* ABI 6 */
#define LL_SCOPE_SIGNAL   (1ULL << 1)  /* ABI 6 */

/* struct landlock_ruleset_attr as of ABI 6; older kernels take a prefix. */
struct ll_ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

#endif
