/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/creds_basic.h"

#include <string.h>

static const char scheme[] = "Basic ";
#define SCHEME (sizeof(scheme) - 1)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

bool creds_basic_decode(struct str value, char plain[CREDS_BASIC_MAX], struct str *user)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;

    if (value.n <= SCHEME || strncasecmp(value.p, scheme, SCHEME) != 0)
        return false;
    for (size_t i = SCHEME; i < value.n && value.p[i] != '='; i++) {
        int d = digit_of(value.p[i]);

        if (d < 0 || n == CREDS_BASIC_MAX)
            return false;
        bits = (bits << 6 | (uint32_t)d) & 0xffffff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        plain[n++] = (char)(bits >> held & 0xff);
    }
    *user = (struct str){plain, n};
    return n > 0;
}

size_t creds_basic_encode(struct str user, char *out)
{
    size_t n = SCHEME;

    if (out != NULL)
        memcpy(out, scheme, SCHEME);
    for (size_t i = 0; i < user.n; i += 3) {
        size_t left = user.n - i;
        uint32_t bits = (uint32_t)(unsigned char)user.p[i] << 16;

        if (left > 1)
            bits |= (uint32_t)(unsigned char)user.p[i + 1] << 8;
        if (left > 2)
            bits |= (unsigned char)user.p[i + 2];
        for (unsigned k = 0; k < 4; k++, n++)
            if (out != NULL)
                out[n] = k <= left ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    return n;
}
