/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

#include <inttypes.h>

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_MINUTE (60 * MS_PER_SECOND)
#define MS_PER_HOUR   (60 * MS_PER_MINUTE)
#define MS_PER_DAY    (24 * MS_PER_HOUR)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- ip --------------------------------------------------------------------------- */

/* Decimal digits without a leading zero, at most max_digits and max. */
static bool read_small(struct cedar_str s, size_t max_digits, unsigned max, unsigned *out)
{
    unsigned n = 0;

    if (s.len == 0 || s.len > max_digits || (s.ptr[0] == '0' && s.len > 1))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return false;
        n = n * 10 + (unsigned)(s.ptr[i] - '0');
    }
    *out = n;
    return n <= max;
}

static bool read_v4(struct cedar_str s, uint8_t addr[16])
{
    size_t start = 0, part = 0;

    for (size_t i = 0; i <= s.len; i++) {
        unsigned n;

        if (i < s.len && s.ptr[i] != '.')
            continue;
        if (part == 4 || !read_small((struct cedar_str){s.ptr + start, i - start}, 3, 255, &n))
            return false;
        addr[part++] = (uint8_t)n;
        start = i + 1;
    }
    return part == 4;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Groups of one to four hex digits with colons between; how many, or -1. None in "". */
static int read_groups(struct cedar_str s, uint16_t groups[8])
{
    size_t i = 0;
    int n = 0;

    if (s.len == 0)
        return 0;
    for (;;) {
        unsigned v = 0, digits = 0;

        for (; i < s.len && hex_digit(s.ptr[i]) >= 0; i++, digits++)
            v = v << 4 | (unsigned)hex_digit(s.ptr[i]);
        if (digits == 0 || digits > 4 || n == 8)
            return -1;
        groups[n++] = (uint16_t)v;
        if (i == s.len)
            return n;
        if (s.ptr[i++] != ':')
            return -1;
    }
}

static bool read_v6(struct cedar_str s, uint8_t addr[16])
{
    uint16_t head[8] = {0}, tail[8] = {0};
    const char *gap = s.len >= 2 ? memmem(s.ptr, s.len, "::", 2) : NULL;
    int n_head, n_tail = 0;

    if (gap != NULL) {
        size_t at = (size_t)(gap - s.ptr);

        n_head = read_groups((struct cedar_str){s.ptr, at}, head);
        n_tail = read_groups((struct cedar_str){gap + 2, s.len - at - 2}, tail);
        if (n_head < 0 || n_tail < 0 || n_head + n_tail > 7)
            return false;
    } else {
        n_head = read_groups(s, head);
        if (n_head != 8)
            return false;
    }
    for (int i = 0; i < n_tail; i++)
        head[8 - n_tail + i] = tail[i];
    for (int i = 0; i < 8; i++) {
        addr[2 * i] = (uint8_t)(head[i] >> 8);
        addr[2 * i + 1] = (uint8_t)head[i];
    }
    return true;
}

bool cedar_ip_read(struct cedar_str s, struct cedar_ip *out)
{
    const char *slash = s.len > 0 ? memchr(s.ptr, '/', s.len) : NULL;
    struct cedar_str host = {s.ptr, slash != NULL ? (size_t)(slash - s.ptr) : s.len};
    struct cedar_ip ip = {0};
    unsigned prefix;

    if (s.len > 64)
        return false;
    ip.is_v6 = host.len > 0 && memchr(host.ptr, ':', host.len) != NULL;
    if (!(ip.is_v6 ? read_v6 : read_v4)(host, ip.addr))
        return false;
    prefix = ip.is_v6 ? 128 : 32;
    if (slash != NULL && !read_small((struct cedar_str){slash + 1, s.len - host.len - 1},
                                     ip.is_v6 ? 3 : 2, prefix, &prefix))
        return false;
    ip.prefix = (uint8_t)prefix;
    *out = ip;
    return true;
}

void cedar_ip_print(struct cedar_buf *buf, const struct cedar_ip *ip)
{
    if (ip->is_v6) {
        for (int i = 0; i < 8; i++)
            cedar_buf_printf(buf, "%s%x", i > 0 ? ":" : "",
                             (unsigned)ip->addr[2 * i] << 8 | ip->addr[2 * i + 1]);
    } else {
        cedar_buf_printf(buf, "%u.%u.%u.%u", ip->addr[0], ip->addr[1], ip->addr[2], ip->addr[3]);
    }
    if (ip->prefix != (ip->is_v6 ? 128 : 32))
        cedar_buf_printf(buf, "/%u", ip->prefix);
}

bool cedar_ip_eq(const struct cedar_ip *a, const struct cedar_ip *b)
{
    return a->is_v6 == b->is_v6 && a->prefix == b->prefix &&
           memcmp(a->addr, b->addr, a->is_v6 ? 16 : 4) == 0;
}

bool cedar_ip_in_range(const struct cedar_ip *a, const struct cedar_ip *b)
{
    unsigned bits = b->prefix;

    if (a->is_v6 != b->is_v6 || a->prefix < b->prefix)
        return false;
    if (memcmp(a->addr, b->addr, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (a->addr[bits / 8] ^ b->addr[bits / 8]) >> (8 - bits % 8) == 0;
}

bool cedar_ip_is_loopback(const struct cedar_ip *ip)
{
    static const struct cedar_ip v4 = {false, 8, {127}};
    static const struct cedar_ip v6 = {true, 128, {[15] = 1}};

    return cedar_ip_in_range(ip, ip->is_v6 ? &v6 : &v4);
}

bool cedar_ip_is_multicast(const struct cedar_ip *ip)
{
    static const struct cedar_ip v4 = {false, 4, {224}};
    static const struct cedar_ip v6 = {true, 8, {0xff}};

    return cedar_ip_in_range(ip, ip->is_v6 ? &v6 : &v4);
}

/* ---- decimal ---------------------------------------------------------------------- */

/* Adds a digit to a number that is gathered below zero, where the range is larger. */
static bool push_digit(int64_t *n, char c)
{
    return !__builtin_mul_overflow(*n, (int64_t)10, n) &&
           !__builtin_sub_overflow(*n, (int64_t)(c - '0'), n);
}

bool cedar_decimal_read(struct cedar_str s, int64_t *out)
{
    size_t i = s.len > 0 && s.ptr[0] == '-', start = i, frac;
    bool negative = i == 1;
    int64_t n = 0;

    for (; i < s.len && is_digit(s.ptr[i]); i++)
        if (!push_digit(&n, s.ptr[i]))
            return false;
    if (i == start || i >= s.len || s.ptr[i] != '.')
        return false;
    frac = ++i;
    for (; i < s.len && is_digit(s.ptr[i]); i++)
        if (i - frac >= 4 || !push_digit(&n, s.ptr[i]))
            return false;
    if (i != s.len || i == frac)
        return false;
    for (size_t digits = i - frac; digits < 4; digits++)
        if (!push_digit(&n, '0'))
            return false;
    if (!negative && __builtin_sub_overflow((int64_t)0, n, &n))
        return false;
    *out = n;
    return true;
}

void cedar_decimal_print(struct cedar_buf *buf, int64_t n)
{
    uint64_t u = n < 0 ? -(uint64_t)n : (uint64_t)n;
    char frac[5];
    int len = 4;

    for (int i = 3; i >= 0; i--, u /= 10)
        frac[i] = (char)('0' + u % 10);
    while (len > 1 && frac[len - 1] == '0')
        len--;
    cedar_buf_printf(buf, "%s%" PRIu64 ".%.*s", n < 0 ? "-" : "", u, len, frac);
}

/* ---- datetime --------------------------------------------------------------------- */

struct cursor {
    struct cedar_str s;
    size_t at;
};

/* Exactly n digits. */
static bool take_digits(struct cursor *c, size_t n, int *out)
{
    int v = 0;

    if (c->s.len - c->at < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char digit = c->s.ptr[c->at + i];

        if (!is_digit(digit))
            return false;
        v = v * 10 + (digit - '0');
    }
    c->at += n;
    *out = v;
    return true;
}

static bool take_char(struct cursor *c, char want)
{
    if (c->at >= c->s.len || c->s.ptr[c->at] != want)
        return false;
    c->at++;
    return true;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era, yoe, doy, doe;

    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static int days_in_month(int year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+hhmm" or "-hhmm", as milliseconds east of Greenwich. */
static bool take_zone(struct cursor *c, int64_t *out)
{
    int sign, h, m;

    *out = 0;
    if (take_char(c, 'Z'))
        return true;
    sign = take_char(c, '+') ? 1 : take_char(c, '-') ? -1 : 0;
    if (sign == 0 || !take_digits(c, 2, &h) || !take_digits(c, 2, &m) || h > 23 || m > 59)
        return false;
    *out = sign * (h * MS_PER_HOUR + m * MS_PER_MINUTE);
    return true;
}

bool cedar_datetime_read(struct cedar_str s, int64_t *out)
{
    struct cursor c = {s, 0};
    int year, month, day, h, m, sec, ms = 0;
    int64_t zone, n;

    if (!take_digits(&c, 4, &year) || !take_char(&c, '-') || !take_digits(&c, 2, &month) ||
        !take_char(&c, '-') || !take_digits(&c, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    n = days_from_civil(year, month, day) * MS_PER_DAY;
    if (c.at < s.len) {
        if (!take_char(&c, 'T') || !take_digits(&c, 2, &h) || !take_char(&c, ':') ||
            !take_digits(&c, 2, &m) || !take_char(&c, ':') || !take_digits(&c, 2, &sec))
            return false;
        if (h > 23 || m > 59 || sec > 59)
            return false;
        if (take_char(&c, '.') && !take_digits(&c, 3, &ms))
            return false;
        if (!take_zone(&c, &zone) || c.at != s.len)
            return false;
        n += h * MS_PER_HOUR + m * MS_PER_MINUTE + sec * MS_PER_SECOND + ms - zone;
    }
    *out = n;
    return true;
}

bool cedar_datetime_date(int64_t n, int64_t *out)
{
    return !__builtin_sub_overflow(n, cedar_datetime_time(n), out);
}

int64_t cedar_datetime_time(int64_t n)
{
    int64_t rest = n % MS_PER_DAY;

    return rest < 0 ? rest + MS_PER_DAY : rest;
}

/* Year, month and day of a number of days since 1970-01-01. */
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

void cedar_datetime_print(struct cedar_buf *buf, int64_t n)
{
    int64_t time = cedar_datetime_time(n), days = n / MS_PER_DAY - (n % MS_PER_DAY < 0), year;
    int month, day;

    civil_from_days(days, &year, &month, &day);
    cedar_buf_printf(buf, "%04" PRId64 "-%02d-%02d", year, month, day);
    if (time != 0)
        cedar_buf_printf(buf, "T%02d:%02d:%02d.%03dZ", (int)(time / MS_PER_HOUR),
                         (int)(time / MS_PER_MINUTE % 60), (int)(time / MS_PER_SECOND % 60),
                         (int)(time % 1000));
}

/* ---- duration --------------------------------------------------------------------- */

bool cedar_duration_read(struct cedar_str s, int64_t *out)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {
        {"d", MS_PER_DAY},    {"h", MS_PER_HOUR}, {"m", MS_PER_MINUTE},
        {"s", MS_PER_SECOND}, {"ms", 1},
    };
    size_t i = s.len > 0 && s.ptr[0] == '-', unit = 0;
    bool negative = i == 1;
    int64_t total = 0;

    if (i == s.len)
        return false;
    while (i < s.len) {
        int64_t n = 0;
        size_t start = i, len;

        for (; i < s.len && is_digit(s.ptr[i]); i++)
            if (!push_digit(&n, s.ptr[i]))
                return false;
        if (i == start)
            return false;
        for (len = 0; i + len < s.len && !is_digit(s.ptr[i + len]); len++)
            ;
        while (unit < 5 &&
               !cedar_str_eq((struct cedar_str){s.ptr + i, len}, cedar_str(units[unit].suffix)))
            unit++;
        if (unit == 5 || __builtin_mul_overflow(n, units[unit].ms, &n) ||
            __builtin_add_overflow(total, n, &total))
            return false;
        unit++;
        i += len;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, total, &total))
        return false;
    *out = total;
    return true;
}

void cedar_duration_print(struct cedar_buf *buf, int64_t n)
{
    cedar_buf_printf(buf, "%" PRId64 "ms", n);
}
