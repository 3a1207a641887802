/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: what is judged, what is carried, how it ends. See gate_world.h. */
#include "gate_world.h"

#include "base/mem.h"
#include "unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *unavailable;
static const struct gate_limits usual = {0};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TEST(connection_by_name)
{
    struct world_note note;
    int a, h;

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    CHECK(send(a, "ping", 4, 0) == 4 && expect_bytes(h, "ping"));
    CHECK(send(h, "pong!", 5, 0) == 5 && expect_bytes(a, "pong!"));
    uint32_t id = world()->in.id;
    /* half-close: the other way goes on */
    CHECK(shutdown(a, SHUT_WR) == 0 && expect_eof(h));
    CHECK(send(h, "late", 4, 0) == 4 && expect_bytes(a, "late"));
    close(h);
    CHECK(expect_eof(a));
    CHECK(judge_note(&note));
    CHECK(str_is(note.kind, "connection") && str_is(note.text, "") && world()->in.id == id);
    CHECK(str_is(note.address, "127.0.0.1") && note.port == world()->upstream_port);
    CHECK(note.up == 4 && note.down == 9 && note.event == 1000 + id);
    close(a);
}

TEST(connection_over_ipv6)
{
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("six.test", DNS_AAAA, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, world()->upstream_port);
    CHECK(a >= 0 && judge_allows(VERB_CONNECT, "six.test", world()->upstream_port, NULL));
    CHECK(resolver_both("six.test", "127.0.0.1", "", 0));
    CHECK(judge_allows(VERB_CONNECT, "six.test", world()->upstream_port, "127.0.0.1"));
    CHECK(wait_readable(world()->upstream, WORLD_WAIT_MS));
    AUTO_CLOSE int h = accept4(world()->upstream, NULL, NULL, SOCK_CLOEXEC);
    CHECK(send(h, "hello", 5, 0) == 5 && expect_bytes(a, "hello"));
}

/* IPv6 first; when it does not answer, IPv4. */
TEST(upstream_over_ipv6)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    char address[ADDR_TEXT_MAX];
    int a[2], h[2];

    AUTO_CLOSE int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin6_port = htons(world()->upstream_port);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(listener, 5) != 0)
        SKIP("no IPv6 loopback on this machine, or its port is taken");
    WORLD(&usual);
    CHECK(agent_learn("both.test", DNS_A, address));
    for (int i = 0; i < 2; i++) {
        a[i] = agent_socket(SOCK_STREAM, address, world()->upstream_port);
        CHECK(judge_allows(VERB_CONNECT, "both.test", world()->upstream_port, NULL));
        CHECK(resolver_both("both.test", "127.0.0.1", "::1", 0));
        CHECK(judge_allows(VERB_CONNECT, "both.test", world()->upstream_port, "::1"));
        if (i == 1)
            CHECK(judge_allows(VERB_CONNECT, "both.test", world()->upstream_port, "127.0.0.1"));
        int from = i == 0 ? listener : world()->upstream;
        CHECK(wait_readable(from, WORLD_WAIT_MS));
        h[i] = accept4(from, NULL, NULL, SOCK_CLOEXEC);
        CHECK(send(h[i], "hello", 5, 0) == 5 && expect_bytes(a[i], "hello"));
        shutdown(listener, SHUT_RD); /* the second time nobody listens there */
    }
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(h[i]);
    }
}

TEST(a_refused_connection_is_reset_and_nothing_is_looked_up)
{
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("good.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 22);
    CHECK(judge_asked(VERB_CONNECT, "good.test", 22, NULL));
    CHECK(world()->action.field[FIELD_NAMED].num == 1);
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "port 22"));
    CHECK(expect_reset(a));
    CHECK(!wait_readable(world()->resolver, 50));
    CHECK(judge_quiet(50)); /* never allowed: no note */
}

/* What a client reads before the reset. */
static bool told(int fd, struct str bytes, char got[1024])
{
    size_t have = 0;
    ssize_t k;

    if (send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) != (ssize_t)bytes.n)
        return false;
    while (wait_readable(fd, WORLD_WAIT_MS) && (k = recv(fd, got + have, 1023 - have, 0)) > 0)
        have += (size_t)k;
    got[have] = '\0';
    return have > 0;
}

TEST(a_refusal_has_words)
{
    char address[ADDR_TEXT_MAX], got[1024];
    int64_t began;

    WORLD(&usual);
    CHECK(agent_learn("good.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_asked(VERB_CONNECT, "good.test", 80, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "not this\r\nX: 1"));
    CHECK(told(a, STR("GET / HTTP/1.1\r\nHost: good.test\r\n\r\n"), got));
    CHECK(strncmp(got, "HTTP/1.1 403 Forbidden\r\n", 24) == 0);
    CHECK(strstr(got, "\r\n\r\nbelay: rule-7: not this\\x0d\\x0aX: 1\n") != NULL);
    AUTO_CLOSE int b = agent_socket(SOCK_STREAM, "192.0.2.1", 443);
    CHECK(judge_asked(VERB_CONNECT, "192.0.2.1", 443, "192.0.2.1"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "not this"));
    CHECK(told(b, STR("\x16\3\1\0"), got));
    CHECK(memcmp(got, "\x15\3\1\0\2\2\x31", 8) == 0);
    /* one that says nothing is not waited for */
    AUTO_CLOSE int c = agent_socket(SOCK_STREAM, address, 22);
    CHECK(judge_asked(VERB_CONNECT, "good.test", 22, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "not this"));
    began = now_ms();
    CHECK(expect_reset(c) && now_ms() - began < 2000);
    CHECK(judge_quiet(50));
}

TEST(each_address_is_judged)
{
    struct world_note note;
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("two.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, world()->upstream_port);
    CHECK(judge_allows(VERB_CONNECT, "two.test", world()->upstream_port, NULL));
    CHECK(resolver_both("two.test", "127.0.0.66,0.0.0.0,127.0.0.1", "::ffff:127.0.0.9", 0));
    CHECK(judge_asked(VERB_CONNECT, "two.test", world()->upstream_port, "127.0.0.9"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "address"));
    CHECK(judge_asked(VERB_CONNECT, "two.test", world()->upstream_port, "127.0.0.66"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, "")); /* nobody listens there */
    CHECK(judge_asked(VERB_CONNECT, "two.test", world()->upstream_port, "127.0.0.1"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "address"));
    CHECK(expect_reset(a));
    CHECK(judge_note(&note) && str_is(note.text, "connection refused"));
    CHECK(str_is(note.address, "127.0.0.66"));
    CHECK(!wait_readable(world()->upstream, 50));
}

/* An address of this machine other than its loopback. */
static bool own_address(char text[ADDR_TEXT_MAX])
{
    struct addr to = {4, {192, 0, 2, 1}};
    struct sockaddr_storage ss;
    socklen_t n = addr_sockaddr(&to, 9, &ss);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint16_t ignored;

    if (connect(fd, (struct sockaddr *)&ss, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&ss, &n) != 0 || !addr_from_sockaddr(&ss, &to, &ignored))
        return false;
    addr_text(&to, text);
    return !addr_is_loopback(&to);
}

TEST(a_name_for_this_machine_is_not_enough)
{
    char address[ADDR_TEXT_MAX], own[ADDR_TEXT_MAX];

    if (!own_address(own))
        SKIP("this machine has no address but its loopback");
    WORLD(&usual);
    CHECK(agent_learn("self.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 9);
    CHECK(a >= 0 && judge_allows(VERB_CONNECT, "self.test", 9, NULL));
    CHECK(resolver_both("self.test", own, "", 0));
    CHECK(judge_allows(VERB_CONNECT, "self.test", 9, own));
    CHECK(judge_asked(VERB_CONNECT, own, 9, own));
    CHECK(world()->action.field[FIELD_NAMED].num == 0);
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no"));
    CHECK(expect_reset(a));
}

TEST(literal_addresses)
{
    WORLD(&usual);
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, "203.0.113.5", 8443);
    CHECK(judge_asked(VERB_CONNECT, "203.0.113.5", 8443, "203.0.113.5"));
    CHECK(world()->action.field[FIELD_NAMED].num == 0);
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no"));
    CHECK(expect_reset(a));
    AUTO_CLOSE int b = agent_socket(SOCK_STREAM, "2001:db8::1", 8443);
    CHECK(judge_asked(VERB_CONNECT, "2001:db8::1", 8443, "2001:db8::1"));
    CHECK(judge_says(world()->in.id, OUTCOME_KILL, "no"));
    CHECK(expect_reset(b));
}

TEST(a_service_on_the_host)
{
    WORLD(&usual);
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, "127.0.0.1", world()->upstream_port);
    CHECK(judge_allows(VERB_CONNECT, "localhost", world()->upstream_port, "127.0.0.1"));
    CHECK(wait_readable(world()->upstream, WORLD_WAIT_MS));
    AUTO_CLOSE int h = accept4(world()->upstream, NULL, NULL, SOCK_CLOEXEC);
    CHECK(send(a, "hi", 2, 0) == 2 && expect_bytes(h, "hi"));
}

TEST(addresses_of_no_name)
{
    struct world_note note;

    WORLD(&usual);
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, "198.18.9.9", 80);
    AUTO_CLOSE int b = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 80);
    CHECK(expect_reset(a) && expect_reset(b));
    CHECK(judge_note(&note) && note.count == 2 && world()->in.id == 0);
    CHECK(str_is(note.text, "connection to an address that stands for no name"));
}

TEST(resets_go_through)
{
    struct linger now = {1, 0};
    struct world_note note;
    int a, h;

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    setsockopt(h, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(h);
    CHECK(expect_reset(a));
    CHECK(judge_note(&note) && str_is(note.text, "connection reset"));
    close(a);
    CHECK(world_connect("good.test", &a, &h));
    CHECK(send(a, "x", 1, 0) == 1 && expect_bytes(h, "x"));
    setsockopt(a, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(a);
    CHECK(expect_reset(h));
    CHECK(judge_note(&note) && str_is(note.text, "connection reset"));
    close(h);
}

TEST(a_client_that_goes_away_is_taken_back)
{
    struct linger now = {1, 0};
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("ask.test", DNS_A, address));
    int a = agent_socket(SOCK_STREAM, address, 1);
    CHECK(judge_asked(VERB_CONNECT, "ask.test", 1, NULL));
    uint32_t id = world()->in.id;
    setsockopt(a, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(a);
    CHECK(judge_next(MSG_CANCEL) && world()->in.id == id);
    /* the verdict was on its way: nothing comes of it */
    CHECK(judge_says(id, OUTCOME_ALLOW, ""));
    CHECK(!wait_readable(world()->resolver, 50));
    /* one that closed, and may still read, has its time */
    a = agent_socket(SOCK_STREAM, address, 2);
    CHECK(judge_asked(VERB_CONNECT, "ask.test", 2, NULL));
    id = world()->in.id;
    shutdown(a, SHUT_WR);
    CHECK(judge_quiet(1000));
    CHECK(judge_next(MSG_CANCEL) && world()->in.id == id);
    CHECK(expect_reset(a));
    close(a);
}

/* A ClientHello with this name in it; 0 bytes of name: without the extension. */
static size_t hello(uint8_t *p, const char *name)
{
    static const uint8_t fixed[] = {3, 3, [34] = 0, 0, 2, 0x13, 1, 1, 0};
    uint8_t body[512];
    size_t n = sizeof(fixed), k = strlen(name);

    memcpy(body, fixed, n);
    if (k > 0) {
        const uint8_t head[] = {0, (uint8_t)(k + 9), 0, 0, 0,         (uint8_t)(k + 5),
                                0, (uint8_t)(k + 3), 0, 0, (uint8_t)k};
        memcpy(body + n, head, sizeof(head));
        memcpy(body + n + sizeof(head), name, k);
        n += sizeof(head) + k;
    }
    const uint8_t head[] = {22, 3, 1, 0, (uint8_t)(n + 4), 1, 0, 0, (uint8_t)n};
    memcpy(p, head, sizeof(head));
    memcpy(p + sizeof(head), body, n);
    return n + sizeof(head);
}

TEST(tls_for_the_name_that_was_judged)
{
    uint8_t p[600];
    int a, h;

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    size_t n = hello(p, "GOOD.test");
    /* in two pieces: nothing goes on before it is whole */
    CHECK(send(a, p, 20, 0) == 20 && !wait_readable(h, 100));
    CHECK(send(a, p + 20, n - 20, 0) > 0 && wait_readable(h, WORLD_WAIT_MS));
    uint8_t got[600];
    CHECK(recv(h, got, n, MSG_WAITALL) == (ssize_t)n && memcmp(got, p, n) == 0);
    CHECK(send(h, "reply", 5, 0) == 5 && expect_bytes(a, "reply"));
    close(a);
    close(h);
}

TEST(tls_for_another_name_is_refused)
{
    static const char *const names[] = {"evil.test", "good.test.evil", "good.test.", "x.good.test"};
    struct world_note note;
    uint8_t p[600];
    int a, h;

    WORLD(&usual);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CHECK(world_connect("good.test", &a, &h));
        uint32_t id = world()->in.id;
        size_t n = hello(p, names[i]);
        CHECK(send(a, p, n, 0) == (ssize_t)n);
        CHECK(expect_bytes(a, "\x15\3\1") && expect_reset(h)); /* not one byte of it went out */
        CHECK(judge_note(&note) && str_is(note.kind, "refused") && note.up == 0);
        CHECK(world()->in.id == id);
        close(a);
        close(h);
    }
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

UNIT_MAIN(UNIT(begin), UNIT(connection_by_name), UNIT(connection_over_ipv6),
          UNIT(upstream_over_ipv6), UNIT(a_refused_connection_is_reset_and_nothing_is_looked_up),
          UNIT(a_refusal_has_words), UNIT(each_address_is_judged),
          UNIT(a_name_for_this_machine_is_not_enough), UNIT(literal_addresses),
          UNIT(a_service_on_the_host), UNIT(addresses_of_no_name), UNIT(resets_go_through),
          UNIT(a_client_that_goes_away_is_taken_back), UNIT(tls_for_the_name_that_was_judged),
          UNIT(tls_for_another_name_is_refused), UNIT(end))
