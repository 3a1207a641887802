/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/argv.h"

#include <errno.h>
#include <string.h>

#define SHIFT_MAX 3 /* items that one `#!` line adds at most, without the one it removes */

/* How many arguments there are; bounded. The vector may change until it is read: what is read
 * then is what counts, up to this many. */
static int count(struct request *r, uint64_t at, size_t *n)
{
    uint64_t item = 1;

    for (*n = 0; at != 0 && *n <= ARGV_ITEMS_MAX; (*n)++) {
        int error = mem_read(&r->kern->mem, at, &item, sizeof(item));

        if (error != 0)
            return error;
        if (item == 0)
            return 0;
        if (__builtin_add_overflow(at, sizeof(item), &at))
            return -EFAULT;
    }
    return 0;
}

/* One argument; false when it or what follows had to be cut. -errno in *error. */
static bool read_item(struct request *r, uint64_t at, size_t *left, int *error)
{
    static char text[ARGV_BYTES_MAX];
    struct exec *x = r->exec;
    ssize_t n = mem_string(&r->kern->mem, at, text, *left);
    bool whole = n >= 0;

    if (n == -ENAMETOOLONG)
        n = (ssize_t)*left - 1;
    if (n < 0) {
        *error = (int)n;
        return false;
    }
    x->argv[x->argc++] = (struct str){arena_strndup(&r->arena, text, (size_t)n), (size_t)n};
    *left -= (size_t)n + 1;
    return whole;
}

/* Reads `n` arguments, or as many as are still there. 0 or -errno. */
static int read_items(struct request *r, uint64_t at, size_t n)
{
    struct exec *x = r->exec;
    size_t left = ARGV_BYTES_MAX;
    int error = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t item;

        error = mem_read(&r->kern->mem, at + i * sizeof(item), &item, sizeof(item));
        if (error != 0 || item == 0)
            return error;
        x->truncated = i == ARGV_ITEMS_MAX || left <= 1;
        if (x->truncated)
            return 0;
        if (!read_item(r, item, &left, &error)) {
            x->truncated = true;
            return error;
        }
    }
    return 0;
}

int argv_read(struct request *r, uint64_t at)
{
    struct exec *x = r->exec;
    size_t n;
    int error = count(r, at, &n);

    if (error != 0)
        return error;
    /* Room for one that stands for none, and for what the chain of interpreters adds. */
    x->argv = arena_alloc(&r->arena, (n + 1 + (size_t)CHAIN_MAX * SHIFT_MAX) * sizeof(*x->argv));
    error = read_items(r, at, n);
    if (error == 0 && x->argc == 0) /* Linux 5.18: an empty argv gets an empty argv[0] */
        x->argv[x->argc++] = STR("");
    return error;
}

void argv_shift(struct request *r, const struct script *s)
{
    struct exec *x = r->exec;
    struct str head[SHIFT_MAX];
    size_t n = 0;
    /* The script is the file before the interpreter that was just added. */
    const char *script = x->file[x->n - 2].named;

    head[n++] = str_of(x->file[x->n - 1].named);
    if (s->has_argument)
        head[n++] =
            (struct str){arena_strndup(&r->arena, s->argument.p, s->argument.n), s->argument.n};
    head[n++] = str_of(script);
    memmove(x->argv + n, x->argv + 1, (x->argc - 1) * sizeof(*x->argv));
    memcpy(x->argv, head, n * sizeof(*head));
    x->argc += n - 1;
}

/* All arguments with a blank between: zero bytes cannot be in them. */
static struct str join(struct request *r, const struct argv_view *argv)
{
    size_t n = 0;

    for (size_t i = 0; i < argv->n; i++)
        n += argv->item[i].n + 1;
    char *text = arena_alloc(&r->arena, n + 1);
    char *to = text;
    for (size_t i = 0; i < argv->n; i++) {
        if (i > 0)
            *to++ = ' ';
        memcpy(to, argv->item[i].p, argv->item[i].n);
        to += argv->item[i].n;
    }
    return (struct str){text, (size_t)(to - text)};
}

static struct str list(struct request *r, const struct argv_view *argv)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 2 * FRAME_MAX);
    for (size_t i = 0; i < argv->n; i++)
        action_list_add(&b, argv->item[i]);
    return (struct str){arena_strndup(&r->arena, b.p, b.n), b.n};
}

int argv_check(struct request *r, const char *path, const char *op, struct str name,
               const struct argv_view *argv, const char *interpreter)
{
    struct action *a = request_check(r, VERB_EXEC, RESOURCE_PROGRAM, path);

    if (a == NULL)
        return -E2BIG;
    action_str(a, FIELD_OP, str_of(op));
    action_str(a, FIELD_NAME, name);
    action_str(a, FIELD_CWD, str_of(r->exec->cwd));
    action_list(a, FIELD_ARGV, list(r, argv));
    action_str(a, FIELD_COMMAND, join(r, argv));
    if (argv->truncated)
        action_int(a, FIELD_TRUNCATED, 1);
    if (interpreter != NULL)
        action_str(a, FIELD_SCRIPT, str_of(interpreter));
    return 0;
}

size_t argv_size(const struct exec *x)
{
    size_t n = 1;

    for (size_t i = 0; i < x->argc; i++)
        n += x->argv[i].n + 1;
    return n;
}

bool argv_matches(const struct exec *x, struct str cmdline)
{
    for (size_t i = 0; i < x->argc; i++) {
        struct str want = x->argv[i];
        bool cut = x->truncated && i + 1 == x->argc; /* its end was not seen */

        if (cmdline.n < want.n + (cut ? 0 : 1) || memcmp(cmdline.p, want.p, want.n) != 0)
            return false;
        if (cut)
            return true;
        if (cmdline.p[want.n] != '\0')
            return false;
        cmdline.p += want.n + 1;
        cmdline.n -= want.n + 1;
    }
    return x->truncated || cmdline.n == 0;
}
