/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.h - classes of trapped system calls, and numbers that older headers lack.
 *
 * The list itself is trap.def. Numbers from the kernel's unistd.h; since 5.1 new calls have
 * the same number on all architectures that belay knows (x86-64, aarch64).
 */
#ifndef BELAY_JAIL_TRAP_H
#define BELAY_JAIL_TRAP_H

#include <fcntl.h>
#include <sys/syscall.h>

/* Bits of a session's traps. */
enum trap_class {
    TRAP_EXEC = 1,    /* every exec; always on */
    TRAP_WRITE = 2,   /* every change of a file or folder by path */
    TRAP_READ = 4,    /* every open; with it open and openat are trapped whatever their flags */
    TRAP_CONNECT = 8, /* connect and bind */
};

/* One of these in the flags of open or openat asks for more than reading. O_TMPFILE's own
 * bit is tested without the O_DIRECTORY that it includes. */
#define TRAP_WRITE_FLAGS                                                                           \
    ((unsigned)(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#endif
#ifndef __NR_removexattrat
#define __NR_removexattrat 466
#endif
#ifndef __NR_file_setattr
#define __NR_file_setattr 469
#endif

#endif
