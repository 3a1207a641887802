/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions: recursive descent, one function for each level of precedence. The grammar is
 * https://docs.cedarpolicy.com/policies/syntax-grammar.html.
 */
#include "parse_help.h"

typedef enum cedar_status level_fn(struct cedar_parser *p, struct cedar_expr **out);

static enum cedar_status parse_add(struct cedar_parser *p, struct cedar_expr **out);

/* ---- nodes ------------------------------------------------------------------------ */

static uint32_t max_depth(uint32_t a, const struct cedar_expr *b)
{
    return b != NULL && b->depth > a ? b->depth : a;
}

static uint32_t depth_of_children(const struct cedar_expr *e)
{
    uint32_t depth = max_depth(max_depth(max_depth(0, e->a), e->b), e->c);

    if (e->kind == EXPR_SET)
        for (uint32_t i = 0; i < e->u.list.n; i++)
            depth = max_depth(depth, e->u.list.items[i]);
    if (e->kind == EXPR_RECORD)
        for (uint32_t i = 0; i < e->u.record.n; i++)
            depth = max_depth(depth, e->u.record.pairs[i].value);
    if (e->kind == EXPR_CALL)
        for (uint32_t i = 0; i < e->u.call.n; i++)
            depth = max_depth(depth, e->u.call.args[i]);
    return depth;
}

enum cedar_status cedar_node(struct cedar_policies *policies, struct cedar_str source,
                             const struct cedar_expr *model, struct cedar_expr **out,
                             struct cedar_error *err)
{
    struct cedar_expr *e = CEDAR_NEW(&policies->arena, struct cedar_expr);

    if (e == NULL)
        return cedar_fail_memory(err);
    *e = *model;
    e->depth = depth_of_children(e) + 1;
    if (e->depth > CEDAR_MAX_DEPTH)
        return cedar_fail(err, CEDAR_ERR_LIMIT, source, e->span,
                          "an expression of more than %d levels; a set often says the same",
                          CEDAR_MAX_DEPTH);
    *out = e;
    return CEDAR_OK;
}

static enum cedar_status binary(struct cedar_parser *p, enum cedar_expr_kind k, uint32_t start,
                                struct cedar_expr *b, struct cedar_expr **a)
{
    return parser_node(
        p, &(struct cedar_expr){.kind = k, .span = parser_since(p, start), .a = *a, .b = b}, a);
}

/* ---- operators -------------------------------------------------------------------- */

/* A number right after a minus, with nothing reading from it, is a negative literal. */
static bool at_negative_literal(const struct cedar_parser *p)
{
    enum cedar_token_kind after = cedar_lexer_peek(&p->lexer).kind;

    return parser_kind(p) == TOK_NUMBER && after != TOK_DOT && after != TOK_LBRACKET;
}

static enum cedar_status parse_unary(struct cedar_parser *p, struct cedar_expr **out)
{
    enum cedar_token_kind op = parser_kind(p);
    uint32_t starts[4], n = 0;

    if (op != TOK_NOT && op != TOK_MINUS)
        return cedar_parse_member(p, out);
    while (parser_kind(p) == op) {
        if (n == 4)
            return parser_fail(p, p->lexer.token.span, "more than four of one sign in a row");
        starts[n++] = parser_start(p);
        TRY(cedar_lexer_next(&p->lexer));
    }
    if (op == TOK_MINUS && at_negative_literal(p))
        TRY(cedar_take_number(p, starts[--n], -1, out));
    else
        TRY(cedar_parse_member(p, out));
    while (n-- > 0)
        TRY(parser_node(p,
                        &(struct cedar_expr){.kind = op == TOK_NOT ? EXPR_NOT : EXPR_NEG,
                                             .span = parser_since(p, starts[n]),
                                             .a = *out},
                        out));
    return CEDAR_OK;
}

static enum cedar_status parse_mul(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = parser_start(p);

    TRY(parse_unary(p, out));
    while (parser_kind(p) == TOK_STAR) {
        struct cedar_expr *b = NULL;

        TRY(cedar_lexer_next(&p->lexer));
        TRY(parse_unary(p, &b));
        TRY(binary(p, EXPR_MUL, start, b, out));
    }
    if (parser_kind(p) == TOK_SLASH || parser_kind(p) == TOK_PERCENT)
        return parser_fail(p, p->lexer.token.span, "the language has no division and no remainder");
    return CEDAR_OK;
}

static enum cedar_status parse_add(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = parser_start(p);

    TRY(parse_mul(p, out));
    while (parser_kind(p) == TOK_PLUS || parser_kind(p) == TOK_MINUS) {
        enum cedar_expr_kind op = parser_kind(p) == TOK_PLUS ? EXPR_ADD : EXPR_SUB;
        struct cedar_expr *b = NULL;

        TRY(cedar_lexer_next(&p->lexer));
        TRY(parse_mul(p, &b));
        TRY(binary(p, op, start, b, out));
    }
    return CEDAR_OK;
}

/* After `has`: a string, or names with dots between. */
static enum cedar_status parse_has(struct cedar_parser *p, uint32_t start, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_HAS, .a = *out};
    cedar_name path[CEDAR_MAX_HAS], *copy;
    struct cedar_str name = {0};
    uint32_t n = 0;

    if (parser_kind(p) == TOK_STRING) {
        TRY(parser_string(p, &name));
        TRY(parser_intern(p, name, &path[n++]));
    } else {
        for (;;) {
            TRY(cedar_take_ident(&p->lexer, "an attribute's name", &name));
            if (n == sizeof(path) / sizeof(path[0]))
                return parser_fail(p, parser_since(p, start),
                                   "`has` with a path of more than 32 names");
            TRY(parser_intern(p, name, &path[n++]));
            if (parser_kind(p) != TOK_DOT)
                break;
            TRY(cedar_lexer_next(&p->lexer));
        }
    }
    copy = CEDAR_NEW_N(&p->into->arena, cedar_name, n);
    if (copy == NULL)
        return cedar_fail_memory(p->lexer.err);
    memcpy(copy, path, n * sizeof(*copy));
    e.u.path.names = copy;
    e.u.path.n = n;
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

static enum cedar_status parse_like(struct cedar_parser *p, uint32_t start, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_LIKE, .a = *out};

    if (parser_kind(p) != TOK_STRING)
        return cedar_lexer_unexpected(&p->lexer, "a pattern in double quotes");
    TRY(cedar_unescape_pattern(&p->into->arena, p->lexer.source,
                               parser_inside_quotes(p->lexer.token.span), &e.u.pattern,
                               p->lexer.err));
    TRY(cedar_lexer_next(&p->lexer));
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

static enum cedar_status parse_is(struct cedar_parser *p, uint32_t start, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_IS, .a = *out};
    struct cedar_span span;

    TRY(cedar_parse_path(&p->lexer, &p->into->arena, p->into->names, &e.u.name, &span));
    if (cedar_lexer_at_word(&p->lexer, "in")) {
        TRY(cedar_lexer_next(&p->lexer));
        TRY(parse_add(p, &e.b));
    }
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

/* The relational operator that the lexer stands at; EXPR_BOOL for none. */
static enum cedar_expr_kind relation(const struct cedar_parser *p)
{
    switch ((int)parser_kind(p)) {
    case TOK_EQ:
        return EXPR_EQ;
    case TOK_NE:
        return EXPR_NE;
    case TOK_LT:
        return EXPR_LT;
    case TOK_LE:
        return EXPR_LE;
    case TOK_GT:
        return EXPR_GT;
    case TOK_GE:
        return EXPR_GE;
    case TOK_IDENT:
        if (cedar_lexer_at_word(&p->lexer, "in"))
            return EXPR_IN;
        if (cedar_lexer_at_word(&p->lexer, "has"))
            return EXPR_HAS;
        if (cedar_lexer_at_word(&p->lexer, "like"))
            return EXPR_LIKE;
        return cedar_lexer_at_word(&p->lexer, "is") ? EXPR_IS : EXPR_BOOL;
    default:
        return EXPR_BOOL;
    }
}

static enum cedar_status parse_relation(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = parser_start(p);
    enum cedar_expr_kind op;
    struct cedar_expr *b = NULL;

    TRY(parse_add(p, out));
    op = relation(p);
    if (parser_kind(p) == TOK_ASSIGN)
        return parser_fail(p, p->lexer.token.span, "`=` is no operator; equality is `==`");
    if (op == EXPR_BOOL)
        return CEDAR_OK;
    TRY(cedar_lexer_next(&p->lexer));
    if (op == EXPR_HAS) {
        TRY(parse_has(p, start, out));
    } else if (op == EXPR_LIKE) {
        TRY(parse_like(p, start, out));
    } else if (op == EXPR_IS) {
        TRY(parse_is(p, start, out));
    } else {
        TRY(parse_add(p, &b));
        TRY(binary(p, op, start, b, out));
    }
    if (relation(p) != EXPR_BOOL)
        return parser_fail(p, p->lexer.token.span,
                           "relations do not chain; put round brackets around one of them");
    return CEDAR_OK;
}

static enum cedar_status parse_chain(struct cedar_parser *p, level_fn *lower,
                                     enum cedar_token_kind token, enum cedar_expr_kind op,
                                     struct cedar_expr **out)
{
    uint32_t start = parser_start(p);

    TRY(lower(p, out));
    while (parser_kind(p) == token) {
        struct cedar_expr *b = NULL;

        TRY(cedar_lexer_next(&p->lexer));
        TRY(lower(p, &b));
        TRY(binary(p, op, start, b, out));
    }
    return CEDAR_OK;
}

static enum cedar_status parse_and(struct cedar_parser *p, struct cedar_expr **out)
{
    return parse_chain(p, parse_relation, TOK_AND, EXPR_AND, out);
}

static enum cedar_status parse_if(struct cedar_parser *p, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_IF};
    uint32_t start = parser_start(p);

    TRY(cedar_lexer_next(&p->lexer));
    TRY(cedar_parse_expr_at(p, &e.a));
    if (!cedar_lexer_at_word(&p->lexer, "then"))
        return cedar_lexer_unexpected(&p->lexer, "`then`");
    TRY(cedar_lexer_next(&p->lexer));
    TRY(cedar_parse_expr_at(p, &e.b));
    if (!cedar_lexer_at_word(&p->lexer, "else"))
        return cedar_lexer_unexpected(&p->lexer, "`else`");
    TRY(cedar_lexer_next(&p->lexer));
    TRY(cedar_parse_expr_at(p, &e.c));
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

enum cedar_status cedar_parse_expr_at(struct cedar_parser *p, struct cedar_expr **out)
{
    enum cedar_status status;

    if (++p->nesting > CEDAR_MAX_NESTING)
        return cedar_fail(p->lexer.err, CEDAR_ERR_LIMIT, p->lexer.source, p->lexer.token.span,
                          "more than %d expressions within one another", CEDAR_MAX_NESTING);
    if (cedar_lexer_at_word(&p->lexer, "if"))
        status = parse_if(p, out);
    else
        status = parse_chain(p, parse_and, TOK_OR, EXPR_OR, out);
    p->nesting--;
    return status;
}

enum cedar_status cedar_parse_expr(struct cedar_policies *policies, struct cedar_str text,
                                   struct cedar_expr **out, struct cedar_error *err)
{
    struct cedar_parser p = {.into = policies};

    TRY(cedar_lexer_init(&p.lexer, text, err));
    TRY(cedar_parse_expr_at(&p, out));
    return parser_kind(&p) == TOK_END ? CEDAR_OK : cedar_lexer_unexpected(&p.lexer, "an operator");
}
