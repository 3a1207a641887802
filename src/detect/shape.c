/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/shape.h"

#include <assert.h>
#include <string.h>

static void add(struct shape_step *s, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++)
        s->bytes[c / 32] |= UINT32_C(1) << (c % 32);
}

/* One byte, perhaps after a `\`; false at the end. */
static bool one(const char **p, unsigned *c)
{
    if (**p == '\\')
        (*p)++;
    if (**p == 0)
        return false;
    *c = (unsigned char)*(*p)++;
    return true;
}

static bool read_class(const char **p, struct shape_step *s)
{
    unsigned from, to;

    while (**p != ']') {
        if (!one(p, &from))
            return false;
        to = from;
        if (**p == '-' && (*p)[1] != ']') {
            (*p)++;
            if (!one(p, &to) || to < from)
                return false;
        }
        add(s, from, to);
    }
    (*p)++;
    return true;
}

static bool number(const char **p, uint16_t *out)
{
    unsigned n = 0;

    if (**p < '0' || **p > '9')
        return false;
    while (**p >= '0' && **p <= '9') {
        n = n * 10 + (unsigned)(*(*p)++ - '0');
        if (n > 1000)
            return false;
    }
    *out = (uint16_t)n;
    return true;
}

static bool read_count(const char **p, struct shape_step *s)
{
    s->least = s->most = 1;
    if (**p == '?') {
        (*p)++;
        s->least = 0;
        return true;
    }
    if (**p != '{')
        return true;
    (*p)++;
    if (!number(p, &s->least))
        return false;
    s->most = s->least;
    if (**p == ',') {
        (*p)++;
        if (!number(p, &s->most))
            return false;
    }
    if (**p != '}' || s->most < s->least)
        return false;
    (*p)++;
    return true;
}

bool shape_parse(struct shape *s, const char *text)
{
    unsigned c;

    memset(s, 0, sizeof(*s));
    while (*text != 0) {
        struct shape_step *step = &s->step[s->n];

        if (s->n == SHAPE_STEPS)
            return false;
        if (*text == '[') {
            text++;
            if (!read_class(&text, step))
                return false;
        } else {
            if (!one(&text, &c))
                return false;
            add(step, c, c);
        }
        if (!read_count(&text, step))
            return false;
        s->least = (uint16_t)(s->least + step->least);
        s->longest = (uint16_t)(s->longest + step->most);
        s->n++;
    }
    return true;
}

/* What is left may be empty. */
static bool may_end(const struct shape *s, const struct shape_at *at)
{
    if (at->step == s->n)
        return true;
    if (at->count < s->step[at->step].least)
        return false;
    for (size_t i = at->step + 1u; i < s->n; i++)
        if (s->step[i].least > 0)
            return false;
    return true;
}

enum match shape_go(const struct shape *s, struct shape_at *at, const uint8_t *p, size_t n,
                    bool end, bool closed)
{
    while (at->step < s->n) {
        const struct shape_step *step = &s->step[at->step];

        while (at->count < step->most && at->done < n && shape_has(step, p[at->done])) {
            at->done++;
            at->count++;
        }
        if (at->count < step->most && at->done == n) {
            if (!end)
                return MATCH_MORE;
            return may_end(s, at) ? MATCH_FOUND : MATCH_NO;
        }
        if (at->count < step->least)
            return MATCH_NO;
        at->step++;
        at->count = 0;
    }
    if (!closed || s->n == 0)
        return MATCH_FOUND;
    if (at->done == n)
        return end ? MATCH_FOUND : MATCH_MORE;
    return shape_has(&s->step[s->n - 1], p[at->done]) ? MATCH_NO : MATCH_FOUND;
}

int shape_back(const struct shape *s, const uint8_t *p, size_t n)
{
    size_t len = 0;

    if (s->n == 0)
        return 0;
    assert(s->n == 1);
    while (len < n && len < s->step[0].most && shape_has(&s->step[0], p[n - 1 - len]))
        len++;
    return len >= s->step[0].least ? (int)len : -1;
}
