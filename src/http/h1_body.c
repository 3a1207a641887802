/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_body.h"

#define DIGITS_MAX     14 /* of a size, zeros before it included */
#define EXTENSIONS_MAX ((size_t)4096)

void h1_body_start(struct h1_body *b, enum h1_framing framing, int64_t length)
{
    *b = (struct h1_body){.framing = framing, .place = H1_IN_DATA};
    switch (framing) {
    case H1_NO_BODY:
        b->place = H1_IN_NOTHING;
        break;
    case H1_LENGTH:
        b->left = (uint64_t)length;
        break;
    case H1_CHUNKED:
        b->place = H1_IN_SIZE;
        break;
    case H1_UNTIL_CLOSE:
    case H1_RAW:
        b->left = UINT64_MAX;
        break;
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum http_fault in_size(struct h1_body *b, char c)
{
    int digit = hex(c);

    if (digit >= 0) {
        b->left = b->left << 4 | (unsigned)digit;
        return ++b->digits <= DIGITS_MAX ? HTTP_FINE : HTTP_CHUNK_SIZE;
    }
    if (b->digits == 0 || (c != '\r' && c != ';'))
        return HTTP_CHUNK_SIZE;
    b->place = c == ';' ? H1_IN_EXTENSION : H1_IN_SIZE_LF;
    return HTTP_FINE;
}

/* Nobody acts upon extensions: they are checked for what could end a line elsewhere, and left out.
 */
static enum http_fault in_extension(struct h1_body *b, char c)
{
    unsigned char u = (unsigned char)c;

    if (c == '\r') {
        b->place = H1_IN_SIZE_LF;
        return HTTP_FINE;
    }
    if ((u < 0x20 && c != '\t') || u >= 0x7f || ++b->extensions > EXTENSIONS_MAX)
        return HTTP_CHUNK_EXTENSION;
    return HTTP_FINE;
}

static enum http_fault in_size_lf(struct h1_body *b, char c)
{
    if (c != '\n')
        return HTTP_CHUNK_SIZE;
    b->digits = 0;
    b->place = b->left > 0 ? H1_IN_DATA : H1_IN_TRAILERS;
    return HTTP_FINE;
}

static enum http_fault in_framing(struct h1_body *b, char c)
{
    switch (b->place) {
    case H1_IN_SIZE:
        return in_size(b, c);
    case H1_IN_EXTENSION:
        return in_extension(b, c);
    case H1_IN_SIZE_LF:
        return in_size_lf(b, c);
    case H1_IN_END_CR:
        b->place = H1_IN_END_LF;
        return c == '\r' ? HTTP_FINE : HTTP_CHUNK_END;
    case H1_IN_END_LF:
        b->place = H1_IN_SIZE;
        return c == '\n' ? HTTP_FINE : HTTP_CHUNK_END;
    case H1_IN_DATA:
    case H1_IN_TRAILERS:
    case H1_IN_NOTHING:
        break;
    }
    return HTTP_FINE;
}

static void piece_taken(struct h1_body *b, size_t n)
{
    if (b->left == UINT64_MAX)
        return;
    b->left -= n;
    if (b->left == 0)
        b->place = b->framing == H1_CHUNKED ? H1_IN_END_CR : H1_IN_NOTHING;
}

ssize_t h1_body_feed(struct h1_body *b, const char *p, size_t n, size_t most, struct str *data,
                     enum http_fault *fault)
{
    size_t i = 0;

    *data = (struct str){p, 0};
    for (; i < n && b->place != H1_IN_DATA; i++) {
        if (b->place == H1_IN_TRAILERS || b->place == H1_IN_NOTHING)
            return (ssize_t)i;
        *fault = in_framing(b, p[i]);
        if (*fault != HTTP_FINE)
            return -1;
    }
    if (b->place != H1_IN_DATA)
        return (ssize_t)i;
    size_t piece = n - i;

    if (piece > most)
        piece = most;
    if (piece > b->left)
        piece = (size_t)b->left;
    *data = (struct str){p + i, piece};
    if (piece > 0)
        piece_taken(b, piece);
    return (ssize_t)(i + piece);
}
