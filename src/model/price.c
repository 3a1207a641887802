/* SPDX-License-Identifier: Apache-2.0 */
#include "model/price.h"

#include "base/mem.h"
#include "model/embedded.h"

#include <stdlib.h>
#include <string.h>

#define PRICE_MAX 100000 /* dollars for a million tokens */

/* "3.75" in ten-thousandths. */
static bool amount(struct str s, int64_t *out)
{
    int64_t v = 0;
    size_t i = 0, digits = 0, decimals = 0;

    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && v <= PRICE_MAX; i++, digits++)
        v = v * 10 + (s.p[i] - '0');
    if (digits > 0 && v <= PRICE_MAX && i < s.n && s.p[i] == '.')
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && decimals < 4; i++, decimals++)
            v = v * 10 + (s.p[i] - '0');
    if (digits == 0 || i != s.n || v < 0)
        return false;
    for (; decimals < 4; decimals++)
        v *= 10;
    *out = v;
    return v <= PRICE_MAX * INT64_C(10000);
}

/* The next word of a line; empty at its end. */
static struct str word(struct str *line)
{
    size_t i = 0, n = 0;

    while (i < line->n && (line->p[i] == ' ' || line->p[i] == '\t' || line->p[i] == '\r'))
        i++;
    while (i + n < line->n && strchr(" \t\r#", line->p[i + n]) == NULL)
        n++;
    const struct str w = {line->p + i, n};

    *line = (struct str){line->p + i + n, line->n - i - n};
    return w;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void add_line(struct price_table *t, struct str pattern, const int64_t v[4])
{
    const struct price p = {v[0], v[1], v[2], v[3]};
    struct price_line *l;

    t->lines = xrealloc(t->lines, t->n + 1, sizeof(*t->lines));
    l = &t->lines[t->n++];
    *l = (struct price_line){.price = p};
    memcpy(l->pattern, pattern.p, pattern.n);
    t->dearest.input = larger(t->dearest.input, p.input);
    t->dearest.output = larger(t->dearest.output, p.output);
    t->dearest.cache_read = larger(t->dearest.cache_read, p.cache_read);
    t->dearest.cache_write = larger(t->dearest.cache_write, p.cache_write);
}

/* One line: blank, a comment, or a price. */
static bool read_line(struct price_table *t, struct str line, const char *name, unsigned number,
                      struct err *e)
{
    const struct str pattern = word(&line);
    int64_t v[4];

    if (pattern.n == 0)
        return true;
    if (pattern.n >= MODEL_NAME_MAX || memchr(pattern.p, '/', pattern.n) == NULL)
        return err_set(e, EX_POLICY, "%s:%u: a line begins with PROVIDER/MODEL", name, number);
    for (size_t i = 0; i < 4; i++)
        if (!amount(word(&line), &v[i]))
            return err_set(e, EX_POLICY,
                           "%s:%u: PROVIDER/MODEL and four prices are expected: input, output, "
                           "cache read, cache write, in dollars for a million tokens",
                           name, number);
    if (word(&line).n != 0)
        return err_set(e, EX_POLICY, "%s:%u: more than four prices", name, number);
    if (t->n == PRICE_LINES_MAX)
        return err_set(e, EX_POLICY, "%s: more than %d prices", name, PRICE_LINES_MAX);
    add_line(t, pattern, v);
    return true;
}

bool price_add(struct price_table *t, struct str text, const char *name, struct err *e)
{
    for (unsigned number = 1; text.n > 0; number++) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;

        if (!read_line(t, (struct str){text.p, n}, name, number, e))
            return false;
        n += end != NULL;
        text = (struct str){text.p + n, text.n - n};
    }
    return true;
}

bool price_add_shipped(struct price_table *t, struct err *e)
{
    return price_add(t, embedded_prices, "policies/prices.txt", e);
}

void price_free(struct price_table *t)
{
    free(t->lines);
    *t = (struct price_table){0};
}

/* '*' stands for any characters. */
static bool fits(const char *pattern, struct str s)
{
    const char *star = NULL;
    size_t i = 0, back = 0;

    while (i < s.n) {
        if (*pattern == '*') {
            star = ++pattern;
            back = i;
        } else if (*pattern == s.p[i]) {
            pattern++;
            i++;
        } else if (star != NULL) {
            pattern = star;
            i = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

struct price price_of(const struct price_table *t, const char *provider, struct str model,
                      bool *known)
{
    size_t n = strlen(provider);

    for (size_t i = 0; i < t->n; i++) {
        const char *pattern = t->lines[i].pattern;
        const char *slash = strchr(pattern, '/');

        if ((size_t)(slash - pattern) == n && memcmp(pattern, provider, n) == 0 &&
            fits(slash + 1, model)) {
            if (known != NULL)
                *known = true;
            return t->lines[i].price;
        }
    }
    if (known != NULL)
        *known = false;
    return t->dearest;
}

static void add(int64_t *sum, int64_t tokens, int64_t price)
{
    int64_t part;

    if (__builtin_mul_overflow(larger(tokens, 0), price, &part) ||
        __builtin_add_overflow(*sum, part, sum))
        *sum = INT64_MAX;
}

int64_t price_cost(const struct price *p, const struct model_usage *u)
{
    int64_t sum = 0;

    add(&sum, u->input, p->input);
    add(&sum, u->cache_read, p->cache_read);
    add(&sum, u->cache_write - u->cache_long, p->cache_write);
    add(&sum, u->cache_long, 2 * p->input);
    add(&sum, u->output, p->output);
    /* a ten-thousandth of a dollar for a million tokens is a hundredth of a micro-cent for one */
    return sum == INT64_MAX ? sum : sum / 100 + (sum % 100 != 0);
}
