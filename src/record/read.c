/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "record/lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 8 /* of a line's JSON; belay writes three */
#define READ_SIZE 65536u

void lines_start(struct lines *l, int fd, off_t at)
{
    *l = (struct lines){.fd = fd, .at = at};
    buf_init(&l->buf, RECORD_LINE_MAX + READ_SIZE);
}

void lines_stop(struct lines *l)
{
    buf_free(&l->buf);
}

/* Reads on behind what is buffered; drops what was consumed. */
static bool refill(struct lines *l, struct err *e)
{
    char chunk[READ_SIZE];
    size_t rest = l->buf.n - l->from;

    if (l->from > 0 && rest > 0)
        memmove(l->buf.p, l->buf.p + l->from, rest);
    l->buf.n = rest;
    l->from = 0;
    ssize_t k;
    do {
        k = pread(l->fd, chunk, sizeof(chunk), l->at + (off_t)rest);
    } while (k < 0 && errno == EINTR);
    if (k < 0)
        return err_sys(e, EX_RECORD, "the record cannot be read");
    l->eof = k == 0;
    buf_add(&l->buf, chunk, (size_t)k);
    return true;
}

static void consume(struct lines *l, size_t n)
{
    l->from += n;
    l->at += (off_t)n;
}

/* Skips to behind the next newline. */
static enum lines_result skip_long(struct lines *l, struct str *line, struct err *e)
{
    for (;;) {
        const char *start = l->buf.p + l->from;
        size_t n = l->buf.n - l->from;
        const char *newline = n > 0 ? memchr(start, '\n', n) : NULL;

        consume(l, newline != NULL ? (size_t)(newline - start) + 1 : n);
        if (newline != NULL || l->eof) {
            *line = (struct str){"", 0};
            return LINES_LONG;
        }
        if (!refill(l, e))
            return LINES_ERROR;
    }
}

enum lines_result lines_next(struct lines *l, struct str *line, struct err *e)
{
    size_t searched = 0;

    for (;;) {
        struct str all = buf_str(&l->buf);
        struct str have = {all.p + l->from, all.n - l->from};
        const char *newline =
            have.n > searched ? memchr(have.p + searched, '\n', have.n - searched) : NULL;

        if (newline != NULL) {
            *line = (struct str){have.p, (size_t)(newline - have.p) + 1};
            if (line->n > RECORD_LINE_MAX)
                return skip_long(l, line, e);
            consume(l, line->n);
            return LINES_ONE;
        }
        if (have.n > RECORD_LINE_MAX)
            return skip_long(l, line, e);
        if (l->eof) {
            *line = have;
            consume(l, have.n);
            return have.n > 0 ? LINES_TORN : LINES_END;
        }
        searched = have.n;
        if (!refill(l, e))
            return LINES_ERROR;
    }
}

/* No recursion into hostile depth: brackets outside strings are counted first. */
static bool depth_bounded(struct str s)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MAX)
            return false;
    }
    return true;
}

static struct str member(json_t *object, const char *key)
{
    json_t *s = json_object_get(object, key);

    return json_is_string(s) ? (struct str){json_string_value(s), json_string_length(s)}
                             : (struct str){"", 0};
}

static bool number(json_t *object, const char *key, uint64_t *value)
{
    json_t *n = json_object_get(object, key);

    if (!json_is_integer(n) || json_integer_value(n) < 0)
        return false;
    *value = (uint64_t)json_integer_value(n);
    return true;
}

bool record_line_parse(struct str line, struct record_line *p)
{
    json_error_t ignored; /* a line that fails to parse is a finding by itself */

    *p = (struct record_line){0};
    if (line.n == 0 || line.n > RECORD_LINE_MAX || line.p[line.n - 1] != '\n' ||
        !depth_bounded(line))
        return false;
    p->json = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &ignored);
    json_t *j = p->json;
    if (!json_is_object(j) || !number(j, "seq", &p->seq) || p->seq == 0 ||
        !digest_parse(member(j, "prev"), p->prev)) {
        record_line_release(p);
        return false;
    }
    (void)number(j, "cause", &p->cause);
    p->kind = member(j, "kind");
    p->verb = member(j, "verb");
    p->outcome = member(j, "outcome");
    p->reason = member(j, "reason");
    p->id = member(json_object_get(j, "resource"), "id");
    digest_bytes(line, p->hash);
    return true;
}

void record_line_release(struct record_line *p)
{
    json_decref(p->json);
    p->json = NULL;
}

static bool has_rule(json_t *json, struct str rule)
{
    json_t *item;
    size_t i;

    json_array_foreach(
        json_object_get(json, "rules"), i,
        item) if (str_eq((struct str){json_string_value(item), json_string_length(item)},
                         rule)) return true;
    return false;
}

static bool fits(const struct record_filter *f, const struct record_line *p, struct str line)
{
    return p->seq >= f->from && (f->to == 0 || p->seq <= f->to) &&
           (f->kind.n == 0 || str_eq(f->kind, p->kind)) &&
           (f->verb.n == 0 || str_eq(f->verb, p->verb)) &&
           (f->outcome.n == 0 || str_eq(f->outcome, p->outcome)) &&
           (f->rule.n == 0 || has_rule(p->json, f->rule)) &&
           (f->text.n == 0 || memmem(line.p, line.n, f->text.p, f->text.n) != NULL);
}

bool record_query(int fd, const struct record_filter *filter, record_visit *visit, void *ctx,
                  uint64_t *bad, struct err *e)
{
    AUTO_LINES struct lines l = {0};
    struct str line;
    enum lines_result r;
    bool more = true;

    *bad = 0;
    lines_start(&l, fd, 0);
    while (more && (r = lines_next(&l, &line, e)) != LINES_END) {
        struct record_line p;

        if (r == LINES_ERROR)
            return false;
        if (r != LINES_ONE || !record_line_parse(line, &p)) {
            (*bad)++;
            continue;
        }
        line.n--;
        if (fits(filter, &p, line))
            more = visit(ctx, &p, line);
        record_line_release(&p);
    }
    return true;
}

struct offsets {
    off_t *at; /* of event i + 1, -1 when it was not seen */
    size_t n, size;
};

static void offsets_free(struct offsets *o)
{
    free(o->at);
}

/* Where the events up to `seq` stand. Event numbers above the line number are no index. */
static bool find_offsets(int fd, uint64_t seq, struct offsets *o, struct err *e)
{
    AUTO_LINES struct lines l = {0};
    struct str line;
    enum lines_result r;

    lines_start(&l, fd, 0);
    while (o->n < seq) {
        off_t at = l.at;

        r = lines_next(&l, &line, e);
        if (r == LINES_ERROR)
            return false;
        if (r == LINES_END)
            return err_set(e, EX_FAIL, "there is no event %llu in this record",
                           (unsigned long long)seq);
        if (o->n == o->size) {
            o->size = o->size == 0 ? 1024 : o->size * 2;
            o->at = xrealloc(o->at, o->size, sizeof(*o->at));
        }
        o->at[o->n++] = at;
    }
    return true;
}

static bool parse_at(int fd, off_t at, uint64_t seq, struct lines *l, struct record_line *p,
                     struct str *line, struct err *e)
{
    lines_start(l, fd, at);
    enum lines_result r = lines_next(l, line, e);
    if (r == LINES_ERROR)
        return false;
    if (r != LINES_ONE || !record_line_parse(*line, p) || p->seq != seq) {
        if (r == LINES_ONE)
            record_line_release(p);
        return err_set(e, EX_RECORD, "line %llu does not hold event %llu: check the record first",
                       (unsigned long long)seq, (unsigned long long)seq);
    }
    line->n--;
    return true;
}

bool record_why(int fd, uint64_t seq, record_visit *visit, void *ctx, struct err *e)
{
    __attribute__((cleanup(offsets_free))) struct offsets o = {0};

    if (seq == 0)
        return err_set(e, EX_USAGE_, "events are numbered from 1");
    if (!find_offsets(fd, seq, &o, e))
        return false;
    assert(o.at != NULL && o.n >= seq);
    for (;;) {
        AUTO_LINES struct lines l = {0};
        struct record_line p = {0};
        struct str line;

        if (!parse_at(fd, o.at[seq - 1], seq, &l, &p, &line, e))
            return false;
        uint64_t cause = p.cause;
        bool more = visit(ctx, &p, line);
        record_line_release(&p);
        if (!more || cause == 0)
            return true;
        if (cause >= seq) /* causes come before their effects, else this would not end */
            return err_set(e, EX_RECORD, "event %llu names a later event as its cause",
                           (unsigned long long)seq);
        seq = cause;
    }
}
