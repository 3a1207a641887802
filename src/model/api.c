/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "base/mem.h"

#include <string.h>

const char *model_api_name(enum model_api api)
{
    static const char *const names[] = {"",
#define X(sym, name, provider) name,
                                        MODEL_APIS(X)
#undef X
    };

    return names[api];
}

const char *model_api_provider(enum model_api api)
{
    static const char *const providers[] = {"",
#define X(sym, name, provider) provider,
                                            MODEL_APIS(X)
#undef X
    };

    return providers[api];
}

static bool ends(struct str s, const char *end)
{
    size_t n = strlen(end);

    return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* Paths by their end. Longer ends first, where one ends in the other. */
static const struct {
    const char *end;
    enum model_api api;
    enum model_work work;
} paths[] = {
    {"/v1/messages", MODEL_ANTHROPIC, MODEL_WORK_INFER},
    {"/v1/messages/count_tokens", MODEL_ANTHROPIC, MODEL_WORK_NONE},
    {"/v1/messages/batches", MODEL_ANTHROPIC, MODEL_WORK_BULK},
    {"/v1/complete", MODEL_ANTHROPIC, MODEL_WORK_BULK},
    {"/chat/completions", MODEL_CHAT, MODEL_WORK_INFER},
    {"/v1/completions", MODEL_CHAT, MODEL_WORK_BULK},
    {"/v1/batches", MODEL_CHAT, MODEL_WORK_BULK},
    {"/v1/responses", MODEL_RESPONSES, MODEL_WORK_INFER},
    {"/v1/responses/compact", MODEL_RESPONSES, MODEL_WORK_INFER},
    {"/v1/responses/input_tokens", MODEL_RESPONSES, MODEL_WORK_NONE},
    {"/codex/responses", MODEL_RESPONSES, MODEL_WORK_INFER},
    {"/codex/responses/compact", MODEL_RESPONSES, MODEL_WORK_INFER},
    {"/openai/responses", MODEL_RESPONSES, MODEL_WORK_INFER},
};

/* Answers that come over a websocket, which begins with GET. */
static const struct {
    const char *end;
    enum model_api api;
} sockets[] = {
    {"/v1/responses", MODEL_RESPONSES},
    {"/codex/responses", MODEL_RESPONSES},
    {"/openai/responses", MODEL_RESPONSES},
    {"/v1/realtime", MODEL_RESPONSES},
    {"GenerativeService.BidiGenerateContent", MODEL_GEMINI},
};

/* What stands behind the colon of Gemini's paths. */
static const struct {
    const char *method;
    enum model_work work;
    bool streaming;
} methods[] = {
    {"generateContent", MODEL_WORK_INFER, false},
    {"streamGenerateContent", MODEL_WORK_INFER, true},
    {"countTokens", MODEL_WORK_NONE, false},
    {"batchGenerateContent", MODEL_WORK_BULK, false},
    {"rawPredict", MODEL_WORK_BULK, false},
    {"streamRawPredict", MODEL_WORK_BULK, true},
    {"asyncBatchEmbedContent", MODEL_WORK_BULK, false},
};

/* The model's name from `p`, if it can be one. */
static void set_model(struct model_call *c, const char *p, size_t n)
{
    if (n > 0 && n < sizeof(c->model)) {
        memcpy(c->model, p, n);
        c->model[n] = '\0';
    }
}

static bool query_has(struct str query, const char *item)
{
    size_t n = strlen(item);

    for (size_t i = 0; i < query.n;) {
        const char *end = memchr(query.p + i, '&', query.n - i);
        size_t len = end != NULL ? (size_t)(end - query.p) - i : query.n - i;

        if (len == n && memcmp(query.p + i, item, n) == 0)
            return true;
        i += len + 1;
    }
    return false;
}

/* .../models/NAME:METHOD, and the same without a model (v1internal:METHOD, the name in the body).
 */
static bool gemini(struct str path, struct str query, struct model_call *c)
{
    const char *colon = memrchr(path.p, ':', path.n);

    if (colon == NULL)
        return false;
    const struct str method = {colon + 1, (size_t)(path.p + path.n - colon - 1)};
    const char *slash = memrchr(path.p, '/', (size_t)(colon - path.p));

    for (size_t i = 0; i < ARRAY_LEN(methods) && slash != NULL; i++) {
        const struct str before = {path.p, (size_t)(slash - path.p)};
        const struct str name = {slash + 1, (size_t)(colon - slash - 1)};
        bool named = ends(before, "/models") || ends(before, "/tunedModels");

        if (!str_is(method, methods[i].method) || (!named && !str_is(name, "v1internal")))
            continue;
        *c = (struct model_call){.api = MODEL_GEMINI, .work = methods[i].work};
        c->streaming = methods[i].streaming;
        c->sse = c->streaming && (query_has(query, "alt=sse") || query_has(query, "$alt=sse"));
        if (named)
            set_model(c, name.p, name.n);
        return true;
    }
    return false;
}

/* Azure: .../deployments/NAME/chat/completions */
static void deployment(struct str path, const char *end, struct model_call *c)
{
    const struct str before = {path.p, path.n - strlen(end)};
    const char *slash = before.n > 0 ? memrchr(before.p, '/', before.n) : NULL;

    if (slash != NULL && ends((struct str){path.p, (size_t)(slash - path.p)}, "/deployments"))
        set_model(c, slash + 1, (size_t)(before.p + before.n - slash - 1));
}

struct model_call model_recognise(struct str method, struct str path, struct str query)
{
    struct model_call c = {.api = MODEL_NONE};

    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n == 0)
        return c;
    for (size_t i = 0; i < ARRAY_LEN(sockets) && str_is(method, "GET"); i++)
        if (ends(path, sockets[i].end))
            return (struct model_call){.api = sockets[i].api, .work = MODEL_WORK_BULK};
    if (!str_is(method, "POST") || gemini(path, query, &c))
        return c;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (!ends(path, paths[i].end))
            continue;
        c.api = paths[i].api;
        c.work = paths[i].work;
        if (c.api == MODEL_CHAT)
            deployment(path, paths[i].end, &c);
        break;
    }
    return c;
}
