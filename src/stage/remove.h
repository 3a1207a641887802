/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.h - removes a folder with all that is in it: of any depth, through no link, also
 * where an agent took every right from a folder.
 */
#ifndef BELAY_STAGE_REMOVE_H
#define BELAY_STAGE_REMOVE_H

#include "base/err.h"

bool remove_tree(int parent, const char *name, struct err *e);

#endif
