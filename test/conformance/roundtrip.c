/* SPDX-License-Identifier: Apache-2.0 */
#include "roundtrip.h"

#include <stdlib.h>

struct text {
    char *ptr;
    size_t len, cap;
};

static bool append(void *ctx, const char *piece, size_t n)
{
    struct text *text = ctx;

    if (text->cap - text->len <= n) {
        size_t cap = (text->cap + n + 64) * 2;
        char *ptr = realloc(text->ptr, cap);

        if (ptr == NULL)
            return false;
        text->ptr = ptr;
        text->cap = cap;
    }
    if (n > 0)
        memcpy(text->ptr + text->len, piece, n);
    text->len += n;
    return true;
}

static void text_free(struct text *text)
{
    free(text->ptr);
}

#define TEXT __attribute__((cleanup(text_free))) struct text

/* The JSON of a tree says all that it holds, so trees are the same if their JSON is. */
static bool same_tree(const struct cedar_policies *policies, const struct text *json)
{
    TEXT other = {0};

    return cedar_policies_print_json(policies, append, &other, NULL) == CEDAR_OK &&
           cedar_str_eq((struct cedar_str){other.ptr, other.len},
                        (struct cedar_str){json->ptr, json->len});
}

typedef enum cedar_status parse_fn(struct cedar_names *, const struct cedar_allocator *,
                                   struct cedar_str, struct cedar_policies **,
                                   struct cedar_error *);

static bool parses_to(struct cedar_names *names, parse_fn *parse, const struct text *text,
                      const struct text *json)
{
    struct cedar_policies *again;
    bool same;

    if (parse(names, NULL, (struct cedar_str){text->ptr, text->len}, &again, NULL) != CEDAR_OK)
        return false;
    same = same_tree(again, json);
    cedar_policies_free(again);
    return same;
}

static bool formats_once(const struct text *once)
{
    TEXT twice = {0};

    return cedar_format(NULL, (struct cedar_str){once->ptr, once->len}, append, &twice, NULL) ==
               CEDAR_OK &&
           cedar_str_eq((struct cedar_str){twice.ptr, twice.len},
                        (struct cedar_str){once->ptr, once->len});
}

const char *roundtrip(struct cedar_names *names, const struct cedar_policies *policies)
{
    TEXT printed = {0};
    TEXT json = {0};
    TEXT formatted = {0};

    if (cedar_policies_print(policies, append, &printed, NULL) != CEDAR_OK ||
        cedar_policies_print_json(policies, append, &json, NULL) != CEDAR_OK)
        return "a printer";
    if (!parses_to(names, cedar_policies_parse_json, &json, &json))
        return "JSON";
    if (cedar_policies_source(policies).len == 0)
        return NULL; /* the ids of JSON have no place in text */
    if (!parses_to(names, cedar_policies_parse, &printed, &json))
        return "text";
    if (cedar_format(NULL, cedar_policies_source(policies), append, &formatted, NULL) != CEDAR_OK ||
        !parses_to(names, cedar_policies_parse, &formatted, &json))
        return "formatting";
    return formats_once(&formatted) ? NULL : "formatting twice";
}
