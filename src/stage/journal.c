/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/journal.h"

#include "base/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_TEXT_MAX (3 * PATH_MAX)

static void put_path(struct buf *b, const char *path)
{
    buf_puts(b, " /");
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        if (*p > ' ' && *p <= '~' && *p != '%')
            buf_add(b, p, 1);
        else
            buf_printf(b, "%%%02X", *p);
    }
}

static void put_sig(struct buf *b, const struct sig *s)
{
    buf_printf(b, " %" PRIu64 ":%" PRId64 ":%lld.%09ld:%lld.%09ld", s->ino, s->size,
               (long long)s->mtime.tv_sec, s->mtime.tv_nsec, (long long)s->ctime.tv_sec,
               s->ctime.tv_nsec);
}

static bool has_temp(enum note_kind k)
{
    return strchr("taxme", k) != NULL;
}

bool journal_add(const struct stage *s, const struct note *n, struct err *e)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 2 * PATH_TEXT_MAX);
    buf_printf(&b, "%c", n->kind);
    if (has_temp(n->kind))
        put_path(&b, n->temp);
    put_path(&b, n->path);
    if (n->kind == NOTE_ADD || n->kind == NOTE_EXCHANGE)
        buf_printf(&b, " %" PRIu64, n->ino);
    if (strchr("xmsbf", n->kind) != NULL)
        put_sig(&b, &n->a);
    if (n->kind == NOTE_SETTLED || n->kind == NOTE_FOLDER)
        put_sig(&b, &n->b);
    buf_puts(&b, "\n");
    if (b.full || !fd_write_all(s->journal, b.p, b.n))
        return err_sys(e, EX_FAIL, "the staged work's journal cannot be written");
    return true;
}

bool journal_sync(const struct stage *s, struct err *e)
{
    return fdatasync(s->journal) == 0 || err_sys(e, EX_FAIL, "the staged work's journal");
}

/* The next field of the line; empty at its end. */
static struct str take(struct str *line)
{
    struct str f = {line->p, 0};

    while (f.n < line->n && line->p[f.n] != ' ')
        f.n++;
    size_t used = f.n < line->n ? f.n + 1 : f.n;
    line->p += used;
    line->n -= used;
    return f;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *take_path(struct str *line, struct arena *a)
{
    struct str f = take(line);
    size_t n = 0;

    if (f.n == 0 || f.p[0] != '/' || f.n > PATH_TEXT_MAX)
        return NULL;
    char *path = arena_alloc(a, f.n);
    for (size_t i = 1; i < f.n; i++) {
        if (f.p[i] != '%') {
            path[n++] = f.p[i];
            continue;
        }
        int high = i + 2 < f.n ? hex(f.p[i + 1]) : -1, low = i + 2 < f.n ? hex(f.p[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return NULL;
        path[n++] = (char)(high * 16 + low);
        i += 2;
    }
    path[n] = '\0';
    return path;
}

static bool take_number(struct str *line, uint64_t *v)
{
    struct str f = take(line);
    char text[24], *end;

    if (f.n == 0 || f.n >= sizeof(text) || !isdigit((unsigned char)f.p[0]))
        return false;
    memcpy(text, f.p, f.n);
    text[f.n] = '\0';
    errno = 0;
    *v = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool take_sig(struct str *line, struct sig *s)
{
    struct str f = take(line);
    char text[128];
    long long ms, cs;
    int used = 0;

    if (f.n == 0 || f.n >= sizeof(text))
        return false;
    memcpy(text, f.p, f.n);
    text[f.n] = '\0';
    return sscanf(text, "%" SCNu64 ":%" SCNd64 ":%lld.%9ld:%lld.%9ld%n", &s->ino, &s->size, &ms,
                  &s->mtime.tv_nsec, &cs, &s->ctime.tv_nsec, &used) == 6 &&
           (s->mtime.tv_sec = (time_t)ms, s->ctime.tv_sec = (time_t)cs, (size_t)used == f.n);
}

static bool parse_line(struct str line, struct arena *a, struct note *n)
{
    struct str kind = take(&line);

    *n = (struct note){.temp = ""};
    if (kind.n != 1 || strchr("taxmesbfd", kind.p[0]) == NULL)
        return false;
    n->kind = (enum note_kind)kind.p[0];
    if (has_temp(n->kind) && (n->temp = take_path(&line, a)) == NULL)
        return false;
    n->path = take_path(&line, a);
    if (n->path == NULL || strchr(n->temp, '/') != NULL)
        return false;
    if ((n->kind == NOTE_ADD || n->kind == NOTE_EXCHANGE) && !take_number(&line, &n->ino))
        return false;
    if (strchr("xmsbf", n->kind) != NULL && !take_sig(&line, &n->a))
        return false;
    if ((n->kind == NOTE_SETTLED || n->kind == NOTE_FOLDER) && !take_sig(&line, &n->b))
        return false;
    return line.n == 0;
}

static int by_path(const void *a, const void *b)
{
    const struct note *x = a, *y = b;
    int order = strcmp(x->path, y->path);

    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

bool journal_parse(struct str text, struct journal *j, struct err *e)
{
    size_t room = 0;

    *j = (struct journal){.n = 0};
    for (const char *end; (end = memchr(text.p, '\n', text.n)) != NULL;) {
        struct str line = {text.p, (size_t)(end - text.p)};

        if (j->n == room) {
            room = room == 0 ? 64 : room * 2;
            j->notes = xrealloc(j->notes, room, sizeof(*j->notes));
        }
        if (!parse_line(line, &j->mem, &j->notes[j->n])) {
            size_t number = j->n + 1;
            journal_release(j);
            return err_set(e, EX_FAIL, "the staged work's journal is damaged in line %zu", number);
        }
        j->notes[j->n].order = j->n;
        j->n++;
        text.n -= line.n + 1;
        text.p = end + 1;
    }
    if (j->n > 1)
        qsort(j->notes, j->n, sizeof(*j->notes), by_path);
    return true;
}

bool journal_read(const struct stage *s, struct journal *j, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    AUTO_CLOSE int fd = stage_open_below(s->folder, "journal", O_RDONLY);

    *j = (struct journal){.n = 0};
    buf_init(&text, JOURNAL_MAX);
    if (fd < 0)
        return err_sys(e, EX_FAIL, "the staged work's journal");
    if (!fd_read_all(fd, &text, "the staged work's journal", e))
        return false;
    return text.n == 0 || journal_parse(buf_str(&text), j, e);
}

void journal_release(struct journal *j)
{
    free(j->notes);
    arena_release(&j->mem);
    *j = (struct journal){.n = 0};
}

/* Notes on the path: index of the first, and how many. */
static size_t notes_of(const struct journal *j, const char *path, size_t *n)
{
    size_t low = 0, high = j->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(j->notes[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (*n = 0; low + *n < j->n && strcmp(j->notes[low + *n].path, path) == 0;)
        ++*n;
    return low;
}

const struct note *journal_last(const struct journal *j, const char *path, enum note_kind kind)
{
    const struct note *last = NULL;
    size_t n, first = notes_of(j, path, &n);

    for (size_t i = first; i < first + n; i++)
        if (j->notes[i].kind == kind)
            last = &j->notes[i];
    return last;
}

struct timespec journal_folder_time(const struct journal *j, const char *path,
                                    const struct sig *now)
{
    size_t n, first = notes_of(j, path, &n);
    struct timespec base = now->ctime;
    const struct sig *known = NULL;

    for (size_t i = first; i < first + n; i++) {
        const struct note *x = &j->notes[i];
        if (x->kind != NOTE_FOLDER)
            continue;
        if (x->a.ino == 0) /* belay made it */
            base = x->a.ctime;
        else if (known != NULL && sig_same(known, &x->b))
            continue;
        else if (known == NULL || !sig_same(known, &x->a))
            base = x->a.ctime;
        known = &x->b;
    }
    return known != NULL && sig_same(known, now) ? base : now->ctime;
}
