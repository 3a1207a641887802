/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf.h - a table of system calls becomes a seccomp filter.
 *
 * The program checks the architecture (another one, i386 on x86_64 for example, ends the
 * process), finds the number by binary search and tests arguments only where the table asks
 * for it. Numbers whose verdict does not depend on arguments are so found by the kernel's
 * own scan (seccomp_cache_prepare) and, when allowed, cost no filter run at all.
 */
#ifndef BELAY_JAIL_BPF_H
#define BELAY_JAIL_BPF_H

#include "base/err.h"

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum bpf_how {
    BPF_EQ,  /* (argument & mask) == value */
    BPF_NE,  /* (argument & mask) != value */
    BPF_ANY, /* (argument & mask) != 0 */
};

/*
 * When the upper half of mask is zero, only the lower half of the argument is looked at:
 * right for every argument that the kernel takes as int, where the upper half is ignored.
 */
struct bpf_test {
    uint8_t arg; /* 0 to 5 */
    enum bpf_how how;
    uint64_t mask, value;
};

#define BPF_INT ((uint64_t)0xffffffff)

#define BPF_TESTS_MAX 5
#define BPF_RULES_MAX 512
#define BPF_INSNS_MAX 4096 /* the kernel's own limit */

/* All tests hold: `action` (SECCOMP_RET_...). Several rules for one number: the first. */
struct bpf_rule {
    int nr;
    uint32_t action;
    uint8_t ntests;
    struct bpf_test test[BPF_TESTS_MAX];
};

struct bpf_program {
    size_t n;
    struct sock_filter insns[BPF_INSNS_MAX];
};

/*
 * Assembles `rules`. Where no rule holds: `otherwise`; numbers above `last`: `beyond`.
 * Rules with nr < 0 (a call that this architecture does not have) are skipped.
 */
bool bpf_assemble(const struct bpf_rule *rules, size_t n, uint32_t otherwise, int last,
                  uint32_t beyond, struct bpf_program *out, struct err *e);

/*
 * What the program answers for a call, by running it as the kernel would (for tests and
 * explanations). Programs made by bpf_assemble() only.
 */
uint32_t bpf_run(const struct bpf_program *p, uint32_t arch, uint32_t nr, const uint64_t args[6]);

/* Installs the program for this thread. `flags`: SECCOMP_FILTER_FLAG_*. Returns the listener
 * with NEW_LISTENER, 0 without, -1 with errno. */
int bpf_install(const struct bpf_program *p, unsigned flags);

#endif
