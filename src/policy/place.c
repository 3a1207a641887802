/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/place.h"

#include <string.h>

static bool host_is_plain(struct str host)
{
    for (size_t i = 0; i < host.n; i++)
        if (!((host.p[i] >= 'a' && host.p[i] <= 'z') || (host.p[i] >= '0' && host.p[i] <= '9') ||
              host.p[i] == '.' || host.p[i] == '-'))
            return false;
    return host.n > 0 && host.p[0] != '.' && host.p[host.n - 1] != '.';
}

static bool read_port(struct str digits, uint16_t *port)
{
    unsigned n = 0;

    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || n > UINT16_MAX)
            return false;
        n = n * 10 + (unsigned)(digits.p[i] - '0');
    }
    *port = (uint16_t)n;
    return n >= 1 && n <= UINT16_MAX;
}

bool place_read(struct str text, struct place *p)
{
    const char *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
    struct str host = {text.p, slash != NULL ? (size_t)(slash - text.p) : text.n};
    const char *colon = host.n > 0 ? memchr(host.p, ':', host.n) : NULL;

    *p = (struct place){.port = 443, .path = STR("/*")};
    if (slash != NULL)
        p->path = (struct str){slash, text.n - host.n};
    if (colon != NULL) {
        struct str digits = {colon + 1, host.n - (size_t)(colon + 1 - host.p)};

        if (!read_port(digits, &p->port))
            return false;
        host.n = (size_t)(colon - host.p);
    }
    p->below = str_starts(host, "*.");
    p->host = p->below ? (struct str){host.p + 2, host.n - 2} : host;
    for (size_t i = 0; i < p->path.n; i++)
        if (p->path.p[i] <= ' ' || p->path.p[i] >= 0x7f || p->path.p[i] == '?')
            return false;
    return host_is_plain(p->host) && (!p->below || memchr(p->host.p, '.', p->host.n) != NULL);
}

/* '*' stands for any bytes. On a mismatch the last star takes one more. */
static bool matches(struct str pattern, struct str s)
{
    size_t at = 0, i = 0, star = SIZE_MAX, from = 0;

    while (i < s.n) {
        if (at < pattern.n && pattern.p[at] == '*') {
            star = at++;
            from = i;
        } else if (at < pattern.n && pattern.p[at] == s.p[i]) {
            at++;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++from;
        } else {
            return false;
        }
    }
    while (at < pattern.n && pattern.p[at] == '*')
        at++;
    return at == pattern.n;
}

bool place_has_host(const struct place *p, struct str host)
{
    size_t n = p->host.n;

    if (!p->below)
        return str_eq(host, p->host);
    return host.n > n + 1 && host.p[host.n - n - 1] == '.' &&
           memcmp(host.p + host.n - n, p->host.p, n) == 0;
}

bool place_fits(const struct place *p, struct str host, uint16_t port, struct str path)
{
    return p->port == port && place_has_host(p, host) && matches(p->path, path);
}
