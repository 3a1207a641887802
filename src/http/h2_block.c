/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2_block.h"

#include "http/chars.h"
#include "http/fields.h"

void h2_block_init(struct h2_block *b)
{
    buf_init(&b->text, HTTP_HEAD_MAX);
    buf_init(&b->cookie, HTTP_HEAD_MAX);
    h2_block_clear(b);
}

void h2_block_free(struct h2_block *b)
{
    buf_free(&b->text);
    buf_free(&b->cookie);
}

void h2_block_clear(struct h2_block *b)
{
    buf_clear(&b->text);
    buf_clear(&b->cookie);
    b->n = 0;
    b->cookie_at = SIZE_MAX;
    b->fault = HTTP_FINE;
}

static enum http_fault add_cookie(struct h2_block *b, struct str value)
{
    if (b->cookie_at != SIZE_MAX)
        buf_add(&b->cookie, "; ", 2);
    else
        b->cookie_at = b->n;
    buf_add(&b->cookie, value.p, value.n);
    return b->cookie.full ? HTTP_HEAD_LARGE : HTTP_FINE;
}

static enum http_fault add(struct h2_block *b, struct str name, struct str value)
{
    bool pseudo = name.n > 0 && name.p[0] == ':', again = b->cookie_at != SIZE_MAX;
    struct str bare = {name.p + pseudo, name.n - pseudo};

    if (!http_is_lower_token(bare))
        return HTTP_FIELD_NAME;
    if (!http_is_value(value) || http_trim(value).n != value.n)
        return HTTP_FIELD_VALUE;
    if (str_is(name, "cookie")) {
        enum http_fault fault = add_cookie(b, value);

        if (fault != HTTP_FINE || again)
            return fault;
        value.n = 0; /* it stands in b->cookie */
    }
    if (b->n == sizeof(b->at) / sizeof(b->at[0]))
        return HTTP_FIELDS_MANY;
    size_t at = b->text.n;

    buf_add(&b->text, name.p, name.n);
    buf_add(&b->text, value.p, value.n);
    if (b->text.full || b->text.n + b->cookie.n > HTTP_HEAD_MAX)
        return HTTP_HEAD_LARGE;
    b->at[b->n].name = (uint32_t)at;
    b->at[b->n].name_n = (uint32_t)name.n;
    b->at[b->n].value = (uint32_t)(at + name.n);
    b->at[b->n].value_n = (uint32_t)value.n;
    b->n++;
    return HTTP_FINE;
}

bool h2_block_add(struct h2_block *b, struct str name, struct str value)
{
    if (b->fault == HTTP_FINE)
        b->fault = add(b, name, value);
    return b->fault == HTTP_FINE;
}

/* Pseudo-header fields, which come before all others, each at most once. */
struct pseudo {
    struct str method, scheme, authority, path, status;
};

static struct str *pseudo_of(struct pseudo *p, struct str name)
{
    const struct {
        const char *name;
        struct str *to;
    } all[] = {{":method", &p->method},
               {":scheme", &p->scheme},
               {":authority", &p->authority},
               {":path", &p->path},
               {":status", &p->status}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (str_is(name, all[i].name))
            return all[i].to;
    return NULL;
}

/* Pseudo-header fields into *p, the others into out->fields. */
static enum http_fault split(struct h2_block *b, struct pseudo *p, struct h2_head *out)
{
    size_t n = 0;

    *p = (struct pseudo){0};
    out->head = (struct http_head){.fields = out->fields, .length = -1};
    for (size_t i = 0; i < b->n; i++) {
        const char *text = buf_str(&b->text).p;
        struct http_field f = {{text + b->at[i].name, b->at[i].name_n},
                               {text + b->at[i].value, b->at[i].value_n}};

        if (i == b->cookie_at)
            f.value = buf_str(&b->cookie);
        if (f.name.p[0] != ':') {
            out->fields[n++] = f;
            continue;
        }
        struct str *to = pseudo_of(p, f.name);

        if (n > 0 || to == NULL || to->p != NULL)
            return HTTP_PSEUDO;
        *to = f.value;
    }
    out->head.nfields = n;
    return n <= HTTP_FIELDS_MAX ? HTTP_FINE : HTTP_FIELDS_MANY;
}

static bool lower(struct str s)
{
    return authority_lower((char *)(uintptr_t)s.p, s.n); /* it lies in the block */
}

static enum http_fault read_authority(struct pseudo *p, struct str host, struct http_head *h)
{
    if (host.p != NULL && !lower(host))
        return HTTP_HOST_BAD;
    if (p->authority.p != NULL && !lower(p->authority))
        return HTTP_HOST_BAD;
    h->authority = p->authority.p != NULL ? p->authority : host;
    if (h->authority.p == NULL)
        return HTTP_HOST_MISSING;
    return host.p == NULL || str_eq(host, h->authority) ? HTTP_FINE : HTTP_HOST_DIFFERS;
}

static bool is_upper_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            return false;
    return http_is_token(s);
}

static enum http_fault read_pseudo(const struct pseudo *p, bool tls, struct http_head *h)
{
    if (p->method.p == NULL || p->status.p != NULL)
        return HTTP_PSEUDO;
    if (str_is(p->method, "CONNECT"))
        return HTTP_CONNECT;
    if (p->scheme.p == NULL || p->path.p == NULL)
        return HTTP_PSEUDO;
    if (!is_upper_token(p->method))
        return HTTP_METHOD;
    if (!str_is(p->scheme, tls ? "https" : "http"))
        return HTTP_SCHEME;
    if (p->path.n > HTTP_TARGET_MAX)
        return HTTP_TARGET_LONG;
    if (!http_is_target(p->path) ||
        (p->path.p[0] != '/' && !(str_is(p->path, "*") && str_is(p->method, "OPTIONS"))))
        return HTTP_TARGET;
    h->method = p->method;
    h->scheme = p->scheme;
    h->target = p->path;
    return HTTP_FINE;
}

enum http_fault h2_read_request(struct h2_block *b, bool tls, bool end, struct h2_head *out)
{
    struct pseudo p;
    struct field_facts facts;
    struct http_head *h = &out->head;
    enum http_fault fault = split(b, &p, out);

    if (fault == HTTP_FINE)
        fault = read_pseudo(&p, tls, h);
    if (fault == HTTP_FINE)
        fault = fields_sort(out->fields, &h->nfields, true, &facts);
    if (fault == HTTP_FINE)
        fault = read_authority(&p, facts.host, h);
    if (fault != HTTP_FINE)
        return fault;
    if (end && facts.length > 0)
        return HTTP_LENGTH_NO_BODY;
    h->end = end;
    h->length = facts.length;
    h->expect = facts.expect && !end;
    h->trailers = facts.trailers;
    return HTTP_FINE;
}

static enum http_fault read_status(struct str s, unsigned *status)
{
    *status = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || i == 3)
            return HTTP_STATUS;
        *status = *status * 10 + (unsigned)(s.p[i] - '0');
    }
    /* 101 is of HTTP/1 only (RFC 9113, 8.6) */
    return *status >= 100 && *status <= 599 && *status != 101 ? HTTP_FINE : HTTP_STATUS;
}

enum http_fault h2_read_response(struct h2_block *b, bool end, struct h2_head *out)
{
    struct pseudo p;
    struct field_facts facts;
    struct http_head *h = &out->head;
    enum http_fault fault = split(b, &p, out);

    if (fault == HTTP_FINE && (p.status.p == NULL || p.method.p != NULL || p.path.p != NULL ||
                               p.scheme.p != NULL || p.authority.p != NULL))
        fault = HTTP_PSEUDO;
    if (fault == HTTP_FINE)
        fault = read_status(p.status, &h->status);
    if (fault == HTTP_FINE)
        fault = fields_sort(out->fields, &h->nfields, true, &facts);
    if (fault != HTTP_FINE)
        return fault;
    if (h->status < 200 && end)
        return HTTP_STATUS;
    if ((h->status < 200 || h->status == 204) && facts.length > 0)
        return HTTP_LENGTH_NO_BODY;
    h->end = end;
    h->length = h->status < 200 || h->status == 204 ? -1 : facts.length;
    return HTTP_FINE;
}

enum http_fault h2_read_trailers(struct h2_block *b, struct h2_head *out)
{
    struct pseudo p;
    enum http_fault fault = split(b, &p, out);

    for (size_t i = 0; i < b->n && fault == HTTP_FINE; i++)
        if (buf_str(&b->text).p[b->at[i].name] == ':')
            fault = HTTP_PSEUDO;
    for (size_t i = 0; i < out->head.nfields && fault == HTTP_FINE; i++)
        if (!field_trails(out->fields[i].name))
            fault = HTTP_TRAILER_FIELD;
    return fault;
}
