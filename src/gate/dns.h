/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.h - DNS messages (RFC 1035, EDNS RFC 6891, extended errors RFC 8914): reading the
 * agent's questions and the upstream's replies, writing answers and questions.
 *
 * Pure functions on byte ranges. Questions are read strictly: one question, no compression,
 * nothing behind the message, at most one OPT record. In replies a compression pointer must
 * point before the name that holds it and before the pointer followed last, so loops cannot
 * be written.
 */
#ifndef BELAY_GATE_DNS_H
#define BELAY_GATE_DNS_H

#include "gate/addr.h"
#include "gate/name.h"

#define DNS_PLAIN_MAX 512  /* bytes of a UDP message without EDNS */
#define DNS_UDP_MAX   1232 /* what we take over UDP: fits one packet everywhere */
#define DNS_TCP_MAX   65535
#define DNS_ADDRS_MAX 16 /* addresses used of one reply */

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16,
};

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
};

enum dns_ede { DNS_EDE_NONE = 0, DNS_EDE_BLOCKED = 15, DNS_EDE_NOT_READY = 14 };

struct dns_query {
    uint16_t id, type;
    uint8_t opcode;
    bool recurse, edns;
    size_t udp_max;      /* what the asker takes over UDP */
    size_t question_end; /* offset behind the question; 12 when it could not be read */
    bool name_ok;        /* the name is one that name.h accepts */
    struct name name;
};

/* -1: drop it, nothing can be said; else the rcode that the message by itself deserves:
 * DNS_NOERROR when the question may be answered. *q is filled as far as it could be read. */
int dns_parse_query(const uint8_t *p, size_t n, struct dns_query *q);

struct dns_answer {
    int rcode;
    uint32_t ttl;  /* seconds */
    size_t naddrs; /* 0, or one address that fits the type of the question */
    struct addr addr;
    const struct name *ptr; /* the name that a PTR question asks for, or NULL */
    enum dns_ede ede;
    struct str ede_text; /* cut to fit */
};

/* Writes the answer to the query at `query` (the bytes that *q was read from). At most
 * DNS_PLAIN_MAX bytes; `out` has that much room. */
size_t dns_answer(uint8_t *out, const uint8_t *query, const struct dns_query *q,
                  const struct dns_answer *a);

/* Writes a question; at most DNS_PLAIN_MAX bytes. */
size_t dns_question(uint8_t *out, uint16_t id, const struct name *name, uint16_t type);

struct dns_reply {
    int rcode;
    bool truncated;
    uint32_t ttl; /* smallest of the records used */
    size_t naddrs;
    struct addr addrs[DNS_ADDRS_MAX];
};

/* The reply to the question (id, name, type); follows aliases inside the reply. False:
 * malformed, or the reply to something else. */
bool dns_parse_reply(const uint8_t *p, size_t n, uint16_t id, const struct name *name,
                     uint16_t type, struct dns_reply *r);

#endif
