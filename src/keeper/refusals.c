/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/refusals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char head[] =
    "# What belay refused, newest last: time, errno, what, why, the rule. Another way may be "
    "allowed. "
    "To have something allowed, tell the person whom you work for what you need and name the rule: "
    "they can do it themselves, or change the rules while you go on.\n";

#define HEAD_SIZE (sizeof(head) - 1)

struct jail_file refusals_file(void)
{
    return (struct jail_file){.path = REFUSALS_PATH, .bytes = head, .n = HEAD_SIZE, .mode = 0444};
}

void refusals_start(struct refusals *r, int fd)
{
    memset(r, 0, sizeof(*r));
    r->fd = fd;
    buf_init(&r->text, REFUSALS_MAX + REFUSALS_LINE);
    buf_add(&r->text, head, HEAD_SIZE);
}

void refusals_end(struct refusals *r)
{
    buf_free(&r->text);
    r->fd = -1;
}

/* FNV-1a, 64 bit, of all but the number of the event at the end. */
static uint64_t key_of(struct str s)
{
    static const char mark[] = "event ";
    const char *event = NULL;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i + sizeof(mark) - 1 <= s.n; i++)
        if (memcmp(s.p + i, mark, sizeof(mark) - 1) == 0)
            event = s.p + i;
    size_t n = event != NULL ? (size_t)(event - s.p) : s.n;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h | 1;
}

static bool is_new(struct refusals *r, time_t now, struct str notice)
{
    uint64_t key = key_of(notice);

    for (size_t i = 0; i < REFUSALS_KNOWN; i++)
        if (r->known[i].key == key && now - r->known[i].when < REFUSALS_AGAIN)
            return false;
    r->known[r->next % REFUSALS_KNOWN].key = key;
    r->known[r->next++ % REFUSALS_KNOWN].when = now;
    return true;
}

static bool in_time(struct refusals *r, time_t now)
{
    if (now != r->second) {
        r->second = now;
        r->in_second = 0;
    }
    return r->in_second++ < REFUSALS_BURST;
}

/* The older half goes, whole lines of it. False: nothing had to go. */
static bool make_room(struct refusals *r)
{
    if (r->text.n <= REFUSALS_MAX)
        return false;
    const char *middle = r->text.p + HEAD_SIZE + (r->text.n - HEAD_SIZE) / 2;
    const char *line = memchr(middle, '\n', (size_t)(r->text.p + r->text.n - middle));
    size_t left = (size_t)(r->text.p + r->text.n - (line + 1)); /* every line ends with one */

    memmove(r->text.p + HEAD_SIZE, line + 1, left);
    r->text.n = HEAD_SIZE + left;
    return true;
}

static void write_from(const struct refusals *r, size_t at)
{
    while (at < r->text.n) {
        ssize_t n = pwrite(r->fd, r->text.p + at, r->text.n - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* out of memory: what is refused is refused all the same */
        at += (size_t)n;
    }
}

void refusals_add(struct refusals *r, time_t now, struct str error, struct str notice)
{
    size_t was = r->text.n;
    char when[32];
    struct tm tm;

    if (r->fd < 0 || !is_new(r, now, notice))
        return;
    if (!in_time(r, now)) {
        r->left_out++;
        return;
    }
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    if (r->left_out > 0)
        buf_printf(&r->text, "%s (%u more were refused)\n", when, r->left_out);
    r->left_out = 0;
    buf_printf(&r->text, "%s ", when);
    if (error.n > 0) {
        buf_add_safe(&r->text, error, 32);
        buf_puts(&r->text, " ");
    }
    buf_add_safe(&r->text, notice, REFUSALS_LINE - 256);
    buf_puts(&r->text, "; to ask, tell the person the rule\n");
    if (make_room(r)) {
        was = 0;
        (void)!ftruncate(
            r->fd, (off_t)r->text.n); /* a reader may see a line cut: it is whole again at once */
    }
    write_from(r, was);
}
