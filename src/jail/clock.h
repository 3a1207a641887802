/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - monotonic milliseconds, for waits that end.
 */
#ifndef BELAY_JAIL_CLOCK_H
#define BELAY_JAIL_CLOCK_H

#include <time.h>

static inline long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is left until `until`; 0 when it is past. */
static inline int left_ms(long long until)
{
    long long left = until - now_ms();

    return left < 0 ? 0 : (int)left;
}

#endif
