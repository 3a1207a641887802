/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.h - what an exec would run: the program, the interpreters of its `#!` lines, the
 * program that a dynamic loader is told to load, and the arguments.
 *
 * Each of these files is judged as an exec of its own, with the arguments that it would get,
 * so that a rule on a program holds however it is reached. More arguments than 2 MiB or 131,072,
 * or one of more than 128 KiB, are refused with E2BIG, as Linux does by default.
 */
#ifndef BELAY_KERN_EXEC_H
#define BELAY_KERN_EXEC_H

#include "kern/request.h"
#include "record/digest.h"

#define ARGV_BYTES_MAX 2097152u
#define ARGV_ITEMS_MAX 131072u
#define ARGV_ITEM_MAX  131072u /* MAX_ARG_STRLEN */
#define CHAIN_MAX      6       /* a program and five interpreters: the kernel's own limit */

/* A file that the kernel will read for this exec. */
struct exec_file {
    int fd;                /* O_PATH; owned */
    struct stat st;        /* when it was judged */
    char *named;           /* as the exec or the `#!` line names it */
    char *path;            /* canonical */
    char hash[DIGEST_HEX]; /* once measured; "": cannot be read, or is too large */
};

struct exec {
    size_t n;
    struct exec_file file[CHAIN_MAX]; /* scripts, then the program that is loaded */
    struct str *argv;                 /* what the new program will find on its stack */
    size_t argc;
    struct str *env; /* NAME=value of variables that change programs: env.h */
    size_t nenv, env_room, env_bytes;
    char *cwd;
    /* What an interpreter or a dynamic loader is told by an argument to open; fd -1: nothing. */
    struct exec_file given;
    bool measured; /* measure.h */
};

void exec_release(struct request *r);

#endif
