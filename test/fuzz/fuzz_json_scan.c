/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in a stream: what is accepted jansson accepts as well (but for numbers out of its range),
 * with the same values; pieces make no difference; and a request's reader bears anything. */
#include "model/model.h"
#include "model/scan.h"

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct scan_path paths[] = {{{"model"}}, {{"tools", "[]", "type"}}};

struct seen {
    size_t n;
    char model[SCAN_VALUE_MAX];
    size_t nmodel;
    bool has_model, cut;
};

static void hook(void *arg, unsigned path, const struct scan_value *v)
{
    struct seen *seen = arg;

    seen->n++;
    if (path == 0 && v->kind == SCAN_STRING) {
        seen->has_model = true;
        seen->cut = v->cut;
        seen->nmodel = v->text.n;
        memcpy(seen->model, v->text.p, v->text.n);
    }
}

static bool scan(const char *p, size_t n, size_t piece, struct seen *seen)
{
    static struct scan s;

    memset(seen, 0, sizeof(*seen));
    scan_start(&s, paths, 2, hook, seen);
    for (size_t i = 0; i < n; i += piece < n ? piece : n)
        if (!scan_feed(&s, p + i, n - i < piece ? n - i : piece))
            return false;
    return scan_end(&s);
}

static void compare(const char *p, size_t n, const struct seen *seen)
{
    json_error_t e;
    json_t *tree = json_loadb(p, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
    const json_t *model = json_object_get(tree, "model");

    if (tree == NULL) {
        assert(strstr(e.text, "real number overflow") != NULL || strstr(e.text, "NUL") != NULL);
    } else {
        assert(json_is_string(model) == seen->has_model);
        assert(!seen->has_model || seen->cut ||
               (json_string_length(model) == seen->nmodel &&
                memcmp(json_string_value(model), seen->model, seen->nmodel) == 0));
    }
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen a, b;
    const char *p = (const char *)data;
    bool ok = scan(p, size, SIZE_MAX, &a);

    assert(scan(p, size, 1, &b) == ok);
    assert(!ok || (a.n == b.n && a.nmodel == b.nmodel && memcmp(a.model, b.model, a.nmodel) == 0));
    if (ok)
        compare(p, size, &a);
    for (int api = MODEL_ANTHROPIC; api <= MODEL_GEMINI; api++) {
        const struct model_call call = {.api = (enum model_api)api, .work = MODEL_WORK_INFER};
        struct model_reader *r = model_reader_new(&call);

        if (model_reader_feed(r, p, size))
            (void)model_reader_end(r);
        model_reader_free(r);
    }
    return 0;
}
