/* SPDX-License-Identifier: Apache-2.0 */
/* The jail's network: what reaches the gate's sockets, what stays inside, what goes nowhere. */
#include "jail_run.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define IP6T_SO_ORIGINAL_DST 80 /* linux/netfilter_ipv6/ip6_tables.h, which clashes with libc */

static int accept_one(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 5000) == 1 ? accept4(fd, NULL, NULL, SOCK_CLOEXEC) : -1;
}

/* "ADDRESS PORT" that a connection wanted to go to. */
static const char *wanted(int fd)
{
    static char text[80];
    char address[64];
    struct sockaddr_in6 six;
    struct sockaddr_in four;
    socklen_t n = sizeof(four);

    if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &four, &n) == 0 && four.sin_family == AF_INET) {
        inet_ntop(AF_INET, &four.sin_addr, address, sizeof(address));
        snprintf(text, sizeof(text), "%s %d", address, ntohs(four.sin_port));
        return text;
    }
    n = sizeof(six);
    if (getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, &six, &n) != 0)
        return "unknown";
    inet_ntop(AF_INET6, &six.sin6_addr, address, sizeof(address));
    snprintf(text, sizeof(text), "%s %d", address, ntohs(six.sin6_port));
    return text;
}

static bool begin(struct setup *s, struct jail *j, char *what, char *a, char *b, bool net)
{
    static char self[128], word[] = "inside";
    static char *argv[6];
    static const uint16_t ports[] = {4321};
    struct err e = {0};

    snprintf(self, sizeof(self), "%s", play_self);
    argv[0] = self;
    argv[1] = word;
    argv[2] = what;
    argv[3] = a;
    argv[4] = b;
    setup_init(s, argv);
    s->plan.net = net;
    s->plan.host_ports = ports;
    s->plan.nhost_ports = 1;
    if (setup_start(s, j, &e) && jail_release(j, &e))
        return true;
    printf("# %s\n", e.text);
    return false;
}

static int finish(struct setup *s, struct jail *j)
{
    struct run r = {.status = -1};
    ssize_t n;

    wait_exit(j, &r);
    jail_close(j);
    n = read(s->out[0], r.out, sizeof(r.out) - 1);
    if (n > 0)
        printf("# inside: %s", r.out);
    close(s->out[0]);
    return WIFEXITED(r.status) ? WEXITSTATUS(r.status) : -1;
}

/* One connection from inside, answered from outside. */
static bool reaches_gate(const char *address, const char *port, bool six)
{
    char a[64], p[16], what[] = "talk", expect[96], got[8] = "";
    struct setup s;
    struct jail j;
    int fd;

    snprintf(a, sizeof(a), "%s", address);
    snprintf(p, sizeof(p), "%s", port);
    snprintf(expect, sizeof(expect), "%s %s", address, port);
    if (!begin(&s, &j, what, a, p, true))
        return false;
    fd = accept_one(six ? j.tcp6 : j.tcp4);
    if (fd < 0) {
        printf("# nothing arrived for %s\n", expect);
        (void)finish(&s, &j);
        return false;
    }
    if (strcmp(wanted(fd), expect) != 0)
        printf("# wanted %s, not %s\n", wanted(fd), expect);
    if (read(fd, got, 4) != 4 || strcmp(got, "ping") != 0 || write(fd, "pong", 4) != 4)
        return false;
    if (strcmp(wanted(fd), expect) != 0)
        return false;
    close(fd);
    return finish(&s, &j) == 0;
}

static bool have_six(void)
{
    char what[] = "none";
    struct setup s;
    struct jail j;
    bool six;

    if (!begin(&s, &j, what, what, what, true))
        return false;
    six = j.tcp6 >= 0;
    (void)finish(&s, &j);
    return six;
}

TEST(every_tcp_connection_comes_to_the_gate)
{
    CHECK(reaches_gate("93.184.216.34", "443", false));
    CHECK(reaches_gate("198.18.0.7", "80", false));
    CHECK(reaches_gate("10.0.0.1", "22", false));
    CHECK(reaches_gate("169.254.169.254", "80", false));
}

TEST(every_tcp_connection_over_ipv6_too)
{
    if (!have_six())
        SKIP("no IPv6 here");
    CHECK(reaches_gate("2606:2800:220:1::1946", "443", true));
    CHECK(reaches_gate("fd00::7", "8443", true));
}

TEST(ports_of_the_host_come_to_the_gate)
{
    CHECK(reaches_gate("127.0.0.1", "4321", false));
    if (have_six())
        CHECK(reaches_gate("::1", "4321", true));
}

TEST(the_agents_own_servers_work)
{
    char what[] = "own", four[] = "127.0.0.1", six[] = "::1", port[] = "8080";
    struct setup s;
    struct jail j;

    CHECK(begin(&s, &j, what, four, port, true));
    CHECK_INT(finish(&s, &j), 0);
    CHECK(begin(&s, &j, what, four, port, false));
    CHECK_INT(finish(&s, &j), 0);
    if (!have_six())
        return;
    CHECK(begin(&s, &j, what, six, port, true));
    CHECK_INT(finish(&s, &j), 0);
}

/* A question from inside to any server, answered from outside. */
static bool asks_gate(const char *server, bool six)
{
    char a[64], port[] = "53", what[] = "ask", question[16];
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    struct setup s;
    struct jail j;
    struct pollfd p;
    int fd;

    snprintf(a, sizeof(a), "%s", server);
    if (!begin(&s, &j, what, a, port, true))
        return false;
    fd = six ? j.udp6 : j.udp4;
    p = (struct pollfd){.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 5000) != 1 ||
        recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&from, &size) != 4 ||
        sendto(fd, "pong", 4, 0, (struct sockaddr *)&from, size) != 4)
        printf("# no question\n");
    return finish(&s, &j) == 0;
}

TEST(questions_for_names_come_to_the_gate)
{
    CHECK(asks_gate("198.18.0.1", false));
    CHECK(asks_gate("8.8.8.8", false));
    CHECK(asks_gate("127.0.0.53", false));
    if (have_six())
        CHECK(asks_gate("2001:4860:4860::8888", true));
}

TEST(the_resolver_is_the_gate)
{
    char *argv[] = {(char[]){"cat"}, (char[]){"/etc/resolv.conf"}, NULL};
    struct setup s;
    struct run r;

    if (access("/etc/resolv.conf", F_OK) != 0)
        SKIP("this host has no /etc/resolv.conf");
    setup_init(&s, argv);
    s.plan.net = true;
    run_setup(&s, &r);
    CHECK_STR(r.out, "nameserver " JAIL_RESOLVER4 "\n");
}

/* Inside: 0 when a datagram to there is refused at once. */
static bool goes_nowhere(const char *address, const char *port)
{
    char a[64], p[16], what[] = "udp";
    struct setup s;
    struct jail j;

    snprintf(a, sizeof(a), "%s", address);
    snprintf(p, sizeof(p), "%s", port);
    return begin(&s, &j, what, a, p, true) && finish(&s, &j) == 0;
}

TEST(other_datagrams_go_nowhere)
{
    CHECK(goes_nowhere("8.8.8.8", "443"));
    CHECK(goes_nowhere("198.18.0.9", "443"));
    CHECK(goes_nowhere("255.255.255.255", "67"));
    if (have_six())
        CHECK(goes_nowhere("2001:4860:4860::8888", "443"));
}

TEST(the_gates_ports_cannot_be_taken)
{
    char what[] = "take", address[] = "127.0.0.2", port[] = "1", dns[] = "53";
    struct setup s;
    struct jail j;

    CHECK(begin(&s, &j, what, address, port, true));
    CHECK_INT(finish(&s, &j), 0);
    CHECK(begin(&s, &j, what, address, dns, true));
    CHECK_INT(finish(&s, &j), 0);
}

TEST(without_a_gate_there_is_no_network)
{
    char what[] = "noway", address[] = "93.184.216.34", port[] = "443";
    struct setup s;
    struct jail j;

    CHECK(begin(&s, &j, what, address, port, false));
    CHECK(j.tcp4 < 0 && j.tcp6 < 0 && j.udp4 < 0 && j.udp6 < 0);
    CHECK_INT(finish(&s, &j), 0);
}

TEST(the_hosts_loopback_is_out_of_reach)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    char what[] = "noway", address[] = "127.0.0.1", port[16];
    struct setup s;
    struct jail j;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    snprintf(port, sizeof(port), "%d", ntohs(at.sin_port));
    CHECK(begin(&s, &j, what, address, port, true));
    CHECK_INT(finish(&s, &j), 0);
    close(fd);
}

/* Routes and interfaces can be read: the C library asks for them to order addresses. */
TEST(the_interfaces_can_be_listed)
{
    char what[] = "links";
    struct setup s;
    struct jail j;

    CHECK(begin(&s, &j, what, what, what, true));
    CHECK_INT(finish(&s, &j), 0);
}

struct place {
    int family;
    socklen_t n;
    struct sockaddr_storage at;
};

static const struct sockaddr *addr(const struct place *p)
{
    return (const struct sockaddr *)&p->at;
}

static struct place look_up(const char *address, const char *port, int type)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = type};
    struct addrinfo *found = NULL;
    struct place p;

    if (getaddrinfo(address, port, &hints, &found) != 0 || found == NULL)
        _exit(8);
    p = (struct place){.family = found->ai_family, .n = found->ai_addrlen};
    memcpy(&p.at, found->ai_addr, p.n);
    freeaddrinfo(found);
    return p;
}

static int dial(const char *address, const char *port, int type)
{
    struct place to = look_up(address, port, type);
    const struct timeval patience = {.tv_sec = 5};
    int fd = socket(to.family, type, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, addr(&to), to.n) == 0)
        return fd;
    perror("connect");
    close(fd);
    return -1;
}

static int ping_pong(int fd)
{
    char got[8] = "";

    return fd >= 0 && write(fd, "ping", 4) == 4 && read(fd, got, 4) == 4 && strcmp(got, "pong") == 0
               ? 0
               : 1;
}

/* A server and its client in the jail, over TCP and over UDP. */
static int own_servers(const char *address, const char *port)
{
    struct place at = look_up(address, port, SOCK_STREAM);
    int tcp = socket(at.family, SOCK_STREAM, 0), udp = socket(at.family, SOCK_DGRAM, 0);
    int out, in;
    char got[8] = "";

    if (bind(tcp, addr(&at), at.n) != 0 || listen(tcp, 1) != 0 || bind(udp, addr(&at), at.n) != 0)
        return 2;
    out = dial(address, port, SOCK_STREAM);
    in = accept(tcp, NULL, NULL);
    if (out < 0 || in < 0 || write(out, "x", 1) != 1 || read(in, got, 1) != 1)
        return 3;
    out = dial(address, port, SOCK_DGRAM);
    return out >= 0 && write(out, "y", 1) == 1 && recv(udp, got, 1, 0) == 1 ? 0 : 4;
}

static int take(const char *address, const char *port)
{
    struct place at = look_up(address, port, SOCK_STREAM);
    int fd = socket(at.family, SOCK_STREAM, 0);

    return bind(fd, addr(&at), at.n) != 0 && errno == EACCES ? 0 : 1;
}

static int udp(const char *address, const char *port)
{
    struct place to = look_up(address, port, SOCK_DGRAM);
    int fd = socket(to.family, SOCK_DGRAM, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    if (sendto(fd, "x", 1, 0, addr(&to), to.n) < 0)
        return 0;
    puts("sent");
    return 1;
}

static int inside(int argc, char **argv)
{
    if (argc != 3)
        return 9;
    if (strcmp(argv[0], "talk") == 0)
        return ping_pong(dial(argv[1], argv[2], SOCK_STREAM));
    if (strcmp(argv[0], "ask") == 0)
        return ping_pong(dial(argv[1], argv[2], SOCK_DGRAM));
    if (strcmp(argv[0], "own") == 0)
        return own_servers(argv[1], argv[2]);
    if (strcmp(argv[0], "udp") == 0)
        return udp(argv[1], argv[2]);
    if (strcmp(argv[0], "take") == 0)
        return take(argv[1], argv[2]);
    if (strcmp(argv[0], "noway") == 0)
        return dial(argv[1], argv[2], SOCK_STREAM) < 0 ? 0 : 1;
    if (strcmp(argv[0], "links") == 0) {
        struct if_nameindex *names = if_nameindex();
        bool ok = names != NULL && strcmp(names[0].if_name, "lo") == 0 && names[1].if_index == 0;
        if_freenameindex(names);
        return ok ? 0 : 1;
    }
    return 0;
}

JAIL_MAIN(inside, UNIT(every_tcp_connection_comes_to_the_gate),
          UNIT(every_tcp_connection_over_ipv6_too), UNIT(ports_of_the_host_come_to_the_gate),
          UNIT(the_agents_own_servers_work), UNIT(questions_for_names_come_to_the_gate),
          UNIT(the_resolver_is_the_gate), UNIT(other_datagrams_go_nowhere),
          UNIT(the_gates_ports_cannot_be_taken), UNIT(without_a_gate_there_is_no_network),
          UNIT(the_hosts_loopback_is_out_of_reach), UNIT(the_interfaces_can_be_listed))
