/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* Does f() end the process by abort()? */
static bool aborts(void (*f)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        f();
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static volatile size_t huge = SIZE_MAX;

static void calloc_overflow(void)
{
    free(xcalloc(huge / 2, 3));
}

static void realloc_overflow(void)
{
    free(xrealloc(NULL, huge / 4, 8));
}

static void arena_overflow(void)
{
    AUTO_ARENA struct arena a = {0};

    (void)arena_alloc(&a, huge - 64); /* with the chunk's header it wraps round */
}

static void arena_wrap(void)
{
    AUTO_ARENA struct arena a = {0};

    (void)arena_alloc(&a, huge);
}

TEST(overflow_and_exhaustion_abort)
{
#if defined(__SANITIZE_ADDRESS__)
    SKIP("the address sanitizer ends such processes in its own way");
#endif
    CHECK(aborts(calloc_overflow));
    CHECK(aborts(realloc_overflow));
    CHECK(aborts(arena_overflow));
    CHECK(aborts(arena_wrap));
}

TEST(nothing_is_something)
{
    AUTO_FREE void *p = xcalloc(0, 0);
    AUTO_FREE void *q = xrealloc(NULL, 0, 0);

    CHECK(p != NULL && q != NULL);
}

TEST(strings)
{
    AUTO_FREE char *s = xstrdup("abc");
    AUTO_FREE char *t = xasprintf("%d-%s", 7, s);

    CHECK_STR(t, "7-abc");
}

TEST(auto_close_keeps_errno)
{
    int p[2];

    CHECK(pipe(p) == 0);
    {
        AUTO_CLOSE int fd = p[0];
        AUTO_CLOSE int given = p[1];
        AUTO_CLOSE int none = -1;

        CHECK_INT(fd_take(&given), p[1]);
        CHECK_INT(given, -1);
        errno = 77;
        (void)fd;
        (void)none;
    }
    CHECK_INT(errno, 77);
    CHECK(close(p[0]) != 0);
    CHECK(close(p[1]) == 0);
}

TEST(arena_is_zeroed_aligned_and_apart)
{
    AUTO_ARENA struct arena a = {0};
    unsigned char *last = NULL;

    for (size_t n = 1; n < 3000; n += 7) {
        unsigned char *p = arena_alloc(&a, n);

        CHECK((uintptr_t)p % 16 == 0);
        for (size_t i = 0; i < n; i++)
            CHECK(p[i] == 0);
        memset(p, 0xee, n);
        CHECK(p != last);
        last = p;
    }
    CHECK(a.used > 3000);
    arena_release(&a);
    CHECK_INT(a.used, 0);
    CHECK_STR(arena_strndup(&a, "abcdef", 3), "abc");
    CHECK_STR(arena_strndup(&a, NULL, 0), "");
    CHECK_STR(arena_printf(&a, "%s/%d", "x", 12), "x/12");
    char *big = arena_alloc(&a, 1 << 20);
    CHECK(big[(1 << 20) - 1] == 0);
}

UNIT_MAIN(UNIT(overflow_and_exhaustion_abort), UNIT(nothing_is_something), UNIT(strings),
          UNIT(auto_close_keeps_errno), UNIT(arena_is_zeroed_aligned_and_apart))
