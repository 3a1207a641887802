/* SPDX-License-Identifier: Apache-2.0 */
/* Ways into the kernel past the filter, or to parts of it that an agent has no business with. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* One openat(O_CREAT) through a ring: work that no system-call filter sees. */
struct ring {
    char *sq, *cq;
    struct io_uring_sqe *sqes;
    struct io_uring_params p;
    int fd;
};

static bool ring_open(struct ring *r)
{
    memset(&r->p, 0, sizeof(r->p));
    r->fd = (int)syscall(SYS_io_uring_setup, 4, &r->p);
    if (r->fd < 0)
        return false;
    size_t sq = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
    size_t cq = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
    r->sq = mmap(NULL, sq, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
    r->cq = mmap(NULL, cq, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
    r->sqes = mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED,
                   r->fd, IORING_OFF_SQES);
    return r->sq != MAP_FAILED && r->cq != MAP_FAILED && r->sqes != MAP_FAILED;
}

static int io_uring_create(char **args)
{
    struct ring r;

    if (!ring_open(&r))
        return effect_if_known(false);
    memset(r.sqes, 0, sizeof(*r.sqes));
    r.sqes->opcode = IORING_OP_OPENAT;
    r.sqes->fd = AT_FDCWD;
    r.sqes->addr = (uintptr_t)args[0];
    r.sqes->len = 0600;
    r.sqes->open_flags = O_WRONLY | O_CREAT;
    *(volatile uint32_t *)(void *)(r.sq + r.p.sq_off.array) = 0;
    __atomic_store_n((uint32_t *)(void *)(r.sq + r.p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, r.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        return REFUSED;
    const struct io_uring_cqe *done = (const void *)(r.cq + r.p.cq_off.cqes);
    errno = done->res < 0 ? -done->res : 0;
    return effect_if(done->res >= 0);
}

#ifdef __x86_64__
/* A kernel without that entry answers it with a fault; where there is a filter, it comes first. */
static void no_entry(int signal)
{
    (void)signal;
    _exit(getenv("BELAY_SESSION") == NULL ? UNAVAILABLE : REFUSED);
}

/* The entry of 32-bit programs: another table of numbers. */
static int i386_create(char **args)
{
    char *low =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long fd;

    if (low == MAP_FAILED || signal(SIGSEGV, no_entry) == SIG_ERR)
        return UNAVAILABLE;
    strncpy(low, args[0], 4000);
    __asm__ volatile("int $0x80"
                     : "=a"(fd)
                     : "a"(5L /* open */), "b"(low), "c"((long)(O_WRONLY | O_CREAT)), "d"(0600L)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = fd < 0 ? (int)-fd : 0;
    return effect_if(fd >= 0);
}

/* The x32 ABI: the same table with a bit set, which a filter on numbers may miss. */
static int x32_create(char **args)
{
    return effect_if_known(
        syscall(0x40000000 | SYS_openat, AT_FDCWD, args[0], O_WRONLY | O_CREAT, 0600) >= 0);
}
#else
static int i386_create(char **args)
{
    (void)args;
    return UNAVAILABLE;
}
#define x32_create i386_create
#endif

static int fault_handler(char **args)
{
    (void)args;
    return effect_if_known(syscall(SYS_userfaultfd, O_CLOEXEC) >= 0);
}

/* Memory that a supervisor cannot read. */
static int secret_memory(char **args)
{
    (void)args;
#ifdef SYS_memfd_secret
    int fd = (int)syscall(SYS_memfd_secret, 0);

    return effect_if_known(fd >= 0 && ftruncate(fd, 4096) == 0);
#else
    return UNAVAILABLE;
#endif
}

static int keyring(char **args)
{
    (void)args;
    long key = syscall(SYS_add_key, "user", "redteam", "x", 1, -3 /* session keyring */);

    return effect_if(key >= 0 && syscall(SYS_keyctl, 6 /* describe */, key, NULL, 0) > 0);
}

static int bpf_map(char **args)
{
    union bpf_attr a = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    (void)args;
    return effect_if_known(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) >= 0);
}

static int perf_event(char **args)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
                                .size = sizeof(a),
                                .config = PERF_COUNT_SW_TASK_CLOCK,
                                .exclude_kernel = 1};

    (void)args;
    return effect_if_known(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0);
}

/* A listener of the agent's own, which could answer its held calls with yes. */
static int second_listener(char **args)
{
    struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct sock_fprog prog = {1, &allow};

    (void)args;
    return effect_if(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                             &prog) >= 0);
}

static int own_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return -1;
    int fd = open(ptsname(master), O_RDWR | O_NOCTTY);
    (void)setsid();
    return fd >= 0 && ioctl(fd, TIOCSCTTY, 1) == 0 ? fd : -1;
}

/* Typing into the terminal, for the shell that reads it afterwards. */
static int type_into_terminal(char **args)
{
    (void)args;
    int fd = fork() == 0 ? own_terminal() : -2;

    if (fd == -2) { /* the child is no group leader, so it may have a session */
        int status = 0;
        return effect_if(waitpid(-1, &status, 0) > 0 && status == 0);
    }
    if (fd >= 0 && ioctl(fd, TIOCSTI, "x") != 0) {
        int error = errno;
        _exit(error != 0 ? 1 : 2);
    }
    _exit(fd < 0);
}

/* Selecting and pasting on a virtual terminal. */
static int paste_into_terminal(char **args)
{
    char request[2] = {3 /* TIOCL_PASTESEL */, 0};
    int fd = open("/dev/tty1", O_RDWR | O_NOCTTY);

    (void)args;
    if (fd < 0)
        fd = open("/dev/tty0", O_RDWR | O_NOCTTY);
    return fd < 0 ? UNAVAILABLE : effect_if(ioctl(fd, TIOCLINUX, request) == 0);
}

static int device_node(char **args)
{
    return effect_if_known(mknod(args[0], S_IFCHR | 0600, makedev(1, 5)) == 0);
}

struct handle {
    unsigned bytes;
    int type;
    unsigned char data[128];
};

/* Opening by handle goes past every path rule. */
static int file_handle(char **args)
{
    struct handle h = {.bytes = sizeof(h.data)};
    int mount_id, root = open(".", O_RDONLY | O_DIRECTORY);

    if (syscall(SYS_name_to_handle_at, AT_FDCWD, args[0], &h, &mount_id, 0) != 0)
        return REFUSED;
    return effect_if_known(syscall(SYS_open_by_handle_at, root, &h, O_RDONLY) >= 0);
}

/* For settings, devices and control files: opened to write, and nothing written. */
static int open_to_write(char **args)
{
    return effect_if(open(args[0], O_WRONLY | O_NOCTTY | O_CLOEXEC) >= 0);
}

const struct attack kernel_attacks[] = {
    {"io_uring_create", 1, io_uring_create},
    {"i386_create", 1, i386_create},
    {"x32_create", 1, x32_create},
    {"fault_handler", 0, fault_handler},
    {"secret_memory", 0, secret_memory},
    {"keyring", 0, keyring},
    {"bpf_map", 0, bpf_map},
    {"perf_event", 0, perf_event},
    {"second_listener", 0, second_listener},
    {"type_into_terminal", 0, type_into_terminal},
    {"paste_into_terminal", 0, paste_into_terminal},
    {"device_node", 1, device_node},
    {"file_handle", 1, file_handle},
    {"open_to_write", 1, open_to_write},
    {NULL, 0, NULL},
};
