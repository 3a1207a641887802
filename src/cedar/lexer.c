/* SPDX-License-Identifier: Apache-2.0 */
#include "lexer.h"
#include "text.h"

#include <stdio.h>

static char at(const struct cedar_lexer *lexer, uint32_t pos)
{
    return pos < lexer->source.len ? lexer->source.ptr[pos] : '\0';
}

static bool is_ident_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Unicode white space, as the language's grammar has it (\s): its length in bytes, else 0. */
static uint32_t blank_length(const struct cedar_lexer *lexer, uint32_t pos)
{
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    char c = at(lexer, pos);

    if (pos >= lexer->source.len)
        return 0;
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    if ((uint8_t)c < 0x80)
        return 0;
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        size_t n = strlen(wide[i]);

        if (lexer->source.len - pos >= n && memcmp(lexer->source.ptr + pos, wide[i], n) == 0)
            return (uint32_t)n;
    }
    return 0;
}

static uint32_t skip_blanks(const struct cedar_lexer *lexer, uint32_t pos)
{
    for (;;) {
        uint32_t n = blank_length(lexer, pos);

        if (n > 0) {
            pos += n;
        } else if (at(lexer, pos) == '/' && at(lexer, pos + 1) == '/') {
            while (pos < lexer->source.len && at(lexer, pos) != '\n' && at(lexer, pos) != '\r')
                pos++;
        } else {
            return pos;
        }
    }
}

/* Two-character tokens first, so that the longest wins. */
static const struct {
    char text[3];
    uint8_t kind;
} punctuation[] = {
    {"::", TOK_PATH},    {"==", TOK_EQ},      {"!=", TOK_NE},       {"<=", TOK_LE},
    {">=", TOK_GE},      {"&&", TOK_AND},     {"||", TOK_OR},       {"@", TOK_AT},
    {".", TOK_DOT},      {",", TOK_COMMA},    {";", TOK_SEMICOLON}, {":", TOK_COLON},
    {"(", TOK_LPAREN},   {")", TOK_RPAREN},   {"{", TOK_LBRACE},    {"}", TOK_RBRACE},
    {"[", TOK_LBRACKET}, {"]", TOK_RBRACKET}, {"<", TOK_LT},        {">", TOK_GT},
    {"!", TOK_NOT},      {"+", TOK_PLUS},     {"-", TOK_MINUS},     {"*", TOK_STAR},
    {"/", TOK_SLASH},    {"%", TOK_PERCENT},  {"=", TOK_ASSIGN},    {"?", TOK_QUESTION},
};

static bool scan_punctuation(const struct cedar_lexer *lexer, uint32_t pos,
                             struct cedar_token *token)
{
    for (size_t i = 0; i < sizeof(punctuation) / sizeof(punctuation[0]); i++) {
        const char *text = punctuation[i].text;

        if (at(lexer, pos) == text[0] && (text[1] == '\0' || at(lexer, pos + 1) == text[1])) {
            token->kind = (enum cedar_token_kind)punctuation[i].kind;
            token->span = (struct cedar_span){pos, pos + (text[1] == '\0' ? 1 : 2)};
            return true;
        }
    }
    return false;
}

/* The end of a string that starts at pos, its quote included; 0 if it never ends. */
static uint32_t string_end(const struct cedar_lexer *lexer, uint32_t pos)
{
    for (pos++; pos < lexer->source.len; pos++) {
        if (at(lexer, pos) == '"')
            return pos + 1;
        if (at(lexer, pos) == '\\')
            pos++;
    }
    return 0;
}

static uint32_t word_end(const struct cedar_lexer *lexer, uint32_t pos)
{
    while (is_ident_start(at(lexer, pos)) || is_digit(at(lexer, pos)))
        pos++;
    return pos;
}

static const char *scan(const struct cedar_lexer *lexer, uint32_t pos, struct cedar_token *token)
{
    char c;

    pos = skip_blanks(lexer, pos);
    c = at(lexer, pos);
    *token = (struct cedar_token){TOK_END, {pos, pos}};
    if (pos >= lexer->source.len)
        return NULL;
    if (is_ident_start(c)) {
        *token = (struct cedar_token){TOK_IDENT, {pos, word_end(lexer, pos)}};
    } else if (is_digit(c)) {
        while (is_digit(at(lexer, pos)))
            pos++;
        *token = (struct cedar_token){TOK_NUMBER, {token->span.start, pos}};
    } else if (c == '"') {
        uint32_t end = string_end(lexer, pos);

        if (end == 0) {
            token->span.end = pos + 1;
            return "this string has no end";
        }
        *token = (struct cedar_token){TOK_STRING, {pos, end}};
    } else if (c == '?' && is_ident_start(at(lexer, pos + 1))) {
        *token = (struct cedar_token){TOK_SLOT, {pos, word_end(lexer, pos + 1)}};
    } else if (!scan_punctuation(lexer, pos, token)) {
        token->span.end = pos + 1;
        return "this character has no meaning here";
    }
    return NULL;
}

enum cedar_status cedar_lexer_init(struct cedar_lexer *lexer, struct cedar_str source,
                                   struct cedar_error *err)
{
    struct cedar_span nowhere = {0, 0};

    if (source.len == 0)
        source = CEDAR_STR(""); /* a pointer that may be added to */
    *lexer = (struct cedar_lexer){.source = source, .err = err};
    if (source.len > CEDAR_MAX_TEXT)
        return cedar_fail(err, CEDAR_ERR_LIMIT, (struct cedar_str){NULL, 0}, nowhere,
                          "the text has %zu bytes, more than %u", source.len, CEDAR_MAX_TEXT);
    if (!cedar_utf8_valid(source))
        return cedar_fail(err, CEDAR_ERR_SYNTAX, (struct cedar_str){NULL, 0}, nowhere,
                          "the text is not valid UTF-8");
    return cedar_lexer_next(lexer);
}

enum cedar_status cedar_lexer_next(struct cedar_lexer *lexer)
{
    const char *wrong;

    lexer->last_end = lexer->token.span.end;
    wrong = scan(lexer, lexer->pos, &lexer->token);
    if (wrong != NULL)
        return cedar_fail(lexer->err, CEDAR_ERR_SYNTAX, lexer->source, lexer->token.span, "%s",
                          wrong);
    lexer->pos = lexer->token.span.end;
    return CEDAR_OK;
}

struct cedar_token cedar_lexer_peek(const struct cedar_lexer *lexer)
{
    struct cedar_token token;

    if (scan(lexer, lexer->pos, &token) != NULL)
        token.kind = TOK_END;
    return token;
}

struct cedar_str cedar_token_text(const struct cedar_lexer *lexer, struct cedar_token token)
{
    return (struct cedar_str){lexer->source.ptr + token.span.start,
                              token.span.end - token.span.start};
}

bool cedar_lexer_at_word(const struct cedar_lexer *lexer, const char *word)
{
    return lexer->token.kind == TOK_IDENT &&
           cedar_str_eq(cedar_token_text(lexer, lexer->token), cedar_str(word));
}

enum cedar_status cedar_lexer_unexpected(struct cedar_lexer *lexer, const char *what)
{
    char found[96] = "the end";

    if (lexer->token.kind != TOK_END)
        snprintf(found, sizeof(found), "`%s`",
                 cedar_show(cedar_token_text(lexer, lexer->token)).text);
    return cedar_fail(lexer->err, CEDAR_ERR_SYNTAX, lexer->source, lexer->token.span,
                      "expected %s, found %s", what, found);
}

enum cedar_status cedar_lexer_expect(struct cedar_lexer *lexer, enum cedar_token_kind kind,
                                     const char *what)
{
    if (lexer->token.kind != kind)
        return cedar_lexer_unexpected(lexer, what);
    return cedar_lexer_next(lexer);
}
