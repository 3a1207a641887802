/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c - runs of base64 and hex characters, and escapes, into layers of their own. */
#include "detect/layer.h"

#include "base/mem.h"
#include "detect/alphabet.h"

#include <assert.h>
#include <string.h>

#define RUN_LEAST   16u   /* characters: shorter ones hold nothing that is looked for */
#define GAP_MOST    32u   /* spaces around a line break */
#define IDLE_MOST   1024u /* decoded bytes without text before a layer is given up */
#define ESCAPE_LEAD 256u  /* bytes before the first escape that belong to what it is in */
#define ESCAPE_KEEP 1200u /* bytes without an escape before its layer ends */

struct alphabet {
    const uint8_t *worth;
    uint8_t limit, bits, phases;
    enum detect_encoding encoding;
};

static const struct alphabet base64 = {alphabet_base64, 64, 6, 4, DETECT_BASE64};
static const struct alphabet hex = {alphabet_hex, 16, 4, 2, DETECT_HEX};

/*
 * Runs. Where a run's data begins is unknown (a path, a name may be glued to it), so each alignment
 * is decoded; one becomes a layer when text comes out of it, or compressed data.
 */
static bool is_text(uint8_t c)
{
    return (c >= ' ' && c < 127) || c == '\n' || c == '\r' || c == '\t';
}

static void open_phase(struct layer *l, struct phase *p, enum detect_encoding via)
{
    p->child = layer_open(l->stream, l, via);
    p->idle = 0;
}

static void put_lead(struct layer *l, struct phase *p, enum detect_encoding via)
{
    p->text = 0;
    open_phase(l, p, via);
    if (p->child == NULL)
        return;
    for (size_t i = 0; i < LEAD; i++)
        layer_put(p->child, p->lead[i], p->lead_at[i]);
    p->text = LEAD;
}

/* The last bytes say that compressed data begin: gzip anywhere, zlib where the run begins. */
static unsigned compressed(const struct phase *p, bool first)
{
    if ((p->tail & 0xffffff) == 0x1f8b08)
        return 3;
    return first && (p->tail & 0xff00) == 0x7800 && p->tail % 31 == 0 ? 2 : 0;
}

static void put_compressed(struct layer *l, struct phase *p, unsigned n, struct place at,
                           enum detect_encoding via)
{
    p->text = 0;
    open_phase(l, p, via);
    if (p->child == NULL)
        return;
    p->keep = true;
    while (n-- > 0)
        layer_put(p->child, (uint8_t)(p->tail >> (8 * n)), at);
}

static void put_open(struct phase *p, uint8_t byte, struct place at)
{
    layer_put(p->child, byte, at);
    p->text = !is_text(byte) ? 0 : p->text < LEAD ? p->text + 1 : LEAD;
    p->idle = p->text == LEAD ? 0 : p->idle + 1;
    if (p->idle > IDLE_MOST && !p->keep) {
        layer_close(p->child);
        p->child = NULL;
        p->text = 0;
    }
}

/* A byte came out of one alignment; `first`: it is the second of the run. */
static void put_phase(struct layer *l, struct phase *p, uint8_t byte, struct place at, bool first,
                      enum detect_encoding via)
{
    unsigned n;

    p->tail = p->tail << 8 | byte;
    if (p->child != NULL) {
        put_open(p, byte, at);
        return;
    }
    n = compressed(p, first);
    if (n > 0) {
        put_compressed(l, p, n, at, via);
    } else if (p->keep) {
        open_phase(l, p, via);
        p->keep = p->child != NULL;
        if (p->child != NULL)
            layer_put(p->child, byte, at);
    } else if (is_text(byte)) {
        p->lead[p->text] = byte;
        p->lead_at[p->text++] = at;
        if (p->text == LEAD)
            put_lead(l, p, via);
    } else {
        p->text = 0;
    }
}

/* The character at `offset` is number r->n of the run. */
static void put_char(struct layer *l, struct run *r, const struct alphabet *a, uint8_t worth,
                     uint64_t offset)
{
    uint32_t k = r->n++;

    r->acc = r->acc << a->bits | worth;
    if (k > 0) {
        struct place at = layer_places(l, r->last, offset);

        for (uint32_t i = 0; i < a->phases; i++) {
            uint32_t turn = (k - i) % a->phases;
            uint8_t byte;

            if (turn == 0 || k < i)
                continue;
            byte = (uint8_t)(a->bits == 4 ? r->acc : r->acc >> (6 - 2 * turn));
            put_phase(l, &r->phase[i], byte, at, i == 0 && k == 2, a->encoding);
        }
    }
    r->last = offset;
}

static void end_run(struct run *r)
{
    for (size_t i = 0; i < ARRAY_LEN(r->phase); i++) {
        struct phase *p = &r->phase[i];

        if (p->child != NULL)
            layer_close(p->child);
        p->child = NULL;
        p->text = p->tail = p->idle = 0;
        p->keep = false;
    }
    r->n = 0;
    r->gap = 0;
    r->broken = false;
}

/*
 * Finds the next RUN_LEAST characters in a row at or behind `from`, before which there is none; the
 * offset behind which nothing is known when there are none yet. Looked at from its end, most of a
 * text can be passed over.
 */
static uint64_t next_run(const struct layer *l, const struct alphabet *a, uint64_t from)
{
    uint64_t size = layer_size(l);

    while (from + RUN_LEAST <= size) {
        const uint8_t *p = l->data + (from - l->base);
        uint32_t i = RUN_LEAST;

        while (i > 0 && a->worth[p[i - 1]] < a->limit)
            i--;
        if (i == 0)
            break;
        from += i;
    }
    return from;
}

static void begin_run(struct layer *l, struct run *r, const struct alphabet *a, uint64_t from)
{
    r->phase[0].keep =
        (l->stream->sets & DETECT_MARKED) != 0 && marks_count(l->stream->d->marks) > 0;
    for (uint64_t i = from; i < from + RUN_LEAST; i++)
        put_char(l, r, a, a->worth[l->data[i - l->base]], i);
}

/* A byte that is no character of the alphabet, within a run: may it go on behind it? */
static bool bridges(struct run *r, uint8_t c)
{
    if (r->gap == GAP_MOST)
        return false;
    if (c == '\n' || c == '\r')
        r->broken = true;
    else if (!r->broken || (c != ' ' && c != '\t'))
        return false;
    r->gap++;
    return true;
}

static void decode_run(struct layer *l, struct run *r, const struct alphabet *a, bool end)
{
    uint64_t size = layer_size(l);

    while (r->next < size) {
        uint8_t c, worth;

        if (r->n == 0) {
            r->next = next_run(l, a, r->next);
            if (r->next + RUN_LEAST > size)
                break;
            begin_run(l, r, a, r->next);
            r->next += RUN_LEAST;
            continue;
        }
        c = l->data[r->next - l->base];
        worth = a->worth[c];
        if (worth < a->limit) {
            r->gap = 0;
            r->broken = false;
            put_char(l, r, a, worth, r->next);
        } else if (!bridges(r, c)) {
            end_run(r);
        }
        r->next++;
    }
    if (end)
        end_run(r);
}

void decode_runs(struct layer *l, bool end)
{
    decode_run(l, &l->base64, &base64, end);
    decode_run(l, &l->hex, &hex, end);
}

/*
 * Escapes
 */
enum { ESCAPE_NONE = 0, ESCAPE_MORE = -1 }; /* else: its length */

static bool hex_value(const uint8_t *p, size_t digits, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (alphabet_hex[p[i]] > 15)
            return false;
        *value = *value << 4 | alphabet_hex[p[i]];
    }
    return true;
}

static size_t utf8(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* \uXXXX, or two of them that are a surrogate pair (RFC 8259, 7). p[0..n) begins with \u. */
static int escape_u(const uint8_t *p, size_t n, bool end, uint8_t out[4], size_t *len)
{
    uint32_t code, low;

    if (n < 6)
        return end ? ESCAPE_NONE : ESCAPE_MORE;
    if (!hex_value(p + 2, 4, &code))
        return ESCAPE_NONE;
    if (code >= 0xd800 && code < 0xdc00) {
        if (n < 12 && !end)
            return ESCAPE_MORE;
        if (n >= 12 && p[6] == '\\' && p[7] == 'u' && hex_value(p + 8, 4, &low) && low >= 0xdc00 &&
            low < 0xe000) {
            *len = utf8(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), out);
            return 12;
        }
    }
    *len = utf8(code, out);
    return 6;
}

/* The escape at p[0], which is % or \: its length, and the bytes that it means. */
static int escape(const uint8_t *p, size_t n, bool end, uint8_t out[4], size_t *len)
{
    static const char letters[] = "nrtbf\"\\/'", meant[] = "\n\r\t\b\f\"\\/'";
    size_t digits_at = p[0] == '%' ? 1 : 2;
    const char *letter;
    uint32_t code;

    *len = 1;
    if (n < 2)
        return end ? ESCAPE_NONE : ESCAPE_MORE;
    if (p[0] == '\\' && p[1] == 'u')
        return escape_u(p, n, end, out, len);
    if (p[0] == '%' || p[1] == 'x') {
        if (n < digits_at + 2)
            return end ? ESCAPE_NONE : ESCAPE_MORE;
        if (!hex_value(p + digits_at, 2, &code))
            return ESCAPE_NONE;
        out[0] = (uint8_t)code;
        return (int)digits_at + 2;
    }
    letter = p[1] == 0 ? NULL : strchr(letters, p[1]);
    if (letter == NULL)
        return ESCAPE_NONE;
    out[0] = (uint8_t)meant[letter - letters];
    return 2;
}

/* Bytes that mean themselves go into the layer as long as it is kept. */
static void put_plain(struct layer *l, struct escapes *e, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to && e->child != NULL; i++) {
        struct place at = layer_place(l, i);

        at.changed = false;
        layer_put(e->child, l->data[i - l->base], at);
        if (i + 1 == e->last + ESCAPE_KEEP) {
            layer_close(e->child);
            e->child = NULL;
        }
    }
}

static void put_escape(struct layer *l, struct escapes *e, uint64_t from, uint64_t to,
                       const uint8_t *bytes, size_t n)
{
    uint64_t lead = from - l->base < ESCAPE_LEAD ? l->base : from - ESCAPE_LEAD;

    e->last = to;
    if (e->child == NULL) {
        e->child = layer_open(l->stream, l, DETECT_ESCAPED);
        put_plain(l, e, lead, from);
    }
    for (size_t i = 0; i < n && e->child != NULL; i++)
        layer_put(e->child, bytes[i], layer_places(l, from, to - 1));
}

/* The next % or \ of p[0..n), or NULL. */
static const uint8_t *next_escape(const uint8_t *p, size_t n)
{
    const uint8_t *percent = memchr(p, '%', n);
    const uint8_t *slash = memchr(p, '\\', percent == NULL ? n : (size_t)(percent - p));

    return slash != NULL ? slash : percent;
}

void decode_escapes(struct layer *l, bool end)
{
    struct escapes *e = &l->escapes;
    uint64_t size = layer_size(l), plain = e->next;
    int length = ESCAPE_NONE;

    for (uint64_t i = e->next; i < size && length != ESCAPE_MORE;) {
        const uint8_t *p = l->data + (i - l->base), *at = next_escape(p, size - i);
        uint8_t bytes[4];
        size_t n = 0;

        if (at == NULL)
            break;
        i += (uint64_t)(at - p);
        length = escape(at, size - i, end, bytes, &n);
        if (length == ESCAPE_MORE) {
            size = i;
        } else if (length == ESCAPE_NONE) {
            i++;
        } else {
            put_plain(l, e, plain, i);
            put_escape(l, e, i, i + (uint64_t)length, bytes, n);
            i += (uint64_t)length;
            plain = i;
        }
    }
    put_plain(l, e, plain, size);
    e->next = size;
    if (end && e->child != NULL) {
        layer_close(e->child);
        e->child = NULL;
    }
}
