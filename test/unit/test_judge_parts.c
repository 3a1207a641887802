/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/mem.h"
#include "judge/causes.h"
#include "judge/intents.h"
#include "judge/judge.h"
#include "judge/pending.h"
#include "judge/summary.h"
#include "policy/message.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The summary of an exec of /bin/x with these arguments. */
static bool shows(const struct str *argv, size_t n, const char *want)
{
    AUTO_BUF struct buf list = {0}, b = {0};
    struct action a;

    buf_init(&list, 100000);
    buf_init(&b, 20000);
    for (size_t i = 0; i < n; i++)
        action_list_add(&list, argv[i]);
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, STR("/bin/x"));
    action_list(&a, FIELD_ARGV, buf_str(&list));
    summary_add(&b, &a, SUMMARY_MAX);
    bool same = strcmp(buf_cstr(&b), want) == 0;
    if (!same)
        printf("# got %s\n# want %s\n", buf_cstr(&b), want);
    return same;
}

#define SHOWS(want, ...)                     \
    shows((const struct str[]){__VA_ARGS__}, \
          sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str), want)

TEST(arguments_are_shown_as_a_shell_takes_them)
{
    CHECK(SHOWS("run: git push origin main (program /bin/x)", STR("git"), STR("push"),
                STR("origin"), STR("main")));
    CHECK(SHOWS("run: sh -c 'rm -rf / # hi' (program /bin/x)", STR("sh"), STR("-c"),
                STR("rm -rf / # hi")));
    CHECK(SHOWS("run: x '' --a=b '=b' 'it'\\''s' 'a;b' '$HOME' '~' (program /bin/x)", STR("x"),
                STR(""), STR("--a=b"), STR("=b"), STR("it's"), STR("a;b"), STR("$HOME"), STR("~")));
    CHECK(SHOWS("run: x $'a\\nrm -rf' $'\\x1b[2J' $'\\xff' $'\\\\\\n\\'' 'caf"
                "\xc3\xa9' (program /bin/x)",
                STR("x"), STR("a\nrm -rf"), STR("\x1b[2J"), STR("\xff"), STR("\\\n'"),
                STR("caf\xc3\xa9")));
    CHECK(SHOWS("run: x '\\x1b' (program /bin/x)", STR("x"), STR("\\x1b"))); /* not an escape */
    CHECK(SHOWS("run: x $'\\xe2\\x80\\xae' (program /bin/x)", STR("x"), STR("\xe2\x80\xae")));
}

TEST(what_is_not_shown_is_counted)
{
    AUTO_BUF struct buf list = {0}, b = {0};
    AUTO_FREE char *big = malloc(5000);
    struct action a;

    memset(big, 'y', 5000);
    buf_init(&list, 100000);
    buf_init(&b, 20000);
    action_list_add(&list, STR("sh"));
    action_list_add(&list, (struct str){big, 5000});
    action_list_add(&list, STR("hidden"));
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, STR("/bin/sh"));
    action_list(&a, FIELD_ARGV, buf_str(&list));
    action_int(&a, FIELD_TRUNCATED, 1);
    action_str(&a, FIELD_CWD, STR("/w"));
    summary_add(&b, &a, SUMMARY_MAX);
    CHECK(strncmp(buf_cstr(&b), "run: sh yyyyyyyy", 16) == 0);
    CHECK(strstr(buf_cstr(&b), "[NOT SHOWN WHOLE: 2 more arguments, 5006 bytes]") != NULL);
    CHECK(strstr(buf_cstr(&b), "[NOT SHOWN WHOLE: the arguments are too long]") != NULL);
    CHECK(strstr(buf_cstr(&b), "(program /bin/sh, in /w)") != NULL);
    CHECK(b.n <= SUMMARY_MAX && b.n > 3000);
}

TEST(other_actions_are_shown)
{
    AUTO_BUF struct buf b = {0};
    struct action a;

    buf_init(&b, 20000);
    action_init(&a, VERB_CONNECT, RESOURCE_HOST, STR("api.example.com"));
    action_int(&a, FIELD_PORT, 443);
    action_str(&a, FIELD_ADDRESS, STR("192.0.2.1"));
    summary_add(&b, &a, SUMMARY_MAX);
    CHECK_STR(buf_cstr(&b), "connect to api.example.com port 443 at 192.0.2.1");
    buf_clear(&b);
    action_init(&a, VERB_RESOLVE, RESOURCE_HOST, STR("a.example.com"));
    summary_add(&b, &a, SUMMARY_MAX);
    CHECK_STR(buf_cstr(&b), "look up a.example.com");
    buf_clear(&b);
    action_init(&a, VERB_DELETE, RESOURCE_FILE, STR("/w/a b\r"));
    action_str(&a, FIELD_OP, STR("rename"));
    action_str(&a, FIELD_TARGET, STR("/w/c"));
    summary_add(&b, &a, SUMMARY_MAX);
    CHECK_STR(buf_cstr(&b), "delete $'/w/a b\\x0d' (rename, /w/c)");
    buf_clear(&b);
    AUTO_FREE char *big = malloc(ACTION_RESOURCE_MAX);
    memset(big, 'z', ACTION_RESOURCE_MAX);
    action_init(&a, VERB_WRITE, RESOURCE_FILE, (struct str){big, ACTION_RESOURCE_MAX});
    summary_add(&b, &a, 300);
    CHECK(strstr(buf_cstr(&b), "... [4096 bytes in all]") != NULL);
    CHECK(b.n < 400);
}

TEST(hostile_summaries_stay_printable_and_bounded)
{
    unsigned seed = 7;

    for (int round = 0; round < 2000; round++) {
        AUTO_BUF struct buf list = {0}, b = {0};
        struct action a;
        char text[600];

        buf_init(&list, 100000);
        buf_init(&b, 20000);
        for (int i = 0; i < 10; i++) {
            for (size_t k = 0; k < sizeof(text); k++) {
                seed = seed * 1103515245u + 12345u;
                text[k] = (char)(seed >> 16);
            }
            action_list_add(&list, (struct str){text, (seed >> 8) % sizeof(text)});
        }
        action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, (struct str){text, sizeof(text)});
        action_list(&a, FIELD_ARGV, buf_str(&list));
        action_str(&a, FIELD_CWD, (struct str){text, sizeof(text)});
        summary_add(&b, &a, SUMMARY_MAX);
        CHECK(b.n <= SUMMARY_MAX + 200);
        for (size_t k = 0; k < b.n; k++)
            CHECK((unsigned char)b.p[k] >= 0x20 && b.p[k] != 0x7f);
    }
}

static bool command_is(const char *arguments, const char *want)
{
    char out[INTENT_COMMAND];
    size_t n = intent_command(str_of(arguments), out);

    if (n != strlen(want) || memcmp(out, want, n) != 0)
        printf("# %s -> %.*s\n", arguments, (int)n, out);
    return n == strlen(want) && memcmp(out, want, n) == 0;
}

TEST(a_command_is_found_in_hostile_arguments)
{
    CHECK(command_is("{\"command\": \"git status\"}", "git status"));
    CHECK(command_is("{\"cmd\":\"ls  -l\\n\\tx\"}", "ls -l x"));
    CHECK(command_is("{\"command\":[\"bash\",\"-lc\",\"echo \\\"a b\\\"\"]}", "echo a b"));
    CHECK(command_is("{\"x\":\"\\\"command\\\": \\\"no\\\"\",\"command\":\"yes\"}", "yes"));
    CHECK(command_is("{\"command\" : \"it's \\\\ here\"}", "its here"));
    static const char *const none[] = {"",
                                       "{}",
                                       "\"command\"",
                                       "{\"command\":",
                                       "{\"command\":5}",
                                       "{\"command\":[",
                                       "{\"command\":[5]}",
                                       "command",
                                       "\\"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        CHECK(command_is(none[i], ""));
    CHECK(command_is("{\"command\":\"cut", "cut"));
    CHECK(command_is("{\"command\":[\"a\",\"cut\\", "cut"));
}

TEST(causes_are_remembered_and_bounded)
{
    bool led;
    AUTO_FREE struct causes *c = xcalloc(1, sizeof(*c));

    CHECK_INT(causes_of(c, 5, &led), 0);
    causes_exec(c, 5, 100, false);
    causes_exec(c, 5, 101, false);
    CHECK_INT(causes_of(c, 5, &led), 101);
    CHECK_INT(causes_of(c, 0, &led), 0);
    causes_exec(c, 0, 7, false);
    CHECK_INT(causes_of(c, 0, &led), 0);
    for (int i = 1; i <= 4; i++) { /* the same set: the one not used for longest goes */
        causes_exec(c, 5 + i * CAUSES_SETS, (uint64_t)(200 + i), false);
        CHECK_INT(causes_of(c, 5, &led), 101);
    }
    int left = 0;
    for (int i = 1; i <= 4; i++)
        left += causes_of(c, 5 + i * CAUSES_SETS, &led) == (uint64_t)(200 + i);
    CHECK_INT(left, 3);
}

TEST(connections_are_matched_once_and_in_time)
{
    AUTO_FREE struct causes *c = xcalloc(1, sizeof(*c));

    causes_connect(c, 1000, 7, STR("192.0.2.1"), 443);
    causes_connect(c, 1001, 8, STR("192.0.2.1"), 443);
    causes_connect(c, 1002, 9, STR("192.0.2.2"), 80);
    CHECK_INT(causes_match(c, 1003, STR("192.0.2.9"), 443), 0);
    CHECK_INT(causes_match(c, 1003, STR("192.0.2.1"), 443), 7);
    CHECK_INT(causes_match(c, 1003, STR(""), 443), 8);
    CHECK_INT(causes_match(c, 1003, STR(""), 443), 0);
    CHECK_INT(causes_match(c, 1002 + CONNECT_MS + 1, STR(""), 80), 0);
    causes_connect(c, 1, 7, STR("an address that is far too long for an address to be held"), 1);
    CHECK_INT(causes_match(c, 1, STR(""), 1), 0);
    for (int i = 0; i < 2 * CONNECTS_MAX; i++)
        causes_connect(c, 2000, i + 1, STR("192.0.2.1"), 25);
    CHECK_INT(causes_match(c, 2000, STR(""), 25), CONNECTS_MAX + 1); /* the oldest left */
}

TEST(pending_wraps_round)
{
    AUTO_FREE struct pendings *p = xcalloc(1, sizeof(*p));
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));

    f->n = 100;
    p->last_id = UINT32_MAX - 1;
    CHECK(pending_add(p, 1, f)->id == UINT32_MAX);
    struct pending *q = pending_add(p, 1, f);
    CHECK_INT(q->id, 1); /* 0 means free */
    CHECK(pending_find(p, 0) == NULL && pending_find(p, 1) == q);
    CHECK(pending_first(p) != NULL);
    while ((q = pending_first(p)) != NULL)
        pending_remove(p, q);
    CHECK_INT(p->n, 0);
}

TEST(configuration_round_trips)
{
    struct err e;
    int sv[2];
    struct judge_config got;
    const struct settings s = {.ask_timeout = 17,
                               .denials_count = 3,
                               .denials_window = 10,
                               .execs_count = 0,
                               .execs_window = 10,
                               .watch_processes = 100000};
    struct judge_config c = {.policy = memfd_create("a", 0),
                             .record = memfd_create("b", 0),
                             .head = memfd_create("c", 0),
                             .session = STR("s1"),
                             .agent = STR(""),
                             .user = STR("u"),
                             .home = STR("/home/u"),
                             .workspace = STR("/w"),
                             .settings = &s};

    CHECK(frame_pair(sv, &e));
    CHECK(judge_config_send(sv[0], &c, &e));
    CHECK(judge_config_recv(sv[1], &got, &e));
    CHECK(str_is(got.session, "s1") && str_is(got.agent, "") && str_is(got.workspace, "/w"));
    CHECK(got.settings->ask_timeout == 17 && got.settings->watch_processes == 100000);
    CHECK(got.policy >= 0 && got.record >= 0 && got.head >= 0);
    judge_config_free(&got);
    CHECK(got.policy == -1 && got.session.p == NULL);
    struct settings wrong = s;
    wrong.ask_timeout = 0;
    c.settings = &wrong;
    CHECK(judge_config_send(sv[0], &c, &e));
    CHECK(!judge_config_recv(sv[1], &got, &e)); /* out of range */
    c.settings = &s;
    c.home = STR("/a\0b");
    CHECK(judge_config_send(sv[0], &c, &e));
    CHECK(!judge_config_recv(sv[1], &got, &e));
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    frame_start(f, MSG_CONFIG, 0);
    CHECK(frame_send(sv[0], f, NULL, 0));
    CHECK(!judge_config_recv(sv[1], &got, &e)); /* nothing in it */
    (void)close(sv[0]);
    CHECK(!judge_config_recv(sv[1], &got, &e));
    (void)close(sv[1]);
    (void)close(c.policy);
    (void)close(c.record);
    (void)close(c.head);
}

UNIT_MAIN(UNIT(arguments_are_shown_as_a_shell_takes_them), UNIT(what_is_not_shown_is_counted),
          UNIT(other_actions_are_shown), UNIT(hostile_summaries_stay_printable_and_bounded),
          UNIT(a_command_is_found_in_hostile_arguments), UNIT(causes_are_remembered_and_bounded),
          UNIT(connections_are_matched_once_and_in_time), UNIT(pending_wraps_round),
          UNIT(configuration_round_trips))
