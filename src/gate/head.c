/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/head.h"

struct str head_copy_str(struct arena *a, struct str s)
{
    return (struct str){arena_strndup(a, s.n == 0 ? "" : s.p, s.n), s.n};
}

const struct http_field *head_copy_fields(struct arena *a, const struct http_field *f, size_t n)
{
    struct http_field *to = arena_alloc(a, n * sizeof(*to));

    for (size_t i = 0; i < n; i++)
        to[i] = (struct http_field){head_copy_str(a, f[i].name), head_copy_str(a, f[i].value)};
    return to;
}

void head_copy(struct arena *a, struct http_head *to, const struct http_head *from)
{
    *to = *from;
    to->method = head_copy_str(a, from->method);
    to->scheme = head_copy_str(a, from->scheme);
    to->authority = head_copy_str(a, from->authority);
    to->target = head_copy_str(a, from->target);
    to->fields = head_copy_fields(a, from->fields, from->nfields);
}

void head_set(struct arena *a, struct http_head *h, struct str name, struct str value)
{
    struct http_field *to = arena_alloc(a, (h->nfields + 1) * sizeof(*to));
    size_t n = 0;

    for (size_t i = 0; i < h->nfields; i++)
        if (!str_eq(h->fields[i].name, name))
            to[n++] = h->fields[i];
    to[n++] = (struct http_field){name, value};
    h->fields = to;
    h->nfields = n;
}
