/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy text: whatever parses is the same again after printing and after formatting, and the
 * formatter's work needs no second pass. Errors point into the text.
 */
#include "cedar.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    char *ptr;
    size_t len, cap;
};

static bool append(void *ctx, const char *piece, size_t n)
{
    struct text *t = ctx;

    if (t->cap - t->len <= n) {
        t->cap = (t->cap + n + 64) * 2;
        t->ptr = realloc(t->ptr, t->cap);
        assert(t->ptr != NULL);
    }
    if (n > 0)
        memcpy(t->ptr + t->len, piece, n);
    t->len += n;
    return true;
}

static struct cedar_str view(const struct text *t)
{
    return (struct cedar_str){t->ptr, t->len};
}

static void check_error(const struct cedar_error *err, struct cedar_str source)
{
    char shown[1024];

    assert(err->status != CEDAR_OK && err->message[0] != '\0');
    assert(err->span.start <= source.len && err->span.start <= err->span.end);
    assert(cedar_error_render(err, "fuzz", source, shown, sizeof(shown)) < sizeof(shown));
}

/* The text is of policies whose JSON is this. */
static void check_same(struct cedar_names *names, struct cedar_str source, const struct text *json)
{
    struct cedar_policies *again;
    struct text other = {0};

    assert(cedar_policies_parse(names, NULL, source, &again, NULL) == CEDAR_OK);
    assert(cedar_policies_print_json(again, append, &other, NULL) == CEDAR_OK);
    assert(cedar_str_eq(view(&other), view(json)));
    cedar_policies_free(again);
    free(other.ptr);
}

static void check_policies(struct cedar_names *names, const struct cedar_policies *policies)
{
    struct text json = {0}, printed = {0}, formatted = {0}, twice = {0};

    assert(cedar_policies_print_json(policies, append, &json, NULL) == CEDAR_OK);
    assert(cedar_policies_print(policies, append, &printed, NULL) == CEDAR_OK);
    assert(cedar_format(NULL, cedar_policies_source(policies), append, &formatted, NULL) ==
           CEDAR_OK);
    check_same(names, view(&formatted), &json);
    assert(cedar_format(NULL, view(&formatted), append, &twice, NULL) == CEDAR_OK);
    assert(cedar_str_eq(view(&formatted), view(&twice)));
    check_same(names, view(&printed), &json);
    free(json.ptr);
    free(printed.ptr);
    free(formatted.ptr);
    free(twice.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_str source = {(const char *)data, size};
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_policies *policies;
    struct cedar_error err;

    if (cedar_policies_parse(names, NULL, source, &policies, &err) == CEDAR_OK) {
        check_policies(names, policies);
        cedar_policies_free(policies);
    } else {
        check_error(&err, source);
    }
    cedar_names_free(names);
    return 0;
}
