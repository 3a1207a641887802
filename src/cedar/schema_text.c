/* SPDX-License-Identifier: Apache-2.0 */
/* The human-readable schema format: a recursive descent over the lexer's tokens. */
#include "lexer.h"
#include "parser.h"
#include "schema_ast.h"

#define TRY(call)                               \
    do {                                        \
        enum cedar_status try_status_ = (call); \
        if (try_status_ != CEDAR_OK)            \
            return try_status_;                 \
    } while (0)

struct reader {
    struct cedar_lexer lexer;
    struct schema_fragment *fragment;
    struct cedar_error *err;
    int nesting;
};

/* Fails with a message about one name, which stands for %s in the format. */
#define fail_at(r, span, status, format, name) \
    cedar_fail((r)->err, (status), (r)->lexer.source, (span), format, cedar_show(name).text)

static bool at(const struct reader *r, enum cedar_token_kind kind)
{
    return r->lexer.token.kind == kind;
}

static enum cedar_status accept(struct reader *r, enum cedar_token_kind kind, bool *found)
{
    *found = at(r, kind);
    return *found ? cedar_lexer_next(&r->lexer) : CEDAR_OK;
}

static enum cedar_status accept_word(struct reader *r, const char *word, bool *found)
{
    *found = at(r, TOK_IDENT) && cedar_lexer_at_word(&r->lexer, word);
    return *found ? cedar_lexer_next(&r->lexer) : CEDAR_OK;
}

static enum cedar_status intern(struct reader *r, struct cedar_str text, cedar_name *out)
{
    *out = cedar_intern(r->fragment->names, text);
    return *out != CEDAR_NO_NAME ? CEDAR_OK : cedar_fail_memory(r->err);
}

/* An identifier; __cedar is one, but may not be declared. */
static enum cedar_status read_ident(struct reader *r, bool declares, const char *what,
                                    struct cedar_str *text, struct cedar_span *span)
{
    if (!at(r, TOK_IDENT))
        return cedar_lexer_unexpected(&r->lexer, what);
    *span = r->lexer.token.span;
    *text = cedar_token_text(&r->lexer, r->lexer.token);
    if (cedar_is_reserved(*text) && (declares || !cedar_str_eq(*text, CEDAR_STR("__cedar"))))
        return fail_at(r, *span, CEDAR_ERR_SYNTAX, "`%s` is a reserved word and cannot be a name",
                       *text);
    return cedar_lexer_next(&r->lexer);
}

/* The identifiers of a path from the lexer on, joined into buf if it is not NULL. */
static enum cedar_status walk_path(struct reader *r, bool declares, const char *what, char *buf,
                                   size_t *len, struct cedar_span *span)
{
    struct cedar_span part;
    struct cedar_str text;

    *len = 0;
    span->start = r->lexer.token.span.start;
    for (;;) {
        TRY(read_ident(r, declares, what, &text, &part));
        if (buf != NULL)
            memcpy(buf + *len, text.ptr, text.len);
        *len += text.len;
        span->end = part.end;
        if (!at(r, TOK_PATH) || cedar_lexer_peek(&r->lexer).kind == TOK_STRING)
            return CEDAR_OK;
        if (buf != NULL)
            buf[*len] = buf[*len + 1] = ':';
        *len += 2;
        TRY(cedar_lexer_next(&r->lexer));
    }
}

static enum cedar_status read_path(struct reader *r, bool declares, const char *what,
                                   cedar_name *out, struct cedar_span *span)
{
    struct cedar_lexer start = r->lexer;
    struct cedar_str text;
    size_t len;
    char *buf;

    TRY(walk_path(r, declares, what, NULL, &len, span));
    text = (struct cedar_str){start.source.ptr + span->start, len};
    if (len != span->end - span->start) { /* blanks or comments between its parts */
        buf = cedar_arena_get(r->fragment->arena, len);
        if (buf == NULL)
            return cedar_fail_memory(r->err);
        r->lexer = start;
        TRY(walk_path(r, declares, what, buf, &len, span));
        text.ptr = buf;
    }
    return intern(r, text, out);
}

static enum cedar_status read_string(struct reader *r, struct cedar_str *out,
                                     struct cedar_span *span)
{
    if (!at(r, TOK_STRING))
        return cedar_lexer_unexpected(&r->lexer, "a string");
    return cedar_parse_string(&r->lexer, r->fragment->arena, out, span);
}

/* An identifier or a string: names of attributes and actions. */
static enum cedar_status read_name(struct reader *r, const char *what, struct cedar_str *out,
                                   struct cedar_span *span)
{
    if (at(r, TOK_STRING))
        return read_string(r, out, span);
    TRY(read_ident(r, false, what, out, span));
    *out = cedar_arena_str(r->fragment->arena, *out);
    return out->ptr != NULL ? CEDAR_OK : cedar_fail_memory(r->err);
}

static enum cedar_status read_note(struct reader *r, struct schema_note **notes)
{
    struct schema_note *note = CEDAR_NEW(r->fragment->arena, struct schema_note);
    struct cedar_span span, key_span = r->lexer.token.span;
    struct schema_note **end = notes;

    if (note == NULL)
        return cedar_fail_memory(r->err);
    if (!at(r, TOK_IDENT))
        return cedar_lexer_unexpected(&r->lexer, "the name of an annotation");
    note->key = cedar_arena_str(r->fragment->arena, cedar_token_text(&r->lexer, r->lexer.token));
    if (note->key.ptr == NULL)
        return cedar_fail_memory(r->err);
    TRY(cedar_lexer_next(&r->lexer));
    TRY(accept(r, TOK_LPAREN, &note->has_value));
    if (note->has_value) {
        TRY(read_string(r, &note->value, &span));
        TRY(cedar_lexer_expect(&r->lexer, TOK_RPAREN, "`)`"));
    }
    for (; *end != NULL; end = &(*end)->next) {
        if (cedar_str_eq((*end)->key, note->key))
            return fail_at(r, key_span, CEDAR_ERR_CONFLICT, "annotation `@%s` stands twice",
                           note->key);
    }
    *end = note;
    return CEDAR_OK;
}

static enum cedar_status read_notes(struct reader *r, struct schema_note **notes)
{
    bool found;

    *notes = NULL;
    for (;;) {
        TRY(accept(r, TOK_AT, &found));
        if (!found)
            return CEDAR_OK;
        TRY(read_note(r, notes));
    }
}

static enum cedar_status read_type(struct reader *r, struct schema_type **out);

static enum cedar_status read_attr(struct reader *r, struct schema_attr *attr)
{
    struct cedar_str name;
    bool optional;

    TRY(read_notes(r, &attr->notes));
    TRY(read_name(r, "an attribute name", &name, &attr->span));
    TRY(intern(r, name, &attr->name));
    TRY(accept(r, TOK_QUESTION, &optional));
    attr->required = !optional;
    TRY(cedar_lexer_expect(&r->lexer, TOK_COLON, "`:` and a type"));
    return read_type(r, &attr->type);
}

/* After the opening brace, up to and with the closing one. */
static enum cedar_status read_attrs(struct reader *r, struct schema_type *type)
{
    struct schema_attr **end = &type->attrs;
    bool more;

    while (!at(r, TOK_RBRACE)) {
        if (type->n_attrs >= CEDAR_MAX_ELEMENTS)
            return cedar_fail(r->err, CEDAR_ERR_LIMIT, r->lexer.source, r->lexer.token.span,
                              "a record of more than %u attributes", CEDAR_MAX_ELEMENTS);
        *end = CEDAR_NEW(r->fragment->arena, struct schema_attr);
        if (*end == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_attr(r, *end));
        end = &(*end)->next;
        type->n_attrs++;
        TRY(accept(r, TOK_COMMA, &more));
        if (!more)
            break;
    }
    return cedar_lexer_expect(&r->lexer, TOK_RBRACE, "`,` or `}`");
}

static enum cedar_status read_type_inside(struct reader *r, struct schema_type *type)
{
    bool found;

    TRY(accept(r, TOK_LBRACE, &found));
    if (found) {
        type->kind = WRITTEN_RECORD;
        return read_attrs(r, type);
    }
    if (at(r, TOK_IDENT) && cedar_lexer_at_word(&r->lexer, "Set") &&
        cedar_lexer_peek(&r->lexer).kind == TOK_LT) {
        type->kind = WRITTEN_SET;
        TRY(cedar_lexer_next(&r->lexer));
        TRY(cedar_lexer_next(&r->lexer));
        TRY(read_type(r, &type->element));
        return cedar_lexer_expect(&r->lexer, TOK_GT, "`>`");
    }
    type->kind = WRITTEN_EITHER;
    return read_path(r, false, "a type", &type->name, &type->span);
}

static enum cedar_status read_type(struct reader *r, struct schema_type **out)
{
    struct schema_type *type = CEDAR_NEW(r->fragment->arena, struct schema_type);

    if (type == NULL)
        return cedar_fail_memory(r->err);
    if (r->nesting >= CEDAR_MAX_NESTING)
        return cedar_fail(r->err, CEDAR_ERR_LIMIT, r->lexer.source, r->lexer.token.span,
                          "types nested more than %d deep", CEDAR_MAX_NESTING);
    type->span.start = r->lexer.token.span.start;
    r->nesting++;
    TRY(read_type_inside(r, type));
    r->nesting--;
    type->span.end = r->lexer.last_end;
    *out = type;
    return CEDAR_OK;
}

static enum cedar_status read_type_ref(struct reader *r, struct schema_ref *ref)
{
    return read_path(r, false, "an entity type", &ref->name, &ref->span);
}

/* An action group: id, "id" or Ns::Action::"id". */
static enum cedar_status read_action_ref(struct reader *r, struct schema_ref *ref)
{
    struct cedar_span id_span;
    enum cedar_token_kind next;
    uint32_t start = r->lexer.token.span.start;

    if (at(r, TOK_STRING))
        return read_string(r, &ref->id, &ref->span);
    next = cedar_lexer_peek(&r->lexer).kind;
    if (next != TOK_PATH)
        return read_name(r, "an action", &ref->id, &ref->span);
    TRY(read_path(r, false, "an action", &ref->name, &ref->span));
    TRY(cedar_lexer_expect(&r->lexer, TOK_PATH, "`::` and the action's id"));
    TRY(read_string(r, &ref->id, &id_span));
    ref->span = (struct cedar_span){start, id_span.end};
    return CEDAR_OK;
}

typedef enum cedar_status read_ref_fn(struct reader *r, struct schema_ref *ref);

/* One reference, or a bracketed list of them. */
static enum cedar_status read_refs(struct reader *r, read_ref_fn *read, struct schema_ref **out)
{
    struct schema_ref **end = out;
    bool bracket, more = true;

    TRY(accept(r, TOK_LBRACKET, &bracket));
    while (more && !(bracket && at(r, TOK_RBRACKET))) {
        *end = CEDAR_NEW(r->fragment->arena, struct schema_ref);
        if (*end == NULL)
            return cedar_fail_memory(r->err);
        TRY(read(r, *end));
        end = &(*end)->next;
        if (!bracket)
            return CEDAR_OK;
        TRY(accept(r, TOK_COMMA, &more));
    }
    return cedar_lexer_expect(&r->lexer, TOK_RBRACKET, "`,` or `]`");
}

static enum cedar_status read_choices(struct reader *r, struct schema_choice **out)
{
    struct schema_choice **end = out;
    struct cedar_span span;
    bool more = true;

    TRY(cedar_lexer_expect(&r->lexer, TOK_LBRACKET, "`[`"));
    while (more && (*out == NULL || !at(r, TOK_RBRACKET))) {
        *end = CEDAR_NEW(r->fragment->arena, struct schema_choice);
        if (*end == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_string(r, &(*end)->id, &span));
        end = &(*end)->next;
        TRY(accept(r, TOK_COMMA, &more));
    }
    return cedar_lexer_expect(&r->lexer, TOK_RBRACKET, "`,` or `]`");
}

static enum cedar_status read_shape(struct reader *r, struct schema_type **out)
{
    bool assign, brace;
    uint32_t start;

    TRY(accept(r, TOK_ASSIGN, &assign));
    start = r->lexer.token.span.start;
    TRY(accept(r, TOK_LBRACE, &brace));
    if (!brace)
        return assign ? cedar_lexer_unexpected(&r->lexer, "`{`") : CEDAR_OK;
    *out = CEDAR_NEW(r->fragment->arena, struct schema_type);
    if (*out == NULL)
        return cedar_fail_memory(r->err);
    (*out)->kind = WRITTEN_RECORD;
    TRY(read_attrs(r, *out));
    (*out)->span = (struct cedar_span){start, r->lexer.last_end};
    return CEDAR_OK;
}

/* What follows the names of an entity declaration, into a model for each of them. */
static enum cedar_status read_entity_rest(struct reader *r, struct schema_entity *model)
{
    bool found;

    TRY(accept_word(r, "enum", &found));
    if (found) {
        TRY(read_choices(r, &model->choices));
    } else {
        TRY(accept_word(r, "in", &found));
        if (found)
            TRY(read_refs(r, read_type_ref, &model->parents));
        TRY(read_shape(r, &model->shape));
        TRY(accept_word(r, "tags", &found));
        if (found)
            TRY(read_type(r, &model->tags));
    }
    return cedar_lexer_expect(&r->lexer, TOK_SEMICOLON, "`;`");
}

static enum cedar_status read_entity(struct reader *r, struct schema_namespace *ns,
                                     struct schema_note *notes)
{
    struct schema_entity **first = ns->entities_end, model = {.notes = notes};
    struct cedar_str name;
    bool more = true;

    while (more) {
        struct schema_entity *entity = CEDAR_NEW(r->fragment->arena, struct schema_entity);

        if (entity == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_ident(r, true, "the name of an entity type", &name, &entity->span));
        TRY(intern(r, name, &entity->name));
        *ns->entities_end = entity;
        ns->entities_end = &entity->next;
        TRY(accept(r, TOK_COMMA, &more));
    }
    TRY(read_entity_rest(r, &model));
    for (struct schema_entity *entity = *first; entity != NULL; entity = entity->next) {
        model.name = entity->name;
        model.span = entity->span;
        model.next = entity->next;
        *entity = model;
    }
    return CEDAR_OK;
}

/* principal, resource and context in any order, each once; the first two must stand. */
struct applies {
    bool principal, resource, context;
    struct cedar_span span;
};

static enum cedar_status read_applies_types(struct reader *r, struct cedar_span word, bool *seen,
                                            struct schema_ref **out)
{
    if (*seen)
        return cedar_fail(r->err, CEDAR_ERR_CONFLICT, r->lexer.source, word,
                          "this stands twice in `appliesTo`");
    *seen = true;
    TRY(cedar_lexer_expect(&r->lexer, TOK_COLON, "`:`"));
    TRY(read_refs(r, read_type_ref, out));
    if (*out == NULL)
        return cedar_fail(
            r->err, CEDAR_ERR_SYNTAX, r->lexer.source, word,
            "no entity types: leave `appliesTo` out if the action applies to nothing");
    return CEDAR_OK;
}

static enum cedar_status read_applies_one(struct reader *r, struct applies *seen,
                                          struct schema_action *model)
{
    struct cedar_span word = r->lexer.token.span;
    bool found;

    TRY(accept_word(r, "principal", &found));
    if (found)
        return read_applies_types(r, word, &seen->principal, &model->principals);
    TRY(accept_word(r, "resource", &found));
    if (found)
        return read_applies_types(r, word, &seen->resource, &model->resources);
    TRY(accept_word(r, "context", &found));
    if (!found)
        return cedar_lexer_unexpected(&r->lexer, "`principal`, `resource` or `context`");
    if (seen->context)
        return cedar_fail(r->err, CEDAR_ERR_CONFLICT, r->lexer.source, word,
                          "`context` stands twice in `appliesTo`");
    seen->context = true;
    TRY(cedar_lexer_expect(&r->lexer, TOK_COLON, "`:`"));
    TRY(read_type(r, &model->context));
    if (model->context->kind == WRITTEN_SET)
        return cedar_fail(r->err, CEDAR_ERR_TYPE, r->lexer.source, model->context->span,
                          "a context must be a record or the name of a common type");
    if (model->context->kind == WRITTEN_EITHER)
        model->context->kind = WRITTEN_COMMON;
    return CEDAR_OK;
}

static enum cedar_status read_applies(struct reader *r, struct schema_action *model)
{
    struct applies seen = {.span = r->lexer.token.span};
    bool more = true;

    TRY(cedar_lexer_expect(&r->lexer, TOK_LBRACE, "`{`"));
    while (more && !at(r, TOK_RBRACE)) {
        TRY(read_applies_one(r, &seen, model));
        TRY(accept(r, TOK_COMMA, &more));
    }
    TRY(cedar_lexer_expect(&r->lexer, TOK_RBRACE, "`,` or `}`"));
    if (!seen.principal || !seen.resource)
        return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->lexer.source, seen.span,
                          "`appliesTo` without `%s`", seen.principal ? "resource" : "principal");
    return CEDAR_OK;
}

/* `attributes {}`: an empty relict of the format that is still allowed. */
static enum cedar_status read_action_attributes(struct reader *r)
{
    bool found;

    TRY(accept_word(r, "attributes", &found));
    if (!found)
        return CEDAR_OK;
    TRY(cedar_lexer_expect(&r->lexer, TOK_LBRACE, "`{`"));
    return cedar_lexer_expect(&r->lexer, TOK_RBRACE, "`}`: actions have no attributes");
}

static enum cedar_status read_action_rest(struct reader *r, struct schema_action *model)
{
    struct cedar_span span = r->lexer.token.span;
    bool found;

    TRY(accept_word(r, "in", &found));
    if (found) {
        TRY(read_refs(r, read_action_ref, &model->parents));
        if (model->parents == NULL)
            return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->lexer.source, span,
                              "an empty list of action groups: leave `in` out");
    }
    TRY(accept_word(r, "appliesTo", &found));
    if (found)
        TRY(read_applies(r, model));
    TRY(read_action_attributes(r));
    return cedar_lexer_expect(&r->lexer, TOK_SEMICOLON, "`;`");
}

static enum cedar_status read_action(struct reader *r, struct schema_namespace *ns,
                                     struct schema_note *notes)
{
    struct schema_action **first = ns->actions_end, model = {.notes = notes};
    bool more = true;

    while (more) {
        struct schema_action *action = CEDAR_NEW(r->fragment->arena, struct schema_action);

        if (action == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_name(r, "the name of an action", &action->id, &action->span));
        *ns->actions_end = action;
        ns->actions_end = &action->next;
        TRY(accept(r, TOK_COMMA, &more));
    }
    TRY(read_action_rest(r, &model));
    for (struct schema_action *action = *first; action != NULL; action = action->next) {
        model.id = action->id;
        model.span = action->span;
        model.next = action->next;
        *action = model;
    }
    return CEDAR_OK;
}

static enum cedar_status read_common(struct reader *r, struct schema_namespace *ns,
                                     struct schema_note *notes)
{
    struct schema_common *common = CEDAR_NEW(r->fragment->arena, struct schema_common);
    struct cedar_str name = {"", 0};

    if (common == NULL)
        return cedar_fail_memory(r->err);
    TRY(read_ident(r, true, "the name of a type", &name, &common->span));
    if (cedar_schema_is_builtin(name))
        return fail_at(r, common->span, CEDAR_ERR_CONFLICT,
                       "`%s` is built in: a common type cannot have its name", name);
    TRY(intern(r, name, &common->name));
    TRY(cedar_lexer_expect(&r->lexer, TOK_ASSIGN, "`=`"));
    TRY(read_type(r, &common->type));
    common->notes = notes;
    *ns->commons_end = common;
    ns->commons_end = &common->next;
    return cedar_lexer_expect(&r->lexer, TOK_SEMICOLON, "`;`");
}

/* A declaration after its annotations. */
static enum cedar_status read_declaration(struct reader *r, struct schema_namespace *ns,
                                          struct schema_note *notes, const char *what)
{
    bool found;

    TRY(accept_word(r, "entity", &found));
    if (found)
        return read_entity(r, ns, notes);
    TRY(accept_word(r, "action", &found));
    if (found)
        return read_action(r, ns, notes);
    TRY(accept_word(r, "type", &found));
    if (found)
        return read_common(r, ns, notes);
    return cedar_lexer_unexpected(&r->lexer, what);
}

static enum cedar_status read_namespace(struct reader *r, struct schema_note *notes)
{
    struct schema_namespace *ns;
    struct cedar_span span;
    cedar_name name = CEDAR_NO_NAME;
    bool is_new, end;

    TRY(read_path(r, true, "the name of a namespace", &name, &span));
    ns = cedar_schema_namespace(r->fragment, name, &is_new);
    if (ns == NULL)
        return cedar_fail_memory(r->err);
    if (!is_new)
        return fail_at(r, span, CEDAR_ERR_CONFLICT, "namespace `%s` is declared twice",
                       cedar_name_str(r->fragment->names, name));
    ns->span = span;
    ns->notes = notes;
    TRY(cedar_lexer_expect(&r->lexer, TOK_LBRACE, "`{`"));
    for (;;) {
        TRY(accept(r, TOK_RBRACE, &end));
        if (end)
            return CEDAR_OK;
        TRY(read_notes(r, &notes));
        TRY(read_declaration(r, ns, notes, "`entity`, `action`, `type` or `}`"));
    }
}

static enum cedar_status read_schema(struct reader *r)
{
    struct schema_namespace *ns;
    struct schema_note *notes;
    bool found;

    while (!at(r, TOK_END)) {
        TRY(read_notes(r, &notes));
        TRY(accept_word(r, "namespace", &found));
        if (found) {
            TRY(read_namespace(r, notes));
            continue;
        }
        ns = cedar_schema_namespace(r->fragment, CEDAR_NO_NAME, &found);
        if (ns == NULL)
            return cedar_fail_memory(r->err);
        TRY(read_declaration(r, ns, notes, "`namespace`, `entity`, `action` or `type`"));
    }
    return CEDAR_OK;
}

enum cedar_status cedar_schema_read_text(struct schema_fragment *fragment, struct cedar_error *err)
{
    struct reader r = {.fragment = fragment, .err = err};

    TRY(cedar_lexer_init(&r.lexer, fragment->source, err));
    return read_schema(&r);
}
