/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listeners.h - who listens on a port of this machine's loopback, as /proc/net/tcp says.
 */
#ifndef BELAY_KERN_LISTENERS_H
#define BELAY_KERN_LISTENERS_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct target {
    unsigned char b[16];
    unsigned n; /* 4 or 16 */
    uint16_t port;
};

struct listener {
    struct target at; /* v4-mapped addresses are IPv4 */
    bool any;         /* of every address */
    bool both;        /* IPv6's "every", which may take IPv4 as well */
    ino_t inode;
};

/* One line of /proc/net/tcp (size 4) or tcp6 (size 16). False: no socket that listens. Pure, and
 * fuzzed with the rest (test/fuzz/fuzz_kern.c). */
bool listener_parse(struct str line, unsigned size, struct listener *l);

/*
 * Does a connection to *to reach a socket of ours, and none of anybody else's? *to becomes where:
 * what is asked for as ::1 and listened on as 127.0.0.1 is found there.
 */
bool listeners_own(int proc, struct target *to, bool (*own)(void *ctx, ino_t inode), void *ctx);

#endif
