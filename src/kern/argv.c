/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/argv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SHIFT_MAX 3 /* items that one `#!` line adds at most, without the one it removes */

/* How much of the arguments one action shows; see argv.h. Twice as much must fit a frame, and the
 * variables of env.h. */
#define SHOWN_BYTES 60000u
#define SHOWN_ITEMS 8192u
#define PIECE       16384u /* a longer argument is shown in pieces of this length */
#define OVERLAP     1024u  /* of two pieces of one argument */
static_assert(SHOWN_BYTES >= 3 * (PIECE + 4), "argv[0], the last item again, and a new one");

/* How many arguments there are; bounded. The vector may change until it is read: what is read
 * then is what counts, up to this many. */
static int count(struct request *r, uint64_t at, size_t *n)
{
    uint64_t item = 1;

    for (*n = 0; at != 0; (*n)++) {
        int error = mem_read(&r->kern->mem, at, &item, sizeof(item));

        if (error != 0)
            return error;
        if (item == 0)
            return 0;
        if (*n == ARGV_ITEMS_MAX)
            return -E2BIG;
        if (__builtin_add_overflow(at, sizeof(item), &at))
            return -EFAULT;
    }
    return 0;
}

/* Reads one argument. 0 or -errno. */
static int read_item(struct request *r, uint64_t at, size_t *left)
{
    static char text[ARGV_ITEM_MAX];
    struct exec *x = r->exec;
    ssize_t n = mem_string(&r->kern->mem, at, text, sizeof(text));

    if (n < 0)
        return n == -ENAMETOOLONG ? -E2BIG : (int)n;
    if ((size_t)n >= *left)
        return -E2BIG;
    *left -= (size_t)n + 1;
    x->argv[x->argc++] = (struct str){arena_strndup(&r->arena, text, (size_t)n), (size_t)n};
    return 0;
}

/* Reads `n` arguments, or as many as are still there. 0 or -errno. */
static int read_items(struct request *r, uint64_t at, size_t n)
{
    size_t left = ARGV_BYTES_MAX;

    for (size_t i = 0; i < n; i++) {
        uint64_t item;
        int error = mem_read(&r->kern->mem, at + i * sizeof(item), &item, sizeof(item));

        if (error == 0 && item != 0)
            error = read_item(r, item, &left);
        if (error != 0 || item == 0)
            return error;
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

/* All items with a blank between: zero bytes cannot be in them. */
static struct str join(struct request *r, const struct str *item, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += item[i].n + 1;
    char *text = arena_alloc(&r->arena, size + 1);
    char *to = text;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            *to++ = ' ';
        memcpy(to, item[i].p, item[i].n);
        to += item[i].n;
    }
    return (struct str){text, (size_t)(to - text)};
}

static struct str list(struct request *r, const struct str *item, size_t n)
{
    AUTO_BUF struct buf b;

    buf_init(&b, FRAME_MAX);
    for (size_t i = 0; i < n; i++)
        action_list_add(&b, item[i]);
    return (struct str){arena_strndup(&r->arena, b.p, b.n), b.n};
}

static int add_check(struct request *r, const struct argv_exec *e, const struct str *item, size_t n,
                     bool part)
{
    struct action *a = request_check(r, VERB_EXEC, RESOURCE_PROGRAM, e->path);

    if (a == NULL)
        return -E2BIG;
    action_str(a, FIELD_OP, str_of(e->op));
    action_str(a, FIELD_NAME, e->name);
    action_str(a, FIELD_CWD, str_of(r->exec->cwd));
    action_list(a, FIELD_ARGV, list(r, item, n));
    action_str(a, FIELD_COMMAND, join(r, item, n));
    if (r->kern->config.read_env)
        action_list(a, FIELD_ENV, list(r, r->exec->env, r->exec->nenv));
    if (part)
        action_int(a, FIELD_TRUNCATED, 1);
    if (e->interpreter != NULL)
        action_str(a, FIELD_SCRIPT, str_of(e->interpreter));
    return 0;
}

/* How many of the items one action can show; at least one. */
static size_t shown(const struct str *item, size_t n)
{
    size_t bytes = 0, i;

    for (i = 0; i < n && i < SHOWN_ITEMS; i++) {
        bytes += item[i].n + sizeof(uint32_t);
        if (bytes > SHOWN_BYTES && i > 0)
            break;
    }
    return i;
}

/* Long arguments in pieces that overlap. Returns their number. */
static size_t cut(struct request *r, const struct str *item, size_t n, struct str **pieces)
{
    size_t room = n, at = 0;

    for (size_t i = 0; i < n; i++)
        room += item[i].n / (PIECE - OVERLAP);
    *pieces = arena_alloc(&r->arena, room * sizeof(**pieces));
    for (size_t i = 0; i < n; i++) {
        struct str rest = item[i];

        while (rest.n > PIECE) {
            (*pieces)[at++] = (struct str){rest.p, PIECE};
            rest.p += PIECE - OVERLAP;
            rest.n -= PIECE - OVERLAP;
        }
        (*pieces)[at++] = rest;
    }
    return at;
}

/* What does not fit one action is shown in several, each with argv[0] and the last item of the
 * one before it. */
static int check_in_parts(struct request *r, const struct argv_exec *e)
{
    struct str *piece;
    size_t n = cut(r, e->argv, e->argc, &piece);

    for (size_t from = 0; from < n;) {
        struct str *window = piece + from;

        if (from > 0)
            *--window = e->argv[0].n > PIECE ? (struct str){e->argv[0].p, PIECE} : e->argv[0];
        size_t left = n - (size_t)(window - piece), many = shown(window, left);
        int error = add_check(r, e, window, many, true);

        if (error != 0 || many == left)
            return error;
        from = (size_t)(window - piece) + many - 1;
    }
    return 0;
}

int argv_check(struct request *r, const struct argv_exec *e)
{
    if (shown(e->argv, e->argc) == e->argc && (e->argc > 1 || e->argv[0].n <= SHOWN_BYTES))
        return add_check(r, e, e->argv, e->argc, false);
    return check_in_parts(r, e);
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

        if (cmdline.n < want.n + 1 || memcmp(cmdline.p, want.p, want.n) != 0 ||
            cmdline.p[want.n] != '\0')
            return false;
        cmdline.p += want.n + 1;
        cmdline.n -= want.n + 1;
    }
    return cmdline.n == 0;
}
