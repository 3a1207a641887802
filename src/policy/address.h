/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h - which kind of place an IP address is, and canonical host names.
 *
 * Classes follow the IANA special-purpose registries (RFC 6890 and its updates). An address
 * that wraps an IPv4 address (v4-mapped, v4-compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48,
 * 6to4 2002::/16, Teredo, ISATAP) is classed by the inner one as well: the stricter counts.
 */
#ifndef BELAY_POLICY_ADDRESS_H
#define BELAY_POLICY_ADDRESS_H

#include "base/text.h"

#include <stdint.h>

/* NET(symbol, bit, Cedar id of Net) */
#define NET_CLASSES(X)                                                             \
    X(GLOBAL, 1, "global")                                                         \
    X(PRIVATE, 2, "private")          /* RFC 1918, fc00::/7, 100.64.0.0/10 */      \
    X(LOOPBACK, 4, "loopback")        /* 127.0.0.0/8, ::1, the name localhost */   \
    X(LINK_LOCAL, 8, "link-local")    /* 169.254.0.0/16, fe80::/10 */              \
    X(MULTICAST, 16, "multicast")     /* 224.0.0.0/4, ff00::/8, 255.255.255.255 */ \
    X(UNSPECIFIED, 32, "unspecified") /* 0.0.0.0/8, :: */                          \
    X(METADATA, 64, "metadata")       /* where clouds hand out credentials */      \
    X(RESERVED, 128, "reserved")      /* documentation, benchmarks, future use */

enum net_class {
#define X(sym, bit, id) NET_##sym = (bit),
    NET_CLASSES(X)
#undef X
};

struct address {
    bool v6;
    uint8_t bytes[16]; /* network order; 4 used when !v6 */
};

/* Strict: dotted decimal with four parts, or RFC 4291 text without zone and brackets. */
bool address_parse(struct str text, struct address *out);
/* The canonical text (RFC 5952). `out` holds at least 46 bytes. */
void address_print(const struct address *a, char *out);
/* Bits of enum net_class; NET_GLOBAL alone means: a public address and nothing else. */
unsigned address_class(const struct address *a);
/* The Cedar id of one class bit. */
const char *net_class_id(enum net_class c);

/*
 * Is this a canonical host: lower-case letters, digits, '-' and '_' in labels of 1..63, at
 * most 253 bytes, no final dot, the last label not numeric; or an address as address_print
 * writes it (then *is_address and *a are set)? Anything else names nothing and is denied.
 */
bool host_is_canonical(struct str host, bool *is_address, struct address *a);

#endif
