/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/confirm.h"

#include "base/mem.h"
#include "detect/alphabet.h"

#include <string.h>
#include <zlib.h>

/* 1024 * log2(x) for x > 0, by repeated squaring: no libm on the path of a session's start. */
static unsigned log2_1024(unsigned x)
{
    unsigned whole = 31u - (unsigned)__builtin_clz(x), result = whole << 10;
    uint64_t y = ((uint64_t)x << 30) >> whole; /* 1 <= y < 2, 30 bits behind the point */

    for (unsigned bit = 512; bit > 0; bit >>= 1) {
        y = (y * y) >> 30;
        if (y >> 31 != 0) {
            result += bit;
            y >>= 1;
        }
    }
    return result;
}

unsigned confirm_entropy(const uint8_t *p, size_t n)
{
    uint16_t count[256] = {0};
    uint64_t sum = 0;

    if (n == 0 || n > 1024)
        return 0;
    for (size_t i = 0; i < n; i++)
        count[p[i]]++;
    for (size_t c = 0; c < 256; c++)
        if (count[c] > 1)
            sum += (uint64_t)count[c] * log2_1024(count[c]);
    return (unsigned)((uint64_t)(log2_1024((unsigned)n) - sum / n) * 100 / 1024);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 32) : c;
}

bool confirm_has(const uint8_t *p, size_t n, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= n; i++) {
        size_t k = 0;

        while (k < len && lower(p[i + k]) == (uint8_t)word[k])
            k++;
        if (k == len)
            return true;
    }
    return false;
}

/* A run of one byte that makes up a third of the value, at least 4. */
static bool one_byte_repeated(const uint8_t *p, size_t n)
{
    size_t run = 1, most = 1;

    for (size_t i = 1; i < n; i++) {
        run = p[i] == p[i - 1] ? run + 1 : 1;
        if (run > most)
            most = run;
    }
    return most >= 4 && most * 3 >= n;
}

bool confirm_placeholder(const uint8_t *p, size_t n)
{
    static const char *const words[] = {
        "example",  "xxxx",   "your",  "placeholder", "changeme",         "change-me",  "change_me",
        "redacted", "insert", "dummy", "12345678901", "0123456789abcdef", "abcdefghijk"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (confirm_has(p, n, words[i]))
            return true;
    return one_byte_repeated(p, n);
}

bool confirm_mixed(const uint8_t *p, size_t n)
{
    bool letter = false, digit = false;

    for (size_t i = 0; i < n; i++) {
        letter = letter || (lower(p[i]) >= 'a' && lower(p[i]) <= 'z');
        digit = digit || (p[i] >= '0' && p[i] <= '9');
    }
    return letter && digit;
}

bool confirm_crc62(const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned long crc;

    if (n < 36)
        return false;
    crc = crc32(0, p + n - 36, 30);
    for (size_t i = 1; i <= 6; i++) {
        if (p[n - i] != (uint8_t)digits[crc % 62])
            return false;
        crc /= 62;
    }
    return true;
}

bool confirm_luhn(const uint8_t *digits, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned d = digits[n - 1 - i] - (unsigned)'0';

        if (i % 2 == 1)
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return sum % 10 == 0;
}

/* Ranges of the first four digits: Visa, Mastercard, American Express, Diners, JCB, Discover,
 * UnionPay; and how long their numbers are. */
size_t confirm_issuer(const uint8_t digits[4])
{
    static const struct {
        uint16_t from, to;
        uint8_t length;
    } issuer[] = {
        {4000, 4999, 16}, {5100, 5599, 16}, {2221, 2720, 16}, {3400, 3499, 15},
        {3700, 3799, 15}, {3000, 3059, 14}, {3600, 3699, 14}, {3800, 3999, 14},
        {3528, 3589, 16}, {6011, 6011, 16}, {6440, 6599, 16}, {6200, 6299, 16},
    };
    unsigned first = 0;

    for (size_t i = 0; i < 4; i++)
        first = first * 10 + (digits[i] - (unsigned)'0');
    for (size_t i = 0; i < ARRAY_LEN(issuer); i++)
        if (first >= issuer[i].from && first <= issuer[i].to)
            return issuer[i].length;
    return 0;
}

/* The registry of ISO 13616. */
size_t confirm_iban_length(const uint8_t country[2])
{
    static const char lengths[] =
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29"
        "ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20"
        "LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29"
        "PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20"
        "YE30";

    for (size_t i = 0; i + 4 < sizeof(lengths); i += 4)
        if (memcmp(lengths + i, country, 2) == 0)
            return (size_t)(lengths[i + 2] - '0') * 10 + (size_t)(lengths[i + 3] - '0');
    return 0;
}

bool confirm_iban(const uint8_t *p, size_t n)
{
    unsigned rest = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[(i + 4) % n];

        if (c >= '0' && c <= '9')
            rest = (rest * 10 + (c - (unsigned)'0')) % 97;
        else if (c >= 'A' && c <= 'Z')
            rest = (rest * 100 + (c - (unsigned)'A' + 10)) % 97;
        else
            return false;
    }
    return n > 4 && rest == 1;
}

bool confirm_jwt_header(const uint8_t *p, size_t n)
{
    uint8_t text[768];
    size_t len = 0;
    uint32_t acc = 0;

    if (n > sizeof(text))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (alphabet_base64[p[i]] > 63)
            return false;
        acc = acc << 6 | alphabet_base64[p[i]];
        if (i % 4 != 0)
            text[len++] = (uint8_t)(acc >> (6 - 2 * (i % 4)));
    }
    while (len > 0 && text[len - 1] != '}')
        len--;
    return len > 2 && text[0] == '{' && confirm_has(text, len, "\"alg\"") &&
           memchr(text, 0, len) == NULL;
}

bool confirm_ssn(const uint8_t p[11])
{
    return p[0] != '9' && memcmp(p, "000", 3) != 0 && memcmp(p, "666", 3) != 0 &&
           memcmp(p + 4, "00", 2) != 0 && memcmp(p + 7, "0000", 4) != 0;
}
