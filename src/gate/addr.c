/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct addr addr_from_bytes(const void *p, size_t n)
{
    const uint8_t *b = p;
    struct addr a = {0};

    assert(n == 4 || n == 16);
    if (n == 16 && memcmp(b, mapped, sizeof(mapped)) == 0) {
        b += sizeof(mapped);
        n = 4;
    }
    a.n = (uint8_t)n;
    memcpy(a.b, b, n);
    return a;
}

bool addr_from_text(struct str text, struct addr *a)
{
    char z[ADDR_TEXT_MAX];
    uint8_t b[16];

    if (text.n >= sizeof(z) || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (inet_pton(AF_INET, z, b) == 1)
        *a = addr_from_bytes(b, 4);
    else if (inet_pton(AF_INET6, z, b) == 1)
        *a = addr_from_bytes(b, 16);
    else
        return false;
    return true;
}

static bool port_from_text(struct str text, uint16_t *port)
{
    unsigned long n = 0;

    if (text.n == 0 || text.n > 5)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (unsigned long)(text.p[i] - '0');
    }
    *port = (uint16_t)n;
    return n > 0 && n <= UINT16_MAX;
}

bool addr_port_from_text(struct str text, struct addr *a, uint16_t *port)
{
    const char *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;

    if (colon == NULL)
        return false;
    struct str host = {text.p, (size_t)(colon - text.p)};
    struct str tail = {colon + 1, text.n - host.n - 1};
    bool bracketed = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    if (bracketed)
        host = (struct str){host.p + 1, host.n - 2};
    else if (memchr(host.p, ':', host.n) != NULL)
        return false; /* without brackets the port cannot be told apart */
    return addr_from_text(host, a) && port_from_text(tail, port);
}

bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *a, uint16_t *port)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)ss;
        *a = addr_from_bytes(&in->sin_addr, 4);
        *port = ntohs(in->sin_port);
        return true;
    }
    if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)ss;
        *a = addr_from_bytes(&in->sin6_addr, 16);
        *port = ntohs(in->sin6_port);
        return true;
    }
    return false;
}

socklen_t addr_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof(*ss));
    if (a->n == 4) {
        struct sockaddr_in *in = (void *)ss;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, a->b, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in = (void *)ss;
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    memcpy(&in->sin6_addr, a->b, 16);
    return sizeof(*in);
}

int addr_family(const struct addr *a)
{
    return a->n == 4 ? AF_INET : AF_INET6;
}

void addr_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    const char *text = inet_ntop(addr_family(a), a->b, out, ADDR_TEXT_MAX);

    assert(text != NULL);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t loopback6[16] = {[15] = 1};

    return a->n == 4 ? a->b[0] == 127 : memcmp(a->b, loopback6, 16) == 0;
}

bool addr_usable(const struct addr *a)
{
    static const uint8_t unspecified[16];

    if (a->n == 4)
        return a->b[0] != 0 && a->b[0] < 224 /* multicast, reserved, broadcast */;
    if (a->b[0] == 0xff || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
        return false;
    return memcmp(a->b, unspecified, 16) != 0;
}

static bool strip_suffix(struct str *s, const char *suffix)
{
    size_t n = strlen(suffix);

    if (s->n < n || memcmp(s->p + s->n - n, suffix, n) != 0)
        return false;
    s->n -= n;
    return true;
}

bool addr_is_reverse(struct str name)
{
    struct str s = name;

    if (!strip_suffix(&s, "in-addr.arpa") && !strip_suffix(&s, "ip6.arpa"))
        return false;
    return s.n == 0 || s.p[s.n - 1] == '.';
}

static bool reverse4(struct str s, struct addr *a)
{
    struct addr forward;

    if (!addr_from_text(s, &forward) || forward.n != 4)
        return false;
    a->n = 4;
    for (int i = 0; i < 4; i++)
        a->b[i] = forward.b[3 - i];
    return true;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool reverse6(struct str s, struct addr *a)
{
    uint8_t b[16] = {0};

    if (s.n != 63)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int v = nibble(s.p[2 * i]);

        if (v < 0 || (i < 31 && s.p[2 * i + 1] != '.'))
            return false;
        b[15 - i / 2] = (uint8_t)(b[15 - i / 2] | v << (i % 2 == 0 ? 0 : 4));
    }
    *a = addr_from_bytes(b, 16);
    return true;
}

bool addr_from_reverse(struct str name, struct addr *a)
{
    struct str s = name;

    if (strip_suffix(&s, ".in-addr.arpa"))
        return reverse4(s, a);
    return strip_suffix(&s, ".ip6.arpa") && reverse6(s, a);
}
