/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/listeners.h"

#include "base/fd.h"
#include "base/mem.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX   (16u << 20)
#define STATE_WORD  "0A" /* TCP_LISTEN */
#define INODE_FIELD 9 /* proc(5): sl, local, remote, st, queues, timer, retransmits, uid, timeout \
                       */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Each word of 32 bits as the machine has it, and all that belay runs on are little endian. */
static bool parse_address(const char *p, unsigned size, unsigned char b[16])
{
    for (unsigned i = 0; i < size; i++) {
        int high = hex_digit(p[2 * i]), low = hex_digit(p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        b[(i & ~3u) + 3 - (i & 3)] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool parse_port(const char *p, uint16_t *port)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);

        if (d < 0)
            return false;
        v = v << 4 | (unsigned)d;
    }
    *port = (uint16_t)v;
    return true;
}

/* The next field, separated by blanks. */
static struct str next_field(struct str *line)
{
    while (line->n > 0 && *line->p == ' ') {
        line->p++;
        line->n--;
    }
    size_t n = 0;
    while (n < line->n && line->p[n] != ' ')
        n++;
    struct str field = {line->p, n};
    line->p += n;
    line->n -= n;
    return field;
}

static bool parse_number(struct str s, ino_t *n)
{
    *n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(*n, 10, n) ||
            __builtin_add_overflow(*n, (ino_t)(s.p[i] - '0'), n))
            return false;
    }
    return s.n > 0;
}

static void simplify(struct listener *l)
{
    static const unsigned char none[16];

    if (l->at.n == 16 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)l->at.b)) {
        memmove(l->at.b, l->at.b + 12, 4);
        memset(l->at.b + 4, 0, 12);
        l->at.n = 4;
    }
    l->any = memcmp(l->at.b, none, l->at.n) == 0;
    l->both = l->any && l->at.n == 16;
}

bool listener_parse(struct str line, unsigned size, struct listener *l)
{
    struct str field = {NULL, 0};

    memset(l, 0, sizeof(*l));
    l->at.n = size;
    for (int i = 0; i <= INODE_FIELD; i++) {
        field = next_field(&line);
        if (i == 1 && (field.n != (size_t)2 * size + 5 || field.p[2 * size] != ':' ||
                       !parse_address(field.p, size, l->at.b) ||
                       !parse_port(field.p + 2 * size + 1, &l->at.port)))
            return false;
        if (i == 3 && !str_eq(field, STR(STATE_WORD)))
            return false;
    }
    if (!parse_number(field, &l->inode))
        return false;
    simplify(l);
    return true;
}

struct finding {
    unsigned ours, others;
};

struct search {
    const struct target *to;
    bool (*own)(void *ctx, ino_t inode);
    void *ctx;
    struct finding found;
};

static bool reaches(const struct listener *l, const struct target *to)
{
    if (l->at.port != to->port)
        return false;
    if (l->any)
        return l->at.n == to->n || l->both;
    return l->at.n == to->n && memcmp(l->at.b, to->b, to->n) == 0;
}

static bool search_table(int proc, const char *name, unsigned size, struct search *s)
{
    AUTO_CLOSE int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
    AUTO_BUF struct buf b = {0};
    struct err ignored;

    if (fd < 0)
        return size == 16; /* a host without IPv6 */
    buf_init(&b, TABLE_MAX);
    if (!fd_read_all(fd, &b, name, &ignored))
        return false;
    for (size_t at = 0; at < b.n;) {
        const char *line = b.p + at, *end = memchr(line, '\n', b.n - at);
        size_t n = end != NULL ? (size_t)(end - line) : b.n - at;
        struct listener l;

        if (listener_parse((struct str){line, n}, size, &l) && reaches(&l, s->to)) {
            s->found.ours += s->own(s->ctx, l.inode);
            s->found.others += !s->own(s->ctx, l.inode);
        }
        at += n + 1;
    }
    return true;
}

static bool search_both(int proc, struct search *s)
{
    s->found = (struct finding){0, 0};
    return search_table(proc, "self/net/tcp", 4, s) && search_table(proc, "self/net/tcp6", 16, s);
}

bool listeners_own(int proc, struct target *to, bool (*own)(void *ctx, ino_t inode), void *ctx)
{
    struct target v4 = {.b = {127, 0, 0, 1}, .n = 4, .port = to->port};
    struct search s = {.to = to, .own = own, .ctx = ctx};

    if (!search_both(proc, &s) || s.found.others > 0)
        return false;
    if (s.found.ours == 0 && to->n == 16) {
        s.to = &v4;
        if (!search_both(proc, &s) || s.found.others > 0)
            return false;
        if (s.found.ours > 0)
            *to = v4;
    }
    return s.found.ours > 0;
}
