/* SPDX-License-Identifier: Apache-2.0 */
/* The gate as its neighbours see it: DNS, TCP, the judge, the upstream. See gate_world.h. */
#include "gate_world.h"

#include "base/mem.h"
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *unavailable;
static const struct gate_limits usual = {0};

/* Each test starts with a gate of its own, which knows no names yet. */
#define WORLD(limits)              \
    do {                           \
        if (unavailable != NULL)   \
            SKIP(unavailable);     \
        CHECK(world_gate(limits)); \
    } while (0)

static int port(void)
{
    return world()->upstream_port;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TEST(a_name_is_judged_once)
{
    char four[ADDR_TEXT_MAX], six[ADDR_TEXT_MAX], again[ADDR_TEXT_MAX];
    struct dns_reply r;

    WORLD(&usual);
    CHECK(agent_learn("good.test", DNS_A, four));
    CHECK(strncmp(four, "198.1", 5) == 0);
    CHECK(agent_learn("good.test", DNS_AAAA, six));
    CHECK(strncmp(six, "fd62:656c:6179::", 16) == 0);
    CHECK(agent_learn("good.test", DNS_A, again));
    CHECK_STR(again, four);
    CHECK(judge_quiet(50));
    /* it never went upstream */
    CHECK(!wait_readable(world()->resolver, 50));
    /* other case, same name; over IPv6, and to a server of the agent's own choice */
    AUTO_CLOSE int other = agent_socket(SOCK_DGRAM, "2001:db8::53", 53);
    CHECK(other >= 0 && agent_ask(other, 9, "good.test", DNS_A));
    CHECK(agent_reply(other, 9, "good.test", DNS_A, &r));
    CHECK_INT(r.naddrs, 1);
    CHECK(judge_quiet(50));
}

TEST(a_refused_name_fails_at_once_and_says_why)
{
    uint8_t p[DNS_UDP_MAX];
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "bad.test", DNS_A));
    CHECK(judge_asked(VERB_RESOLVE, "bad.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no rule permits it"));
    CHECK(wait_readable(sock, WORLD_WAIT_MS));
    ssize_t n = recv(sock, p, sizeof(p), 0);
    CHECK(n > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    CHECK(memmem(p, (size_t)n, "belay: rule-7: no rule permits it", 33) != NULL);
    /* the verdict is kept */
    CHECK(agent_ask(sock, 2, "bad.test", DNS_AAAA));
    CHECK(agent_reply(sock, 2, "bad.test", DNS_AAAA, &r));
    CHECK_INT(r.rcode, DNS_NXDOMAIN);
    CHECK(judge_quiet(50));
    CHECK(!wait_readable(world()->resolver, 50));
}

TEST(freeze_and_kill_are_refusals)
{
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "a.test", DNS_A) && judge_asked(VERB_RESOLVE, "a.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_FREEZE, "stop"));
    CHECK(agent_reply(sock, 1, "a.test", DNS_A, &r) && r.rcode == DNS_NXDOMAIN);
    CHECK(agent_ask(sock, 2, "b.test", DNS_A) && judge_asked(VERB_RESOLVE, "b.test", -1, NULL));
    CHECK(judge_says(world()->in.id, OUTCOME_KILL, "stop"));
    CHECK(agent_reply(sock, 2, "b.test", DNS_A, &r) && r.rcode == DNS_NXDOMAIN);
}

TEST(local_answers)
{
    char text[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];
    uint8_t p[DNS_UDP_MAX];
    struct dns_reply r;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(agent_ask(sock, 1, "x.localhost", DNS_A));
    CHECK(agent_reply(sock, 1, "x.localhost", DNS_A, &r) && r.naddrs == 1);
    addr_text(&r.addrs[0], text);
    CHECK_STR(text, "127.0.0.1");
    /* the name of an address of ours, and of one that is not */
    CHECK(agent_learn("good.test", DNS_A, address));
    unsigned a, b, c, d;
    CHECK(sscanf(address, "%u.%u.%u.%u", &a, &b, &c, &d) == 4);
    AUTO_FREE char *reverse = xasprintf("%u.%u.%u.%u.in-addr.arpa", d, c, b, a);
    CHECK(agent_ask(sock, 2, reverse, DNS_PTR) && wait_readable(sock, WORLD_WAIT_MS));
    ssize_t n = recv(sock, p, sizeof(p), 0);
    CHECK(n > 0 && memmem(p, (size_t)n, "\4good\4test\0", 11) != NULL);
    CHECK(agent_ask(sock, 3, "8.8.8.8.in-addr.arpa", DNS_PTR) &&
          wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    /* other types: the name is judged, the answer is empty */
    CHECK(agent_ask(sock, 4, "good.test", 65) && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == 0 && p[7] == 0);
    CHECK(agent_ask(sock, 5, "data.good.test", 16));
    CHECK(judge_allows(VERB_RESOLVE, "data.good.test", -1, NULL));
    CHECK(wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == 0 && p[7] == 0);
    CHECK(!wait_readable(world()->resolver, 50));
}

TEST(odd_questions_are_counted_not_asked)
{
    static const char odd[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\x0b"
                              "allowed.com\4evil\0\0\1\0\1";
    uint8_t p[DNS_UDP_MAX];
    struct world_note note;

    WORLD(&usual);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    CHECK(send(sock, odd, sizeof(odd) - 1, 0) > 0 && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_NXDOMAIN);
    CHECK(send(sock, odd, sizeof(odd) - 2, 0) > 0 && wait_readable(sock, WORLD_WAIT_MS));
    CHECK(recv(sock, p, sizeof(p), 0) > 0 && (p[3] & 0xf) == DNS_FORMERR);
    CHECK(send(sock, odd, 5, 0) > 0);
    CHECK(judge_note(&note) && str_is(note.kind, "refused"));
    CHECK(world()->in.id == 0 && note.count == 1);
    CHECK(judge_note(&note) && str_is(note.text, "malformed DNS question"));
    CHECK_INT(note.count, 2);
}

TEST(dns_over_tcp)
{
    uint8_t q[4 * DNS_PLAIN_MAX], p[DNS_PLAIN_MAX];
    const struct name name = {9, "good.test"};

    WORLD(&usual);
    AUTO_CLOSE int c = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 53);
    size_t n = dns_question(q + 2, 5, &name, DNS_A);
    q[0] = 0;
    q[1] = (uint8_t)n;
    memcpy(q + n + 2, q, n + 2); /* two questions in one go, and the first byte of a third */
    q[2 * (n + 2)] = 0;
    CHECK(send(c, q, 2 * (n + 2) + 1, 0) > 0);
    CHECK(judge_allows(VERB_RESOLVE, "good.test", -1, NULL));
    for (int i = 0; i < 2; i++) {
        struct dns_reply r;
        CHECK(wait_readable(c, WORLD_WAIT_MS) && recv(c, p, 2, MSG_WAITALL) == 2);
        CHECK(recv(c, p + 2, p[1], MSG_WAITALL) == p[1]);
        CHECK(dns_parse_reply(p + 2, p[1], 5, &name, DNS_A, &r) && r.naddrs == 1);
    }
    CHECK(send(c, q + 1, n + 1, 0) > 0);
    CHECK(wait_readable(c, WORLD_WAIT_MS) && recv(c, p, 2, MSG_WAITALL) == 2);
    /* a length that no question has */
    CHECK(recv(c, p + 2, p[1], MSG_WAITALL) == p[1]);
    CHECK(send(c, "\xff\xff", 2, 0) == 2);
    CHECK(expect_eof(c));
    CHECK(judge_quiet(50));
}

TEST(a_flood_of_names_is_cut)
{
    const struct gate_limits few = {.names_per_second = 5};
    struct world_note note;
    int asked = 0;
    char name[32];

    WORLD(&few);
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%d.test", i);
        CHECK(agent_ask(sock, 1, name, DNS_A));
    }
    while (!judge_quiet(300) && judge_next(MSG_ACTION))
        asked++;
    CHECK(asked >= 10 && asked <= 20);
    CHECK(judge_note(&note) || world()->in.type == MSG_NOTE);
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
    CHECK(str_is(note.address, "127.0.0.1") && note.port == port());
    CHECK(note.up == 4 && note.down == 9 && note.event == 1000 + id);
    close(a);
}

TEST(connection_over_ipv6)
{
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("six.test", DNS_AAAA, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, world()->upstream_port);
    CHECK(a >= 0 && judge_allows(VERB_CONNECT, "six.test", port(), NULL));
    CHECK(resolver_both("six.test", "127.0.0.1", "", 0));
    CHECK(judge_allows(VERB_CONNECT, "six.test", port(), "127.0.0.1"));
    CHECK(wait_readable(world()->upstream, WORLD_WAIT_MS));
    AUTO_CLOSE int h = accept4(world()->upstream, NULL, NULL, SOCK_CLOEXEC);
    CHECK(send(h, "hello", 5, 0) == 5 && expect_bytes(a, "hello"));
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
    CHECK(judge_allows(VERB_CONNECT, "two.test", port(), NULL));
    CHECK(resolver_both("two.test", "127.0.0.66,0.0.0.0,127.0.0.1", "::ffff:127.0.0.9", 0));
    CHECK(judge_asked(VERB_CONNECT, "two.test", port(), "127.0.0.9"));
    CHECK(judge_says(world()->in.id, OUTCOME_DENY, "address"));
    CHECK(judge_asked(VERB_CONNECT, "two.test", port(), "127.0.0.66"));
    CHECK(judge_says(world()->in.id, OUTCOME_ALLOW, "")); /* nobody listens there */
    CHECK(judge_asked(VERB_CONNECT, "two.test", port(), "127.0.0.1"));
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
    CHECK(judge_allows(VERB_CONNECT, "localhost", port(), "127.0.0.1"));
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

TEST(lookups_that_fail)
{
    struct world_note note;
    char address[ADDR_TEXT_MAX];
    const struct gate_limits brief = {.lookup_ms = 300};

    WORLD(&brief);
    CHECK(agent_learn("gone.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(resolver_both("gone.test", "!", "!", 0));
    CHECK(expect_reset(a) && judge_note(&note) && str_is(note.text, "no such name"));
    AUTO_CLOSE int b = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(expect_reset(b) && judge_note(&note) && str_is(note.text, "no name server answers"));
    while (wait_readable(world()->resolver, 0)) {
        char p[512];
        CHECK(recv(world()->resolver, p, sizeof(p), 0) > 0);
    }
    /* a server that fails is asked again, then given up */
    AUTO_CLOSE int c = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_allows(VERB_CONNECT, "gone.test", 80, NULL));
    CHECK(resolver_both("gone.test", "servfail", "", 0));
    CHECK(resolver_answers("gone.test", DNS_A, "servfail", 0));
    CHECK(expect_reset(c) && judge_note(&note) && str_is(note.text, "lookup failed"));
}

TEST(truncated_replies_are_asked_for_over_tcp)
{
    uint8_t p[600];
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("big.test", DNS_A, address));
    AUTO_CLOSE int a = agent_socket(SOCK_STREAM, address, 80);
    CHECK(a >= 0 && judge_allows(VERB_CONNECT, "big.test", 80, NULL));
    CHECK(resolver_both("big.test", "tc", "", 0));
    CHECK(wait_readable(world()->resolver_tcp, WORLD_WAIT_MS));
    AUTO_CLOSE int t = accept4(world()->resolver_tcp, NULL, NULL, SOCK_CLOEXEC);
    CHECK(recv(t, p, 2, MSG_WAITALL) == 2);
    size_t n = p[1];
    CHECK(recv(t, p + 2, n, MSG_WAITALL) == (ssize_t)n);
    struct dns_query q;
    CHECK(dns_parse_query(p + 2, n, &q) == DNS_NOERROR && q.type == DNS_A);
    memcpy(p + 4, "\x81\x80\0\1\0\1\0\0\0\0", 10);
    memcpy(p + 2 + q.question_end, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\x4d", 16);
    p[1] = (uint8_t)(q.question_end + 16);
    CHECK(send(t, p, 1, 0) == 1 && send(t, p + 1, p[1] + 1u, 0) > 0);
    CHECK(judge_asked(VERB_CONNECT, "big.test", 80, "127.0.0.77"));
}

/* Answers everything with yes until `done` connections were accepted upstream. */
static int serve_many(int *hosts, int want, int ms)
{
    struct world *w = world();
    struct pollfd p[3] = {{.fd = w->judge, .events = POLLIN},
                          {.fd = w->resolver, .events = POLLIN},
                          {.fd = w->upstream, .events = POLLIN}};
    int n = 0;

    while (n < want && poll(p, 3, ms) > 0) {
        if (p[0].revents != 0 && frame_recv(w->judge, &w->in, 0) == FRAME_OK &&
            w->in.type == MSG_ACTION && action_get(&w->in, &w->action))
            judge_says(w->in.id, OUTCOME_ALLOW, "");
        if (p[1].revents != 0)
            resolver_both("many.test", "127.0.0.1", "", 30);
        if (p[2].revents != 0)
            hosts[n++] = accept4(w->upstream, NULL, NULL, SOCK_CLOEXEC);
    }
    return n;
}

static void close_all(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

TEST(connections_are_bounded)
{
    const struct gate_limits few = {.connections = 20};
    int agents[40], hosts[40];
    char address[ADDR_TEXT_MAX];

    WORLD(&few);
    CHECK(agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < 40; i++) {
        agents[i] = agent_socket(SOCK_STREAM, address, world()->upstream_port);
        CHECK(agents[i] >= 0);
    }
    CHECK_INT(serve_many(hosts, 40, 500), 20);
    /* those that wait come in as others end */
    close_all(agents, 20);
    close_all(hosts, 20);
    CHECK_INT(serve_many(hosts, 20, 1000), 20);
    close_all(agents + 20, 20);
    close_all(hosts, 20);
}

TEST(thousands_of_connections)
{
    enum { MANY = 2500 };
    AUTO_FREE int *agents = xcalloc(MANY, sizeof(int)), *hosts = xcalloc(MANY, sizeof(int));
    struct rlimit files;
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_max < 512 + 7 * MANY)
        SKIP("the limit on descriptors is too low");
    files.rlim_cur = files.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    CHECK(agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < MANY; i += 100) {
        for (int j = i; j < i + 100; j++)
            CHECK((agents[j] = agent_socket(SOCK_STREAM, address, world()->upstream_port)) >= 0);
        CHECK_INT(serve_many(hosts + i, 100, 2000), 100);
    }
    /* every one of them lives */
    for (int i = 0; i < MANY; i++)
        CHECK(send(hosts[i], "y", 1, MSG_NOSIGNAL) == 1);
    for (int i = 0; i < MANY; i++)
        CHECK(expect_bytes(agents[i], "y"));
    close_all(agents, MANY);
    close_all(hosts, MANY);
}

TEST(questions_are_bounded)
{
    const struct gate_limits few = {.pending = 5};
    char address[ADDR_TEXT_MAX];
    int agents[8], resets = 0;

    WORLD(&few);
    CHECK(agent_learn("ask.test", DNS_A, address));
    for (int i = 0; i < 8; i++)
        agents[i] = agent_socket(SOCK_STREAM, address, 80);
    for (int i = 0; i < 5; i++)
        CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
    for (int i = 0; i < 8; i++)
        if (wait_readable(agents[i], 50))
            resets += expect_reset(agents[i]);
    CHECK_INT(resets, 3);
    close_all(agents, 8);
}

/* Ticks of processor time that the gate has used. */
static long gate_ticks(void)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)world()->gate);
    unsigned long user = 0, system = 0;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return -1;
    int n =
        fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);

    fclose(f);
    return n == 2 ? (long)(user + system) : -1;
}

/* Descriptors that the gate has open; -1 when that cannot be seen. */
static int gate_descriptors(void)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/fd", (int)world()->gate);
    DIR *d = opendir(path);
    int n = 0;

    if (d == NULL)
        return -1;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* Peers that stop in the middle of everything: the gate waits, and does not spin. */
TEST(stuck_peers_cost_nothing)
{
    AUTO_FREE char *chunk = xcalloc(1, 1 << 20);
    char address[ADDR_TEXT_MAX];
    int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1};

    WORLD(&usual);
    CHECK(world_connect("good.test", &fds[0], &fds[1])); /* half-closed */
    shutdown(fds[0], SHUT_WR);
    CHECK(expect_eof(fds[1]));
    CHECK(world_connect("good.test", &fds[2], &fds[3])); /* full in both directions */
    for (int i = 0; i < 40; i++) {
        send(fds[2], chunk, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);
        send(fds[3], chunk, 1 << 20, MSG_DONTWAIT | MSG_NOSIGNAL);
        usleep(2000);
    }
    shutdown(fds[2], SHUT_WR);
    CHECK(world_connect("good.test", &fds[4], &fds[5])); /* half a TLS greeting */
    CHECK(send(fds[4], "\x16\3\1\1\0\1", 6, 0) == 6);
    CHECK(agent_learn("ask.test", DNS_A, address)); /* held, with bytes waiting */
    fds[6] = agent_socket(SOCK_STREAM, address, 80);
    CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
    CHECK(send(fds[6], "GET", 3, 0) == 3);
    fds[7] = agent_socket(SOCK_STREAM, GATE_RESOLVER4, 53); /* half a DNS question */
    CHECK(send(fds[7], "\0", 1, 0) == 1);
    usleep(200000);
    long before = gate_ticks();
    usleep(1500000);
    CHECK(before >= 0 && gate_ticks() - before <= 3);
    close_all(fds, 8);
}

static unsigned next_random(void)
{
    static unsigned state = 12345;

    state = state * 1103515245u + 12345u;
    return state >> 16;
}

/* One end of a connection ends in one of the ways that there are. */
static void end_somehow(int fd)
{
    struct linger now = {1, 0};

    switch (next_random() % 4) {
    case 0:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        break;
    case 1:
        shutdown(fd, SHUT_WR);
        break;
    case 2:
        shutdown(fd, SHUT_RDWR);
        break;
    default:
        break;
    }
    close(fd);
}

TEST(nothing_is_left_behind)
{
    static char chunk[100000];
    struct world_note note;
    int a, h, before = 0;

    WORLD(&usual);
    for (int i = 0; i < 200; i++) {
        CHECK(world_connect("good.test", &a, &h));
        if (i == 0)
            before = gate_descriptors();
        send(a, chunk, next_random() % sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
        send(h, chunk, next_random() % sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
        end_somehow(next_random() % 2 == 0 ? a : h);
        close(a);
        close(h);
        CHECK(judge_note(&note));
    }
    if (before < 0)
        SKIP("the gate's descriptors cannot be seen from here");
    CHECK(gate_descriptors() <= before + 2 * 64); /* its stock of pipes */
}

TEST(a_slow_judge)
{
    enum { MANY = 900 };
    AUTO_FREE int *agents = xcalloc(MANY, sizeof(int));
    char address[ADDR_TEXT_MAX];

    WORLD(&usual);
    CHECK(agent_learn("ask.test", DNS_A, address));
    for (int i = 0; i < MANY; i++)
        CHECK((agents[i] = agent_socket(SOCK_STREAM, address, 80)) >= 0);
    usleep(300000); /* more questions now wait than the socket holds */
    for (int i = 0; i < MANY; i++) {
        CHECK(judge_asked(VERB_CONNECT, "ask.test", 80, NULL));
        CHECK(judge_says(world()->in.id, OUTCOME_DENY, "no"));
    }
    for (int i = 0; i < MANY; i++)
        CHECK(expect_reset(agents[i]));
    close_all(agents, MANY);
}

TEST(few_descriptors)
{
    int agents[30], hosts[30];
    char address[ADDR_TEXT_MAX];

    if (unavailable != NULL)
        SKIP(unavailable);
    world()->descriptors = 512 + 7 * 10;
    bool up = world_gate(&usual);
    world()->descriptors = 0;
    CHECK(up && agent_learn("many.test", DNS_A, address));
    for (int i = 0; i < 30; i++)
        CHECK((agents[i] = agent_socket(SOCK_STREAM, address, world()->upstream_port)) >= 0);
    CHECK_INT(serve_many(hosts, 30, 500), 10);
    close_all(agents, 30);
    close_all(hosts, 10);
}

/* What the host does not read is not taken from the agent, and comes whole in the end. */
TEST(back_pressure)
{
    enum { CHUNK = 65536 };
    AUTO_FREE char *chunk = xcalloc(1, CHUNK);
    size_t sent = 0, got = 0;
    int a, h;

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    for (int idle = 0; idle < 5;) {
        ssize_t n = send(a, chunk, CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd p = {.fd = a, .events = POLLOUT};

        if (n > 0)
            sent += (size_t)n;
        idle = n > 0 || poll(&p, 1, 50) > 0 ? 0 : idle + 1;
        CHECK(sent < 64u << 20);
    }
    CHECK(sent > 0);
    close(a);
    while (wait_readable(h, WORLD_WAIT_MS)) {
        ssize_t n = recv(h, chunk, CHUNK, MSG_DONTWAIT);

        if (n == 0)
            break;
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_INT(got, sent);
    close(h);
}

/* Bulk both ways at once, every byte checked. */
static pid_t pour(int fd, size_t total, unsigned seed)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    static unsigned char p[1 << 16];
    for (size_t at = 0; at < total;) {
        size_t n = total - at < sizeof(p) ? total - at : sizeof(p);
        for (size_t i = 0; i < n; i++)
            p[i] = (unsigned char)((at + i) * 31 + ((at + i) >> 9) + seed);
        for (size_t done = 0; done < n;) {
            ssize_t k = send(fd, p + done, n - done, MSG_NOSIGNAL);
            if (k <= 0)
                _exit(1);
            done += (size_t)k;
        }
        at += n;
    }
    shutdown(fd, SHUT_WR);
    _exit(0);
}

static bool drink(int fd, size_t total, unsigned seed)
{
    static unsigned char p[1 << 16];
    size_t at = 0;

    while (wait_readable(fd, WORLD_WAIT_MS)) {
        ssize_t n = recv(fd, p, sizeof(p), MSG_DONTWAIT);

        if (n == 0)
            return at == total;
        if (n < 0)
            return false;
        for (size_t i = 0; i < (size_t)n; i++)
            if (p[i] != (unsigned char)((at + i) * 31 + ((at + i) >> 9) + seed))
                return false;
        at += (size_t)n;
    }
    return false;
}

TEST(bulk_both_ways)
{
    const size_t total = 64u << 20;
    int a, h, status[3];
    pid_t child[3];

    WORLD(&usual);
    CHECK(world_connect("good.test", &a, &h));
    int64_t began = now_ms();
    child[0] = pour(a, total, 1);
    child[1] = pour(h, total, 2);
    child[2] = fork();
    if (child[2] == 0)
        _exit(drink(h, total, 1) ? 0 : 1);
    CHECK(drink(a, total, 2));
    for (int i = 0; i < 3; i++)
        CHECK(waitpid(child[i], &status[i], 0) == child[i] && status[i] == 0);
    printf("# 2 x %zu MB in %lld ms\n", total >> 20, (long long)(now_ms() - began));
    close(a);
    close(h);
}

TEST(an_idle_connection_ends)
{
    const struct gate_limits brief = {.idle_seconds = 1};
    struct world_note note;
    int a, h;

    WORLD(&brief);
    CHECK(world_connect("good.test", &a, &h));
    CHECK(!wait_readable(a, 500));
    struct pollfd p = {.fd = a, .events = POLLIN};
    CHECK(poll(&p, 1, 12000) == 1 && expect_reset(a) && expect_reset(h));
    CHECK(judge_note(&note) && str_is(note.text, "idle for too long"));
    close(a);
    close(h);
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

TEST(the_gate_ends_with_the_judge_and_the_keeper)
{
    int status;

    WORLD(&usual);
    close(world()->judge);
    world()->judge = -1;
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_ROLE);
    CHECK(world_gate(&usual));
    close(world()->keeper);
    world()->keeper = -1;
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status));
    /* a judge that talks nonsense */
    CHECK(world_gate(&usual));
    CHECK(send(world()->judge, "nonsense", 8, 0) == 8);
    CHECK(waitpid(world()->gate, &status, 0) == world()->gate);
    world()->gate = 0;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_ROLE);
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

UNIT_MAIN(UNIT(begin), UNIT(a_name_is_judged_once), UNIT(a_refused_name_fails_at_once_and_says_why),
          UNIT(freeze_and_kill_are_refusals), UNIT(local_answers),
          UNIT(odd_questions_are_counted_not_asked), UNIT(dns_over_tcp),
          UNIT(a_flood_of_names_is_cut), UNIT(connection_by_name), UNIT(connection_over_ipv6),
          UNIT(a_refused_connection_is_reset_and_nothing_is_looked_up), UNIT(a_refusal_has_words),
          UNIT(each_address_is_judged), UNIT(a_name_for_this_machine_is_not_enough),
          UNIT(literal_addresses), UNIT(a_service_on_the_host), UNIT(addresses_of_no_name),
          UNIT(resets_go_through), UNIT(a_client_that_goes_away_is_taken_back),
          UNIT(lookups_that_fail), UNIT(truncated_replies_are_asked_for_over_tcp),
          UNIT(connections_are_bounded), UNIT(thousands_of_connections),
          UNIT(questions_are_bounded), UNIT(stuck_peers_cost_nothing), UNIT(nothing_is_left_behind),
          UNIT(a_slow_judge), UNIT(few_descriptors), UNIT(back_pressure), UNIT(bulk_both_ways),
          UNIT(an_idle_connection_ends), UNIT(tls_for_the_name_that_was_judged),
          UNIT(tls_for_another_name_is_refused), UNIT(the_gate_ends_with_the_judge_and_the_keeper),
          UNIT(end))
