/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/plan.h"

#include "jail/uapi.h"

static const struct trap traps[] = {
#define NONE (-1)
#define PLAN(number, serves, dir_arg, path_arg, rest_arg) \
    {.nr = (number),                                      \
     .plan = &plan_##serves,                              \
     .dir = (dir_arg),                                    \
     .path = (path_arg),                                  \
     .rest = (rest_arg)},
#include "kern/plans.def"
#undef PLAN
#undef NONE
};

const struct trap *plan_find(int nr)
{
    for (size_t i = 0; i < ARRAY_LEN(traps); i++)
        if (traps[i].nr == nr)
            return &traps[i];
    return NULL;
}
