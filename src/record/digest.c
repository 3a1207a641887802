/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_API_COMPAT 10100
#include "record/digest.h"

#include <assert.h>
#include <openssl/sha.h>

void digest_bytes(struct str bytes, unsigned char out[DIGEST_SIZE])
{
    SHA256_CTX c;

    int ok = SHA256_Init(&c) && SHA256_Update(&c, bytes.p, bytes.n) && SHA256_Final(out, &c);
    assert(ok);
}

void digest_hex(const unsigned char digest[DIGEST_SIZE], char out[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * DIGEST_SIZE] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(struct str hex, unsigned char out[DIGEST_SIZE])
{
    if (hex.n != 2 * DIGEST_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = hex_value(hex.p[2 * i]), low = hex_value(hex.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
