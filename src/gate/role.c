/* SPDX-License-Identifier: Apache-2.0 */
/*
 * role.c - the program belay-gate: the gate's role and nothing else.
 *
 * It is a program of its own because of what it links: TLS, HTTP/2 and the detectors are most of
 * belay, and whatever is part of a program is paid for at each of its starts. The other roles do
 * without them, and nothing of them can be taken over in a process that does not have them.
 */
#include "base/mem.h"
#include "gate/gate.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    mem_init();
    if (argc == 2 && strcmp(argv[1], "--role=gate") == 0)
        return gate_main();
    fprintf(stderr, "belay-gate: a part of belay, which starts it; see belay(1)\n");
    return EX_USAGE_;
}
