/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/gate.h"

#include "base/mem.h"
#include "gate/dnsd.h"
#include "gate/door.h"
#include "gate/exchange.h"
#include "gate/prepare.h"
#include "gate/publish.h"
#include "gate/tls.h"
#include "gate/scan.h"
#include "gate/state.h"
#include "jail/confine.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL_IF2(name, a0, v0, a1, v1)                                        \
    {                                                                         \
        .nr = SYS_##name, .action = SECCOMP_RET_ALLOW, .ntests = 2, .test = { \
            {.arg = (a0), .how = BPF_EQ, .mask = BPF_INT, .value = (v0)},     \
            {.arg = (a1), .how = BPF_EQ, .mask = BPF_INT, .value = (v1)},     \
        }                                                                     \
    }
#define OPTION(call, level, option) CALL_IF2(call, 1, level, 2, option)

/* The type is in the low bits, beside SOCK_NONBLOCK and SOCK_CLOEXEC. */
#define SOCKET(family, type)                                                  \
    {                                                                         \
        .nr = SYS_socket, .action = SECCOMP_RET_ALLOW, .ntests = 2, .test = { \
            {.arg = 0, .how = BPF_EQ, .mask = BPF_INT, .value = (family)},    \
            {.arg = 1, .how = BPF_EQ, .mask = 0xf, .value = (type)},          \
        }                                                                     \
    }

enum { ORIGINAL_DST = 80 }; /* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, see door.c */

/* What the gate does beside the common calls: sockets of the internet families, and pipes. */
static const struct bpf_rule calls[] = {
    SOCKET(AF_INET, SOCK_STREAM),
    SOCKET(AF_INET, SOCK_DGRAM),
    SOCKET(AF_INET6, SOCK_STREAM),
    SOCKET(AF_INET6, SOCK_DGRAM),
    CALL(connect),
    CALL(accept4),
    CALL(getsockname),
    CALL(splice),
    CALL(pipe2),
    CALL_IF(fcntl, 1, BPF_INT, F_SETPIPE_SZ),
    OPTION(getsockopt, SOL_SOCKET, SO_ERROR),
    OPTION(getsockopt, IPPROTO_IP, ORIGINAL_DST),
    OPTION(getsockopt, IPPROTO_IPV6, ORIGINAL_DST),
    OPTION(setsockopt, SOL_SOCKET, SO_LINGER),
    OPTION(setsockopt, SOL_SOCKET, SO_KEEPALIVE),
    OPTION(setsockopt, IPPROTO_TCP, TCP_NODELAY),
    OPTION(setsockopt, IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(setsockopt, IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(setsockopt, IPPROTO_TCP, TCP_KEEPCNT),
};

/* Descriptors that one connection can take: two sockets and two pipes, or one socket and its
 * attempts to connect; and those that are no connection's. */
enum { FDS_EACH = 7, FDS_OTHER = 512 };

enum { CALLBACKS_MAX = 64 }; /* between two looks for new events */

/* The end of the role without a way back: nothing that it holds may be acted on any more. NULL:
 * the judge is gone; why is the keeper's to say. */
static void lost(const char *why)
{
    if (why != NULL)
        dprintf(STDERR_FILENO, "belay: gate: %s\n", why);
    _exit(EX_ROLE);
}

static void on_keeper(evutil_socket_t fd, short what, void *arg)
{
    char byte;

    (void)what;
    (void)arg;
    /* After CONFIG the keeper has nothing to say: what comes is its end. */
    if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
        _exit(EX_OK);
    lost("the keeper sent something unexpected");
}

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    static const char *const words[] = {
#define X(sym, text) text,
        REFUSALS(X)
#undef X
    };
    struct gate *g = arg;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        if (g->refused[i] > 0)
            gate_note(g->asker,
                      &(struct note){.kind = "refused", .text = words[i], .count = g->refused[i]});
        g->refused[i] = 0;
    }
}

void gate_refuse(struct gate *g, enum refusal why)
{
    static const struct timeval delay = {1, 0};

    assert(why < REFUSAL_COUNT);
    g->refused[why]++;
    if (!event_pending(g->tell, EV_TIMEOUT, NULL))
        event_add(g->tell, &delay);
}

/* As many descriptors as may be had; the limit on connections follows what there is. */
static void fit_descriptors(struct gate_limits *limits)
{
    struct rlimit r;
    rlim_t most = 1;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        lost("cannot read the limit on descriptors");
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        lost("cannot raise the limit on descriptors");
    if (r.rlim_cur > FDS_OTHER + FDS_EACH)
        most = (r.rlim_cur - FDS_OTHER) / FDS_EACH;
    if (limits->connections > most)
        limits->connections = (uint32_t)most;
}

static bool set_resolvers(struct hostcfg *h, const struct gate_config *c, struct err *e)
{
    if (c->nresolvers == 0) {
        hostcfg_read(h, "/etc/resolv.conf", "/etc/hosts");
        return true;
    }
    for (size_t i = 0; i < c->nresolvers; i++) {
        struct server *s = &h->servers[h->nservers++];

        if (!addr_port_from_text(str_of(c->resolvers[i]), &s->addr, &s->port))
            return err_set(e, EX_POLICY, "\"%s\" is no ADDRESS:PORT of a name server",
                           c->resolvers[i]);
    }
    return true;
}

/* An event that wakes another (or itself) must not keep the loop from looking for new ones. */
static struct event_base *new_loop(void)
{
    struct event_config *c = event_config_new();
    struct event_base *base = NULL;

    if (c != NULL && event_config_set_max_dispatch_interval(c, NULL, CALLBACKS_MAX, 0) == 0)
        base = event_base_new_with_config(c);
    if (c != NULL)
        event_config_free(c);
    return base;
}

static void on_reload(void *arg)
{
    struct gate *g = arg;

    pool_forget_refusals(g->pool);
    if (g->upstreams != NULL)
        upstreams_forget(g->upstreams);
    doors_reloaded(g->doors);
}

/* Before the gate reads its first hostile byte, and gives up its files. */
static bool take_credentials(struct gate *g, struct gate_config *c, struct err *e)
{
    if (c->credentials < 0)
        return true;
    g->creds = creds_load(c->credentials, e);
    mem_auto_close(&c->credentials);
    return g->creds != NULL;
}

static void on_marks(void *arg, struct str labels, struct str marks)
{
    static bool told;
    struct gate *g = arg;

    if (scanner_marks(g->scanner, labels, marks) || told)
        return;
    told = true;
    gate_note(g->asker, &(struct note){.kind = "alert",
                                       .text = "more labelled content was read than the gate can "
                                               "tell copies of"});
}

/* What is too short to be known again leaves no mark. */
static void know_canary(struct detect *d, const char *value)
{
    uint64_t marks[GATE_CANARY_MAX];
    size_t n = detect_marks_of(value, strlen(value), marks, GATE_CANARY_MAX);

    (void)detect_marks_add(d, "canary", marks, n);
}

static struct scanner *make_scanner(const struct gate_config *c, struct err *e)
{
    const struct scan_settings s = {.entropy = c->detect_entropy,
                                    .names = c->detect_names,
                                    .off = &c->detect_off,
                                    .allow = &c->detect_allow};

    struct scanner *scanner = scanner_new(&s, e);

    for (size_t i = 0; scanner != NULL && i < c->ncanaries; i++)
        know_canary(scanner_detect(scanner), c->canaries[i]);
    return scanner;
}

static bool prepare(struct gate *g, const struct gate_config *c, struct err *e)
{
    struct passes *passes = NULL;
    struct dnsd *dnsd;
    uint32_t seed;

    g->limits = c->limits;
    g->prices = c->prices;
    g->ipv6 = c->tcp6 >= 0;
    if (g->limits.mebibytes < UINT32_MAX)
        g->meter.most = (uint64_t)g->limits.mebibytes << 20;
    fit_descriptors(&g->limits);
    g->base = new_loop();
    if (g->base == NULL || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return err_set(e, EX_ROLE, "gate: cannot start its event loop");
    g->tell = event_new(g->base, -1, 0, on_tell, g);
    g->asker = asker_new(g->base, ROLE_FD_JUDGE, g->limits.pending, lost);
    g->pool = pool_new(seed);
    asker_on_reload(g->asker, on_reload, g);
    asker_on_marks(g->asker, on_marks, g);
    g->scanner = make_scanner(c, e);
    if (g->scanner == NULL || !set_resolvers(&g->hostcfg, c, e))
        return false;
    g->resolver = resolver_new(g->base, &g->hostcfg, g->limits.lookup_ms);
    dnsd = dnsd_new(g, c->udp4, c->udp6, e);
    if (dnsd == NULL)
        return false;
    if (c->kern >= 0) {
        passes = passes_new(g, dnsd, c->kern, e);
        if (passes == NULL)
            return false;
    }
    if (g->tls != NULL)
        g->upstreams = upstreams_new(g, &exchange_up_hooks);
    g->doors = doors_new(g, dnsd, passes, c->tcp4, c->tcp6, e);
    return g->doors != NULL && publish_open(g, c, e);
}

static bool answer(unsigned type, const char *text)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    frame_start(f, (uint16_t)type, 1);
    if (text != NULL)
        frame_put_cstr(f, MSG_TAG_TEXT, text);
    return frame_send(ROLE_FD_KEEPER, f, NULL, 0);
}

static const struct confine confinement = {
    .name = "belay-gate",
    .rules = calls,
    .nrules = ARRAY_LEN(calls),
    .landlock = CONFINE_FILES | CONFINE_SCOPES,
};

/*
 * The keeper's first words: PREPARE, if the policy opens anything, and CONFIG. The authority is made
 * while the keeper still reads the policy; for one that opens nothing it was made in vain.
 */
static bool begin(struct gate *g, struct gate_config *c, struct err *e)
{
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));
    struct tls *tls = tls_new(e);

    if (tls == NULL)
        return false;
    for (;;) {
        if (frame_recv(ROLE_FD_KEEPER, f, FRAME_MAX_FDS) != FRAME_OK)
            return err_set(e, EX_ROLE, "gate: the keeper sent no usable settings");
        if (f->type != MSG_PREPARE || g->tls != NULL)
            return gate_config_read(f, c, e);
        if (!gate_prepared(ROLE_FD_KEEPER, tls, f, e))
            return false;
        g->tls = tls;
    }
}

int gate_main(void)
{
    struct gate *g = xcalloc(1, sizeof(*g)); /* lives to the end of the process */
    struct gate_config config;
    struct err e;

    gate_config_init(&config);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a key will be made before the rest is given up */
    if (!begin(g, &config, &e) || !take_credentials(g, &config, &e) || !prepare(g, &config, &e) ||
        !confine_role(&confinement, &e)) {
        answer(MSG_FAILED, e.text);
        return EX_ROLE;
    }
    gate_config_free(&config);
    struct event *keeper =
        event_new(g->base, ROLE_FD_KEEPER, EV_READ | EV_PERSIST, on_keeper, NULL);

    if (keeper == NULL || event_add(keeper, NULL) != 0 || !answer(MSG_READY, NULL))
        return EX_ROLE;
    event_base_dispatch(g->base);
    return EX_ROLE; /* the loop never ends in order */
}
