/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - SHA-256 (FIPS 180-4) of one run of bytes, binary and in lower-case hex.
 *
 * libcrypto's SHA256_* functions are used rather than EVP: they need no provider, no
 * configuration file and no start-up work, which a role pays for each session.
 */
#ifndef BELAY_RECORD_DIGEST_H
#define BELAY_RECORD_DIGEST_H

#include "base/text.h"

#include <stdbool.h>

#define DIGEST_SIZE 32
#define DIGEST_HEX  (2 * DIGEST_SIZE + 1) /* with the terminating zero */

void digest_bytes(struct str bytes, unsigned char out[DIGEST_SIZE]);
void digest_hex(const unsigned char digest[DIGEST_SIZE], char out[DIGEST_HEX]);
/* Exactly 64 lower-case hex digits; false otherwise. */
bool digest_parse(struct str hex, unsigned char out[DIGEST_SIZE]);

#endif
