/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - the model APIs that agents speak: what a request asks for, what an answer contains, and
 * how to take a tool use out of an answer so that the client still reads a valid one. No I/O, no
 * clock, no idea of the gate or of policy.
 *
 *   Anthropic Messages            POST .../v1/messages
 *   OpenAI Chat Completions       POST .../v1/chat/completions
 *   OpenAI Responses              POST .../v1/responses, .../codex/responses
 *   Google Gemini                 POST .../models/NAME:generateContent, :streamGenerateContent
 *
 * on any host and below any path, since agents follow *_BASE_URL. Bytes are hostile: what two
 * readers could understand differently is an error, every size is bounded, and what cannot be
 * understood is said to be so; the caller decides what that means.
 */
#ifndef BELAY_MODEL_MODEL_H
#define BELAY_MODEL_MODEL_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NAME_MAX   128           /* bytes of a model's or a tool's name */
#define MODEL_TOOLS_MAX  256           /* tools of one request that are told one by one */
#define MODEL_ARGS_MAX   (256u * 1024) /* bytes of the arguments of one tool use */
#define MODEL_BLOCKS_MAX 128           /* tool uses in one answer */
#define MODEL_EVENT_MAX                                                                          \
    (4u << 20)                    /* one event of a stream, one element, one answer not streamed \
                                   */
#define MODEL_HELD_MAX (4u << 20) /* all that is held back of one answer */

/* API(symbol, name, provider): the provider when the host does not say otherwise */
#define MODEL_APIS(X)                               \
    X(ANTHROPIC, "anthropic-messages", "anthropic") \
    X(CHAT, "openai-chat", "openai")                \
    X(RESPONSES, "openai-responses", "openai")      \
    X(GEMINI, "gemini", "google")

enum model_api {
    MODEL_NONE, /* not a model API */
#define X(sym, name, provider) MODEL_##sym,
    MODEL_APIS(X)
#undef X
};

const char *model_api_name(enum model_api api);

enum model_work {
    MODEL_WORK_NONE,  /* makes no tokens: counting, cancelling */
    MODEL_WORK_INFER, /* one answer: metered, its tool uses are told */
    MODEL_WORK_BULK,  /* makes tokens in a way that is not followed here: batches, realtime */
};

/* What a request line asks of which API. */
struct model_call {
    enum model_api api;
    enum model_work work;
    bool streaming;             /* Gemini: the path says so; the others say it in the body */
    bool sse;                   /* Gemini: the stream is events, else it is a JSON array */
    char model[MODEL_NAME_MAX]; /* of the path (Gemini, Azure); else "" */
};

/* Recognises a request by method, canonical path (percent-decoded, without query) and query. */
struct model_call model_recognise(struct str method, struct str path, struct str query);

/* Whose API it is, to look a price up where the host is nobody's that is known. */
const char *model_api_provider(enum model_api api);

/*
 * The request's body, in one pass and without keeping it.
 */
struct model_request {
    char model[MODEL_NAME_MAX]; /* "" when the body names none */
    bool streaming;
    int64_t max_tokens;               /* 0: not limited by the request */
    int64_t input_tokens;             /* estimate: characters / 4 */
    struct str *server_tools, *tools; /* sorted, each once; names of what the provider runs itself
                                         (web_search, code_execution, mcp:LABEL ...), names of what
                                         the client runs */
    size_t nserver_tools, ntools;
    bool more_tools; /* there were more than MODEL_TOOLS_MAX */
};

struct model_reader; /* reads one body */

struct model_reader *model_reader_new(const struct model_call *call);
void model_reader_free(struct model_reader *r);
/* False: the body cannot be understood in one way; model_reader_why() says what is wrong. */
bool model_reader_feed(struct model_reader *r, const void *p, size_t n);
bool model_reader_end(struct model_reader *r);
const char *model_reader_why(const struct model_reader *r);
/* After model_reader_end(). Lives as long as the reader. */
const struct model_request *model_reader_request(const struct model_reader *r);

/* Tokens as the provider counts them; parts are contained in their whole. */
struct model_usage {
    int64_t input;       /* not from a cache and not written to it */
    int64_t cache_read;  /* read from a cache */
    int64_t cache_write; /* written to a cache */
    int64_t cache_long;  /* the part of cache_write that stays for an hour (Anthropic) */
    int64_t output;      /* with reasoning */
    int64_t reasoning;   /* the part of output that is thought */
    int64_t searches;    /* server-side searches that are billed one by one */
    bool estimated;      /* the provider has not told the final numbers (yet) */
};

/* One tool use that a model asks for. Strings live until the intent is answered. */
struct model_intent {
    struct str id, name;
    struct str server;    /* label of the MCP server that the provider will ask; "" none */
    struct str arguments; /* JSON, whole; or the text of a tool that takes text */
    bool by_provider;     /* runs at the provider: it may have happened already */
    bool text;            /* arguments are plain text, not JSON */
    bool cut;             /* arguments were longer than MODEL_ARGS_MAX: the rest is missing */
    bool malformed;       /* arguments should be JSON and are not, or can be read in two ways */
    uint64_t from, to;    /* the bytes of the answer that it stands in */
};

/*
 * The answer. Bytes are fed as they come; what may go on to the client is added to `out` in the
 * same call: an event of a stream (an element of an array) as soon as it is complete, an answer
 * that is not streamed at its end if it may have to be changed and at once if not. `out` must have
 * room for MODEL_HELD_MAX and what is fed.
 *
 * hold true: a tool use is kept back until it is whole and was answered; refused ones are replaced
 * by text. hold false: tool uses are told as well, but have gone on by then; past a bound the rest
 * goes on unread.
 */
struct model_reply;

enum model_state {
    MODEL_GOING,  /* feed more */
    MODEL_ASKING, /* an intent waits to be answered; nothing is taken before */
    MODEL_BROKEN, /* hold only: what came cannot be understood, so nothing more may go on */
};

struct model_reply *model_reply_new(const struct model_call *call,
                                    const struct model_request *request, bool hold);
void model_reply_free(struct model_reply *r);

/* Takes bytes until an intent waits; returns how many it took. */
size_t model_reply_feed(struct model_reply *r, const void *p, size_t n, struct buf *out);
/* The answer is complete. May leave an intent waiting: answer it, and call this again. */
void model_reply_end(struct model_reply *r, struct buf *out);

enum model_state model_reply_state(const struct model_reply *r);
const char *model_reply_why(const struct model_reply *r); /* MODEL_BROKEN: what is wrong */

/* While MODEL_ASKING. refusal: text for the client in its place; p NULL: let it go on. */
const struct model_intent *model_reply_intent(const struct model_reply *r);
void model_reply_answer(struct model_reply *r, struct str refusal, struct buf *out);

/* Ends a stream early and in its own format: what is held is dropped, `text` says why. Nothing is
 * taken after it. */
void model_reply_cut(struct model_reply *r, struct str text, struct buf *out);

struct model_usage model_reply_usage(const struct model_reply *r);
/* The model that answered, when the answer names it. */
struct str model_reply_model(const struct model_reply *r);
struct str
model_reply_stop(const struct model_reply *r); /* stop reason, as the provider named it */

/* An error in the API's own shape, as a whole body (application/json). */
void model_error(enum model_api api, unsigned status, struct str message, struct buf *out);

#endif
