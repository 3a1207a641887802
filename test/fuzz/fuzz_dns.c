/* SPDX-License-Identifier: Apache-2.0 */
/* DNS questions and replies. What is read must be canonical; what is answered must be readable. */
#include "gate/dns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const struct name *name)
{
    struct name again;

    assert(name_from_text(name_str(name), &again) && name_eq(&again, name));
}

static void check_answer(const uint8_t *data, const struct dns_query *q)
{
    static const char words[DNS_PLAIN_MAX] = "why";
    uint8_t out[DNS_PLAIN_MAX];
    struct dns_reply r;
    struct dns_answer a = {.rcode = DNS_NOERROR, .ttl = 1, .naddrs = 1, .addr = {4, {1, 2, 3, 4}}};

    if (q->type == DNS_AAAA)
        a.addr = (struct addr){16, {0x20, 1, 0xd, 0xb8}};
    if (q->type != DNS_A && q->type != DNS_AAAA)
        a.naddrs = 0;
    size_t n = dns_answer(out, data, q, &a);

    assert(n <= sizeof(out));
    if (a.naddrs == 1 && q->name_ok) {
        assert(dns_parse_reply(out, n, q->id, &q->name, q->type, &r));
        assert(r.naddrs == 1 && addr_eq(&r.addrs[0], &a.addr));
    }
    a = (struct dns_answer){.rcode = DNS_NXDOMAIN, .ede = DNS_EDE_BLOCKED};
    a.ede_text = (struct str){words, sizeof(words)};
    assert(dns_answer(out, data, q, &a) <= sizeof(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct name name = {4, "a.bc"};
    /* exactly as long as the input, so that one byte too far is seen */
    uint8_t *p = malloc(size > 0 ? size : 1);
    struct dns_query q;
    struct dns_reply r;

    if (p == NULL)
        return 0;
    memcpy(p, data, size);
    int rcode = dns_parse_query(p, size, &q);

    if (rcode == DNS_NOERROR) {
        if (q.name_ok)
            check_name(&q.name);
        check_answer(p, &q);
    } else if (rcode > 0) {
        uint8_t out[DNS_PLAIN_MAX];
        assert(dns_answer(out, p, &q, &(struct dns_answer){.rcode = rcode}) <= sizeof(out));
    }
    uint16_t id = size >= 2 ? (uint16_t)(p[0] << 8 | p[1]) : 0;

    if (dns_parse_reply(p, size, id, &name, DNS_A, &r) ||
        dns_parse_reply(p, size, id, &name, DNS_AAAA, &r))
        for (size_t i = 0; i < r.naddrs; i++)
            assert(r.addrs[i].n == 4 || r.addrs[i].n == 16);
    free(p);
    return 0;
}
