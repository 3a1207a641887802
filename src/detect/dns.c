/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.c - names as a way out: data in the labels of a name that is asked for.
 *
 * The labels below the last two are read as one text, and that text also as base32 (names have no
 * case, so tunnels use it); hex and base64 are looked into as in any stream. Beside that, labels
 * that look drawn at random are counted in bytes for each parent domain: one or two are the names
 * of machines in a cloud, many are a transport.
 */
#include "detect/detect.h"

#include "detect/alphabet.h"
#include "detect/confirm.h"

#include <string.h>

#define NAME_MAX_  255u
#define LABEL_DATA 16u  /* shorter labels are words */
#define BOUND      256u /* bytes below one parent */
#define DRAWN      280u /* entropy of a label that is no word */

struct report {
    detect_found *found;
    void *arg;
    size_t n;   /* of the name */
    bool exact; /* offsets are those of the name */
};

static void on_finding(void *arg, const struct detect_finding *f)
{
    const struct report *r = arg;
    struct detect_finding whole = *f;

    if (!r->exact) {
        whole.begin = 0;
        whole.end = r->n;
    }
    r->found(r->arg, &whole);
}

static void scan(struct detect *d, struct report *r, const void *p, size_t n)
{
    struct detect_stream *s =
        detect_open(d, DETECT_SECRETS | DETECT_PERSONAL | DETECT_MARKED, on_finding, r);

    detect_feed(s, p, n);
    detect_end(s);
    detect_close(s);
}

/* Offset of the last two labels: the parent. */
static size_t parent_of(struct str name)
{
    size_t dots = 0, i = name.n;

    while (i > 0) {
        if (name.p[i - 1] == '.' && ++dots == 2)
            break;
        i--;
    }
    return i;
}

static size_t base32(const uint8_t *p, size_t n, uint8_t *out)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (alphabet_base32[p[i]] > 31)
            continue;
        acc = acc << 5 | alphabet_base32[p[i]];
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (uint8_t)(acc >> bits);
        }
    }
    return len;
}

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    return h == 0 ? 1 : h;
}

/* Adds to what was sent below the parent, unless it is the same name again; what was used least
 * lately makes room. */
static uint32_t count(struct detect_dns *sent, uint64_t parent, uint64_t below, uint32_t bytes)
{
    size_t oldest = 0, i;

    for (i = 0; i < DETECT_DNS_PARENTS; i++) {
        if (sent->parent[i].domain == parent)
            break;
        if (sent->parent[i].used < sent->parent[oldest].used)
            oldest = i;
    }
    if (i == DETECT_DNS_PARENTS) {
        i = oldest;
        sent->parent[i].domain = parent;
        sent->parent[i].bytes = 0;
        sent->parent[i].last = 0;
    }
    sent->parent[i].used = ++sent->clock;
    if (sent->parent[i].last != below)
        sent->parent[i].bytes += bytes;
    sent->parent[i].last = below;
    return sent->parent[i].bytes;
}

/* Bytes in labels that look drawn: long, of many different characters, with digits or all hex. */
static uint32_t drawn_bytes(const char *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n;) {
        const char *dot = memchr(p + i, '.', n - i);
        size_t len = dot == NULL ? n - i : (size_t)(dot - p) - i;
        const uint8_t *label = (const uint8_t *)p + i;

        if (len >= LABEL_DATA && confirm_entropy(label, len) >= DRAWN &&
            (confirm_mixed(label, len) ||
             (len >= 2 * LABEL_DATA && memchr(label, '-', len) == NULL)))
            sum += (uint32_t)len;
        i += len + 1;
    }
    return sum;
}

void detect_dns_name(struct detect *d, struct detect_dns *sent, struct str name,
                     detect_found *found, void *arg)
{
    struct report r = {.found = found, .arg = arg, .n = name.n, .exact = true};
    size_t below = parent_of(name), joined = 0;
    uint8_t text[NAME_MAX_], decoded[NAME_MAX_];
    uint32_t drawn, bound = sent->bound == 0 ? BOUND : sent->bound;

    if (below < 2 || name.n > NAME_MAX_)
        return;
    scan(d, &r, name.p, below - 1);
    for (size_t i = 0; i < below; i++)
        if (name.p[i] != '.')
            text[joined++] = (uint8_t)name.p[i];
    r.exact = false;
    if (joined + 1 < below)
        scan(d, &r, text, joined);
    if (joined >= LABEL_DATA)
        scan(d, &r, decoded, base32(text, joined, decoded));
    drawn = drawn_bytes(name.p, below - 1);
    if (drawn > 0 && count(sent, hash_of(name.p + below, name.n - below), hash_of(name.p, below),
                           drawn) > bound) {
        const struct detect_finding f = {
            .label = "encoded", .detector = "encoded_name", .begin = 0, .end = name.n};

        found(arg, &f);
    }
    explicit_bzero(text, sizeof(text));
    explicit_bzero(decoded, sizeof(decoded));
}
