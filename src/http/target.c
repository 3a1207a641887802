/* SPDX-License-Identifier: Apache-2.0 */
#include "http/target.h"

#include "http/chars.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool label =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';

        if (!label && (c != '.' || i == 0 || s.p[i - 1] == '.'))
            return false;
    }
    return s.n > 0 && s.n <= 254;
}

static bool is_bracketed(struct str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (s.n < 4 || s.n - 2 >= sizeof(text) || s.p[0] != '[' || s.p[s.n - 1] != ']' ||
        memchr(s.p, 0, s.n) != NULL)
        return false;
    memcpy(text, s.p + 1, s.n - 2);
    text[s.n - 2] = '\0';
    return inet_pton(AF_INET6, text, &addr) == 1;
}

static bool read_port(struct str s, unsigned *port)
{
    unsigned n = 0;

    if (s.n == 0 || s.n > 5 || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    *port = n;
    return n <= 65535;
}

bool http_authority_parse(struct str text, struct http_authority *out)
{
    bool bracket = text.n > 0 && text.p[0] == '[';
    const char *from = bracket ? memchr(text.p, ']', text.n) : text.p;

    *out = (struct http_authority){text, 0};
    if (text.n == 0 || from == NULL)
        return false;
    const char *colon = memchr(from, ':', text.n - (size_t)(from - text.p));

    if (colon != NULL) {
        size_t n = (size_t)(colon - text.p);

        out->host.n = n;
        if (!read_port((struct str){colon + 1, text.n - n - 1}, &out->port))
            return false;
    }
    return bracket ? is_bracketed(out->host) : is_name(out->host);
}

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that an escape at s stands for; -1: there is none. */
static int escape(struct str s)
{
    if (s.n < 3 || s.p[0] != '%' || hex(s.p[1]) < 0 || hex(s.p[2]) < 0)
        return -1;
    return hex(s.p[1]) << 4 | hex(s.p[2]);
}

/* Is a '%' of the path followed by what makes an escape of something that matters, once it is
 * decoded a second time, or a third? */
static bool comes_to_life(struct str exact)
{
    for (size_t i = 0; i + 3 <= exact.n; i++) {
        if (memcmp(exact.p + i, "%25", 3) != 0)
            continue;
        size_t at = i + 3;

        while (exact.n - at >= 2 && memcmp(exact.p + at, "25", 2) == 0)
            at += 2;
        if (exact.n - at < 2)
            continue;
        const char again[3] = {'%', exact.p[at], exact.p[at + 1]};
        int c = escape((struct str){again, 3});

        if (c == '.' || c == '/' || c == '\\' || (c >= 0 && c < 0x20) || c == 0x7f)
            return true;
    }
    return false;
}

static void add_both(struct buf *exact, struct buf *folded, char c, bool escaped)
{
    if (c == '%') {
        buf_add(exact, "%25", 3);
        buf_add(folded, "%25", 3);
    } else if (c == '/') {
        buf_puts(exact, escaped ? "%2F" : "/");
        if (folded->n == 0 || folded->p[folded->n - 1] != '/')
            buf_add(folded, "/", 1);
    } else {
        buf_add(exact, &c, 1);
        buf_add(folded, &c, 1);
    }
}

/* Decodes the path into both readings. */
static const char *decode(struct str path, struct buf *exact, struct buf *folded)
{
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool escaped = c == '%';

        if (escaped) {
            int byte = escape((struct str){path.p + i, path.n - i});

            if (byte < 0)
                return "a '%' that begins no escape";
            c = (char)byte;
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return "a control character";
        if (c == '\\')
            return "a backslash";
        if (!escaped && (c == '#' || c == ' ' || (unsigned char)c >= 0x80))
            return "a character that has to be escaped";
        add_both(exact, folded, c, escaped);
    }
    return exact->full || folded->full ? "it is too long" : NULL;
}

/* A segment that is "." or "..", with or without parameters. */
static bool is_dots(struct str segment)
{
    const char *semicolon = memchr(segment.p, ';', segment.n);

    if (semicolon != NULL)
        segment.n = (size_t)(semicolon - segment.p);
    return str_is(segment, ".") || str_is(segment, "..");
}

static bool has_dots(struct str path)
{
    for (size_t i = 0; i < path.n;) {
        const char *slash = memchr(path.p + i, '/', path.n - i);
        size_t n = slash != NULL ? (size_t)(slash - path.p) - i : path.n - i;

        if (n > 0 && is_dots((struct str){path.p + i, n}))
            return true;
        i += n + 1;
    }
    return false;
}

static bool is_utf8(struct str s)
{
    uint32_t c;

    for (size_t i = 0, n; i < s.n; i += n) {
        n = utf8_len(s.p + i, s.n - i, &c);
        if (n == 0 || (c >= 0x80 && c < 0xa0))
            return false;
    }
    return true;
}

bool http_path_canonical(struct str target, struct buf *exact, struct buf *folded, const char **why)
{
    const char *query = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    struct str path = {target.p, query != NULL ? (size_t)(query - target.p) : target.n};

    buf_clear(exact);
    buf_clear(folded);
    *why = NULL;
    if (str_is(target, "*")) {
        buf_add(exact, "*", 1);
        buf_add(folded, "*", 1);
        return true;
    }
    if (path.n == 0 || path.p[0] != '/')
        *why = "it does not begin with a slash";
    else
        *why = decode(path, exact, folded);
    if (*why == NULL && comes_to_life(buf_str(exact)))
        *why = "an escape within an escape";
    if (*why == NULL && has_dots(buf_str(folded)))
        *why = "a segment of dots";
    if (*why == NULL && !is_utf8(buf_str(exact)))
        *why = "what it stands for is no UTF-8";
    return *why == NULL;
}
