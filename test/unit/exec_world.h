/* SPDX-License-Identifier: Apache-2.0 */
/* exec_world.h - what the tests of execs share: a folder to work in, and files in it. */
#ifndef TEST_EXEC_WORLD_H
#define TEST_EXEC_WORLD_H

#include "kern_world.h"
#include "unit.h"

#include <limits.h>

/* execve() takes its strings as changeable, and changes none. */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#endif

static char dir[1024];

static void make_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/kern-test-XXXXXX");
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        abort();
    char *real = realpath(".", NULL);
    (void)snprintf(dir, sizeof(dir), "%s", real);
    free(real);
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    if (fd < 0 || !fd_write_all(fd, text, strlen(text)) || fchmod(fd, mode) != 0)
        abort();
    close(fd);
}

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static void clean(void)
{
    char command[PATH_MAX + 16];

    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (chdir("/") != 0 || system(command) != 0)
        printf("# %s could not be removed\n", dir);
}

#endif
