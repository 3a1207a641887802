/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/scope.h"

#include "base/fd.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (32u << 20)

static bool access_of(char letter, enum scope_access *access)
{
    static const char letters[] = "HRW";
    const char *at = letter != '\0' ? strchr(letters, letter) : NULL;

    if (at != NULL)
        *access = (enum scope_access)(at - letters);
    return at != NULL;
}

/* Entries of a text whose last byte is zero. False: malformed. */
static bool split(struct scope *s, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += s->text[i] == '\0';
    s->entries = xcalloc(count + 1, sizeof(*s->entries));
    for (const char *at = s->text; at < s->text + n;) {
        struct scope_entry *x = &s->entries[s->n];

        if (!access_of(at[0], &x->access) || at[1] != '/')
            return false;
        x->path = at + 1;
        x->n = strlen(x->path);
        at += x->n + 2;
        s->n++;
    }
    return s->n > 0;
}

bool scope_load(struct scope *s, int fd, struct err *e)
{
    AUTO_BUF struct buf b = {0};

    *s = (struct scope){0};
    buf_init(&b, TEXT_MAX);
    if (!fd_read_all(fd, &b, "the scope", e))
        return false;
    s->text = xcalloc(b.n + 1, 1);
    if (b.n > 0)
        memcpy(s->text, b.p, b.n);
    if (b.n == 0 || s->text[b.n - 1] != '\0' || !split(s, b.n)) {
        scope_release(s);
        return err_set(e, EX_ROLE, "kern: a malformed scope");
    }
    return true;
}

void scope_release(struct scope *s)
{
    free(s->text);
    free(s->entries);
    *s = (struct scope){0};
}

static bool below(const struct scope_entry *x, const char *path)
{
    if (x->n == 1) /* "/" */
        return true;
    return strncmp(path, x->path, x->n) == 0 && (path[x->n] == '/' || path[x->n] == '\0');
}

static const struct scope_entry *nearest(const struct scope *s, const char *path)
{
    const struct scope_entry *best = NULL;

    for (size_t i = 0; i < s->n; i++)
        if (below(&s->entries[i], path) && (best == NULL || s->entries[i].n >= best->n))
            best = &s->entries[i];
    return best;
}

enum scope_access scope_of(const struct scope *s, const char *path)
{
    const struct scope_entry *best = nearest(s, path);

    return best != NULL ? best->access : SCOPE_HIDDEN;
}

bool scope_joins(const struct scope *s, const char *path, const char *other)
{
    return nearest(s, path) == nearest(s, other);
}

bool scope_allows(const struct scope *s, const char *path, enum scope_access wanted)
{
    return s->n == 0 || scope_of(s, path) >= wanted;
}
