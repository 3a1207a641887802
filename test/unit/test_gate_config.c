/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's settings: from the keeper, and from the host's name service files. */
#include "gate/gate.h"
#include "gate/hostcfg.h"

#include "base/frame.h"
#include "base/mem.h"
#include "unit.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool receive(int sock, struct gate_config *c, struct err *e)
{
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));

    return frame_recv(sock, f, FRAME_MAX_FDS) == FRAME_OK && gate_config_read(f, c, e);
}

static int pair[2] = {-1, -1};
static struct err e;

static bool exchange(const struct gate_config *in, struct gate_config *out)
{
    return gate_config_send(pair[0], in, &e) && receive(pair[1], out, &e);
}

TEST(settings_arrive)
{
    struct gate_config in, out;

    CHECK(frame_pair(pair, &e));
    gate_config_init(&in);
    in.tcp4 = STDIN_FILENO;
    in.udp6 = STDOUT_FILENO;
    in.credentials = STDERR_FILENO;
    in.limits.connections = 17;
    in.nresolvers = 1;
    strcpy(in.resolvers[0], "[::1]:5353");
    const char *off[] = {"jwt", "iban"};
    in.detect_off = (struct settings_list){off, 2};
    in.detect_entropy = 400;
    in.prices = "a/b 1 2 3 4\n";
    CHECK(exchange(&in, &out));
    CHECK_STR(out.prices, in.prices);
    CHECK(out.tcp4 >= 0 && out.tcp6 == -1 && out.udp4 == -1 && out.udp6 >= 0);
    CHECK(out.tcp4 != out.udp6);
    CHECK(out.credentials >= 0 && out.inward == -1);
    CHECK_INT(out.limits.connections, 17);
    CHECK_INT(out.limits.idle_seconds, 7200);
    CHECK_INT(out.nresolvers, 1);
    CHECK_STR(out.resolvers[0], "[::1]:5353");
    CHECK_INT(out.detect_entropy, 400);
    CHECK_INT(out.detect_names, 0);
    CHECK_INT(out.detect_off.n, 2);
    CHECK_STR(out.detect_off.item[1], "iban");
    CHECK_INT(out.detect_allow.n, 0);
    gate_config_free(&out);
    free((void *)(uintptr_t)out.prices);
    close(out.tcp4);
    close(out.udp6);
}

TEST(settings_out_of_range)
{
    struct gate_config in, out;

    gate_config_init(&in);
    in.limits.connections = 1000000;
    CHECK(!exchange(&in, &out));
    CHECK(strstr(e.text, "settings") != NULL);
}

/* A frame of the test's own making. */
static bool received(void (*put)(struct frame_out *), unsigned type)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    struct gate_config out;

    frame_start(f, (uint16_t)type, 1);
    put(f);
    return frame_send(pair[0], f, NULL, 0) && receive(pair[1], &out, &e);
}

static void nothing(struct frame_out *f)
{
    (void)f;
}

static void missing_descriptor(struct frame_out *f)
{
    frame_put_int(f, MSG_TAG_CONFIG, 1);
}

static void unknown_field(struct frame_out *f)
{
    frame_put_int(f, 200, 1);
}

static void wrong_kind(struct frame_out *f)
{
    frame_put_int(f, MSG_TAG_CONFIG + 1, 1);
}

TEST(malformed_settings)
{
    CHECK(received(nothing, MSG_CONFIG));
    CHECK(!received(nothing, MSG_EVENT));
    CHECK(!received(missing_descriptor, MSG_CONFIG));
    CHECK(!received(unknown_field, MSG_CONFIG));
    CHECK(!received(wrong_kind, MSG_CONFIG));
    close(pair[0]);
    struct gate_config out;
    CHECK(!receive(pair[1], &out, &e)); /* the keeper is gone */
    close(pair[1]);
}

TEST(resolv_conf)
{
    char text[ADDR_TEXT_MAX];
    struct hostcfg c = {0};

    hostcfg_resolv(&c, STR("# nameserver 9.9.9.9\nsearch a.b\n nameserver\t127.0.0.53 # x\r\n"
                           "nameserver fe80::1%nosuch0\nnameserver x\nnameserver ::1;\noptions\n"
                           "nameserver 192.0.2.1\nnameserver 192.0.2.2"));
    CHECK_INT(c.nservers, 3);
    addr_text(&c.servers[0].addr, text);
    CHECK_STR(text, "127.0.0.53");
    CHECK_INT(c.servers[0].port, 53);
    addr_text(&c.servers[1].addr, text);
    CHECK_STR(text, "::1");
    addr_text(&c.servers[2].addr, text);
    CHECK_STR(text, "192.0.2.1");
    hostcfg_free(&c);
}

TEST(link_local_servers)
{
    struct hostcfg c = {0};

    hostcfg_resolv(&c, STR("nameserver fe80::1%no-such-interface\nnameserver fe80::1%\n"
                           "nameserver 127.0.0.1%lo\nnameserver fe80::1%lo\n"));
    if (if_nametoindex("lo") == 0)
        SKIP("no loopback interface");
    CHECK_INT(c.nservers, 1);
    CHECK_INT(c.servers[0].zone, if_nametoindex("lo"));
    CHECK_INT(c.servers[0].addr.b[0], 0xfe);
    hostcfg_free(&c);
}

TEST(etc_hosts)
{
    struct hostcfg c = {0};
    struct addr found[2];
    struct name name;

    hostcfg_hosts(&c, STR("127.0.0.1 localhost\n10.0.0.1\tDB.internal db # a comment\n"
                          "10.0.0.2 db\n10.0.0.3 db\nnonsense db\n10.0.0.9 a..b ok"));
    CHECK(name_from_text(STR("db.internal"), &name));
    CHECK_INT(hostcfg_find(&c, &name, found, 2), 1);
    CHECK_INT(found[0].b[3], 1);
    CHECK(name_from_text(STR("db"), &name));
    CHECK_INT(hostcfg_find(&c, &name, found, 2), 2);
    CHECK(name_from_text(STR("ok"), &name));
    CHECK_INT(hostcfg_find(&c, &name, found, 2), 1);
    CHECK(name_from_text(STR("a"), &name));
    CHECK_INT(hostcfg_find(&c, &name, found, 2), 0);
    hostcfg_free(&c);
}

TEST(no_files)
{
    struct hostcfg c = {0};

    hostcfg_read(&c, "/nonexistent/resolv.conf", "/nonexistent/hosts");
    CHECK_INT(c.nservers, 1);
    CHECK(addr_is_loopback(&c.servers[0].addr));
    CHECK_INT(c.nhosts, 0);
    hostcfg_free(&c);
}

UNIT_MAIN(UNIT(settings_arrive), UNIT(settings_out_of_range), UNIT(malformed_settings),
          UNIT(resolv_conf), UNIT(link_local_servers), UNIT(etc_hosts), UNIT(no_files))
