/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - where a credential may go, as belay.yaml writes it: HOST[:PORT][/PATH].
 *
 * The host may begin with "*.": every name below it, not it itself. In the path '*' stands for
 * any bytes. Without a port it is 443, without a path any. Views of the text that was read.
 */
#ifndef BELAY_POLICY_PLACE_H
#define BELAY_POLICY_PLACE_H

#include "base/text.h"

struct place {
    struct str host; /* without the "*." */
    bool below;      /* it began with "*." */
    uint16_t port;
    struct str path; /* a pattern that begins with '/' */
};

/* False: it is none. */
bool place_read(struct str text, struct place *p);
/* Does a request to this canonical host, port and path (without query) go there? */
bool place_fits(const struct place *p, struct str host, uint16_t port, struct str path);
bool place_has_host(const struct place *p, struct str host);

#endif
