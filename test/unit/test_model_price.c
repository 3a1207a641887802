/* SPDX-License-Identifier: Apache-2.0 */
#include "model/price.h"

#include "unit.h"

#include <stdint.h>

static struct err e;

static bool add(struct price_table *t, const char *text)
{
    return price_add(t, str_of(text), "prices", &e);
}

TEST(prices)
{
    struct price_table t = {0};
    struct price p;
    bool known;

    CHECK(add(&t, "# a comment\n\nanthropic/claude-opus-4-5*  5 25 0.50 6.25 # and one\n"
                  "anthropic/claude-*\t3 15 0.3 3.75\r\nopenai/gpt-*-mini* 0.25 2 0.025 0.25"));
    CHECK_INT(t.n, 3);
    p = price_of(&t, "anthropic", STR("claude-opus-4-5-20251101"), &known);
    CHECK(known && p.input == 50000 && p.output == 250000 && p.cache_read == 5000 &&
          p.cache_write == 62500);
    p = price_of(&t, "anthropic", STR("claude-x"), &known);
    CHECK(known && p.input == 30000);
    p = price_of(&t, "openai", STR("gpt-5-mini-2025"), &known);
    CHECK(known && p.cache_read == 250);
    /* nobody has priced it: the dearest of each */
    p = price_of(&t, "openai", STR("claude-x"), &known);
    CHECK(!known && p.input == 50000 && p.output == 250000 && p.cache_write == 62500);
    p = price_of(&t, "anthropi", STR("claude-x"), &known);
    CHECK(!known);
    price_free(&t);
}

TEST(costs)
{
    const struct price p = {30000, 150000, 3000, 37500}; /* $3, $15, $0.30, $3.75 */
    struct model_usage u = {.input = 1000000};

    CHECK_INT(price_cost(&p, &u), 300 * INT64_C(1000000)); /* 300 cents */
    u = (struct model_usage){.output = 1};
    CHECK_INT(price_cost(&p, &u), 1500);
    u = (struct model_usage){.cache_read = 1};
    CHECK_INT(price_cost(&p, &u), 30);
    u = (struct model_usage){.input = 10, .cache_read = 100, .cache_write = 7, .output = 20};
    CHECK_INT(price_cost(&p, &u), 3000 + 3000 + 2625 + 30000);
    const struct price tiny = {1, 1, 1, 1};

    CHECK_INT(price_cost(&tiny, &(struct model_usage){.input = 1}), 1); /* rounded up */
    u.cache_long = 7;                                                   /* twice the input */
    CHECK_INT(price_cost(&p, &u), 3000 + 3000 + 4200 + 30000);
    u.cache_long = 0;
    u.input = INT64_MAX;
    CHECK_INT(price_cost(&p, &u), INT64_MAX);
    u.input = -5;
    CHECK_INT(price_cost(&p, &u), 3000 + 2625 + 30000);
}

TEST(errors)
{
    static const char *const bad[] = {
        "claude 1 2 3 4",    "a/b 1 2 3",    "a/b 1 2 3 4 5", "a/b 1 2 3 x",      "a/b -1 2 3 4",
        "a/b 1 2 3 4.00001", "a/b 1 2 3 .5", "a/b 1 2 3 1e3", "a/b 1 2 3 100001",
    };
    struct price_table t = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!add(&t, bad[i]));
        CHECK(strstr(e.text, "prices:1: ") == e.text);
    }
    CHECK(!add(&t, "a/b 1 2 3 4\nx"));
    CHECK(strstr(e.text, "prices:2: ") == e.text);
    price_free(&t);
}

static bool costs_as(const struct price_table *t, const char *provider, const char *model,
                     int64_t input, int64_t output)
{
    bool known;
    struct price p = price_of(t, provider, str_of(model), &known);

    return known && p.input == input * 100 && p.output == output * 100;
}

/* In hundredths of a dollar. */
TEST(shipped)
{
    struct price_table t = {0};

    CHECK(price_add_shipped(&t, &e));
    CHECK(costs_as(&t, "anthropic", "claude-opus-4-1-20250805", 1500, 7500));
    CHECK(costs_as(&t, "anthropic", "claude-opus-4-20250514", 1500, 7500));
    CHECK(costs_as(&t, "anthropic", "claude-opus-4-5-20251101", 500, 2500));
    CHECK(costs_as(&t, "anthropic", "claude-opus-4-8", 500, 2500));
    CHECK(costs_as(&t, "anthropic", "claude-sonnet-4-5", 300, 1500));
    CHECK(costs_as(&t, "anthropic", "claude-3-7-sonnet-latest", 300, 1500));
    CHECK(costs_as(&t, "anthropic", "claude-haiku-4-5-20251001", 100, 500));
    CHECK(costs_as(&t, "openai", "gpt-5", 125, 1000));
    CHECK(costs_as(&t, "openai", "gpt-5-codex", 125, 1000));
    CHECK(costs_as(&t, "openai", "gpt-5-mini-2025-08-07", 25, 200));
    CHECK(costs_as(&t, "openai", "gpt-5.2-codex", 175, 1400));
    CHECK(costs_as(&t, "openai", "gpt-5.5", 500, 3000));
    CHECK(costs_as(&t, "openai", "gpt-5.4-pro", 3000, 18000));
    CHECK(costs_as(&t, "google", "gemini-2.5-pro", 125, 1000));
    CHECK(costs_as(&t, "google", "gemini-3-pro-preview", 200, 1200));
    price_free(&t);
}

UNIT_MAIN(UNIT(shipped), UNIT(prices), UNIT(costs), UNIT(errors))
