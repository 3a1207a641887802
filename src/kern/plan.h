/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - the plans by which kern serves trapped calls; which call has which: plans.def.
 *
 *   exec      resolve program, #! chain and what a dynamic loader is told to load; ask; let the
 *             call go on, traced when the policy looks at programs, and compare after the exec,
 *             before the first instruction, what was loaded with what was judged (verify.h)
 *   open      resolve to the object, or to folder and name where it is to be made; ask; open
 *             that object, or make that entry, and give the descriptor to the task
 *   unlink    resolve folder and entry; ask delete; remove the entry from that folder
 *   rename    ask delete of the old name, create of the new, delete of what it replaces; for
 *             a folder the same for everything in it (rename.c)
 *   link      ask read and write of the thing (its new name gives both) and create of the name
 *   mkdir, mknod, symlink  ask create, make the entry with the task's umask
 *   chmod, chown, utime, truncate, xattr  resolve to the object; ask write; change that object
 *   connect, bind  see connect.c
 *   listen, socket  see net.h
 *   inotify   see inotify.c
 *   nosys     ENOSYS: a caller of so new a call must be ready for a kernel without it
 */
#ifndef BELAY_KERN_PLAN_H
#define BELAY_KERN_PLAN_H

#include "kern/request.h"

extern const struct plan plan_exec, plan_open, plan_unlink, plan_rename, plan_link, plan_mkdir,
    plan_mknod, plan_symlink, plan_chmod, plan_chown, plan_utime, plan_truncate, plan_xattr,
    plan_connect, plan_bind, plan_listen, plan_socket, plan_inotify, plan_nosys;

/* The trap with this number, NULL if kern has no plan for it. */
const struct trap *plan_find(int nr);

#endif
