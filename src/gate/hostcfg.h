/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostcfg.h - the host's own name service settings, read once before confinement: name servers
 * of /etc/resolv.conf and names of /etc/hosts. Search domains are not used: the agent's
 * questions are judged and looked up as they stand.
 */
#ifndef BELAY_GATE_HOSTCFG_H
#define BELAY_GATE_HOSTCFG_H

#include "gate/addr.h"
#include "gate/name.h"

#define SERVERS_MAX     3    /* as resolv.conf(5), MAXNS */
#define HOSTS_LINES_MAX 4096 /* entries of /etc/hosts that are kept */

struct server {
    struct addr addr;
    uint16_t port;
    unsigned zone; /* interface of a link-local address (RFC 4007, 11), else 0 */
};

struct hosts_entry {
    struct name name;
    struct addr addr;
};

struct hostcfg {
    size_t nservers;
    struct server servers[SERVERS_MAX];
    size_t nhosts;
    struct hosts_entry *hosts; /* owned */
};

/* From text; what cannot be read is passed over, as resolvers do. */
void hostcfg_resolv(struct hostcfg *c, struct str text);
void hostcfg_hosts(struct hostcfg *c, struct str text);

/* From the files. A missing file is an empty one. */
void hostcfg_read(struct hostcfg *c, const char *resolv_path, const char *hosts_path);
void hostcfg_free(struct hostcfg *c);

/* Copies up to `max` addresses of the name in /etc/hosts; returns how many. */
size_t hostcfg_find(const struct hostcfg *c, const struct name *name, struct addr *out, size_t max);

#endif
