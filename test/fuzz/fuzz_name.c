/* SPDX-License-Identifier: Apache-2.0 */
/* Host names, addresses and the host's name service files. */
#include "gate/hostcfg.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(struct addr a)
{
    char text[ADDR_TEXT_MAX];
    struct addr again;

    addr_text(&a, text);
    assert(addr_from_text(str_of(text), &again) && addr_eq(&a, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct hostcfg c = {0};
    struct name name, again;
    struct addr a;
    uint16_t port;

    if (name_from_text(text, &name)) {
        assert(name.n == strlen(name.s) && name.n > 0);
        assert(name_from_text(name_str(&name), &again) && name_eq(&name, &again));
        /* no spelling is both a name and an address */
        assert(!addr_from_text(text, &a));
        (void)name_is_localhost(&name);
    }
    if (addr_from_text(text, &a))
        check_addr(a);
    if (addr_port_from_text(text, &a, &port)) {
        assert(port > 0);
        check_addr(a);
    }
    if (addr_from_reverse(text, &a))
        check_addr(a);
    hostcfg_resolv(&c, text);
    hostcfg_hosts(&c, text);
    for (size_t i = 0; i < c.nhosts; i++)
        check_addr(c.hosts[i].addr);
    hostcfg_free(&c);
    return 0;
}
