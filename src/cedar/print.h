/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.h - policies as text.
 */
#ifndef CEDAR_PRINT_H
#define CEDAR_PRINT_H

#include "ast.h"

/* Writes one expression on one line, with round brackets only where the tree needs them. */
void cedar_expr_put(struct cedar_buf *buf, const struct cedar_names *names,
                    const struct cedar_expr *expr);
/* Writes one policy or template, with slots; a link as the static policy that it is. */
void cedar_policy_put(struct cedar_buf *buf, const struct cedar_names *names,
                      const struct cedar_policy *policy);

#endif
