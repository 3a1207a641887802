/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_head.h"

#include "http/chars.h"
#include "http/fields.h"

#include <string.h>

#define METHOD_MAX 32

/* What is left to read. Every LF in it has a CR before it, and it ends with an empty line. */
struct text {
    char *p;
    size_t n;
};

struct line {
    char *p;
    size_t n;
};

/* The next line without its end; false: it is the empty one. */
static bool next_line(struct text *t, struct line *l)
{
    const char *lf = memchr(t->p, '\n', t->n);
    size_t n = (size_t)(lf - t->p);

    *l = (struct line){t->p, n - 1};
    t->p += n + 1;
    t->n -= n + 1;
    return l->n > 0;
}

static enum http_fault read_field(struct line l, struct http_field *f)
{
    size_t i = 0;

    if (l.p[0] == ' ' || l.p[0] == '\t')
        return HTTP_FIELD_FOLD;
    for (; i < l.n && l.p[i] != ':'; i++) {
        unsigned char lower = http_token_lower[(unsigned char)l.p[i]];

        if (lower == 0)
            return HTTP_FIELD_NAME;
        l.p[i] = (char)lower;
    }
    if (i == 0 || i == l.n)
        return HTTP_FIELD_NAME;
    f->name = (struct str){l.p, i};
    f->value = http_trim((struct str){l.p + i + 1, l.n - i - 1});
    return http_is_value(f->value) ? HTTP_FINE : HTTP_FIELD_VALUE;
}

static enum http_fault read_fields(struct text *t, struct http_field *f, size_t *n)
{
    struct line l;

    for (*n = 0; next_line(t, &l); (*n)++) {
        if (*n == HTTP_FIELDS_MAX)
            return HTTP_FIELDS_MANY;
        enum http_fault fault = read_field(l, &f[*n]);
        if (fault != HTTP_FINE)
            return fault;
    }
    return HTTP_FINE;
}

enum http_fault h1_read_trailers(char *text, size_t n, struct http_field *f, size_t *nf)
{
    struct text t = {text, n};
    enum http_fault fault = read_fields(&t, f, nf);

    for (size_t i = 0; fault == HTTP_FINE && i < *nf; i++)
        if (!field_trails(f[i].name))
            fault = HTTP_TRAILER_FIELD;
    return fault;
}

static enum http_fault read_version(struct str v, bool *old)
{
    *old = str_is(v, "HTTP/1.0");
    if (*old || str_is(v, "HTTP/1.1"))
        return HTTP_FINE;
    return str_starts(v, "HTTP/") ? HTTP_VERSION : HTTP_START_LINE;
}

static bool is_upper_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'a' && s.p[i] <= 'z')
            return false;
    return s.n <= METHOD_MAX && http_is_token(s);
}

/* METHOD SP TARGET SP VERSION */
static enum http_fault read_request_line(struct line l, struct h1_head *out, struct line *target)
{
    char *first = memchr(l.p, ' ', l.n), *last = memrchr(l.p, ' ', l.n);

    if (first == NULL || first == last)
        return HTTP_START_LINE;
    struct str version = {last + 1, l.n - (size_t)(last + 1 - l.p)};
    enum http_fault fault = read_version(version, &out->old);

    if (fault != HTTP_FINE)
        return fault;
    *target = (struct line){first + 1, (size_t)(last - first - 1)};
    out->head.method = (struct str){l.p, (size_t)(first - l.p)};
    if (!is_upper_token(out->head.method))
        return HTTP_METHOD;
    if (target->n > HTTP_TARGET_MAX)
        return HTTP_TARGET_LONG;
    if (!http_is_target((struct str){target->p, target->n}))
        return HTTP_TARGET;
    return str_is(out->head.method, "CONNECT") ? HTTP_CONNECT : HTTP_FINE;
}

/* SCHEME://AUTHORITY[/PATH][?QUERY], of this connection's scheme. What is behind the authority
 * stays. */
static enum http_fault read_absolute(struct line *t, struct str scheme, struct str *authority)
{
    char *colon = memchr(t->p, ':', t->n);
    size_t n = colon != NULL ? (size_t)(colon - t->p) : 0;

    if (colon == NULL || t->n - n < 3 || memcmp(colon, "://", 3) != 0)
        return HTTP_TARGET;
    if (!http_same((struct str){t->p, n}, scheme.p))
        return HTTP_SCHEME;
    char *from = colon + 3;
    size_t rest = t->n - n - 3, length = 0;

    while (length < rest && from[length] != '/' && from[length] != '?')
        length++;
    if (!authority_lower(from, length))
        return HTTP_TARGET;
    *authority = (struct str){from, length};
    *t = (struct line){from + length, rest - length};
    return HTTP_FINE;
}

/* The target as path and query; an authority in it has to be that of Host. */
static enum http_fault read_target(struct line t, struct http_head *h)
{
    bool options = str_is(h->method, "OPTIONS");

    if (t.p[0] != '/' && !(options && t.n == 1 && t.p[0] == '*')) {
        struct str authority;
        enum http_fault fault = read_absolute(&t, h->scheme, &authority);

        if (fault != HTTP_FINE)
            return fault;
        if (!str_eq(authority, h->authority))
            return HTTP_HOST_DIFFERS;
        if (t.n == 0 || t.p[0] == '?') {
            if (options)
                return HTTP_TARGET; /* the server as a whole, or its root? */
            *--t.p = '/';           /* the authority's last byte, which Host has as well */
            t.n++;
        }
    }
    h->target = (struct str){t.p, t.n};
    return HTTP_FINE;
}

static enum http_fault read_host(struct str host, struct http_head *h)
{
    if (host.p == NULL)
        return HTTP_HOST_MISSING;
    if (!authority_lower((char *)(uintptr_t)host.p, host.n)) /* it lies in the text */
        return HTTP_HOST_BAD;
    h->authority = host;
    return HTTP_FINE;
}

static enum http_fault frame_request(const struct field_facts *facts, struct h1_head *out)
{
    struct http_head *h = &out->head;

    if (facts->chunked && out->old)
        return HTTP_CODING_OLD;
    out->framing = facts->chunked ? H1_CHUNKED : facts->length > 0 ? H1_LENGTH : H1_NO_BODY;
    out->close = out->old || facts->close;
    h->length = facts->length;
    h->end = out->framing == H1_NO_BODY;
    h->expect = facts->expect && !out->old && !h->end;
    h->trailers = facts->trailers;
    h->websocket = facts->websocket && !out->old && h->end && str_is(h->method, "GET");
    return HTTP_FINE;
}

enum http_fault h1_read_request(char *text, size_t n, bool tls, struct h1_head *out)
{
    struct text t = {text, n};
    struct line l, target;
    struct field_facts facts;
    struct http_head *h = &out->head;

    *h = (struct http_head){.scheme = tls ? STR("https") : STR("http"), .fields = out->fields};
    if (!next_line(&t, &l))
        return HTTP_START_LINE;
    enum http_fault fault = read_request_line(l, out, &target);

    if (fault == HTTP_FINE)
        fault = read_fields(&t, out->fields, &h->nfields);
    if (fault == HTTP_FINE)
        fault = fields_sort(out->fields, &h->nfields, false, &facts);
    if (fault == HTTP_FINE)
        fault = read_host(facts.host, h);
    if (fault == HTTP_FINE)
        fault = read_target(target, h);
    return fault == HTTP_FINE ? frame_request(&facts, out) : fault;
}

/* VERSION SP STATUS [SP REASON] */
static enum http_fault read_status_line(struct line l, struct h1_head *out)
{
    struct str line = {l.p, l.n};
    unsigned status = 0;

    if (line.n < 8)
        return HTTP_START_LINE;
    enum http_fault fault = read_version((struct str){line.p, 8}, &out->old);

    if (fault != HTTP_FINE)
        return fault;
    if (line.n < 12 || line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' ') ||
        !http_is_value(line))
        return HTTP_START_LINE;
    for (size_t i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return HTTP_STATUS;
        status = status * 10 + (unsigned)(line.p[i] - '0');
    }
    out->head.status = status;
    return status >= 100 && status <= 599 ? HTTP_FINE : HTTP_STATUS;
}

/* One without a body, whatever its fields say (RFC 9112, 6.3). */
static enum http_fault frame_bodiless(const struct field_facts *facts, struct h1_asked asked,
                                      struct h1_head *out)
{
    struct http_head *h = &out->head;
    bool none = h->status < 200 || h->status == 204;

    if (none && (facts->chunked || facts->length > 0))
        return HTTP_LENGTH_NO_BODY;
    out->framing = H1_NO_BODY;
    h->length = none ? -1 : facts->length;
    h->end = h->status >= 200;
    if (h->status != 101)
        return HTTP_FINE;
    if (!asked.websocket || !facts->websocket || out->old)
        return HTTP_UPGRADE;
    out->framing = H1_RAW;
    h->websocket = true;
    return HTTP_FINE;
}

static enum http_fault frame_response(const struct field_facts *facts, struct h1_asked asked,
                                      struct h1_head *out)
{
    struct http_head *h = &out->head;

    if (facts->chunked && out->old)
        return HTTP_CODING_OLD;
    out->close = facts->close || (out->old && !facts->keep_alive);
    if (asked.head || h->status < 200 || h->status == 204 || h->status == 304)
        return frame_bodiless(facts, asked, out);
    h->length = facts->length;
    if (facts->chunked)
        out->framing = H1_CHUNKED;
    else if (facts->length < 0)
        out->framing = H1_UNTIL_CLOSE;
    else
        out->framing = facts->length > 0 ? H1_LENGTH : H1_NO_BODY;
    out->close = out->close || out->framing == H1_UNTIL_CLOSE;
    h->end = out->framing == H1_NO_BODY;
    return HTTP_FINE;
}

enum http_fault h1_read_response(char *text, size_t n, struct h1_asked asked, struct h1_head *out)
{
    struct text t = {text, n};
    struct line l;
    struct field_facts facts;

    out->head = (struct http_head){.fields = out->fields};
    if (!next_line(&t, &l))
        return HTTP_START_LINE;
    enum http_fault fault = read_status_line(l, out);

    if (fault == HTTP_FINE)
        fault = read_fields(&t, out->fields, &out->head.nfields);
    if (fault == HTTP_FINE)
        fault = fields_sort(out->fields, &out->head.nfields, false, &facts);
    return fault == HTTP_FINE ? frame_response(&facts, asked, out) : fault;
}
