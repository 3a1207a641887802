/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uapi.h - what kern needs of kernel headers newer than Debian 12's (Linux 6.1).
 * Source: include/uapi/linux/seccomp.h of Linux 6.6.
 */
#ifndef BELAY_KERN_UAPI_H
#define BELAY_KERN_UAPI_H

#include <linux/seccomp.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#endif
