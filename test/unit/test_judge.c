/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "judge_world.h"

TEST(the_policy_loads)
{
    bool ok = world_open();

    if (!ok)
        printf("# %s\n", world.e.text);
    CHECK(ok);
}

TEST(nothing_is_sent_before_it_is_recorded)
{
    CHECK(world_run());
    CHECK(world_file(1, VERB_WRITE, "/w/a", 10));
    CHECK_INT(world.nsent, 0);
    CHECK(world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 1), OUTCOME_ALLOW);
    CHECK(world_recorded("\"verb\":\"write\"", "\"id\":\"/w/a\"", "\"outcome\":\"allow\""));
    struct verdict v;
    CHECK(world_verdict(PEER_KERN, 1, &v));
    CHECK_INT(v.event, 3); /* after the first line and the start */
}

TEST(denials_name_the_rule_and_are_told)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(world_file(5, VERB_WRITE, "/w/.git/hooks/pre-commit", 10));
    CHECK(world_commit());
    CHECK(world_verdict(PEER_KERN, 5, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK_INT(v.nrules, 1);
    CHECK(str_is(v.rules[0], "no-hooks"));
    CHECK(world_says(MSG_ALERT, MSG_TAG_KIND, "notice"));
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "refused: write /w/.git/hooks/pre-commit (open): "));
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "rule no-hooks, event 3"));
    CHECK(world_recorded("pre-commit", "\"rules\":[\"no-hooks\"]", "\"outcome\":\"deny\""));
    CHECK(world_file(6, VERB_READ, "/etc/shadow", 10) && world_commit());
    CHECK(world_verdict(PEER_KERN, 6, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK_INT(v.nrules, 0);
    CHECK(v.reason.n > 0);
}

TEST(a_record_that_fails_releases_nothing)
{
    CHECK(world_run());
    CHECK(world_file(1, VERB_WRITE, "/w/a", 10));
    world.write_fails_at = 1;
    CHECK(!world_commit());
    CHECK_INT(world.nsent, 0);
    CHECK_INT(world.e.code, EX_RECORD);
    CHECK(!world_file(2, VERB_WRITE, "/w/b", 10));
    struct err why = world.e;
    judge_fail(world.judge, &why);
    CHECK_INT(world.nsent, 1); /* the alert and no verdict */
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "the record"));
    struct record_report r;
    CHECK(record_verify(world.record, world.head, &r, &world.e));
    CHECK_STR(record_status_name(r.status), "whole"); /* the end found room */
}

TEST(the_nth_write_may_fail)
{
    for (int n = 1; n < 6; n++) {
        uint32_t id = 0;

        CHECK(world_run());
        world.write_fails_at = n;
        while (world_file(++id, VERB_WRITE, "/w/a", 10) && world_commit())
            CHECK(id < 100);
        CHECK_INT(id, n);
        CHECK_INT(world_count(MSG_VERDICT), n - 1);
    }
}

TEST(what_is_sent_out_waits_for_the_disk)
{
    CHECK(world_run());
    int before = world.syncs;
    CHECK(world_connect(1, "api.example.com", 443, NULL, true) && world_commit());
    CHECK_INT(world_last(MSG_VERDICT)->syncs, before);
    CHECK(world_connect(2, "api.example.com", 443, "93.184.216.34", true) && world_commit());
    CHECK_INT(world_outcome(PEER_GATE, 2), OUTCOME_ALLOW);
    CHECK_INT(world_last(MSG_VERDICT)->syncs, before + 1);
    /* One sync for all that came together, and what need not wait does not. */
    before = world.syncs;
    CHECK(world_connect(3, "api.example.com", 443, "93.184.216.34", true));
    CHECK(world_connect(4, "api.example.com", 443, "93.184.216.34", true));
    CHECK(world_exec(5, "ls", "-l", 10, 1));
    CHECK(world_connect(6, "evil.example.org", 443, "93.184.216.34", true));
    CHECK(world_commit());
    CHECK_INT(world.syncs, before + 1);
    for (size_t i = 0; i < world.nsent; i++) {
        const struct sent *s = &world.sent[i];

        if (s->type == MSG_VERDICT && s->id >= 3)
            CHECK_INT(s->syncs, s->id <= 4 ? before + 1 : before);
    }
}

TEST(lines_reach_the_disk_within_a_second)
{
    CHECK(world_run());
    CHECK(world_file(1, VERB_WRITE, "/w/a", 10) && world_commit());
    int before = world.syncs;
    CHECK(judge_due(world.judge) <= world.ms + 1000);
    world.ms += 1000;
    CHECK(judge_tick(world.judge, &world.e));
    CHECK_INT(world.syncs, before + 1);
    CHECK(judge_due(world.judge) == INT64_MAX);
}

TEST(asking_and_yes)
{
    CHECK(world_run());
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    const struct sent *ask = world_last(MSG_ASK);
    CHECK(ask->to == PEER_KEEPER && ask->id != 0);
    CHECK(world_says(MSG_ASK, MSG_TAG_SUMMARY, "run: git push (program /usr/bin/git)"));
    CHECK(world_says(MSG_ASK, MSG_TAG_TEXT, "others will see this"));
    CHECK_INT(world_outcome(PEER_KERN, 7), -1);
    CHECK(world_recorded("\"outcome\":\"ask\"", "\"push\"", "\"kind\":\"action\""));
    CHECK(world_answer(ask->id, true));
    CHECK_INT(world_outcome(PEER_KERN, 7), OUTCOME_ALLOW);
    CHECK_INT(world_count(MSG_ASK_OVER), 1);
    CHECK(world_recorded("\"kind\":\"answer\"", "\"by\":\"uid 7\"", "\"outcome\":\"allow\""));
    CHECK(world_recorded("\"kind\":\"answer\"", "\"actor\":\"person\"", "\"cause\":3"));
    CHECK(world_answer(1, true)); /* again: too late, and no harm */
    CHECK_INT(world_count(MSG_VERDICT), 1);
}

/* Nobody is asked about a program that is known by name only. */
TEST(asking_by_content)
{
    CHECK(world_run());
    world.unmeasured = true;
    CHECK(world_exec(7, "git", "push", 10, 1) && world_exec(8, "git", "status", 10, 1) &&
          world_commit());
    CHECK_INT(world_count(MSG_MEASURE), 1);
    CHECK(world_last(MSG_MEASURE)->to == PEER_KERN && world_last(MSG_MEASURE)->id == 7);
    CHECK_INT(world_count(MSG_ASK), 0);
    CHECK_INT(world_outcome(PEER_KERN, 7), -1);
    CHECK_INT(world_outcome(PEER_KERN, 8), OUTCOME_ALLOW);
    CHECK(!world_recorded("\"outcome\":\"ask\"", "\"push\"", "\"kind\":\"action\""));
    world.unmeasured = false;
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    CHECK_INT(world_count(MSG_ASK), 1);
    CHECK(world_recorded("\"outcome\":\"ask\"", "\"sha256\":\"aa\"", "\"kind\":\"action\""));
}

TEST(asking_and_no)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    CHECK(world_answer(world_last(MSG_ASK)->id, false));
    CHECK(world_verdict(PEER_KERN, 7, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK(str_is(v.rules[0], "push"));
    CHECK(str_is(v.reason, "a person denied it"));
}

TEST(no_answer_is_no)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    world.ms += 299999;
    CHECK(judge_tick(world.judge, &world.e) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 7), -1);
    CHECK_INT(judge_due(world.judge), world.ms + 1);
    world.ms += 1;
    CHECK(judge_tick(world.judge, &world.e) && world_commit());
    CHECK(world_verdict(PEER_KERN, 7, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK(str_is(v.reason, "nobody answered within 300 s"));
    CHECK_INT(world_count(MSG_ASK_OVER), 1);
    CHECK(world_recorded("\"kind\":\"answer\"", "\"by\":\"timeout\"", "\"outcome\":\"deny\""));
    CHECK(world_answer(world_last(MSG_ASK)->id, true)); /* late */
    CHECK_INT(world_count(MSG_VERDICT), 1);
}

TEST(the_asker_may_go)
{
    CHECK(world_run());
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    frame_start(&world_out, MSG_CANCEL, 7);
    CHECK(world_give(PEER_GATE)); /* not the gate's */
    CHECK_INT(world_count(MSG_ASK_OVER), 0);
    frame_start(&world_out, MSG_CANCEL, 7);
    CHECK(world_give(PEER_KERN) && world_commit());
    CHECK_INT(world_count(MSG_ASK_OVER), 1);
    CHECK_INT(world_count(MSG_VERDICT), 0);
    CHECK(world_recorded("\"kind\":\"answer\"", "who asked is gone", "\"outcome\":\"deny\""));
    CHECK(world_answer(world_last(MSG_ASK)->id, true));
    CHECK_INT(world_count(MSG_VERDICT), 0);
}

TEST(equal_questions_are_one)
{
    CHECK(world_run());
    CHECK(world_connect(1, "api.example.com", 22, NULL, true));
    CHECK(world_connect(2, "api.example.com", 22, NULL, true));
    CHECK(world_connect(3, "api.example.com", 22, "93.184.216.34", true)); /* another */
    CHECK(world_exec(1, "git", "push", 10, 1));
    CHECK(world_exec(2, "git", "push", 11, 1)); /* another process */
    CHECK(world_commit());
    CHECK_INT(world_count(MSG_ASK), 4);
    frame_start(&world_out, MSG_CANCEL, 1);
    CHECK(world_give(PEER_GATE) && world_commit());
    CHECK_INT(world_count(MSG_ASK_OVER), 0); /* one still waits */
    CHECK(world_answer(1, true));
    CHECK_INT(world_outcome(PEER_GATE, 1), -1);
    CHECK_INT(world_outcome(PEER_GATE, 2), OUTCOME_ALLOW);
    CHECK_INT(world_outcome(PEER_GATE, 3), -1);
}

TEST(too_many_questions_are_denied)
{
    struct verdict v;

    CHECK(world_run());
    for (uint32_t i = 1; i <= 65; i++)
        CHECK(world_exec(i, "git", "push", (pid_t)(100 + i), 1));
    CHECK(world_commit());
    CHECK_INT(world_count(MSG_ASK), 64);
    CHECK(world_verdict(PEER_KERN, 65, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK(str_is(v.reason, "too many questions wait for a person already"));
    CHECK(world_recorded("too many questions", "\"outcome\":\"deny\"", "\"pid\":165"));
    CHECK(world_answer(1, false));
    CHECK(world_exec(66, "git", "push", 500, 1) && world_commit());
    CHECK_INT(world_count(MSG_ASK), 65);
}

TEST(a_yes_is_judged_again)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(world_connect(1, "api.example.com", 22, "93.184.216.34", true) && world_commit());
    CHECK_INT(world_count(MSG_ASK), 1);
    CHECK(world_file(2, VERB_READ, "/home/u/keys/k", 10) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 2), OUTCOME_ALLOW);
    CHECK(world_recorded("\"labels\":[\"secret\"]", "/home/u/keys/k", ""));
    CHECK(world_answer(world_last(MSG_ASK)->id, true));
    CHECK(world_verdict(PEER_GATE, 1, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK(str_is(v.rules[0], "no-leak"));
}

TEST(freeze_and_kill_reach_the_keeper)
{
    CHECK(world_run());
    CHECK(world_exec(1, "odd", "x", 10, 1) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 1), OUTCOME_FREEZE);
    CHECK_INT(world_count(MSG_STOP), 1);
    CHECK(world_says(MSG_STOP, MSG_TAG_TEXT, "look at this: run: odd x"));
    CHECK(world_recorded("\"kind\":\"stop\"", "\"outcome\":\"freeze\"", "\"rules\":[\"odd\"]"));
    CHECK(world_file(2, VERB_WRITE, "/w/a", 10) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 2), OUTCOME_ALLOW); /* what was under way goes on */
    CHECK(world_exec(3, "bomb", "x", 10, 1) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 3), OUTCOME_KILL);
    CHECK_INT(world_count(MSG_STOP), 2);
    CHECK(world_file(4, VERB_WRITE, "/w/a", 10) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 4), OUTCOME_DENY); /* not after a kill */
}

TEST(duty_to_alert)
{
    CHECK(world_run());
    CHECK(world_file(1, VERB_READ, "/etc/told", 10) && world_commit());
    CHECK_INT(world_outcome(PEER_KERN, 1), OUTCOME_ALLOW);
    CHECK(world_says(MSG_ALERT, MSG_TAG_KIND, "alert"));
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "allow: read /etc/told"));
    CHECK(world_recorded("\"kind\":\"alert\"", "/etc/told", "\"cause\":3"));
}

TEST(names_that_lead_inside_need_a_rule_for_the_address)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(world_connect(1, "api.example.com", 443, "10.0.0.5", true) && world_commit());
    CHECK(world_verdict(PEER_GATE, 1, &v));
    CHECK_INT(v.outcome, OUTCOME_DENY);
    CHECK(memmem(v.reason.p, v.reason.n, "api.example.com leads to 10.0.0.5 (private): ", 45) !=
          NULL);
    CHECK(world_connect(2, "api.example.com", 443, "169.254.169.254", true));
    CHECK(world_connect(3, "api.example.com", 443, "::ffff:127.0.0.1", true));
    CHECK(world_connect(4, "inner.example.com", 443, "10.1.2.3", true)); /* a rule names it */
    CHECK(world_connect(5, "10.1.2.3", 443, "10.1.2.3", false));
    CHECK(world_connect(6, "10.1.2.4", 443, "10.1.2.4", false));
    CHECK(world_connect(7, "localhost", 8080, "127.0.0.1", false)); /* the host's, by its name */
    CHECK(world_connect(8, "localhost", 8080, "10.9.9.9", false));
    CHECK(world_connect(9, "api.example.com", 443, "2606:2800:220:1:248:1893:25c8:1946", true));
    CHECK(world_connect(10, "api.example.com", 443, "0300.1", true));
    CHECK(world_commit());
    static const int want[] = {OUTCOME_DENY,  OUTCOME_DENY,  OUTCOME_ALLOW,
                               OUTCOME_ALLOW, OUTCOME_DENY,  OUTCOME_ALLOW,
                               OUTCOME_DENY,  OUTCOME_ALLOW, OUTCOME_DENY};
    for (uint32_t i = 0; i < ARRAY_LEN(want); i++)
        CHECK_INT(world_outcome(PEER_GATE, 2 + i), want[i]);
}

TEST(names_are_judged_before_they_leave)
{
    struct action a;

    CHECK(world_run());
    action_init(&a, VERB_RESOLVE, RESOURCE_HOST, STR("api.example.com"));
    CHECK(world_action(PEER_GATE, 1, &a));
    action_init(&a, VERB_RESOLVE, RESOURCE_HOST, STR("secret-data.evil.example.org"));
    CHECK(world_action(PEER_GATE, 2, &a));
    CHECK(world_connect(3, "evil.example.org", 443, NULL, true));
    CHECK(world_commit());
    CHECK_INT(world_outcome(PEER_GATE, 1), OUTCOME_ALLOW);
    CHECK_INT(world_outcome(PEER_GATE, 3), OUTCOME_DENY);
}

TEST(causes_link_programs_and_connections)
{
    CHECK(world_run());
    CHECK(world_exec(1, "sh", "-c", 10, 1) && world_commit());      /* event 3 */
    CHECK(world_exec(2, "ls", "-l", 11, 10) && world_commit());     /* event 4, child of 10 */
    CHECK(world_file(3, VERB_WRITE, "/w/a", 11) && world_commit()); /* 5 */
    CHECK(world_recorded("\"seq\":4", "\"cause\":3", "\"pid\":11"));
    CHECK(world_recorded("\"seq\":5", "\"cause\":4", "\"pid\":11"));
    frame_start(&world_out, MSG_NOTE, 0);
    frame_put_int(&world_out, MSG_TAG_PID, 11);
    frame_put_cstr(&world_out, MSG_TAG_ADDRESS, "198.18.0.9");
    frame_put_int(&world_out, MSG_TAG_PORT, 443);
    CHECK(world_give(PEER_KERN));
    CHECK(world_connect(1, "api.example.com", 443, NULL, true) && world_commit()); /* 6 */
    CHECK(world_recorded("\"seq\":6", "\"cause\":4", "\"pid\":11"));
    CHECK(world_connect(2, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(!world_recorded("\"seq\":7", "\"pid\":11", "")); /* a note is used once */
}

TEST(notes_follow_their_action)
{
    CHECK(world_run());
    CHECK(world_connect(9, "api.example.com", 443, "93.184.216.34", true) && world_commit());
    frame_start(&world_out, MSG_NOTE, 9);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "connection");
    frame_put_int(&world_out, MSG_TAG_EVENT, 3);
    frame_put_cstr(&world_out, MSG_TAG_TEXT, "");
    frame_put_cstr(&world_out, MSG_TAG_ADDRESS, "93.184.216.34");
    frame_put_int(&world_out, MSG_TAG_PORT, 443);
    frame_put_int(&world_out, 33, 100);
    frame_put_int(&world_out, 34, 2000);
    frame_put_int(&world_out, 35, 7);
    CHECK(world_give(PEER_GATE) && world_commit());
    CHECK(world_recorded("\"kind\":\"note\"", "\"actor\":\"gate\"", "\"cause\":3"));
    CHECK(world_recorded("\"up\":100,\"down\":2000,\"ms\":7", "\"port\":443", "connection"));
}

TEST(a_burst_of_denials_freezes)
{
    CHECK(world_run());
    for (uint32_t i = 1; i <= 30; i++) {
        char path[32];

        world.ms += 10;
        (void)snprintf(path, sizeof(path), "/etc/x%u", i);
        CHECK(world_file(i, VERB_WRITE, path, 10) && world_commit());
        CHECK_INT(world_count(MSG_STOP), i == 30);
    }
    CHECK(world_says(MSG_STOP, MSG_TAG_TEXT, "30 actions were denied within 10 s"));
    CHECK(world_recorded("\"kind\":\"stop\"", "\"event\":\"denials\"", "\"count\":30"));
}

TEST(the_same_denied_thing_is_told)
{
    CHECK(world_run());
    for (uint32_t i = 1; i <= 10; i++) {
        world.ms += 1000;
        CHECK(world_file(i, VERB_WRITE, "/etc/passwd", 10) && world_commit());
    }
    CHECK_INT(world_count(MSG_STOP), 0);
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "tried 10 times"));
    CHECK(world_recorded("\"kind\":\"alert\"", "\"event\":\"repeated\"", ""));
}

TEST(too_many_processes_freeze)
{
    CHECK(world_run());
    frame_start(&world_out, MSG_EVENT, 4);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "processes");
    frame_put_int(&world_out, MSG_TAG_COUNT, 1500);
    CHECK(world_give(PEER_KEEPER) && world_commit());
    CHECK(world_says(MSG_STOP, MSG_TAG_TEXT, "1500 processes at once"));
    CHECK_INT(world_count(MSG_RECORDED), 1);
}

TEST(a_slow_terminal_is_spared)
{
    CHECK(world_run());
    world.slow = true;
    for (uint32_t i = 1; i <= 5; i++)
        CHECK(world_file(i, VERB_WRITE, "/etc/passwd", 10) && world_commit());
    CHECK_INT(world_count(MSG_ALERT), 0);
    CHECK_INT(world_count(MSG_VERDICT), 5);
    world.slow = false;
    CHECK(world_file(6, VERB_WRITE, "/etc/passwd", 10) && world_commit());
    CHECK_INT(world_count(MSG_ALERT), 1);
    CHECK(world_text(world_last(MSG_ALERT), MSG_TAG_COUNT).n > 0);
}

TEST(the_end_is_recorded_before_it_is_answered)
{
    struct record_report r;

    CHECK(world_run());
    CHECK(world_exec(7, "git", "push", 10, 1) && world_commit());
    frame_start(&world_out, MSG_EVENT, 9);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "exit");
    frame_put_int(&world_out, MSG_TAG_COUNT, 0);
    CHECK(world_give(PEER_KEEPER));
    CHECK(!judge_over(world.judge));
    CHECK(world_commit());
    CHECK(judge_over(world.judge));
    CHECK_INT(world_last(MSG_RECORDED)->id, 9);
    CHECK(record_verify(world.record, world.head, &r, &world.e));
    CHECK_STR(record_status_name(r.status), "whole");
    CHECK(world_recorded("\"kind\":\"answer\"", "the session ended", "\"outcome\":\"deny\""));
    CHECK_INT(world_outcome(PEER_KERN, 7), OUTCOME_DENY);
    CHECK(!world_file(8, VERB_WRITE, "/w/a", 10)); /* nobody but the keeper may speak now */
}

/* Each of these ends the session. */
TEST(what_a_role_may_not_say)
{
    struct action a;

    action_init(&a, VERB_WRITE, RESOURCE_FILE, STR("/w/a"));
    CHECK(world_open());
    CHECK(!world_action(PEER_KERN, 1, &a)); /* before the start */
    CHECK(strstr(world.e.text, "the kern sent what it may not say now") != NULL);
    CHECK(world_run());
    CHECK(!world_event("start")); /* twice */
    CHECK(world_run());
    CHECK(!world_action(PEER_KEEPER, 1, &a));
    frame_start(&world_out, MSG_EVENT, 1);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "resume");
    CHECK(!world_give(PEER_KERN));
    frame_start(&world_out, MSG_ANSWER, 1);
    frame_put_int(&world_out, MSG_TAG_YES, 1);
    frame_put_cstr(&world_out, MSG_TAG_BY, "me");
    CHECK(!world_give(PEER_GATE));
    static const uint16_t never[] = {0,       MSG_CONFIG, MSG_READY,  MSG_VERDICT,
                                     MSG_ASK, MSG_STOP,   MSG_DECIDE, 65535};
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        for (enum judge_peer p = PEER_KEEPER; p < PEER_COUNT; p++) {
            frame_start(&world_out, never[i], 1);
            CHECK(!world_give(p));
            CHECK_INT(world.e.code, EX_ROLE);
        }
}

TEST(what_makes_no_sense_is_refused)
{
    struct action a;

    CHECK(world_run());
    CHECK(!world_file(0, VERB_WRITE, "/w/a", 10)); /* no id */
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, STR("/bin/sh"));
    CHECK(!world_action(PEER_GATE, 1, &a)); /* the gate sees no programs */
    action_init(&a, VERB_CONNECT, RESOURCE_HOST, STR("api.example.com"));
    CHECK(!world_action(PEER_KERN, 1, &a)); /* nor kern hosts */
    action_init(&a, VERB_WRITE, RESOURCE_FILE, STR("/w/a"));
    a.cause = 1000;
    CHECK(!world_action(PEER_KERN, 1, &a)); /* a cause that has not happened */
    CHECK(world_exec(7, "git", "push", 10, 1));
    CHECK(!world_exec(7, "git", "push", 10, 1)); /* an id that still waits */
    frame_start(&world_out, MSG_ACTION, 9);
    CHECK(!world_give(PEER_KERN)); /* empty */
    frame_start(&world_out, MSG_CANCEL, 7);
    frame_put_int(&world_out, 1, 1);
    CHECK(!world_give(PEER_KERN));
    frame_start(&world_out, MSG_ANSWER, 1);
    frame_put_int(&world_out, MSG_TAG_YES, 2);
    frame_put_cstr(&world_out, MSG_TAG_BY, "x");
    CHECK(!world_give(PEER_KEEPER));
    frame_start(&world_out, MSG_ANSWER, 1);
    frame_put_int(&world_out, MSG_TAG_YES, 1);
    CHECK(!world_give(PEER_KEEPER));
    frame_start(&world_out, MSG_EVENT, 1);
    CHECK(!world_give(PEER_KEEPER));
    frame_start(&world_out, MSG_NOTE, 1);
    frame_put_int(&world_out, 200, 1);
    CHECK(!world_give(PEER_GATE));
    CHECK(world_file(3, VERB_WRITE, "/w/a", 10) && world_commit());
}

/* A session with a bit of everything, chosen by a seed. */
static bool play(unsigned seed, struct buf *record)
{
    if (!world_run())
        return false;
    for (uint32_t i = 1; i <= 200; i++) {
        seed = seed * 1103515245u + 12345u;
        pid_t pid = (pid_t)(10 + (seed >> 8) % 5);
        bool ok = true;

        world.ms += (seed >> 12) % 400;
        switch ((seed >> 16) % 6) {
        case 0:
            ok = world_file(i, VERB_WRITE, "/w/a", pid);
            break;
        case 1:
            ok = world_file(i, VERB_WRITE, "/w/.git/hooks/x", pid);
            break;
        case 2:
            ok = world_exec(i, "git", (seed >> 20) % 2 ? "push" : "pull", pid, 10);
            break;
        case 3:
            ok = world_connect(i, "api.example.com", 443, "93.184.216.34", true);
            break;
        case 4:
            ok = world_connect(i, "evil.example.org", 443, NULL, true);
            break;
        default:
            ok = world_answer((seed >> 20) % 20 + 1, seed >> 30 & 1);
            break;
        }
        if (!ok || !judge_tick(world.judge, &world.e) || ((seed >> 9) % 3 == 0 && !world_commit()))
            return false;
    }
    if (!world_event("exit"))
        return false;
    (void)world_record(record);
    return true;
}

TEST(the_same_session_gives_the_same_record)
{
    for (unsigned seed = 1; seed < 8; seed++) {
        AUTO_BUF struct buf one = {0}, two = {0};
        struct record_report r;

        CHECK(play(seed, &one));
        CHECK(record_verify(world.record, world.head, &r, &world.e));
        CHECK_STR(record_status_name(r.status), "whole");
        CHECK(play(seed, &two));
        CHECK(one.n > 10000 && str_eq(buf_str(&one), buf_str(&two)));
    }
}

TEST(the_world_ends)
{
    world_close();
    policy_free(world_rules);
    world_rules = NULL;
}

static bool give_marks(enum judge_peer from, uint32_t id, size_t n)
{
    static const char bytes[64];

    frame_start(&world_out, MSG_MARKS, id);
    frame_put_str(&world_out, MSG_TAG_MARKS, (struct str){bytes, n});
    return world_give(from) && world_commit();
}

/* kern says which bytes were read; which labels they have is the verdict's to say. */
TEST(marks_get_the_labels_of_their_verdict)
{
    CHECK(world_run());
    CHECK(world_file(5, VERB_READ, "/home/u/keys/k", 7) && world_file(6, VERB_READ, "/work/a", 7));
    CHECK(world_commit());
    CHECK(give_marks(PEER_KERN, 6, 16));
    CHECK(give_marks(PEER_KERN, 99, 16));
    CHECK_INT(world_count(MSG_MARKS), 0);
    CHECK(give_marks(PEER_KERN, 5, 16));
    CHECK_INT(world_count(MSG_MARKS), 1);
    const struct sent *sent = world_last(MSG_MARKS);
    CHECK(sent->to == PEER_GATE);
    CHECK(memmem(sent->data, sent->n, "secret", 6) != NULL);
}

TEST(marks_that_are_none_end_kern)
{
    CHECK(world_run());
    CHECK(world_file(5, VERB_READ, "/home/u/keys/k", 7) && world_commit());
    CHECK(!give_marks(PEER_KERN, 5, 15));
    CHECK(world_run());
    CHECK(!give_marks(PEER_KERN, 5, 0));
    CHECK(world_run());
    CHECK(!give_marks(PEER_GATE, 5, 16)); /* the gate reads no files */
}

UNIT_MAIN(UNIT(marks_get_the_labels_of_their_verdict), UNIT(marks_that_are_none_end_kern),
          UNIT(the_policy_loads), UNIT(nothing_is_sent_before_it_is_recorded),
          UNIT(denials_name_the_rule_and_are_told), UNIT(a_record_that_fails_releases_nothing),
          UNIT(the_nth_write_may_fail), UNIT(what_is_sent_out_waits_for_the_disk),
          UNIT(lines_reach_the_disk_within_a_second), UNIT(asking_and_yes), UNIT(asking_by_content),
          UNIT(asking_and_no), UNIT(no_answer_is_no), UNIT(the_asker_may_go),
          UNIT(equal_questions_are_one), UNIT(too_many_questions_are_denied),
          UNIT(a_yes_is_judged_again), UNIT(freeze_and_kill_reach_the_keeper), UNIT(duty_to_alert),
          UNIT(names_that_lead_inside_need_a_rule_for_the_address),
          UNIT(names_are_judged_before_they_leave), UNIT(causes_link_programs_and_connections),
          UNIT(notes_follow_their_action), UNIT(a_burst_of_denials_freezes),
          UNIT(the_same_denied_thing_is_told), UNIT(too_many_processes_freeze),
          UNIT(a_slow_terminal_is_spared), UNIT(the_end_is_recorded_before_it_is_answered),
          UNIT(what_a_role_may_not_say), UNIT(what_makes_no_sense_is_refused),
          UNIT(the_same_session_gives_the_same_record), UNIT(the_world_ends))
