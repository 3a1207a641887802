/* SPDX-License-Identifier: Apache-2.0 */
/* alphabet.h - what a byte is worth in base64 (both alphabets), hex and base32; above: nothing. */
#ifndef BELAY_DETECT_ALPHABET_H
#define BELAY_DETECT_ALPHABET_H

#include <stdbool.h>
#include <stdint.h>

#define ALPHABET_NONE 255

extern const uint8_t alphabet_base64[256]; /* RFC 4648, 4 and 5 */
extern const uint8_t alphabet_hex[256];
extern const uint8_t alphabet_base32[256]; /* RFC 4648, 6; small letters too */

static inline bool alphabet_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

#endif
