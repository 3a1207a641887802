/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.h - the calls of Landlock (kernel Documentation/userspace-api/landlock.rst) and
 * what each ABI knows.
 */
#ifndef BELAY_JAIL_LANDLOCK_H
#define BELAY_JAIL_LANDLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The kernel's ABI, 0 when it has no Landlock. */
int ll_abi(void);

/* Every file right that `abi` knows; those that read and execute; those for one file. */
uint64_t ll_fs_all(int abi);
uint64_t ll_fs_read(void);
uint64_t ll_fs_file(int abi);

struct ll_rule {
    int fd; /* O_PATH of a folder or a file */
    uint64_t access;
};

struct ll_domain {
    int abi;
    bool files; /* refuse every file but those of the rules */
    bool tcp;   /* refuse TCP bind and connect */
    bool scopes;
    const struct ll_rule *rules;
    size_t nrules;
};

/* Puts this thread into the domain; needs no_new_privs. What `abi` does not know is left
 * out. ABI 0: does nothing. */
bool ll_enter(const struct ll_domain *d, struct err *e);

#endif
