/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/causes.h"

#include <string.h>

void causes_exec(struct causes *c, pid_t pid, uint64_t event, bool led)
{
    size_t set = (size_t)(unsigned)pid % CAUSES_SETS, way = 0;

    if (pid <= 0)
        return;
    for (size_t i = 0; i < CAUSES_WAYS; i++) {
        if (c->set[set][i].pid == pid) {
            way = i;
            break;
        }
        if (c->set[set][i].used < c->set[set][way].used)
            way = i;
    }
    c->set[set][way].pid = pid;
    c->set[set][way].event = event;
    c->set[set][way].led = led;
    c->set[set][way].used = ++c->used;
}

uint64_t causes_of(struct causes *c, pid_t pid, bool *led)
{
    size_t set = (size_t)(unsigned)pid % CAUSES_SETS;

    *led = false;
    if (pid <= 0)
        return 0;
    for (size_t i = 0; i < CAUSES_WAYS; i++)
        if (c->set[set][i].pid == pid) {
            c->set[set][i].used = ++c->used;
            *led = c->set[set][i].led;
            return c->set[set][i].event;
        }
    return 0;
}

void causes_connect(struct causes *c, int64_t now_ms, pid_t pid, struct str address, int64_t port)
{
    struct connect_note *n = &c->connects[c->next_connect];

    if (pid <= 0 || address.n == 0 || address.n >= sizeof(n->address))
        return;
    *n = (struct connect_note){.pid = pid, .port = port, .at_ms = now_ms};
    memcpy(n->address, address.p, address.n);
    c->next_connect = (c->next_connect + 1) % CONNECTS_MAX;
}

pid_t causes_match(struct causes *c, int64_t now_ms, struct str address, int64_t port)
{
    for (size_t i = 0; i < CONNECTS_MAX; i++) {
        struct connect_note *n = &c->connects[(c->next_connect + i) % CONNECTS_MAX];

        if (n->pid == 0 || n->port != port || now_ms - n->at_ms > CONNECT_MS ||
            (address.n > 0 && !str_is(address, n->address)))
            continue;
        pid_t pid = n->pid;
        n->pid = 0;
        return pid;
    }
    return 0;
}
