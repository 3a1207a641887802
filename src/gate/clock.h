/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - milliseconds of the monotonic clock; never 0. */
#ifndef BELAY_GATE_CLOCK_H
#define BELAY_GATE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

#endif
