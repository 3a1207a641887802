/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect.h - shared by connect.c (addresses, path sockets) and net.c (the internet in tier B).
 */
#ifndef BELAY_KERN_CONNECT_H
#define BELAY_KERN_CONNECT_H

#include "kern/request.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

struct connect {
    union address to; /* as the task said it; then what is really connected to, or bound */
    socklen_t n;
    int domain;
    bool started; /* in progress: wait until it is writable */
};

#endif
