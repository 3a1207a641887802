/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/netlink.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Room for n bytes, padded to NLMSG_ALIGNTO and zeroed; NULL when full. */
static unsigned char *take(struct nl_batch *b, size_t n)
{
    size_t padded = NLMSG_ALIGN(n);
    unsigned char *p = b->data + b->n;

    if (b->full || padded > NL_BATCH_MAX - b->n) {
        b->full = true;
        return NULL;
    }
    memset(p, 0, padded);
    b->n += padded;
    return p;
}

/* The open message's header counts what was added. */
static void grown(struct nl_batch *b)
{
    struct nlmsghdr h;

    memcpy(&h, b->data + b->message, sizeof(h));
    h.nlmsg_len = (uint32_t)(b->n - b->message);
    memcpy(b->data + b->message, &h, sizeof(h));
}

void nl_start(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t nhead)
{
    struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};
    unsigned char *p;

    b->message = b->n;
    p = take(b, sizeof(h) + nhead);
    if (p == NULL)
        return;
    if ((flags & NLM_F_ACK) != 0)
        b->acks++;
    memcpy(p, &h, sizeof(h));
    memcpy(p + sizeof(h), head, nhead);
    grown(b);
}

void nl_put(struct nl_batch *b, uint16_t type, const void *p, size_t n)
{
    struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + n), .nla_type = type};
    unsigned char *to = n > 4096 ? NULL : take(b, sizeof(a) + n);

    if (to == NULL) {
        b->full = true;
        return;
    }
    memcpy(to, &a, sizeof(a));
    if (n > 0)
        memcpy(to + sizeof(a), p, n);
    grown(b);
}

void nl_put_text(struct nl_batch *b, uint16_t type, const char *text)
{
    nl_put(b, type, text, strlen(text) + 1);
}

void nl_put_be32(struct nl_batch *b, uint16_t type, uint32_t value)
{
    uint32_t big = htonl(value);

    nl_put(b, type, &big, sizeof(big));
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
    size_t nest = b->n;

    nl_put(b, type | NLA_F_NESTED, NULL, 0);
    return nest;
}

void nl_nest_end(struct nl_batch *b, size_t nest)
{
    struct nlattr a;

    if (b->full)
        return;
    memcpy(&a, b->data + nest, sizeof(a));
    a.nla_len = (uint16_t)(b->n - nest);
    memcpy(b->data + nest, &a, sizeof(a));
}

static int netlink_socket(int protocol)
{
    const struct timeval patience = {.tv_sec = 2};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* Reads one packet of answers; -1 with errno, else how many acknowledgements it held. */
static int read_acks(int fd)
{
    unsigned char answer[8192] __attribute__((aligned(8)));
    ssize_t n;
    int acks = 0;

    do {
        n = recv(fd, answer, sizeof(answer), 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    for (size_t at = 0; at + sizeof(struct nlmsghdr) <= (size_t)n;) {
        struct nlmsghdr h;
        int error = 0;
        memcpy(&h, answer + at, sizeof(h));
        if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > (size_t)n - at)
            break;
        if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_len >= sizeof(h) + sizeof(error)) {
            memcpy(&error, answer + at + sizeof(h), sizeof(error));
            if (error != 0) {
                errno = -error;
                return -1;
            }
            acks++;
        }
        at += NLMSG_ALIGN(h.nlmsg_len);
    }
    return acks;
}

bool nl_send(struct nl_batch *b, int protocol, const char *what, struct err *e)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    AUTO_CLOSE int fd = -1;

    if (b->full)
        return err_set(e, EX_FAIL, "%s: more than %u bytes of requests", what, NL_BATCH_MAX);
    fd = netlink_socket(protocol);
    if (fd < 0)
        return err_sys(e, EX_HOST, "%s: netlink socket", what);
    if (sendto(fd, b->data, b->n, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return err_sys(e, EX_HOST, "%s: sending to the kernel", what);
    for (size_t got = 0; got < b->acks;) {
        int acks = read_acks(fd);
        if (acks < 0)
            return err_sys(e, EX_HOST, "%s", what);
        got += (size_t)acks;
    }
    return true;
}
