/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/wire.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

bool wire_send(int sock, enum wire_type type, int value, const char *text, const int *fds,
               size_t nfds)
{
    struct wire m = {.type = type, .value = value};
    union {
        char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {&m, offsetof(struct wire, text)};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t sent;

    if (text != NULL) {
        strncpy(m.text, text, sizeof(m.text) - 1);
        iov.iov_len += strlen(m.text) + 1;
    }
    if (nfds > 0) {
        struct cmsghdr *c;
        h.msg_control = control.space;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        c = &control.align; /* CMSG_FIRSTHDR(&h) */
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    do {
        sent = sendmsg(sock, &h, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static void take_control(struct wire_in *in, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(c), sizeof(who));
            in->sender = who.pid;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            in->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(in->fds, CMSG_DATA(c), in->nfds * sizeof(int));
        }
    }
}

static bool wait_readable(int sock, int ms)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

enum wire_result wire_recv(int sock, struct wire_in *in, int ms)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {&in->msg, sizeof(in->msg)};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof(control.space)};
    ssize_t n;

    *in = (struct wire_in){.fds = {-1, -1, -1, -1}};
    if (!wait_readable(sock, ms))
        return WIRE_NOTHING;
    do {
        n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return WIRE_NOTHING;
    if (n <= 0)
        return WIRE_GONE;
    take_control(in, &h);
    in->msg.text[sizeof(in->msg.text) - 1] = '\0';
    return WIRE_OK;
}

void wire_close_fds(struct wire_in *in)
{
    for (size_t i = 0; i < WIRE_FDS_MAX; i++)
        mem_auto_close(&in->fds[i]);
}
