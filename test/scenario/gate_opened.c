/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are opened: which requests are judged, and how. See gate_world.h; with a real
 * judge and real clients: gate_clients.py. */
#include "gate_world.h"

#include "base/mem.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *unavailable;
static const struct gate_limits usual = {0};

#define OPENED(limits)          \
    do {                        \
        world()->opens = true;  \
        WORLD(limits);          \
        world()->opens = false; \
    } while (0)

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Reads until `mark` has come. */
static bool hear(int fd, const char *mark)
{
    char got[8192];
    size_t have = 0;

    while (have < sizeof(got) - 1 && wait_readable(fd, WORLD_WAIT_MS)) {
        ssize_t n = recv(fd, got + have, sizeof(got) - 1 - have, 0);

        if (n <= 0)
            break;
        have += (size_t)n;
        got[have] = '\0';
        if (strstr(got, mark) != NULL)
            return true;
    }
    got[have] = '\0';
    printf("# heard \"%s\" instead of \"%s\"\n", got, mark);
    return false;
}

/* A connection of the agent to good.test, allowed with these duties. */
static int connection(uint32_t duties)
{
    char address[ADDR_TEXT_MAX];
    int a = -1;

    if (agent_learn("good.test", DNS_A, address))
        a = agent_socket(SOCK_STREAM, address, world()->upstream_port);
    if (a < 0 || !judge_asked(VERB_CONNECT, "good.test", world()->upstream_port, NULL) ||
        !judge_says_with(world()->in.id, OUTCOME_ALLOW, "", duties))
        return -1;
    return a;
}

static const char *host(void)
{
    static char text[64];

    snprintf(text, sizeof(text), "good.test:%u", world()->upstream_port);
    return text;
}

/* A request without a body. */
static bool request(int fd, const char *method, const char *path)
{
    char text[256];

    snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path, host());
    return say(fd, text);
}

static bool asked(const char *method, const char *path)
{
    const struct action *a = &world()->action;

    return judge_asked(VERB_REQUEST, "good.test", world()->upstream_port, NULL) &&
           str_is(a->field[FIELD_METHOD].str, method) && str_is(a->field[FIELD_PATH].str, path) &&
           str_is(a->field[FIELD_OP].str, "head");
}

/* The server that the gate connects to. */
static int server(void)
{
    if (!resolver_both("good.test", "127.0.0.1", "", 60) ||
        !judge_allows(VERB_CONNECT, "good.test", world()->upstream_port, "127.0.0.1") ||
        !wait_readable(world()->upstream, WORLD_WAIT_MS))
        return -1;
    return accept4(world()->upstream, NULL, NULL, SOCK_CLOEXEC);
}

static bool note_is(const char *kind, const char *text)
{
    struct world_note note;

    if (!judge_note(&note))
        return false;
    if (str_is(note.kind, kind) && (text == NULL || str_is(note.text, text)))
        return true;
    printf("# note \"%.*s\": \"%.*s\"\n", (int)note.kind.n, note.kind.p, (int)note.text.n,
           note.text.p);
    return false;
}

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

TEST(a_request_is_judged_before_anything_of_it_leaves)
{
    struct world_note note;

    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    uint32_t event = 1000 + world()->in.id;
    CHECK(a >= 0 && request(a, "GET", "/a%62c?x=1"));
    CHECK(asked("GET", "/abc"));
    CHECK(str_is(world()->action.field[FIELD_QUERY].str, "x=1"));
    CHECK(str_is(world()->action.field[FIELD_SCHEME].str, "http"));
    CHECK(world()->action.cause == event);
    CHECK(!wait_readable(world()->resolver, 50)); /* not even a lookup */
    uint32_t id = world()->in.id;
    CHECK(judge_says(id, OUTCOME_ALLOW, ""));
    AUTO_CLOSE int s = server();
    CHECK(s >= 0 && hear(s, "GET /a%62c?x=1 HTTP/1.1\r\n"));
    CHECK(say(s, ANSWER) && hear(a, "\r\n\r\nhi"));
    CHECK(judge_note(&note) && str_is(note.kind, "request") && note.status == 200);
    CHECK(world()->in.id == id && note.event == 1000 + id && note.down == 2);
    /* the next one uses the same connections and is judged anew */
    CHECK(request(a, "GET", "/two") && asked("GET", "/two"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    CHECK(hear(s, "GET /two HTTP/1.1\r\n") && say(s, ANSWER) && hear(a, "\r\n\r\nhi"));
}

TEST(a_path_with_two_readings_is_judged_in_both)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/a%2Fb"));
    CHECK(asked("GET", "/a%2Fb") && judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    CHECK(asked("GET", "/a/b") && judge_says(world()->in.id, OUTCOME_DENY, "not there"));
    CHECK(hear(a, "not there") && !wait_readable(world()->resolver, 50));
}

TEST(a_refused_request_leaves_the_connection_to_others)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/no") && asked("GET", "/no"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "not this") && hear(a, "rule-7"));
    CHECK(request(a, "GET", "/yes") && asked("GET", "/yes"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    AUTO_CLOSE int s = server();
    CHECK(s >= 0 && hear(s, "GET /yes"));
}

TEST(only_http_is_only_http)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && say(a, "SSH-2.0-x\r\n") && expect_reset(a));
    CHECK(note_is("refused", "neither HTTP nor TLS, and nothing else is permitted there"));
    CHECK(!wait_readable(world()->resolver, 50));
}

TEST(where_connect_is_permitted_other_protocols_pass)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN);
    CHECK(a >= 0 && say(a, "SSH-2.0-x\r\n"));
    AUTO_CLOSE int s = server();
    CHECK(s >= 0 && hear(s, "SSH-2.0-x\r\n") && say(s, "SSH-2.0-y\r\n") && hear(a, "SSH-2.0-y"));
}

/* A server that greets first; a client that would then slip a request past the judge. */
TEST(a_silent_client_lets_the_server_speak_but_may_not_speak_http_then)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN);
    CHECK(a >= 0);
    AUTO_CLOSE int s = server();
    CHECK(s >= 0 && say(s, "220 mail\r\n") && hear(a, "220 mail"));
    CHECK(request(a, "POST", "/x") && expect_reset(s));
    CHECK(note_is("refused", "HTTP from a client that was silent first"));
}

TEST(a_request_for_another_place_is_refused)
{
    static const char *const hosts[] = {"evil.test", "good.test", "good.test:1", "127.0.0.1"};
    char text[256];

    OPENED(&usual);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        CHECK(a >= 0 && say(a, text) && hear(a, "HTTP/1.1 421"));
        CHECK(note_is("refused", NULL));
        close(fd_take(&a));
        CHECK(note_is("connection", NULL));
    }
}

TEST(after_a_reload_the_connection_is_judged_again)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/1") && asked("GET", "/1"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    AUTO_CLOSE int s = server();
    CHECK(s >= 0 && hear(s, "GET /1") && say(s, ANSWER) && hear(a, "hi"));
    CHECK(note_is("request", ""));
    CHECK(judge_reloads());
    CHECK(expect_eof(s) && note_is("connection", "")); /* nothing new goes over it */
    CHECK(request(a, "GET", "/2"));
    CHECK(judge_asked(VERB_CONNECT, "good.test", world()->upstream_port, NULL));
    CHECK(judge_says_with(world()->in.id, OUTCOME_ALLOW, "", DUTY_OPEN | DUTY_ONLY_HTTP));
    CHECK(asked("GET", "/2") && judge_says(world()->in.id, OUTCOME_DENY, "no longer"));
    CHECK(hear(a, "no longer"));
    CHECK(judge_reloads() && request(a, "GET", "/3"));
    CHECK(judge_asked(VERB_CONNECT, "good.test", world()->upstream_port, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no more") && hear(a, "no more"));
    CHECK(expect_eof(a));
}

TEST(a_client_that_goes_away_is_taken_back)
{
    OPENED(&usual);
    int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/") && asked("GET", "/"));
    uint32_t id = world()->in.id;
    setsockopt(a, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(a);
    CHECK(judge_next(MSG_CANCEL) && world()->in.id == id);
}

TEST(a_kept_connection_that_was_closed_is_replaced)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/1") && asked("GET", "/1"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    int s = server();
    CHECK(s >= 0 && hear(s, "GET /1") && say(s, ANSWER) && hear(a, "hi") && note_is("request", ""));
    /* it takes the next request, and goes without an answer */
    CHECK(request(a, "GET", "/2") && asked("GET", "/2"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, "") && hear(s, "GET /2"));
    close(s);
    CHECK(note_is("connection", NULL));
    CHECK(judge_allows(VERB_CONNECT, "good.test", world()->upstream_port, "127.0.0.1"));
    CHECK(wait_readable(world()->upstream, WORLD_WAIT_MS));
    AUTO_CLOSE int again = accept4(world()->upstream, NULL, NULL, SOCK_CLOEXEC);
    CHECK(hear(again, "GET /2") && say(again, ANSWER) && hear(a, "hi"));
}

/* What changes something is not sent twice. */
TEST(a_request_that_may_have_been_done_is_not_repeated)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/1") && asked("GET", "/1"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    int s = server();
    CHECK(s >= 0 && hear(s, "GET /1") && say(s, ANSWER) && hear(a, "hi") && note_is("request", ""));
    CHECK(request(a, "POST", "/2") && asked("POST", "/2"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, "") && hear(s, "POST /2"));
    close(s);
    CHECK(hear(a, "HTTP/1.1 502"));
}

TEST(a_name_that_leads_nowhere)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/") && asked("GET", "/"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    CHECK(resolver_both("good.test", "!", "!", 0) && hear(a, "HTTP/1.1 502"));
}

TEST(an_address_that_is_refused)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/") && asked("GET", "/"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, ""));
    CHECK(resolver_both("good.test", "127.0.0.1", "", 60));
    CHECK(judge_asked(VERB_CONNECT, "good.test", world()->upstream_port, "127.0.0.1"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "private") && hear(a, "private"));
}

TEST(a_malformed_head_ends_the_connection)
{
    OPENED(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && say(a, "GET / HTTP/1.1\nHost: good.test\n\n") && hear(a, "HTTP/1.1 400"));
    CHECK(expect_eof(a) && note_is("refused", NULL));
}

TEST(a_session_without_an_authority_opens_nothing)
{
    WORLD(&usual);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0);
    CHECK(expect_reset(a) && note_is("refused", NULL));
}

TEST(requests_are_bounded)
{
    const struct gate_limits few = {.requests = 1};

    OPENED(&few);
    AUTO_CLOSE int a = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(a >= 0 && request(a, "GET", "/1") && asked("GET", "/1"));
    AUTO_CLOSE int b = connection(DUTY_OPEN | DUTY_ONLY_HTTP);
    CHECK(b >= 0 && request(b, "GET", "/2") && hear(b, "HTTP/1.1 503"));
}

TEST(begin)
{
    unavailable = world_open();
    if (unavailable != NULL)
        SKIP(unavailable);
}

TEST(end)
{
    world_close();
}

UNIT_MAIN(UNIT(begin), UNIT(a_request_is_judged_before_anything_of_it_leaves),
          UNIT(a_path_with_two_readings_is_judged_in_both),
          UNIT(a_refused_request_leaves_the_connection_to_others), UNIT(only_http_is_only_http),
          UNIT(where_connect_is_permitted_other_protocols_pass),
          UNIT(a_silent_client_lets_the_server_speak_but_may_not_speak_http_then),
          UNIT(a_request_for_another_place_is_refused),
          UNIT(after_a_reload_the_connection_is_judged_again),
          UNIT(a_client_that_goes_away_is_taken_back),
          UNIT(a_kept_connection_that_was_closed_is_replaced),
          UNIT(a_request_that_may_have_been_done_is_not_repeated), UNIT(a_name_that_leads_nowhere),
          UNIT(an_address_that_is_refused), UNIT(a_malformed_head_ends_the_connection),
          UNIT(a_session_without_an_authority_opens_nothing), UNIT(requests_are_bounded), UNIT(end))
