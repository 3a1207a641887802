/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/confine.h"

#include "base/mem.h"
#include "jail/confine.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const struct bpf_rule calls[] = {
    CALL(openat), /* the cgroup's files */
    CALL(newfstatat), CALL(getdents64),
    CALL(unlinkat),   CALL(readlinkat),
    CALL(ioctl),                        /* the terminals */
    CALL(accept4),    CALL(getsockopt), /* clients and who they are */
    CALL(kill),       CALL(pidfd_send_signal),
    CALL(wait4),      CALL(waitid),
    CALL(setpgid),    CALL(getpgrp),
    CALL(getppid),
#ifdef SYS_open
    CALL(open),       CALL(unlink),
    CALL(rmdir),      CALL(readlink),
    CALL(stat),
#endif
};

bool keeper_confine(struct err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, EX_HOST, "no_new_privs");
    if (!confine_filter(calls, ARRAY_LEN(calls), true, e))
        return err_wrap(e, "keeper");
    return true;
}
