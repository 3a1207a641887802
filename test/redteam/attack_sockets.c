/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: to servers of the host, past the gate, and as names in the file system. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* `@name` is abstract. */
static socklen_t unix_address(const char *name, struct sockaddr_un *a)
{
    size_t n = strlen(name);

    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    if (n >= sizeof(a->sun_path))
        n = sizeof(a->sun_path) - 1;
    memcpy(a->sun_path, name, n);
    if (name[0] == '@')
        a->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@'));
}

static int connect_unix(const char *name)
{
    struct sockaddr_un a;
    socklen_t n = unix_address(name, &a);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval t = {.tv_sec = 5};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    return connect(fd, (struct sockaddr *)&a, n) == 0 ? fd : -1;
}

static int greet(char **args)
{
    char c;
    int fd = connect_unix(args[0]);

    return effect_if(fd >= 0 && read(fd, &c, 1) == 1);
}

/* By datagram, which needs no connect(). */
static int send_unix(char **args)
{
    struct sockaddr_un a;
    socklen_t n = unix_address(args[0], &a);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return effect_if(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, n) == 1);
}

/* The same by a socket that is one of a pair, with the name in a message. */
static int send_unix_paired(char **args)
{
    struct sockaddr_un a;
    socklen_t n = unix_address(args[0], &a);
    char c = 'x';
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_name = &a, .msg_namelen = n, .msg_iov = &v, .msg_iovlen = 1};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0)
        return REFUSED;
    return effect_if(sendmsg(pair[0], &m, 0) == 1);
}

/* SOCK_RAW is SOCK_DGRAM under another number. */
static int send_unix_raw(char **args)
{
    struct sockaddr_un a;
    socklen_t n = unix_address(args[0], &a);
    int fd = socket(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC, 0);

    return effect_if(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, n) == 1);
}

/* Takes a descriptor that a process outside offers, and writes to it. */
static int take_smuggled(char **args)
{
    char c, space[CMSG_SPACE(sizeof(int))];
    struct iovec v = {&c, 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    int fd = connect_unix(args[0]), got = -1;

    if (fd < 0 || recvmsg(fd, &m, 0) <= 0 || CMSG_FIRSTHDR(&m) == NULL)
        return REFUSED;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
    return effect_if(write(got, "EVIL", 4) == 4);
}

static int bind_name(char **args)
{
    struct sockaddr_un a;
    socklen_t n = unix_address(args[0], &a);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return effect_if(bind(fd, (struct sockaddr *)&a, n) == 0);
}

/* args: family, type, protocol */
static int make(char **args)
{
    return effect_if_known(socket(atoi(args[0]), atoi(args[1]), atoi(args[2])) >= 0);
}

static socklen_t ip_address(char **args, struct sockaddr_storage *s)
{
    struct sockaddr_in *four = (void *)s;
    struct sockaddr_in6 *six = (void *)s;

    memset(s, 0, sizeof(*s));
    if (inet_pton(AF_INET, args[0], &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)atoi(args[1]));
        return sizeof(*four);
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)atoi(args[1]));
    return inet_pton(AF_INET6, args[0], &six->sin6_addr) == 1 ? sizeof(*six) : 0;
}

/* A datagram that is sent is no effect yet; an answer is. args: address, port */
static int ask_datagram(char **args)
{
    struct sockaddr_storage s;
    socklen_t n = ip_address(args, &s);
    struct timeval t = {.tv_usec = 500000};
    int fd = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char c;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    return effect_if(sendto(fd, "secret", 6, 0, (struct sockaddr *)&s, n) == 6 &&
                     recv(fd, &c, 1, 0) == 1);
}

static int ask_stream(char **args)
{
    struct sockaddr_storage s;
    socklen_t n = ip_address(args, &s);
    struct timeval t = {.tv_sec = 5};
    int fd = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char c;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    return effect_if(connect(fd, (struct sockaddr *)&s, n) == 0 && write(fd, "secret", 6) == 6 &&
                     read(fd, &c, 1) == 1);
}

/* The SYN carries data: no connect() is called. */
static int ask_fast_open(char **args)
{
    struct sockaddr_storage s;
    socklen_t n = ip_address(args, &s);
    struct timeval t = {.tv_sec = 5};
    int fd = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char c;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    return effect_if(sendto(fd, "secret", 6, MSG_FASTOPEN, (struct sockaddr *)&s, n) == 6 &&
                     read(fd, &c, 1) == 1);
}

/* args: address, socket type (SOCK_RAW or SOCK_DGRAM) */
static int ping(char **args)
{
    char *to[] = {args[0], (char[]){"0"}};
    struct sockaddr_storage s;
    socklen_t n = ip_address(to, &s);
    struct icmphdr echo = {.type = ICMP_ECHO, .checksum = htons(0xf7ff)};
    struct timeval t = {.tv_usec = 500000};
    int fd = socket(AF_INET, atoi(args[1]), IPPROTO_ICMP);
    char c[128];

    if (fd < 0 && getenv("BELAY_SESSION") == NULL && errno == EACCES)
        return UNAVAILABLE; /* ping_group_range */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    return effect_if(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&s, n) == sizeof(echo) &&
                     recv(fd, c, sizeof(c), 0) > 0);
}

const struct attack socket_attacks[] = {
    {"greet", 1, greet},
    {"send_unix", 1, send_unix},
    {"take_smuggled", 1, take_smuggled},
    {"bind_name", 1, bind_name},
    {"make", 3, make},
    {"send_unix_paired", 1, send_unix_paired},
    {"send_unix_raw", 1, send_unix_raw},
    {"ask_datagram", 2, ask_datagram},
    {"ask_stream", 2, ask_stream},
    {"ask_fast_open", 2, ask_fast_open},
    {"ping", 2, ping},
    {NULL, 0, NULL},
};
