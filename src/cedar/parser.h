/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parser.h - pieces of the policy parser that other readers share.
 */
#ifndef CEDAR_PARSER_H
#define CEDAR_PARSER_H

#include "ast.h"
#include "lexer.h"

/*
 * Reads a path A::B::C (blanks and comments may stand between) and interns it. Reserved words
 * are refused. Leaves the lexer after it.
 */
enum cedar_status cedar_parse_path(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                   struct cedar_names *names, cedar_name *out,
                                   struct cedar_span *span);

/* Reads a string token and resolves its escapes. */
enum cedar_status cedar_parse_string(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                     struct cedar_str *out, struct cedar_span *span);

/* Reads Type::"id" from text as a whole: entity literals in JSON strings. */
enum cedar_status cedar_parse_uid(struct cedar_names *names, struct cedar_arena *arena,
                                  struct cedar_str text, struct cedar_uid *out,
                                  struct cedar_error *err);

/* Reads one expression from text as a whole, without slots. For tests and tools. */
enum cedar_status cedar_parse_expr(struct cedar_policies *policies, struct cedar_str text,
                                   struct cedar_expr **out, struct cedar_error *err);

#endif
