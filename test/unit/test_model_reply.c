/* SPDX-License-Identifier: Apache-2.0 */
#include "model_world.h"

#include "unit.h"

static const struct sample {
    const char *name;
    enum model_api api;
    const char *text;
    const char *told; /* all tool uses */
    bool stream;
} samples[] = {
    {"anthropic stream", MODEL_ANTHROPIC, A_STREAM,
     "toolu_1:Bash@({\"command\":\"rm -rf /\"});toolu_2:Read@({\"file_path\":\"/a\"});", true},
    {"anthropic body", MODEL_ANTHROPIC, A_BODY,
     "toolu_1:Bash@({\"command\":\"rm -rf /\"});toolu_2:Read@({\"file_path\":\"/a\"});", false},
    {"chat stream", MODEL_CHAT, C_STREAM,
     "call_1:Bash@({\"command\":\"rm -rf /\"});call_2:Read@({\"file_path\":\"/a\"});", true},
    {"chat body", MODEL_CHAT, C_BODY,
     "call_1:Bash@({\"command\":\"rm -rf /\"});call_2:Read@({\"file_path\":\"/a\"});", false},
    {"responses stream", MODEL_RESPONSES, R_STREAM,
     "call_1:Bash@({\"command\":\"rm -rf /\"});call_2:Read@({\"file_path\":\"/a\"});", true},
    {"responses body", MODEL_RESPONSES, R_BODY,
     "call_1:Bash@({\"command\":\"rm -rf /\"});call_2:Read@({\"file_path\":\"/a\"});", false},
    {"gemini stream", MODEL_GEMINI, G_STREAM,
     ":Bash@({\"command\":\"rm -rf /\"});:Read@({\"file_path\":\"/a\"});", true},
    {"gemini array", MODEL_GEMINI, G_ARRAY,
     ":Bash@({\"command\":\"rm -rf /\"});:Read@({\"file_path\":\"/a\"});", true},
    {"gemini body", MODEL_GEMINI, G_BODY,
     ":Bash@({\"command\":\"rm -rf /\"});:Read@({\"file_path\":\"/a\"});", false},
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static struct run run_sample(const struct sample *s, size_t piece, bool hold, const char *refuse)
{
    const struct model_call call = call_of(s->api);

    return run_reply(&call, s->text, strlen(s->text), piece, hold, refuse);
}

static bool ok(const struct sample *s, const char *what, bool is)
{
    if (!is)
        printf("# %s: %s\n", s->name, what);
    return is;
}

/* Nothing refused: all bytes go on as they came, in whatever pieces; all is told. */
TEST(untouched)
{
    for (size_t i = 0; i < NSAMPLES; i++) {
        const struct sample *s = &samples[i];

        for (size_t piece = 1; piece < 700; piece += piece < 20 ? 1 : 97) {
            for (int hold = 0; hold < 2; hold++) {
                struct run r = run_sample(s, piece, hold != 0, "");
                bool good = ok(s, "bytes", strcmp(r.out, s->text) == 0) &&
                            ok(s, r.told, strcmp(r.told, s->told) == 0) &&
                            ok(s, "state", r.state == MODEL_GOING);

                run_free(&r);
                CHECK(good);
            }
        }
    }
}

TEST(usage)
{
    for (size_t i = 0; i < NSAMPLES; i++) {
        const struct sample *s = &samples[i];
        struct run r = run_sample(s, 50, true, "");
        struct model_usage u = r.usage;
        bool anthropic = s->api == MODEL_ANTHROPIC;

        run_free(&r);
        CHECK(ok(s, "model",
                 strcmp(r.model, anthropic                ? "claude-sonnet-4-5"
                                 : s->api == MODEL_GEMINI ? "gemini-2.5-pro"
                                                          : "gpt-5") == 0));
        CHECK(ok(s, "input", u.input == 25 && u.cache_read == 2000));
        CHECK(ok(s, "written", u.cache_write == (anthropic ? 100 : 0)));
        CHECK(ok(s, "output", u.output == 89 && u.reasoning == (anthropic ? 0 : 9)));
        CHECK(ok(s, "final", !u.estimated));
    }
}

/* The one that is refused is gone and explained; the other, and all text, is there. */
static bool refuses_well(const struct sample *s, const char *refuse, const char *left)
{
    const struct model_call call = call_of(s->api);
    struct run r = run_sample(s, 1, true, refuse), whole = run_sample(s, 1 << 20, true, refuse);
    struct run again = run_reply(&call, r.out, r.nout, 64, true, "");
    bool good =
        ok(s, "chunks matter", strcmp(r.out, whole.out) == 0) &&
        ok(s, "told", strcmp(r.told, s->told) == 0) &&
        ok(s, again.told, strcmp(again.told, left) == 0) &&
        /* a chunk of text overtakes the calls of a chat */
        ok(s, "unchanged when read again", strcmp(again.out, r.out) == 0 || s->api == MODEL_CHAT) &&
        ok(s, "no explanation", strstr(r.out, "Refused: \\\"no-rm\\\".") != NULL) &&
        ok(s, "text lost", strstr(r.out, "Hi.") != NULL) &&
        ok(s, "usage", again.usage.output == 89 && !again.usage.estimated);

    if (good && left[0] == '\0' && s->api == MODEL_ANTHROPIC)
        good = ok(s, again.stop, strcmp(again.stop, "end_turn") == 0);
    if (good && left[0] == '\0' && s->api == MODEL_CHAT)
        good = ok(s, again.stop, strcmp(again.stop, "stop") == 0);
    if (!good)
        printf("# %s\n", r.out);
    run_free(&r);
    run_free(&whole);
    run_free(&again);
    return good;
}

TEST(refused)
{
    for (size_t i = 0; i < NSAMPLES; i++) {
        const struct sample *s = &samples[i];
        char first[256], *second;

        snprintf(first, sizeof(first), "%s", s->told);
        second = strchr(first, ';') + 1;
        CHECK(refuses_well(s, "Bash", second));
        *second = '\0';
        CHECK(refuses_well(s, "Read", first));
        CHECK(refuses_well(s, "Bash,Read", ""));
    }
}

/* Text goes on at once, whole event by whole event, while a tool use is kept back. */
TEST(undelayed)
{
    for (size_t i = 0; i < NSAMPLES; i++) {
        const struct sample *s = &samples[i];
        struct run r = run_sample(s, 1, true, "");
        uint64_t from = r.held_at;
        size_t passed = r.passed_then;

        run_free(&r);
        if (s->stream)
            CHECK(ok(s, "the text before", passed == from && from > 0));
        else
            CHECK_INT(passed, 0);
    }
}

static struct run run_text(enum model_api api, const char *text, bool hold, const char *refuse)
{
    const struct model_call call = call_of(api);

    return run_reply(&call, text, strlen(text), 33, hold, refuse);
}

static bool breaks(enum model_api api, const char *text, const char *why)
{
    struct run r = run_text(api, text, true, "");
    struct run open = run_text(api, text, false, "");
    bool good = r.state == MODEL_BROKEN && strstr(r.why, why) != NULL &&
                open.state == MODEL_GOING && strcmp(open.out, text) == 0 &&
                strncmp(r.out, text, r.nout) == 0;

    if (!good)
        printf("# %d %s: %s\n", r.state, r.why != NULL ? r.why : "", r.out);
    run_free(&r);
    run_free(&open);
    return good;
}

#define R_ADDED                         \
    EVENT("response.output_item.added", \
          "\"output_index\":1,\"item\":" R_ITEM("call_1", "Bash", "", "in_progress"))
#define R_DELTA \
    EVENT("response.function_call_arguments.delta", "\"output_index\":1,\"delta\":\"{}\"")

/* What cannot be understood stops when tool uses are held, and passes when not. */
TEST(broken)
{
    CHECK(breaks(MODEL_ANTHROPIC, A_START "data: {\"type\":\n\n", "not JSON"));
    CHECK(breaks(MODEL_ANTHROPIC, "data: {\"type\":\"a\",\"type\":\"b\"}\n\n", "two ways"));
    CHECK(breaks(MODEL_ANTHROPIC,
                 A_START EVENT("content_block_start",
                               "\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
                               "\"name\":\"Bash\",\"input\":{\"command\":\"true\"}}")
                     EVENT("content_block_delta",
                           "\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
                           "\"partial_json\":\"{}\"}"),
                 "twice"));
    CHECK(breaks(MODEL_ANTHROPIC,
                 A_START EVENT("content_block_start",
                               "\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
                               "\"name\":\"Bash\",\"input\":{}}") A_TEXT,
                 "overlap"));
    CHECK(breaks(MODEL_ANTHROPIC,
                 A_START EVENT("content_block_start",
                               "\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
                               "\"name\":\"Bash\",\"input\":{}}"),
                 "in the middle"));
    CHECK(breaks(MODEL_RESPONSES,
                 R_START R_ADDED R_DELTA EVENT(
                     "response.output_item.done",
                     "\"output_index\":1,\"item\":" R_ITEM("call_1", "Bash", "{ }", "completed")),
                 "differ"));
    CHECK(breaks(MODEL_RESPONSES,
                 R_START R_ADDED EVENT("response.output_item.done",
                                       "\"output_index\":1,\"item\":" R_TEXT_ITEM),
                 "another"));
    CHECK(breaks(MODEL_GEMINI, "[{\"candidates\":[}]", "not JSON"));
    CHECK(breaks(MODEL_CHAT, "{\"choices\":[", "not JSON"));
}

/* What agents' own clients and gateways do. */
TEST(unusual)
{
    /* no output_item.added, as small servers do; a call that only the last event names */
    struct run r = run_text(
        MODEL_RESPONSES,
        R_START EVENT("response.output_item.done",
                      "\"item\":" R_ITEM("call_1", "Bash", R_BASH_ARGS1 R_BASH_ARGS2, "completed"))
            R_END,
        true, "Bash,Read");

    CHECK(strstr(r.out, "function_call") == NULL);
    CHECK_STR(r.told, samples[4].told);
    run_free(&r);
    /* tool uses of the provider: its result goes with it */
    r = run_text(MODEL_ANTHROPIC,
                 A_START EVENT("content_block_start",
                               "\"index\":0,\"content_block\":{\"type\":\"server_tool_use\",\"id\":"
                               "\"srv_1\",\"name\":\"web_search\",\"input\":{\"query\":\"x\"}}")
                     EVENT("content_block_stop", "\"index\":0")
                         EVENT("content_block_start",
                               "\"index\":1,\"content_block\":{\"type\":\"web_search_tool_result\","
                               "\"tool_use_id\":\"srv_1\",\"content\":[]}")
                             EVENT("content_block_stop", "\"index\":1") A_END("end_turn"),
                 true, "web_search");
    CHECK_STR(r.told, "srv_1:web_search@({\"query\":\"x\"})p;");
    CHECK(strstr(r.out, "srv_1") == NULL && strstr(r.out, "\"index\":1") != NULL);
    run_free(&r);
    r = run_text(MODEL_ANTHROPIC,
                 A_START EVENT("content_block_start",
                               "\"index\":0,\"content_block\":{\"type\":\"mcp_tool_use\",\"id\":"
                               "\"m\",\"name\":\"post\",\"server_name\":\"forum\",\"input\":{}}")
                     EVENT("content_block_stop", "\"index\":0") A_END("end_turn"),
                 true, "");
    CHECK_STR(r.told, "m:post@forum({})p;");
    run_free(&r);
    /* the one function call of old; no finish before the end */
    r = run_text(MODEL_CHAT,
                 C_HEAD("\"function_call\":{\"name\":\"Bash\",\"arguments\":\"{\"}", "null")
                     C_HEAD("\"function_call\":{\"arguments\":\"}\"}", "null") "data: [DONE]\n\n",
                 true, "Bash");
    CHECK_STR(r.told, ":Bash@({});");
    CHECK(strstr(r.out, "function_call") == NULL && strstr(r.out, "[DONE]") != NULL);
    run_free(&r);
    r = run_text(MODEL_RESPONSES,
                 R_START EVENT("response.output_item.done",
                               "\"output_index\":0,\"item\":{\"type\":\"custom_tool_call\",\"id\":"
                               "\"i\",\"call_id\":\"c\",\"name\":\"apply_patch\",\"input\":\"*** "
                               "Begin\"}") EVENT("response.output_item.done",
                                                 "\"output_index\":1,\"item\":{\"type\":"
                                                 "\"local_shell_call\",\"id\":\"i\",\"call_id\":"
                                                 "\"d\",\"action\":{\"command\":[\"ls\"]}}"),
                 true, "");
    CHECK_STR(r.told, "c:apply_patch@(*** Begin)t;d:local_shell@({\"command\":[\"ls\"]});");
    run_free(&r);
    r = run_text(
        MODEL_GEMINI,
        "data: " G_UNIT("{\"functionCall\":{\"name\":\"Bash\",\"partialArgs\":[{\"jsonPath\":"
                        "\"$.command\",\"stringValue\":\"rm\"}],\"willContinue\":true}}",
                        "") "\n\ndata: " G_UNIT("{\"functionCall\":{\"partialArgs\":[{"
                                                "\"jsonPath\":\"$.command\",\"stringValue\":"
                                                "\" /\"}]}}",
                                                G_STOP) "\n\n",
        true, "Bash");
    CHECK_STR(r.told,
              ":Bash@({\"partialArgs\":[[{\"jsonPath\":\"$.command\",\"stringValue\":\"rm\"}],"
              "[{\"jsonPath\":\"$.command\",\"stringValue\":\" /\"}]]});");
    CHECK(strstr(r.out, "functionCall") == NULL);
    run_free(&r);
    r = run_text(MODEL_GEMINI, "data: {\"response\":" G_UNIT(G_BASH, G_STOP) "}\n\n", true, "Bash");
    CHECK(strstr(r.out, "functionCall") == NULL && strstr(r.out, "\"response\"") != NULL);
    run_free(&r);
}

TEST(malformed_arguments)
{
    struct run r = run_text(
        MODEL_CHAT, C_TEXT C_CALL("0", "c", "Bash", "{\\\"a\\\":", "1") C_END("x"), true, "");

    CHECK_STR(r.told, "c:Bash@({\"a\":1)m;");
    run_free(&r);
    r = run_text(MODEL_CHAT,
                 C_TEXT C_CALL("0", "c", "Bash", "{\\\"a\\\":1,", "\\\"a\\\":2}") C_END("x"), true,
                 "");
    CHECK_STR(r.told, "c:Bash@({\"a\":1,\"a\":2})m;");
    run_free(&r);
}

/* Too much of one thing. */
TEST(bounds)
{
    struct buf b;
    struct run r;

    buf_init(&b, 64u << 20);
    buf_puts(&b,
             A_START EVENT(
                 "content_block_start",
                 "\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
                 "\"name\":\"Write\",\"input\":{}}") "data: "
                                                     "{\"type\":\"content_block_delta\",\"index\":"
                                                     "0,\"delta\":{\"type\":"
                                                     "\"input_json_delta\",\"partial_json\":\"");
    for (size_t i = 0; i <= MODEL_ARGS_MAX; i++)
        buf_puts(&b, "x");
    buf_puts(&b, "\"}}\n\n" EVENT("content_block_stop", "\"index\":0"));
    r = run_text(MODEL_ANTHROPIC, buf_cstr(&b), true, "");
    CHECK(strncmp(r.told, "t:Write@(", 9) == 0);
    CHECK_STR(r.told + strlen(r.told) - 3, ")c;");
    run_free(&r);

    buf_clear(&b);
    for (unsigned i = 0; i <= MODEL_BLOCKS_MAX; i++)
        buf_printf(&b, "data: %s\n\n", G_UNIT(G_BASH, ""));
    CHECK(breaks(MODEL_GEMINI, buf_cstr(&b), "more tool uses"));

    buf_clear(&b);
    buf_puts(&b, "data: {\"x\":\"");
    for (size_t i = 0; i < MODEL_EVENT_MAX; i += 16)
        buf_puts(&b, "0123456789abcdef");
    buf_puts(&b, "\"}\n\n" A_STREAM);
    CHECK(breaks(MODEL_ANTHROPIC, buf_cstr(&b), "more at once"));
    buf_free(&b);
}

/* A stream that is cut: what the client has is a whole message with the reason. */
static bool cuts_well(const struct sample *s, size_t at, bool hold)
{
    const struct model_call call = call_of(s->api);
    struct model_reply *r = model_reply_new(&call, NULL, hold);
    struct run again;
    struct buf out;
    bool good, began;
    size_t i = 0;

    buf_init(&out, 1u << 20);
    while (i < at) {
        i += model_reply_feed(r, s->text + i, at - i, &out);
        if (model_reply_state(r) == MODEL_ASKING)
            model_reply_answer(r, (struct str){NULL, 0}, &out);
    }
    began = out.n > 0;
    model_reply_cut(r, STR("Over \"budget\"."), &out);
    (void)model_reply_feed(r, "more", 4, &out);
    model_reply_end(r, &out);
    again = run_reply(&call, buf_cstr(&out), out.n, 64, true, "");
    good = ok(s, "state", again.state == MODEL_GOING) &&
           ok(s, "reason", strstr(again.out, "Over \\\"budget\\\".") != NULL) &&
           ok(s, "more", strstr(again.out, "more") == NULL);
    if (good && began && s->api == MODEL_CHAT)
        good = ok(s, "end", strstr(again.out, "data: [DONE]\n\n") != NULL);
    if (good && s->api == MODEL_RESPONSES && began)
        good = ok(s, "end", strstr(again.out, "response.completed") != NULL);
    if (!good)
        printf("# at %zu: %s\n", at, again.out);
    run_free(&again);
    model_reply_free(r);
    buf_free(&out);
    return good;
}

TEST(cut)
{
    for (size_t i = 0; i < NSAMPLES; i++) {
        const struct sample *s = &samples[i];

        if (!s->stream)
            continue;
        for (size_t at = 0; at + 300 < strlen(s->text); at += 13)
            CHECK(cuts_well(s, at, true));
    }
}

TEST(cut_shapes)
{
    struct model_call call = call_of(MODEL_ANTHROPIC);
    struct model_reply *r = model_reply_new(&call, NULL, false);
    struct buf out;

    buf_init(&out, 1u << 20);
    model_reply_feed(r, A_START, strlen(A_START), &out);
    buf_clear(&out);
    model_reply_cut(r, STR("Over."), &out);
    CHECK_STR(buf_cstr(&out),
              "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
              "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
              "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
              "\"delta\":{\"type\":\"text_delta\",\"text\":\"Over.\"}}\n\n"
              "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
              "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
              "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":1}}\n\n"
              "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    model_reply_free(r);
    buf_free(&out);
}

TEST(errors)
{
    struct buf out;

    buf_init(&out, 4096);
    model_error(MODEL_ANTHROPIC, 403, STR("No \"x\"."), &out);
    CHECK_STR(buf_cstr(&out), "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\","
                              "\"message\":\"No \\\"x\\\".\"}}");
    buf_clear(&out);
    model_error(MODEL_RESPONSES, 403, STR("No."), &out);
    CHECK_STR(buf_cstr(&out), "{\"error\":{\"message\":\"No.\",\"type\":\"permission_error\","
                              "\"param\":null,\"code\":\"refused\"}}");
    buf_clear(&out);
    model_error(MODEL_GEMINI, 403, STR("No."), &out);
    CHECK_STR(buf_cstr(&out), "{\"error\":{\"code\":403,\"message\":\"No.\",\"status\":"
                              "\"PERMISSION_DENIED\"}}");
    buf_free(&out);
}

/* Before the provider tells, what went by is counted. */
TEST(estimates)
{
    struct model_call call = call_of(MODEL_CHAT);
    const struct model_request request = {.input_tokens = 77};
    struct model_reply *r = model_reply_new(&call, &request, false);
    struct buf out;

    buf_init(&out, 1u << 20);
    for (int i = 0; i < 40; i++) {
        static const char chunk[] = C_HEAD("\"content\":\"0123456789\xc3\xa9\xc3\xa9\"", "null");

        model_reply_feed(r, chunk, sizeof(chunk) - 1, &out);
    }
    CHECK(model_reply_usage(r).estimated);
    CHECK_INT(model_reply_usage(r).input, 77);
    CHECK_INT(model_reply_usage(r).output, 120);
    model_reply_feed(r, C_USAGE, strlen(C_USAGE), &out);
    CHECK(!model_reply_usage(r).estimated);
    CHECK_INT(model_reply_usage(r).output, 89);
    model_reply_free(r);
    buf_free(&out);
}

UNIT_MAIN(UNIT(untouched), UNIT(usage), UNIT(refused), UNIT(undelayed), UNIT(broken), UNIT(unusual),
          UNIT(malformed_arguments), UNIT(bounds), UNIT(cut), UNIT(cut_shapes), UNIT(errors),
          UNIT(estimates))
