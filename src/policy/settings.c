/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/settings.h"

#include "cedar/cedar.h"
#include "policy/env.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX  8
#define ITEMS_MAX  256
#define KEY_MAX    128
#define SCALAR_MAX 4096

enum item_kind { ITEM_TEXT, ITEM_NAME };

static const struct key {
    const char *path;
    size_t offset;
    bool is_list;
    enum item_kind item;
    int64_t low, high, preset;
    const char *unit;
} keys[] = {
#define INTEGER(field, path, low, high, preset, unit, meaning) \
    {path, offsetof(struct settings, field), false, ITEM_TEXT, low, high, preset, unit},
#define LIST(field, path, item_kind, meaning) \
    {path, offsetof(struct settings, field), true, ITEM_##item_kind, 0, 0, 0, ""},
#include "policy/settings.def"
#undef INTEGER
#undef LIST
};

struct reader {
    struct settings *s;
    const char *file;
    struct str text;
    struct err *e;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    uint64_t seen;                         /* bit per key */
    const char *sections[ARRAY_LEN(keys)]; /* full paths of the mappings met */
    size_t nsections;
};

static_assert(ARRAY_LEN(keys) <= 64, "a bit for each key");

static int64_t *integer_of(struct settings *s, const struct key *k)
{
    return (int64_t *)(void *)((char *)s + k->offset);
}

static struct settings_list *list_of(struct settings *s, const struct key *k)
{
    return (struct settings_list *)(void *)((char *)s + k->offset);
}

void settings_default(struct settings *s)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!keys[i].is_list)
            *integer_of(s, &keys[i]) = keys[i].preset;
}

void settings_free(struct settings *s)
{
    arena_release(&s->arena);
    memset(s, 0, sizeof(*s));
}

/* The byte at this line and column, both from 0, columns in characters. */
static uint32_t byte_at(struct str text, yaml_mark_t mark)
{
    size_t at = 0;

    for (size_t line = 0; line < mark.line && at < text.n; at++)
        if (text.p[at] == '\n')
            line++;
    for (size_t column = 0; column < mark.column && at < text.n && text.p[at] != '\n'; column++) {
        size_t n = utf8_len(text.p + at, text.n - at, &(uint32_t){0});

        at += n > 0 ? n : 1;
    }
    return (uint32_t)at;
}

static bool fail_at(struct reader *r, yaml_mark_t start, yaml_mark_t end, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool fail_at(struct reader *r, yaml_mark_t start, yaml_mark_t end, const char *fmt, ...)
{
    struct cedar_error x = {.status = CEDAR_ERR_INVALID};
    struct cedar_str source = {r->text.p, r->text.n};
    char rendered[ERR_TEXT_MAX];
    va_list args;

    x.span = (struct cedar_span){byte_at(r->text, start), byte_at(r->text, end)};
    if (x.span.end <= x.span.start)
        x.span.end = x.span.start + 1 < r->text.n ? x.span.start + 1 : x.span.start;
    x.line = (uint32_t)start.line + 1;
    x.column = (uint32_t)start.column + 1;
    va_start(args, fmt);
    vsnprintf(x.message, sizeof(x.message), fmt, args);
    va_end(args);
    cedar_error_render(&x, r->file, source, rendered, sizeof(rendered));
    return err_set(r->e, EX_POLICY, "%s", rendered);
}

#define fail_event(r, ...) fail_at((r), (r)->event.start_mark, (r)->event.end_mark, __VA_ARGS__)

static bool next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) == 1;
    if (!r->has_event)
        return fail_at(r, r->parser.problem_mark, r->parser.problem_mark, "%s",
                       r->parser.problem != NULL ? r->parser.problem : "this is no YAML");
    if (r->event.type == YAML_ALIAS_EVENT)
        return fail_event(r, "aliases are not used here: write the value out");
    return true;
}

/* A copy of the scalar at hand, printable or refused; NULL after an error. */
static const char *scalar(struct reader *r, const char *what)
{
    const char *p = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;

    if (r->event.type != YAML_SCALAR_EVENT) {
        fail_event(r, "%s is expected here", what);
        return NULL;
    }
    if (n > SCALAR_MAX || memchr(p, '\0', n) != NULL) {
        fail_event(r, "this is too long, or holds a zero byte");
        return NULL;
    }
    return arena_strndup(&r->s->arena, p, n);
}

static int64_t unit_factor(const struct key *k, const char *suffix)
{
    static const struct {
        const char *unit, *suffix;
        int64_t factor;
    } units[] = {
        {"s", "s", 1},       {"s", "m", 60},      {"s", "h", 3600},      {"B", "B", 1},
        {"B", "K", 1 << 10}, {"B", "M", 1 << 20}, {"B", "G", 1LL << 30}, {"B", "T", 1LL << 40},
    };

    if (*suffix == '\0')
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(units[i].unit, k->unit) == 0 && strcmp(units[i].suffix, suffix) == 0)
            return units[i].factor;
    return 0;
}

static bool read_integer(struct reader *r, const struct key *k)
{
    const char *text = scalar(r, "a number");
    long long n;
    int64_t factor, value;
    char *end;

    if (text == NULL)
        return false;
    errno = 0;
    n = strtoll(text, &end, 10);
    factor = unit_factor(k, end);
    if (end == text || text[0] == ' ' || text[0] == '+' || errno != 0 || factor == 0)
        return fail_event(r, "%s is a whole number%s", k->path,
                          *k->unit == 's'   ? ", of seconds or with s, m or h"
                          : *k->unit == 'B' ? ", of bytes or with K, M, G or T"
                                            : "");
    if (__builtin_mul_overflow(n, factor, &value) || value < k->low || value > k->high)
        return fail_event(r, "%s lies between %lld and %lld%s", k->path, (long long)k->low,
                          (long long)k->high, k->unit);
    *integer_of(r->s, k) = value;
    return true;
}

static bool name_is_good(const char *s)
{
    size_t n = strlen(s);

    if (n > 0 && s[n - 1] == '*')
        n--;
    if (n == 0 || (s[0] >= '0' && s[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] == '_' || (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= 'a' && s[i] <= 'z')))
            return false;
    return true;
}

static bool read_list(struct reader *r, const struct key *k)
{
    const char *items[ITEMS_MAX];
    struct settings_list *list = list_of(r->s, k);
    size_t n = 0;

    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return fail_event(r, "%s is a list: [\"a\", \"b\"]", k->path);
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        const char *item = scalar(r, "a string");

        if (item == NULL)
            return false;
        if (n == ITEMS_MAX)
            return fail_event(r, "%s has at most %d items", k->path, ITEMS_MAX);
        if (k->item == ITEM_NAME && !name_is_good(item))
            return fail_event(r, "a variable is NAME or PREFIX*, of letters, digits and '_'");
        if (n == 0 && k->item == ITEM_TEXT && item[0] == '\0')
            return fail_event(r, "%s begins with a program", k->path);
        items[n++] = item;
    }
    if (!r->has_event || r->event.type != YAML_SEQUENCE_END_EVENT)
        return false;
    list->item = arena_alloc(&r->s->arena, (n + 1) * sizeof(*items));
    memcpy(list->item, items, n * sizeof(*items));
    list->n = n;
    return true;
}

/* Optimal string alignment without transpositions; both at most KEY_MAX bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[KEY_MAX + 1], na = strlen(a), nb = strlen(b);

    if (na > KEY_MAX || nb > KEY_MAX)
        return KEY_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

static const char *nearest(const char *path)
{
    const char *best = NULL;
    size_t least = 4;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char part[KEY_MAX];

        for (const char *dot = strchr(keys[i].path, '.');; dot = strchr(dot + 1, '.')) {
            size_t n = dot != NULL ? (size_t)(dot - keys[i].path) : strlen(keys[i].path);

            snprintf(part, sizeof(part), "%.*s", (int)n, keys[i].path);
            if (distance(path, part) < least) {
                least = distance(path, part);
                best = keys[i].path;
            }
            if (dot == NULL)
                break;
        }
    }
    return best;
}

static bool is_section(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strncmp(keys[i].path, path, n) == 0 && keys[i].path[n] == '.')
            return true;
    return false;
}

static bool is_new_section(struct reader *r, const char *path)
{
    for (size_t i = 0; i < r->nsections; i++)
        if (strcmp(r->sections[i], path) == 0)
            return false;
    assert(r->nsections < ARRAY_LEN(r->sections));
    r->sections[r->nsections++] = path;
    return true;
}

static bool read_mapping(struct reader *r, const char *prefix, unsigned depth);

static bool read_value(struct reader *r, const struct key *k)
{
    if (!next(r))
        return false;
    return k->is_list ? read_list(r, k) : read_integer(r, k);
}

static bool read_section(struct reader *r, const char *path, unsigned depth)
{
    if (!next(r))
        return false;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fail_event(r, "%s holds further keys", path);
    return read_mapping(r, path, depth + 1);
}

static bool unknown_key(struct reader *r, const char *path)
{
    const char *meant = nearest(path);
    AUTO_BUF struct buf shown = {0};

    buf_init(&shown, 256);
    buf_add_safe(&shown, str_of(path), 80);
    if (meant != NULL)
        return fail_event(r, "unknown key %s; did you mean %s?", buf_cstr(&shown), meant);
    return fail_event(r, "unknown key %s", buf_cstr(&shown));
}

static bool read_key(struct reader *r, const char *prefix, unsigned depth)
{
    const char *name = scalar(r, "a key"), *path;

    if (name == NULL)
        return false;
    if (strlen(name) + strlen(prefix) + 2 > KEY_MAX)
        return fail_event(r, "unknown key");
    path = arena_printf(&r->s->arena, "%s%s%s", prefix, *prefix != '\0' ? "." : "", name);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].path, path) != 0)
            continue;
        if ((r->seen >> i & 1) != 0)
            return fail_event(r, "%s stands here twice", path);
        r->seen |= (uint64_t)1 << i;
        return read_value(r, &keys[i]);
    }
    if (!is_section(path) || depth == DEPTH_MAX)
        return unknown_key(r, path);
    if (!is_new_section(r, path))
        return fail_event(r, "%s stands here twice", path);
    return read_section(r, path, depth);
}

static bool read_mapping(struct reader *r, const char *prefix, unsigned depth)
{
    while (next(r)) {
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (!read_key(r, prefix, depth))
            return false;
    }
    return false;
}

static bool is_null_scalar(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool read_document(struct reader *r)
{
    if (!next(r) || !next(r)) /* start of the stream, start of a document or the end */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next(r))
        return false;
    if (!is_null_scalar(&r->event)) {
        if (r->event.type != YAML_MAPPING_START_EVENT)
            return fail_event(r, "settings are keys and values, as in \"ask: {timeout: 5m}\"");
        if (!read_mapping(r, "", 0))
            return false;
    }
    if (!next(r) || !next(r)) /* its end, and the end of the stream */
        return false;
    return r->event.type == YAML_STREAM_END_EVENT || fail_event(r, "a second document");
}

bool settings_parse(struct settings *s, const char *file, struct str text, struct err *e)
{
    struct reader r = {.s = s, .file = file, .text = text, .e = e};
    bool good;

    if (text.n > SETTINGS_TEXT_MAX)
        return err_set(e, EX_POLICY, "%s: settings have at most %u bytes", file, SETTINGS_TEXT_MAX);
    if (yaml_parser_initialize(&r.parser) != 1)
        abort();
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
    good = read_document(&r);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return good;
}

static bool listed(const struct settings_list *list, const char *name, bool exactly)
{
    for (size_t i = 0; i < list->n; i++)
        if (exactly ? strcmp(name, list->item[i]) == 0 : env_matches(name, list->item[i]))
            return true;
    return false;
}

bool settings_env_passes(const struct settings *s, const char *name)
{
    if (listed(&s->env_block, name, false))
        return false;
    if (env_changes_programs(name))
        return listed(&s->env_pass, name, true);
    return env_passes_by_default(name) || listed(&s->env_pass, name, false);
}
