/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_world.h"

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"
#include "gate/name.h"
#include "gate/prepare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct world w;
static struct frame_out out;

struct world *world(void)
{
    return &w;
}

bool wait_readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

/* A socket bound to an ephemeral port of `address`; listening when it is a stream. */
static int bound(int kind, const char *address, uint16_t *port)
{
    struct sockaddr_storage ss;
    struct addr a;
    const int on = 1;

    if (!addr_from_text(str_of(address), &a))
        return -1;
    socklen_t n = addr_sockaddr(&a, 0, &ss);
    int fd = socket(ss.ss_family, kind | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (ss.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&ss, n) != 0 ||
        (kind == SOCK_STREAM && listen(fd, 4096) != 0) ||
        getsockname(fd, (struct sockaddr *)&ss, &n) != 0 || !addr_from_sockaddr(&ss, &a, port)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- the child inside the namespace ---- */

static bool write_file(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && fd_write_all(fd, text, strlen(text));
}

static bool enter_namespace(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || !write_file("/proc/self/setgroups", "deny"))
        return false;
    snprintf(map, sizeof(map), "0 %u 1", uid);
    if (!write_file("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof(map), "0 %u 1", gid);
    return write_file("/proc/self/gid_map", map);
}

static bool run(const char *script)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        char *env[] = {path, NULL};

        execle("/bin/sh", "sh", "-ec", script, (char *)NULL, env);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool send_fd(int sock, int fd)
{
    frame_start(&out, MSG_CONFIG, 1);
    return frame_send(sock, &out, &fd, 1);
}

static int recv_fd(int sock)
{
    if (!wait_readable(sock, WORLD_WAIT_MS) || frame_recv(sock, &w.in, 1) != FRAME_OK ||
        w.in.nfds != 1)
        return -1;
    return fd_take(&w.in.fds[0]);
}

static bool redirect(uint16_t tcp4, uint16_t tcp6, uint16_t udp4, uint16_t udp6, uint16_t host_port)
{
    AUTO_FREE char *script =
        xasprintf("ip link set lo up; ip route add local default dev lo; ip -6 route add local "
                  "default dev lo;"
                  "nft -f - <<X\n"
                  "table ip b { chain o { type nat hook output priority -100;\n"
                  "udp dport 53 redirect to :%u\n"
                  "ip daddr 127.0.0.0/8 tcp dport %u redirect to :%u\n"
                  "ip daddr 127.0.0.0/8 return\n"
                  "meta l4proto tcp redirect to :%u\n}\n}\n"
                  "table ip6 b { chain o { type nat hook output priority -100;\n"
                  "udp dport 53 redirect to :%u\n"
                  "ip6 daddr ::1 return\n"
                  "meta l4proto tcp redirect to :%u\n}\n}\n"
                  "X\n",
                  udp4, host_port, tcp4, tcp4, udp6, tcp6);

    return run(script);
}

/* Makes the namespace, hands out its four sockets, then a socket for each request. */
static void play_factory(int sock)
{
    uint16_t ports[4];
    int fds[4];
    struct {
        int kind;
        struct addr addr;
        uint16_t port;
    } wish;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!enter_namespace() || !run("ip link set lo up"))
        _exit(1);
    fds[0] = bound(SOCK_STREAM, "0.0.0.0", &ports[0]);
    fds[1] = bound(SOCK_STREAM, "::", &ports[1]);
    fds[2] = bound(SOCK_DGRAM, "0.0.0.0", &ports[2]);
    fds[3] = bound(SOCK_DGRAM, "::", &ports[3]);
    if (!redirect(ports[0], ports[1], ports[2], ports[3], w.upstream_port))
        _exit(1);
    for (int i = 0; i < 4; i++)
        if (fds[i] < 0 || !send_fd(sock, fds[i]))
            _exit(1);
    while (recv(sock, &wish, sizeof(wish), 0) == sizeof(wish)) {
        struct sockaddr_storage ss;
        socklen_t n = addr_sockaddr(&wish.addr, wish.port, &ss);
        int fd = socket(ss.ss_family, wish.kind | SOCK_CLOEXEC, 0);
        bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&ss, n) == 0;

        if (!ok || !send_fd(sock, fd))
            send(sock, "", 1, 0);
        close(fd);
    }
    _exit(0);
}

int agent_socket(int kind, const char *address, uint16_t port)
{
    struct {
        int kind;
        struct addr addr;
        uint16_t port;
    } wish;

    memset(&wish, 0, sizeof(wish));
    wish.kind = kind;
    wish.port = port;
    if (!addr_from_text(str_of(address), &wish.addr) ||
        send(w.factory, &wish, sizeof(wish), MSG_NOSIGNAL) != sizeof(wish))
        return -1;
    return recv_fd(w.factory);
}

/* ---- the world's own ---- */

/* The name server's two sockets have one port, which must be free for both. */
static bool open_resolver(void)
{
    for (int tries = 0; tries < 50; tries++) {
        struct sockaddr_in same = {.sin_family = AF_INET};
        uint16_t port = 0;

        w.resolver_tcp = bound(SOCK_STREAM, "127.0.0.1", &port);
        w.resolver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        same.sin_port = htons(port);
        same.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(w.resolver, (struct sockaddr *)&same, sizeof(same)) == 0) {
            snprintf(w.resolver_text, sizeof(w.resolver_text), "127.0.0.1:%u", port);
            return true;
        }
        close(w.resolver_tcp);
        close(w.resolver);
    }
    return false;
}

const char *world_open(void)
{
    struct err e;
    int pair[2];

    gate_config_init(&w.config);
    w.keeper = w.judge = -1;
    w.upstream = bound(SOCK_STREAM, "127.0.0.1", &w.upstream_port);
    if (w.upstream < 0 || !open_resolver() || !frame_pair(pair, &e))
        return "no sockets";
    w.factory = pair[0];
    w.agent = fork();
    if (w.agent == 0) {
        close(pair[0]);
        play_factory(pair[1]);
    }
    close(pair[1]);
    w.config.tcp4 = recv_fd(w.factory);
    w.config.tcp6 = recv_fd(w.factory);
    w.config.udp4 = recv_fd(w.factory);
    w.config.udp6 = recv_fd(w.factory);
    if (w.config.udp6 < 0)
        return "no network namespace with ip and nft to be had";
    w.config.nresolvers = 1;
    snprintf(w.config.resolvers[0], GATE_RESOLVER_TEXT_MAX, "%s", w.resolver_text);
    return NULL;
}

static void end(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static void play_gate(int keeper, int judge)
{
    const int kept[] = {ROLE_FD_KEEPER, ROLE_FD_JUDGE};
    int high = fcntl(judge, F_DUPFD_CLOEXEC, 10);

    if (high < 0 || dup2(keeper, ROLE_FD_KEEPER) < 0 || dup2(high, ROLE_FD_JUDGE) < 0)
        _exit(99);
    fd_close_from(3, kept, 2);
    if (w.descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){w.descriptors, w.descriptors});
    _exit(gate_main());
}

/* Nobody is believed but the authority that it makes itself. */
static bool prepare_gate(void)
{
    AUTO_CLOSE int nobody = -1;
    struct err e;

    nobody = fd_memfd("authorities", "none", 4, &e);
    buf_free(&w.authority);
    buf_init(&w.authority, GATE_PEM_MAX);
    return nobody >= 0 && gate_prepare(w.keeper, nobody, &e) &&
           gate_prepare_await(w.keeper, &w.authority, &e);
}

bool world_gate(const struct gate_limits *limits)
{
    int keeper[2], judge[2];
    struct err e;

    end(&w.gate);
    close(w.keeper);
    close(w.judge);
    if (!frame_pair(keeper, &e) || !frame_pair(judge, &e))
        return false;
    w.gate = fork();
    if (w.gate == 0)
        play_gate(keeper[1], judge[1]);
    close(keeper[1]);
    close(judge[1]);
    w.keeper = keeper[0];
    w.judge = judge[0];
    w.config.limits = *limits;
    if (w.opens && !prepare_gate())
        return false;
    return gate_config_send(w.keeper, &w.config, &e) && wait_readable(w.keeper, WORLD_WAIT_MS) &&
           frame_recv(w.keeper, &w.in, 0) == FRAME_OK && w.in.type == MSG_READY;
}

void world_close(void)
{
    end(&w.gate);
    end(&w.agent);
}

/* ---- the agent ---- */

bool agent_ask(int sock, uint16_t id, const char *name, uint16_t type)
{
    uint8_t p[DNS_PLAIN_MAX];
    struct name n;

    if (!name_from_text(str_of(name), &n))
        return false;
    size_t size = dns_question(p, id, &n, type);

    return send(sock, p, size, MSG_NOSIGNAL) == (ssize_t)size;
}

bool agent_reply(int sock, uint16_t id, const char *name, uint16_t type, struct dns_reply *r)
{
    uint8_t p[DNS_UDP_MAX];
    struct name n;

    if (!name_from_text(str_of(name), &n) || !wait_readable(sock, WORLD_WAIT_MS))
        return false;
    ssize_t size = recv(sock, p, sizeof(p), MSG_DONTWAIT);

    return size > 0 && dns_parse_reply(p, (size_t)size, id, &n, type, r);
}

bool agent_learn(const char *name, uint16_t type, char text[ADDR_TEXT_MAX])
{
    AUTO_CLOSE int sock = agent_socket(SOCK_DGRAM, GATE_RESOLVER4, 53);
    struct dns_reply r;

    if (sock < 0 || !agent_ask(sock, 7, name, type))
        return false;
    /* a name that the gate knows is not asked about again */
    struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = w.judge, .events = POLLIN}};

    if (poll(p, 2, WORLD_WAIT_MS) < 1 ||
        (p[0].revents == 0 && !judge_allows(VERB_RESOLVE, name, -1, NULL)))
        return false;
    if (!agent_reply(sock, 7, name, type, &r) || r.naddrs != 1)
        return false;
    addr_text(&r.addrs[0], text);
    return true;
}

/* ---- the judge ---- */

bool judge_next(unsigned type)
{
    if (!wait_readable(w.judge, WORLD_WAIT_MS) || frame_recv(w.judge, &w.in, 0) != FRAME_OK)
        return false;
    if (!message_permitted(ROLE_GATE, ROLE_JUDGE, PHASE_RUN, w.in.type) || w.in.type != type)
        return false;
    return type != MSG_ACTION || action_get(&w.in, &w.action);
}

bool judge_asked(enum verb verb, const char *host, int port, const char *address)
{
    const struct action *a = &w.action;

    if (!judge_next(MSG_ACTION) || a->verb != verb || a->kind != RESOURCE_HOST ||
        !str_is(a->resource, host))
        return false;
    if (a->has[FIELD_PORT] != (port >= 0) || (port >= 0 && a->field[FIELD_PORT].num != port))
        return false;
    return a->has[FIELD_ADDRESS] == (address != NULL) &&
           (address == NULL || str_is(a->field[FIELD_ADDRESS].str, address));
}

bool judge_says(uint32_t id, enum outcome outcome, const char *reason)
{
    return judge_says_with(id, outcome, reason, 0);
}

bool judge_reloads(void)
{
    frame_start(&out, MSG_RELOADED, 1);
    return frame_send(w.judge, &out, NULL, 0);
}

bool judge_says_with(uint32_t id, enum outcome outcome, const char *reason, uint32_t duties)
{
    struct verdict v = {
        .outcome = outcome, .event = 1000 + id, .reason = str_of(reason), .duties = duties};

    if (reason[0] != '\0') {
        v.nrules = 1;
        v.rules[0] = STR("rule-7");
    }
    frame_start(&out, MSG_VERDICT, id);
    verdict_put(&out, &v);
    return frame_send(w.judge, &out, NULL, 0);
}

bool judge_allows(enum verb verb, const char *host, int port, const char *address)
{
    return judge_asked(verb, host, port, address) && judge_says(w.in.id, OUTCOME_ALLOW, "");
}

bool judge_quiet(int ms)
{
    return !wait_readable(w.judge, ms);
}

bool judge_note(struct world_note *n)
{
    struct frame_field x;

    memset(n, 0, sizeof(*n));
    if (!judge_next(MSG_NOTE))
        return false;
    while (frame_next(&w.in, &x) == FRAME_OK)
        switch (x.tag) {
        case MSG_TAG_KIND:
            n->kind = x.bytes;
            break;
        case NOTE_TAG_STATUS:
            n->status = x.num;
            break;
        case MSG_TAG_TEXT:
            n->text = x.bytes;
            break;
        case MSG_TAG_ADDRESS:
            n->address = x.bytes;
            break;
        case MSG_TAG_EVENT:
            n->event = x.num;
            break;
        case MSG_TAG_PORT:
            n->port = x.num;
            break;
        case MSG_TAG_COUNT:
            n->count = x.num;
            break;
        case NOTE_TAG_UP:
            n->up = x.num;
            break;
        case NOTE_TAG_DOWN:
            n->down = x.num;
            break;
        case NOTE_TAG_MS:
            n->ms = x.num;
            break;
        default:
            return false;
        }
    return true;
}

/* ---- upstream ---- */

/* Writes the reply to the question q. */
static size_t reply(uint8_t *p, const struct dns_query *q, const uint8_t *question,
                    const char *addresses, uint8_t ttl)
{
    static const char *const special[] = {"!", "tc", "servfail"};
    static const uint8_t flags[3][2] = {{0x81, 0x83}, {0x83, 0x80}, {0x81, 0x82}};
    size_t n = q->question_end, answers = 0;

    memcpy(p, question, n);
    memcpy(p + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
    for (int i = 0; i < 3; i++)
        if (strcmp(addresses, special[i]) == 0) {
            memcpy(p + 2, flags[i], 2);
            return n;
        }
    while (*addresses != '\0') {
        size_t length = strcspn(addresses, ",");
        const uint8_t size = q->type == DNS_A ? 4 : 16;
        const uint8_t head[12] = {0xc0, 12, 0, (uint8_t)q->type, 0, 1,
                                  0,    0,  0, (uint8_t)ttl,     0, size};
        char text[ADDR_TEXT_MAX];

        snprintf(text, sizeof(text), "%.*s", (int)length, addresses);
        memcpy(p + n, head, 12);
        if (inet_pton(q->type == DNS_A ? AF_INET : AF_INET6, text, p + n + 12) != 1)
            return 0;
        n += 12u + size;
        answers++;
        addresses += addresses[length] == ',' ? length + 1 : length;
    }
    p[7] = (uint8_t)answers;
    return n;
}

static bool answer_one(const char *name, uint16_t only, const char *four, const char *six,
                       uint8_t ttl, uint16_t *type)
{
    uint8_t question[DNS_UDP_MAX], p[DNS_UDP_MAX * 2];
    struct sockaddr_storage from;
    socklen_t n = sizeof(from);
    struct dns_query q;

    if (!wait_readable(w.resolver, WORLD_WAIT_MS))
        return false;
    ssize_t k = recvfrom(w.resolver, question, sizeof(question), 0, (struct sockaddr *)&from, &n);

    if (k < 0 || dns_parse_query(question, (size_t)k, &q) != DNS_NOERROR ||
        strcmp(q.name.s, name) != 0 || (only != 0 && q.type != only))
        return false;
    *type = q.type;
    size_t size = reply(p, &q, question, q.type == DNS_A ? four : six, ttl);

    return sendto(w.resolver, p, size, 0, (struct sockaddr *)&from, n) == (ssize_t)size;
}

bool resolver_answers(const char *name, uint16_t type, const char *addresses, uint8_t ttl)
{
    uint16_t got;

    return answer_one(name, type, addresses, addresses, ttl, &got);
}

bool resolver_both(const char *name, const char *four, const char *six, uint8_t ttl)
{
    uint16_t first, second;

    return answer_one(name, 0, four, six, ttl, &first) &&
           answer_one(name, 0, four, six, ttl, &second) && first != second;
}

bool world_connect(const char *name, int *agent, int *host)
{
    char address[ADDR_TEXT_MAX];

    if (!agent_learn(name, DNS_A, address))
        return false;
    *agent = agent_socket(SOCK_STREAM, address, w.upstream_port);
    if (*agent < 0 || !judge_allows(VERB_CONNECT, name, w.upstream_port, NULL) ||
        !resolver_both(name, "127.0.0.1", "", 0) ||
        !judge_allows(VERB_CONNECT, name, w.upstream_port, "127.0.0.1") ||
        !wait_readable(w.upstream, WORLD_WAIT_MS))
        return false;
    *host = accept4(w.upstream, NULL, NULL, SOCK_CLOEXEC);
    return *host >= 0;
}

bool expect_bytes(int fd, const char *bytes)
{
    char got[256];
    size_t want = strlen(bytes), n = 0;

    while (n < want && want <= sizeof(got) && wait_readable(fd, WORLD_WAIT_MS)) {
        ssize_t k = recv(fd, got + n, want - n, MSG_DONTWAIT);

        if (k <= 0)
            return false;
        n += (size_t)k;
    }
    return n == want && memcmp(got, bytes, n) == 0;
}

bool expect_eof(int fd)
{
    char byte;

    return wait_readable(fd, WORLD_WAIT_MS) && recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

bool expect_reset(int fd)
{
    char byte;

    return wait_readable(fd, WORLD_WAIT_MS) && recv(fd, &byte, 1, MSG_DONTWAIT) < 0 &&
           errno == ECONNRESET;
}
