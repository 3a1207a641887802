/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/pool.h"

#include "unit.h"

#include <stdlib.h>

static struct pool *pool;

static struct host *get(unsigned i, int64_t now)
{
    char text[32];
    struct name name;

    snprintf(text, sizeof(text), "n%u.test", i);
    return name_from_text(str_of(text), &name) ? pool_get(pool, &name, now) : NULL;
}

static struct host *allowed(unsigned i, int64_t now)
{
    struct host *h = get(i, now);

    if (h != NULL && h->state == HOST_NEW)
        pool_settle(pool, h, HOST_ALLOWED);
    return h;
}

TEST(an_address_leads_back_to_its_name)
{
    struct host *found;

    pool = pool_new(1);
    for (unsigned i = 0; i < 300; i++) {
        struct host *h = allowed(i, 1);
        struct addr four = pool_address(pool, h, 4, 1), six = pool_address(pool, h, 16, 1);

        CHECK(h == get(i, 1));
        CHECK(four.b[0] == 198 && (four.b[1] & 0xfe) == 18);
        CHECK(pool_classify(pool, &four, &found) == POOL_HOST && found == h);
        CHECK(pool_classify(pool, &six, &found) == POOL_HOST && found == h);
    }
    pool_free(pool);
}

TEST(other_addresses)
{
    static const struct {
        const char *text;
        enum pool_class class;
    } cases[] = {{"198.17.255.255", POOL_FOREIGN},     {"198.20.0.0", POOL_FOREIGN},
                 {"198.18.0.1", POOL_RESOLVER},        {"198.18.0.0", POOL_STALE},
                 {"198.18.0.2", POOL_STALE},           {"198.18.1.1", POOL_STALE},
                 {"198.19.255.255", POOL_STALE},       {"fd62:656c:6179::1", POOL_RESOLVER},
                 {"fd62:656c:6179::", POOL_STALE},     {"fd62:656c:6179::1:0", POOL_STALE},
                 {"fd62:656c:6179::ffff", POOL_STALE}, {"fd62:656c:6179:1::1", POOL_FOREIGN},
                 {"::ffff:198.18.0.1", POOL_RESOLVER}};
    struct host *host;
    struct addr a;

    pool = pool_new(1);
    allowed(0, 1); /* allowed, but its address was never handed out */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(addr_from_text(str_of(cases[i].text), &a));
        CHECK_INT(pool_classify(pool, &a, &host), cases[i].class);
    }
    pool_free(pool);
}

TEST(a_full_pool_gives_no_live_address_away)
{
    struct host *found;
    int64_t now = 1;

    pool = pool_new(1);
    struct addr first = pool_address(pool, allowed(0, now), 4, now);

    for (unsigned i = 1; i < POOL_SLOTS; i++)
        pool_address(pool, allowed(i, now), 4, now);
    CHECK(get(POOL_SLOTS, now) == NULL);
    CHECK(get(POOL_SLOTS, now + POOL_QUARANTINE_MS - 1) == NULL);
    /* when its time is over a slot is taken again, with another address */
    now += POOL_QUARANTINE_MS;
    struct host *h = allowed(POOL_SLOTS, now);

    CHECK(h != NULL);
    struct addr later = pool_address(pool, h, 4, now);

    CHECK(!addr_eq(&first, &later));
    CHECK_INT(pool_classify(pool, &first, &found), POOL_STALE);
    CHECK(pool_classify(pool, &later, &found) == POOL_HOST && found == h);
    pool_free(pool);
}

TEST(a_held_host_stays)
{
    struct host *found;
    int64_t now = 1;

    pool = pool_new(1);
    struct host *held = allowed(0, now);
    struct addr a = pool_address(pool, held, 16, now);

    pool_hold(pool, held);
    for (unsigned round = 1; round <= 3; round++) {
        now += POOL_QUARANTINE_MS;
        for (unsigned i = 1; i < POOL_SLOTS; i++) {
            struct host *h = allowed(round * POOL_SLOTS + i, now);

            CHECK(h != NULL && h != held);
            pool_address(pool, h, 16, now);
        }
        CHECK(pool_classify(pool, &a, &found) == POOL_HOST && found == held);
    }
    pool_release(pool, held, now);
    CHECK(get(4 * POOL_SLOTS, now) == NULL); /* its address was in use just now */
    pool_free(pool);
}

TEST(refused_names_go_first)
{
    int64_t now = 1;

    pool = pool_new(1);
    struct host *keep = allowed(0, now);

    for (unsigned i = 1; i < 5 * POOL_SLOTS; i++) {
        struct host *h = get(i, now);

        CHECK(h != NULL);
        pool_settle(pool, h, HOST_DENIED);
    }
    CHECK(keep == get(0, now));
    CHECK_INT(keep->state, HOST_ALLOWED);
    pool_free(pool);
}

TEST(names_being_asked_about_stay)
{
    pool = pool_new(1);
    for (unsigned i = 0; i < POOL_SLOTS; i++)
        pool_settle(pool, get(i, 1), HOST_ASKING);
    CHECK(get(POOL_SLOTS, 1 + POOL_QUARANTINE_MS) == NULL);
    pool_free(pool);
}

/* However often a slot changes hands, an IPv4 address is of one name at a time, and an IPv6
 * address of one name for ever. */
TEST(generations)
{
    struct addr four[POOL_GENERATIONS + 2], six[POOL_GENERATIONS + 2];
    struct host *found;
    int64_t now = 1;

    pool = pool_new(1);
    for (unsigned i = 1; i < POOL_SLOTS; i++)
        pool_settle(pool, get(i, now), HOST_ASKING); /* all but one slot are taken */
    for (unsigned g = 0; g < POOL_GENERATIONS + 2; g++) {
        struct host *h = allowed(POOL_SLOTS + g, now);

        CHECK(h != NULL);
        four[g] = pool_address(pool, h, 4, now);
        six[g] = pool_address(pool, h, 16, now);
        for (unsigned i = 0; i < g; i++) {
            CHECK_INT(addr_eq(&four[i], &four[g]), (g - i) % POOL_GENERATIONS == 0);
            CHECK(!addr_eq(&six[i], &six[g]));
            CHECK_INT(pool_classify(pool, &six[i], &found), POOL_STALE);
        }
        now += POOL_QUARANTINE_MS;
    }
    pool_free(pool);
}

UNIT_MAIN(UNIT(an_address_leads_back_to_its_name), UNIT(other_addresses),
          UNIT(a_full_pool_gives_no_live_address_away), UNIT(a_held_host_stays),
          UNIT(refused_names_go_first), UNIT(names_being_asked_about_stay), UNIT(generations))
