/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_world.h - answers of models for tests, as the providers document them, and one run of a
 * reply over them: what was told, what went on, in pieces of any size.
 */
#ifndef BELAY_TEST_MODEL_WORLD_H
#define BELAY_TEST_MODEL_WORLD_H

#include "model/model.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\"," members "}\n\n"
#define CHUNK(members)       "data: {" members "}\n\n"

/* Anthropic: text, a tool use, another. */
#define A_START                                                                        \
    EVENT("message_start",                                                             \
          "\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"," \
          "\"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,"       \
          "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,"        \
          "\"cache_read_input_tokens\":2000,\"output_tokens\":1}}")
#define A_TEXT                                                                                     \
    EVENT("content_block_start",                                                                   \
          "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")                       \
    "event: ping\ndata: {\"type\": \"ping\"}\n\n" EVENT(                                           \
        "content_block_delta", "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi.\"}") \
        EVENT("content_block_stop", "\"index\":0")
#define A_TOOL(index, id, name, part1, part2)                                                    \
    EVENT("content_block_start",                                                                 \
          "\"index\":" index ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"" id            \
          "\",\"name\":\"" name "\",\"input\":{}}")                                              \
    EVENT("content_block_delta",                                                                 \
          "\"index\":" index ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}") \
    EVENT("content_block_delta", "\"index\":" index ",\"delta\":{\"type\":\"input_json_delta\"," \
                                 "\"partial_json\":\"" part1 "\"}")                              \
    EVENT("content_block_delta", "\"index\":" index ",\"delta\":{\"type\":\"input_json_delta\"," \
                                 "\"partial_json\":\"" part2 "\"}")                              \
    EVENT("content_block_stop", "\"index\":" index)
#define A_BASH A_TOOL("1", "toolu_1", "Bash", "{\\\"command\\\":", "\\\"rm -rf /\\\"}")
#define A_READ A_TOOL("2", "toolu_2", "Read", "{\\\"file_path\\\"", ":\\\"/a\\\"}")
#define A_END(reason)                                                                           \
    EVENT("message_delta", "\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null}," \
                           "\"usage\":{\"output_tokens\":89}")                                  \
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

/* OpenAI chat. */
#define C_HEAD(delta, finish)                                                                     \
    CHUNK("\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\"," \
          "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]")
#define C_TEXT                                                                                    \
    C_HEAD("\"role\":\"assistant\",\"content\":\"\"", "null") C_HEAD("\"content\":\"Hi.\"", "nul" \
                                                                                            "l")
#define C_CALL(index, id, name, part1, part2)                                                   \
    C_HEAD("\"tool_calls\":[{\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\","      \
           "\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}}]",                         \
           "null")                                                                              \
    C_HEAD("\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" part1 "\"}}]", \
           "null")                                                                              \
    C_HEAD("\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" part2 "\"}}]", \
           "null")
#define C_BASH C_CALL("0", "call_1", "Bash", "{\\\"command\\\":", "\\\"rm -rf /\\\"}")
#define C_READ C_CALL("1", "call_2", "Read", "{\\\"file_path\\\"", ":\\\"/a\\\"}")
#define C_USAGE                                                                                   \
    CHUNK("\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\"," \
          "\"choices\":[],\"usage\":{\"prompt_tokens\":2025,\"completion_tokens\":89,"            \
          "\"prompt_tokens_details\":{\"cached_tokens\":2000},"                                   \
          "\"completion_tokens_details\":{\"reasoning_tokens\":9}}")
#define C_END(reason) C_HEAD("", "\"" reason "\"") C_USAGE "data: [DONE]\n\n"

/* OpenAI responses. */
#define R_START                                                                        \
    EVENT("response.created", "\"sequence_number\":0,\"response\":{\"id\":\"resp_1\"," \
                              "\"model\":\"gpt-5\",\"status\":\"in_progress\",\"output\":[]}")
#define R_TEXT_ITEM                                                                           \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\"," \
    "\"content\":[{\"type\":\"output_text\",\"text\":\"Hi.\",\"annotations\":[]}]}"
#define R_TEXT                                                                             \
    EVENT("response.output_item.added",                                                    \
          "\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":"  \
          "\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}") \
    EVENT("response.output_text.delta", "\"sequence_number\":2,\"item_id\":\"msg_1\","     \
                                        "\"output_index\":0,\"content_index\":0,"          \
                                        "\"delta\":\"Hi.\"")                               \
    EVENT("response.output_item.done",                                                     \
          "\"sequence_number\":3,\"output_index\":0,\"item\":" R_TEXT_ITEM)
#define R_ITEM(id, name, args, status)                                                             \
    "{\"id\":\"fc_" id "\",\"type\":\"function_call\",\"status\":\"" status "\",\"call_id\":\"" id \
    "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define R_CALL(index, id, name, part1, part2)                                             \
    EVENT("response.output_item.added", "\"sequence_number\":4,\"output_index\":" index   \
                                        ",\"item\":" R_ITEM(id, name, "", "in_progress")) \
    EVENT("response.function_call_arguments.delta",                                       \
          "\"sequence_number\":5,\"item_id\":\"fc_" id "\",\"output_index\":" index       \
          ",\"delta\":\"" part1 "\"")                                                     \
    EVENT("response.function_call_arguments.delta",                                       \
          "\"sequence_number\":6,\"item_id\":\"fc_" id "\",\"output_index\":" index       \
          ",\"delta\":\"" part2 "\"")                                                     \
    EVENT("response.function_call_arguments.done",                                        \
          "\"sequence_number\":7,\"item_id\":\"fc_" id "\",\"output_index\":" index       \
          ",\"arguments\":\"" part1 part2 "\"")                                           \
    EVENT("response.output_item.done", "\"sequence_number\":8,\"output_index\":" index    \
                                       ",\"item\":" R_ITEM(id, name, part1 part2, "completed"))
#define R_BASH_ARGS1 "{\\\"command\\\":"
#define R_BASH_ARGS2 "\\\"rm -rf /\\\"}"
#define R_BASH       R_CALL("1", "call_1", "Bash", R_BASH_ARGS1, R_BASH_ARGS2)
#define R_READ       R_CALL("2", "call_2", "Read", "{\\\"file_path\\\"", ":\\\"/a\\\"}")
#define R_USAGE                                                                           \
    "\"usage\":{\"input_tokens\":2025,\"input_tokens_details\":{\"cached_tokens\":2000}," \
    "\"output_tokens\":89,\"output_tokens_details\":{\"reasoning_tokens\":9},"            \
    "\"total_tokens\":2114}"
#define R_OUTPUT                                                                     \
    "\"output\":[" R_TEXT_ITEM                                                       \
    "," R_ITEM("call_1", "Bash", R_BASH_ARGS1 R_BASH_ARGS2, "completed") "," R_ITEM( \
        "call_2", "Read", "{\\\"file_path\\\":\\\"/a\\\"}", "completed") "]"
#define R_END                                                      \
    EVENT("response.completed",                                    \
          "\"sequence_number\":9,\"response\":{\"id\":\"resp_1\"," \
          "\"model\":\"gpt-5\",\"status\":\"completed\"," R_OUTPUT "," R_USAGE "}")

/* Gemini. */
#define G_UNIT(parts, more)                                                                   \
    "{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" more           \
    ",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":2025,"                            \
    "\"cachedContentTokenCount\":2000,\"candidatesTokenCount\":80,\"thoughtsTokenCount\":9}," \
    "\"modelVersion\":\"gemini-2.5-pro\",\"responseId\":\"r1\"}"
#define G_TEXT "{\"text\":\"Hi.\"}"
#define G_BASH                                                                   \
    "{\"functionCall\":{\"name\":\"Bash\",\"args\":{\"command\":\"rm -rf /\"}}," \
    "\"thoughtSignature\":\"c2ln\"}"
#define G_READ "{\"functionCall\":{\"name\":\"Read\",\"args\":{\"file_path\":\"/a\"}}}"
#define G_STOP ",\"finishReason\":\"STOP\""

/* Whole answers, text and both tool uses. */
#define A_STREAM A_START A_TEXT A_BASH A_READ A_END("tool_use")
#define C_STREAM C_TEXT C_BASH C_READ C_END("tool_calls")
#define R_STREAM R_START R_TEXT R_BASH R_READ R_END
#define G_STREAM \
    "data: " G_UNIT(G_TEXT, "") "\r\n\r\ndata: " G_UNIT(G_BASH "," G_READ, G_STOP) "\r\n\r\n"
#define G_ARRAY "[" G_UNIT(G_TEXT, "") "\n,\r\n" G_UNIT(G_BASH "," G_READ, G_STOP) "\n]\n"
#define A_BODY                                                                                     \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-"   \
    "5\","                                                                                         \
    "\"content\":[{\"type\":\"text\",\"text\":\"Hi.\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\"," \
    "\"name\":\"Bash\",\"input\":{\"command\":\"rm -rf /\"}},{\"type\":\"tool_use\",\"id\":"       \
    "\"toolu_2\",\"name\":\"Read\",\"input\":{\"file_path\":\"/a\"}}],\"stop_reason\":"            \
    "\"tool_use\",\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,"             \
    "\"cache_read_input_tokens\":2000,\"output_tokens\":89}}"
#define C_BODY                                                                                     \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"gpt-5\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"content\":\"Hi.\",\"tool_calls\":[{\"id\":\"call_1\","  \
    "\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":"                         \
    "\"{\\\"command\\\":\\\"rm -rf /\\\"}\"}},{\"id\":\"call_2\",\"type\":\"function\","           \
    "\"function\":{\"name\":\"Read\",\"arguments\":\"{\\\"file_path\\\":\\\"/a\\\"}\"}}]},"        \
    "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":2025,"                        \
    "\"completion_tokens\":89,\"prompt_tokens_details\":{\"cached_tokens\":2000},"                 \
    "\"completion_tokens_details\":{\"reasoning_tokens\":9}}}"
#define R_BODY                                                                   \
    "{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"gpt-5\",\"status\":" \
    "\"completed\"," R_OUTPUT "," R_USAGE "}"
#define G_BODY G_UNIT(G_TEXT "," G_BASH "," G_READ, G_STOP)

struct run {
    char *out, *told; /* what went on; each intent as id:name@server(arguments)flags; */
    size_t nout;
    uint64_t held_at;   /* bytes taken when the first intent was told */
    size_t passed_then; /* and bytes that had gone on by then */
    bool bash;          /* one was of the tool Bash */
    enum model_state state;
    const char *why;
    struct model_usage usage;
    char stop[64], model[128];
};

static inline void run_free(struct run *r)
{
    free(r->out);
    free(r->told);
}

static inline void tell_intent(struct buf *told, const struct model_intent *i)
{
    buf_printf(told, "%.*s:%.*s@%.*s(", (int)i->id.n, i->id.p, (int)i->name.n, i->name.p,
               (int)i->server.n, i->server.p);
    buf_add(told, i->arguments.p, i->arguments.n);
    buf_printf(told, ")%s%s%s%s;", i->by_provider ? "p" : "", i->text ? "t" : "", i->cut ? "c" : "",
               i->malformed ? "m" : "");
}

/* Refuses what is named in `refuse` ("Bash,Read"; "" nothing). */
static inline void answer(struct model_reply *r, const char *refuse, struct run *run,
                          struct buf *told, struct buf *out)
{
    const struct model_intent *i = model_reply_intent(r);
    char name[128];
    struct str why = {NULL, 0};

    if (run->held_at == 0) {
        run->held_at = i->from;
        run->passed_then = out->n;
    }
    tell_intent(told, i);
    run->bash |= str_is(i->name, "Bash");
    snprintf(name, sizeof(name), "%.*s", (int)i->name.n, i->name.p);
    if (name[0] != '\0' && strstr(refuse, name) != NULL)
        why = STR("Refused: \"no-rm\".");
    model_reply_answer(r, why, out);
}

static inline struct run run_reply(const struct model_call *call, const char *text, size_t n,
                                   size_t piece, bool hold, const char *refuse)
{
    struct model_reply *r = model_reply_new(call, NULL, hold);
    struct run run = {0};
    struct buf out, told;

    buf_init(&out, 64u << 20);
    buf_init(&told, 4u << 20);
    for (size_t i = 0; i < n && model_reply_state(r) != MODEL_BROKEN;) {
        i += model_reply_feed(r, text + i, n - i < piece ? n - i : piece, &out);
        while (model_reply_state(r) == MODEL_ASKING)
            answer(r, refuse, &run, &told, &out);
    }
    for (int last = 0; last < 3; last++) {
        model_reply_end(r, &out);
        while (model_reply_state(r) == MODEL_ASKING)
            answer(r, refuse, &run, &told, &out);
    }
    run.state = model_reply_state(r);
    run.why = model_reply_why(r);
    run.usage = model_reply_usage(r);
    snprintf(run.stop, sizeof(run.stop), "%.*s", (int)model_reply_stop(r).n, model_reply_stop(r).p);
    snprintf(run.model, sizeof(run.model), "%.*s", (int)model_reply_model(r).n,
             model_reply_model(r).p);
    buf_add(&out, "", 1);
    buf_add(&told, "", 1);
    run.out = out.p;
    run.nout = out.n - 1;
    run.told = told.p;
    model_reply_free(r);
    return run;
}

static inline struct model_call call_of(enum model_api api)
{
    return (struct model_call){.api = api, .work = MODEL_WORK_INFER};
}

#endif
