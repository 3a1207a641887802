/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "unit.h"

#include <stdint.h>

static struct model_call recognise(const char *method, const char *path, const char *query)
{
    return model_recognise(str_of(method), str_of(path), str_of(query));
}

static bool is(const char *method, const char *path, enum model_api api, enum model_work work)
{
    struct model_call c = recognise(method, path, "");

    return c.api == api && c.work == work;
}

TEST(recognised)
{
    CHECK(is("POST", "/v1/messages", MODEL_ANTHROPIC, MODEL_WORK_INFER));
    CHECK(is("POST", "/proxy/v1/messages/", MODEL_ANTHROPIC, MODEL_WORK_INFER));
    CHECK(is("POST", "/v1/messages/count_tokens", MODEL_ANTHROPIC, MODEL_WORK_NONE));
    CHECK(is("POST", "/v1/messages/batches", MODEL_ANTHROPIC, MODEL_WORK_BULK));
    CHECK(is("POST", "/v1/chat/completions", MODEL_CHAT, MODEL_WORK_INFER));
    CHECK(is("POST", "/api/v1/chat/completions", MODEL_CHAT, MODEL_WORK_INFER));
    CHECK(is("POST", "/v1beta/openai/chat/completions", MODEL_CHAT, MODEL_WORK_INFER));
    CHECK(is("POST", "/v1/responses", MODEL_RESPONSES, MODEL_WORK_INFER));
    CHECK(is("POST", "/backend-api/codex/responses", MODEL_RESPONSES, MODEL_WORK_INFER));
    CHECK(is("POST", "/v1/responses/input_tokens", MODEL_RESPONSES, MODEL_WORK_NONE));
    CHECK(is("GET", "/v1/responses", MODEL_RESPONSES, MODEL_WORK_BULK));
    CHECK(is("GET", "/v1/messages", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "/v1/models", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "/xv1/messages", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "/", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "/a:generateContent", MODEL_NONE, MODEL_WORK_NONE));
    CHECK(is("POST", "/v1beta/models/g:countTokens", MODEL_GEMINI, MODEL_WORK_NONE));
    CHECK(is("POST", "/v1beta/models/g:batchGenerateContent", MODEL_GEMINI, MODEL_WORK_BULK));
}

TEST(model_in_path)
{
    struct model_call c =
        recognise("POST", "/v1beta/models/gemini-2.5-pro:generateContent", "key=x");

    CHECK(c.api == MODEL_GEMINI && c.work == MODEL_WORK_INFER && !c.streaming);
    CHECK_STR(c.model, "gemini-2.5-pro");
    c = recognise("POST", "/v1beta/models/g:streamGenerateContent", "key=x&alt=sse");
    CHECK(c.streaming && c.sse);
    c = recognise("POST", "/v1beta/models/g:streamGenerateContent", "malt=sse");
    CHECK(c.streaming && !c.sse);
    c = recognise("POST", "/v1internal:streamGenerateContent", "alt=sse");
    CHECK(c.api == MODEL_GEMINI && c.streaming);
    CHECK_STR(c.model, "");
    c = recognise("POST", "/openai/deployments/my-gpt/chat/completions", "api-version=1");
    CHECK_STR(c.model, "my-gpt");
}

static char text[4096];

static void list(const char *name, const struct str *items, size_t n)
{
    size_t at = strlen(text);

    at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", name);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%c%.*s", i == 0 ? '=' : ',',
                               (int)items[i].n, items[i].p);
}

/* What a body asks for, in words; or why it cannot be read. */
static const char *reads_in(const struct model_call *call, const char *body, size_t piece)
{
    struct model_reader *r = model_reader_new(call);
    size_t n = strlen(body);
    bool ok = true;

    for (size_t i = 0; i < n && ok; i += piece)
        ok = model_reader_feed(r, body + i, n - i < piece ? n - i : piece);
    if (ok && model_reader_end(r)) {
        const struct model_request *q = model_reader_request(r);

        snprintf(text, sizeof(text), "%s%s max=%lld", q->model, q->streaming ? " stream" : "",
                 (long long)q->max_tokens);
        list("server", q->server_tools, q->nserver_tools);
        list("client", q->tools, q->ntools);
    } else {
        snprintf(text, sizeof(text), "no: %s", model_reader_why(r));
    }
    model_reader_free(r);
    return text;
}

static const char *reads(enum model_api api, const char *body)
{
    const struct model_call call = {.api = api, .work = MODEL_WORK_INFER};
    char first[4096];

    snprintf(first, sizeof(first), "%s", reads_in(&call, body, SIZE_MAX / 2));
    return strcmp(first, reads_in(&call, body, 1)) == 0 ? text : "pieces matter";
}

TEST(bodies)
{
    CHECK_STR(
        reads(MODEL_ANTHROPIC,
              "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":1024,\"stream\":true,"
              "\"messages\":[{\"role\":\"user\",\"content\":\"\\\"model\\\":\\\"x\\\"\"}],"
              "\"tools\":[{\"name\":\"Bash\",\"input_schema\":{\"type\":\"object\","
              "\"properties\":{\"type\":{\"type\":\"string\"}}}},"
              "{\"type\":\"bash_20250124\",\"name\":\"bash\"},"
              "{\"name\":\"web_search\",\"type\":\"web_search_20250305\",\"max_uses\":5},"
              "{\"type\":\"code_execution_20250825\",\"name\":\"code_execution\"},"
              "{\"type\":\"brand_new\",\"name\":\"x\"},{\"type\":null,\"name\":\"Read\"}],"
              "\"mcp_servers\":[{\"type\":\"url\",\"url\":\"https://x\",\"name\":\"forum\"}]}"),
        "claude-sonnet-4-5 stream max=1024 "
        "server=brand_new,code_execution,mcp:forum,web_search client=Bash,Read,bash");
    CHECK_STR(reads(MODEL_CHAT,
                    "{\"model\":\"gpt-5\",\"max_completion_tokens\":10,\"stream\":false,"
                    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                    "{\"type\":\"custom\",\"custom\":{\"name\":\"g\"}}],"
                    "\"web_search_options\":{},\"functions\":[{\"name\":\"old\"}]}"),
              "gpt-5 max=10 server=web_search client=f,g,old");
    CHECK_STR(reads(MODEL_RESPONSES,
                    "{\"model\":\"gpt-5-codex\",\"stream\":true,\"input\":[],\"tools\":["
                    "{\"type\":\"function\",\"name\":\"exec_command\"},"
                    "{\"type\":\"custom\",\"name\":\"apply_patch\"},{\"type\":\"local_shell\"},"
                    "{\"type\":\"web_search_preview_2025_03_11\"},{\"type\":\"file_search\"},"
                    "{\"type\":\"code_interpreter\"},{\"type\":\"mcp\",\"server_label\":\"gmail\"},"
                    "{\"type\":\"shell\",\"environment\":{\"type\":\"container_auto\"}},"
                    "{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"name\":\"inner\"}]}]}"),
              "gpt-5-codex stream max=0 "
              "server=code_execution,file_search,mcp:gmail,shell,web_search "
              "client=apply_patch,exec_command,inner,local_shell");
}

TEST(gemini)
{
    const struct model_call path = {.api = MODEL_GEMINI,
                                    .work = MODEL_WORK_INFER,
                                    .model = "gemini-2.5-pro",
                                    .streaming = true};

    CHECK_STR(reads_in(&path,
                       "{\"contents\":[],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]},"
                       "{\"googleSearch\":{}},{\"code_execution\":{}},{\"urlContext\":{}},"
                       "{\"computerUse\":{}},{\"newThing\":{}}],"
                       "\"generationConfig\":{\"maxOutputTokens\":5}}",
                       3),
              "gemini-2.5-pro stream max=5 server=code_execution,newThing,web_fetch,web_search "
              "client=computer,f");
    CHECK_STR(reads(MODEL_GEMINI, "{\"model\":\"models/gemini-3-pro\",\"request\":{\"tools\":["
                                  "{\"functionDeclarations\":[{\"name\":\"f\"}]}]}}"),
              "gemini-3-pro max=0 server client=f");
}

TEST(refused)
{
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\",\"model\":\"b\"}"),
                 "no: a member stands twice"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\",\"Model\":\"b\"}"), "no: a name differs"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":[\"a\"]}"), "is no name"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"stream\":true}"), "names no model"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":5}"), "is no name"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\\u0007\"}"), "is no name"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\",\"stream\":\"true\"}"), "neither true"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\",\"tools\":[\"x\"]}"), "no object"));
    CHECK(strstr(reads(MODEL_CHAT, "[{\"model\":\"a\"}]"), "no JSON object"));
    CHECK(strstr(reads(MODEL_CHAT, "{\"model\":\"a\"} {}"), "something follows"));
    CHECK(strstr(reads(MODEL_CHAT, "\x1f\x8b"), "no JSON object"));
}

TEST(long_bodies)
{
    const struct model_call call = {.api = MODEL_ANTHROPIC, .work = MODEL_WORK_INFER};
    static const char head[] = "{\"messages\":[{\"content\":\"", tail[] = "\"}],\"model\":\"m\"}";
    static char piece[65536];
    struct model_reader *r = model_reader_new(&call);

    memset(piece, 'x', sizeof(piece));
    CHECK(model_reader_feed(r, head, sizeof(head) - 1));
    for (int i = 0; i < 64; i++)
        CHECK(model_reader_feed(r, piece, sizeof(piece)));
    CHECK(model_reader_feed(r, tail, sizeof(tail) - 1) && model_reader_end(r));
    CHECK_STR(model_reader_request(r)->model, "m");
    CHECK_INT(model_reader_request(r)->input_tokens / 1000, 4194304 / 4 / 1000);
    model_reader_free(r);
}

TEST(many_tools)
{
    static char body[64 * 1024];
    const struct model_call call = {.api = MODEL_ANTHROPIC, .work = MODEL_WORK_INFER};
    struct model_reader *r = model_reader_new(&call);
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"model\":\"m\",\"tools\":[");

    for (int i = 0; i <= MODEL_TOOLS_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n, "%s{\"name\":\"tool%d\"}",
                              i > 0 ? "," : "", i);
    n += (size_t)snprintf(body + n, sizeof(body) - n, "]}");
    CHECK(model_reader_feed(r, body, n) && model_reader_end(r));
    CHECK_INT(model_reader_request(r)->ntools, MODEL_TOOLS_MAX);
    CHECK(model_reader_request(r)->more_tools);
    model_reader_free(r);
}

UNIT_MAIN(UNIT(recognised), UNIT(model_in_path), UNIT(bodies), UNIT(gemini), UNIT(refused),
          UNIT(long_bodies), UNIT(many_tools))
