/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_write.h"

#include "base/mem.h"
#include "http/conn.h"
#include "http/fields.h"

#include <string.h>

/* Some clients show it, none may act upon it. */
static const struct {
    unsigned status;
    const char *text;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static struct str reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return str_of(reasons[i].text);
    return STR("");
}

static char *put(char *to, struct str s)
{
    return s.n > 0 ? (char *)mempcpy(to, s.p, s.n) : to;
}

#define NUMBER_MAX 20

static char *put_number(char *to, uint64_t n, unsigned base)
{
    char digits[NUMBER_MAX];
    size_t i = sizeof(digits);

    do {
        digits[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n > 0);
    return mempcpy(to, digits + i, sizeof(digits) - i);
}

static char *put_field(char *to, struct str name, struct str value)
{
    to = put(to, name);
    to = put(to, STR(": "));
    to = put(to, value);
    return put(to, STR("\r\n"));
}

static char *put_fields(char *to, const struct http_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to = put_field(to, f[i].name, f[i].value);
    return to;
}

static char *put_length(char *to, int64_t n)
{
    to = put(to, STR("content-length: "));
    to = put_number(to, (uint64_t)n, 10);
    return put(to, STR("\r\n"));
}

static size_t fields_size(const struct http_field *f, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += f[i].name.n + f[i].value.n + 4;
    return size;
}

#define FRAME_MAX 256 /* all that a head says beside what it was given */

enum h1_framing h1_request_framing(const struct http_head *head)
{
    if (head->end || head->websocket)
        return H1_NO_BODY;
    return head->length >= 0 ? H1_LENGTH : H1_CHUNKED;
}

enum h1_framing h1_response_framing(const struct http_head *head, bool to_head, bool old)
{
    if (head->websocket)
        return H1_RAW;
    if (head->end || http_bodiless(head->status, to_head))
        return H1_NO_BODY;
    if (head->length >= 0)
        return H1_LENGTH;
    return old ? H1_UNTIL_CLOSE : H1_CHUNKED;
}

/* Servers want a length with these even where there is no body (RFC 9110, 8.6). */
static bool brings_body(struct str method)
{
    return str_is(method, "POST") || str_is(method, "PUT") || str_is(method, "PATCH");
}

static char *put_request_frame(char *to, const struct http_head *h, enum h1_framing framing)
{
    if (framing == H1_CHUNKED)
        to = put(to, STR("transfer-encoding: chunked\r\n"));
    else if (framing == H1_LENGTH)
        to = put_length(to, h->length);
    else if (h->length == 0 || brings_body(h->method))
        to = put_length(to, 0);
    if (h->expect && framing != H1_NO_BODY)
        to = put(to, STR("expect: 100-continue\r\n"));
    if (h->websocket)
        return put(to, STR("connection: upgrade\r\nupgrade: websocket\r\n"));
    if (h->trailers)
        return put(to, STR("connection: te\r\nte: trailers\r\n"));
    return to;
}

void h1_write_request(struct queue *q, const struct http_head *h, enum h1_framing framing)
{
    char *from = queue_room(q, h->method.n + h->target.n + h->authority.n + FRAME_MAX +
                                   fields_size(h->fields, h->nfields));
    char *to = put(from, h->method);

    to = put(to, STR(" "));
    to = put(to, h->target);
    to = put(to, STR(" HTTP/1.1\r\n"));
    to = put_field(to, STR("host"), h->authority);
    to = put_fields(to, h->fields, h->nfields);
    to = put_request_frame(to, h, framing);
    to = put(to, STR("\r\n"));
    queue_grow(q, (size_t)(to - from));
}

static char *put_response_frame(char *to, const struct http_head *h, enum h1_framing framing)
{
    switch (framing) {
    case H1_CHUNKED:
        return put(to, STR("transfer-encoding: chunked\r\n"));
    case H1_LENGTH:
        return put_length(to, h->length);
    case H1_RAW:
        return put(to, STR("connection: upgrade\r\nupgrade: websocket\r\n"));
    case H1_UNTIL_CLOSE:
        return to;
    case H1_NO_BODY:
        break;
    }
    if (h->status < 200 || h->status == 204)
        return to;
    if (h->length >= 0)
        return put_length(to, h->length);
    return to;
}

void h1_write_response(struct queue *q, const struct http_head *h, enum h1_framing framing,
                       bool close)
{
    char *from = queue_room(q, FRAME_MAX + fields_size(h->fields, h->nfields));
    char *to = put(from, STR("HTTP/1.1 "));

    to = put_number(to, h->status, 10);
    to = put(to, STR(" "));
    to = put(to, reason(h->status));
    to = put(to, STR("\r\n"));
    to = put_fields(to, h->fields, h->nfields);
    to = put_response_frame(to, h, framing);
    if (close)
        to = put(to, STR("connection: close\r\n"));
    to = put(to, STR("\r\n"));
    queue_grow(q, (size_t)(to - from));
}

void h1_write_chunk(struct queue *q, const char *p, size_t n)
{
    char *from = queue_room(q, n + NUMBER_MAX + 4), *to = put_number(from, n, 16);

    to = put(to, STR("\r\n"));
    to = put(to, (struct str){p, n});
    to = put(to, STR("\r\n"));
    queue_grow(q, (size_t)(to - from));
}

void h1_write_last_chunk(struct queue *q, const struct http_field *trailers, size_t n)
{
    char *from = queue_room(q, fields_size(trailers, n) + 8), *to = put(from, STR("0\r\n"));

    for (size_t i = 0; i < n; i++)
        if (field_trails(trailers[i].name) && fields_can_go(&trailers[i], 1))
            to = put_field(to, trailers[i].name, trailers[i].value);
    to = put(to, STR("\r\n"));
    queue_grow(q, (size_t)(to - from));
}

void h1_write_fault(struct queue *q, enum http_fault fault)
{
    struct http_field type = {STR("content-type"), STR("text/plain")};
    struct str text = str_of(http_fault_text(fault));
    struct http_head head = {.status = http_fault_status(fault),
                             .fields = &type,
                             .nfields = 1,
                             .length = (int64_t)text.n + 1};

    h1_write_response(q, &head, H1_LENGTH, true);
    queue_add(q, text.p, text.n);
    queue_add(q, "\n", 1);
}
