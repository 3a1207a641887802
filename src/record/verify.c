/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - checks the chain and says what was done to it.
 *
 * Line N must be event N and name the hash of line N-1. At the first line that does not, the
 * lines that follow (WINDOW of them) tell what happened: a line that continues the chain
 * further down means that those between were added or moved; a gap in the numbers that
 * nothing fills means that lines are missing; otherwise a line was changed, and whether its
 * own successor still names it tells which.
 */
#include "base/fd.h"
#include "record/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WINDOW 64

struct link {
    bool ok, is_end; /* ok: an event */
    uint64_t seq;
    unsigned char prev[DIGEST_SIZE], hash[DIGEST_SIZE];
};

struct head {
    bool there, ended;
    uint64_t seq;
    unsigned char hash[DIGEST_SIZE];
};

struct check {
    struct lines lines;
    struct buf head_bytes;
    struct head head;
    struct record_report *report;
    struct link last; /* the last good line */
    struct link window[WINDOW];
    bool torn;
    bool running; /* somebody still writes */
};

static const struct {
    const char *name;
    bool intact;
} statuses[] = {
#define X(sym, name, intact) {name, intact},
    RECORD_STATUS(X)
#undef X
};

const char *record_status_name(enum record_status s)
{
    return statuses[s].name;
}

bool record_status_intact(enum record_status s)
{
    return statuses[s].intact;
}

__attribute__((format(printf, 4, 5))) static bool found(struct check *c, enum record_status status,
                                                        uint64_t line, const char *fmt, ...)
{
    va_list ap;

    c->report->status = status;
    c->report->line = line;
    va_start(ap, fmt);
    (void)vsnprintf(c->report->text, sizeof(c->report->text), fmt, ap);
    va_end(ap);
    return true;
}

static bool same(const unsigned char a[DIGEST_SIZE], const unsigned char b[DIGEST_SIZE])
{
    return memcmp(a, b, DIGEST_SIZE) == 0;
}

static unsigned long long ull(uint64_t n)
{
    return n;
}

static void link_of(struct str line, enum lines_result r, struct link *k)
{
    struct record_line p;

    *k = (struct link){0};
    if (r != LINES_ONE)
        return;
    digest_bytes(line, k->hash);
    if (!record_line_parse(line, &p))
        return;
    k->ok = true;
    k->is_end = str_is(p.kind, record_kind_name(RECORD_END));
    k->seq = p.seq;
    memcpy(k->prev, p.prev, DIGEST_SIZE);
    record_line_release(&p);
}

/* All of the head, before anything of the record: a copy that is read here and whose original
 * is not found afterwards is then lost there, and not just being written. */
static bool read_head_file(struct check *c, int fd, struct err *e)
{
    char chunk[16384];
    ssize_t n;

    buf_init(&c->head_bytes, HEAD_SIZE + HEAD_TAIL + sizeof(chunk));
    while (fd >= 0 && c->head_bytes.n < HEAD_SIZE + HEAD_TAIL) {
        n = pread(fd, chunk, sizeof(chunk), (off_t)c->head_bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, EX_RECORD, "the head of the record cannot be read");
        if (n == 0)
            break;
        buf_add(&c->head_bytes, chunk, (size_t)n);
    }
    return true;
}

/* A head that is not there is no finding; one that is broken counts as not there. */
static void read_head(struct check *c)
{
    struct head *h = &c->head;
    json_error_t ignored;
    json_t *j = c->head_bytes.n >= HEAD_SIZE
                    ? json_loadb(c->head_bytes.p, HEAD_SIZE, JSON_REJECT_DUPLICATES, &ignored)
                    : NULL;
    const char *format = json_string_value(json_object_get(j, "format"));
    const char *hash = json_string_value(json_object_get(j, "hash"));
    json_int_t seq = json_integer_value(json_object_get(j, "seq"));

    h->there = format != NULL && strcmp(format, HEAD_FORMAT) == 0 && seq > 0 &&
               digest_parse(str_of(hash), h->hash);
    h->seq = h->there ? (uint64_t)seq : 0;
    h->ended = json_is_true(json_object_get(j, "ended"));
    json_decref(j);
}

static bool fill_window(struct check *c, const struct link *first, size_t *n, struct err *e)
{
    struct str line;
    enum lines_result r;

    c->window[0] = *first;
    *n = 1;
    while (*n < WINDOW && (r = lines_next(&c->lines, &line, e)) != LINES_END) {
        if (r == LINES_ERROR)
            return false;
        link_of(line, r, &c->window[(*n)++]);
    }
    return true;
}

/* Some line of the window continues behind `k`. */
static bool has_successor(const struct check *c, size_t n, const struct link *k)
{
    for (size_t i = 0; i < n; i++)
        if (c->window[i].ok && same(c->window[i].prev, k->hash))
            return true;
    return false;
}

/* The true successor of the last good line stands at window[j], j > 0. */
static bool tell_intruder(struct check *c, size_t n, uint64_t line)
{
    const struct link *w = &c->window[0];
    bool belongs = w->ok && w->seq > line;

    if (belongs)
        for (size_t i = 0; i < n; i++)
            if (i > 0 && c->window[i].ok && same(w->prev, c->window[i].hash))
                return found(c, RECORD_MOVED, line,
                             "line %llu was moved: it is event %llu and belongs behind line %llu",
                             ull(line), ull(w->seq), ull(line + i));
    return found(c, RECORD_ADDED, line, "line %llu was added: no event leads to it", ull(line));
}

static bool tell_changed(struct check *c, size_t n, uint64_t line)
{
    const struct link *w = &c->window[0];
    const struct head *h = &c->head;
    bool last_is_head = h->there && h->seq == line - 1;
    bool this_is_head = h->there && h->seq == line;

    /* This line is good if the next one names it, the one before if the head saw it so. */
    bool numbered = w->ok && line > 1 && w->seq == line;
    bool before = numbered && has_successor(c, n, w);
    if (numbered && n == 1)
        before = !this_is_head || same(w->hash, h->hash);
    if (last_is_head)
        before = false;
    uint64_t at = before ? line - 1 : line;
    return found(c, RECORD_CHANGED, at, "line %llu was changed", ull(at));
}

/* Line `line` is `first`, and does not continue the chain. */
static bool classify(struct check *c, uint64_t line, const struct link *first, struct err *e)
{
    size_t n;

    if (!fill_window(c, first, &n, e))
        return false;
    const struct link *w = &c->window[0];
    if (w->ok && same(w->prev, c->last.hash))
        return tell_changed(c, 0, line); /* it continues the chain under another number */
    for (size_t i = 1; i < n; i++)
        if (c->window[i].ok && same(c->window[i].prev, c->last.hash))
            return tell_intruder(c, n, line);
    if (w->ok && w->seq > line) {
        for (size_t i = 1; i < n; i++)
            if (c->window[i].ok && c->window[i].seq == line)
                return tell_changed(c, n, line);
        c->report->from = line;
        c->report->to = w->seq - 1;
        return found(c, RECORD_MISSING, line, "events %llu to %llu are missing before line %llu",
                     ull(line), ull(w->seq - 1), ull(line));
    }
    if (w->ok && w->seq < line)
        return found(c, RECORD_ADDED, line,
                     "line %llu was added: it says that it is event %llu, which came before",
                     ull(line), ull(w->seq));
    return tell_changed(c, n, line);
}

static bool is_first(const struct link *k, struct str line)
{
    static const unsigned char zero[DIGEST_SIZE];
    struct record_line p;

    if (!k->ok || k->seq != 1 || !same(k->prev, zero) || !record_line_parse(line, &p))
        return false;
    const char *format = json_string_value(json_object_get(p.json, "format"));
    bool is = format != NULL && strcmp(format, RECORD_FORMAT) == 0 &&
              str_is(p.kind, record_kind_name(RECORD_RECORD));
    record_line_release(&p);
    return is;
}

/* The first line has nothing before it that could vouch for it. */
static bool tell_first(struct check *c, const struct link *first, struct err *e)
{
    if (first->ok && first->seq > 1)
        return classify(c, 1, first, e);
    return found(c, RECORD_NO_RECORD, 1, "line 1 is not the first line of a %s record",
                 RECORD_FORMAT);
}

/* The chain holds to the end of the file. */
static bool tell_end(struct check *c)
{
    uint64_t n = c->report->lines;
    const struct head *h = &c->head;

    if (n == 0 && !h->there)
        return found(c, RECORD_EMPTY, 0, "the record is empty");
    if (h->there && h->seq > n) {
        c->report->from = n + 1;
        c->report->to = h->seq;
        return found(c, RECORD_END_MISSING, n,
                     "the end is missing: events %llu to %llu were recorded and cut off",
                     ull(n + 1), ull(h->seq));
    }
    if (h->there && h->ended && !c->last.is_end)
        return found(c, RECORD_ADDED, h->seq + 1, "line %llu was added after the end",
                     ull(h->seq + 1));
    if (c->torn && c->last.is_end)
        return found(c, RECORD_ADDED, n + 1, "line %llu was added after the end", ull(n + 1));
    if (c->running)
        return found(c, RECORD_OPEN, 0, "%llu lines hold; the session is still running", ull(n));
    if (c->torn)
        return found(c, RECORD_TORN, n + 1,
                     "line %llu broke off in writing, as in a crash; the %llu before it hold",
                     ull(n + 1), ull(n));
    if (c->report->copies > 0)
        return found(c, RECORD_OPEN, 0,
                     "%llu lines hold, the last %llu of them only in the head, as when the "
                     "power goes: 'belay log verify --recover' brings them back",
                     ull(n), ull(c->report->copies));
    if (!c->last.is_end)
        return found(c, RECORD_OPEN, 0,
                     "%llu lines hold; there is no end line: belay ended before the session did",
                     ull(n));
    return found(c, RECORD_WHOLE, 0, "%llu lines hold, and the end is there", ull(n));
}

/* The line at which the head was taken: is it the one the head saw? */
static bool head_agrees(const struct check *c, const struct link *k)
{
    return !c->head.there || c->head.seq != k->seq || same(c->head.hash, k->hash);
}

/* The head saw another line: was just this one changed, being the last, or all rewritten? */
static bool tell_head(struct check *c, const struct link *k, struct err *e)
{
    struct str text;
    struct link next;
    uint64_t line = k->seq;
    enum lines_result r = lines_next(&c->lines, &text, e);

    if (r == LINES_ERROR)
        return false;
    link_of(text, r, &next);
    if (r == LINES_END || !next.ok || !same(next.prev, k->hash))
        return found(c, RECORD_CHANGED, line, "line %llu was changed: the head saw another",
                     ull(line));
    return found(c, RECORD_REWRITTEN, line,
                 "the lines up to %llu were rewritten: the head saw another line %llu", ull(line),
                 ull(line));
}

/*
 * Copies in the head that continue the chain: their originals had not reached the disk when the
 * power went. Anything that does not fit is left over from before and ends them.
 */
static void add_copies(struct check *c)
{
    struct str line, rest = {"", 0};

    if (c->head.there && c->report->lines > 0)
        rest = (struct str){c->head_bytes.p + HEAD_SIZE, c->head_bytes.n - HEAD_SIZE};
    while (record_copy_next(&rest, &line)) {
        struct link k;

        link_of(line, LINES_ONE, &k);
        if (k.ok && k.seq <= c->report->lines)
            continue;
        if (!k.ok || k.seq != c->report->lines + 1 || !same(k.prev, c->last.hash) ||
            !head_agrees(c, &k))
            break;
        c->last = k;
        c->torn = false; /* this is the line that broke off */
        c->report->lines++;
        c->report->copies++;
    }
}

static bool check_lines(struct check *c, struct err *e)
{
    struct str line;
    enum lines_result r;

    while ((r = lines_next(&c->lines, &line, e)) != LINES_END && r != LINES_TORN) {
        uint64_t number = c->report->lines + 1;
        struct link k;

        if (r == LINES_ERROR)
            return false;
        link_of(line, r, &k);
        if (number == 1 && !is_first(&k, line))
            return tell_first(c, &k, e);
        if (number > 1 && c->last.is_end)
            return found(c, RECORD_ADDED, number, "line %llu was added after the end", ull(number));
        if (!k.ok || k.seq != number || (number > 1 && !same(k.prev, c->last.hash)))
            return classify(c, number, &k, e);
        if (!head_agrees(c, &k))
            return tell_head(c, &k, e);
        c->last = k;
        c->report->lines = number;
    }
    c->torn = r == LINES_TORN;
    add_copies(c);
    return tell_end(c);
}

/* The writer holds a lock as long as it lives. */
static bool is_locked(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK;
    (void)flock(fd, LOCK_UN);
    return false;
}

bool record_verify(int fd, int head_fd, struct record_report *report, struct err *e)
{
    struct check c = {.report = report, .running = is_locked(fd)};
    bool ok = read_head_file(&c, head_fd, e);

    *report = (struct record_report){0};
    read_head(&c);
    report->has_head = c.head.there;
    lines_start(&c.lines, fd, 0);
    ok = ok && check_lines(&c, e);
    lines_stop(&c.lines);
    buf_free(&c.head_bytes);
    return ok;
}
