/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/mem.h"
#include "policy/address.h"

static const struct {
    const char *text;
    unsigned class;
} addresses[] = {
    {"1.1.1.1", NET_GLOBAL},
    {"172.32.0.1", NET_GLOBAL},
    {"100.128.0.1", NET_GLOBAL},
    {"198.20.0.1", NET_GLOBAL},
    {"10.0.0.1", NET_PRIVATE},
    {"172.16.0.1", NET_PRIVATE},
    {"172.31.255.255", NET_PRIVATE},
    {"192.168.1.1", NET_PRIVATE},
    {"100.64.0.1", NET_PRIVATE},
    {"127.0.0.1", NET_LOOPBACK},
    {"127.255.255.255", NET_LOOPBACK},
    {"0.0.0.0", NET_UNSPECIFIED},
    {"0.1.2.3", NET_UNSPECIFIED},
    {"169.254.1.1", NET_LINK_LOCAL},
    {"169.254.169.254", NET_LINK_LOCAL | NET_METADATA},
    {"100.100.100.200", NET_PRIVATE | NET_METADATA},
    {"168.63.129.16", NET_METADATA},
    {"224.0.0.251", NET_MULTICAST},
    {"255.255.255.255", NET_MULTICAST | NET_RESERVED},
    {"240.0.0.1", NET_RESERVED},
    {"192.0.2.1", NET_RESERVED},
    {"198.18.0.1", NET_RESERVED},
    {"2606:4700::1111", NET_GLOBAL},
    {"::", NET_UNSPECIFIED},
    {"::1", NET_LOOPBACK},
    {"fe80::1", NET_LINK_LOCAL},
    {"fd12::1", NET_PRIVATE},
    {"fd00:ec2::254", NET_PRIVATE | NET_METADATA},
    {"ff02::1", NET_MULTICAST},
    {"2001:db8::1", NET_RESERVED},
    {"4000::1", NET_RESERVED},
    /* one address inside another */
    {"::ffff:1.1.1.1", NET_GLOBAL},
    {"::ffff:127.0.0.1", NET_LOOPBACK},
    {"::ffff:169.254.169.254", NET_LINK_LOCAL | NET_METADATA},
    {"64:ff9b::1.1.1.1", NET_GLOBAL},
    {"64:ff9b::10.0.0.1", NET_PRIVATE},
    {"64:ff9b:1::7f00:1", NET_PRIVATE | NET_LOOPBACK},
    {"2002:7f00:1::", NET_LOOPBACK},
    {"2002:a9fe:a9fe::1", NET_LINK_LOCAL | NET_METADATA},
    {"::127.0.0.1", NET_LOOPBACK | NET_RESERVED},
    {"2606:4700::5efe:10.0.0.1", NET_PRIVATE},
    {"2606:4700::200:5efe:127.0.0.1", NET_LOOPBACK},
    {"2001:0:7f00:1::", NET_RESERVED | NET_LOOPBACK | NET_MULTICAST},
};

TEST(classes_follow_the_registries)
{
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct address a;

        CHECK(address_parse(str_of(addresses[i].text), &a));
        if (address_class(&a) != addresses[i].class)
            printf("# %s: %#x, want %#x\n", addresses[i].text, address_class(&a),
                   addresses[i].class);
        CHECK(address_class(&a) == addresses[i].class);
    }
}

TEST(only_canonical_hosts_pass)
{
    static const char *const good[] = {
        "a",       "example.com", "_dns.example.com", "xn--bcher-kva.de",
        "1.2.3.4", "::1",         "1.example",        "fe80::1"};
    static const char *const bad[] = {"",
                                      ".",
                                      "a.",
                                      ".a",
                                      "a..b",
                                      "A",
                                      "b\xc3\xbc.de",
                                      "a b",
                                      "a/b",
                                      "a:1",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "127.1",
                                      "017.0.0.1",
                                      "0x7f.1",
                                      "0x7f000001",
                                      "2130706433",
                                      "1.2.3.04",
                                      "::01",
                                      "::FFFF:1.2.3.4",
                                      "[::1]",
                                      "fe80::1%lo",
                                      "1.2.3.256",
                                      "a.0x1",
                                      "0:0:0:0:0:0:0:1"};
    char name[260];
    struct address a;
    bool is_address;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        CHECK(host_is_canonical(str_of(good[i]), &is_address, &a));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (host_is_canonical(str_of(bad[i]), &is_address, &a))
            printf("# %s passes\n", bad[i]);
        CHECK(!host_is_canonical(str_of(bad[i]), &is_address, &a));
    }
    CHECK(!host_is_canonical((struct str){"a.com\0.evil", 11}, &is_address, &a));
    memset(name, 'a', sizeof(name));
    CHECK(host_is_canonical((struct str){name, 63}, &is_address, &a));
    CHECK(!host_is_canonical((struct str){name, 64}, &is_address, &a));
    for (size_t i = 1; i < sizeof(name); i += 2)
        name[i] = '.';
    CHECK(host_is_canonical((struct str){name, 253}, &is_address, &a));
    CHECK(!host_is_canonical((struct str){name, 255}, &is_address, &a));
}

UNIT_MAIN(UNIT(classes_follow_the_registries), UNIT(only_canonical_hosts_pass))
