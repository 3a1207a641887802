/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ledger.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS 60000

static void add(int64_t *to, int64_t n)
{
    if (__builtin_add_overflow(*to, n, to))
        *to = INT64_MAX;
}

void ledger_init(struct ledger *l, const struct ledger_limits *limits)
{
    size_t n = (size_t)limits->requests_per_minute;

    *l = (struct ledger){.limits = *limits};
    l->times = xcalloc(n + 1, sizeof(*l->times));
    for (size_t i = 0; i < n; i++)
        l->times[i] = INT64_MIN;
}

void ledger_free(struct ledger *l)
{
    free(l->times);
    l->times = NULL;
}

void ledger_request(struct ledger *l, int64_t now_ms)
{
    add(&l->spent.requests, 1);
    if (l->limits.requests_per_minute == 0)
        return;
    l->times[l->next] = now_ms;
    l->next = (l->next + 1) % (size_t)l->limits.requests_per_minute;
}

void ledger_usage(struct ledger *l, int64_t microcents, int64_t tokens)
{
    add(&l->microcents, microcents);
    add(&l->spent.tokens, tokens);
    l->spent.cents = l->microcents / LEDGER_CENT;
}

/* The request before the last requests_per_minute ones, was that less than a minute ago? */
static bool is_fast(const struct ledger *l, int64_t now_ms)
{
    return l->limits.requests_per_minute > 0 && l->times[l->next] > now_ms - MINUTE_MS;
}

bool ledger_is_spent(const struct ledger *l, bool is_new, int64_t now_ms, char *why, size_t size)
{
    const struct ledger_limits *m = &l->limits;

    if (m->cents > 0 && l->spent.cents >= m->cents)
        (void)snprintf(why, size, "the budget of %lld.%02lld dollars is spent (budget.cents)",
                       (long long)m->cents / 100, (long long)m->cents % 100);
    else if (m->tokens > 0 && l->spent.tokens >= m->tokens)
        (void)snprintf(why, size, "the budget of %lld tokens is spent (budget.tokens)",
                       (long long)m->tokens);
    else if (is_new && is_fast(l, now_ms))
        (void)snprintf(why, size,
                       "more than %lld requests to models in a minute; try again in a while "
                       "(budget.requests_per_minute)",
                       (long long)m->requests_per_minute);
    else
        return false;
    return true;
}
