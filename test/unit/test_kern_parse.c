/* SPDX-License-Identifier: Apache-2.0 */
/* What kern reads from outside, and that every trapped call has its plan. */
#include "jail/uapi.h"
#include "kern/argv.h"
#include "kern/parse.h"
#include "kern/plan.h"
#include "unit.h"

static const char status_text[] =
    "Name:\ta\\nUmask:\t0777\nUmask:\t0022\nState:\tS (sleeping)\n"
    "Tgid:\t71\nNgid:\t0\nPid:\t72\nPPid:\t70\nTracerPid:\t9\n"
    "Uid:\t1\t1\t1\t1\nGroups:\t4 5 \nNStgid:\t71\t6\nNSpid:\t72\t7\n";

TEST(status)
{
    struct status s;

    CHECK(parse_status(STR("Umask:\t0022\nTgid:\t71\nPPid:\t70\nTracerPid:\t0\nNStgid:\t71\t6\n"
                           "NSpid:\t72\t7\n"),
                       &s));
    CHECK_INT(s.umask, 022);
    CHECK_INT(s.tgid, 71);
    CHECK_INT(s.parent, 70);
    CHECK_INT(s.tracer, 0);
    CHECK_INT(s.inner_tgid, 6);
    CHECK_INT(s.inner_tid, 7);
}

/* A task's name is its own to choose; the kernel escapes newlines in it. */
TEST(status_with_a_lying_name)
{
    struct status s;

    CHECK(parse_status(str_of(status_text), &s));
    CHECK_INT(s.umask, 0777 & 022);
}

TEST(status_damaged)
{
    struct status s;

    for (size_t n = 0; n < sizeof(status_text) - 6; n++)
        CHECK(!parse_status((struct str){status_text, n}, &s));
    CHECK(!parse_status(STR("Umask:\t9\nTgid:\t1\nPPid:\t1\nTracerPid:\t0\nNStgid:\t1\nNSpid:\t1"),
                        &s));
    CHECK(!parse_status(STR("Umask:\t0\nTgid:\t99999999999999999999\nPPid:\t1\nTracerPid:"
                            "\t0\nNStgid:\t1\nNSpid:\t1"),
                        &s));
}

static void check_script(const char *line, enum script_kind kind, const char *interpreter,
                         const char *argument)
{
    struct script s;

    CHECK_INT(parse_script(line, strlen(line), &s), kind);
    if (kind != SCRIPT_OK)
        return;
    CHECK(str_is(s.interpreter, interpreter));
    CHECK(s.has_argument == (argument != NULL));
    CHECK(argument == NULL || str_is(s.argument, argument));
}

TEST(script_lines)
{
    check_script("#!/bin/sh\n", SCRIPT_OK, "/bin/sh", NULL);
    check_script("#! \t/bin/sh \t\n", SCRIPT_OK, "/bin/sh", NULL);
    check_script("#!/bin/sh -e  -x \nrest", SCRIPT_OK, "/bin/sh", "-e  -x");
    check_script("#!/bin/sh", SCRIPT_OK, "/bin/sh", NULL);
    check_script("#!sh\n", SCRIPT_OK, "sh", NULL);
    check_script("#!\n", SCRIPT_BAD, NULL, NULL);
    check_script("#!   \n", SCRIPT_BAD, NULL, NULL);
    check_script("#!", SCRIPT_BAD, NULL, NULL);
    check_script("#", SCRIPT_NONE, NULL, NULL);
    check_script("", SCRIPT_NONE, NULL, NULL);
    check_script("\177ELF", SCRIPT_NONE, NULL, NULL);
}

TEST(script_lines_too_long)
{
    char line[300];
    struct script s;

    memset(line, 'x', sizeof(line));
    line[0] = '#';
    line[1] = '!';
    CHECK_INT(parse_script(line, SCRIPT_HEAD, &s), SCRIPT_BAD);
    line[100] = ' '; /* the name is whole, the argument is cut as the kernel cuts it */
    CHECK_INT(parse_script(line, SCRIPT_HEAD, &s), SCRIPT_OK);
    CHECK_INT(s.interpreter.n, 98);
    CHECK_INT(s.argument.n, 255 - 101);
}

TEST(loaders)
{
    CHECK(parse_is_loader(STR("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")));
    CHECK(parse_is_loader(STR("/lib/ld-musl-x86_64.so.1")));
    CHECK(parse_is_loader(STR("/usr/bin/ld.so")));
    CHECK(parse_is_loader(STR("/lib/ld-2.31.so")));
    CHECK(!parse_is_loader(STR("/usr/bin/ld")));
    CHECK(!parse_is_loader(STR("/usr/bin/ld.gold")));
    CHECK(!parse_is_loader(STR("/usr/lib/libld-x.so")));
}

TEST(what_a_loader_loads)
{
    struct str plain[] = {STR("ld"), STR("/bin/x"), STR("--list")};
    struct str options[] = {STR("ld"), STR("--library-path"), STR("/a"), STR("--list"), STR("y")};
    struct str dashes[] = {STR("ld"), STR("--argv0"), STR("z"), STR("--"), STR("--strange")};
    struct str none[] = {STR("ld"), STR("--preload"), STR("a")};

    CHECK_INT(parse_loader_program(plain, 3), 1);
    CHECK_INT(parse_loader_program(options, 5), 4);
    CHECK_INT(parse_loader_program(dashes, 5), 4);
    CHECK_INT(parse_loader_program(none, 3), -1);
    CHECK_INT(parse_loader_program(none, 1), -1);
    CHECK_INT(parse_loader_program(none, 0), -1);
}

TEST(last_parts)
{
    CHECK(str_is(parse_last(STR("/usr/bin/git")), "git"));
    CHECK(str_is(parse_last(STR("git")), "git"));
    CHECK(str_is(parse_last(STR("a/b//")), "b"));
    CHECK(str_is(parse_last(STR("///")), ""));
    CHECK(str_is(parse_last(STR("")), ""));
}

TEST(arguments_on_the_stack)
{
    struct str argv[] = {STR("a"), STR(""), STR("bc")};
    struct exec x = {.argv = argv, .argc = 3};

    CHECK_INT(argv_size(&x), 7);
    CHECK(argv_matches(&x, (struct str){"a\0\0bc\0", 6}));
    CHECK(!argv_matches(&x, (struct str){"a\0\0bc\0x", 7}));
    CHECK(!argv_matches(&x, (struct str){"a\0\0bd\0", 6}));
    CHECK(!argv_matches(&x, (struct str){"a\0\0bc", 5}));
    CHECK(!argv_matches(&x, (struct str){"", 0}));
}

TEST(start_of_the_stack)
{
    static const char head[] =
        "7 (a) b) 1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 "
        "22 23 24 ";
    char text[256];
    uint64_t at = 0;

    (void)snprintf(text, sizeof(text), "%s140737488347136 0 0", head);
    CHECK(parse_start_stack(str_of(text), &at));
    CHECK_INT(at, 140737488347136);
    (void)snprintf(text, sizeof(text), "%s0 0 0", head); /* not for us to know */
    CHECK(!parse_start_stack(str_of(text), &at));
    (void)snprintf(text, sizeof(text), "%s99999999999999999999999 0", head);
    CHECK(!parse_start_stack(str_of(text), &at));
    (void)snprintf(text, sizeof(text), "%s12", head); /* cut */
    CHECK(!parse_start_stack(str_of(text), &at));
    CHECK(!parse_start_stack(str_of(head), &at));
    CHECK(!parse_start_stack(str_of(""), &at));
    CHECK(!parse_start_stack(str_of("7 (a) S 1"), &at));
}

static int given(const char *interpreter, const char *a, const char *b, const char *c)
{
    struct str argv[] = {STR("x"), str_of(a), str_of(b), str_of(c)};

    return parse_given_script(str_of(interpreter), argv, c != NULL ? 4 : b != NULL ? 3 : 2);
}

TEST(scripts_that_arguments_name)
{
    CHECK_INT(given("dash", "run.sh", "-c", NULL), 1);
    CHECK_INT(given("bash", "-eu", "run.sh", NULL), 2);
    CHECK_INT(given("bash", "--norc", "--", "-run.sh"), 3);
    CHECK_INT(given("bash", "-ec", "echo x", NULL), -1);
    CHECK_INT(given("sh", "-", "x", NULL), -1);
    CHECK_INT(given("python3.11", "-u", "a.py", "b"), 2);
    CHECK_INT(given("python3", "-m", "pip", NULL), -1);
    CHECK_INT(given("perl", "-we", "1", NULL), -1);
    CHECK_INT(given("node", "--eval=1", "a.js", NULL), -1);
    CHECK_INT(given("node", "--no-warnings", "a.js", NULL), 2);
    CHECK_INT(given("git", "push", NULL, NULL), -1);
    CHECK_INT(given("sh", "", "x", NULL), -1);
}

/* What the filter hands over, kern can serve. */
TEST(every_trapped_call_has_a_plan)
{
    static const int trapped[] = {
#define TRAP(class, name)           SYS_##name,
#define TRAP_OPEN(class, name, arg) SYS_##name,
#define TRAP_SOCKET(class, family, type) SYS_socket,
#define NO_SOCKET(class, name, family, type, error)
#include "jail/traps.def"
#undef TRAP
#undef TRAP_OPEN
#undef TRAP_SOCKET
#undef NO_SOCKET
    };

    CHECK(sizeof(trapped) / sizeof(trapped[0]) > 20);
    for (size_t i = 0; i < sizeof(trapped) / sizeof(trapped[0]); i++) {
        const struct trap *t = plan_find(trapped[i]);

        if (t == NULL)
            printf("# no plan for call %d\n", trapped[i]);
        CHECK(t != NULL && t->plan->prepare != NULL && t->plan->act != NULL);
        CHECK(t->dir < 6 && t->path < 6 && t->rest <= 6 && (t->dir >= 0 || t->path >= 0 || t->nr == SYS_socket));
    }
    CHECK(plan_find(SYS_read) == NULL);
}

UNIT_MAIN(UNIT(status), UNIT(status_with_a_lying_name), UNIT(status_damaged), UNIT(script_lines),
          UNIT(script_lines_too_long), UNIT(loaders), UNIT(what_a_loader_loads), UNIT(last_parts),
          UNIT(arguments_on_the_stack), UNIT(start_of_the_stack), UNIT(scripts_that_arguments_name),
          UNIT(every_trapped_call_has_a_plan))
