/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

/* https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-; every row that
 * matches adds its class. What matches none is global. */
static const struct row4 {
    uint8_t prefix[4];
    unsigned bits;
    unsigned class;
} rows4[] = {
    {{0, 0, 0, 0}, 8, NET_UNSPECIFIED},
    {{10, 0, 0, 0}, 8, NET_PRIVATE},
    {{100, 64, 0, 0}, 10, NET_PRIVATE},
    {{127, 0, 0, 0}, 8, NET_LOOPBACK},
    {{169, 254, 0, 0}, 16, NET_LINK_LOCAL},
    {{172, 16, 0, 0}, 12, NET_PRIVATE},
    {{192, 0, 0, 0}, 24, NET_RESERVED},
    {{192, 0, 2, 0}, 24, NET_RESERVED},
    {{192, 88, 99, 0}, 24, NET_RESERVED},
    {{192, 168, 0, 0}, 16, NET_PRIVATE},
    {{198, 18, 0, 0}, 15, NET_RESERVED},
    {{198, 51, 100, 0}, 24, NET_RESERVED},
    {{203, 0, 113, 0}, 24, NET_RESERVED},
    {{224, 0, 0, 0}, 4, NET_MULTICAST},
    {{240, 0, 0, 0}, 4, NET_RESERVED},
    {{255, 255, 255, 255}, 32, NET_MULTICAST},
    /* instance metadata of the large clouds */
    {{169, 254, 169, 254}, 32, NET_METADATA},
    {{169, 254, 170, 2}, 32, NET_METADATA},
    {{169, 254, 170, 23}, 32, NET_METADATA},
    {{100, 100, 100, 200}, 32, NET_METADATA},
    {{192, 0, 0, 192}, 32, NET_METADATA},
    {{168, 63, 129, 16}, 32, NET_METADATA},
};

static const struct row6 {
    uint8_t prefix[16];
    unsigned bits;
    unsigned class;
} rows6[] = {
    {{0x01, 0x00}, 64, NET_RESERVED},
    {{0x01, 0x00, [7] = 1}, 64, NET_RESERVED},
    {{0x20, 0x01}, 23, NET_RESERVED},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, NET_RESERVED},
    {{0x3f, 0xff}, 20, NET_RESERVED},
    {{0xfc}, 7, NET_PRIVATE},
    {{0xfe, 0x80}, 10, NET_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, NET_PRIVATE},
    {{0xff}, 8, NET_MULTICAST},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, NET_PRIVATE},
    {{0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23}, 128, NET_METADATA},
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128, NET_METADATA},
    {{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128, NET_METADATA},
};

static bool in_prefix(const uint8_t *a, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, prefix, whole) != 0)
        return false;
    return rest == 0 || (uint8_t)(a[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static unsigned class4(const uint8_t *a)
{
    unsigned class = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows4); i++)
        if (in_prefix(a, rows4[i].prefix, rows4[i].bits))
            class |= rows4[i].class;
    return class != 0 ? class : NET_GLOBAL;
}

/* Forms that stand for an IPv4 address as a whole: 0 if it is none of them. */
static unsigned class_wrapped(const uint8_t *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, compatible[12] = {0};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}, sixtofour[2] = {0x20, 0x02};
    static const uint8_t loopback[16] = {[15] = 1}, any[16] = {0};

    if (memcmp(a, any, 16) == 0)
        return NET_UNSPECIFIED;
    if (memcmp(a, loopback, 16) == 0)
        return NET_LOOPBACK;
    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return class4(a + 12);
    if (memcmp(a, compatible, 12) == 0)
        return (class4(a + 12) & ~(unsigned)NET_GLOBAL) | NET_RESERVED;
    if (memcmp(a, sixtofour, 2) == 0)
        return class4(a + 2);
    return 0;
}

/* Forms that carry an IPv4 address beside a prefix of their own. */
static unsigned class_carried(const uint8_t *a)
{
    static const uint8_t teredo[4] = {0x20, 0x01, 0, 0},
                         local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
    static const uint8_t isatap[4] = {0x00, 0x00, 0x5e, 0xfe};
    unsigned class = 0;

    if (memcmp(a, teredo, 4) == 0) {
        uint8_t client[4];

        for (size_t i = 0; i < 4; i++)
            client[i] = (uint8_t)~a[12 + i];
        class |= class4(client) | class4(a + 4);
    }
    if (memcmp(a, local_nat64, 6) == 0)
        class |= class4(a + 12);
    if (((a[8] & 0xfd) == isatap[0]) && memcmp(a + 9, isatap + 1, 3) == 0)
        class |= class4(a + 12);
    return class & ~(unsigned)NET_GLOBAL;
}

static unsigned class6(const uint8_t *a)
{
    static const uint8_t unicast[1] = {0x20};
    unsigned class = class_wrapped(a);

    if (class != 0)
        return class;
    for (size_t i = 0; i < ARRAY_LEN(rows6); i++)
        if (in_prefix(a, rows6[i].prefix, rows6[i].bits))
            class |= rows6[i].class;
    class |= class_carried(a);
    if (class == 0)
        class = in_prefix(a, unicast, 3) ? NET_GLOBAL : NET_RESERVED;
    return class;
}

unsigned address_class(const struct address *a)
{
    return a->v6 ? class6(a->bytes) : class4(a->bytes);
}

const char *net_class_id(enum net_class c)
{
    switch (c) {
#define X(sym, bit, id) \
    case NET_##sym:     \
        return id;
        NET_CLASSES(X)
#undef X
    }
    return "reserved";
}

bool address_parse(struct str text, struct address *out)
{
    char s[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof(s) || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(s, text.p, text.n);
    s[text.n] = '\0';
    memset(out, 0, sizeof(*out));
    out->v6 = strchr(s, ':') != NULL;
    return inet_pton(out->v6 ? AF_INET6 : AF_INET, s, out->bytes) == 1;
}

void address_print(const struct address *a, char *out)
{
    const char *done = inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, out, INET6_ADDRSTRLEN);

    assert(done != NULL);
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool label_char(char c)
{
    return (c >= 'a' && c <= 'z') || digit(c) || c == '-' || c == '_';
}

/* Resolvers read a name whose last label is a number as an IPv4 address: 127.1, 0x7f.1. */
static bool numeric_label(const char *p, size_t n)
{
    size_t i = 0;

    if (n >= 2 && p[0] == '0' && p[1] == 'x')
        for (i = 2; i < n && (digit(p[i]) || (p[i] >= 'a' && p[i] <= 'f')); i++)
            ;
    else
        while (i < n && digit(p[i]))
            i++;
    return i == n;
}

static bool name_is_canonical(struct str host)
{
    size_t start = 0;

    if (host.n == 0 || host.n > 253)
        return false;
    for (size_t i = 0; i <= host.n; i++) {
        if (i < host.n && host.p[i] != '.') {
            if (!label_char(host.p[i]))
                return false;
            continue;
        }
        if (i == start || i - start > 63)
            return false;
        if (i == host.n && numeric_label(host.p + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

bool host_is_canonical(struct str host, bool *is_address, struct address *a)
{
    char again[INET6_ADDRSTRLEN];

    *is_address = address_parse(host, a);
    if (!*is_address)
        return name_is_canonical(host);
    address_print(a, again);
    return str_is(host, again);
}
