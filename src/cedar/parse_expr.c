/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions: recursive descent, one function for each level of precedence. The grammar is
 * https://docs.cedarpolicy.com/policies/syntax-grammar.html.
 */
#include "names.h"
#include "parser.h"

#define TRY(call)                        \
    do {                                 \
        enum cedar_status try_ = (call); \
        if (try_ != CEDAR_OK)            \
            return try_;                 \
    } while (0)

typedef enum cedar_status level_fn(struct cedar_parser *p, struct cedar_expr **out);

static enum cedar_status parse_unary(struct cedar_parser *p, struct cedar_expr **out);
static enum cedar_status parse_add(struct cedar_parser *p, struct cedar_expr **out);

static enum cedar_token_kind kind(const struct cedar_parser *p)
{
    return p->lexer.token.kind;
}

static uint32_t start_of(const struct cedar_parser *p)
{
    return p->lexer.token.span.start;
}

static struct cedar_span since(const struct cedar_parser *p, uint32_t start)
{
    return (struct cedar_span){start, p->lexer.last_end};
}

static enum cedar_status fail_at(struct cedar_parser *p, struct cedar_span span, const char *why)
{
    return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, span, "%s", why);
}

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

static enum cedar_status node(struct cedar_parser *p, const struct cedar_expr *model,
                              struct cedar_expr **out)
{
    return cedar_node(p->into, p->lexer.source, model, out, p->lexer.err);
}

static enum cedar_status binary(struct cedar_parser *p, enum cedar_expr_kind k, uint32_t start,
                                struct cedar_expr *b, struct cedar_expr **a)
{
    return node(p, &(struct cedar_expr){.kind = k, .span = since(p, start), .a = *a, .b = b}, a);
}

static enum cedar_status intern_text(struct cedar_parser *p, struct cedar_str text, cedar_name *out)
{
    return cedar_intern_or_fail(p->into->names, text, out, p->lexer.err);
}

/* ---- names and strings ------------------------------------------------------------ */

static enum cedar_status take_ident(struct cedar_lexer *lexer, const char *what,
                                    struct cedar_str *out)
{
    struct cedar_str text = cedar_token_text(lexer, lexer->token);

    if (lexer->token.kind != TOK_IDENT)
        return cedar_lexer_unexpected(lexer, what);
    if (cedar_is_reserved(text))
        return cedar_fail(lexer->err, CEDAR_ERR_SYNTAX, lexer->source, lexer->token.span,
                          "`%s` is a reserved word and cannot be %s", cedar_show(text).text, what);
    *out = text;
    return cedar_lexer_next(lexer);
}

/* Reads the path after its first part, for as long as "::" is followed by a word. */
static enum cedar_status take_path_rest(struct cedar_lexer *lexer, struct cedar_str first,
                                        struct cedar_arena *arena, struct cedar_str *out)
{
    struct cedar_vec text;
    enum cedar_status status = CEDAR_OK;
    struct cedar_str part = first;

    if (lexer->token.kind != TOK_PATH || cedar_lexer_peek(lexer).kind != TOK_IDENT) {
        *out = first;
        return CEDAR_OK;
    }
    cedar_vec_init(&text, &arena->alloc, 1);
    for (;;) {
        for (size_t i = 0; i < part.len && status == CEDAR_OK; i++) {
            char *c = cedar_vec_push(&text);

            if (c == NULL)
                status = cedar_fail_memory(lexer->err);
            else
                *c = part.ptr[i];
        }
        if (status != CEDAR_OK || lexer->token.kind != TOK_PATH ||
            cedar_lexer_peek(lexer).kind != TOK_IDENT)
            break;
        status = cedar_lexer_next(lexer);
        if (status == CEDAR_OK)
            status = take_ident(lexer, "a part of a name", &part);
        if (status != CEDAR_OK)
            break;
        for (int i = 0; i < 2; i++) {
            char *c = cedar_vec_push(&text);

            if (c == NULL)
                status = cedar_fail_memory(lexer->err);
            else
                *c = ':';
        }
    }
    if (status == CEDAR_OK) {
        *out = cedar_arena_str(arena, (struct cedar_str){text.items, text.len});
        if (out->ptr == NULL)
            status = cedar_fail_memory(lexer->err);
    }
    cedar_vec_free(&text);
    return status;
}

enum cedar_status cedar_parse_path(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                   struct cedar_names *names, cedar_name *out,
                                   struct cedar_span *span)
{
    struct cedar_str text = {0};

    span->start = lexer->token.span.start;
    TRY(take_ident(lexer, "a type's name", &text));
    TRY(take_path_rest(lexer, text, arena, &text));
    span->end = lexer->last_end;
    return cedar_intern_or_fail(names, text, out, lexer->err);
}

static struct cedar_span inside_quotes(struct cedar_span span)
{
    return (struct cedar_span){span.start + 1, span.end - 1};
}

enum cedar_status cedar_parse_string(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                     struct cedar_str *out, struct cedar_span *span)
{
    if (lexer->token.kind != TOK_STRING)
        return cedar_lexer_unexpected(lexer, "a string");
    *span = lexer->token.span;
    TRY(cedar_unescape(arena, lexer->source, inside_quotes(*span), out, lexer->err));
    return cedar_lexer_next(lexer);
}

static enum cedar_status take_string(struct cedar_parser *p, struct cedar_str *out)
{
    struct cedar_span span;

    return cedar_parse_string(&p->lexer, &p->into->arena, out, &span);
}

/* Type::"id" from where the type's path has been read. */
static enum cedar_status take_eid(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                  cedar_name type, struct cedar_uid *out)
{
    struct cedar_str id = {0};
    struct cedar_span span;

    TRY(cedar_lexer_expect(lexer, TOK_PATH, "`::` and the entity's id in double quotes"));
    TRY(cedar_parse_string(lexer, arena, &id, &span));
    *out = cedar_uid(type, id);
    return CEDAR_OK;
}

enum cedar_status cedar_parse_uid(struct cedar_names *names, struct cedar_arena *arena,
                                  struct cedar_str text, struct cedar_uid *out,
                                  struct cedar_error *err)
{
    struct cedar_lexer lexer;
    struct cedar_span span;
    cedar_name type = CEDAR_NO_NAME;

    TRY(cedar_lexer_init(&lexer, text, err));
    TRY(cedar_parse_path(&lexer, arena, names, &type, &span));
    TRY(take_eid(&lexer, arena, type, out));
    return lexer.token.kind == TOK_END ? CEDAR_OK : cedar_lexer_unexpected(&lexer, "the end");
}

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
            if (kind(p) == close)
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
        if (kind(p) != TOK_COMMA)
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
    e.span = since(p, start);
    /* extension functions are called with what they are given, and fail when evaluated */
    if (cedar_calls[call].is_builtin && e.u.call.n - (receiver != NULL) != cedar_calls[call].arity)
        return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, e.span,
                          "`%s` takes %u argument%s, not %u", cedar_calls[call].name,
                          cedar_calls[call].arity, cedar_calls[call].arity == 1 ? "" : "s",
                          e.u.call.n - (receiver != NULL));
    return node(p, &e, out);
}

/* ---- primaries -------------------------------------------------------------------- */

/* The digits of a number up to 2^63; sign -1 for a literal with a minus before it. */
static enum cedar_status take_number(struct cedar_parser *p, uint32_t start, int sign,
                                     struct cedar_expr **out)
{
    struct cedar_str text = cedar_token_text(&p->lexer, p->lexer.token);
    int64_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        if (__builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)(text.ptr[i] - '0'), &n))
            return fail_at(p, p->lexer.token.span, "this number does not fit 64 bits");
    if (sign > 0 && __builtin_sub_overflow((int64_t)0, n, &n))
        return fail_at(p, p->lexer.token.span, "this number does not fit 64 bits");
    TRY(cedar_lexer_next(&p->lexer));
    return node(p, &(struct cedar_expr){.kind = EXPR_LONG, .span = since(p, start), .u.integer = n},
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
    uint32_t start = start_of(p);
    struct cedar_span span = p->lexer.token.span;
    struct cedar_str text = cedar_token_text(&p->lexer, p->lexer.token);
    cedar_name type = CEDAR_NO_NAME;

    if (cedar_str_eq(text, CEDAR_STR("true")) || cedar_str_eq(text, CEDAR_STR("false"))) {
        TRY(cedar_lexer_next(&p->lexer));
        e = (struct cedar_expr){.kind = EXPR_BOOL, .span = span, .u.boolean = text.len == 4};
        return node(p, &e, out);
    }
    if (cedar_str_eq(text, CEDAR_STR("if")))
        return fail_at(p, span, "an `if` within an expression needs round brackets around it");
    TRY(take_ident(&p->lexer, "a value", &text));
    if (kind(p) == TOK_LPAREN)
        return take_call(p, text, span, start, NULL, out);
    if (kind(p) != TOK_PATH) {
        e = (struct cedar_expr){.kind = EXPR_VAR, .span = span};
        if (to_var(text, &e.u.var))
            return node(p, &e, out);
        return cedar_fail(p->lexer.err, CEDAR_ERR_SYNTAX, p->lexer.source, span,
                          "`%s` is no variable; there are principal, action, resource, context "
                          "(an attribute needs its owner before it, a string its quotes)",
                          cedar_show(text).text);
    }
    TRY(take_path_rest(&p->lexer, text, &p->into->arena, &text));
    if (kind(p) == TOK_LPAREN)
        return unknown_call(p, text, since(p, start), false);
    TRY(intern_text(p, text, &type));
    e.kind = EXPR_ENTITY;
    TRY(take_eid(&p->lexer, &p->into->arena, type, &e.u.uid));
    e.span = since(p, start);
    return node(p, &e, out);
}

/* key: value */
static enum cedar_status take_pair(struct cedar_parser *p, struct cedar_pair *out)
{
    struct cedar_str key = {0};

    out->span = p->lexer.token.span;
    if (kind(p) == TOK_STRING)
        TRY(take_string(p, &key));
    else
        TRY(take_ident(&p->lexer, "a record's key", &key));
    TRY(intern_text(p, key, &out->name));
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
            return fail_at(p, pair->span, "this key stands twice in the record");
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
    uint32_t start = start_of(p);
    struct cedar_vec vec;
    enum cedar_status status = cedar_lexer_next(&p->lexer);

    cedar_vec_init(&vec, &p->into->arena.alloc, sizeof(struct cedar_pair));
    while (status == CEDAR_OK && kind(p) != TOK_RBRACE) {
        struct cedar_pair pair = {0};

        status = take_pair(p, &pair);
        if (status == CEDAR_OK)
            status = push_pair(p, &vec, &pair);
        if (status != CEDAR_OK || kind(p) != TOK_COMMA)
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
    e.span = since(p, start);
    return node(p, &e, out);
}

static enum cedar_status parse_primary(struct cedar_parser *p, struct cedar_expr **out)
{
    struct cedar_expr e = {.span = p->lexer.token.span};
    uint32_t start = start_of(p);

    switch ((int)kind(p)) {
    case TOK_IDENT:
        return parse_word(p, out);
    case TOK_NUMBER:
        return take_number(p, start, 1, out);
    case TOK_STRING:
        e.kind = EXPR_STRING;
        TRY(take_string(p, &e.u.string));
        return node(p, &e, out);
    case TOK_LPAREN:
        TRY(cedar_lexer_next(&p->lexer));
        TRY(cedar_parse_expr_at(p, out));
        return cedar_lexer_expect(&p->lexer, TOK_RPAREN, "`)` or an operator");
    case TOK_LBRACKET:
        e.kind = EXPR_SET;
        TRY(cedar_lexer_next(&p->lexer));
        TRY(take_list(p, TOK_RBRACKET, "`,` or `]`", NULL, &e.u.list.items, &e.u.list.n));
        e.span = since(p, start);
        return node(p, &e, out);
    case TOK_LBRACE:
        return parse_record(p, out);
    case TOK_SLOT:
        return fail_at(p, p->lexer.token.span,
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

    if (kind(p) == TOK_DOT) {
        TRY(cedar_lexer_next(&p->lexer));
        span = p->lexer.token.span;
        TRY(take_ident(&p->lexer, "an attribute or method", &name));
        if (kind(p) == TOK_LPAREN)
            return take_call(p, name, span, start, *out, out);
    } else {
        TRY(cedar_lexer_next(&p->lexer));
        TRY(take_string(p, &name));
        TRY(cedar_lexer_expect(&p->lexer, TOK_RBRACKET, "`]`"));
    }
    e.span = since(p, start);
    TRY(intern_text(p, name, &e.u.name));
    return node(p, &e, out);
}

static enum cedar_status parse_member(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = start_of(p);

    TRY(parse_primary(p, out));
    while (kind(p) == TOK_DOT || kind(p) == TOK_LBRACKET)
        TRY(parse_access(p, start, out));
    if (kind(p) == TOK_LPAREN)
        return fail_at(p, p->lexer.token.span, "this is no function and cannot be called");
    return CEDAR_OK;
}

/* ---- operators -------------------------------------------------------------------- */

/* A number right after a minus, with nothing reading from it, is a negative literal. */
static bool at_negative_literal(const struct cedar_parser *p)
{
    enum cedar_token_kind after = cedar_lexer_peek(&p->lexer).kind;

    return kind(p) == TOK_NUMBER && after != TOK_DOT && after != TOK_LBRACKET;
}

static enum cedar_status parse_unary(struct cedar_parser *p, struct cedar_expr **out)
{
    enum cedar_token_kind op = kind(p);
    uint32_t starts[4], n = 0;

    if (op != TOK_NOT && op != TOK_MINUS)
        return parse_member(p, out);
    while (kind(p) == op) {
        if (n == 4)
            return fail_at(p, p->lexer.token.span, "more than four of one sign in a row");
        starts[n++] = start_of(p);
        TRY(cedar_lexer_next(&p->lexer));
    }
    if (op == TOK_MINUS && at_negative_literal(p))
        TRY(take_number(p, starts[--n], -1, out));
    else
        TRY(parse_member(p, out));
    while (n-- > 0)
        TRY(node(p,
                 &(struct cedar_expr){.kind = op == TOK_NOT ? EXPR_NOT : EXPR_NEG,
                                      .span = since(p, starts[n]),
                                      .a = *out},
                 out));
    return CEDAR_OK;
}

static enum cedar_status parse_mul(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = start_of(p);

    TRY(parse_unary(p, out));
    while (kind(p) == TOK_STAR) {
        struct cedar_expr *b = NULL;

        TRY(cedar_lexer_next(&p->lexer));
        TRY(parse_unary(p, &b));
        TRY(binary(p, EXPR_MUL, start, b, out));
    }
    if (kind(p) == TOK_SLASH || kind(p) == TOK_PERCENT)
        return fail_at(p, p->lexer.token.span, "the language has no division and no remainder");
    return CEDAR_OK;
}

static enum cedar_status parse_add(struct cedar_parser *p, struct cedar_expr **out)
{
    uint32_t start = start_of(p);

    TRY(parse_mul(p, out));
    while (kind(p) == TOK_PLUS || kind(p) == TOK_MINUS) {
        enum cedar_expr_kind op = kind(p) == TOK_PLUS ? EXPR_ADD : EXPR_SUB;
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
    cedar_name path[32], *copy;
    struct cedar_str name = {0};
    uint32_t n = 0;

    if (kind(p) == TOK_STRING) {
        TRY(take_string(p, &name));
        TRY(intern_text(p, name, &path[n++]));
    } else {
        for (;;) {
            TRY(take_ident(&p->lexer, "an attribute's name", &name));
            if (n == sizeof(path) / sizeof(path[0]))
                return fail_at(p, since(p, start), "`has` with a path of more than 32 names");
            TRY(intern_text(p, name, &path[n++]));
            if (kind(p) != TOK_DOT)
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
    e.span = since(p, start);
    return node(p, &e, out);
}

static enum cedar_status parse_like(struct cedar_parser *p, uint32_t start, struct cedar_expr **out)
{
    struct cedar_expr e = {.kind = EXPR_LIKE, .a = *out};

    if (kind(p) != TOK_STRING)
        return cedar_lexer_unexpected(&p->lexer, "a pattern in double quotes");
    TRY(cedar_unescape_pattern(&p->into->arena, p->lexer.source, inside_quotes(p->lexer.token.span),
                               &e.u.pattern, p->lexer.err));
    TRY(cedar_lexer_next(&p->lexer));
    e.span = since(p, start);
    return node(p, &e, out);
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
    e.span = since(p, start);
    return node(p, &e, out);
}

/* The relational operator that the lexer stands at; EXPR_BOOL for none. */
static enum cedar_expr_kind relation(const struct cedar_parser *p)
{
    switch ((int)kind(p)) {
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
    uint32_t start = start_of(p);
    enum cedar_expr_kind op;
    struct cedar_expr *b = NULL;

    TRY(parse_add(p, out));
    op = relation(p);
    if (kind(p) == TOK_ASSIGN)
        return fail_at(p, p->lexer.token.span, "`=` is no operator; equality is `==`");
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
        return fail_at(p, p->lexer.token.span,
                       "relations do not chain; put round brackets around one of them");
    return CEDAR_OK;
}

static enum cedar_status parse_chain(struct cedar_parser *p, level_fn *lower,
                                     enum cedar_token_kind token, enum cedar_expr_kind op,
                                     struct cedar_expr **out)
{
    uint32_t start = start_of(p);

    TRY(lower(p, out));
    while (kind(p) == token) {
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
    uint32_t start = start_of(p);

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
    e.span = since(p, start);
    return node(p, &e, out);
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
    return kind(&p) == TOK_END ? CEDAR_OK : cedar_lexer_unexpected(&p.lexer, "an operator");
}
