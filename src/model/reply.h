/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h - inside of src/model: how reply.c, which cuts an answer into units (an event, an element
 * of an array, a whole body), and the four formats, which know what a unit means, work together.
 *
 * For each unit, reply.c calls the format's `take`. It passes the unit, keeps it (a tool use that
 * is not whole), or has tool uses ready to be asked about (`asks`); when all of those were answered
 * reply.c calls `settle`, which emits what is right for the unit and for what was kept. Without
 * `hold` units have gone on before `take`, and `settle` is not called.
 */
#ifndef BELAY_MODEL_REPLY_H
#define BELAY_MODEL_REPLY_H

#include "model/model.h"

#include "model/scan.h"
#include "model/sse.h"

#include <jansson.h>

/* A tool use in the making. */
struct use {
    int64_t block, index; /* where it stands: the block or item; its place among the block's own */
    char *id, *name, *server;
    struct buf args;
    bool by_provider, text, cut, in_pieces;
    bool whole; /* told and answered, or about to be */
    bool refused;
    char *refusal;
    size_t refusal_n;
    uint64_t from, to;
};

/* Units kept back for one block. */
struct kept {
    int64_t block;
    struct buf raw;
    json_t *units; /* the same, parsed; only where a format rewrites them */
    struct kept *next;
};

enum take {
    TAKE_PASS,
    TAKE_KEEP,   /* the format has put it into a struct kept */
    TAKE_DECIDE, /* ask about r->asks, then settle */
};

enum framing { FRAMING_NONE, FRAMING_EVENTS, FRAMING_ARRAY, FRAMING_BODY, FRAMING_BLIND };

struct model_reply;

struct model_format {
    /* json NULL: the stream says that it is over ([DONE]), or it has ended. */
    enum take (*take)(struct model_reply *r, json_t *json);
    enum take (*body)(struct model_reply *r, json_t *json);
    void (*settle)(struct model_reply *r, json_t *json, struct buf *out);
    void (*settle_body)(struct model_reply *r, json_t *json, struct buf *out);
    /* The end of a stream that stops here, after `text`. */
    void (*cut)(struct model_reply *r, const char *text, size_t n, struct buf *out);
};

extern const struct model_format format_anthropic, format_chat, format_responses, format_gemini;

struct model_reply {
    struct model_call call;
    const struct model_format *format;
    bool hold, ended, over; /* over: cut, or told to be at its end: nothing is taken */
    enum model_state state;
    const char *why;

    enum framing framing;
    struct sse sse;
    struct scan scan; /* of an array: finds its elements */
    bool in_element, element_over;
    char array_last;        /* of an array: what went on last: [ , ] or e for an element */
    struct buf unit;        /* an element or a body */
    uint64_t at, unit_from; /* bytes taken; where the unit began */
    struct str raw;         /* the bytes of the unit that is being worked on */
    json_t *json;

    struct use *uses[MODEL_BLOCKS_MAX];
    size_t nuses;
    struct use *asks[MODEL_BLOCKS_MAX];
    size_t nasks, ask;
    struct model_intent intent;
    struct kept *kept;
    size_t kept_bytes;
    size_t refusals;

    struct model_usage usage; /* as told */
    int64_t asked_input;      /* estimate of the request */
    uint64_t chars;           /* of output, not told */
    char model[MODEL_NAME_MAX], stop[64];

    /* what a format needs to end a stream early */
    json_t *head;       /* the first unit's own members (ids) */
    bool finished;      /* the provider has said that it is over */
    bool started;       /* the message has begun at the client */
    bool passed_tool;   /* a tool use that the client runs has gone on */
    int64_t open_block; /* a block that has begun at the client, -1 none */
    bool open_text;
    int64_t next_block;
    int64_t sequence; /* Responses */
    json_t *message;  /* Responses: the item that is open at the client */
};

/* reply.c */
void reply_broken(struct model_reply *r, const char *why);
/* NULL, and the answer is broken, when there are too many. */
struct use *reply_use(struct model_reply *r, int64_t block, int64_t index);
struct use *reply_find(struct model_reply *r, int64_t block, int64_t index);
void reply_forget_last(struct model_reply *r); /* the newest use was none */
void reply_ask(struct model_reply *r, struct use *u);
void use_set(char **to, const json_t *string);
void use_args(struct model_reply *r, struct use *u, const char *p, size_t n);
void use_args_json(struct model_reply *r, struct use *u, const json_t *value);
/* Keeps the unit for a block; json may be NULL. */
enum take reply_keep(struct model_reply *r, int64_t block, json_t *json);
/* Passes on and forgets what was kept for a block; or only forgets it. */
void reply_pass_kept(struct model_reply *r, int64_t block, struct buf *out);
void reply_drop_kept(struct model_reply *r, int64_t block);
struct kept *reply_kept(struct model_reply *r, int64_t block);
bool reply_refused(const struct model_reply *r, struct str id);

/* rewrite.c: JSON in and out */
struct str json_text(const json_t *string); /* empty when it is none */
struct str json_member(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key, int64_t otherwise);
bool json_has(const json_t *object, const char *key); /* there, and not null */
void json_dump_to(const json_t *json, struct buf *out);
/* A unit in the reply's framing; name: the event's name, NULL none. */
void emit(struct model_reply *r, const json_t *json, const char *name, struct buf *out);
uint64_t count_chars(struct str s);
void copy_text(char *to, size_t size, struct str s);
json_t *json_refusal(const struct use *u); /* its text as a JSON string */

#endif
