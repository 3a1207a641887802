/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cedar_files.h - Cedar's texts from files, in either form: what begins with '{' or '[' is JSON.
 */
#ifndef BELAY_CLI_CEDAR_FILES_H
#define BELAY_CLI_CEDAR_FILES_H

#include "base/err.h"
#include "base/text.h"
#include "cedar/cedar.h"

struct cedar_str cedar_text(const struct buf *b);
bool cedar_is_json(const struct buf *b);

/* Renders a Cedar error with its place into *e (EX_POLICY). Always false. */
bool cedar_fault(const struct cedar_error *x, const char *file, const struct buf *text,
                 struct err *e);

bool cedar_load_policies(struct cedar_names *names, const char *file, struct cedar_policies **out,
                         struct err *e);
bool cedar_load_schema(struct cedar_names *names, const char *file, struct cedar_schema **out,
                       struct err *e);

/* A cedar_write_fn whose context is a struct buf. */
bool cedar_to_buf(void *buf, const char *text, size_t len);

#endif
