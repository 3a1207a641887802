/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks.h - content that is labelled when it is read is told to the judge by its marks, before the
 * task can read it: the gate knows copies of it by them (src/detect).
 */
#ifndef BELAY_KERN_MARKS_H
#define BELAY_KERN_MARKS_H

#include "kern/request.h"

#define MARKS_CONTENT (256u << 10) /* bytes of a file that are looked at: its beginning */
#define MARKS_MAX     16384u       /* of one file */

/* Of what is about to be given to the task, if its verdict asks for them. False: the judge's socket
 * has no room now. */
bool marks_tell(struct request *r, int fd);

#endif
