/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h - the texts that kern reads from outside: /proc/PID/status, `#!` lines, the
 * arguments of the dynamic loader, open flags. Pure functions on bytes, bounded, fuzzed
 * (test/fuzz/fuzz_kern.c).
 */
#ifndef BELAY_KERN_PARSE_H
#define BELAY_KERN_PARSE_H

#include "base/text.h"

#include <stdint.h>
#include <sys/types.h>

/* What /proc/PID/status says (proc(5)). Pids are those of the reader's procfs, the inner ones
 * those of the innermost pid namespace, which is the one that the agent sees. */
struct status {
    pid_t tgid, parent, tracer;
    pid_t inner_tgid, inner_tid;
    unsigned umask; /* 0777 at most */
};

/* False when a field is missing or out of range. */
bool parse_status(struct str text, struct status *s);

/* Field 28 of /proc/PID/stat: the stack pointer with which a program began. False when it is not
 * there, or not to be known. */
bool parse_start_stack(struct str text, uint64_t *at);

#define SCRIPT_HEAD 256 /* bytes of a file that the kernel looks at: BINPRM_BUF_SIZE */

enum script_kind { SCRIPT_NONE, SCRIPT_OK, SCRIPT_BAD };

struct script {
    struct str interpreter; /* views into the head */
    struct str argument;    /* empty when there is none */
    bool has_argument;
};

/*
 * Reads a `#!` line as the kernel does (behaviour of fs/binfmt_script.c: the line ends at the
 * first newline; without one in the head, the interpreter's name must end inside it; one
 * argument at most, blanks included). BAD: the kernel would say ENOEXEC. `n` <= SCRIPT_HEAD.
 */
enum script_kind parse_script(const char *head, size_t n, struct script *s);

/* Is this canonical path a dynamic loader's: ld-linux*.so*, ld-musl-*.so*, ld.so, ld64.so*,
 * ld-2.31.so? */
bool parse_is_loader(struct str path);

/* Index in argv of the program that a dynamic loader would load, -1 when it would load none
 * (ld.so(8), and musl's). */
int parse_loader_program(const struct str *argv, size_t n);

/*
 * Index in argv of the script that an interpreter of this name (a file's: "dash", "python3.11") is
 * told to run: its first argument that is no option; -1 when it is given its program in another way
 * (-c, -e, -m, standard input), or is none that is known. A guess: an option may take that
 * argument.
 */
int parse_given_script(struct str interpreter, const struct str *argv, size_t n);

/* The last part of a path: "/usr/bin/git" gives "git", "a/" gives "a", "/" gives "". */
struct str parse_last(struct str path);

#endif
