/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor says about this host agrees with what jails here do. */
#include "jail/doctor.h"
#include "jail_run.h"

static struct jail_probe checks[JAIL_PROBES_MAX];

TEST(every_probe_has_a_name_and_a_reason)
{
    CHECK_INT(jail_probe(checks, JAIL_PROBES_MAX), JAIL_PROBES_MAX);
    for (size_t i = 0; i < JAIL_PROBES_MAX; i++) {
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
    s.plan.net = checks[JAIL_PROBE_GATE].ok;
    CHECK_INT(jail_start(&s.plan, &j, &e), checks[JAIL_PROBE_NAMESPACES].ok);
    if (!checks[JAIL_PROBE_NAMESPACES].ok)
        SKIP("no namespaces here");
    CHECK_INT(j.landlock_abi > 0, checks[JAIL_PROBE_LANDLOCK].ok);
    CHECK_INT(j.wait_killable, checks[JAIL_PROBE_KILLABLE].ok);
    CHECK_INT(j.tcp6 >= 0, checks[JAIL_PROBE_GATE6].ok);
    CHECK_INT(j.cgroup >= 0, checks[JAIL_PROBE_CGROUP].ok);
    jail_close(&j);
}

static int inside(int argc, char **argv)
{
    if (argc != 1 || strcmp(argv[0], "probe") != 0)
        return 9;
    (void)jail_probe(checks, JAIL_PROBES_MAX);
    puts(checks[JAIL_PROBE_NAMESPACES].detail);
    puts(checks[JAIL_PROBE_OVERLAY].detail);
    for (size_t i = 0; i < JAIL_PROBES_MAX; i++)
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

JAIL_MAIN(inside, UNIT(every_probe_has_a_name_and_a_reason), UNIT(it_agrees_with_a_jail),
          UNIT(it_says_no_where_it_is_no))
