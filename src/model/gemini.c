/* SPDX-License-Identifier: Apache-2.0 */
/* Google Gemini: each unit is a whole GenerateContentResponse; a function call is one part of it,
 * or comes in several units that say willContinue. A refused part is replaced by a part of text. */
#include "model/reply.h"

/* Gemini's own clients wrap the answer into one more object. */
static json_t *inner(json_t *json)
{
    json_t *wrapped = json_object_get(json, "response");

    return json_is_object(wrapped) && json_object_get(json, "candidates") == NULL ? wrapped : json;
}

static void usage(struct model_reply *r, const json_t *u)
{
    int64_t all = json_number(u, "promptTokenCount", 0);
    int64_t cached = json_number(u, "cachedContentTokenCount", 0);
    int64_t thought = json_number(u, "thoughtsTokenCount", 0);

    if (!json_is_object(u))
        return;
    r->usage.cache_read = cached < all ? cached : all;
    r->usage.input = all - r->usage.cache_read + json_number(u, "toolUsePromptTokenCount", 0);
    r->usage.output = json_number(u, "candidatesTokenCount", 0) + thought;
    r->usage.reasoning = thought;
}

/* The member of a part that asks for something to be done; NULL: there is none. */
static const char *what(const json_t *part)
{
    static const char *const names[] = {"functionCall", "executableCode", "toolCall",
                                        "function_call"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_has(part, names[i]))
            return names[i];
    return NULL;
}

static void fill_function(struct model_reply *r, struct use *u, const json_t *call)
{
    const json_t *args = json_object_get(call, "args");
    const json_t *partial = json_object_get(call, "partialArgs");

    use_set(&u->id, json_object_get(call, "id"));
    use_set(&u->name, json_object_get(call, "name"));
    if (args != NULL && u->args.n == 0)
        use_args_json(r, u, args);
    if (json_array_size(partial) > 0) { /* pieces by path: told as they come, one after the other */
        buf_puts(&u->args, u->in_pieces ? "," : "{\"partialArgs\":[");
        use_args_json(r, u, partial);
        u->in_pieces = true;
    }
}

static void fill_code(struct model_reply *r, struct use *u, const json_t *code)
{
    json_t *name = json_string("code_execution");
    const struct str text = json_member(code, "code");

    u->by_provider = u->text = true;
    use_set(&u->name, name);
    use_args(r, u, text.p, text.n);
    json_decref(name);
}

/* A tool that runs at the provider, by its type. */
static void fill_tool(struct model_reply *r, struct use *u, const json_t *call)
{
    u->by_provider = true;
    use_set(&u->id, json_object_get(call, "id"));
    use_set(&u->name, json_object_get(call, "toolType"));
    use_args_json(r, u, json_object_get(call, "args"));
}

static void fill_use(struct model_reply *r, struct use *u, const json_t *part)
{
    const char *name = what(part);
    const json_t *call = json_object_get(part, name);

    if (str_is(str_of(name), "executableCode"))
        fill_code(r, u, call);
    else if (str_is(str_of(name), "toolCall"))
        fill_tool(r, u, call);
    else
        fill_function(r, u, call);
}

static bool goes_on(const json_t *part)
{
    const json_t *call = json_object_get(part, "functionCall");

    return json_is_true(json_object_get(call, "willContinue"));
}

/* One part. True: it is a tool use that is not whole yet. */
static bool take_part(struct model_reply *r, int64_t candidate, int64_t place, const json_t *part)
{
    struct use *u;

    r->chars += count_chars(json_member(part, "text"));
    if (what(part) == NULL)
        return false;
    u = reply_find(r, candidate, -1); /* one that goes on */
    if (u == NULL)
        u = reply_use(r, candidate, goes_on(part) ? -1 : place);
    if (u == NULL)
        return false;
    fill_use(r, u, part);
    if (goes_on(part))
        return true;
    if (u->in_pieces)
        buf_puts(&u->args, "]}");
    u->index = place;
    reply_ask(r, u);
    return false;
}

static void head(struct model_reply *r, const json_t *json)
{
    static const char *const names[] = {"modelVersion", "responseId"};

    r->started = true;
    if (json_has(json, "modelVersion"))
        copy_text(r->model, sizeof(r->model), json_member(json, "modelVersion"));
    if (r->head != NULL)
        return;
    r->head = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_has(json, names[i]))
            json_object_set(r->head, names[i], json_object_get(json, names[i]));
}

/* Whether a result belongs to code that was refused: code_execution has no ids, the order tells. */
static bool is_orphan(const struct model_reply *r, const json_t *part)
{
    const json_t *response = json_object_get(part, "toolResponse");

    if (response != NULL)
        return reply_refused(r, json_member(response, "id"));
    if (!json_has(part, "codeExecutionResult"))
        return false;
    for (size_t i = r->nuses; i-- > 0;)
        if (r->uses[i]->by_provider && r->uses[i]->text && r->uses[i]->whole)
            return r->uses[i]->refused;
    return false;
}

static enum take take(struct model_reply *r, json_t *json)
{
    json_t *candidates = json_object_get(inner(json), "candidates"), *candidate;
    bool unfinished = false, orphan = false;
    size_t i, j;

    if (json == NULL)
        return TAKE_PASS;
    json = inner(json);
    head(r, json);
    usage(r, json_object_get(json, "usageMetadata"));
    for (i = 0; (candidate = json_array_get(candidates, i)) != NULL; i++) {
        int64_t number = json_number(candidate, "index", 0);
        json_t *parts = json_object_get(json_object_get(candidate, "content"), "parts"), *part;

        for (j = 0; (part = json_array_get(parts, j)) != NULL; j++) {
            orphan = orphan || is_orphan(r, part);
            unfinished = take_part(r, number, (int64_t)j, part) || unfinished;
        }
        if (json_has(candidate, "finishReason")) {
            copy_text(r->stop, sizeof(r->stop), json_member(candidate, "finishReason"));
            r->finished = true;
            r->usage.estimated = !json_has(json, "usageMetadata");
        }
    }
    if (unfinished && (r->nasks > 0 || json_array_size(candidates) != 1))
        reply_broken(r, "tool uses overlap");
    if (r->nasks > 0 || orphan)
        return TAKE_DECIDE;
    return unfinished || r->kept != NULL ? reply_keep(r, 0, NULL) : TAKE_PASS;
}

static json_t *text_part(const struct use *u)
{
    return json_pack("{s:o}", "text", json_refusal(u));
}

/* Puts text in the place of the refused parts of one candidate. */
static void mend(struct model_reply *r, json_t *candidate, int64_t number)
{
    json_t *parts = json_object_get(json_object_get(candidate, "content"), "parts"), *part;
    size_t i;

    for (i = 0; i < r->nasks; i++)
        if (r->asks[i]->refused && r->asks[i]->block == number)
            json_array_set_new(parts, (size_t)r->asks[i]->index, text_part(r->asks[i]));
    for (i = 0; (part = json_array_get(parts, i)) != NULL; i++)
        if (is_orphan(r, part))
            json_array_set_new(parts, i,
                               json_pack("{s:s}", "text",
                                         "The result of a tool use that was refused is left out."));
}

static void settle(struct model_reply *r, json_t *json, struct buf *out)
{
    json_t *candidates = json_object_get(inner(json), "candidates"), *candidate;
    bool changed = r->nasks == 0; /* then it is for an orphan */
    size_t i;

    for (i = 0; i < r->nasks; i++)
        changed = changed || r->asks[i]->refused;
    if (!changed) {
        reply_pass_kept(r, 0, out);
        buf_add(out, r->raw.p, r->raw.n);
        return;
    }
    reply_drop_kept(r, 0);
    for (i = 0; (candidate = json_array_get(candidates, i)) != NULL; i++)
        mend(r, candidate, json_number(candidate, "index", 0));
    emit(r, json, NULL, out);
}

/* Takes `candidates`. */
static void emit_end(struct model_reply *r, json_t *candidates, struct buf *out)
{
    json_t *chunk = r->head != NULL ? json_copy(r->head) : json_object();

    json_object_set_new(chunk, "candidates", candidates);
    emit(r, chunk, NULL, out);
    json_decref(chunk);
}

static void cut(struct model_reply *r, const char *text, size_t n, struct buf *out)
{
    if (r->framing == FRAMING_ARRAY && r->array_last == ']')
        return;
    if (r->finished) {
        buf_puts(out, r->framing == FRAMING_ARRAY ? "]" : "");
        return;
    }
    if (r->framing == FRAMING_ARRAY && r->array_last != '[' && r->array_last != ',')
        buf_puts(out, r->array_last == 'e' ? "," : "[");
    emit_end(r,
             json_pack("[{s:{s:[{s:o}], s:s}, s:s, s:i}]", "content", "parts", "text",
                       json_stringn(text, n), "role", "model", "finishReason", "STOP", "index", 0),
             out);
    if (r->framing == FRAMING_ARRAY)
        buf_puts(out, "]");
}

const struct model_format format_gemini = {take, take, settle, settle, cut};
