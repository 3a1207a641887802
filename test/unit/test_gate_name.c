/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical names and addresses: the spellings by which name checks were fooled elsewhere. */
#include "gate/addr.h"
#include "gate/name.h"

#include "unit.h"

#include <stdlib.h>

static const char *canonical(struct str text)
{
    static struct name name;

    return name_from_text(text, &name) ? name.s : "refused";
}

TEST(spellings_of_one_name)
{
    CHECK_STR(canonical(STR("example.com")), "example.com");
    CHECK_STR(canonical(STR("Example.COM")), "example.com");
    CHECK_STR(canonical(STR("example.com.")), "example.com");
    CHECK_STR(canonical(STR("_dmarc.example.com")), "_dmarc.example.com");
    CHECK_STR(canonical(STR("XN--bcher-KVA.example")), "xn--bcher-kva.example");
    CHECK_STR(canonical(STR("a")), "a");
    CHECK_STR(canonical(STR("3com.com")), "3com.com");
    /* whole names are compared, so a suffix or prefix of an allowed one is another name */
    CHECK_STR(canonical(STR("allowed.com.evil")), "allowed.com.evil");
}

TEST(what_is_no_name)
{
    const struct str bad[] = {
        STR(""),
        STR("."),
        STR(".."),
        STR("a..b"),
        STR(".a"),
        STR("a.."),
        STR("a b"),
        STR(" a"),
        STR("a\0.evil"),
        STR("allowed.com\0.evil.com"),
        STR("user@example.com"),
        STR("user:pw@example.com"),
        STR("example.com:443"),
        STR("example.com/x"),
        STR("a%2eb"),
        STR("b\xc3\xbc"
            "cher.example"),
        STR("-a.com"),
        STR("a-.com"),
        STR("a.-"),
        STR("a\\.b"),
        STR("a\n"),
        STR("\x7f"),
        STR("*.com"),
        STR("[::1]"),
        STR("::1"),
        STR("a\xe3\x80\x82"
            "com"),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_STR(canonical(bad[i]), "refused");
}

/* inet_aton() and URL parsers take these for 127.0.0.1 and the like. */
TEST(numbers_are_no_names)
{
    const struct str bad[] = {
        STR("2130706433"), STR("0x7f000001"), STR("127.1"), STR("127.0.0.1"),
        STR("0177.0.0.1"), STR("0x7f.1"),     STR("a.1"),   STR("a.0x1"),
        STR("a.0X1F"),     STR("1"),          STR("0x"),    STR("a.0x"),
        STR("127.0.0.1."),
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_STR(canonical(bad[i]), "refused");
    CHECK_STR(canonical(STR("1.a")), "1.a");
    CHECK_STR(canonical(STR("a.0y")), "a.0y");
}

TEST(lengths)
{
    char text[300];
    struct name name;

    memset(text, 'a', sizeof(text));
    CHECK(name_from_text((struct str){text, 63}, &name));
    CHECK(!name_from_text((struct str){text, 64}, &name));
    for (size_t i = 49; i < sizeof(text); i += 50)
        text[i] = '.';
    CHECK(name_from_text((struct str){text, 253}, &name));
    CHECK_INT(name.n, 253);
    CHECK_INT(strlen(name.s), 253);
    CHECK(!name_from_text((struct str){text, 254}, &name));
}

TEST(localhost_names)
{
    const struct {
        struct str text;
        bool local;
    } cases[] = {{STR("localhost"), true},     {STR("LOCALHOST."), true},
                 {STR("a.b.localhost"), true}, {STR("localhost.evil"), false},
                 {STR("notlocalhost"), false}, {STR("localhostx"), false},
                 {STR("x-localhost"), false}};
    struct name name;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(name_from_text(cases[i].text, &name));
        CHECK_INT(name_is_localhost(&name), cases[i].local);
    }
}

static const char *address(const char *text)
{
    static char out[ADDR_TEXT_MAX];
    struct addr a;

    if (!addr_from_text(str_of(text), &a))
        return "refused";
    addr_text(&a, out);
    return out;
}

TEST(addresses_in_one_form)
{
    CHECK_STR(address("127.0.0.1"), "127.0.0.1");
    CHECK_STR(address("::ffff:127.0.0.1"), "127.0.0.1");
    CHECK_STR(address("::FFFF:7f00:1"), "127.0.0.1");
    CHECK_STR(address("0:0:0:0:0:0:0:1"), "::1");
    CHECK_STR(address("2001:DB8::0:1"), "2001:db8::1");
    CHECK_STR(address("127.1"), "refused");
    CHECK_STR(address("2130706433"), "refused");
    CHECK_STR(address("0x7f.0.0.1"), "refused");
    CHECK_STR(address("0177.0.0.1"), "refused");
    CHECK_STR(address("fe80::1%eth0"), "refused");
    CHECK_STR(address("1.2.3.4 "), "refused");
    CHECK_STR(address(""), "refused");
}

TEST(addresses_that_cannot_be_meant)
{
    const struct {
        const char *text;
        bool usable, loopback;
    } cases[] = {{"0.0.0.0", false, false},
                 {"0.1.2.3", false, false},
                 {"224.0.0.1", false, false},
                 {"255.255.255.255", false, false},
                 {"::", false, false},
                 {"ff02::1", false, false},
                 {"fe80::1", false, false},
                 {"febf::1", false, false},
                 {"::ffff:0.0.0.0", false, false},
                 {"127.0.0.1", true, true},
                 {"127.255.0.9", true, true},
                 {"::1", true, true},
                 {"10.0.0.1", true, false},
                 {"::2", true, false},
                 {"fec0::1", true, false}};
    struct addr a;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(addr_from_text(str_of(cases[i].text), &a));
        CHECK_INT(addr_usable(&a), cases[i].usable);
        CHECK_INT(addr_is_loopback(&a), cases[i].loopback);
    }
}

TEST(address_and_port)
{
    struct addr a;
    uint16_t port = 0;

    CHECK(addr_port_from_text(STR("127.0.0.1:5353"), &a, &port));
    CHECK_INT(port, 5353);
    CHECK(addr_port_from_text(STR("[::1]:53"), &a, &port));
    CHECK_INT(a.n, 16);
    CHECK(!addr_port_from_text(STR("::1:53"), &a, &port));
    CHECK(!addr_port_from_text(STR("127.0.0.1"), &a, &port));
    CHECK(!addr_port_from_text(STR("127.0.0.1:0"), &a, &port));
    CHECK(!addr_port_from_text(STR("127.0.0.1:65536"), &a, &port));
    CHECK(!addr_port_from_text(STR("127.0.0.1:+5"), &a, &port));
    CHECK(!addr_port_from_text(STR(""), &a, &port));
}

TEST(reverse_names)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;

    CHECK(addr_from_reverse(STR("4.3.2.1.in-addr.arpa"), &a));
    addr_text(&a, text);
    CHECK_STR(text, "1.2.3.4");
    CHECK(addr_from_reverse(STR("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.7.1.6.c.6.5.6.2.6.d.f"
                                ".ip6.arpa"),
                            &a));
    addr_text(&a, text);
    CHECK_STR(text, "fd62:656c:6179::1");
    CHECK(!addr_from_reverse(STR("3.2.1.in-addr.arpa"), &a));
    CHECK(!addr_from_reverse(STR("1.ip6.arpa"), &a));
    CHECK(!addr_from_reverse(STR("x.in-addr.arpa"), &a));
    CHECK(addr_is_reverse(STR("1.ip6.arpa")) && addr_is_reverse(STR("in-addr.arpa")));
    CHECK(!addr_is_reverse(STR("xin-addr.arpa")));
}

UNIT_MAIN(UNIT(spellings_of_one_name), UNIT(what_is_no_name), UNIT(numbers_are_no_names),
          UNIT(lengths), UNIT(localhost_names), UNIT(addresses_in_one_form),
          UNIT(addresses_that_cannot_be_meant), UNIT(address_and_port), UNIT(reverse_names))
