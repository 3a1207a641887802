/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor says about this host agrees with what jails here do. */
#include "jail/doctor.h"
#include "jail_run.h"

static struct jail_check checks[JAIL_CHECK_COUNT];

TEST(every_check_has_a_name_and_a_reason)
{
    jail_probe(checks);
    for (size_t i = 0; i < JAIL_CHECK_COUNT; i++) {
        printf("# %-32s %-4s %s\n", checks[i].name, checks[i].ok ? "yes" : "no", checks[i].detail);
        CHECK(checks[i].name[0] != '\0' && checks[i].detail[0] != '\0');
        CHECK(strchr(checks[i].detail, '\n') == NULL);
    }
}

TEST(it_agrees_with_a_jail)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct jail j;
    struct err e = {0};

    setup_init(&s, argv);
    s.plan.traps = TRAP_EXEC;
    s.plan.net = checks[JAIL_CHECK_GATE].ok;
    CHECK_INT(jail_start(&s.plan, &j, &e), checks[JAIL_CHECK_NAMESPACES].ok);
    if (!checks[JAIL_CHECK_NAMESPACES].ok)
        SKIP("no namespaces here");
    CHECK_INT(j.landlock_abi > 0, checks[JAIL_CHECK_LANDLOCK].ok);
    CHECK_INT(j.wait_killable, checks[JAIL_CHECK_KILLABLE].ok);
    CHECK_INT(j.tcp6 >= 0, checks[JAIL_CHECK_GATE6].ok);
    CHECK_INT(j.cgroup >= 0, checks[JAIL_CHECK_CGROUP].ok);
    jail_close(&j);
}

static int inside(int argc, char **argv)
{
    if (argc != 1 || strcmp(argv[0], "probe") != 0)
        return 9;
    jail_probe(checks);
    puts(checks[JAIL_CHECK_NAMESPACES].detail);
    puts(checks[JAIL_CHECK_OVERLAY].detail);
    for (size_t i = 0; i < JAIL_CHECK_COUNT; i++)
        if (checks[i].ok)
            return 1;
    return 0;
}

/* In a jail nothing can be made, and it says why: the doctor does not say yes by itself. */
TEST(it_says_no_where_it_is_no)
{
    char *argv[] = {play_self, (char[]){"inside"}, (char[]){"probe"}, NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    run_setup(&s, &r);
    CHECK_INT(r.status, 0);
    CHECK(has(r.out, "already running around this command"));
    CHECK(has(r.out, "not tried"));
}

JAIL_MAIN(inside, UNIT(every_check_has_a_name_and_a_reason), UNIT(it_agrees_with_a_jail),
          UNIT(it_says_no_where_it_is_no))
