/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/inference.h"

#include "base/mem.h"
#include "gate/infer.h"
#include "gate/name.h"
#include "http/target.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 4 * HTTP_TARGET_MAX, TOOLS_ROOM = 64 * 1024, ARGS_MAX = 96 * 1024 };

struct model_call inference_call(const struct http_head *request)
{
    AUTO_BUF struct buf exact = {0}, folded = {0};
    const struct str target = request->target;
    const char *query = memchr(target.p, '?', target.n), *why;
    struct str rest = {"", 0};
    struct model_call c = {.api = MODEL_NONE};

    buf_init(&exact, PATH_ROOM);
    buf_init(&folded, PATH_ROOM);
    if (query != NULL)
        rest = (struct str){query + 1, target.n - (size_t)(query + 1 - target.p)};
    if (!http_path_canonical(target, &exact, &folded, &why))
        return c;
    c = model_recognise(request->method, buf_str(&exact), rest);
    return c.api != MODEL_NONE ? c : model_recognise(request->method, buf_str(&folded), rest);
}

const char *infer_socket(const struct http_head *request)
{
    return request->websocket && inference_call(request).api != MODEL_NONE
               ? "what is said to a model over a websocket cannot be judged; use HTTP"
               : NULL;
}

static struct inferences *inferences_of(struct gate *g)
{
    struct err e;

    if (g->inferences != NULL)
        return g->inferences;
    g->inferences = xcalloc(1, sizeof(*g->inferences));
    /* belay.yaml was checked when it was read, and the table is belay's own */
    bool ok =
        (g->prices == NULL || price_add(&g->inferences->prices, str_of(g->prices), "prices", &e)) &&
        price_add_shipped(&g->inferences->prices, &e);

    assert(ok);
    return g->inferences;
}

struct inference *inference_new(const struct filter_context *c, const struct model_call *call)
{
    struct inferences *all = inferences_of(c->gate);
    struct inference *i = xcalloc(1, sizeof(*i));

    i->gate = c->gate;
    i->request = c->event;
    i->users = 1;
    i->call = *call;
    if (call->work == MODEL_WORK_INFER)
        i->reader = model_reader_new(call);
    i->next = all->first;
    all->first = i;
    return i;
}

struct inference *inference_find(const struct filter_context *c)
{
    struct inference *i = c->gate->inferences != NULL ? c->gate->inferences->first : NULL;

    while (i != NULL && i->request != c->event)
        i = i->next;
    if (i != NULL)
        i->users++;
    return i;
}

void inference_release(struct inference *i)
{
    struct inference **at = &i->gate->inferences->first;

    if (--i->users > 0)
        return;
    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    model_reader_free(i->reader);
    free(i);
}

/* Whose host it is; one that is nobody's is its own provider. */
static struct str provider_of(struct str host)
{
    static const char *const hosts[][2] = {
#define PROVIDER(name, host) {host, name},
#include "policy/provider.def"
#undef PROVIDER
    };

    for (size_t k = 0; k < ARRAY_LEN(hosts); k++)
        if (str_is(host, hosts[k][0]))
            return str_of(hosts[k][1]);
    return host;
}

void inference_name(struct inference *i, struct str host, struct str model)
{
    const struct price_table *t = &inferences_of(i->gate)->prices;
    const struct str provider = provider_of(host);
    char own[NAME_TEXT_MAX + 1];
    bool known;

    assert(provider.n < sizeof(own) && model.n < MODEL_NAME_MAX);
    memcpy(own, provider.p, provider.n);
    own[provider.n] = '\0';
    i->provider = provider.n;
    memcpy(i->name, own, provider.n);
    i->name[provider.n] = '/';
    memcpy(i->name + provider.n + 1, model.p, model.n);
    i->name[provider.n + 1 + model.n] = '\0';
    i->price = price_of(t, own, model, &known);
    if (!known) /* behind a gateway a model costs as at home */
        i->price = price_of(t, model_api_provider(i->call.api), model, NULL);
}

uint32_t inference_ask(struct inference *i, const char *op, ask_fn *fn, void *arg)
{
    const struct model_request *q = i->reader != NULL ? model_reader_request(i->reader) : NULL;
    AUTO_BUF struct buf tools = {0};
    struct action a;

    buf_init(&tools, TOOLS_ROOM);
    for (size_t k = 0; q != NULL && k < q->nserver_tools; k++)
        action_list_add(&tools, q->server_tools[k]);
    action_init(&a, VERB_INFER, RESOURCE_MODEL, str_of(i->name));
    a.cause = i->request;
    action_str(&a, FIELD_OP, str_of(op));
    action_list(&a, FIELD_TOOLS, buf_str(&tools));
    action_int(&a, FIELD_STREAMING, q != NULL && q->streaming);
    return gate_ask(i->gate->asker, &a, fn, arg);
}

/* What a client's tool is called in rules: mcp__S__T is a tool of the server S. */
static void add_client_tool(struct buf *b, struct str name)
{
    static const char prefix[] = "mcp__";
    const size_t n = sizeof(prefix) - 1;
    const char *end =
        str_starts(name, prefix) && name.n > n ? memmem(name.p + n, name.n - n, "__", 2) : NULL;
    const struct str server = {name.p + n, end != NULL ? (size_t)(end - name.p) - n : 0};

    if (server.n == 0 || str_is(server, "agent") || memchr(server.p, '/', server.n) != NULL) {
        buf_puts(b, "agent/");
        buf_add(b, name.p, name.n);
        return;
    }
    buf_add(b, server.p, server.n);
    buf_puts(b, "/");
    buf_add(b, end + 2, name.n - (size_t)(end + 2 - name.p));
}

uint32_t inference_ask_call(struct inference *i, const struct model_intent *intent, ask_fn *fn,
                            void *arg)
{
    struct str args = intent->arguments;
    AUTO_BUF struct buf tool = {0};
    struct action a;

    buf_init(&tool, ACTION_RESOURCE_MAX);
    if (intent->server.n > 0)
        buf_printf(&tool, "%.*s/%.*s", (int)intent->server.n, intent->server.p, (int)intent->name.n,
                   intent->name.p);
    else if (intent->by_provider)
        buf_printf(&tool, "%.*s/%.*s", (int)i->provider, i->name, (int)intent->name.n,
                   intent->name.p);
    else
        add_client_tool(&tool, intent->name);
    if (args.n > ARGS_MAX)
        args.n = ARGS_MAX;
    action_init(&a, VERB_CALL, RESOURCE_TOOL, buf_str(&tool));
    a.cause = i->event;
    action_str(&a, FIELD_OP, STR("intent"));
    action_str(&a, FIELD_ARGUMENTS, args);
    return gate_ask(i->gate->asker, &a, fn, arg);
}

/* Takes the amount up to `now` out of what is still to be told. */
static uint64_t since(int64_t *noted, int64_t now)
{
    uint64_t more = now > *noted ? (uint64_t)now - (uint64_t)*noted : 0;

    if (more > 0)
        *noted = now;
    return more;
}

void inference_note(struct inference *i, const struct model_usage *u)
{
    struct note n = {
        .id = i->id, .event = i->event, .kind = "usage", .text = i->name, .metered = true};

    n.input = since(&i->noted.input, u->input + u->cache_write);
    n.cached = since(&i->noted.cached, u->cache_read);
    n.output = since(&i->noted.output, u->output);
    n.microcents = since(&i->noted.cost, price_cost(&i->price, u));
    if (n.input + n.cached + n.output + n.microcents > 0)
        gate_note(i->gate->asker, &n);
}

struct filter *infer_filter(const struct filter_context *c)
{
    struct model_call call;
    struct inference *i;

    if (c->way == FILTER_DOWN) {
        i = inference_find(c);
        return i != NULL ? infer_down(c, i) : NULL;
    }
    call = inference_call(c->request);
    if (call.work == MODEL_WORK_NONE)
        return NULL;
    return infer_up(c, inference_new(c, &call));
}
