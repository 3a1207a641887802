/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - what the keeper keeps for the life of a session.
 *
 * It reads nothing hostile, but it is the parent of all and clients speak to it: once everything is
 * started it can open files (the cgroup's), signal, wait, and speak on what it holds; it can start
 * no process, execute nothing, make no socket and trace nobody.
 */
#ifndef BELAY_KEEPER_CONFINE_H
#define BELAY_KEEPER_CONFINE_H

#include "base/err.h"

bool keeper_confine(struct err *e);

#endif
