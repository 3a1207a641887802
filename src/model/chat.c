/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI Chat Completions: tool calls of a choice come in pieces by index and are complete when the
 * choice finishes. Chunks that carry pieces are kept until then; a chunk of text alone is not. */
#include "model/reply.h"

#include <string.h>

#define OLD_CALL (-1) /* index of the one `function_call` that came before tool_calls */

static void usage(struct model_reply *r, const json_t *u)
{
    const json_t *in = json_object_get(u, "prompt_tokens_details");
    const json_t *out = json_object_get(u, "completion_tokens_details");
    int64_t all = json_number(u, "prompt_tokens", 0), cached, written;

    if (!json_is_object(u))
        return;
    cached = json_number(in, "cached_tokens", 0);
    written = json_number(in, "cache_write_tokens", 0);
    r->usage.cache_read = cached < all ? cached : all;
    r->usage.cache_write = written < all - r->usage.cache_read ? written : 0;
    r->usage.input = all - r->usage.cache_read - r->usage.cache_write;
    r->usage.output = json_number(u, "completion_tokens", 0);
    r->usage.reasoning = json_number(out, "reasoning_tokens", 0);
    r->usage.estimated = false;
}

/* What "function" or "custom" holds of a call. */
static void fill_use(struct model_reply *r, struct use *u, const json_t *call)
{
    const json_t *function = json_object_get(call, "function");
    const json_t *custom = json_object_get(call, "custom");
    const json_t *what = json_is_object(custom) ? custom : function;
    const struct str args = json_member(what, what == custom ? "input" : "arguments");

    use_set(&u->id, json_object_get(call, "id"));
    use_set(&u->name, json_object_get(what, "name"));
    u->text = u->text || what == custom;
    use_args(r, u, args.p, args.n);
}

static void fill_old(struct model_reply *r, struct use *u, const json_t *call)
{
    const struct str args = json_member(call, "arguments");

    use_set(&u->name, json_object_get(call, "name"));
    use_args(r, u, args.p, args.n);
}

static struct use *use_of(struct model_reply *r, int64_t choice, int64_t index)
{
    struct use *u = reply_find(r, choice, index);

    return u != NULL ? u : reply_use(r, choice, index);
}

/* The pieces in one delta or message. True: there are some. */
static bool pieces(struct model_reply *r, int64_t choice, const json_t *delta)
{
    const json_t *calls = json_object_get(delta, "tool_calls"), *call;
    const json_t *old = json_object_get(delta, "function_call");
    struct use *u;
    size_t i;

    for (i = 0; (call = json_array_get(calls, i)) != NULL; i++) {
        u = use_of(r, choice, json_number(call, "index", (int64_t)i));
        if (u != NULL)
            fill_use(r, u, call);
    }
    if (json_is_object(old) && (u = use_of(r, choice, OLD_CALL)) != NULL)
        fill_old(r, u, old);
    return json_array_size(calls) > 0 || json_is_object(old);
}

static void ask_choice(struct model_reply *r, int64_t choice, bool all)
{
    for (size_t i = 0; i < r->nuses; i++)
        if (!r->uses[i]->whole && (all || r->uses[i]->block == choice))
            reply_ask(r, r->uses[i]);
}

static void count(struct model_reply *r, const json_t *delta)
{
    r->chars += count_chars(json_member(delta, "content"));
    r->chars += count_chars(json_member(delta, "reasoning_content"));
    r->chars += count_chars(json_member(delta, "reasoning"));
    r->chars += count_chars(json_member(delta, "refusal"));
}

/* The ids of the stream, for chunks of one's own. */
static void remember_head(struct model_reply *r, const json_t *json)
{
    static const char *const names[] = {"id", "object", "created", "model", "system_fingerprint"};

    if (r->head != NULL)
        return;
    r->head = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_has(json, names[i]))
            json_object_set(r->head, names[i], json_object_get(json, names[i]));
    copy_text(r->model, sizeof(r->model), json_member(json, "model"));
}

static enum take take(struct model_reply *r, json_t *json)
{
    json_t *choices = json_object_get(json, "choices"), *choice;
    int64_t with_pieces = -1;
    bool finished = false;
    size_t i;

    if (json == NULL) {
        r->finished = true;
        ask_choice(r, 0, true);
        return r->nasks > 0 ? TAKE_DECIDE : TAKE_PASS;
    }
    remember_head(r, json);
    usage(r, json_object_get(json, "usage"));
    for (i = 0; (choice = json_array_get(choices, i)) != NULL; i++) {
        int64_t number = json_number(choice, "index", 0);
        const json_t *delta = json_object_get(choice, "delta");

        r->started = true;
        count(r, delta);
        if (pieces(r, number, delta))
            with_pieces = number;
        if (json_has(choice, "finish_reason")) {
            copy_text(r->stop, sizeof(r->stop), json_member(choice, "finish_reason"));
            ask_choice(r, number, false);
            finished = r->nasks > 0;
        }
    }
    if ((finished || with_pieces >= 0) && json_array_size(choices) != 1)
        reply_broken(r, "tool uses of several choices come together");
    if (finished)
        return TAKE_DECIDE;
    return with_pieces >= 0 ? reply_keep(r, with_pieces, json) : TAKE_PASS;
}

/* How a chunk goes on: which calls were refused, how the others are numbered. */
static const struct use *asked(const struct model_reply *r, int64_t choice, int64_t index,
                               int64_t *number)
{
    int64_t before = 0;

    for (size_t i = 0; i < r->nasks; i++) {
        const struct use *u = r->asks[i];

        if (u->block != choice)
            continue;
        if (u->index == index) {
            *number = before;
            return u;
        }
        before += !u->refused && u->index != OLD_CALL && u->index < index;
    }
    return NULL;
}

/* Takes refused calls out of a delta or message. */
static void filter(const struct model_reply *r, int64_t choice, json_t *delta)
{
    json_t *calls = json_object_get(delta, "tool_calls");
    const struct use *u;
    int64_t number = 0;

    for (size_t i = 0, at = 0; i < json_array_size(calls); at++) {
        json_t *call = json_array_get(calls, i);
        bool numbered = json_object_get(call, "index") != NULL;

        u = asked(r, choice, json_number(call, "index", (int64_t)at), &number);
        if (u != NULL && u->refused) {
            json_array_remove(calls, i);
            continue;
        }
        if (numbered)
            json_object_set_new(call, "index", json_integer(number));
        i++;
    }
    if (calls != NULL && json_array_size(calls) == 0)
        json_object_del(delta, "tool_calls");
    u = asked(r, choice, OLD_CALL, &number);
    if (u != NULL && u->refused)
        json_object_del(delta, "function_call");
}

static bool any_left(const struct model_reply *r, int64_t choice)
{
    for (size_t i = 0; i < r->nasks; i++)
        if (r->asks[i]->block == choice && !r->asks[i]->refused)
            return true;
    return false;
}

/* A choice that asks for no tool any more has simply stopped. */
static void mend_finish(struct model_reply *r, int64_t choice, json_t *of)
{
    const struct str reason = json_member(of, "finish_reason");

    if ((str_is(reason, "tool_calls") || str_is(reason, "function_call")) && !any_left(r, choice)) {
        json_object_set_new(of, "finish_reason", json_string("stop"));
        copy_text(r->stop, sizeof(r->stop), STR("stop"));
    }
}

/* The text in place of all that was refused of a choice; NULL: nothing was. */
static json_t *explanation(const struct model_reply *r, int64_t choice)
{
    struct buf b;
    json_t *text;

    buf_init(&b, MODEL_ARGS_MAX);
    for (size_t i = 0; i < r->nasks; i++) {
        if (r->asks[i]->block != choice || !r->asks[i]->refused)
            continue;
        if (b.n > 0)
            buf_puts(&b, "\n\n");
        buf_add(&b, r->asks[i]->refusal, r->asks[i]->refusal_n);
    }
    text = b.n > 0 ? json_stringn(b.p, b.n) : NULL;
    buf_free(&b);
    return text;
}

/* Takes `delta`. */
static void emit_chunk(struct model_reply *r, int64_t choice, json_t *delta, const char *finish,
                       struct buf *out)
{
    json_t *chunk = r->head != NULL ? json_copy(r->head) : json_object();
    json_t *reason = finish != NULL ? json_string(finish) : json_null();

    json_object_set_new(chunk, "choices",
                        json_pack("[{s:I, s:o, s:o}]", "index", (json_int_t)choice, "delta", delta,
                                  "finish_reason", reason));
    emit(r, chunk, NULL, out);
    json_decref(chunk);
}

/* A delta that says nothing any more need not be sent. */
static bool says_something(json_t *delta)
{
    for (void *at = json_object_iter(delta); at != NULL; at = json_object_iter_next(delta, at)) {
        const json_t *value = json_object_iter_value(at);

        if (!json_is_null(value) && !(json_is_string(value) && json_string_length(value) == 0))
            return true;
    }
    return false;
}

static void emit_filtered(struct model_reply *r, int64_t choice, json_t *chunk, struct buf *out)
{
    json_t *of = json_array_get(json_object_get(chunk, "choices"), 0);
    json_t *delta = json_object_get(of, "delta");

    filter(r, choice, delta);
    mend_finish(r, choice, of);
    if (says_something(delta) || json_has(of, "finish_reason") || json_has(chunk, "usage"))
        emit(r, chunk, NULL, out);
}

static void settle_choice(struct model_reply *r, int64_t choice, struct buf *out)
{
    const struct kept *k = reply_kept(r, choice);
    json_t *text = explanation(r, choice), *chunk;
    size_t i;

    if (text == NULL) {
        reply_pass_kept(r, choice, out);
        return;
    }
    if (k != NULL)
        for (i = 0; (chunk = json_array_get(k->units, i)) != NULL; i++)
            emit_filtered(r, choice, chunk, out);
    emit_chunk(r, choice, json_pack("{s:o}", "content", text), NULL, out);
    reply_drop_kept(r, choice);
}

static void settle(struct model_reply *r, json_t *json, struct buf *out)
{
    json_t *of = json_array_get(json_object_get(json, "choices"), 0);
    int64_t choice = json_number(of, "index", 0);
    size_t refused = 0;

    for (size_t i = 0; i < r->nasks; i++) {
        size_t first = 0;

        refused += r->asks[i]->refused;
        while (r->asks[first]->block != r->asks[i]->block)
            first++;
        if (first == i) /* once for each choice */
            settle_choice(r, r->asks[i]->block, out);
    }
    if (json == NULL || refused == 0)
        buf_add(out, r->raw.p, r->raw.n);
    else
        emit_filtered(r, choice, json, out);
}

static enum take body(struct model_reply *r, json_t *json)
{
    json_t *choices = json_object_get(json, "choices"), *choice;
    size_t i;

    copy_text(r->model, sizeof(r->model), json_member(json, "model"));
    usage(r, json_object_get(json, "usage"));
    for (i = 0; (choice = json_array_get(choices, i)) != NULL; i++) {
        copy_text(r->stop, sizeof(r->stop), json_member(choice, "finish_reason"));
        count(r, json_object_get(choice, "message"));
        (void)pieces(r, (int64_t)i, json_object_get(choice, "message"));
    }
    ask_choice(r, 0, true);
    return r->nasks > 0 ? TAKE_DECIDE : TAKE_PASS;
}

/* The message's own text, then what replaces its refused calls. */
static void add_content(json_t *message, json_t *text)
{
    const struct str old = json_member(message, "content"), more = json_text(text);
    struct buf b;

    buf_init(&b, MODEL_EVENT_MAX * 2);
    buf_add(&b, old.p, old.n);
    if (old.n > 0)
        buf_puts(&b, "\n\n");
    buf_add(&b, more.p, more.n);
    json_object_set_new(message, "content", json_stringn(b.p != NULL ? b.p : "", b.n));
    buf_free(&b);
    json_decref(text);
}

static void settle_body(struct model_reply *r, json_t *json, struct buf *out)
{
    json_t *choices = json_object_get(json, "choices"), *choice;
    size_t i;

    if (r->refusals == 0) {
        buf_add(out, r->raw.p, r->raw.n);
        return;
    }
    for (i = 0; (choice = json_array_get(choices, i)) != NULL; i++) {
        json_t *text = explanation(r, (int64_t)i), *message = json_object_get(choice, "message");

        if (text == NULL)
            continue;
        filter(r, (int64_t)i, message);
        add_content(message, text);
        mend_finish(r, (int64_t)i, choice);
    }
    json_dump_to(json, out);
}

static void cut(struct model_reply *r, const char *text, size_t n, struct buf *out)
{
    if (r->finished)
        return;
    if (r->stop[0] != '\0') { /* all but the numbers has gone on */
        buf_puts(out, "data: [DONE]\n\n");
        return;
    }
    if (!r->started) {
        json_t *error =
            json_pack("{s:{s:o, s:s, s:n, s:s}}", "error", "message", json_stringn(text, n), "type",
                      "permission_error", "param", "code", "refused");

        emit(r, error, NULL, out);
        json_decref(error);
    } else {
        emit_chunk(r, 0, json_pack("{s:o}", "content", json_stringn(text, n)), NULL, out);
        emit_chunk(r, 0, json_object(), r->passed_tool ? "tool_calls" : "stop", out);
    }
    buf_puts(out, "data: [DONE]\n\n");
}

const struct model_format format_chat = {take, body, settle, settle_body, cut};
