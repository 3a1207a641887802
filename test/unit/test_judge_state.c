/* SPDX-License-Identifier: Apache-2.0 */
/* What the session has picked up, what it has spent, and that another policy forgets neither. */
#include "unit.h"

#include "judge_world.h"

static bool run_with(const struct settings *s)
{
    bool ok = world_open_with(s) && world_event("start");

    world_forget();
    return ok;
}

static bool infer(uint32_t id, const char *model, const char *op)
{
    struct action a;

    action_init(&a, VERB_INFER, RESOURCE_MODEL, str_of(model));
    action_str(&a, FIELD_OP, str_of(op));
    return world_action(PEER_GATE, id, &a) && world_commit();
}

static bool asks(uint32_t id)
{
    return infer(id, "anthropic/claude", "request");
}

static bool usage(uint32_t id, int64_t input, int64_t output, int64_t microcents)
{
    frame_start(&world_out, MSG_NOTE, id);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "usage");
    frame_put_cstr(&world_out, MSG_TAG_TEXT, "anthropic/claude");
    frame_put_int(&world_out, NOTE_TAG_INPUT, input);
    frame_put_int(&world_out, NOTE_TAG_OUTPUT, output);
    frame_put_int(&world_out, NOTE_TAG_CACHED, 0);
    frame_put_int(&world_out, NOTE_TAG_COST, microcents);
    return world_give(PEER_GATE) && world_commit();
}

static bool found(uint32_t id, const char *what)
{
    frame_start(&world_out, MSG_NOTE, id);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "found");
    frame_list_start(&world_out, MSG_TAG_LIST);
    frame_list_item(&world_out, str_of(what));
    frame_list_end(&world_out);
    return world_give(PEER_GATE) && world_commit();
}

static bool reload(const char *text)
{
    const struct policy_text t = {"next.cedar", str_of(text)};
    struct policy *p = policy_load(&t, 1, "/home/u", &world.e);
    AUTO_BUF struct buf packed = {0};
    int fd = memfd_create("policy", MFD_CLOEXEC);
    bool ok = p != NULL && fd >= 0;

    if (p == NULL)
        printf("# %s\n", world.e.text);
    buf_init(&packed, POLICY_PACK_MAX);
    if (ok) {
        policy_pack(p, &packed);
        ok = fd_write_all(fd, packed.p, packed.n) && lseek(fd, 0, SEEK_SET) == 0;
    }
    policy_free(p);
    frame_start(&world_out, MSG_RELOAD, 77);
    (void)frame_finish(&world_out);
    memcpy(world_in.data, world_out.data, world_out.n);
    ok = ok && frame_parse(&world_in, world_out.n) == FRAME_OK;
    world_in.nfds = 1;
    world_in.fds[0] = fd;
    ok = ok && judge_frame(world.judge, PEER_KEEPER, &world_in, &world.e) && world_commit();
    frame_close_fds(&world_in);
    return ok && world_last(MSG_RELOAD_IS)->n > 0 &&
           world_text(world_last(MSG_RELOAD_IS), MSG_TAG_TEXT).n == 0;
}

TEST(a_rule_ends_what_costs_too_much)
{
    CHECK(world_run());
    CHECK(asks(1) && world_outcome(PEER_GATE, 1) == OUTCOME_ALLOW);
    CHECK(usage(1, 1000, 200, 499999999));
    CHECK(world_recorded("\"event\":\"usage\"", "\"input\":1000", "\"microcents\":499999999"));
    CHECK(asks(2) && world_outcome(PEER_GATE, 2) == OUTCOME_ALLOW);
    CHECK(usage(2, 0, 0, 1)); /* in the middle of an answer */
    CHECK(infer(3, "anthropic/claude", "stream"));
    CHECK_INT(world_outcome(PEER_GATE, 3), OUTCOME_FREEZE);
    CHECK(world_says(MSG_STOP, MSG_TAG_TEXT, "it costs too much"));
}

/* A batch, whose answer is never seen: with a budget it cannot be let through. */
TEST(what_cannot_be_metered_is_not_for_budgets)
{
    struct settings s = world_usual;
    struct verdict v;

    CHECK(run_with(&s));
    CHECK(infer(1, "anthropic/bulk", "bulk") && world_verdict(PEER_GATE, 1, &v));
    CHECK(v.outcome == OUTCOME_ALLOW);
    s.budget_tokens = 50;
    CHECK(run_with(&s));
    CHECK(asks(2) && world_verdict(PEER_GATE, 2, &v));
    CHECK(v.outcome == OUTCOME_ALLOW && (v.duties & DUTY_METER) != 0);
    CHECK(infer(3, "anthropic/bulk", "bulk") && world_verdict(PEER_GATE, 3, &v));
    CHECK(v.outcome == OUTCOME_DENY && str_starts(v.reason, "what this kind of request costs"));
}

TEST(a_budget_holds_without_a_rule)
{
    struct settings s = world_usual;
    struct verdict v;

    s.budget_cents = 100;
    CHECK(run_with(&s));
    CHECK(asks(1) && usage(1, 1, 1, 99999999));
    CHECK(asks(2) && world_outcome(PEER_GATE, 2) == OUTCOME_ALLOW);
    CHECK(usage(2, 1, 1, 1));
    CHECK(infer(3, "anthropic/claude", "stream") && world_verdict(PEER_GATE, 3, &v));
    CHECK(v.outcome == OUTCOME_DENY && str_starts(v.reason, "the budget of 1.00 dollars is spent"));
    CHECK(asks(4) && world_outcome(PEER_GATE, 4) == OUTCOME_DENY);

    s.budget_cents = 0;
    s.budget_tokens = 50;
    CHECK(run_with(&s));
    CHECK(asks(1) && usage(1, 20, 29, 0));
    CHECK(asks(2) && world_outcome(PEER_GATE, 2) == OUTCOME_ALLOW);
    CHECK(usage(2, 0, 1, 0));
    CHECK(asks(3) && world_verdict(PEER_GATE, 3, &v));
    CHECK(v.outcome == OUTCOME_DENY && str_starts(v.reason, "the budget of 50 tokens"));
}

TEST(requests_are_counted_within_a_minute)
{
    struct settings s = world_usual;
    struct verdict v;

    s.budget_requests_per_minute = 3;
    CHECK(run_with(&s));
    for (uint32_t id = 1; id <= 3; id++) {
        CHECK(asks(id) && world_outcome(PEER_GATE, id) == OUTCOME_ALLOW);
        world.ms += 1000;
    }
    CHECK(asks(4) && world_verdict(PEER_GATE, 4, &v));
    CHECK(v.outcome == OUTCOME_DENY && str_starts(v.reason, "more than 3 requests"));
    CHECK(infer(5, "anthropic/claude", "stream")); /* what runs goes on */
    CHECK_INT(world_outcome(PEER_GATE, 5), OUTCOME_ALLOW);
    world.ms += 60000 - 3000; /* a minute after the first */
    CHECK(asks(6) && world_outcome(PEER_GATE, 6) == OUTCOME_ALLOW);
    CHECK(asks(7) && world_outcome(PEER_GATE, 7) == OUTCOME_DENY);
}

TEST(amounts_do_not_wrap)
{
    CHECK(world_run());
    CHECK(usage(0, INT64_MAX, INT64_MAX, INT64_MAX));
    CHECK(usage(0, INT64_MAX, INT64_MAX, INT64_MAX));
    CHECK(asks(1) && world_outcome(PEER_GATE, 1) == OUTCOME_FREEZE);
    CHECK(!usage(0, -1, 0, 0)); /* and nobody pays back */
}

TEST(what_comes_in_is_a_label)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(found(0, "harmless")); /* no rule speaks of it */
    CHECK(world_recorded("\"event\":\"found\"", "\"finds\":[\"harmless\"]", "\"seq\""));
    CHECK(!world_recorded("\"event\":\"found\"", "\"labels\"", "\"seq\""));
    CHECK(world_connect(1, "api.example.com", 443, NULL, true) && world_commit());
    CHECK_INT(world_outcome(PEER_GATE, 1), OUTCOME_ALLOW);
    CHECK(found(1, "secret:aws-key"));
    CHECK(world_recorded("\"finds\":[\"secret:aws-key\"]", "\"labels\":[\"secret\"]", "\"cause\""));
    CHECK(world_connect(2, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(world_verdict(PEER_GATE, 2, &v));
    CHECK(v.outcome == OUTCOME_DENY && str_is(v.rules[0], "no-leak"));
}

static const char other_policy[] =
    "permit (principal, action == Action::\"connect\", resource);"
    "@id(\"odd\") forbid (principal in Label::\"harmless\", action == Action::\"connect\", "
    "resource);"
    "permit (principal, action == Action::\"infer\", resource);"
    "@id(\"dear\") forbid (principal, action == Action::\"infer\", resource)"
    "when { context.spent.tokens > 30 };";

TEST(another_policy_forgets_nothing)
{
    struct verdict v;

    CHECK(world_run());
    CHECK(found(0, "harmless") && usage(0, 20, 20, 7));
    CHECK(world_file(1, VERB_READ, "/home/u/keys/a", 10) && world_commit()); /* @label("secret") */
    CHECK(reload(other_policy));
    CHECK(world_connect(2, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(world_verdict(PEER_GATE, 2, &v) && v.outcome == OUTCOME_DENY);
    CHECK(str_is(v.rules[0], "odd")); /* a label that the first policy did not know */
    CHECK(asks(3) && world_verdict(PEER_GATE, 3, &v) && v.outcome == OUTCOME_DENY);
    CHECK(str_is(v.rules[0], "dear"));
    CHECK(reload(world_policy)); /* back: through one that did not know "secret" */
    CHECK(world_connect(4, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(world_verdict(PEER_GATE, 4, &v) && v.outcome == OUTCOME_DENY);
    CHECK(str_is(v.rules[0], "no-leak"));
}

TEST(an_adapter_can_alert_people)
{
    CHECK(world_run());
    frame_start(&world_out, MSG_NOTE, 0);
    frame_put_cstr(&world_out, MSG_TAG_KIND, "alert");
    frame_put_cstr(&world_out, MSG_TAG_TEXT, "a placeholder was sent elsewhere");
    CHECK(world_give(PEER_GATE) && world_commit());
    CHECK(world_says(MSG_ALERT, MSG_TAG_KIND, "alert"));
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "a placeholder"));
    CHECK(world_recorded("\"kind\":\"alert\"", "a placeholder", "\"actor\":\"gate\""));
}

TEST(requests_open_a_host_and_wait_for_the_disk_if_they_change_something)
{
    static const char *const methods[] = {"GET", "POST"};
    struct verdict v;

    CHECK(world_run());
    CHECK(world_connect(1, "api.anthropic.com", 443, "93.184.216.34", true) && world_commit());
    CHECK(world_verdict(PEER_GATE, 1, &v));
    CHECK_INT(v.outcome, OUTCOME_ALLOW);
    CHECK((v.duties & (DUTY_OPEN | DUTY_ONLY_HTTP)) == (DUTY_OPEN | DUTY_ONLY_HTTP));
    /* an address of a private network needs a permit to connect of its own */
    CHECK(world_connect(2, "api.anthropic.com", 443, "10.1.2.4", true) && world_commit());
    CHECK_INT(world_outcome(PEER_GATE, 2), OUTCOME_DENY);
    for (uint32_t i = 0; i < 2; i++) {
        struct action a;
        int before = world.syncs;

        action_init(&a, VERB_REQUEST, RESOURCE_HOST, STR("api.anthropic.com"));
        action_str(&a, FIELD_METHOD, str_of(methods[i]));
        CHECK(world_action(PEER_GATE, 10 + i, &a) && world_commit());
        CHECK_INT(world_outcome(PEER_GATE, 10 + i), OUTCOME_ALLOW);
        CHECK_INT(world.syncs, before + (int)i);
    }
}

/* ---- intents ------------------------------------------------------------------------------- */

/* The number of the event that the verdict names; 0: there is none. */
static uint64_t event_of(enum judge_peer peer, uint32_t id)
{
    struct verdict v;

    return world_verdict(peer, id, &v) ? v.event : 0;
}

static uint64_t wants(uint32_t id, const char *tool, const char *arguments, uint64_t cause)
{
    struct action a;

    action_init(&a, VERB_CALL, RESOURCE_TOOL, str_of(tool));
    action_str(&a, FIELD_OP, STR("intent"));
    action_str(&a, FIELD_ARGUMENTS, str_of(arguments));
    a.cause = cause;
    return world_action(PEER_GATE, id, &a) && world_commit() ? event_of(PEER_GATE, id) : 0;
}

/* exec of a shell with `-c COMMAND`. */
static uint64_t runs(uint32_t id, const char *command, pid_t pid, pid_t parent)
{
    return world_exec(id, "sh", command, pid, parent) && world_commit() ? event_of(PEER_KERN, id)
                                                                        : 0;
}

static bool caused(uint64_t event, uint64_t cause)
{
    AUTO_FREE char *seq = xasprintf("\"seq\":%llu,", (unsigned long long)event);
    AUTO_FREE char *from = xasprintf("\"cause\":%llu,", (unsigned long long)cause);
    bool good = event != 0 && world_recorded(seq, from, "");

    if (!good)
        printf("# event %llu is not caused by %llu\n", (unsigned long long)event,
               (unsigned long long)cause);
    return good;
}

/* As Claude Code hands a command to its shell. */
#define CLAUDE \
    "source /snap.sh && eval 'git log '\\''--oneline'\\''' < /dev/null && pwd -P >| /tmp/c"

TEST(why_goes_from_the_packet_to_the_model)
{
    CHECK(world_run());
    uint64_t agent = runs(1, "the agent", 10, 1);
    CHECK(asks(1));
    uint64_t request = event_of(PEER_GATE, 1);
    uint64_t bash = wants(2, "agent/Bash", "{\"command\":\"git log '--oneline'\"}", request);
    CHECK(caused(bash, request));
    uint64_t shell = runs(2, CLAUDE, 11, 10);
    CHECK(caused(shell, bash));
    uint64_t git = runs(3, "git", 12, 11); /* the shell's own child: no further intent */
    CHECK(caused(git, shell));
    frame_start(&world_out, MSG_NOTE, 0);
    frame_put_int(&world_out, MSG_TAG_PID, 12);
    frame_put_cstr(&world_out, MSG_TAG_ADDRESS, "198.18.0.9");
    frame_put_int(&world_out, MSG_TAG_PORT, 443);
    CHECK(world_give(PEER_KERN));
    CHECK(world_connect(9, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(caused(event_of(PEER_GATE, 9), git));
    /* the agent's own doings stay the agent's */
    CHECK(world_file(20, VERB_WRITE, "/w/notes", 10) && world_commit());
    CHECK(caused(event_of(PEER_KERN, 20), agent));
}

TEST(the_intent_that_names_it_is_taken)
{
    CHECK(world_run());
    uint64_t agent = runs(1, "the agent", 10, 1);
    uint64_t list = wants(2, "agent/Bash", "{\"command\":\"ls /w\"}", 0);
    uint64_t edit = wants(3, "agent/Edit", "{\"file_path\":\"/w/src/a.c\",\"old\":\"x\"}", 0);
    uint64_t make = wants(4, "agent/Bash", "{\"command\":[\"bash\",\"-lc\",\"make all\"]}", 0);
    uint64_t patch =
        wants(5, "agent/apply_patch", "{\"input\":\"*** Update File: src/b.c\\n\"}", 0);
    uint64_t fetch = wants(6, "agent/WebFetch", "{\"url\":\"https://api.example.com/x\"}", 0);

    CHECK(caused(runs(2, "bash -lc make all", 11, 10), make));
    CHECK(caused(runs(3, "bash -c 'ls /w'", 12, 10), list));
    CHECK(world_file(20, VERB_WRITE, "/w/src/a.c", 10) && world_commit());
    CHECK(caused(event_of(PEER_KERN, 20), edit));
    CHECK(world_file(21, VERB_WRITE, "/w/src/a.c", 10) && world_commit()); /* again: the same */
    CHECK(caused(event_of(PEER_KERN, 21), edit));
    CHECK(world_file(22, VERB_WRITE, "/w/src/b.c", 10) && world_commit());
    CHECK(caused(event_of(PEER_KERN, 22), patch));
    CHECK(world_file(23, VERB_WRITE, "/w/src/b.cc", 10) && world_commit()); /* a longer name */
    CHECK(caused(event_of(PEER_KERN, 23), agent));
    CHECK(world_connect(7, "api.example.com", 443, NULL, true) && world_commit());
    CHECK(caused(event_of(PEER_GATE, 7), fetch));
}

TEST(a_helper_belongs_to_the_latest_intent_for_a_while)
{
    CHECK(world_run());
    uint64_t agent = runs(1, "the agent", 10, 1);
    uint64_t grep = wants(2, "agent/Grep", "{\"pattern\":\"x\"}", 0);
    CHECK(caused(runs(2, "rg", 11, 10), grep));
    CHECK(caused(runs(3, "rg", 12, 10), agent)); /* it is used up */
    (void)wants(4, "agent/Grep", "{\"pattern\":\"y\"}", 0);
    world.ms += 30001;
    CHECK(caused(runs(5, "rg", 13, 10), agent));
    uint64_t bash = wants(6, "agent/Bash", "{\"command\":\"sleep 900\"}", 0);
    world.ms += 599999; /* a person thought about it */
    CHECK(caused(runs(7, "sleep 900", 14, 10), bash));
    world.ms += 2;
    CHECK(caused(runs(8, "sleep 900", 15, 10), agent));
}

TEST(a_refused_intent_leads_to_nothing)
{
    CHECK(world_run());
    uint64_t agent = runs(1, "the agent", 10, 1);
    CHECK(wants(2, "agent/Sell", "{\"command\":\"sell it\"}", 0) != 0);
    CHECK_INT(world_outcome(PEER_GATE, 2), OUTCOME_DENY);
    CHECK(world_says(MSG_ALERT, MSG_TAG_TEXT, "the model wants agent/Sell"));
    CHECK(caused(runs(2, "sell it", 11, 10), agent));
}

TEST(the_world_ends)
{
    world_close();
    policy_free(world_rules);
    CHECK(world.judge == NULL);
}

UNIT_MAIN(UNIT(a_rule_ends_what_costs_too_much), UNIT(what_cannot_be_metered_is_not_for_budgets),
          UNIT(a_budget_holds_without_a_rule), UNIT(requests_are_counted_within_a_minute),
          UNIT(amounts_do_not_wrap), UNIT(what_comes_in_is_a_label),
          UNIT(another_policy_forgets_nothing), UNIT(an_adapter_can_alert_people),
          UNIT(requests_open_a_host_and_wait_for_the_disk_if_they_change_something),
          UNIT(why_goes_from_the_packet_to_the_model), UNIT(the_intent_that_names_it_is_taken),
          UNIT(a_helper_belongs_to_the_latest_intent_for_a_while),
          UNIT(a_refused_intent_leads_to_nothing), UNIT(the_world_ends))
