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

/* A policy text being read. */
struct cedar_parser {
    struct cedar_lexer lexer;
    struct cedar_policies *into; /* arena and names */
    uint32_t nesting;
};

/* Reads an expression where the lexer stands. */
enum cedar_status cedar_parse_expr_at(struct cedar_parser *parser, struct cedar_expr **out);

/* Reads one expression from text as a whole. For tests and tools. */
enum cedar_status cedar_parse_expr(struct cedar_policies *policies, struct cedar_str text,
                                   struct cedar_expr **out, struct cedar_error *err);

/*
 * A node over children that are set already: fills depth. Fails beyond CEDAR_MAX_DEPTH. source
 * is the text for the error's place, or empty.
 */
enum cedar_status cedar_node(struct cedar_policies *policies, struct cedar_str source,
                             const struct cedar_expr *model, struct cedar_expr **out,
                             struct cedar_error *err);

/* An empty set of policies with one reference; NULL without memory. */
struct cedar_policies *cedar_policies_new(struct cedar_names *names,
                                          const struct cedar_allocator *alloc);
struct cedar_policies *cedar_policies_hold(struct cedar_policies *policies);
/* Adds a policy; its id must be new. */
enum cedar_status cedar_policies_add(struct cedar_policies *policies, struct cedar_policy *policy,
                                     struct cedar_error *err);
/* The policy or template of that id, or NULL. */
struct cedar_policy *cedar_policies_find(const struct cedar_policies *policies,
                                         struct cedar_str id);

/* Whether actions may be of this type: its last part is Action. */
bool cedar_is_action_type(const struct cedar_names *names, cedar_name type);

#endif
