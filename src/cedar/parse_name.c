/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, strings and entity literals.
 */
#include "parse_help.h"

enum cedar_status cedar_take_ident(struct cedar_lexer *lexer, const char *what,
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
enum cedar_status cedar_take_path_rest(struct cedar_lexer *lexer, struct cedar_str first,
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
            status = cedar_take_ident(lexer, "a part of a name", &part);
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
    TRY(cedar_take_ident(lexer, "a type's name", &text));
    TRY(cedar_take_path_rest(lexer, text, arena, &text));
    span->end = lexer->last_end;
    return cedar_intern_or_fail(names, text, out, lexer->err);
}

enum cedar_status cedar_parse_string(struct cedar_lexer *lexer, struct cedar_arena *arena,
                                     struct cedar_str *out, struct cedar_span *span)
{
    if (lexer->token.kind != TOK_STRING)
        return cedar_lexer_unexpected(lexer, "a string");
    *span = lexer->token.span;
    TRY(cedar_unescape(arena, lexer->source, parser_inside_quotes(*span), out, lexer->err));
    return cedar_lexer_next(lexer);
}

/* Type::"id" from where the type's path has been read. */
enum cedar_status cedar_take_eid(struct cedar_lexer *lexer, struct cedar_arena *arena,
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
    TRY(cedar_take_eid(&lexer, arena, type, out));
    return lexer.token.kind == TOK_END ? CEDAR_OK : cedar_lexer_unexpected(&lexer, "the end");
}
