/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic Messages: blocks follow one another, each from content_block_start to
 * content_block_stop. A refused block is replaced by a text block of the same index, so that
 * indexes stay in order. */
#include "model/reply.h"

#include <string.h>

#define RESULT_LEFT_OUT "The result of a tool use that was refused is left out."

static bool ends(struct str s, const char *end)
{
    size_t n = strlen(end);

    return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* tool_use, server_tool_use, mcp_tool_use and what may come. */
static bool is_tool_use(struct str type)
{
    return ends(type, "tool_use");
}

/* The result of a provider's tool whose use was taken out. */
static bool is_orphan(const struct model_reply *r, const json_t *block)
{
    return ends(json_member(block, "type"), "tool_result") &&
           reply_refused(r, json_member(block, "tool_use_id"));
}

static void usage(struct model_reply *r, const json_t *u, bool final)
{
    struct model_usage *to = &r->usage;
    const json_t *tools = json_object_get(u, "server_tool_use");
    const json_t *details = json_object_get(u, "output_tokens_details");

    if (!json_is_object(u))
        return;
    to->input = json_number(u, "input_tokens", to->input);
    to->cache_read = json_number(u, "cache_read_input_tokens", to->cache_read);
    to->cache_write = json_number(u, "cache_creation_input_tokens", to->cache_write);
    to->cache_long = json_number(json_object_get(u, "cache_creation"), "ephemeral_1h_input_tokens",
                                 to->cache_long);
    to->output = json_number(u, "output_tokens", to->output);
    to->reasoning = json_number(details, "thinking_tokens", to->reasoning);
    to->searches = json_number(tools, "web_search_requests", to->searches);
    to->estimated = !final;
}

static void fill_use(struct model_reply *r, struct use *u, const json_t *block)
{
    const json_t *input = json_object_get(block, "input");

    use_set(&u->id, json_object_get(block, "id"));
    use_set(&u->name, json_object_get(block, "name"));
    use_set(&u->server, json_object_get(block, "server_name"));
    u->by_provider = !str_is(json_member(block, "type"), "tool_use");
    if (json_is_string(input) || json_object_size(input) > 0)
        use_args_json(r, u, input);
}

static void message_start(struct model_reply *r, const json_t *json)
{
    const json_t *message = json_object_get(json, "message");

    copy_text(r->model, sizeof(r->model), json_member(message, "model"));
    usage(r, json_object_get(message, "usage"), false);
    r->started = true;
}

static enum take block_start(struct model_reply *r, json_t *json)
{
    int64_t index = json_number(json, "index", -1);
    const json_t *block = json_object_get(json, "content_block");
    const struct str type = json_member(block, "type");
    struct use *u;

    if (r->hold && (r->kept != NULL || index < 0)) {
        reply_broken(r, "blocks of an answer overlap");
        return TAKE_KEEP;
    }
    r->open_block = index;
    r->open_text = !is_tool_use(type) && !is_orphan(r, block);
    r->next_block = index + 1;
    if (is_orphan(r, block))
        return reply_keep(r, index, NULL);
    r->chars += count_chars(json_member(block, "text"));
    if (!is_tool_use(type))
        return TAKE_PASS;
    u = reply_use(r, index, 0);
    if (u != NULL)
        fill_use(r, u, block);
    return reply_keep(r, index, NULL);
}

static enum take block_delta(struct model_reply *r, const json_t *json)
{
    int64_t index = json_number(json, "index", -1);
    const json_t *delta = json_object_get(json, "delta");
    const struct str part = json_member(delta, "partial_json");
    struct use *u = reply_find(r, index, 0);

    r->chars += count_chars(json_member(delta, "text"));
    r->chars += count_chars(json_member(delta, "thinking"));
    if (u != NULL) {
        if (part.n > 0 && u->args.n > 0 && !u->in_pieces)
            reply_broken(r, "the arguments of a tool use stand twice");
        u->in_pieces = u->in_pieces || part.n > 0;
        use_args(r, u, part.p, part.n);
    }
    return u != NULL || reply_kept(r, index) != NULL ? reply_keep(r, index, NULL) : TAKE_PASS;
}

static enum take block_stop(struct model_reply *r, const json_t *json)
{
    int64_t index = json_number(json, "index", -1);
    struct use *u = reply_find(r, index, 0);

    r->open_block = -1;
    if (u != NULL) {
        reply_ask(r, u);
        return TAKE_DECIDE;
    }
    return reply_kept(r, index) != NULL ? TAKE_DECIDE : TAKE_PASS;
}

static bool stop_is_wrong(const struct model_reply *r, struct str stop)
{
    return r->hold && r->refusals > 0 && !r->passed_tool && str_is(stop, "tool_use");
}

static enum take message_delta(struct model_reply *r, const json_t *json)
{
    const struct str stop = json_member(json_object_get(json, "delta"), "stop_reason");

    usage(r, json_object_get(json, "usage"), true);
    if (stop.n > 0)
        copy_text(r->stop, sizeof(r->stop), stop);
    return stop_is_wrong(r, stop) ? TAKE_DECIDE : TAKE_PASS;
}

static enum take take(struct model_reply *r, json_t *json)
{
    const struct str type = json_member(json, "type");

    if (str_is(type, "message_start"))
        message_start(r, json);
    else if (str_is(type, "content_block_start"))
        return block_start(r, json);
    else if (str_is(type, "content_block_delta"))
        return block_delta(r, json);
    else if (str_is(type, "content_block_stop"))
        return block_stop(r, json);
    else if (str_is(type, "message_delta"))
        return message_delta(r, json);
    r->finished = r->finished || str_is(type, "message_stop");
    return TAKE_PASS;
}

static void emit_and_free(struct model_reply *r, json_t *json, const char *name, struct buf *out)
{
    emit(r, json, name, out);
    json_decref(json);
}

/* A text block; takes `text`. */
static void emit_text(struct model_reply *r, int64_t index, json_t *text, struct buf *out)
{
    json_int_t i = index;

    emit_and_free(r,
                  json_pack("{s:s, s:I, s:{s:s, s:s}}", "type", "content_block_start", "index", i,
                            "content_block", "type", "text", "text", ""),
                  "content_block_start", out);
    emit_and_free(r,
                  json_pack("{s:s, s:I, s:{s:s, s:o}}", "type", "content_block_delta", "index", i,
                            "delta", "type", "text_delta", "text", text),
                  "content_block_delta", out);
    emit_and_free(r, json_pack("{s:s, s:I}", "type", "content_block_stop", "index", i),
                  "content_block_stop", out);
}

static void settle(struct model_reply *r, json_t *json, struct buf *out)
{
    int64_t index = json_number(json, "index", -1);
    json_t *delta = json_object_get(json, "delta");
    const struct use *u = r->nasks > 0 ? r->asks[0] : NULL;

    if (delta != NULL) { /* message_delta */
        json_object_set_new(delta, "stop_reason", json_string("end_turn"));
        copy_text(r->stop, sizeof(r->stop), STR("end_turn"));
        emit(r, json, "message_delta", out);
    } else if (u != NULL && !u->refused) {
        reply_pass_kept(r, index, out);
        buf_add(out, r->raw.p, r->raw.n);
    } else {
        reply_drop_kept(r, index);
        emit_text(r, index, u != NULL ? json_refusal(u) : json_string(RESULT_LEFT_OUT), out);
    }
}

static enum take body(struct model_reply *r, json_t *json)
{
    json_t *content = json_object_get(json, "content"), *block;
    size_t i;

    copy_text(r->model, sizeof(r->model), json_member(json, "model"));
    copy_text(r->stop, sizeof(r->stop), json_member(json, "stop_reason"));
    usage(r, json_object_get(json, "usage"), true);
    for (i = 0; (block = json_array_get(content, i)) != NULL; i++) {
        struct use *u =
            is_tool_use(json_member(block, "type")) ? reply_use(r, (int64_t)i, 0) : NULL;

        if (u != NULL) {
            fill_use(r, u, block);
            reply_ask(r, u);
        }
    }
    return r->nasks > 0 ? TAKE_DECIDE : TAKE_PASS;
}

static json_t *text_block(json_t *text)
{
    return json_pack("{s:s, s:o}", "type", "text", "text", text);
}

static void settle_body(struct model_reply *r, json_t *json, struct buf *out)
{
    json_t *content = json_object_get(json, "content"), *block;
    size_t i;

    if (r->refusals == 0) {
        buf_add(out, r->raw.p, r->raw.n);
        return;
    }
    for (i = 0; i < r->nasks; i++)
        if (r->asks[i]->refused)
            json_array_set_new(content, (size_t)r->asks[i]->block,
                               text_block(json_refusal(r->asks[i])));
    for (i = 0; (block = json_array_get(content, i)) != NULL; i++)
        if (is_orphan(r, block))
            json_array_set_new(content, i, text_block(json_string(RESULT_LEFT_OUT)));
    if (stop_is_wrong(r, json_member(json, "stop_reason"))) {
        json_object_set_new(json, "stop_reason", json_string("end_turn"));
        copy_text(r->stop, sizeof(r->stop), STR("end_turn"));
    }
    json_dump_to(json, out);
}

static void cut(struct model_reply *r, const char *text, size_t n, struct buf *out)
{
    bool closes = r->started && (r->open_block < 0 || r->open_text || r->hold);
    json_int_t open = r->open_block;

    if (r->finished)
        return;
    if (!closes) { /* nothing has begun, or a tool use has and cannot be ended well */
        emit_and_free(r,
                      json_pack("{s:s, s:{s:s, s:o}}", "type", "error", "error", "type",
                                "permission_error", "message", json_stringn(text, n)),
                      "error", out);
        return;
    }
    if (open >= 0 && r->open_text)
        emit_and_free(r, json_pack("{s:s, s:I}", "type", "content_block_stop", "index", open),
                      "content_block_stop", out);
    if (open >= 0 && !r->open_text) /* was kept back: the client has not seen it begin */
        r->next_block = open;
    emit_text(r, r->next_block, json_stringn(text, n), out);
    emit_and_free(r,
                  json_pack("{s:s, s:{s:s, s:n}, s:{s:I}}", "type", "message_delta", "delta",
                            "stop_reason", r->passed_tool ? "tool_use" : "end_turn",
                            "stop_sequence", "usage", "output_tokens",
                            (json_int_t)model_reply_usage(r).output),
                  "message_delta", out);
    emit_and_free(r, json_pack("{s:s}", "type", "message_stop"), "message_stop", out);
}

const struct model_format format_anthropic = {take, body, settle, settle_body, cut};
