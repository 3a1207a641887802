/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sniff.h - what the client of a connection that is to be opened begins to speak.
 *
 * Whatever a lenient HTTP server could take for a request counts as HTTP, and is then read
 * strictly: a first byte that is a letter, a blank or an end of line, unless it is the greeting of
 * a protocol that is known to be another. So nobody gets a request past the judge by a malformed
 * beginning.
 */
#ifndef BELAY_GATE_SNIFF_H
#define BELAY_GATE_SNIFF_H

#include "gate/sni.h"

enum sniff {
    SNIFF_MORE, /* too little to tell */
    SNIFF_TLS,  /* a whole ClientHello; *sni is filled */
    SNIFF_HTTP,
    SNIFF_OTHER,
    SNIFF_BAD, /* TLS, but malformed */
};

enum sniff sniff(const uint8_t *p, size_t n, struct sni *sni);

#endif
