/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/parse.h"

#include "base/mem.h"

#include <limits.h>
#include <string.h>

/* The line that starts with `key`, without key and newline; false if there is none. */
static bool find_line(struct str text, const char *key, struct str *line)
{
    size_t k = strlen(key);

    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;

        if (n >= k && memcmp(text.p, key, k) == 0) {
            *line = (struct str){text.p + k, n - k};
            return true;
        }
        if (end == NULL)
            return false;
        text.p += n + 1;
        text.n -= n + 1;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads the next number; *line moves behind it. */
static bool take_number(struct str *line, unsigned base, long *value)
{
    long v = 0;
    size_t digits = 0;

    while (line->n > 0 && is_blank(*line->p)) {
        line->p++;
        line->n--;
    }
    while (line->n > 0 && *line->p >= '0' && *line->p < (char)('0' + base)) {
        v = v * (long)base + (*line->p - '0');
        if (v > INT_MAX)
            return false;
        line->p++;
        line->n--;
        digits++;
    }
    *value = v;
    return digits > 0;
}

static bool number_of(struct str text, const char *key, unsigned base, long *value)
{
    struct str line;

    return find_line(text, key, &line) && take_number(&line, base, value);
}

static bool last_number_of(struct str text, const char *key, long *value)
{
    struct str line;
    bool any = false;

    if (!find_line(text, key, &line))
        return false;
    for (long v; take_number(&line, 10, &v); any = true)
        *value = v;
    return any;
}

bool parse_status(struct str text, struct status *s)
{
    long mask, tgid, parent, tracer, inner_tgid, inner_tid;

    if (!number_of(text, "Umask:", 8, &mask) || !number_of(text, "Tgid:", 10, &tgid) ||
        !number_of(text, "PPid:", 10, &parent) || !number_of(text, "TracerPid:", 10, &tracer) ||
        !last_number_of(text, "NStgid:", &inner_tgid) ||
        !last_number_of(text, "NSpid:", &inner_tid) || mask > 0777 || tgid == 0)
        return false;
    *s = (struct status){.tgid = (pid_t)tgid,
                         .parent = (pid_t)parent,
                         .tracer = (pid_t)tracer,
                         .inner_tgid = (pid_t)inner_tgid,
                         .inner_tid = (pid_t)inner_tid,
                         .umask = (unsigned)mask};
    return true;
}

bool parse_start_stack(struct str text, uint64_t *at)
{
    /* The program's name stands in parentheses, and may hold any. */
    const char *p = text.n > 0 ? memrchr(text.p, ')', text.n) : NULL;
    const char *end = text.p + text.n;
    uint64_t v = 0;
    bool any = false;

    for (int field = 3; p != NULL && field <= 28; field++)
        if ((p = memchr(p, ' ', (size_t)(end - p))) != NULL)
            p++;
    for (; p != NULL && p < end && *p >= '0' && *p <= '9'; p++, any = true)
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
            return false;
    *at = v;
    return any && v != 0 && p < end && *p == ' ';
}

/* First position in [from, to] of a byte that is (or is not) a blank; a zero byte counts as an
 * end when looking for one. `to` itself is looked at, as the kernel does. */
static size_t skip_blanks(const char *b, size_t from, size_t to)
{
    while (from <= to && is_blank(b[from]))
        from++;
    return from;
}

static size_t find_end(const char *b, size_t from, size_t to)
{
    while (from <= to && !is_blank(b[from]) && b[from] != '\0')
        from++;
    return from;
}

/* Where the line ends: false when the kernel would refuse it. */
static bool script_line_end(const char *b, size_t *end)
{
    const size_t last = SCRIPT_HEAD - 1;
    size_t i = 0;

    while (i < SCRIPT_HEAD && b[i] != '\n' && b[i] != '\0')
        i++;
    if (i < SCRIPT_HEAD && b[i] == '\n') {
        *end = i;
        return true;
    }
    size_t name = skip_blanks(b, 2, last);
    if (name > last || find_end(b, name, last) > last)
        return false;
    *end = last;
    return true;
}

enum script_kind parse_script(const char *head, size_t n, struct script *s)
{
    char b[SCRIPT_HEAD] = {0};
    size_t end;

    if (n < 2 || head[0] != '#' || head[1] != '!')
        return SCRIPT_NONE;
    memcpy(b, head, n < SCRIPT_HEAD ? n : SCRIPT_HEAD);
    if (!script_line_end(b, &end))
        return SCRIPT_BAD;
    while (is_blank(b[end - 1])) /* stops at '!' at the latest */
        end--;
    size_t name = skip_blanks(b, 2, end);
    if (name >= end || b[name] == '\0')
        return SCRIPT_BAD;
    size_t stop = find_end(b, name, end);
    if (stop > end)
        stop = end;
    s->interpreter = (struct str){head + name, stop - name};
    s->has_argument = false;
    s->argument = (struct str){head, 0};
    if (stop >= end || b[stop] == '\0')
        return SCRIPT_OK;
    size_t arg = skip_blanks(b, stop, end);
    if (arg >= end)
        return SCRIPT_OK;
    s->has_argument = true;
    s->argument = (struct str){head + arg, strnlen(b + arg, end - arg)};
    return SCRIPT_OK;
}

struct str parse_last(struct str path)
{
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/')
            return (struct str){path.p + i, path.n - i};
    return path;
}

bool parse_is_loader(struct str path)
{
    struct str name = parse_last(path);

    if (str_is(name, "ld.so"))
        return true;
    if (!str_starts(name, "ld-") && !str_starts(name, "ld64"))
        return false;
    return memmem(name.p, name.n, ".so", 3) != NULL;
}

static bool loader_option_has_value(struct str option)
{
    static const char *const options[] = {
        "--library-path",         "--inhibit-rpath",     "--audit", "--preload", "--argv0",
        "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask",
    };

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (str_is(option, options[i]))
            return true;
    return false;
}

int parse_loader_program(const struct str *argv, size_t n)
{
    for (size_t i = 1; i < n && i <= INT_MAX; i++) {
        if (!str_starts(argv[i], "--"))
            return (int)i;
        if (argv[i].n == 2)
            return i + 1 < n ? (int)i + 1 : -1;
        if (loader_option_has_value(argv[i]))
            i++;
    }
    return -1;
}

static bool is_one_of(struct str name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (str_is(name, *list))
            return true;
    return false;
}

/* Does an option of this interpreter give it its program? */
static bool gives_program(bool shell, struct str option)
{
    static const char *const words[] = {"--eval", "--print", "--command", "--run", NULL};

    for (size_t i = 0; i < option.n; i++)
        if (option.p[i] == '=')
            option.n = i;
    if (str_starts(option, "--"))
        return is_one_of(option, words);
    for (size_t i = 1; i < option.n; i++)
        if (memchr(shell ? "cs" : "ceEmpr", option.p[i], shell ? 2 : 6) != NULL)
            return true;
    return option.n == 1;
}

int parse_given_script(struct str interpreter, const struct str *argv, size_t n)
{
    static const char *const shells[] = {"sh",   "bash", "dash",  "ash",  "zsh", "ksh",
                                         "mksh", "fish", "rbash", "yash", NULL};
    static const char *const others[] = {"node",    "nodejs", "php", "lua", "tclsh",
                                         "Rscript", "deno",   "bun", NULL};
    bool shell = is_one_of(interpreter, shells);

    if (!shell && !is_one_of(interpreter, others) && !str_starts(interpreter, "python") &&
        !str_starts(interpreter, "perl") && !str_starts(interpreter, "ruby"))
        return -1;
    for (size_t i = 1; i < n && i <= INT_MAX; i++) {
        if (str_is(argv[i], "--"))
            return i + 1 < n ? (int)i + 1 : -1;
        if (argv[i].n == 0 || argv[i].p[0] != '-')
            return argv[i].n == 0 ? -1 : (int)i;
        if (gives_program(shell, argv[i]))
            return -1;
    }
    return -1;
}
