/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.h - IP addresses in one canonical form.
 *
 * An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is always held as the IPv4 address that it
 * means, so a rule about one is a rule about the other. Text is that of inet_ntop.
 */
#ifndef BELAY_GATE_ADDR_H
#define BELAY_GATE_ADDR_H

#include "base/text.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 46

struct addr {
    uint8_t n; /* 4 or 16 bytes */
    uint8_t b[16];
};

struct addr addr_from_bytes(const void *p, size_t n); /* n is 4 or 16 */
/* Strict: dotted quad or RFC 4291 text, no zone, no leading zeros. */
bool addr_from_text(struct str text, struct addr *a);
/* "ADDRESS:PORT" or "[ADDRESS]:PORT" */
bool addr_port_from_text(struct str text, struct addr *a, uint16_t *port);
bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *a, uint16_t *port);
socklen_t addr_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss);
void addr_text(const struct addr *a, char out[ADDR_TEXT_MAX]);
bool addr_eq(const struct addr *a, const struct addr *b);
int addr_family(const struct addr *a);

bool addr_is_loopback(const struct addr *a); /* 127.0.0.0/8, ::1 */
/* Can a connection be made to it at all? Not to the unspecified address (which Linux takes
 * for the loopback), to "this network", multicast, broadcast, or link-local IPv6 (no zone). */
bool addr_usable(const struct addr *a);

/* From "4.3.2.1.in-addr.arpa" or the nibbles of ip6.arpa (RFC 1035, 3.5; RFC 3596, 2.5). */
bool addr_from_reverse(struct str name, struct addr *a);
/* Below in-addr.arpa or ip6.arpa, or one of them. */
bool addr_is_reverse(struct str name);

#endif
