/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas of both formats: what is read can be printed, and what was printed is read again to the
 * same. Input that begins with a brace is JSON.
 */
#include "cedar.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
    char *text;
    size_t len, cap;
};

static bool sink_write(void *ctx, const char *text, size_t len)
{
    struct sink *sink = ctx;

    if (sink->len + len > sink->cap) {
        sink->cap = (sink->len + len) * 2;
        sink->text = realloc(sink->text, sink->cap);
        assert(sink->text != NULL);
    }
    if (len > 0)
        memcpy(sink->text + sink->len, text, len);
    sink->len += len;
    return true;
}

typedef enum cedar_status read_fn(struct cedar_names *names, struct cedar_str text,
                                  struct cedar_schema **out, struct cedar_error *err);
typedef enum cedar_status print_fn(const struct cedar_schema *schema, cedar_write_fn *write,
                                   void *ctx, struct cedar_error *err);

/* Prints, reads and prints again. What is nested too deeply for the other format may fail. */
static void round_trip(struct cedar_names *names, const struct cedar_schema *schema, read_fn *read,
                       print_fn *print)
{
    struct sink first = {NULL, 0, 0}, second = {NULL, 0, 0};
    struct cedar_schema *again = NULL;
    struct cedar_error err;

    if (print(schema, sink_write, &first, &err) != CEDAR_OK) {
        free(first.text);
        return; /* only JSON says some things */
    }
    if (read(names, (struct cedar_str){first.text, first.len}, &again, &err) != CEDAR_OK) {
        assert(err.status == CEDAR_ERR_LIMIT);
    } else {
        assert(print(again, sink_write, &second, &err) == CEDAR_OK);
        assert(first.len == second.len &&
               (first.len == 0 || memcmp(first.text, second.text, first.len) == 0));
    }
    cedar_schema_free(again);
    free(first.text);
    free(second.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_str text = {(const char *)data, size};
    bool is_json = size > 0 && data[0] == '{';
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_schema *schema = NULL;
    struct cedar_error err;
    char shown[512];

    assert(names != NULL);
    if ((is_json ? cedar_schema_parse_json : cedar_schema_parse)(names, text, &schema, &err) !=
        CEDAR_OK) {
        cedar_error_render(&err, "schema", text, shown, sizeof(shown));
    } else {
        round_trip(names, schema, cedar_schema_parse, cedar_schema_print);
        round_trip(names, schema, cedar_schema_parse_json, cedar_schema_print_json);
    }
    cedar_schema_free(schema);
    cedar_names_free(names);
    return 0;
}
