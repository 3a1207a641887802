/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Primaries: literals, variables, sets, records, calls, and what reads from them.
 */
#include "parse_help.h"

/* ---- lists, calls ----------------------------------------------------------------- */

/*
 * Expressions with commas between, one comma more at the end allowed, up to the closing token.
 * first, if not NULL, becomes the first item.
 */
static enum cedar_status take_list(struct cedar_parser *p, enum cedar_token_kind close,
                                   const char *what, struct cedar_expr *first,
                                   struct cedar_expr ***items, uint32_t *n)
{
    struct cedar_vec vec;
    enum cedar_status status = CEDAR_OK;
    struct cedar_expr *item = first;

    cedar_vec_init(&vec, &p->into->arena.alloc, sizeof(struct cedar_expr *));
    for (;;) {
        struct cedar_expr **slot;

        if (item == NULL) {
            if (parser_kind(p) == close)
                break;
            status = cedar_parse_expr_at(p, &item);
            if (status != CEDAR_OK)
                break;
        }
        slot = vec.len < CEDAR_MAX_ELEMENTS ? cedar_vec_push(&vec) : NULL;
        if (slot == NULL) {
            status =
                vec.len < CEDAR_MAX_ELEMENTS
                    ? cedar_fail_memory(p->lexer.err)
                    : cedar_fail(p->lexer.err, CEDAR_ERR_LIMIT, p->lexer.source,
                                 p->lexer.token.span, "more than %d elements", CEDAR_MAX_ELEMENTS);
            break;
        }
        *slot = item;
        if (item == first) {
            first = item = NULL;
            continue;
        }
        item = NULL;
        if (parser_kind(p) != TOK_COMMA)
            break;
        status = cedar_lexer_next(&p->lexer);
        if (status != CEDAR_OK)
            break;
    }
    *n = (uint32_t)vec.len;
    *items = status == CEDAR_OK ? cedar_vec_to_arena(&vec, &p->into->arena) : NULL;
    cedar_vec_free(&vec);
    TRY(status);
    return *items != NULL ? cedar_lexer_expect(&p->lexer, close, what)
                          : cedar_fail_memory(p->lexer.err);
}

static enum cedar_status unknown_call(struct cedar_parser *p, struct cedar_str name,
                                      struct cedar_span span, bool is_method)
{
    bool other = cedar_call_find(name, !is_method) != CALL_COUNT;
    const char *hint = !other      ? ""
                       : is_method ? "; it is a function: name(x)"
                                   : "; it is a method: x.name()";

    return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, span,
                      "`%s` is no %s of the language%s", cedar_show(name).text,
                      is_method ? "method" : "function", hint);
}

/* The arguments in round brackets; the lexer stands at the opening one. */
static enum cedar_status take_call(struct cedar_parser *p, struct cedar_str name,
                                   struct cedar_span name_span, uint32_t start,
                                   struct cedar_expr *receiver, struct cedar_expr **out)
{
    enum cedar_call call = cedar_call_find(name, receiver != NULL);
    struct cedar_expr e = {.kind = EXPR_CALL};

    if (call == CALL_COUNT)
        return unknown_call(p, name, name_span, receiver != NULL);
    e.u.call.call = call;
    TRY(cedar_lexer_next(&p->lexer));
    TRY(take_list(p, TOK_RPAREN, "`,` or `)`", receiver, &e.u.call.args, &e.u.call.n));
    e.span = parser_since(p, start);
    /* extension functions are called with what they are given, and fail when evaluated */
    if (cedar_calls[call].is_builtin && e.u.call.n - (receiver != NULL) != cedar_calls[call].arity)
        return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, e.span,
                          "`%s` takes %u argument%s, not %u", cedar_calls[call].name,
                          cedar_calls[call].arity, cedar_calls[call].arity == 1 ? "" : "s",
                          e.u.call.n - (receiver != NULL));
    return parser_node(p, &e, out);
}

/* ---- primaries -------------------------------------------------------------------- */

/* The digits of a number up to 2^63; sign -1 for a literal with a minus before it. */
enum cedar_status cedar_take_number(struct cedar_parser *p, uint32_t start, int sign,
                                    struct cedar_expr **out)
{
    struct cedar_str text = cedar_token_text(&p->lexer, p->lexer.token);
    int64_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        if (__builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)(text.ptr[i] - '0'), &n))
            return parser_fail(p, p->lexer.token.span, "this number does not fit 64 bits");
    if (sign > 0 && __builtin_sub_overflow((int64_t)0, n, &n))
        return parser_fail(p, p->lexer.token.span, "this number does not fit 64 bits");
    TRY(cedar_lexer_next(&p->lexer));
    return parser_node(
        p, &(struct cedar_expr){.kind = EXPR_LONG, .span = parser_since(p, start), .u.integer = n},
        out);
}

static bool to_var(struct cedar_str text, enum cedar_var *out)
{
    static const char *const names[] = {"principal", "action", "resource", "context"};

    for (int i = 0; i < 4; i++) {
        if (cedar_str_eq(text, cedar_str(names[i]))) {
            *out = (enum cedar_var)i;
            return true;
        }
    }
    return false;
}

/* A word: true, false, a variable, a function, or the type of an entity. */
static enum cedar_status parse_word(struct cedar_parser *p, struct cedar_expr **out)
{
    struct cedar_expr e = {0};
    uint32_t start = parser_start(p);
    struct cedar_span span = p->lexer.token.span;
    struct cedar_str text = cedar_token_text(&p->lexer, p->lexer.token);
    cedar_name type = CEDAR_NO_NAME;

    if (cedar_str_eq(text, CEDAR_STR("true")) || cedar_str_eq(text, CEDAR_STR("false"))) {
        TRY(cedar_lexer_next(&p->lexer));
        e = (struct cedar_expr){.kind = EXPR_BOOL, .span = span, .u.boolean = text.len == 4};
        return parser_node(p, &e, out);
    }
    if (cedar_str_eq(text, CEDAR_STR("if")))
        return parser_fail(p, span, "an `if` within an expression needs round brackets around it");
    TRY(cedar_take_ident(&p->lexer, "a value", &text));
    if (parser_kind(p) == TOK_LPAREN)
        return take_call(p, text, span, start, NULL, out);
    if (parser_kind(p) != TOK_PATH) {
        e = (struct cedar_expr){.kind = EXPR_VAR, .span = span};
        if (to_var(text, &e.u.var))
            return parser_node(p, &e, out);
        return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, span,
                          "`%s` is no variable; there are principal, action, resource, context "
                          "(an attribute needs its owner before it, a string its quotes)",
                          cedar_show(text).text);
    }
    TRY(cedar_take_path_rest(&p->lexer, text, &p->into->arena, &text));
    if (parser_kind(p) == TOK_LPAREN)
        return unknown_call(p, text, parser_since(p, start), false);
    TRY(parser_intern(p, text, &type));
    e.kind = EXPR_ENTITY;
    TRY(cedar_take_eid(&p->lexer, &p->into->arena, type, &e.u.uid));
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

/* key: value */
static enum cedar_status take_pair(struct cedar_parser *p, struct cedar_pair *out)
{
    struct cedar_str key = {0};

    out->span = p->lexer.token.span;
    if (parser_kind(p) == TOK_STRING)
        TRY(parser_string(p, &key));
    else
        TRY(cedar_take_ident(&p->lexer, "a record's key", &key));
    TRY(parser_intern(p, key, &out->name));
    TRY(cedar_lexer_expect(&p->lexer, TOK_COLON, "`:` after the key"));
    return cedar_parse_expr_at(p, &out->value);
}

/* Adds a pair unless its key stands already. */
static enum cedar_status push_pair(struct cedar_parser *p, struct cedar_vec *vec,
                                   const struct cedar_pair *pair)
{
    const struct cedar_pair *pairs = vec->items;
    struct cedar_pair *slot;

    for (size_t i = 0; i < vec->len; i++)
        if (pairs[i].name == pair->name)
            return parser_fail(p, pair->span, "this key stands twice in the record");
    if (vec->len >= 4096)
        return cedar_fail(p->lexer.err, CEDAR_ERR_LIMIT, p->lexer.source, pair->span,
                          "a record of more than 4096 keys");
    slot = cedar_vec_push(vec);
    if (slot == NULL)
        return cedar_fail_memory(p->lexer.err);
    *slot = *pair;
    return CEDAR_OK;
}

static enum cedar_status parse_record(struct cedar_parser *p, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_RECORD};
    uint32_t start = parser_start(p);
    struct cedar_vec vec;
    enum cedar_status status = cedar_lexer_next(&p->lexer);

    cedar_vec_init(&vec, &p->into->arena.alloc, sizeof(struct cedar_pair));
    while (status == CEDAR_OK && parser_kind(p) != TOK_RBRACE) {
        struct cedar_pair pair = {0};

        status = take_pair(p, &pair);
        if (status == CEDAR_OK)
            status = push_pair(p, &vec, &pair);
        if (status != CEDAR_OK || parser_kind(p) != TOK_COMMA)
            break;
        status = cedar_lexer_next(&p->lexer);
    }
    e.u.record.n = (uint32_t)vec.len;
    if (status == CEDAR_OK) {
        e.u.record.pairs = cedar_vec_to_arena(&vec, &p->into->arena);
        if (e.u.record.pairs == NULL)
            status = cedar_fail_memory(p->lexer.err);
    }
    cedar_vec_free(&vec);
    TRY(status);
    TRY(cedar_lexer_expect(&p->lexer, TOK_RBRACE, "`,` or `}`"));
    e.span = parser_since(p, start);
    return parser_node(p, &e, out);
}

static enum cedar_status parse_primary(struct cedar_parser *p, struct cedar_expr **out)
{
    struct cedar_expr e = {.span = p->lexer.token.span};
    uint32_t start = parser_start(p);

    switch ((int)parser_kind(p)) {
    case TOK_IDENT:
        return parse_word(p, out);
    case TOK_NUMBER:
        return cedar_take_number(p, start, 1, out);
    case TOK_STRING:
        e.kind = EXPR_STRING;
        TRY(parser_string(p, &e.u.string));
        return parser_node(p, &e, out);
    case TOK_LPAREN:
        TRY(cedar_lexer_next(&p->lexer));
        TRY(cedar_parse_expr_at(p, out));
        return cedar_lexer_expect(&p->lexer, TOK_RPAREN, "`)` or an operator");
    case TOK_LBRACKET:
        e.kind = EXPR_SET;
        TRY(cedar_lexer_next(&p->lexer));
        TRY(take_list(p, TOK_RBRACKET, "`,` or `]`", NULL, &e.u.list.items, &e.u.list.n));
        e.span = parser_since(p, start);
        return parser_node(p, &e, out);
    case TOK_LBRACE:
        return parse_record(p, out);
    case TOK_SLOT:
        return parser_fail(p, p->lexer.token.span,
                           "a slot stands in the scope only, not in a condition");
    default:
        return cedar_lexer_unexpected(&p->lexer, "a value");
    }
}

/* One of .name .name(args) ["name"] after *out. */
static enum cedar_status parse_access(struct cedar_parser *p, uint32_t start,
                                      struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_GET, .a = *out};
    struct cedar_span span;
    struct cedar_str name = {0};

    if (parser_kind(p) == TOK_DOT) {
        TRY(cedar_lexer_next(&p->lexer));
        span = p->lexer.token.span;
        TRY(cedar_take_ident(&p->lexer, "an attribute or method", &name));
        if (parser_kind(p) == TOK_LPAREN)
            return take_call(p, name, span, start, *out, out);
    } else {
        TRY(cedar_lexer_next(&p->lexer));
        TRY(parser_string(p, &name));
        TRY(cedar_lexer_expect(&p->lexer, TOK_RBRACKET, "`]`"));
    }
    e.span = parser_since(p, start);
    TRY(parser_intern(p, name, &e.u.name));
    return parser_node(p, &e, out);
}

enum cedar_status cedar_parse_member(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = parser_start(p);

    TRY(parse_primary(p, out));
    while (parser_kind(p) == TOK_DOT || parser_kind(p) == TOK_LBRACKET)
        TRY(parse_access(p, start, out));
    if (parser_kind(p) == TOK_LPAREN)
        return parser_fail(p, p->lexer.token.span, "this is no function and cannot be called");
    return CEDAR_OK;
}
