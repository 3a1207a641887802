/* SPDX-License-Identifier: Apache-2.0 */
/*
 * est.h - reading policies from JSON that has been read: what its parts share.
 */
#ifndef CEDAR_EST_H
#define CEDAR_EST_H

#include "json.h"
#include "load.h"
#include "parse_help.h"

struct est {
    struct cedar_policies *into;
    struct cedar_loader loader;
};

static inline enum cedar_status est_expected(struct est *in, const struct cedar_json *json,
                                             const char *what)
{
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, json->span,
                      "expected %s, found %s", what, cedar_json_kind_name(json));
}

static inline enum cedar_status est_wrong(struct est *in, struct cedar_span span, const char *why)
{
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, span, "%s", why);
}

static inline enum cedar_status est_no_memory(struct est *in)
{
    return cedar_fail_memory(in->loader.err);
}

static inline enum cedar_status est_node(struct est *in, const struct cedar_expr *model,
                                         struct cedar_expr **out)
{
    return cedar_node(in->into, in->loader.source, model, out, in->loader.err);
}

static inline enum cedar_status est_member(struct est *in, const struct cedar_json *json,
                                           const char *key, const struct cedar_json **out)
{
    *out = cedar_json_get(json, key);
    if (*out != NULL)
        return CEDAR_OK;
    return cedar_fail(in->loader.err, CEDAR_ERR_SYNTAX, in->loader.source, json->span,
                      "there is no \"%s\" here", key);
}

static inline enum cedar_status est_string_member(struct est *in, const struct cedar_json *json,
                                                  const char *key, struct cedar_str *out)
{
    const struct cedar_json *m = NULL;

    TRY(est_member(in, json, key, &m));
    if (m->kind != JSON_STRING)
        return est_expected(in, m, "a string");
    *out = m->string;
    return CEDAR_OK;
}

static inline enum cedar_status est_keep(struct est *in, struct cedar_str s, struct cedar_str *out)
{
    *out = cedar_arena_str(&in->into->arena, s);
    return out->ptr != NULL ? CEDAR_OK : est_no_memory(in);
}

static inline enum cedar_status est_name_of(struct est *in, struct cedar_str s, cedar_name *out)
{
    return cedar_intern_or_fail(in->into->names, s, out, in->loader.err);
}

/* An expression of the JSON policy format. */
enum cedar_status cedar_est_expr(struct est *in, const struct cedar_json *json,
                                 struct cedar_expr **out);

/* The same under a key of an object. */
static inline enum cedar_status est_expr_member(struct est *in, const struct cedar_json *json,
                                                const char *key, struct cedar_expr **out)
{
    const struct cedar_json *m = NULL;

    TRY(est_member(in, json, key, &m));
    return cedar_est_expr(in, m, out);
}

#endif
