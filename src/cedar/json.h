/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - reading and writing JSON (RFC 8259).
 *
 * The library has its own reader because attribute names may hold NUL and every value needs
 * its place in the text for messages. Strict: UTF-8, no duplicate keys, integers of 64 bits,
 * nesting up to CEDAR_MAX_NESTING. A fraction or exponent is read as JSON_REAL, text only.
 */
#ifndef CEDAR_JSON_H
#define CEDAR_JSON_H

#include "arena.h"
#include "diag.h"

enum cedar_json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_REAL, /* a number that is no 64-bit integer; string holds its text */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct cedar_json_member;

struct cedar_json {
    enum cedar_json_kind kind;
    uint32_t n; /* of items or members */
    struct cedar_span span;
    union {
        bool boolean;
        int64_t integer;
        struct cedar_str string; /* NUL terminated */
        const struct cedar_json *items;
        const struct cedar_json_member *members; /* in source order */
    };
};

struct cedar_json_member {
    struct cedar_str key; /* NUL terminated */
    struct cedar_span span;
    struct cedar_json value;
};

/* Reads one document of at most max bytes into the arena; strings are copied. */
enum cedar_status cedar_json_parse(struct cedar_arena *arena, struct cedar_str text, size_t max,
                                   struct cedar_json *out, struct cedar_error *err);

/* The same for documents that may be nested deeper. */
enum cedar_status cedar_json_parse_deep(struct cedar_arena *arena, struct cedar_str text,
                                        size_t max, uint32_t max_nesting, struct cedar_json *out,
                                        struct cedar_error *err);

/* The member of that key, or NULL (also when it is no object). */
const struct cedar_json *cedar_json_get(const struct cedar_json *object, const char *key);
/* "an object", "a string" ... for messages. */
const char *cedar_json_kind_name(const struct cedar_json *json);

/*
 * A writer: indented by two blanks. Commas and line ends are its own business. After a failed
 * write nothing more is written and `failed` stays set.
 */
struct cedar_json_writer {
    cedar_write_fn *write;
    void *ctx;
    bool failed;
    bool after_key;
    bool empty; /* nothing yet in the innermost container */
    uint32_t depth;
};

void cedar_json_begin(struct cedar_json_writer *w, char bracket); /* '{' or '[' */
void cedar_json_end(struct cedar_json_writer *w, char bracket);   /* '}' or ']' */
void cedar_json_key(struct cedar_json_writer *w, struct cedar_str key);
void cedar_json_put_string(struct cedar_json_writer *w, struct cedar_str s);
void cedar_json_put_integer(struct cedar_json_writer *w, int64_t n);
void cedar_json_put_bool(struct cedar_json_writer *w, bool b);
void cedar_json_put_null(struct cedar_json_writer *w);

#endif
