/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/match.h"

#include "detect/alphabet.h"
#include "detect/confirm.h"

#include <string.h>

#define PEM_HEADER 80u /* "-----BEGIN ", words, "PRIVATE KEY", " BLOCK", "-----" */
#define PEM_LEAST  40u /* base64 in a row: else it is text about keys */

static enum match all(const struct candidate *c, size_t *from, size_t *to)
{
    *from = 0;
    *to = c->at.done;
    return MATCH_FOUND;
}

static bool random_enough(const uint8_t *p, size_t n)
{
    return confirm_entropy(p, n) >= 270 && !confirm_placeholder(p, n);
}

static enum match by_shape(const struct matcher *m, struct candidate *c, const struct view *v,
                           size_t *from, size_t *to)
{
    const struct row *r = &rows[c->row];
    enum match answer =
        shape_go(&m->rest[c->row], &c->at, v->p, v->n, v->end, (r->edges & ROW_RIGHT) != 0);

    if (answer != MATCH_FOUND)
        return answer;
    if (r->how == HOW_RANDOM && !random_enough(v->p, c->at.done))
        return MATCH_NO;
    if (r->how == HOW_CRC62 && !confirm_crc62(v->p, c->at.done))
        return MATCH_NO;
    return all(c, from, to);
}

/*
 * Private keys. at.step: 0 in the header line, 1 in the body; at.count: base64 in a row.
 */
static enum match pem_header(struct candidate *c, const struct view *v)
{
    size_t n = v->n < PEM_HEADER ? v->n : PEM_HEADER, i = 11;

    while (i < n && ((v->p[i] >= 'A' && v->p[i] <= 'Z') || v->p[i] == ' ' || v->p[i] == '2'))
        i++;
    if (i == n)
        return v->n < PEM_HEADER && !v->end ? MATCH_MORE : MATCH_NO;
    if (!confirm_has(v->p, i, "private key"))
        return MATCH_NO;
    if (n - i < 5)
        return v->n < PEM_HEADER && !v->end ? MATCH_MORE : MATCH_NO;
    if (memcmp(v->p + i, "-----", 5) != 0)
        return MATCH_NO;
    c->at.done = (uint32_t)i + 5;
    c->at.step = 1;
    return MATCH_FOUND;
}

/* Bytes of an armoured body: base64, line ends also as \n, what headers are made of. */
static bool pem_body(uint8_t ch)
{
    return (ch >= ' ' && ch < 127 && strchr("\"'<>`|{}[]$&", ch) == NULL) || ch == '\n' ||
           ch == '\r' || ch == '\t';
}

/* The line of five dashes that ends it; p is where the first dash stands. */
static enum match pem_end(struct candidate *c, const struct view *v)
{
    static const char mark[] = "-----END ";
    const uint8_t *p = v->p + c->at.done;
    size_t left = v->n - c->at.done, n = left < sizeof(mark) - 1 ? left : sizeof(mark) - 1;
    const uint8_t *last;

    if (memcmp(p, mark, n) != 0)
        return MATCH_NO;
    if (n < sizeof(mark) - 1)
        return v->end ? MATCH_NO : MATCH_MORE;
    last = memmem(p + n, left - n < PEM_HEADER ? left - n : PEM_HEADER, "-----", 5);
    if (last == NULL && left - n < PEM_HEADER && !v->end)
        return MATCH_MORE;
    c->at.done += (uint32_t)(last == NULL ? n : (size_t)(last + 5 - p));
    return MATCH_FOUND;
}

static enum match pem_whole(struct candidate *c, size_t *from, size_t *to)
{
    c->piece = false;
    return c->aux >= PEM_LEAST ? all(c, from, to) : MATCH_NO;
}

static enum match pem(struct candidate *c, const struct view *v, size_t *from, size_t *to)
{
    enum match answer;

    if (c->at.step == 0 && (answer = pem_header(c, v)) != MATCH_FOUND)
        return answer;
    for (; c->at.done < v->n; c->at.done++) {
        uint8_t ch = v->p[c->at.done];

        if (c->at.done >= MATCH_PIECE) {
            c->piece = c->aux >= PEM_LEAST;
            return c->piece ? all(c, from, to) : MATCH_NO;
        }
        if (ch == '-' && (answer = pem_end(c, v)) != MATCH_NO)
            return answer == MATCH_MORE ? MATCH_MORE : pem_whole(c, from, to);
        if (!pem_body(ch))
            return pem_whole(c, from, to);
        c->at.count = alphabet_base64[ch] < 64 ? (uint16_t)(c->at.count + 1) : 0;
        if (c->at.count > c->aux)
            c->aux = c->at.count;
    }
    return v->end ? pem_whole(c, from, to) : MATCH_MORE;
}

/*
 * JWT. at.step: the parts read; aux: where the part begins.
 */
static enum match jwt_part(struct candidate *c, const struct view *v)
{
    size_t n = c->at.done - c->aux;

    switch (c->at.step) {
    case 0:
        return confirm_jwt_header(v->p, c->at.done) ? MATCH_MORE : MATCH_NO;
    case 1:
        return n >= 10 || c->piece ? MATCH_MORE : MATCH_NO;
    default:
        return n >= 16 || c->piece ? MATCH_FOUND : MATCH_NO;
    }
}

static enum match jwt(struct candidate *c, const struct view *v, size_t *from, size_t *to)
{
    for (; c->at.done < v->n; c->at.done++) {
        uint8_t ch = v->p[c->at.done];

        if (c->at.done >= MATCH_PIECE) {
            if (c->at.step == 0)
                return MATCH_NO;
            c->piece = true;
            return all(c, from, to);
        }
        if (alphabet_alnum(ch) || ch == '-' || ch == '_')
            continue;
        if (ch != '.' || c->at.step == 2)
            break;
        if (jwt_part(c, v) == MATCH_NO)
            return MATCH_NO;
        c->at.step++;
        c->aux = (uint16_t)(c->at.done + 1);
    }
    if (c->at.done == v->n && !v->end)
        return MATCH_MORE;
    c->piece = c->piece && c->at.step == 2;
    if (c->at.step < 2 || jwt_part(c, v) != MATCH_FOUND)
        return MATCH_NO;
    c->piece = false;
    return all(c, from, to);
}

/*
 * Values that have a name. The whole is read anew each time; it is short.
 */
static bool in(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static size_t skip(const struct view *v, size_t i, const char *set, size_t most)
{
    while (i < v->n && most > 0 && in(v->p[i], set)) {
        i++;
        most--;
    }
    return i;
}

static size_t skip_name(const struct view *v, size_t i)
{
    size_t from = i;

    while (i < v->n && i - from < 24 && (alphabet_alnum(v->p[i]) || in(v->p[i], "_-")))
        i++;
    return i;
}

/* After "=", ":", ":=" or "=>" with what may stand around; 0: there is none of these. */
static size_t skip_sign(const struct view *v, size_t i)
{
    size_t sign;

    i = skip(v, i, "\"'`]", 2);
    i = skip(v, i, " \t", 4);
    sign = i;
    i = skip(v, i, ":=>", 3);
    if (i == v->n)
        return i;
    if (i == sign || v->p[sign] == '>' ||
        (i - sign >= 2 && v->p[sign] == '=' && v->p[sign + 1] == '='))
        return 0;
    return skip(v, i, " \t", 4);
}

static bool value_byte(uint8_t c)
{
    return alphabet_alnum(c) || in(c, "+/_=.~!@#$%^*-");
}

/* A value without quotes around it may be an expression of a program. */
static bool is_value(const struct matcher *m, const uint8_t *p, size_t n, bool quoted)
{
    size_t digits = 0;

    for (size_t i = 0; i < n; i++)
        digits += p[i] >= '0' && p[i] <= '9';
    return n >= (quoted ? 12u : 16u) && digits >= (quoted ? 1u : 2u) && confirm_mixed(p, n) &&
           confirm_entropy(p, n) >= m->entropy && !confirm_placeholder(p, n) &&
           memmem(p, n, "${", 2) == NULL && (quoted || memchr(p, '.', n) == NULL);
}

static enum match value(const struct matcher *m, const struct view *v, size_t i, size_t *from,
                        size_t *to)
{
    bool quoted = false;
    size_t n = v->n < MATCH_VALUE ? v->n : MATCH_VALUE, begin;
    uint8_t next;

    if (i < n && in(v->p[i], "\"'`")) {
        quoted = true;
        i++;
    }
    begin = i;
    while (i < n && value_byte(v->p[i]))
        i++;
    if (i == v->n && !v->end)
        return MATCH_MORE;
    next = i < v->n ? v->p[i] : 0;
    if (in(next, "([{}<>") || !is_value(m, v->p + begin, i - begin, quoted))
        return MATCH_NO;
    *from = begin;
    *to = i;
    return MATCH_FOUND;
}

static enum match assignment(const struct matcher *m, const struct view *v, size_t *from,
                             size_t *to)
{
    size_t i = skip_name(v, 0);

    if (i < v->n) {
        i = skip_sign(v, i);
        if (i == 0)
            return MATCH_NO;
    }
    if (i >= v->n)
        return v->end ? MATCH_NO : MATCH_MORE;
    return value(m, v, i, from, to);
}

static enum match bearer(const struct matcher *m, const struct view *v, size_t *from, size_t *to)
{
    size_t i = skip(v, 0, " \t", 4);

    if (i == v->n)
        return v->end ? MATCH_NO : MATCH_MORE;
    if (i == 0)
        return MATCH_NO;
    return value(m, v, i, from, to);
}

static enum match userinfo(const struct view *v, size_t *from, size_t *to)
{
    size_t n = v->n < MATCH_USERINFO ? v->n : MATCH_USERINFO, i = 0, pass;

    while (i < n && (alphabet_alnum(v->p[i]) || in(v->p[i], "_-.~%+!")))
        i++;
    if (i < n && v->p[i] != ':')
        return MATCH_NO;
    pass = i + 1;
    for (i = pass; i < n && v->p[i] != '@'; i++)
        if (v->p[i] <= ' ' || in(v->p[i], "/?#\"'<>\\{}()|,;"))
            return MATCH_NO;
    if (i + 1 >= v->n)
        return v->end || i == MATCH_USERINFO ? MATCH_NO : MATCH_MORE;
    if (i >= n || i < pass + 4 || !(alphabet_alnum(v->p[i + 1]) || v->p[i + 1] == '[') ||
        confirm_placeholder(v->p + pass, i - pass) ||
        (i - pass <= 8 && confirm_has(v->p + pass, 4, "pass")))
        return MATCH_NO;
    *from = pass;
    *to = i;
    return MATCH_FOUND;
}

/*
 * Numbers of persons.
 */
static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Groups as cards are printed: 4 4 4 4, 4 6 5, 4 6 4; or none. `groups`: digits before each gap. */
static bool card_groups(const uint8_t *groups, size_t n, size_t digits)
{
    if (n == 0)
        return true;
    if (digits == 16)
        return n == 3 && groups[0] == 4 && groups[1] == 8 && groups[2] == 12;
    return n == 2 && groups[0] == 4 && groups[1] == 10;
}

static enum match card(struct candidate *c, const struct view *v, size_t *from, size_t *to)
{
    size_t length = confirm_issuer(v->p), n = 0, gaps = 0, i = 0;
    uint8_t digits[16], groups[4];

    if (length == 0 || (v->before > 1 && v->p[-1] == '.' && is_digit(v->p[-2])))
        return MATCH_NO;
    for (; i < v->n && n < length; i++) {
        if (is_digit(v->p[i]))
            digits[n++] = v->p[i];
        else if (in(v->p[i], " -+") && gaps < sizeof(groups))
            groups[gaps++] = (uint8_t)n;
        else
            return MATCH_NO;
    }
    if (i + 1 >= v->n && !v->end)
        return MATCH_MORE;
    if (n < length || (i < v->n && (alphabet_alnum(v->p[i]) || v->p[i] == '_')) ||
        (i + 1 < v->n && v->p[i] == '.' && is_digit(v->p[i + 1])))
        return MATCH_NO;
    if (!confirm_luhn(digits, n) || !card_groups(groups, gaps, n))
        return MATCH_NO;
    c->at.done = (uint32_t)i;
    return all(c, from, to);
}

static enum match iban(struct candidate *c, const struct view *v, size_t *from, size_t *to)
{
    size_t length = confirm_iban_length(v->p), n = 0, i = 0;
    uint8_t text[34];

    if (length == 0)
        return MATCH_NO;
    for (; i < v->n && n < length; i++) {
        if (v->p[i] == ' ' && n % 4 == 0 && n > 0 && v->p[i - 1] != ' ')
            continue;
        if (!alphabet_alnum(v->p[i]) || v->p[i] >= 'a')
            return MATCH_NO;
        text[n++] = v->p[i];
    }
    if (i == v->n && !v->end)
        return MATCH_MORE;
    if (n < length || (i < v->n && alphabet_alnum(v->p[i])) || !confirm_iban(text, n))
        return MATCH_NO;
    c->at.done = (uint32_t)i;
    return all(c, from, to);
}

static enum match ssn(struct candidate *c, const struct view *v, size_t *from, size_t *to)
{
    size_t before = v->before < MATCH_CONTEXT ? v->before : MATCH_CONTEXT;

    if (v->n == 11 && !v->end)
        return MATCH_MORE;
    if (v->n > 11 && (alphabet_alnum(v->p[11]) || v->p[11] == '-'))
        return MATCH_NO;
    if (!confirm_ssn(v->p) || !(confirm_has(v->p - before, before, "ssn") ||
                                confirm_has(v->p - before, before, "social security")))
        return MATCH_NO;
    c->at.done = 11;
    return all(c, from, to);
}

enum match match_go(const struct matcher *m, struct candidate *c, const struct view *v,
                    size_t *from, size_t *to)
{
    switch (rows[c->row].how) {
    case HOW_RANDOM:
    case HOW_CRC62:
    case HOW_NAMED:
        return by_shape(m, c, v, from, to);
    case HOW_PEM:
        return pem(c, v, from, to);
    case HOW_JWT:
        return jwt(c, v, from, to);
    case HOW_ASSIGN:
        return assignment(m, v, from, to);
    case HOW_BEARER:
        return bearer(m, v, from, to);
    case HOW_USERINFO:
        return userinfo(v, from, to);
    case HOW_CARD:
        return card(c, v, from, to);
    case HOW_IBAN:
        return iban(c, v, from, to);
    case HOW_SSN:
        return ssn(c, v, from, to);
    case HOW_PHRASE:
        c->at.done = rows[c->row].width;
        return all(c, from, to);
    }
    return MATCH_NO;
}
