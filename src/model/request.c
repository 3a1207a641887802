/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "base/mem.h"
#include "model/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a wanted place in a body is. */
enum place {
    P_MODEL,
    P_STREAM,
    P_MAX,
    P_TOOL,        /* one element of the tools */
    P_TYPE,        /* its type */
    P_NAME,        /* its name, when the client runs it */
    P_LABEL,       /* its MCP server */
    P_ENVIRONMENT, /* where a shell runs */
    P_CLIENT,      /* the name of a tool that the client runs, for sure */
    P_SERVER,      /* the label of an MCP server */
    P_SEARCH,      /* an object that turns web search on */
    P_KIND,        /* Gemini: the name of a member that stands for a tool */
};

struct spot {
    struct scan_path path;
    enum place place;
};

#define MAX_SPOTS 16

static const struct spot anthropic[] = {
    {{{"model"}}, P_MODEL},
    {{{"stream"}}, P_STREAM},
    {{{"max_tokens"}}, P_MAX},
    {{{"tools", "[]"}}, P_TOOL},
    {{{"tools", "[]", "type"}}, P_TYPE},
    {{{"tools", "[]", "name"}}, P_NAME},
    {{{"mcp_servers", "[]", "name"}}, P_SERVER},
};

static const struct spot chat[] = {
    {{{"model"}}, P_MODEL},
    {{{"stream"}}, P_STREAM},
    {{{"max_tokens"}}, P_MAX},
    {{{"max_completion_tokens"}}, P_MAX},
    {{{"tools", "[]"}}, P_TOOL},
    {{{"tools", "[]", "type"}}, P_TYPE},
    {{{"tools", "[]", "function", "name"}}, P_NAME},
    {{{"tools", "[]", "custom", "name"}}, P_NAME},
    {{{"functions", "[]", "name"}}, P_CLIENT},
    {{{"web_search_options"}}, P_SEARCH},
};

static const struct spot responses[] = {
    {{{"model"}}, P_MODEL},
    {{{"stream"}}, P_STREAM},
    {{{"max_output_tokens"}}, P_MAX},
    {{{"tools", "[]"}}, P_TOOL},
    {{{"tools", "[]", "type"}}, P_TYPE},
    {{{"tools", "[]", "name"}}, P_NAME},
    {{{"tools", "[]", "server_label"}}, P_LABEL},
    {{{"tools", "[]", "environment", "type"}}, P_ENVIRONMENT},
    {{{"tools", "[]", "tools", "[]", "name"}}, P_CLIENT},
};

#define DECLARATIONS "functionDeclarations|function_declarations"
#define GENERATION   "generationConfig|generation_config"
#define MAX_OUTPUT   "maxOutputTokens|max_output_tokens"

static const struct spot gemini[] = {
    {{{"model"}}, P_MODEL},
    {{{GENERATION, MAX_OUTPUT}}, P_MAX},
    {{{"tools", "[]", "*"}}, P_KIND},
    {{{"tools", "[]", DECLARATIONS, "[]", "name"}}, P_CLIENT},
    {{{"tools", "[]", "mcpServers|mcp_servers", "[]", "name"}}, P_SERVER},
    {{{"request", GENERATION, MAX_OUTPUT}}, P_MAX},
    {{{"request", "tools", "[]", "*"}}, P_KIND},
    {{{"request", "tools", "[]", DECLARATIONS, "[]", "name"}}, P_CLIENT},
    {{{"request", "tools", "[]", "mcpServers|mcp_servers", "[]", "name"}}, P_SERVER},
};

static const struct {
    const struct spot *spots;
    unsigned n;
} bodies[] = {
    [MODEL_NONE] = {NULL, 0},
    [MODEL_ANTHROPIC] = {anthropic, ARRAY_LEN(anthropic)},
    [MODEL_CHAT] = {chat, ARRAY_LEN(chat)},
    [MODEL_RESPONSES] = {responses, ARRAY_LEN(responses)},
    [MODEL_GEMINI] = {gemini, ARRAY_LEN(gemini)},
};

/* Types of tools that the client runs, by the beginning of the type's name. What is not named here
 * is taken to run at the provider. */
static const char *const client_types[] = {
    "custom",  "function", "bash_",       "text_editor_", "computer_",
    "memory_", "browser_", "local_shell", "apply_patch",  "computer",
};

/* One thing, many names: what rules are written with. */
static const char *const same[][2] = {
    {"web_search_preview", "web_search"},
    {"googleSearch", "web_search"},
    {"google_search", "web_search"},
    {"googleSearchRetrieval", "web_search"},
    {"google_search_retrieval", "web_search"},
    {"enterpriseWebSearch", "web_search"},
    {"enterprise_web_search", "web_search"},
    {"urlContext", "web_fetch"},
    {"url_context", "web_fetch"},
    {"code_interpreter", "code_execution"},
    {"codeExecution", "code_execution"},
    {"fileSearch", "file_search"},
    {"googleMaps", "google_maps"},
    {"computer_use_preview", "computer"},
};

struct set {
    struct str *items;
    size_t n;
};

struct model_reader {
    struct model_call call;
    struct scan scan;
    struct scan_path paths[MAX_SPOTS];
    const struct spot *spots;
    const char *why;
    bool top; /* the body is an object */
    char type[MODEL_NAME_MAX], name[MODEL_NAME_MAX], label[MODEL_NAME_MAX];
    bool local; /* the tool's shell runs at the client */
    struct arena arena;
    struct set server_tools, tools;
    struct model_request request;
};

static void wrong(struct model_reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
}

static void add(struct model_reader *r, struct set *set, struct str name)
{
    size_t at = 0;

    while (at < set->n) {
        int c =
            memcmp(set->items[at].p, name.p, set->items[at].n < name.n ? set->items[at].n : name.n);

        if (c == 0 && set->items[at].n == name.n)
            return;
        if (c > 0 || (c == 0 && set->items[at].n > name.n))
            break;
        at++;
    }
    if (set->n == MODEL_TOOLS_MAX) {
        r->request.more_tools = true;
        return;
    }
    if (set->items == NULL)
        set->items = xcalloc(MODEL_TOOLS_MAX, sizeof(*set->items));
    memmove(set->items + at + 1, set->items + at, (set->n - at) * sizeof(*set->items));
    set->items[at] = (struct str){arena_strndup(&r->arena, name.p, name.n), name.n};
    set->n++;
}

/* web_search_20250305 and web_search_preview_2025_03_11 without their dates. */
static struct str without_date(struct str s)
{
    size_t n = s.n;

    while (n > 0 && ((s.p[n - 1] >= '0' && s.p[n - 1] <= '9') || s.p[n - 1] == '_'))
        n--;
    return (struct str){s.p, s.n - n >= 9 ? n : s.n};
}

static struct str common_name(struct str s)
{
    s = without_date(s);
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (str_is(s, same[i][0]))
            return str_of(same[i][1]);
    return s;
}

static void add_mcp(struct model_reader *r, const char *label)
{
    char text[MODEL_NAME_MAX + 4];

    snprintf(text, sizeof(text), "mcp:%s", label);
    add(r, &r->server_tools, str_of(text));
}

static bool client_type(const struct model_reader *r)
{
    if (r->type[0] == '\0') /* Anthropic: a tool that needs no type */
        return r->call.api == MODEL_ANTHROPIC;
    if (strcmp(r->type, "shell") == 0)
        return r->local;
    for (size_t i = 0; i < ARRAY_LEN(client_types); i++) {
        size_t n = strlen(client_types[i]);

        if (strncmp(r->type, client_types[i], n) == 0 &&
            (client_types[i][n - 1] == '_' || r->type[n] == '\0'))
            return true;
    }
    return false;
}

/* All of one tool was read. */
static void tool_over(struct model_reader *r)
{
    const struct str type = common_name(str_of(r->type));

    if (client_type(r))
        add(r, &r->tools, r->name[0] != '\0' ? str_of(r->name) : type);
    else if (str_is(type, "mcp"))
        add_mcp(r, r->label);
    else if (!str_is(type, "namespace") && !str_is(type, "mcp_toolset"))
        add(r, &r->server_tools, type.n > 0 ? type : STR("unknown"));
}

/* A name, which may be neither long nor unprintable. */
static void copy_name(struct model_reader *r, char to[MODEL_NAME_MAX], const struct scan_value *v)
{
    bool ok = v->kind == SCAN_STRING && !v->cut && v->text.n < MODEL_NAME_MAX;

    for (size_t i = 0; ok && i < v->text.n; i++)
        ok = (unsigned char)v->text.p[i] >= 0x20 && v->text.p[i] != 0x7f;
    if (v->kind == SCAN_NULL)
        return;
    if (!ok) {
        wrong(r, "the name of a model or a tool is no name");
        return;
    }
    memcpy(to, v->text.p, v->text.n);
    to[v->text.n] = '\0';
}

static void limit(struct model_reader *r, const struct scan_value *v)
{
    char text[24] = "";

    if (v->kind == SCAN_NULL)
        return;
    if (v->kind != SCAN_NUMBER || v->text.n >= sizeof(text)) {
        wrong(r, "the limit of tokens is no number");
        return;
    }
    memcpy(text, v->text.p, v->text.n);
    r->request.max_tokens = strtoll(text, NULL, 10);
}

/* Gemini: members of a tool are tools. */
static void kind(struct model_reader *r, struct str key)
{
    const struct str name = common_name(key);

    if (str_is(name, "functionDeclarations") || str_is(name, "function_declarations") ||
        str_is(name, "mcpServers") || str_is(name, "mcp_servers"))
        return;
    if (str_is(name, "computerUse") || str_is(name, "computer_use"))
        add(r, &r->tools, STR("computer"));
    else
        add(r, &r->server_tools, name);
}

static void begin_tool(struct model_reader *r)
{
    r->type[0] = r->name[0] = r->label[0] = '\0';
    r->local = false;
}

static void server(struct model_reader *r, const struct scan_value *v)
{
    char label[MODEL_NAME_MAX] = "";

    copy_name(r, label, v);
    add_mcp(r, label);
}

static void client(struct model_reader *r, const struct scan_value *v)
{
    char name[MODEL_NAME_MAX] = "";

    copy_name(r, name, v);
    if (name[0] != '\0')
        add(r, &r->tools, str_of(name));
}

static void found(void *arg, unsigned path, const struct scan_value *v)
{
    struct model_reader *r = arg;

    switch (r->spots[path].place) {
    case P_MODEL:
        copy_name(r, r->request.model, v);
        break;
    case P_STREAM:
        if (v->kind != SCAN_TRUE && v->kind != SCAN_FALSE && v->kind != SCAN_NULL)
            wrong(r, "\"stream\" is neither true nor false");
        r->request.streaming = v->kind == SCAN_TRUE;
        break;
    case P_MAX:
        limit(r, v);
        break;
    case P_TOOL:
        if (v->kind == SCAN_CLOSE)
            tool_over(r);
        else if (v->kind == SCAN_OBJECT)
            begin_tool(r);
        else
            wrong(r, "a tool is no object");
        break;
    case P_TYPE:
        copy_name(r, r->type, v);
        break;
    case P_NAME:
        copy_name(r, r->name, v);
        break;
    case P_LABEL:
        copy_name(r, r->label, v);
        break;
    case P_ENVIRONMENT:
        r->local = v->kind == SCAN_STRING && str_is(v->text, "local");
        break;
    case P_CLIENT:
        client(r, v);
        break;
    case P_SERVER:
        server(r, v);
        break;
    case P_SEARCH:
        if (v->kind != SCAN_NULL)
            add(r, &r->server_tools, STR("web_search"));
        break;
    case P_KIND:
        kind(r, v->text);
        break;
    }
}

struct model_reader *model_reader_new(const struct model_call *call)
{
    struct model_reader *r = xcalloc(1, sizeof(*r));
    unsigned n = bodies[call->api].n;

    r->call = *call;
    r->spots = bodies[call->api].spots;
    for (unsigned i = 0; i < n; i++)
        r->paths[i] = r->spots[i].path;
    scan_start(&r->scan, r->paths, n, found, r);
    return r;
}

void model_reader_free(struct model_reader *r)
{
    if (r == NULL)
        return;
    arena_release(&r->arena);
    free(r->tools.items);
    free(r->server_tools.items);
    free(r);
}

bool model_reader_feed(struct model_reader *r, const void *p, size_t n)
{
    if (!r->top && r->why == NULL)
        for (size_t i = 0; i < n && !r->top && r->why == NULL; i++) {
            char c = ((const char *)p)[i];

            r->top = c == '{';
            if (!r->top && strchr(" \t\r\n", c) == NULL)
                wrong(r, "the body is no JSON object");
        }
    if (!scan_feed(&r->scan, p, n))
        wrong(r, r->scan.why);
    return r->why == NULL;
}

bool model_reader_end(struct model_reader *r)
{
    struct model_request *q = &r->request;

    if (!scan_end(&r->scan))
        wrong(r, r->scan.why);
    if (r->call.model[0] != '\0')
        memcpy(q->model, r->call.model, sizeof(q->model));
    else if (r->call.api == MODEL_GEMINI && strncmp(q->model, "models/", 7) == 0)
        memmove(q->model, q->model + 7, strlen(q->model + 7) + 1);
    if (q->model[0] == '\0')
        wrong(r, "the request names no model");
    if (r->call.api == MODEL_GEMINI)
        q->streaming = r->call.streaming;
    q->input_tokens = (int64_t)(r->scan.chars / 4 + 1);
    q->server_tools = r->server_tools.items;
    q->nserver_tools = r->server_tools.n;
    q->tools = r->tools.items;
    q->ntools = r->tools.n;
    return r->why == NULL;
}

const char *model_reader_why(const struct model_reader *r)
{
    return r->why;
}

const struct model_request *model_reader_request(const struct model_reader *r)
{
    return &r->request;
}
