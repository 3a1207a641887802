/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reply.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PARSE (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

static const struct model_format *const formats[] = {
    [MODEL_NONE] = NULL,
    [MODEL_ANTHROPIC] = &format_anthropic,
    [MODEL_CHAT] = &format_chat,
    [MODEL_RESPONSES] = &format_responses,
    [MODEL_GEMINI] = &format_gemini,
};

void reply_broken(struct model_reply *r, const char *why)
{
    if (r->hold && r->state != MODEL_BROKEN) {
        r->state = MODEL_BROKEN;
        r->why = why;
    }
}

/* Tool uses. */

struct use *reply_find(struct model_reply *r, int64_t block, int64_t index)
{
    for (size_t i = r->nuses; i-- > 0;)
        if (r->uses[i]->block == block && r->uses[i]->index == index && !r->uses[i]->whole)
            return r->uses[i];
    return NULL;
}

struct use *reply_use(struct model_reply *r, int64_t block, int64_t index)
{
    struct use *u;

    if (r->nuses == MODEL_BLOCKS_MAX) {
        reply_broken(r, "more tool uses than are looked at in one answer");
        return NULL;
    }
    u = xcalloc(1, sizeof(*u));
    u->block = block;
    u->index = index;
    u->from = r->unit_from;
    buf_init(&u->args, MODEL_ARGS_MAX);
    r->uses[r->nuses++] = u;
    return u;
}

static void use_free(struct use *u)
{
    free(u->id);
    free(u->name);
    free(u->server);
    free(u->refusal);
    buf_free(&u->args);
    free(u);
}

void reply_forget_last(struct model_reply *r)
{
    use_free(r->uses[--r->nuses]);
}

void reply_ask(struct model_reply *r, struct use *u)
{
    u->whole = true;
    u->to = r->at;
    if (r->nasks < MODEL_BLOCKS_MAX)
        r->asks[r->nasks++] = u;
}

void use_set(char **to, const json_t *string)
{
    if (json_is_string(string) && json_string_length(string) > 0) {
        free(*to);
        *to = xstrdup(json_string_value(string));
    }
}

void use_args(struct model_reply *r, struct use *u, const char *p, size_t n)
{
    r->chars += count_chars((struct str){p, n});
    buf_add(&u->args, p, n);
    u->cut = u->args.full;
}

void use_args_json(struct model_reply *r, struct use *u, const json_t *value)
{
    size_t before = u->args.n;

    if (value != NULL)
        json_dump_to(value, &u->args);
    u->cut = u->args.full;
    if (u->args.n > before)
        r->chars += count_chars((struct str){u->args.p + before, u->args.n - before});
}

bool reply_refused(const struct model_reply *r, struct str id)
{
    for (size_t i = 0; i < r->nuses; i++)
        if (r->uses[i]->refused && r->uses[i]->id != NULL && str_is(id, r->uses[i]->id))
            return true;
    return false;
}

/* What is kept. */

struct kept *reply_kept(struct model_reply *r, int64_t block)
{
    for (struct kept *k = r->kept; k != NULL; k = k->next)
        if (k->block == block)
            return k;
    return NULL;
}

enum take reply_keep(struct model_reply *r, int64_t block, json_t *json)
{
    struct kept *k;

    if (!r->hold)
        return TAKE_PASS;
    if (r->kept_bytes + r->raw.n > MODEL_HELD_MAX) {
        reply_broken(r, "a tool use is longer than can be kept back");
        return TAKE_KEEP;
    }
    k = reply_kept(r, block);
    if (k == NULL) {
        k = xcalloc(1, sizeof(*k));
        k->block = block;
        buf_init(&k->raw, MODEL_HELD_MAX);
        k->next = r->kept;
        r->kept = k;
    }
    r->kept_bytes += r->raw.n;
    buf_add(&k->raw, r->raw.p, r->raw.n);
    if (json != NULL) {
        if (k->units == NULL)
            k->units = json_array();
        json_array_append(k->units, json);
    }
    return TAKE_KEEP;
}

void reply_drop_kept(struct model_reply *r, int64_t block)
{
    for (struct kept **at = &r->kept; *at != NULL; at = &(*at)->next) {
        struct kept *k = *at;

        if (k->block != block)
            continue;
        *at = k->next;
        r->kept_bytes -= k->raw.n;
        buf_free(&k->raw);
        json_decref(k->units);
        free(k);
        return;
    }
}

void reply_pass_kept(struct model_reply *r, int64_t block, struct buf *out)
{
    const struct kept *k = reply_kept(r, block);

    if (k != NULL)
        buf_add(out, k->raw.p, k->raw.n);
    reply_drop_kept(r, block);
}

/* Intents. */

/* The arguments are the JSON object that they should be, in one reading. */
static bool well_formed(const struct use *u)
{
    json_error_t error;
    json_t *args = json_loadb(u->args.p, u->args.n, PARSE, &error);
    bool ok = json_is_object(args);

    json_decref(args);
    return ok;
}

static void show_intent(struct model_reply *r)
{
    struct use *u = r->asks[r->ask];

    if (u->args.n == 0 && !u->text) /* a tool without arguments */
        buf_puts(&u->args, "{}");
    r->intent = (struct model_intent){
        .id = str_of(u->id),
        .name = str_of(u->name),
        .server = str_of(u->server),
        .arguments = buf_str(&u->args),
        .by_provider = u->by_provider,
        .text = u->text,
        .cut = u->cut,
        .malformed = !u->text && !u->cut && !well_formed(u),
        .from = u->from,
        .to = u->to,
    };
    r->state = MODEL_ASKING;
}

static bool is_body(const struct model_reply *r)
{
    return r->framing == FRAMING_BODY;
}

static void unit_done(struct model_reply *r)
{
    json_decref(r->json);
    r->json = NULL;
    r->raw = (struct str){"", 0};
    r->nasks = r->ask = 0;
    if (r->framing == FRAMING_ARRAY)
        buf_clear(&r->unit);
}

/* All that was to be asked about this unit was answered. */
static void decided(struct model_reply *r, struct buf *out)
{
    r->state = MODEL_GOING;
    if (r->hold) {
        if (is_body(r))
            r->format->settle_body(r, r->json, out);
        else
            r->format->settle(r, r->json, out);
        r->array_last = 'e';
    }
    unit_done(r);
}

const struct model_intent *model_reply_intent(const struct model_reply *r)
{
    assert(r->state == MODEL_ASKING);
    return &r->intent;
}

void model_reply_answer(struct model_reply *r, struct str refusal, struct buf *out)
{
    struct use *u = r->asks[r->ask];

    assert(r->state == MODEL_ASKING);
    if (refusal.p != NULL && r->hold) {
        u->refused = true;
        u->refusal = xcalloc(refusal.n + 1, 1);
        memcpy(u->refusal, refusal.p, refusal.n);
        u->refusal_n = refusal.n;
        r->refusals++;
    } else if (!u->by_provider) {
        r->passed_tool = true;
    }
    if (++r->ask < r->nasks)
        show_intent(r);
    else
        decided(r, out);
}

/* Units. */

static bool blank(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (strchr(" \t\r\n", s.p[i]) == NULL || s.p[i] == '\0')
            return false;
    return true;
}

/* One unit: its bytes in `raw`, what it says in `data`. */
static void unit(struct model_reply *r, struct str raw, struct str data, struct buf *out)
{
    bool done = str_is(data, "[DONE]");
    json_error_t error;
    enum take t = TAKE_PASS;

    r->raw = raw;
    if (!r->hold && !is_body(r))
        buf_add(out, raw.p, raw.n);
    if (!blank(data) && !done) {
        r->json = json_loadb(data.p, data.n, PARSE, &error);
        if (!json_is_object(r->json))
            reply_broken(r, "what the model sent is not JSON, or can be read in two ways");
    }
    if (r->state == MODEL_GOING && (done || json_is_object(r->json)))
        t = is_body(r) ? r->format->body(r, r->json) : r->format->take(r, r->json);
    if (r->state == MODEL_BROKEN) {
        unit_done(r);
        return;
    }
    if (t == TAKE_DECIDE && r->nasks > 0) {
        show_intent(r);
        return;
    }
    if (t == TAKE_DECIDE) {
        decided(r, out);
        return;
    }
    if (t == TAKE_PASS && r->hold)
        buf_add(out, raw.p, raw.n);
    if (t == TAKE_PASS)
        r->array_last = 'e';
    unit_done(r);
}

static void found(void *arg, unsigned path, const struct scan_value *v)
{
    struct model_reply *r = arg;

    (void)path;
    r->in_element = v->kind == SCAN_OBJECT;
    r->element_over = v->kind == SCAN_CLOSE;
}

static const struct scan_path elements[] = {{{"[]"}}};

/* What the first byte that says something begins. */
static void find_framing(struct model_reply *r, char c)
{
    if (c == '[' && r->call.api == MODEL_GEMINI) {
        r->framing = FRAMING_ARRAY;
        scan_start(&r->scan, elements, ARRAY_LEN(elements), found, r);
    } else {
        r->framing = c == '{' || c == '[' ? FRAMING_BODY : FRAMING_EVENTS;
    }
    if (r->framing == FRAMING_EVENTS)
        sse_start(&r->sse, MODEL_EVENT_MAX);
    else
        buf_init(&r->unit, MODEL_EVENT_MAX);
}

/* Nothing more is understood: without hold the rest passes as it is. */
static void go_blind(struct model_reply *r)
{
    reply_broken(r, "more at once than is looked at");
    r->framing = FRAMING_BLIND;
}

static size_t feed_events(struct model_reply *r, const char *p, size_t n, struct buf *out)
{
    bool whole, fresh = r->sse.done || r->sse.raw.n == 0;
    size_t took;

    if (fresh)
        r->unit_from = r->at;
    took = sse_feed(&r->sse, p, n, &whole);
    r->at += took;
    if (r->sse.over) {
        if (!r->hold)
            buf_add(out, r->sse.raw.p, r->sse.raw.n);
        r->chars += r->sse.raw.n;
        go_blind(r);
    } else if (whole) {
        unit(r, buf_str(&r->sse.raw), buf_str(&r->sse.data), out);
    }
    return took;
}

/* One byte of an array: what stands between its elements goes on at once. */
static void feed_array(struct model_reply *r, char c, struct buf *out)
{
    bool was_in = r->in_element;

    r->element_over = false;
    if (!scan_feed(&r->scan, &c, 1)) {
        reply_broken(r, "what the model sent is not JSON");
        if (!r->hold) {
            buf_add(out, r->unit.p, r->unit.n);
            buf_add(out, &c, 1);
        }
        r->framing = FRAMING_BLIND;
        return;
    }
    if (!was_in && !r->in_element) {
        buf_add(out, &c, 1);
        if (c == '[' || c == ',' || c == ']')
            r->array_last = c;
        return;
    }
    if (!was_in)
        r->unit_from = r->at - 1;
    buf_add(&r->unit, &c, 1);
    if (r->unit.full) {
        if (!r->hold) {
            buf_add(out, r->unit.p, r->unit.n);
            buf_add(out, &c, 1);
        }
        go_blind(r);
    } else if (r->element_over) {
        unit(r, buf_str(&r->unit), buf_str(&r->unit), out);
    }
}

static void feed_body(struct model_reply *r, const char *p, size_t n, struct buf *out)
{
    if (!r->hold)
        buf_add(out, p, n);
    buf_add(&r->unit, p, n);
    if (r->unit.full) {
        r->chars += r->unit.n + n;
        go_blind(r);
    }
}

static size_t feed_some(struct model_reply *r, const char *p, size_t n, struct buf *out)
{
    switch (r->framing) {
    case FRAMING_EVENTS:
        return feed_events(r, p, n, out);
    case FRAMING_ARRAY:
        r->at++;
        feed_array(r, *p, out);
        return 1;
    case FRAMING_BODY:
        r->at += n;
        feed_body(r, p, n, out);
        return n;
    case FRAMING_BLIND:
        r->at += n;
        r->chars += n;
        buf_add(out, p, n);
        return n;
    case FRAMING_NONE:
        break;
    }
    if (strchr(" \t\r\n", *p) != NULL && *p != '\0') { /* nothing said yet */
        r->at++;
        buf_add(out, p, 1);
        return 1;
    }
    find_framing(r, *p);
    return 0;
}

size_t model_reply_feed(struct model_reply *r, const void *p, size_t n, struct buf *out)
{
    size_t i = 0;

    if (r->over)
        return n;
    while (i < n && r->state == MODEL_GOING)
        i += feed_some(r, (const char *)p + i, n - i, out);
    return r->state == MODEL_BROKEN ? n : i;
}

/* What the end of an answer completes. */
static void last_unit(struct model_reply *r, struct buf *out)
{
    if (r->framing == FRAMING_EVENTS && sse_end(&r->sse)) {
        unit(r, buf_str(&r->sse.raw), buf_str(&r->sse.data), out);
    } else if (r->framing == FRAMING_BODY && r->unit.n > 0) {
        r->unit_from = r->at - r->unit.n;
        unit(r, buf_str(&r->unit), buf_str(&r->unit), out);
    } else if (r->framing == FRAMING_ARRAY && !scan_end(&r->scan)) {
        reply_broken(r, "the answer ends in the middle");
        if (!r->hold)
            buf_add(out, r->unit.p, r->unit.n);
    }
}

void model_reply_end(struct model_reply *r, struct buf *out)
{
    if (!r->ended && r->state == MODEL_GOING && !r->over) {
        r->ended = true;
        last_unit(r, out);
    }
    if (r->state == MODEL_GOING && !r->over && r->framing != FRAMING_BODY) {
        r->over = true; /* tool uses that the stream never finished */
        if (r->framing == FRAMING_EVENTS && r->format->take(r, NULL) == TAKE_DECIDE)
            show_intent(r);
        else if (r->kept != NULL)
            reply_broken(r, "the answer ends in the middle of a tool use");
    }
}

void model_reply_cut(struct model_reply *r, struct str text, struct buf *out)
{
    if (r->over)
        return;
    r->over = true;
    r->state = MODEL_GOING;
    unit_done(r);
    while (r->kept != NULL)
        reply_drop_kept(r, r->kept->block);
    if (r->framing == FRAMING_BODY) {
        if (r->hold)
            model_error(r->call.api, 403, text, out);
        return;
    }
    if (r->framing == FRAMING_NONE)
        r->framing = r->call.api != MODEL_GEMINI || r->call.sse ? FRAMING_EVENTS : FRAMING_ARRAY;
    r->format->cut(r, text.p, text.n, out);
}

struct model_reply *model_reply_new(const struct model_call *call,
                                    const struct model_request *request, bool hold)
{
    struct model_reply *r = xcalloc(1, sizeof(*r));

    assert(formats[call->api] != NULL);
    r->call = *call;
    r->format = formats[call->api];
    r->hold = hold;
    r->open_block = -1;
    r->asked_input = request != NULL ? request->input_tokens : 0;
    r->usage.estimated = true;
    return r;
}

void model_reply_free(struct model_reply *r)
{
    if (r == NULL)
        return;
    unit_done(r);
    while (r->kept != NULL)
        reply_drop_kept(r, r->kept->block);
    for (size_t i = 0; i < r->nuses; i++)
        use_free(r->uses[i]);
    json_decref(r->head);
    json_decref(r->message);
    sse_free(&r->sse);
    buf_free(&r->unit);
    free(r);
}

enum model_state model_reply_state(const struct model_reply *r)
{
    return r->state;
}

const char *model_reply_why(const struct model_reply *r)
{
    return r->why;
}

struct model_usage model_reply_usage(const struct model_reply *r)
{
    struct model_usage u = r->usage;
    int64_t output = (int64_t)(r->chars / 4);

    if (!u.estimated)
        return u;
    if (u.input + u.cache_read + u.cache_write == 0)
        u.input = r->asked_input;
    if (u.output < output)
        u.output = output;
    return u;
}

struct str model_reply_model(const struct model_reply *r)
{
    return str_of(r->model);
}

struct str model_reply_stop(const struct model_reply *r)
{
    return str_of(r->stop);
}
