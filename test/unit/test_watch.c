/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "watch/watch.h"

static const struct watch_settings defaults = {
    .denials = 30, .denials_ms = 10000, .execs = 2000, .execs_ms = 10000, .processes = 1000};

TEST(burst_of_denials_is_found_once)
{
    struct watch w;
    struct watch_finding f;

    watch_init(&w, &defaults);
    for (int i = 0; i < 29; i++)
        CHECK(!watch_denied(&w, 1000 + i * 100, 0, &f));
    CHECK(watch_denied(&w, 4000, 0, &f));
    CHECK_INT(f.what, WATCH_DENIALS);
    CHECK_INT(f.count, 30);
    CHECK(watch_what_freezes(f.what));
    CHECK_STR(f.text, "30 actions were denied within 10 s, where 30 is the limit; "
                      "this came in its first moments");
    CHECK(!watch_denied(&w, 4001, 0, &f)); /* counts anew after it was resumed */
}

TEST(denials_spread_in_time_are_none)
{
    struct watch w;
    struct watch_finding f;

    watch_init(&w, &defaults);
    for (int i = 0; i < 1000; i++) /* 28 in 10 s */
        CHECK(!watch_denied(&w, i * 357, (uint64_t)i + 1, &f));
}

TEST(finding_tells_what_was_usual)
{
    struct watch w;
    struct watch_finding f;
    bool hit = false;

    watch_init(&w, &defaults);
    for (int i = 0; i < 40; i++) /* 2 a window */
        CHECK(!watch_denied(&w, i * 5000, 0, &f));
    for (int i = 0; i < 30 && !hit; i++)
        hit = watch_denied(&w, 200000 + i, 0, &f);
    CHECK(hit);
    CHECK(strstr(f.text, "until now there were at most 2") != NULL);
}

TEST(build_and_installation_stay_quiet)
{
    struct watch w;
    struct watch_finding f;

    watch_init(&w, &defaults);
    for (int i = 0; i < 25 * 120; i++) /* 25 programs a second for two minutes */
        CHECK(!watch_exec(&w, i * 40, &f));
    for (int i = 0; i < 8; i++) /* an installation that is refused its telemetry */
        CHECK(!watch_denied(&w, 120000 + i * 50, 7, &f));
    CHECK(!watch_processes(&w, 300, &f));
}

TEST(burst_of_programs_is_found)
{
    struct watch w;
    struct watch_finding f;
    int i = 0;

    watch_init(&w, &defaults);
    while (i < 5000 && !watch_exec(&w, i, &f))
        i++;
    CHECK_INT(i, 1999);
    CHECK_INT(f.what, WATCH_EXECS);
}

TEST(processes_are_compared_with_the_limit)
{
    struct watch w;
    struct watch_finding f;

    watch_init(&w, &defaults);
    CHECK(!watch_processes(&w, 12, &f));
    CHECK(watch_processes(&w, 1000, &f));
    CHECK_STR(f.text,
              "1000 processes at once, where 1000 is the limit; until now there were at most 12");
}

TEST(same_denied_thing_is_told_once_and_does_not_freeze)
{
    struct watch w;
    struct watch_finding f;
    int told = 0;

    watch_init(&w, &defaults);
    for (int i = 0; i < 14; i++)
        if (watch_denied(&w, i * 1000, 42, &f)) {
            told++;
            CHECK_INT(f.what, WATCH_REPEATED);
            CHECK(!watch_what_freezes(f.what));
            CHECK_INT(i, 9);
        }
    CHECK_INT(told, 1);
}

TEST(many_different_things_do_not_confuse_it)
{
    struct watch w;
    struct watch_finding f;
    const struct watch_settings high = {
        .denials = 100000, .denials_ms = 10000, .execs = 1, .execs_ms = 1000};

    watch_init(&w, &high);
    for (uint64_t i = 0; i < 2000; i++) /* each thing nine times, never a tenth */
        CHECK(!watch_denied(&w, (int64_t)i, 1 + i / 9, &f));
}

TEST(zero_switches_off)
{
    struct watch w;
    struct watch_finding f;
    const struct watch_settings off = {.denials_ms = 1000, .execs_ms = 1000};

    watch_init(&w, &off);
    for (int i = 0; i < 10000; i++) {
        CHECK(!watch_denied(&w, 5, 1, &f));
        CHECK(!watch_exec(&w, 5, &f));
        CHECK(!watch_processes(&w, 1000000, &f));
    }
}

TEST(long_silence_forgets)
{
    struct watch w;
    struct watch_finding f;

    watch_init(&w, &defaults);
    for (int i = 0; i < 29; i++)
        CHECK(!watch_denied(&w, 0, 0, &f));
    CHECK(!watch_denied(&w, INT64_MAX / WATCH_SLICES - 1, 0, &f));
}

UNIT_MAIN(UNIT(burst_of_denials_is_found_once), UNIT(denials_spread_in_time_are_none),
          UNIT(finding_tells_what_was_usual), UNIT(build_and_installation_stay_quiet),
          UNIT(burst_of_programs_is_found), UNIT(processes_are_compared_with_the_limit),
          UNIT(same_denied_thing_is_told_once_and_does_not_freeze),
          UNIT(many_different_things_do_not_confuse_it), UNIT(zero_switches_off),
          UNIT(long_silence_forgets))
