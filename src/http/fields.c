/* SPDX-License-Identifier: Apache-2.0 */
#include "http/fields.h"

#include "base/mem.h"
#include "http/chars.h"
#include "http/target.h"

#include <string.h>

enum kind {
    END_TO_END,
    HOST,
    LENGTH,
    CODING,
    CONNECTION,
    UPGRADE,
    TE,
    EXPECT,
    HOP, /* about the connection, and not needed */
    NO_TRAILER,
};

/* Names by kind. Of the last kind are those that a receiver may merge into the head and act upon.
 */
static const struct {
    const char *name;
    size_t n;
    enum kind kind;
} known[] = {
#define NAME(text, kind)             \
    {                                \
        text, sizeof(text) - 1, kind \
    }
    NAME("te", TE),
    NAME("host", HOST),
    NAME("expect", EXPECT),
    NAME("upgrade", UPGRADE),
    NAME("connection", CONNECTION),
    NAME("keep-alive", HOP),
    NAME("http2-settings", HOP),
    NAME("content-length", LENGTH),
    NAME("proxy-connection", HOP),
    NAME("transfer-encoding", CODING),
    NAME("age", NO_TRAILER),
    NAME("vary", NO_TRAILER),
    NAME("range", NO_TRAILER),
    NAME("cookie", NO_TRAILER),
    NAME("pragma", NO_TRAILER),
    NAME("trailer", NO_TRAILER),
    NAME("location", NO_TRAILER),
    NAME("set-cookie", NO_TRAILER),
    NAME("retry-after", NO_TRAILER),
    NAME("content-type", NO_TRAILER),
    NAME("max-forwards", NO_TRAILER),
    NAME("authorization", NO_TRAILER),
    NAME("cache-control", NO_TRAILER),
    NAME("content-range", NO_TRAILER),
    NAME("content-encoding", NO_TRAILER),
    NAME("www-authenticate", NO_TRAILER),
    NAME("proxy-authenticate", NO_TRAILER),
    NAME("proxy-authorization", NO_TRAILER),
#undef NAME
};

#define FRAMING 10 /* those before the first of kind NO_TRAILER */

static enum kind kind_among(struct str name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (known[i].n == name.n && memcmp(known[i].name, name.p, name.n) == 0)
            return known[i].kind;
    return END_TO_END;
}

bool field_trails(struct str name)
{
    return kind_among(name, ARRAY_LEN(known)) == END_TO_END;
}

bool field_sends(struct str name)
{
    return kind_among(name, FRAMING) == END_TO_END;
}

bool fields_can_go(const struct http_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!http_is_lower_token(f[i].name) || !http_is_value(f[i].value) ||
            !field_sends(f[i].name))
            return false;
    return n <= HTTP_FIELDS_MAX;
}

/* Servers that put fields into variables take '_' for '-': content_length. */
static bool is_like(struct str name)
{
    char dashed[24];

    if (name.n >= sizeof(dashed) || memchr(name.p, '_', name.n) == NULL)
        return false;
    for (size_t i = 0; i < name.n; i++)
        dashed[i] = name.p[i] == '_' ? '-' : name.p[i];
    return kind_among((struct str){dashed, name.n}, FRAMING) != END_TO_END;
}

/* The next element of a comma-separated list; false at its end. Empty ones are passed over. */
static bool list_next(struct str *rest, struct str *item)
{
    while (rest->n > 0) {
        const char *comma = memchr(rest->p, ',', rest->n);
        size_t n = comma != NULL ? (size_t)(comma - rest->p) : rest->n;
        size_t skip = comma != NULL ? n + 1 : n;

        *item = http_trim((struct str){rest->p, n});
        rest->p += skip;
        rest->n -= skip;
        if (item->n > 0)
            return true;
    }
    return false;
}

#define NOMINATED_MAX 8

/* What Connection says, before it is done. */
struct connection {
    bool upgrade, websocket;
    size_t n;
    char name[NOMINATED_MAX][64]; /* other fields that go no further, lower case */
};

static enum http_fault nominate(struct connection *c, struct str token)
{
    if (c->n == NOMINATED_MAX || token.n >= sizeof(c->name[0]))
        return HTTP_CONNECTION;
    char *to = c->name[c->n];

    for (size_t i = 0; i < token.n; i++)
        to[i] = (char)http_token_lower[(unsigned char)token.p[i]];
    to[token.n] = 0;
    switch (kind_among((struct str){to, token.n}, ARRAY_LEN(known))) {
    case END_TO_END:
        c->n++;
        return HTTP_FINE;
    case CONNECTION:
    case UPGRADE:
    case TE:
    case HOP:
        return HTTP_FINE; /* goes no further anyway */
    case HOST:
    case LENGTH:
    case CODING:
    case EXPECT:
    case NO_TRAILER:
        break;
    }
    return HTTP_CONNECTION;
}

static enum http_fault read_connection(struct str value, struct connection *c,
                                       struct field_facts *out)
{
    struct str token;

    while (list_next(&value, &token)) {
        if (!http_is_token(token))
            return HTTP_CONNECTION;
        if (http_same(token, "close"))
            out->close = true;
        else if (http_same(token, "keep-alive"))
            out->keep_alive = true;
        else if (http_same(token, "upgrade"))
            c->upgrade = true;
        else if (nominate(c, token) != HTTP_FINE)
            return HTTP_CONNECTION;
    }
    return HTTP_FINE;
}

static bool wants_trailers(struct str te)
{
    struct str token;

    while (list_next(&te, &token))
        if (http_same(token, "trailers"))
            return true;
    return false;
}

static enum http_fault read_length(struct str value, struct field_facts *out)
{
    if (out->length >= 0)
        return HTTP_LENGTH_TWICE;
    return http_number(value, &out->length) ? HTTP_FINE : HTTP_LENGTH_BAD;
}

static enum http_fault read_coding(struct str value, struct field_facts *out)
{
    if (out->chunked)
        return HTTP_CODING_TWICE;
    out->chunked = true;
    return http_same(value, "chunked") ? HTTP_FINE : HTTP_CODING;
}

/* One that does not go from end to end. */
static enum http_fault read_fact(enum kind kind, struct str value, struct connection *c,
                                 struct field_facts *out)
{
    switch (kind) {
    case HOST:
        if (out->host.p != NULL)
            return HTTP_HOST_TWICE;
        out->host = value;
        return HTTP_FINE;
    case LENGTH:
        return read_length(value, out);
    case CODING:
        return read_coding(value, out);
    case CONNECTION:
        return read_connection(value, c, out);
    case UPGRADE:
        c->websocket = http_same(value, "websocket");
        return HTTP_FINE;
    case TE:
        out->trailers = out->trailers || wants_trailers(value);
        return HTTP_FINE;
    case EXPECT:
        out->expect = true;
        return http_same(value, "100-continue") ? HTTP_FINE : HTTP_EXPECT;
    case HOP:
    case END_TO_END:
    case NO_TRAILER:
        break;
    }
    return HTTP_FINE;
}

static bool is_hop_in_h2(enum kind kind, struct str value)
{
    return kind == CONNECTION || kind == UPGRADE || kind == CODING || kind == HOP ||
           (kind == TE && !http_same(value, "trailers"));
}

static void drop_nominated(struct http_field *f, size_t *n, const struct connection *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        bool drop = false;

        for (size_t k = 0; k < c->n && !drop; k++)
            drop = str_is(f[i].name, c->name[k]);
        if (!drop)
            f[kept++] = f[i];
    }
    *n = kept;
}

enum http_fault fields_sort(struct http_field *f, size_t *n, bool h2, struct field_facts *out)
{
    struct connection c;
    size_t kept = 0;

    c.n = 0;
    c.upgrade = c.websocket = false;
    *out = (struct field_facts){.length = -1};
    for (size_t i = 0; i < *n; i++) {
        enum kind kind = kind_among(f[i].name, FRAMING);

        if (kind == END_TO_END) {
            if (is_like(f[i].name))
                return HTTP_NAME_LIKE;
            f[kept++] = f[i];
            continue;
        }
        if (h2 && is_hop_in_h2(kind, f[i].value))
            return HTTP_CONNECTION_H2;
        enum http_fault fault = read_fact(kind, f[i].value, &c, out);
        if (fault != HTTP_FINE)
            return fault;
    }
    *n = kept;
    if (c.n > 0)
        drop_nominated(f, n, &c);
    out->websocket = c.upgrade && c.websocket;
    return out->chunked && out->length >= 0 ? HTTP_LENGTH_CHUNKED : HTTP_FINE;
}

bool authority_lower(char *p, size_t n)
{
    struct http_authority parts;

    for (size_t i = 0; i < n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + ('a' - 'A'));
    return http_authority_parse((struct str){p, n}, &parts);
}
