/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/net.h"

#include "base/fd.h"
#include "base/frame.h"
#include "kern/listeners.h"
#include "kern/plan.h"
#include "policy/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_DNS = 53 };

static struct frame_out out; /* one at a time */

/* ---- addresses ------------------------------------------------------------------------------- */

/* Of the address as the kernel would take it; v4-mapped ones are IPv4. False: none of the two. */
static bool read_target(const union address *a, socklen_t n, struct target *t)
{
    memset(t, 0, sizeof(*t));
    if (a->any.sa_family == AF_INET && n >= sizeof(a->in4)) {
        memcpy(t->b, &a->in4.sin_addr, 4);
        t->n = 4;
        t->port = ntohs(a->in4.sin_port);
        return true;
    }
    if (a->any.sa_family != AF_INET6 || n < sizeof(a->in6))
        return false;
    t->port = ntohs(a->in6.sin6_port);
    t->n = IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) ? 4 : 16;
    memcpy(t->b, a->in6.sin6_addr.s6_addr + (t->n == 4 ? 12 : 0), t->n);
    return true;
}

/* Nowhere means here. */
static void resolve_any(struct target *t)
{
    static const unsigned char none[16];

    if (memcmp(t->b, none, t->n) != 0)
        return;
    if (t->n == 4)
        t->b[0] = 127;
    t->b[t->n - 1] = 1;
}

static bool is_loopback(const struct target *t)
{
    return t->n == 4 ? t->b[0] == 127
                     : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)t->b);
}

/* As an address for a socket of this domain: IPv4 on an IPv6 socket is v4-mapped. */
static int write_target(int domain, const struct target *t, union address *a, socklen_t *n)
{
    memset(a, 0, sizeof(*a));
    if (domain == AF_INET) {
        if (t->n != 4)
            return -EAFNOSUPPORT;
        a->in4.sin_family = AF_INET;
        a->in4.sin_port = htons(t->port);
        memcpy(&a->in4.sin_addr, t->b, 4);
        *n = sizeof(a->in4);
        return 0;
    }
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = htons(t->port);
    if (t->n == 4)
        memset(a->in6.sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(a->in6.sin6_addr.s6_addr + (t->n == 4 ? 12 : 0), t->b, t->n);
    *n = sizeof(a->in6);
    return 0;
}

static struct target loopback(unsigned n, uint16_t port)
{
    struct target t = {.n = n, .port = port};

    if (n == 4)
        t.b[0] = 127;
    t.b[n - 1] = 1;
    return t;
}

/* ---- the way to the gate --------------------------------------------------------------------- */

/* Where the socket is bound; a port of 0: nowhere. */
static int local_of(int fd, struct target *t)
{
    union address a = {.any = {0}};
    socklen_t n = sizeof(a);

    if (getsockname(fd, &a.any, &n) != 0)
        return -errno;
    return read_target(&a, n, t) ? 0 : -EAFNOSUPPORT;
}

static int bind_to(const struct request *r, const struct target *t)
{
    union address a;
    socklen_t n = 0;
    int error = write_target(r->connect->domain, t, &a, &n);

    if (error != 0)
        return error;
    return bind(r->held, &a.any, n) == 0 ? 0 : -errno;
}

/* The gate hears of a connection before it comes. */
static int announce(struct request *r, const struct target *to, unsigned family, uint16_t from)
{
    char text[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(to->n == 4 ? AF_INET : AF_INET6, to->b, text, sizeof(text));
    frame_start(&out, MSG_PASS, 0);
    frame_put_int(&out, MSG_TAG_KIND, family);
    frame_put_int(&out, MSG_TAG_LOCAL, from);
    frame_put_cstr(&out, MSG_TAG_ADDRESS, text);
    frame_put_int(&out, MSG_TAG_PORT, to->port);
    if (!frame_send(r->kern->net.gate, &out, NULL, 0))
        return errno == EAGAIN ? -EAGAIN : -ENETUNREACH;
    request_note_connect(r, text, to->port);
    return 0;
}

static int aim_at_gate(struct request *r, const struct target *to)
{
    const struct net *net = &r->kern->net;
    struct target door = loopback(to->n, to->n == 4 ? net->door4 : net->door6);
    struct target own = {.n = 0};

    if (net->gate < 0 || door.port == 0)
        return -ENETUNREACH;
    int error = local_of(r->held, &own);
    if (error == 0 && own.port == 0) {
        const struct target anywhere = loopback(to->n, 0);

        error = bind_to(r, &anywhere);
        if (error == 0)
            error = local_of(r->held, &own);
    }
    if (error == 0)
        error = announce(r, to, to->n == 4 ? 4 : 6, own.port);
    return error != 0 ? error
                      : write_target(r->connect->domain, &door, &r->connect->to, &r->connect->n);
}

static bool is_named_port(const struct net *net, uint16_t port)
{
    for (size_t i = 0; i < net->nports; i++)
        if (net->ports[i] == port)
            return true;
    return false;
}

static bool is_own(void *ctx, ino_t inode)
{
    const struct net *net = ctx;
    size_t n = net->nservers < NET_SERVERS_MAX ? net->nservers : NET_SERVERS_MAX;

    for (size_t i = 0; i < n; i++)
        if (net->servers[i] == inode)
            return true;
    return false;
}

/* A server of the agent's own, or nobody: what else listens there is the host's. */
static int aim_at_own(struct request *r, struct target *to)
{
    if (!listeners_own(r->kern->view.proc, to, is_own, &r->kern->net))
        return -ECONNREFUSED;
    return write_target(r->connect->domain, to, &r->connect->to, &r->connect->n);
}

int net_aim(struct request *r)
{
    struct connect *c = r->connect;
    struct target to;

    if (c->to.any.sa_family == AF_UNSPEC)
        return 0; /* takes the connection away */
    if (c->to.any.sa_family != c->domain || !read_target(&c->to, c->n, &to))
        return -EAFNOSUPPORT;
    if (to.port == 0)
        return -ECONNREFUSED;
    resolve_any(&to);
    if (is_loopback(&to) && to.port != PORT_DNS && !is_named_port(&r->kern->net, to.port))
        return aim_at_own(r, &to);
    return aim_at_gate(r, &to);
}

/* ---- servers --------------------------------------------------------------------------------- */

static bool is_v6only(int fd)
{
    int on = 0;
    socklen_t n = sizeof(on);

    return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &n) == 0 && on != 0;
}

int net_narrow(struct request *r)
{
    struct connect *c = r->connect;
    struct target t;
    static const unsigned char none[16];

    if (c->domain == AF_INET && c->to.any.sa_family == AF_UNSPEC && c->n >= sizeof(c->to.in4))
        c->to.any.sa_family = AF_INET; /* the kernel takes it for that; ip(7) */
    if (c->to.any.sa_family != c->domain || !read_target(&c->to, c->n, &t))
        return -EAFNOSUPPORT;
    if (memcmp(t.b, none, t.n) == 0) /* every address: IPv4's too, if the socket has both */
        t = loopback(c->domain == AF_INET6 && is_v6only(r->held) ? 16 : 4, t.port);
    if (!is_loopback(&t))
        return -EADDRNOTAVAIL;
    return write_target(c->domain, &t, &c->to, &c->n);
}

static enum step prepare_listen(struct request *r)
{
    socklen_t n = sizeof(r->connect->domain);

    r->connect = arena_alloc(&r->arena, sizeof(*r->connect));
    r->held = tracee_steal((pid_t)r->call.pid, (int)request_arg(r, 0));
    if (r->held < 0) {
        int error = -r->held;
        r->held = -1;
        return answer_error(r, error);
    }
    if (getsockopt(r->held, SOL_SOCKET, SO_DOMAIN, &r->connect->domain, &n) != 0)
        return answer_error(r, errno);
    return STEP_JUDGE;
}

/* An unbound socket would be bound to every address of the host. */
static int bind_before_listening(struct request *r)
{
    bool six = r->connect->domain == AF_INET6 && is_v6only(r->held);
    const struct target anywhere = loopback(six ? 16 : 4, 0);
    struct target own = {.n = 0};
    int error = local_of(r->held, &own);

    if (error != 0)
        return error;
    if (own.port == 0)
        return bind_to(r, &anywhere);
    return is_loopback(&own) ? 0 : -EACCES;
}

static enum step act_listen(struct request *r)
{
    struct net *net = &r->kern->net;
    bool internet = r->connect->domain == AF_INET || r->connect->domain == AF_INET6;
    struct stat st;
    int error = internet ? bind_before_listening(r) : 0;

    if (error == 0 && listen(r->held, (int)request_arg(r, 1)) != 0)
        error = -errno;
    if (error == 0 && internet && fstat(r->held, &st) == 0)
        net->servers[net->nservers++ % NET_SERVERS_MAX] = st.st_ino;
    return answer_result(r, error);
}

const struct plan plan_listen = {prepare_listen, act_listen};

/* ---- names ----------------------------------------------------------------------------------- */

bool net_is_names(const struct connect *c)
{
    return c->domain == AF_UNIX &&
           (c->to.any.sa_family == AF_INET || c->to.any.sa_family == AF_INET6);
}

/* Whichever name server is meant, the gate's answers. What is no name server is out of reach. */
int net_names_connect(const struct connect *c)
{
    struct target t;

    if (!read_target(&c->to, c->n, &t))
        return -EINVAL;
    return t.port == PORT_DNS ? 0 : -ENETUNREACH;
}

/* Resolvers bind to any port before they ask; a server of datagrams cannot be had. */
int net_names_bind(const struct connect *c)
{
    struct target t;

    if (!read_target(&c->to, c->n, &t))
        return -EINVAL;
    return t.port == 0 ? 0 : -EACCES;
}

static enum step prepare_socket(struct request *r)
{
    int protocol = (int)request_arg(r, 2);

    if (protocol != 0 && protocol != IPPROTO_UDP)
        return answer_error(r, EPROTONOSUPPORT);
    return r->kern->net.gate < 0 ? answer_error(r, EACCES) : STEP_JUDGE;
}

static enum step act_socket(struct request *r)
{
    int flags = (int)request_arg(r, 1), sv[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) != 0)
        return answer_error(r, errno);
    frame_start(&out, MSG_PASS, 0);
    frame_put_int(&out, MSG_TAG_KIND, 0);
    bool sent = frame_send(r->kern->net.gate, &out, &sv[1], 1);
    int error = errno;
    (void)close(sv[1]);
    if (sent && (flags & SOCK_NONBLOCK) == 0)
        sent = fcntl(sv[0], F_SETFL, O_RDWR) == 0;
    if (sent)
        return answer_fd(r, sv[0], (flags & SOCK_CLOEXEC) != 0);
    (void)close(sv[0]);
    return error == EAGAIN ? STEP_LATER : answer_error(r, ENOBUFS);
}

const struct plan plan_socket = {prepare_socket, act_socket};
