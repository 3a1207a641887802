/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formatter. It works on tokens, not on the tree, so that it cannot lose or change what was
 * written: every token and every comment goes out once, in order; only the blanks between are
 * its own. A comment that stood behind a token on its line stays behind it; one on a line of its
 * own goes before the token that follows.
 *
 * Layout: what fits on a line stands on one. Else a list breaks at its commas, an expression at
 * its loosest operators, and a bracket around all of it opens up.
 */
#include "lexer.h"
#include "parser.h"

#include <assert.h>

#define WIDTH  100
#define INDENT 4

struct comment {
    struct cedar_span span;
    bool blank_before; /* an empty line stood before it */
};

struct piece {
    uint8_t kind; /* enum cedar_token_kind */
    bool is_word; /* a keyword that has blanks around it */
    bool is_unary;
    bool is_clause; /* the brace of a condition, not of a record */
    bool blank_before;
    struct cedar_span span;
    uint32_t first_comment, n_leading; /* on lines of their own before it */
    uint32_t trailing;                 /* comment + 1 behind it on its line; 0 none */
    uint32_t match;                    /* of a bracket: its partner */
};

struct formatter {
    struct cedar_str source;
    struct cedar_vec pieces, comments, out; /* of struct piece, struct comment, char */
    uint32_t column, indent;
    bool line_started, must_break, failed;
    const struct piece *previous;
};

static struct piece *piece(const struct formatter *f, uint32_t i)
{
    return (struct piece *)f->pieces.items + i;
}

/* ---- reading ---------------------------------------------------------------------- */

static bool is_word(struct cedar_str s)
{
    static const char *const words[] = {"if", "then", "else", "in", "is", "has", "like"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (cedar_str_eq(s, cedar_str(words[i])))
            return true;
    return false;
}

/* Whether a minus after this token is a sign rather than an operator. */
static bool begins_operand(const struct piece *previous)
{
    if (previous == NULL || previous->is_word)
        return true;
    switch ((int)previous->kind) {
    case TOK_IDENT:
    case TOK_NUMBER:
    case TOK_STRING:
    case TOK_SLOT:
    case TOK_RPAREN:
    case TOK_RBRACKET:
    case TOK_RBRACE:
        return false;
    default:
        return true;
    }
}

/* The comments between two tokens: one on the first token's line is its own. */
static bool read_comments(struct formatter *f, uint32_t from, uint32_t to, struct piece *before,
                          struct piece *after)
{
    uint32_t lines = before == NULL;

    after->first_comment = (uint32_t)f->comments.len;
    for (uint32_t i = from; i < to; i++) {
        char c = f->source.ptr[i];
        struct comment *comment;

        if (c == '\n' || (c == '\r' && i + 1 < to && f->source.ptr[i + 1] != '\n'))
            lines++;
        if (c != '/')
            continue;
        comment = cedar_vec_push(&f->comments);
        if (comment == NULL)
            return false;
        comment->span.start = i;
        while (i < to && f->source.ptr[i] != '\n' && f->source.ptr[i] != '\r')
            i++;
        comment->span.end = i--;
        while (f->source.ptr[comment->span.end - 1] == ' ' ||
               f->source.ptr[comment->span.end - 1] == '\t')
            comment->span.end--;
        comment->blank_before = lines > 1;
        if (lines == 0) {
            before->trailing = (uint32_t)f->comments.len;
            after->first_comment++;
        }
        lines = 0; /* the line's end behind it counts as one again */
    }
    after->n_leading = (uint32_t)f->comments.len - after->first_comment;
    after->blank_before = lines > 1;
    return true;
}

static bool read_pieces(struct formatter *f)
{
    struct cedar_lexer lexer;
    uint32_t last = 0;

    if (cedar_lexer_init(&lexer, f->source, NULL) != CEDAR_OK)
        return false;
    for (;;) {
        struct piece *p = cedar_vec_push(&f->pieces), *before = NULL;
        struct cedar_str text = cedar_token_text(&lexer, lexer.token);

        if (p == NULL)
            return false;
        if (f->pieces.len > 1)
            before = p - 1;
        p->kind = (uint8_t)lexer.token.kind;
        p->span = lexer.token.span;
        p->is_word = lexer.token.kind == TOK_IDENT && is_word(text);
        p->is_unary = lexer.token.kind == TOK_MINUS && begins_operand(before);
        if (!read_comments(f, last, lexer.token.span.start, before, p))
            return false;
        last = lexer.token.span.end;
        if (lexer.token.kind == TOK_END)
            return true;
        if (cedar_lexer_next(&lexer) != CEDAR_OK)
            return false;
    }
}

static bool opens(const struct piece *p)
{
    return p->kind == TOK_LPAREN || p->kind == TOK_LBRACKET || p->kind == TOK_LBRACE;
}

static bool closes(const struct piece *p)
{
    return p->kind == TOK_RPAREN || p->kind == TOK_RBRACKET || p->kind == TOK_RBRACE;
}

/* Brackets match: the parser has seen to it, and to their depth. */
static void match_brackets(struct formatter *f)
{
    uint32_t open[2 * CEDAR_MAX_NESTING + 8], n = 0;

    for (uint32_t i = 0; i < f->pieces.len; i++) {
        if (opens(piece(f, i))) {
            piece(f, i)->is_clause = n == 0 && piece(f, i)->kind == TOK_LBRACE;
            assert(n < sizeof(open) / sizeof(open[0]));
            open[n++] = i;
        } else if (closes(piece(f, i))) {
            uint32_t at;

            assert(n > 0);
            at = open[--n];

            piece(f, i)->match = at;
            piece(f, at)->match = i;
            piece(f, i)->is_clause = piece(f, at)->is_clause;
        }
    }
}

/* ---- writing ---------------------------------------------------------------------- */

static void put(struct formatter *f, const char *text, size_t n)
{
    for (size_t i = 0; i < n && !f->failed; i++) {
        char *c = cedar_vec_push(&f->out);

        if (c == NULL) {
            f->failed = true;
            return;
        }
        *c = text[i];
        f->column += ((uint8_t)text[i] & 0xc0) != 0x80;
    }
}

static void break_line(struct formatter *f)
{
    if (f->line_started)
        put(f, "\n", 1);
    f->line_started = f->must_break = false;
    f->column = 0;
}

static void blank_line(struct formatter *f)
{
    break_line(f);
    if (f->out.len > 0)
        put(f, "\n", 1);
}

static void start_line(struct formatter *f)
{
    if (f->line_started)
        return;
    f->column = 0;
    for (uint32_t i = 0; i < f->indent; i++)
        put(f, " ", 1);
    f->line_started = true;
    f->previous = NULL;
}

static void put_span(struct formatter *f, struct cedar_span span)
{
    put(f, f->source.ptr + span.start, span.end - span.start);
}

static bool blank_between(const struct piece *a, const struct piece *b)
{
    bool name_before = (a->kind == TOK_IDENT && !a->is_word) || a->kind == TOK_STRING ||
                       a->kind == TOK_RPAREN || a->kind == TOK_RBRACKET;

    switch ((int)b->kind) {
    case TOK_COMMA:
    case TOK_SEMICOLON:
    case TOK_RPAREN:
    case TOK_RBRACKET:
    case TOK_DOT:
    case TOK_PATH:
    case TOK_COLON:
        return false;
    case TOK_RBRACE:
        return b->is_clause;
    case TOK_LPAREN:
    case TOK_LBRACKET:
        if (name_before)
            return false;
        break;
    default:
        break;
    }
    switch ((int)a->kind) {
    case TOK_LPAREN:
    case TOK_LBRACKET:
    case TOK_DOT:
    case TOK_PATH:
    case TOK_NOT:
    case TOK_AT:
        return false;
    case TOK_LBRACE:
        return a->is_clause;
    default:
        return !a->is_unary;
    }
}

static void put_leading(struct formatter *f, const struct piece *p)
{
    const struct comment *comments = f->comments.items;

    for (uint32_t i = 0; i < p->n_leading; i++) {
        break_line(f);
        start_line(f);
        put_span(f, comments[p->first_comment + i].span);
        break_line(f);
    }
}

static void put_piece(struct formatter *f, uint32_t i)
{
    const struct piece *p = piece(f, i);

    put_leading(f, p);
    if (f->must_break)
        break_line(f);
    start_line(f);
    if (f->previous != NULL && blank_between(f->previous, p))
        put(f, " ", 1);
    put_span(f, p->span);
    f->previous = p;
    if (p->trailing != 0) {
        put(f, " ", 1);
        put_span(f, ((const struct comment *)f->comments.items)[p->trailing - 1].span);
        f->must_break = true;
    }
}

static void put_flat(struct formatter *f, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        put_piece(f, i);
}

/* ---- layout ----------------------------------------------------------------------- */

/* The columns that the pieces take on one line; more than WIDTH if a comment parts them. */
static uint32_t flat_width(const struct formatter *f, uint32_t from, uint32_t to)
{
    uint32_t width = 0;

    for (uint32_t i = from; i < to && width <= WIDTH; i++) {
        const struct piece *p = piece(f, i);

        if ((i > from && p->n_leading > 0) || (i + 1 < to && p->trailing != 0))
            return WIDTH + 1;
        width += i > from && blank_between(p - 1, p);
        for (uint32_t k = p->span.start; k < p->span.end; k++)
            width += ((uint8_t)f->source.ptr[k] & 0xc0) != 0x80;
    }
    return width;
}

/* extra: columns that must be free behind */
static bool fits(const struct formatter *f, uint32_t from, uint32_t to, uint32_t extra)
{
    uint32_t column = f->line_started && !f->must_break ? f->column : f->indent;

    return column + flat_width(f, from, to) + extra <= WIDTH;
}

enum tightness { LOOSE_COMMA, LOOSE_IF, LOOSE_OR, LOOSE_AND, LOOSE_NONE };

static enum tightness tightness(const struct formatter *f, uint32_t i)
{
    const struct piece *p = piece(f, i);
    char c = f->source.ptr[p->span.start];

    if (p->kind == TOK_COMMA)
        return LOOSE_COMMA;
    if (p->is_word && (c == 't' || c == 'e'))
        return LOOSE_IF;
    if (p->kind == TOK_OR)
        return LOOSE_OR;
    return p->kind == TOK_AND ? LOOSE_AND : LOOSE_NONE;
}

/* The loosest that stands outside brackets. */
static enum tightness loosest(const struct formatter *f, uint32_t from, uint32_t to)
{
    enum tightness found = LOOSE_NONE;

    for (uint32_t i = from; i < to; i++) {
        if (opens(piece(f, i)))
            i = piece(f, i)->match;
        else if (tightness(f, i) < found)
            found = tightness(f, i);
    }
    return found;
}

static void layout(struct formatter *f, uint32_t from, uint32_t to);

/* Each part on a line of its own: operators and commas end a line, `then` and `else` begin one. */
static void layout_parts(struct formatter *f, uint32_t from, uint32_t to, enum tightness at)
{
    uint32_t start = from;

    for (uint32_t i = from; i < to; i++) {
        if (opens(piece(f, i))) {
            i = piece(f, i)->match;
            continue;
        }
        if (tightness(f, i) != at)
            continue;
        if (at == LOOSE_IF && i > start) {
            layout(f, start, i);
            break_line(f);
            start = i;
        } else if (at != LOOSE_IF) {
            layout(f, start, i);
            put_piece(f, i);
            break_line(f);
            start = i + 1;
        }
    }
    if (start < to)
        layout(f, start, to);
    else
        f->must_break = true;
}

/* The contents of a bracket, indented, between lines for its ends. */
static void layout_inside(struct formatter *f, uint32_t open)
{
    uint32_t close = piece(f, open)->match;

    put_piece(f, open);
    break_line(f);
    f->indent += INDENT;
    layout(f, open + 1, close);
    put_leading(f, piece(f, close)); /* still indented */
    f->indent -= INDENT;
    piece(f, close)->n_leading = 0;
    break_line(f);
    put_piece(f, close);
}

/* The widest bracket that holds something; to if there is none. */
static uint32_t widest(const struct formatter *f, uint32_t from, uint32_t to)
{
    uint32_t best = to, size = 0;

    for (uint32_t i = from; i < to; i++) {
        if (!opens(piece(f, i)))
            continue;
        if (piece(f, i)->match - i > 1 && piece(f, i)->match - i > size) {
            best = i;
            size = piece(f, i)->match - i;
        }
        i = piece(f, i)->match;
    }
    return best;
}

/* Recursion is bounded by the brackets' depth, four levels for each at most. */
static void layout(struct formatter *f, uint32_t from, uint32_t to)
{
    enum tightness at;
    uint32_t open;

    if (from >= to)
        return;
    if (fits(f, from, to, 2)) {
        put_flat(f, from, to);
        return;
    }
    at = loosest(f, from, to);
    if (at == LOOSE_IF && tightness(f, from) == LOOSE_IF) {
        put_piece(f, from); /* then or else with what follows it */
        layout(f, from + 1, to);
        return;
    }
    if (at != LOOSE_NONE) {
        layout_parts(f, from, to, at);
        return;
    }
    open = widest(f, from, to);
    if (open == to) {
        put_flat(f, from, to);
        return;
    }
    put_flat(f, from, open);
    layout_inside(f, open);
    put_flat(f, piece(f, open)->match + 1, to);
}

/* ---- policies --------------------------------------------------------------------- */

/* @key("value") on a line of its own; returns the piece after it. */
static uint32_t format_note(struct formatter *f, uint32_t i)
{
    uint32_t end = i + 2;

    if (piece(f, end)->kind == TOK_LPAREN)
        end = piece(f, end)->match + 1;
    put_flat(f, i, end);
    break_line(f);
    return end;
}

/* permit (..) or when {..}, on one line if it fits. */
static uint32_t format_part(struct formatter *f, uint32_t i)
{
    uint32_t end = piece(f, i + 1)->match + 1;

    if (fits(f, i, end, 2)) {
        put_flat(f, i, end);
        return end;
    }
    put_piece(f, i);
    layout_inside(f, i + 1);
    return end;
}

static uint32_t format_policy(struct formatter *f, uint32_t i)
{
    while (piece(f, i)->kind == TOK_AT)
        i = format_note(f, i);
    piece(f, i)->is_word = true; /* a blank before the scope's bracket */
    i = format_part(f, i);
    while (piece(f, i)->kind == TOK_IDENT) {
        break_line(f);
        i = format_part(f, i);
    }
    put_piece(f, i); /* the semicolon */
    break_line(f);
    return i + 1;
}

/* Comments between policies keep the empty lines around them. */
static void put_between(struct formatter *f, struct piece *p, bool first)
{
    const struct comment *comments = f->comments.items;

    for (uint32_t i = 0; i < p->n_leading; i++) {
        if (i == 0 ? !first : comments[p->first_comment + i].blank_before)
            blank_line(f);
        start_line(f);
        put_span(f, comments[p->first_comment + i].span);
        break_line(f);
    }
    if (p->kind != TOK_END && (p->n_leading > 0 ? p->blank_before : !first))
        blank_line(f);
    p->n_leading = 0;
}

static void format_all(struct formatter *f)
{
    uint32_t i = 0;

    match_brackets(f);
    while (!f->failed && piece(f, i)->kind != TOK_END) {
        put_between(f, piece(f, i), i == 0);
        i = format_policy(f, i);
    }
    put_between(f, piece(f, i), i == 0);
}

static enum cedar_status run(struct formatter *f, cedar_write_fn *write, void *ctx,
                             struct cedar_error *err)
{
    if (!read_pieces(f))
        return cedar_fail_memory(err);
    format_all(f);
    if (f->failed)
        return cedar_fail_memory(err);
    if (f->out.len == 0 || write(ctx, f->out.items, f->out.len))
        return CEDAR_OK;
    return cedar_fail(err, CEDAR_ERR_INVALID, (struct cedar_str){NULL, 0},
                      (struct cedar_span){0, 0}, "the text could not be written");
}

enum cedar_status cedar_format(const struct cedar_allocator *alloc, struct cedar_str text,
                               cedar_write_fn *write, void *ctx, struct cedar_error *err)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct formatter f = {.source = text};
    struct cedar_names *names = cedar_names_new(&a, NULL, 0);
    struct cedar_policies *policies = NULL;
    enum cedar_status status;

    if (names == NULL)
        return cedar_fail_memory(err);
    status = cedar_policies_parse(names, &a, text, &policies, err);
    cedar_policies_free(policies);
    cedar_names_free(names);
    if (status != CEDAR_OK)
        return status;
    cedar_vec_init(&f.pieces, &a, sizeof(struct piece));
    cedar_vec_init(&f.comments, &a, sizeof(struct comment));
    cedar_vec_init(&f.out, &a, 1);
    status = run(&f, write, ctx, err);
    cedar_vec_free(&f.pieces);
    cedar_vec_free(&f.comments);
    cedar_vec_free(&f.out);
    return status;
}
