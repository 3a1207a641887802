/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - what the session has spent at model providers, and the limits that belay.yaml sets.
 *
 * Amounts come from an adapter and are only ever added; they end at the largest number.
 */
#ifndef BELAY_JUDGE_LEDGER_H
#define BELAY_JUDGE_LEDGER_H

#include "policy/policy.h"

#define LEDGER_CENT 1000000 /* micro-cents in one */

struct ledger_limits {
    int64_t cents, tokens, requests_per_minute; /* 0: none */
};

struct ledger {
    struct ledger_limits limits;
    int64_t microcents;
    struct spent spent;
    int64_t *times; /* of the latest requests: requests_per_minute of them, the oldest at `next` */
    size_t next;
};

void ledger_init(struct ledger *l, const struct ledger_limits *limits);
void ledger_free(struct ledger *l);

/* A request was let through. */
void ledger_request(struct ledger *l, int64_t now_ms);
/* What a request turned out to cost; neither is negative. */
void ledger_usage(struct ledger *l, int64_t microcents, int64_t tokens);

/* Is a limit reached? Then `why` says which, in words for the agent. The rate is asked for new
 * requests alone: one that runs has been counted. */
bool ledger_is_spent(const struct ledger *l, bool is_new, int64_t now_ms, char *why, size_t size);

#endif
