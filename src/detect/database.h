/* SPDX-License-Identifier: Apache-2.0 */
/* database.h - the compiled triggers, made by compile.c when belay is built. */
#ifndef BELAY_DETECT_DATABASE_H
#define BELAY_DETECT_DATABASE_H

#include <stddef.h>

extern const unsigned char detect_database[];
extern const size_t detect_database_size;

#endif
