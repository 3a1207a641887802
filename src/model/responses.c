/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI Responses: items of the output, each from output_item.added to output_item.done by its
 * output_index; the last event repeats all of them. A refused call is replaced by a message item.
 */
#include "model/reply.h"

#include <stdio.h>
#include <string.h>

#define AT_THE_END                                                                \
    1000000 /* block of a call that only the last event names: this and its place \
             */

static bool ends(struct str s, const char *end)
{
    size_t n = strlen(end);

    return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

static bool is_call(const json_t *item)
{
    const struct str type = json_member(item, "type");

    return ends(type, "_call") || str_is(type, "mcp_approval_request");
}

/* Calls that the client carries out; the others have run at the provider. */
static bool is_clients(struct str type)
{
    static const char *const types[] = {"function_call", "custom_tool_call", "local_shell_call",
                                        "shell_call",    "apply_patch_call", "computer_call"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (str_is(type, types[i]))
            return true;
    return false;
}

static void usage(struct model_reply *r, const json_t *u)
{
    const json_t *in = json_object_get(u, "input_tokens_details");
    const json_t *out = json_object_get(u, "output_tokens_details");
    int64_t all = json_number(u, "input_tokens", 0), cached, written;

    if (!json_is_object(u))
        return;
    cached = json_number(in, "cached_tokens", 0);
    written = json_number(in, "cache_write_tokens", 0);
    r->usage.cache_read = cached < all ? cached : all;
    r->usage.cache_write = written < all - r->usage.cache_read ? written : 0;
    r->usage.input = all - r->usage.cache_read - r->usage.cache_write;
    r->usage.output = json_number(u, "output_tokens", 0);
    r->usage.reasoning = json_number(out, "reasoning_tokens", 0);
    r->usage.estimated = false;
}

/* Arguments that are no string stand in a member of their own kind. */
static const json_t *action(const json_t *item)
{
    static const char *const names[] = {"action", "actions", "operation", "queries", "code"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_has(item, names[i]))
            return json_object_get(item, names[i]);
    return NULL;
}

static void fill_name(struct use *u, const json_t *item)
{
    const struct str type = json_member(item, "type");
    json_t *name = NULL;

    if (json_has(item, "name"))
        name = json_incref(json_object_get(item, "name"));
    else if (str_is(type, "code_interpreter_call"))
        name = json_string("code_execution");
    else if (type.n > 5)
        name = json_stringn(type.p, type.n - 5); /* without "_call" */
    use_set(&u->name, name);
    json_decref(name);
}

static void fill_args(struct model_reply *r, struct use *u, const json_t *item)
{
    const char *key = u->text ? "input" : "arguments";
    const json_t *plain = json_object_get(item, key), *other = action(item);
    const struct str s = json_text(plain);

    if (json_is_string(plain)) {
        if (u->in_pieces && !str_eq(s, buf_str(&u->args)) && !u->cut)
            reply_broken(r, "the arguments of a tool use differ from their pieces");
        else if (!u->in_pieces)
            use_args(r, u, s.p, s.n);
    } else if (json_is_string(other)) { /* code */
        const struct str code = json_text(other);

        u->text = true;
        buf_clear(&u->args);
        use_args(r, u, code.p, code.n);
    } else if (other != NULL && json_is_object(other)) {
        buf_clear(&u->args);
        use_args_json(r, u, other);
    } else if (other != NULL) { /* a list: an object around it */
        json_t *around = json_pack("{s:O}", "actions", other);

        buf_clear(&u->args);
        use_args_json(r, u, around);
        json_decref(around);
    }
}

static void fill_use(struct model_reply *r, struct use *u, const json_t *item)
{
    const struct str type = json_member(item, "type");

    use_set(&u->id, json_object_get(item, json_has(item, "call_id") ? "call_id" : "id"));
    use_set(&u->server, json_object_get(item, "server_label"));
    fill_name(u, item);
    u->by_provider = !is_clients(type);
    u->text = str_is(type, "custom_tool_call");
    fill_args(r, u, item);
}

static int64_t output_index(const json_t *json)
{
    return json_number(json, "output_index", 0);
}

static enum take item_added(struct model_reply *r, json_t *json)
{
    const json_t *item = json_object_get(json, "item");
    int64_t index = output_index(json);

    if (!is_call(item)) {
        json_decref(r->message);
        r->message = json_incref(json_object_get(json, "item"));
        r->open_block = index;
        return TAKE_PASS;
    }
    if (reply_find(r, index, 0) != NULL)
        reply_broken(r, "an item begins twice");
    if (reply_use(r, index, 0) == NULL)
        return TAKE_PASS;
    return reply_keep(r, index, NULL);
}

static enum take item_done(struct model_reply *r, json_t *json)
{
    const json_t *item = json_object_get(json, "item");
    int64_t index = output_index(json);
    struct use *u = reply_find(r, index, 0);

    r->next_block = index + 1 > r->next_block ? index + 1 : r->next_block;
    if (r->open_block == index)
        r->open_block = -1;
    if (!is_call(item)) {
        if (u != NULL)
            reply_broken(r, "an item ends as another than it began");
        return TAKE_PASS;
    }
    if (u == NULL)
        u = reply_use(r, index, 0);
    if (u == NULL)
        return TAKE_PASS;
    fill_use(r, u, item);
    reply_ask(r, u);
    return TAKE_DECIDE;
}

/* Events in the middle of an item: those of a call are kept with it. */
static enum take item_part(struct model_reply *r, json_t *json, struct str type)
{
    int64_t index = output_index(json);
    const struct str delta = json_member(json, "delta");
    struct use *u = reply_find(r, index, 0);

    if (u == NULL) {
        if (ends(type, ".delta"))
            r->chars += count_chars(delta);
        return TAKE_PASS;
    }
    if (str_is(type, "response.function_call_arguments.delta") ||
        str_is(type, "response.mcp_call_arguments.delta") ||
        str_is(type, "response.custom_tool_call_input.delta")) {
        u->in_pieces = true;
        use_args(r, u, delta.p, delta.n);
    } else if (json_has(json, "arguments") &&
               !str_eq(json_member(json, "arguments"), buf_str(&u->args)) && u->in_pieces &&
               !u->cut) {
        reply_broken(r, "the arguments of a tool use differ from their pieces");
    }
    return reply_keep(r, index, NULL);
}

/* Whether this very call was asked about already. */
static bool was_asked(struct model_reply *r, const struct use *u)
{
    for (size_t i = 0; i < r->nuses; i++) {
        const struct use *other = r->uses[i];

        if (other != u && other->whole && u->id != NULL && str_is(str_of(u->id), other->id) &&
            str_eq(str_of(u->name), str_of(other->name)) &&
            str_eq(buf_str(&u->args), buf_str(&other->args)))
            return true;
    }
    return false;
}

/* An event, or a body, that holds the whole response. */
static enum take response(struct model_reply *r, const json_t *json, bool final)
{
    json_t *output = json_object_get(json, "output"), *item;
    size_t i;

    if (json_has(json, "model"))
        copy_text(r->model, sizeof(r->model), json_member(json, "model"));
    if (final) {
        copy_text(r->stop, sizeof(r->stop), json_member(json, "status"));
        usage(r, json_object_get(json, "usage"));
    }
    for (i = 0; (item = json_array_get(output, i)) != NULL; i++) {
        struct use *u;

        u = is_call(item) ? reply_use(r, AT_THE_END + (int64_t)i, 0) : NULL;
        if (u == NULL)
            continue;
        fill_use(r, u, item);
        if (was_asked(r, u))
            reply_forget_last(r);
        else
            reply_ask(r, u);
    }
    return r->nasks > 0 || (r->hold && r->refusals > 0) ? TAKE_DECIDE : TAKE_PASS;
}

static void begin(struct model_reply *r, const json_t *response)
{
    r->started = true;
    if (r->head == NULL)
        r->head = json_copy(json_object_get(response, "response"));
}

static enum take take(struct model_reply *r, json_t *json)
{
    const struct str type = json_member(json, "type");
    const json_t *whole = json_object_get(json, "response");

    if (json == NULL)
        return TAKE_PASS;
    r->sequence = json_number(json, "sequence_number", r->sequence);
    if (str_is(type, "response.created"))
        begin(r, json);
    if (json_is_object(whole)) {
        r->finished = str_is(type, "response.completed") || str_is(type, "response.failed") ||
                      str_is(type, "response.incomplete");
        return response(r, whole, r->finished);
    }
    if (str_is(type, "response.output_item.added"))
        return item_added(r, json);
    if (str_is(type, "response.output_item.done"))
        return item_done(r, json);
    return item_part(r, json, type);
}

/* Makes a message item of a text, which it takes. */
static json_t *message_item(const char *id, json_t *text)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:o, s:[]}]}", "type", "message", "id", id,
                     "status", "completed", "role", "assistant", "content", "type", "output_text",
                     "text", text, "annotations");
}

static void message_id(char id[32], int64_t index)
{
    snprintf(id, 32, "msg_refused_%lld", (long long)index);
}

/* Takes `event`. */
static void emit_event(struct model_reply *r, json_t *event, struct buf *out)
{
    json_object_set_new(event, "sequence_number", json_integer(r->sequence));
    emit(r, event, json_string_value(json_object_get(event, "type")), out);
    json_decref(event);
}

/* The parts of the one text of a message; they begin or end it. Takes `part`. */
static void emit_part(struct model_reply *r, const char *type, const char *id, json_int_t index,
                      json_t *part, struct buf *out)
{
    emit_event(r,
               json_pack("{s:s, s:s, s:I, s:i, s:o}", "type", type, "item_id", id, "output_index",
                         index, "content_index", 0, "part", part),
               out);
}

static void emit_text(struct model_reply *r, const char *type, const char *id, json_int_t index,
                      const char *key, json_t *text, struct buf *out)
{
    emit_event(r,
               json_pack("{s:s, s:s, s:I, s:i, s:O, s:[]}", "type", type, "item_id", id,
                         "output_index", index, "content_index", 0, key, text, "logprobs"),
               out);
}

static json_t *text_part(json_t *text)
{
    return json_pack("{s:s, s:o, s:[]}", "type", "output_text", "text", text, "annotations");
}

/* All events of a message with this text, which it takes. */
static void emit_message(struct model_reply *r, int64_t at, json_t *text, struct buf *out)
{
    json_int_t index = at;
    char id[32];

    message_id(id, at);
    emit_event(r,
               json_pack("{s:s, s:I, s:{s:s, s:s, s:s, s:s, s:[]}}", "type",
                         "response.output_item.added", "output_index", index, "item", "type",
                         "message", "id", id, "status", "in_progress", "role", "assistant",
                         "content"),
               out);
    emit_part(r, "response.content_part.added", id, index, text_part(json_string("")), out);
    emit_text(r, "response.output_text.delta", id, index, "delta", text, out);
    emit_text(r, "response.output_text.done", id, index, "text", text, out);
    emit_part(r, "response.content_part.done", id, index, text_part(json_incref(text)), out);
    emit_event(r,
               json_pack("{s:s, s:I, s:o}", "type", "response.output_item.done", "output_index",
                         index, "item", message_item(id, text)),
               out);
}

static const struct use *refused_use(const struct model_reply *r, const json_t *item)
{
    const struct str id = json_member(item, json_has(item, "call_id") ? "call_id" : "id");

    for (size_t i = 0; i < r->nuses; i++)
        if (r->uses[i]->refused && str_eq(id, str_of(r->uses[i]->id)))
            return r->uses[i];
    return NULL;
}

/* Puts messages in the place of refused calls. */
static void mend_output(struct model_reply *r, json_t *response)
{
    json_t *output = json_object_get(response, "output"), *item;
    size_t i;

    for (i = 0; (item = json_array_get(output, i)) != NULL; i++) {
        const struct use *u = is_call(item) ? refused_use(r, item) : NULL;
        char id[32];

        if (u == NULL)
            continue;
        message_id(id, u->block < AT_THE_END ? u->block : (int64_t)i);
        json_array_set_new(output, i, message_item(id, json_refusal(u)));
    }
}

static void settle(struct model_reply *r, json_t *json, struct buf *out)
{
    json_t *whole = json_object_get(json, "response");
    const struct use *u = r->nasks > 0 ? r->asks[0] : NULL;

    if (json_is_object(whole) && r->refusals > 0) {
        mend_output(r, whole);
        emit(r, json, json_string_value(json_object_get(json, "type")), out);
    } else if (json_is_object(whole)) {
        buf_add(out, r->raw.p, r->raw.n);
    } else if (u != NULL && u->refused) {
        reply_drop_kept(r, u->block);
        emit_message(r, u->block, json_refusal(u), out);
    } else if (u != NULL) {
        reply_pass_kept(r, u->block, out);
        buf_add(out, r->raw.p, r->raw.n);
    }
}

static enum take body(struct model_reply *r, json_t *json)
{
    return response(r, json, true);
}

static void settle_body(struct model_reply *r, json_t *json, struct buf *out)
{
    if (r->refusals == 0) {
        buf_add(out, r->raw.p, r->raw.n);
        return;
    }
    mend_output(r, json);
    json_dump_to(json, out);
}

/* The message that was open when the stream was cut is closed as it stands. */
static void close_open(struct model_reply *r, struct buf *out)
{
    if (r->open_block < 0 || r->message == NULL)
        return;
    json_object_set_new(r->message, "status", json_string("incomplete"));
    emit_event(r,
               json_pack("{s:s, s:I, s:O}", "type", "response.output_item.done", "output_index",
                         (json_int_t)r->open_block, "item", r->message),
               out);
    if (r->open_block + 1 > r->next_block)
        r->next_block = r->open_block + 1;
}

static void cut(struct model_reply *r, const char *text, size_t n, struct buf *out)
{
    struct model_usage u = model_reply_usage(r);
    json_int_t input = u.input + u.cache_read + u.cache_write, output = u.output;
    json_t *last;

    if (r->finished)
        return;
    if (!r->started) {
        emit_event(r,
                   json_pack("{s:s, s:s, s:o, s:n}", "type", "error", "code", "refused", "message",
                             json_stringn(text, n), "param"),
                   out);
        return;
    }
    close_open(r, out);
    emit_message(r, r->next_block, json_stringn(text, n), out);
    last = r->head != NULL ? json_copy(r->head) : json_object();
    json_object_set_new(last, "status", json_string("completed"));
    json_object_set_new(last, "usage",
                        json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", input,
                                  "input_tokens_details", "cached_tokens", (json_int_t)u.cache_read,
                                  "output_tokens", output, "output_tokens_details",
                                  "reasoning_tokens", (json_int_t)u.reasoning, "total_tokens",
                                  input + output));
    emit_event(r, json_pack("{s:s, s:o}", "type", "response.completed", "response", last), out);
}

const struct model_format format_responses = {take, body, settle, settle_body, cut};
