/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/dns.h"

#include <assert.h>
#include <string.h>

enum { HEADER = 12, CLASS_IN = 1, LABELS_MAX = 128, WIRE_NAME_MAX = 255, OPT_HEAD = 11 };
enum { FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_RA = 0x0080 };
enum { ALIASES_MAX = 16, RECORDS_MAX = 128, EDNS_EDE = 15 };

/* A reading position. `bad` sticks: later reads give 0, the caller checks once. */
struct reader {
    const uint8_t *p;
    size_t n, at;
    bool bad;
};

static unsigned read16(struct reader *r)
{
    if (r->bad || r->n - r->at < 2) {
        r->bad = true;
        return 0;
    }
    r->at += 2;
    return (unsigned)r->p[r->at - 2] << 8 | r->p[r->at - 1];
}

static uint32_t read32(struct reader *r)
{
    uint32_t high = read16(r);

    return high << 16 | read16(r);
}

static void skip(struct reader *r, size_t n)
{
    if (r->bad || r->n - r->at < n)
        r->bad = true;
    else
        r->at += n;
}

/* Where to go on after the length byte at *at, or false at a malformed one. Pointers must lead
 * to before `*low`, which then falls to where they lead: each step goes strictly down. */
static bool follow(const struct reader *r, size_t *at, size_t *low, bool *jumped)
{
    if (r->n - *at < 2)
        return false;
    size_t target = ((size_t)r->p[*at] & 0x3f) << 8 | r->p[*at + 1];

    if (target >= *low || target < HEADER)
        return false;
    *at = target;
    *low = target;
    *jumped = true;
    return true;
}

/* Reads a name. *ok tells whether name.h accepts it; r->bad is set when the wire form is wrong.
 * `compressed`: pointers are allowed. */
static void read_name(struct reader *r, bool compressed, struct name *name, bool *ok)
{
    size_t at = r->at, low = r->at, wire = 1;
    bool jumped = false;

    name_start(name);
    *ok = true;
    while (!r->bad) {
        if (at >= r->n) {
            r->bad = true;
            return;
        }
        size_t n = r->p[at];

        if (n >= 0xc0) {
            if (!jumped)
                r->at = at + 2;
            r->bad = !compressed || !follow(r, &at, &low, &jumped);
            continue;
        }
        wire += n + 1;
        if (n > NAME_LABEL_MAX || wire > WIRE_NAME_MAX + 1 || r->n - at < n + 1) {
            r->bad = true;
            return;
        }
        if (n == 0) {
            if (!jumped)
                r->at = at + 1;
            break;
        }
        *ok = *ok && name_add_label(name, r->p + at + 1, n);
        at += n + 1;
    }
    *ok = *ok && name_finish(name);
}

/* The only additional record taken in a question: OPT at the root. */
static int read_opt(struct reader *r, struct dns_query *q)
{
    skip(r, 1);
    if (r->bad || r->p[r->at - 1] != 0 || read16(r) != DNS_OPT)
        return DNS_FORMERR;
    size_t size = read16(r);
    uint32_t flags = read32(r);
    size_t length = read16(r), end = r->at + length;

    skip(r, length);
    if (r->bad)
        return DNS_FORMERR;
    for (struct reader o = {r->p, end, end - length, false}; o.at < end;) {
        read16(&o);
        skip(&o, read16(&o));
        if (o.bad)
            return DNS_FORMERR;
    }
    q->edns = true;
    q->udp_max = size < DNS_PLAIN_MAX ? DNS_PLAIN_MAX : size;
    return (flags >> 16 & 0xff) != 0 ? DNS_BADVERS : DNS_NOERROR;
}

static int read_question(struct reader *r, struct dns_query *q)
{
    read_name(r, false, &q->name, &q->name_ok);
    q->type = (uint16_t)read16(r);
    unsigned class = read16(r);

    if (r->bad)
        return DNS_FORMERR;
    q->question_end = r->at;
    return class == CLASS_IN ? DNS_NOERROR : DNS_REFUSED;
}

int dns_parse_query(const uint8_t *p, size_t n, struct dns_query *q)
{
    struct reader r = {p, n, 0, false};

    memset(q, 0, sizeof(*q));
    q->udp_max = DNS_PLAIN_MAX;
    q->question_end = HEADER;
    q->id = (uint16_t)read16(&r);
    unsigned flags = read16(&r), questions = read16(&r), answers = read16(&r);
    unsigned authorities = read16(&r), additionals = read16(&r);

    if (r.bad || (flags & FLAG_QR) != 0)
        return -1;
    q->opcode = flags >> 11 & 0xf;
    q->recurse = (flags & FLAG_RD) != 0;
    if (q->opcode != 0)
        return DNS_NOTIMP;
    if (questions != 1 || answers != 0 || authorities != 0 || additionals > 1)
        return DNS_FORMERR;
    int rcode = read_question(&r, q);

    if (rcode == DNS_NOERROR && additionals == 1)
        rcode = read_opt(&r, q);
    if (rcode == DNS_NOERROR && r.at != r.n)
        rcode = DNS_FORMERR;
    if (rcode == DNS_NOERROR && (q->type == DNS_AXFR || q->type == DNS_IXFR))
        rcode = DNS_REFUSED;
    return rcode;
}

/* A writing position in DNS_PLAIN_MAX bytes. Sizes are bounded by what is written, so running
 * over is a mistake of ours. */
struct writer {
    uint8_t *p;
    size_t n;
};

static void put(struct writer *w, const void *p, size_t n)
{
    assert(DNS_PLAIN_MAX - w->n >= n);
    memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void put16(struct writer *w, unsigned v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

    put(w, b, 2);
}

static void put32(struct writer *w, uint32_t v)
{
    put16(w, v >> 16);
    put16(w, v & 0xffff);
}

static void put_name(struct writer *w, const struct name *name)
{
    const char *at = name->s;

    while (*at != '\0') {
        size_t n = strcspn(at, ".");
        uint8_t length = (uint8_t)n;

        put(w, &length, 1);
        put(w, at, n);
        at += at[n] == '.' ? n + 1 : n;
    }
    put(w, "", 1);
}

/* One record; its owner is the question's name, by pointer. */
static void put_record(struct writer *w, const struct dns_query *q, const struct dns_answer *a)
{
    put16(w, 0xc000 | HEADER);
    put16(w, q->type);
    put16(w, CLASS_IN);
    put32(w, a->ttl);
    if (a->ptr == NULL) {
        put16(w, a->addr.n);
        put(w, a->addr.b, a->addr.n);
        return;
    }
    put16(w, a->ptr->n + 2u);
    put_name(w, a->ptr);
}

static void put_opt(struct writer *w, const struct dns_answer *a)
{
    size_t room = DNS_PLAIN_MAX - w->n - OPT_HEAD;
    bool ede = a->ede != DNS_EDE_NONE && room >= 6;
    size_t text = 0;

    if (ede)
        text = a->ede_text.n < room - 6 ? a->ede_text.n : room - 6;
    put(w, "", 1);
    put16(w, DNS_OPT);
    put16(w, DNS_UDP_MAX);
    put32(w, (uint32_t)a->rcode >> 4 << 24);
    put16(w, ede ? (unsigned)text + 6 : 0);
    if (!ede)
        return;
    put16(w, EDNS_EDE);
    put16(w, (unsigned)text + 2);
    put16(w, a->ede);
    if (text > 0)
        put(w, a->ede_text.p, text);
}

size_t dns_answer(uint8_t *out, const uint8_t *query, const struct dns_query *q,
                  const struct dns_answer *a)
{
    struct writer w = {out, 0};
    bool question = q->question_end > HEADER;
    bool record = question && a->rcode == DNS_NOERROR && (a->ptr != NULL || a->naddrs > 0);
    unsigned flags = FLAG_QR | FLAG_RA | (unsigned)q->opcode << 11 | ((unsigned)a->rcode & 0xf);

    put16(&w, q->id);
    put16(&w, flags | (q->recurse ? FLAG_RD : 0));
    put16(&w, question ? 1 : 0);
    put16(&w, record ? 1 : 0);
    put16(&w, 0);
    put16(&w, q->edns ? 1 : 0);
    /* Byte for byte: some askers vary the case of letters and compare. */
    put(&w, query + HEADER, q->question_end - HEADER);
    if (record)
        put_record(&w, q, a);
    if (q->edns)
        put_opt(&w, a);
    return w.n;
}

size_t dns_question(uint8_t *out, uint16_t id, const struct name *name, uint16_t type)
{
    struct writer w = {out, 0};

    put16(&w, id);
    put16(&w, FLAG_RD);
    put16(&w, 1);
    put16(&w, 0);
    put16(&w, 0);
    put16(&w, 1);
    put_name(&w, name);
    put16(&w, type);
    put16(&w, CLASS_IN);
    put(&w, "", 1);
    put16(&w, DNS_OPT);
    put16(&w, DNS_UDP_MAX);
    put32(&w, 0);
    put16(&w, 0);
    return w.n;
}

struct record {
    struct name owner;
    bool owner_ok;
    unsigned type, class;
    uint32_t ttl;
    size_t data, length; /* offset and bytes of its data */
};

static bool read_record(struct reader *r, struct record *rec)
{
    read_name(r, true, &rec->owner, &rec->owner_ok);
    rec->type = read16(r);
    rec->class = read16(r);
    rec->ttl = read32(r);
    rec->length = read16(r);
    rec->data = r->at;
    skip(r, rec->length);
    return !r->bad;
}

/* One pass over the answers from *r: takes the addresses of `current`; when there is an alias
 * for it, makes that the current name and sets *alias. */
static bool scan(struct reader r, unsigned count, struct name *current, uint16_t type,
                 struct dns_reply *out, bool *alias)
{
    *alias = false;
    for (unsigned i = 0; i < count; i++) {
        struct record rec;

        if (!read_record(&r, &rec))
            return false;
        if (rec.class != CLASS_IN || !rec.owner_ok || !name_eq(&rec.owner, current))
            continue;
        if (rec.type == DNS_CNAME) {
            struct reader data = {r.p, rec.data + rec.length, rec.data, false};
            bool ok;

            read_name(&data, true, current, &ok);
            if (data.bad || !ok)
                return false;
            *alias = true;
        } else if (rec.type == type && out->naddrs < DNS_ADDRS_MAX) {
            if (rec.length != (type == DNS_A ? 4 : 16))
                return false;
            out->addrs[out->naddrs++] = addr_from_bytes(r.p + rec.data, rec.length);
        } else {
            continue;
        }
        if (rec.ttl < out->ttl)
            out->ttl = rec.ttl;
    }
    return true;
}

bool dns_parse_reply(const uint8_t *p, size_t n, uint16_t id, const struct name *name,
                     uint16_t type, struct dns_reply *reply)
{
    struct reader r = {p, n, 0, false};
    struct name current;
    bool ok, alias = true;

    assert(type == DNS_A || type == DNS_AAAA);
    memset(reply, 0, sizeof(*reply));
    reply->ttl = UINT32_MAX;
    unsigned got = read16(&r), flags = read16(&r), questions = read16(&r), answers = read16(&r);
    skip(&r, 4);
    if (r.bad || got != id || (flags & FLAG_QR) == 0 || questions != 1 || answers > RECORDS_MAX)
        return false;
    read_name(&r, false, &current, &ok);
    if (read16(&r) != type || read16(&r) != CLASS_IN || r.bad || !ok || !name_eq(&current, name))
        return false;
    reply->rcode = flags & 0xf;
    reply->truncated = (flags & FLAG_TC) != 0;
    if (reply->truncated || reply->rcode != DNS_NOERROR)
        return true;
    for (int i = 0; alias && reply->naddrs == 0; i++)
        if (i == ALIASES_MAX || !scan(r, answers, &current, type, reply, &alias))
            return false;
    return true;
}
