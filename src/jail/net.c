/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/net.h"
#include "base/mem.h"
#include "jail/jail.h"
#include "jail/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK_INDEX 1 /* lo is the first device of every network namespace */
#define TABLE          "belay"

static void put_link_up(struct nl_batch *b)
{
    const struct ifinfomsg lo = {
        .ifi_index = LOOPBACK_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

    nl_start(b, RTM_NEWLINK, NLM_F_ACK, &lo, sizeof(lo));
}

/* ip route add local default dev lo */
static void put_local_default(struct nl_batch *b, unsigned char family)
{
    const struct rtmsg route = {.rtm_family = family,
                                .rtm_table = RT_TABLE_LOCAL,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
                                .rtm_type = RTN_LOCAL};
    const uint32_t index = LOOPBACK_INDEX;

    nl_start(b, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof(route));
    nl_put(b, RTA_OIF, &index, sizeof(index));
}

bool net_loopback_up(struct err *e)
{
    struct nl_batch b = {.n = 0};

    put_link_up(&b);
    return nl_send(&b, NETLINK_ROUTE, "bringing up loopback", e);
}

static bool routes_up(bool six, struct err *e)
{
    struct nl_batch b = {.n = 0};

    put_link_up(&b);
    put_local_default(&b, AF_INET);
    if (six)
        put_local_default(&b, AF_INET6);
    return nl_send(&b, NETLINK_ROUTE, "routing every address to loopback", e);
}

static void nft_start(struct nl_batch *b, uint16_t message, uint16_t flags)
{
    const struct nfgenmsg head = {.nfgen_family = NFPROTO_INET};

    nl_start(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags | NLM_F_ACK, &head,
             sizeof(head));
}

static void nft_batch_mark(struct nl_batch *b, uint16_t type)
{
    const struct nfgenmsg head = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};

    nl_start(b, type, 0, &head, sizeof(head));
}

static void nft_chain(struct nl_batch *b, const char *name, const char *type, int priority,
                      uint32_t policy)
{
    size_t hook;

    nft_start(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    nl_put_text(b, NFTA_CHAIN_TABLE, TABLE);
    nl_put_text(b, NFTA_CHAIN_NAME, name);
    nl_put_text(b, NFTA_CHAIN_TYPE, type);
    nl_put_be32(b, NFTA_CHAIN_POLICY, policy);
    hook = nl_nest(b, NFTA_CHAIN_HOOK);
    nl_put_be32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
    nl_put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    nl_nest_end(b, hook);
}

struct nft_rule {
    struct nl_batch *b;
    size_t list;
};

static struct nft_rule nft_rule(struct nl_batch *b, const char *chain)
{
    struct nft_rule r = {.b = b};

    nft_start(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    nl_put_text(b, NFTA_RULE_TABLE, TABLE);
    nl_put_text(b, NFTA_RULE_CHAIN, chain);
    r.list = nl_nest(b, NFTA_RULE_EXPRESSIONS);
    return r;
}

struct nft_expr {
    size_t element, data;
};

static struct nft_expr expr(struct nft_rule r, const char *name)
{
    struct nft_expr x = {.element = nl_nest(r.b, NFTA_LIST_ELEM)};

    nl_put_text(r.b, NFTA_EXPR_NAME, name);
    x.data = nl_nest(r.b, NFTA_EXPR_DATA);
    return x;
}

static void expr_end(struct nft_rule r, struct nft_expr x)
{
    nl_nest_end(r.b, x.data);
    nl_nest_end(r.b, x.element);
}

static void put_data(struct nft_rule r, uint16_t type, const void *p, size_t n)
{
    size_t nest = nl_nest(r.b, type);

    nl_put(r.b, NFTA_DATA_VALUE, p, n);
    nl_nest_end(r.b, nest);
}

static void load(struct nft_rule r, const char *what, uint16_t reg, uint16_t key, uint32_t value)
{
    struct nft_expr x = expr(r, what);

    nl_put_be32(r.b, reg, NFT_REG_1);
    nl_put_be32(r.b, key, value);
    expr_end(r, x);
}

static void load_header(struct nft_rule r, uint32_t base, uint32_t at, uint32_t n)
{
    struct nft_expr x = expr(r, "payload");

    nl_put_be32(r.b, NFTA_PAYLOAD_DREG, NFT_REG_1);
    nl_put_be32(r.b, NFTA_PAYLOAD_BASE, base);
    nl_put_be32(r.b, NFTA_PAYLOAD_OFFSET, at);
    nl_put_be32(r.b, NFTA_PAYLOAD_LEN, n);
    expr_end(r, x);
}

static void mask(struct nft_rule r, const void *bits, uint32_t n)
{
    static const unsigned char zero[16];
    struct nft_expr x = expr(r, "bitwise");

    nl_put_be32(r.b, NFTA_BITWISE_SREG, NFT_REG_1);
    nl_put_be32(r.b, NFTA_BITWISE_DREG, NFT_REG_1);
    nl_put_be32(r.b, NFTA_BITWISE_LEN, n);
    put_data(r, NFTA_BITWISE_MASK, bits, n);
    put_data(r, NFTA_BITWISE_XOR, zero, n);
    expr_end(r, x);
}

static void compare(struct nft_rule r, uint32_t op, const void *p, size_t n)
{
    struct nft_expr x = expr(r, "cmp");

    nl_put_be32(r.b, NFTA_CMP_SREG, NFT_REG_1);
    nl_put_be32(r.b, NFTA_CMP_OP, op);
    put_data(r, NFTA_CMP_DATA, p, n);
    expr_end(r, x);
}

static void match_protocol(struct nft_rule r, uint8_t protocol)
{
    load(r, "meta", NFTA_META_DREG, NFTA_META_KEY, NFT_META_L4PROTO);
    compare(r, NFT_CMP_EQ, &protocol, 1);
}

static void match_port(struct nft_rule r, uint16_t port)
{
    const uint16_t big = htons(port);

    load_header(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    compare(r, NFT_CMP_EQ, &big, sizeof(big));
}

/* Destination is (NFT_CMP_EQ) or is not (NFT_CMP_NEQ) 127.0.0.0/8 or ::1. */
static void match_loopback(struct nft_rule r, uint8_t family, uint32_t op)
{
    static const unsigned char net[4] = {127}, net_mask[4] = {255};

    load(r, "meta", NFTA_META_DREG, NFTA_META_KEY, NFT_META_NFPROTO);
    compare(r, NFT_CMP_EQ, &family, 1);
    if (family == NFPROTO_IPV4) {
        load_header(r, NFT_PAYLOAD_NETWORK_HEADER, 16, 4);
        mask(r, net_mask, sizeof(net_mask));
        compare(r, op, net, sizeof(net));
    } else {
        load_header(r, NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
        compare(r, op, &in6addr_loopback, sizeof(in6addr_loopback));
    }
}

static void redirect(struct nft_rule r, uint16_t port)
{
    const uint16_t big = htons(port);
    struct nft_expr x = expr(r, "immediate");

    nl_put_be32(r.b, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    put_data(r, NFTA_IMMEDIATE_DATA, &big, sizeof(big));
    expr_end(r, x);
    x = expr(r, "redir");
    nl_put_be32(r.b, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
    expr_end(r, x);
    nl_nest_end(r.b, r.list);
}

static void accept_it(struct nft_rule r)
{
    struct nft_expr x = expr(r, "immediate");
    size_t data, verdict;

    nl_put_be32(r.b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    data = nl_nest(r.b, NFTA_IMMEDIATE_DATA);
    verdict = nl_nest(r.b, NFTA_DATA_VERDICT);
    nl_put_be32(r.b, NFTA_VERDICT_CODE, NF_ACCEPT);
    nl_nest_end(r.b, verdict);
    nl_nest_end(r.b, data);
    expr_end(r, x);
    nl_nest_end(r.b, r.list);
}

static void put_redirects(struct nl_batch *b, const uint16_t *ports, size_t nports)
{
    static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
    struct nft_rule r;

    nft_chain(b, "out", "nat", -100 /* dstnat */, NF_ACCEPT);
    for (size_t i = 0; i < nports; i++) {
        r = nft_rule(b, "out");
        match_protocol(r, IPPROTO_TCP);
        match_port(r, ports[i]);
        redirect(r, JAIL_TCP_PORT);
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        r = nft_rule(b, "out");
        match_protocol(r, IPPROTO_TCP);
        match_loopback(r, families[i], NFT_CMP_NEQ);
        redirect(r, JAIL_TCP_PORT);
    }
    r = nft_rule(b, "out");
    match_protocol(r, IPPROTO_UDP);
    match_port(r, JAIL_DNS_PORT);
    redirect(r, JAIL_DNS_PORT);
}

static void put_filter(struct nl_batch *b)
{
    const uint8_t reply = 1; /* IP_CT_DIR_REPLY: what the gate's sockets answer */
    struct nft_rule r;

    nft_chain(b, "only", "filter", 0, NF_DROP);
    r = nft_rule(b, "only");
    load(r, "ct", NFTA_CT_DREG, NFTA_CT_KEY, NFT_CT_DIRECTION);
    compare(r, NFT_CMP_EQ, &reply, 1);
    accept_it(r);
    r = nft_rule(b, "only");
    match_loopback(r, NFPROTO_IPV4, NFT_CMP_EQ);
    accept_it(r);
    r = nft_rule(b, "only");
    match_loopback(r, NFPROTO_IPV6, NFT_CMP_EQ);
    accept_it(r);
}

static bool redirects_up(const uint16_t *ports, size_t nports, struct err *e)
{
    struct nl_batch b = {.n = 0};

    nft_batch_mark(&b, NFNL_MSG_BATCH_BEGIN);
    nft_start(&b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    nl_put_text(&b, NFTA_TABLE_NAME, TABLE);
    put_redirects(&b, ports, nports);
    put_filter(&b);
    nft_batch_mark(&b, NFNL_MSG_BATCH_END);
    if (!nl_send(&b, NETLINK_NETFILTER, "redirecting the agent's connections", e))
        return err_wrap(e, "nftables (nf_tables, nft_redir, nft_ct, nf_nat are needed)");
    return true;
}

static int open_socket(int family, int type, uint16_t port)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *at =
        family == AF_INET ? (const struct sockaddr *)&four : (const struct sockaddr *)&six;
    socklen_t n = family == AF_INET ? sizeof(four) : sizeof(six);
    const int on = 1;
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, at, n) != 0 || (type == SOCK_STREAM && listen(fd, 4096) != 0))
        mem_auto_close(&fd); /* keeps errno */
    return fd;
}

static bool open_sockets(struct net_sockets *s, bool six, struct err *e)
{
    s->tcp4 = open_socket(AF_INET, SOCK_STREAM, JAIL_TCP_PORT);
    s->udp4 = s->tcp4 < 0 ? -1 : open_socket(AF_INET, SOCK_DGRAM, JAIL_DNS_PORT);
    if (s->udp4 < 0)
        return err_sys(e, EX_HOST, "listening for the gate inside the jail (IPv4)");
    if (!six)
        return true;
    s->tcp6 = open_socket(AF_INET6, SOCK_STREAM, JAIL_TCP_PORT);
    s->udp6 = s->tcp6 < 0 ? -1 : open_socket(AF_INET6, SOCK_DGRAM, JAIL_DNS_PORT);
    if (s->udp6 < 0)
        return err_sys(e, EX_HOST, "listening for the gate inside the jail (IPv6)");
    return true;
}

/* Whether this kernel has IPv6 and it is on: ::1 can be bound once lo is up. */
static bool have_ipv6(void)
{
    AUTO_CLOSE int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

    return fd >= 0;
}

bool net_gate_up(const uint16_t *ports, size_t nports, struct net_sockets *out, struct err *e)
{
    bool six;

    *out = (struct net_sockets){-1, -1, -1, -1};
    if (!net_loopback_up(e))
        return false;
    six = have_ipv6();
    return routes_up(six, e) && redirects_up(ports, nports, e) && open_sockets(out, six, e);
}
