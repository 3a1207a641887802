/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/env.h"

#include "base/fd.h"
#include "kern/argv.h"
#include "policy/env.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUXV_MAX 64 /* pairs; Linux 6.18 has 25 */

static bool is_scrubbed(const struct kern *k, const char *name)
{
    for (size_t i = 0; i < k->config.nscrub; i++)
        if (env_matches(name, k->config.scrub[i]))
            return true;
    return false;
}

/* Of NAME=value, zero-terminated: is it part of the action? `text` is whole again afterwards. */
static bool counts(const struct kern *k, char *text)
{
    char *equals = strchr(text, '=');

    if (equals != NULL)
        *equals = '\0';
    bool yes = env_changes_programs(text) && !is_scrubbed(k, text);
    if (equals != NULL)
        *equals = '=';
    return yes;
}

static int take(struct request *r, const char *text, size_t n)
{
    struct exec *x = r->exec;

    x->env_bytes += n + sizeof(uint32_t);
    if (x->env_bytes > ENV_SHOWN_MAX)
        return -E2BIG;
    if (x->nenv == x->env_room) {
        size_t room = x->env_room == 0 ? 8 : x->env_room * 2;
        struct str *more = arena_alloc(&r->arena, room * sizeof(*more));

        if (x->nenv > 0)
            memcpy(more, x->env, x->nenv * sizeof(*more));
        x->env = more;
        x->env_room = room;
    }
    x->env[x->nenv++] = (struct str){arena_strndup(&r->arena, text, n), n};
    return 0;
}

int env_read(struct request *r, uint64_t at)
{
    static char text[ARGV_ITEM_MAX];
    size_t left = ARGV_BYTES_MAX;

    for (size_t i = 0; at != 0; i++) {
        uint64_t item;
        int error = mem_read(&r->kern->mem, at, &item, sizeof(item));

        if (error != 0 || item == 0)
            return error;
        if (i == ARGV_ITEMS_MAX)
            return -E2BIG;
        ssize_t n = mem_string(&r->kern->mem, item, text, sizeof(text));
        if (n < 0)
            return n == -ENAMETOOLONG ? -E2BIG : (int)n;
        if ((size_t)n >= left)
            return -E2BIG;
        left -= (size_t)n + 1;
        if (counts(r->kern, text) && (error = take(r, text, (size_t)n)) != 0)
            return error;
        if (__builtin_add_overflow(at, sizeof(item), &at))
            return -EFAULT;
    }
    return 0;
}

/* All that /proc/PID/environ shows, zero bytes included; false when it is more than env_read()
 * would have taken. */
static bool read_all(struct kern *k, pid_t pid, struct buf *text)
{
    AUTO_CLOSE int fd = tracee_open(k->view.proc, pid, "environ", O_RDONLY);
    char chunk[4096];
    ssize_t n;

    if (fd < 0)
        return false;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(text, chunk, (size_t)n);
    return n == 0 && !text->full;
}

bool env_same(struct kern *k, const struct exec *x, pid_t pid)
{
    AUTO_BUF struct buf text = {0};
    size_t found = 0;

    buf_init(&text, ARGV_BYTES_MAX + 1);
    if (!read_all(k, pid, &text))
        return false;
    buf_add(&text, "", 1);
    if (text.full)
        return false;
    for (char *at = text.p, *end = text.p + text.n; at < end;) {
        size_t n = strlen(at);

        if (counts(k, at) && (found == x->nenv || !str_eq(x->env[found++], (struct str){at, n})))
            return false;
        at += n + 1;
    }
    return found == x->nenv;
}

/* The words above the stack pointer of a new program, without argc and argv. */
struct stack {
    uint64_t at; /* of envp */
    uint64_t *word;
    size_t n, size; /* words as they are to be */
    size_t gone;    /* how many fewer than there were */
};

static void push(struct stack *s, uint64_t word)
{
    if (s->n == s->size) {
        s->size = s->size == 0 ? 256 : s->size * 2;
        s->word = xrealloc(s->word, s->size, sizeof(word));
    }
    s->word[s->n++] = word;
}

/* Overwrites a variable; false: it stays as it is not one of those. */
static int drop_variable(struct kern *k, pid_t pid, uint64_t at, bool *dropped)
{
    static const char zeros[ARGV_ITEM_MAX];
    static char text[ARGV_ITEM_MAX];
    ssize_t n = mem_string(&k->mem, at, text, sizeof(text));

    *dropped = false;
    if (n < 0)
        return (int)n;
    text[strcspn(text, "=")] = '\0';
    *dropped = is_scrubbed(k, text);
    return *dropped ? mem_write(pid, at, zeros, (size_t)n) : 0;
}

static int read_word(struct kern *k, const struct stack *s, size_t i, uint64_t *word)
{
    uint64_t at;

    if (__builtin_add_overflow(s->at, i * sizeof(*word), &at))
        return -EFAULT;
    return mem_read(&k->mem, at, word, sizeof(*word));
}

static int take_variables(struct kern *k, pid_t pid, struct stack *s)
{
    for (size_t i = 0; i <= ARGV_ITEMS_MAX; i++) {
        bool dropped = false;
        uint64_t word;
        int error = read_word(k, s, i, &word);

        if (error == 0 && word != 0)
            error = drop_variable(k, pid, word, &dropped);
        if (error != 0)
            return error;
        if (dropped) {
            s->gone++;
            continue;
        }
        push(s, word);
        if (word == 0)
            return 0;
    }
    return -E2BIG;
}

static int take_auxv(struct kern *k, struct stack *s)
{
    for (size_t i = 0; i < AUXV_MAX; i++) {
        uint64_t pair[2];
        int error = read_word(k, s, s->n + s->gone, &pair[0]);

        if (error == 0)
            error = read_word(k, s, s->n + s->gone + 1, &pair[1]);
        if (error != 0)
            return error;
        push(s, pair[0]);
        push(s, pair[1]);
        if (pair[0] == AT_NULL)
            return 0;
    }
    return -E2BIG;
}

/* Where envp of the program begins: behind argc, its pointers and their NULL. */
static int find_envp(struct kern *k, pid_t pid, uint64_t *at)
{
    char text[1024];
    uint64_t argc, argv_bytes;
    AUTO_CLOSE int fd = tracee_open(k->view.proc, pid, "stat", O_RDONLY);

    if (fd < 0)
        return fd;
    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return -errno;
    if (!parse_start_stack((struct str){text, (size_t)n}, at))
        return -ESRCH;
    int error = mem_read(&k->mem, *at, &argc, sizeof(argc));
    if (error != 0)
        return error;
    if (argc > (uint64_t)ARGV_ITEMS_MAX + (uint64_t)CHAIN_MAX * 3)
        return -E2BIG; /* a program with words of another size */
    argv_bytes = (argc + 2) * sizeof(argc);
    return __builtin_add_overflow(*at, argv_bytes, at) ? -EFAULT : 0;
}

int env_scrub(struct kern *k, pid_t pid)
{
    struct stack s = {0};

    if (k->config.nscrub == 0)
        return 0;
    mem_start(&k->mem, pid);
    int error = find_envp(k, pid, &s.at);
    if (error == 0)
        error = take_variables(k, pid, &s);
    if (error == 0 && s.gone > 0)
        error = take_auxv(k, &s);
    for (size_t i = 0; error == 0 && i < s.gone; i++)
        push(&s, 0);
    if (error == 0 && s.gone > 0)
        error = mem_write(pid, s.at, s.word, s.n * sizeof(*s.word));
    free(s.word);
    return error;
}
