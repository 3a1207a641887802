/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to a protected name that do not spell it, or not at the moment when it is looked at. The
 * test says whether the name then holds what was written; these only try.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char evil[] = "#!/bin/sh\n# EVIL\n";

static int write_evil(int fd)
{
    return effect_if(fd >= 0 && write(fd, evil, sizeof(evil) - 1) == (ssize_t)sizeof(evil) - 1);
}

static int create(char **args)
{
    return write_evil(open(args[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
}

/* args: path, resolve flags */
static int create_openat2(char **args)
{
    struct open_how how = {.flags = O_WRONLY | O_CREAT | O_CLOEXEC,
                           .mode = 0700,
                           .resolve = strtoull(args[1], NULL, 0)};

    return write_evil((int)syscall(SYS_openat2, AT_FDCWD, args[0], &how, sizeof(how)));
}

/* A size with bytes that are not known must be refused, not cut off. */
static int create_openat2_long(char **args)
{
    struct {
        struct open_how how;
        uint64_t more;
    } how = {.how = {.flags = O_WRONLY | O_CREAT, .mode = 0700}};

    return write_evil((int)syscall(SYS_openat2, AT_FDCWD, args[0], &how, sizeof(how)));
}

/* args: folder, name below it */
static int create_below_path_descriptor(char **args)
{
    int dir = open(args[0], O_PATH | O_DIRECTORY | O_CLOEXEC);

    return write_evil(openat(dir, args[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
}

static int create_from_working_directory(char **args)
{
    return chdir(args[0]) != 0 ? REFUSED : write_evil(creat(args[1], 0700));
}

static int create_below_descriptor_name(char **args)
{
    char path[600];
    int dir = open(args[0], O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, args[1]);
    return write_evil(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
}

static int reopen(char **args)
{
    char path[64];
    int fd = open(args[0], O_PATH | O_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return write_evil(open(path, O_WRONLY | O_CLOEXEC));
}

static int reopen_of_thread(char **args)
{
    char path[96];
    int fd = open(args[0], O_RDONLY | O_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/thread-self/task/../../../%d/fd/%d", getpid(), fd);
    if (access(path, F_OK) != 0)
        (void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    return write_evil(open(path, O_WRONLY | O_CLOEXEC));
}

/* args: folder of the nameless file, name to give it */
static int nameless_file(char **args)
{
    char path[64];
    int fd = open(args[0], O_TMPFILE | O_WRONLY | O_CLOEXEC, 0700);

    if (write_evil(fd) != EFFECT)
        return UNAVAILABLE;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return effect_if(linkat(AT_FDCWD, path, AT_FDCWD, args[1], AT_SYMLINK_FOLLOW) == 0 ||
                     linkat(fd, "", AT_FDCWD, args[1], AT_EMPTY_PATH) == 0);
}

static int exchange(char **args)
{
    return effect_if(
        syscall(SYS_renameat2, AT_FDCWD, args[0], AT_FDCWD, args[1], RENAME_EXCHANGE) == 0);
}

/* The other way round: the protected name comes first. */
static int exchange_back(char **args)
{
    return effect_if(
        syscall(SYS_renameat2, AT_FDCWD, args[1], AT_FDCWD, args[0], RENAME_EXCHANGE) == 0);
}

/* args: protected name, name that is not */
static int hard_link_then_write(char **args)
{
    if (link(args[0], args[1]) != 0)
        return REFUSED;
    return write_evil(open(args[1], O_WRONLY | O_CLOEXEC));
}

static int map_shared(char **args)
{
    int fd = open(args[0], O_RDWR | O_CLOEXEC);
    char *p = fd < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return REFUSED;
    memcpy(p, evil, 16);
    return EFFECT;
}

/* Mapped from a descriptor that may only read, made writable afterwards. */
static int map_then_protect(char **args)
{
    int fd = open(args[0], O_RDONLY | O_CLOEXEC);
    char *p = fd < 0 ? MAP_FAILED : mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);

    return effect_if(p != MAP_FAILED && mprotect(p, 16, PROT_READ | PROT_WRITE) == 0);
}

static int empty_it(char **args)
{
    return effect_if(truncate(args[0], 0) == 0);
}

/* Reading alone, but the open empties the file. */
static int empty_by_reading(char **args)
{
    return effect_if(open(args[0], O_RDONLY | O_TRUNC | O_CLOEXEC) >= 0);
}

static int make_executable(char **args)
{
    return effect_if(chmod(args[0], 0755) == 0);
}

static int make_executable_by_descriptor(char **args)
{
    return effect_if(fchmod(open(args[0], O_RDONLY | O_CLOEXEC), 0755) == 0);
}

static int make_executable_by_name_of_descriptor(char **args)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", open(args[0], O_PATH | O_CLOEXEC));
    return effect_if(chmod(path, 0755) == 0);
}

/* chmod by the number that the C library does not know yet. */
static int make_executable_fchmodat2(char **args)
{
    int fd = open(args[0], O_PATH | O_CLOEXEC);

    return effect_if(syscall(452, fd, "", 0755, AT_EMPTY_PATH) == 0);
}

static int set_attribute(char **args)
{
    return effect_if(setxattr(args[0], "user.evil", "1", 1, 0) == 0);
}

/* Attributes by ioctl on a descriptor that may only read: immutable, append-only. */
static int set_flags(char **args)
{
    int fd = open(args[0], O_RDONLY | O_CLOEXEC), flags = 0;

    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return UNAVAILABLE;
    flags ^= FS_NODUMP_FL;
    return effect_if(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
}

static int queue(char **args)
{
    return effect_if(mkfifo(args[0], 0600) == 0);
}

/* Shared content: a clone or a copy into a file that is open to read only. args: from, to */
static int clone_into(char **args)
{
    int from = open(args[0], O_RDONLY | O_CLOEXEC);
    int to = open(args[1], O_RDONLY | O_CLOEXEC);

    return effect_if(
        from >= 0 && to >= 0 &&
        (ioctl(to, FICLONE, from) == 0 || copy_file_range(from, NULL, to, NULL, 16, 0) == 16));
}

static int read_it(char **args)
{
    char c;

    return effect_if(read(open(args[0], O_RDONLY | O_CLOEXEC), &c, 1) == 1);
}

static int remove_it(char **args)
{
    return effect_if(unlink(args[0]) == 0 || rmdir(args[0]) == 0);
}

const struct attack file_attacks[] = {
    {"create", 1, create},
    {"create_openat2", 2, create_openat2},
    {"create_openat2_long", 1, create_openat2_long},
    {"create_below_path_descriptor", 2, create_below_path_descriptor},
    {"create_from_working_directory", 2, create_from_working_directory},
    {"create_below_descriptor_name", 2, create_below_descriptor_name},
    {"reopen", 1, reopen},
    {"reopen_of_thread", 1, reopen_of_thread},
    {"nameless_file", 2, nameless_file},
    {"exchange", 2, exchange},
    {"exchange_back", 2, exchange_back},
    {"hard_link_then_write", 2, hard_link_then_write},
    {"map_shared", 1, map_shared},
    {"map_then_protect", 1, map_then_protect},
    {"empty_it", 1, empty_it},
    {"empty_by_reading", 1, empty_by_reading},
    {"make_executable", 1, make_executable},
    {"make_executable_by_descriptor", 1, make_executable_by_descriptor},
    {"make_executable_by_name_of_descriptor", 1, make_executable_by_name_of_descriptor},
    {"make_executable_fchmodat2", 1, make_executable_fchmodat2},
    {"set_attribute", 1, set_attribute},
    {"set_flags", 1, set_flags},
    {"queue", 1, queue},
    {"clone_into", 2, clone_into},
    {"read_it", 1, read_it},
    {"remove_it", 1, remove_it},
    {NULL, 0, NULL},
};
