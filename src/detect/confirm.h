/* SPDX-License-Identifier: Apache-2.0 */
/* confirm.h - checksums, entropy and placeholders: what tells a finding from what looks like one.
 */
#ifndef BELAY_DETECT_CONFIRM_H
#define BELAY_DETECT_CONFIRM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shannon entropy of at most 1024 bytes: bits per 100 of them. */
unsigned confirm_entropy(const uint8_t *p, size_t n);

/* Written by people to stand for a value: EXAMPLE, your-..., xxxx, changeme, one repeated run. */
bool confirm_placeholder(const uint8_t *p, size_t n);

/* Has it a letter and a digit? */
bool confirm_mixed(const uint8_t *p, size_t n);

/* ...DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDCCCCCC: the last six are the CRC-32 of the 30 before. */
bool confirm_crc62(const uint8_t *p, size_t n);

/* Digits only: the check digit of ISO/IEC 7812 (Luhn). */
bool confirm_luhn(const uint8_t *digits, size_t n);
/* How long the numbers of the issuer with these first digits are; 0: none is known. */
size_t confirm_issuer(const uint8_t first[4]);

/* ISO 13616: how long a country's IBAN is (0: there is none), and the check of mod 97. */
size_t confirm_iban_length(const uint8_t country[2]);
bool confirm_iban(const uint8_t *p, size_t n);

/* The first part of a JWT: base64url of a JSON object that names an algorithm. */
bool confirm_jwt_header(const uint8_t *p, size_t n);

/* An American social security number NNN-NN-NNNN that can have been given out. */
bool confirm_ssn(const uint8_t p[11]);

/* Does p[0..n) hold `word` (small letters), whatever the case? */
bool confirm_has(const uint8_t *p, size_t n, const char *word);

#endif
