/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_help.h - what the parts of the policy parser share.
 */
#ifndef CEDAR_PARSE_HELP_H
#define CEDAR_PARSE_HELP_H

#include "names.h"
#include "parser.h"

/* Ends the function with the status of the call unless it is CEDAR_OK. */
#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

static inline enum cedar_token_kind parser_kind(const struct cedar_parser *p)
{
    return p->lexer.token.kind;
}

static inline uint32_t parser_start(const struct cedar_parser *p)
{
    return p->lexer.token.span.start;
}

/* From there to the end of the last token that was taken. */
static inline struct cedar_span parser_since(const struct cedar_parser *p, uint32_t start)
{
    return (struct cedar_span){start, p->lexer.last_end};
}

static inline enum cedar_status parser_fail(struct cedar_parser *p, struct cedar_span span,
                                            const char *why)
{
    return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, span, "%s", why);
}

static inline enum cedar_status parser_node(struct cedar_parser *p, const struct cedar_expr *model,
                                            struct cedar_expr **out)
{
    return cedar_node(p->into, p->lexer.source, model, out, p->lexer.err);
}

static inline enum cedar_status parser_intern(struct cedar_parser *p, struct cedar_str text,
                                              cedar_name *out)
{
    return cedar_intern_or_fail(p->into->names, text, out, p->lexer.err);
}

static inline enum cedar_status parser_string(struct cedar_parser *p, struct cedar_str *out)
{
    struct cedar_span span;

    return cedar_parse_string(&p->lexer, &p->into->arena, out, &span);
}

static inline struct cedar_span parser_inside_quotes(struct cedar_span span)
{
    return (struct cedar_span){span.start + 1, span.end - 1};
}

/* An identifier that is no reserved word; what says what it would have been. */
enum cedar_status cedar_take_ident(struct cedar_lexer *lexer, const char *what,
                                   struct cedar_str *out);
/* The rest of a path whose first part has been taken, as long as "::" is followed by a word. */
enum cedar_status cedar_take_path_rest(struct cedar_lexer *lexer, struct cedar_str first,
                                       struct cedar_arena *arena, struct cedar_str *out);
/* ::"id" of an entity whose type has been taken. */
enum cedar_status cedar_take_eid(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                 cedar_name type, struct cedar_uid *out);
/* A number up to 2^63; sign -1 for a literal with a minus before it. */
enum cedar_status cedar_take_number(struct cedar_parser *p, uint32_t start, int sign,
                                    struct cedar_expr **out);
/* A primary with what reads from it: .name .name(args) ["name"]. */
enum cedar_status cedar_parse_member(struct cedar_parser *p, struct cedar_expr **out);

#endif
