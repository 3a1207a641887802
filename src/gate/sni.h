/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sni.h - the name in a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), read from the first
 * bytes of a connection that is passed through unopened.
 *
 * What looks like TLS must be a whole and exact ClientHello: a length that does not fit, an
 * extension given twice, more than one name or bytes behind the end are refused, since
 * another parser might find another name there. Not seen: a second ClientHello after a
 * HelloRetryRequest, TLS that begins later (STARTTLS), and what is said inside of it.
 */
#ifndef BELAY_GATE_SNI_H
#define BELAY_GATE_SNI_H

#include "gate/name.h"

#include <stddef.h>

#define SNI_HELLO_MAX 16384 /* bytes of a ClientHello; real ones take up to about 4,000 */

enum sni_result {
    SNI_NOT_TLS, /* something else, or nothing */
    SNI_MORE,    /* the beginning of a ClientHello */
    SNI_OK,
    SNI_BAD,
};

struct sni {
    bool present;
    struct name name;
};

enum sni_result sni_parse(const uint8_t *p, size_t n, struct sni *sni);

/* May a connection that was allowed to `host` (a canonical name, or the text of an address)
 * begin like this? `named`: the host is a name. NULL: yes; else why not. */
const char *sni_objection(const struct sni *sni, struct str host, bool named, uint16_t port);

#endif
