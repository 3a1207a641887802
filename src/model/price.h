/* SPDX-License-Identifier: Apache-2.0 */
/*
 * price.h - what tokens cost. Amounts are whole micro-cents (a millionth of a cent).
 *
 * A table is text (policies/prices.txt), a line for each kind of model:
 *
 *   PROVIDER/MODEL  INPUT  OUTPUT  CACHE-READ  CACHE-WRITE
 *
 * in US dollars for a million tokens. '*' in MODEL stands for any characters; the first line that
 * fits counts. '#' begins a comment. A model that no line names costs as the dearest line of the
 * table, so that a budget holds for what nobody has priced.
 */
#ifndef BELAY_MODEL_PRICE_H
#define BELAY_MODEL_PRICE_H

#include "model/model.h"

#define PRICE_LINES_MAX 512

struct price {
    /* ten-thousandths of a dollar for a million tokens */
    int64_t input, output, cache_read, cache_write;
};

struct price_line {
    char pattern[MODEL_NAME_MAX];
    struct price price;
};

struct price_table {
    struct price_line *lines;
    size_t n;
    struct price dearest;
};

/* Adds lines behind those that stand there; `name` is for messages. */
bool price_add(struct price_table *t, struct str text, const char *name, struct err *e);
/* Adds the prices that belay brings. */
bool price_add_shipped(struct price_table *t, struct err *e);
void price_free(struct price_table *t);

/* known: whether a line names the model; may be NULL. */
struct price price_of(const struct price_table *t, const char *provider, struct str model,
                      bool *known);
/* Micro-cents, rounded up; INT64_MAX when it would not fit. */
int64_t price_cost(const struct price *p, const struct model_usage *u);

#endif
