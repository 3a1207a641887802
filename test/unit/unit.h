/*
 * unit.h - the smallest test harness that serves: TAP on standard output.
 *
 * A test file defines static functions with TEST(name) and ends with
 * UNIT_MAIN(UNIT(name), UNIT(other)). Each test runs in order; a failed CHECK
 * reports file, line and expression, marks the test failed and returns from it.
 * Exit status is 0 when all passed, 1 otherwise. Single threaded.
 */
#ifndef BELAY_TEST_UNIT_H
#define BELAY_TEST_UNIT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

static bool unit_failed;
static const char *unit_skipped;

#define TEST(name) static void test_##name(void)
#define UNIT(name)                                                                                 \
    {                                                                                              \
        #name, test_##name                                                                         \
    }

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("# %s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                            \
            unit_failed = true;                                                                    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        const char *got_ = (got), *want_ = (want);                                                 \
        if (got_ == NULL || strcmp(got_, want_) != 0) {                                            \
            printf("# %s:%d: got \"%s\", want \"%s\"\n", __FILE__, __LINE__,                       \
                   got_ != NULL ? got_ : "(null)", want_);                                         \
            unit_failed = true;                                                                    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (got_ != want_) {                                                                       \
            printf("# %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, got_, want_);     \
            unit_failed = true;                                                                    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* The test cannot run here: it is reported as skipped, never as passed. */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        unit_skipped = (reason);                                                                   \
        return;                                                                                    \
    } while (0)

static inline int unit_run(const struct unit_test *tests, size_t n)
{
    int failures = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        unit_failed = false;
        unit_skipped = NULL;
        tests[i].run();
        if (unit_failed)
            failures++;
        if (unit_skipped != NULL && !unit_failed)
            printf("ok %zu - %s # SKIP %s\n", i + 1, tests[i].name, unit_skipped);
        else
            printf("%sok %zu - %s\n", unit_failed ? "not " : "", i + 1, tests[i].name);
    }
    return failures == 0 ? 0 : 1;
}

#define UNIT_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct unit_test tests[] = {__VA_ARGS__};                                     \
        return unit_run(tests, sizeof(tests) / sizeof(tests[0]));                                  \
    }

#endif
