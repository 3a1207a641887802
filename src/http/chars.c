/* SPDX-License-Identifier: Apache-2.0 */
#include "http/chars.h"

#include <string.h>

/* clang-format off */
const unsigned char http_token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|', ['~'] = '~',
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
    ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g',
    ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
    ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
    ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n',
    ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',
    ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};
/* clang-format on */

bool http_is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (http_token_lower[(unsigned char)s.p[i]] == 0)
            return false;
    return s.n > 0;
}

bool http_is_lower_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == 0 || http_token_lower[(unsigned char)s.p[i]] != (unsigned char)s.p[i])
            return false;
    return s.n > 0;
}

#define BYTES(b) (UINT64_MAX / 255 * (b))

/* Is there a byte below 0x20, or 0x7f, among these eight? */
static bool has_control(uint64_t w)
{
    uint64_t del = w ^ BYTES(0x7f);

    return (((w - BYTES(0x20)) & ~w) | ((del - BYTES(1)) & ~del)) & BYTES(0x80);
}

bool http_is_value(struct str s)
{
    size_t i = 0;

    while (i < s.n) {
        uint64_t w;

        for (; s.n - i >= sizeof(w); i += sizeof(w)) {
            memcpy(&w, s.p + i, sizeof(w));
            if (has_control(w))
                break;
        }
        for (size_t end = s.n - i > sizeof(w) ? i + sizeof(w) : s.n; i < end; i++) {
            unsigned char c = (unsigned char)s.p[i];

            if ((c < 0x20 && c != '\t') || c == 0x7f)
                return false;
        }
    }
    return true;
}

bool http_is_target(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return s.n > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str http_trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool http_same(struct str s, const char *lower)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != lower[i] || c == 0)
            return false;
    }
    return lower[s.n] == 0;
}

bool http_number(struct str s, int64_t *out)
{
    int64_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n * 10 + (s.p[i] - '0');
        if (n > (int64_t)1 << 53)
            return false;
    }
    *out = n;
    return s.n > 0;
}
