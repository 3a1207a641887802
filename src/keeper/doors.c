/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/doors.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BACKLOG = 128 };

static bool parse_port(const char *text, const char *end, uint16_t *port)
{
    unsigned n = 0;

    if (text == end || end - text > 5)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (unsigned)(*text - '0');
    }
    *port = (uint16_t)n;
    return n > 0 && n <= 65535;
}

bool published_parse(const char *text, struct published *p)
{
    const char *end = text, *colon = NULL;

    for (; *end != '\0'; end++)
        if (*end == ':' && colon == NULL)
            colon = end;
    if (colon != NULL)
        return parse_port(text, colon, &p->outside) && parse_port(colon + 1, end, &p->inside);
    if (!parse_port(text, end, &p->outside))
        return false;
    p->inside = p->outside;
    return true;
}

/* A listener; -1 with errno. */
static int listen_on(uint16_t port, bool six)
{
    const struct sockaddr_in at4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 at6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *at = six ? (const void *)&at6 : (const void *)&at4;
    const int on = 1;
    AUTO_CLOSE int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, at, six ? sizeof(at6) : sizeof(at4)) != 0 || listen(fd, BACKLOG) != 0)
        return -1;
    return fd_take(&fd);
}

static bool open_door(const struct published *p, bool six, struct gate_config *c, struct err *e)
{
    int fd = listen_on(p->outside, six);

    if (fd >= 0) {
        c->doors[c->ndoors++] = (struct gate_door){fd, p->inside};
        return true;
    }
    if (six && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        return true;
    return err_sys(
        e, EX_HOST,
        "port %u of this host cannot be opened for --publish; another one can lead to the "
        "same server: --publish OTHER:%u",
        (unsigned)p->outside, (unsigned)p->inside);
}

bool doors_open(const struct published *list, size_t n, struct gate_config *c, struct err *e)
{
    assert(n <= PUBLISHED_MAX && c->ndoors == 0);
    for (size_t i = 0; i < n; i++)
        if (!open_door(&list[i], false, c, e) || !open_door(&list[i], true, c, e)) {
            doors_close(c);
            return false;
        }
    return true;
}

void doors_close(struct gate_config *c)
{
    for (size_t i = 0; i < c->ndoors; i++)
        mem_auto_close(&c->doors[i].listener);
    c->ndoors = 0;
}
