/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that kern reads: status and stack of a task, `#!` lines, arguments of a dynamic loader
 * and of an interpreter, tables of sockets. */
#include "kern/argv.h"
#include "kern/listeners.h"
#include "kern/parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void script(const char *p, size_t n)
{
    struct script s;

    if (n > SCRIPT_HEAD)
        n = SCRIPT_HEAD;
    enum script_kind kind = parse_script(p, n, &s);
    assert((kind == SCRIPT_NONE) == (n < 2 || p[0] != '#' || p[1] != '!'));
    if (kind != SCRIPT_OK)
        return;
    assert(s.interpreter.n > 0 && s.interpreter.p >= p + 2 &&
           s.interpreter.p + s.interpreter.n <= p + n);
    assert(memchr(s.interpreter.p, '\n', s.interpreter.n) == NULL);
    assert(memchr(s.interpreter.p, ' ', s.interpreter.n) == NULL);
    assert(memchr(s.interpreter.p, '\0', s.interpreter.n) == NULL);
    if (s.has_argument) {
        assert(s.argument.p > s.interpreter.p && s.argument.p + s.argument.n <= p + n);
        assert(memchr(s.argument.p, '\n', s.argument.n) == NULL);
    }
}

/* The input as an argument vector, one item to a line; what is on the stack matches itself. */
static void arguments(const char *p, size_t n)
{
    struct str argv[64];
    struct exec x = {.argv = argv};
    char *stack = malloc(n + 1);

    assert(stack != NULL);
    memcpy(stack, p, n);
    stack[n] = '\n';
    for (size_t i = 0, start = 0; i <= n && x.argc < 64; i++) {
        if (stack[i] != '\n' && stack[i] != '\0')
            continue;
        argv[x.argc++] = (struct str){p + start, i - start};
        start = i + 1;
    }
    int at = parse_loader_program(argv, x.argc);
    assert(at < (int)x.argc && at != 0);
    at = x.argc > 0 ? parse_given_script(argv[0], argv, x.argc) : -1;
    assert(at == -1 || (at > 0 && at < (int)x.argc));
    for (size_t i = 0; i <= n; i++)
        if (stack[i] == '\n')
            stack[i] = '\0';
    size_t whole = argv_size(&x) - 1;
    assert(argv_matches(&x, (struct str){stack, whole}));
    assert(whole == 0 || !argv_matches(&x, (struct str){stack, whole - 1}));
    free(stack);
}

static void listeners(struct str line)
{
    struct listener l;

    for (unsigned n = 4; n <= 16; n += 12)
        if (listener_parse(line, n, &l))
            assert((l.at.n == 4 || l.at.n == 16) && l.at.n <= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct str all = {p, size};
    struct status s;
    uint64_t stack;

    (void)parse_start_stack(all, &stack);
    listeners(all);
    if (parse_status(all, &s))
        assert(s.umask <= 0777 && s.tgid > 0 && s.parent >= 0 && s.inner_tid >= 0);
    (void)parse_is_loader(all);
    struct str last = parse_last(all);
    assert(last.n == 0 || memchr(last.p, '/', last.n) == NULL);
    script(p, size);
    arguments(p, size);
    return 0;
}
