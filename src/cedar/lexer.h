/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lexer.h - tokens of policies and of human-readable schemas.
 *
 * One token of look-ahead is kept in the lexer; comments (// to the end of the line) and
 * blanks are skipped. Keywords are identifiers: the parsers compare their text.
 */
#ifndef CEDAR_LEXER_H
#define CEDAR_LEXER_H

#include "diag.h"

enum cedar_token_kind {
    TOK_END,
    TOK_IDENT,
    TOK_NUMBER, /* digits */
    TOK_STRING, /* span with the quotes; escapes unresolved */
    TOK_SLOT,   /* ?principal ?resource or another ?name */
    TOK_AT,
    TOK_DOT,
    TOK_COMMA,
    TOK_SEMICOLON,
    TOK_COLON,
    TOK_PATH, /* :: */
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_EQ, /* == */
    TOK_NE,
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
    TOK_AND,
    TOK_OR,
    TOK_NOT,
    TOK_PLUS,
    TOK_MINUS,
    TOK_STAR,
    TOK_SLASH,
    TOK_PERCENT,
    TOK_ASSIGN,   /* = */
    TOK_QUESTION, /* ? alone */
};

struct cedar_token {
    enum cedar_token_kind kind;
    struct cedar_span span;
};

struct cedar_lexer {
    struct cedar_str source;
    uint32_t pos;
    struct cedar_token token; /* the one looked at */
    uint32_t last_end;        /* end of the token before it */
    struct cedar_error *err;
};

/* Checks size and UTF-8, then reads the first token. */
enum cedar_status cedar_lexer_init(struct cedar_lexer *lexer, struct cedar_str source,
                                   struct cedar_error *err);
/* Reads the next token. */
enum cedar_status cedar_lexer_next(struct cedar_lexer *lexer);
/* The token after the one looked at, without moving. TOK_END if it is malformed. */
struct cedar_token cedar_lexer_peek(const struct cedar_lexer *lexer);

struct cedar_str cedar_token_text(const struct cedar_lexer *lexer, struct cedar_token token);
bool cedar_lexer_at_word(const struct cedar_lexer *lexer, const char *word);
/* Moves over a token of this kind, or fails with "expected WHAT, found ...". */
enum cedar_status cedar_lexer_expect(struct cedar_lexer *lexer, enum cedar_token_kind kind,
                                     const char *what);
/* Fails at the token looked at: "expected WHAT, found ...". */
enum cedar_status cedar_lexer_unexpected(struct cedar_lexer *lexer, const char *what);

#endif
