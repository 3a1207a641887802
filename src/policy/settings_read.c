/* SPDX-License-Identifier: Apache-2.0 */
/* settings_read.c - belay.yaml, key by key. */
#include "policy/settings.h"

#include "cedar/cedar.h"
#include "model/price.h"
#include "policy/action.h"
#include "policy/place.h"

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

enum item_kind {
    ITEM_ANY,
    ITEM_TEXT,
    ITEM_NAME,
    ITEM_VARIABLE,
    ITEM_PLACE,
    ITEM_PRICE,
    ITEM_HEADER,
    ITEM_FORMAT
};
enum value_kind { VALUE_INTEGER, VALUE_TEXT, VALUE_LIST, VALUE_SWITCH };

struct key {
    const char *path;
    size_t offset;
    enum value_kind kind;
    enum item_kind item;
    int64_t low, high, preset;
    const char *unit;
};

static const struct key keys[] = {
#define INTEGER(field, path, low, high, preset, unit, meaning) \
    {path, offsetof(struct settings, field), VALUE_INTEGER, ITEM_ANY, low, high, preset, unit},
#define LIST(field, path, item, meaning) \
    {path, offsetof(struct settings, field), VALUE_LIST, ITEM_##item, 0, 0, 0, ""},
#include "policy/settings.def"
#undef INTEGER
#undef LIST
};

static const struct key credential_keys[] = {
#define CREDENTIAL(kind, field, key, item, meaning) \
    {key, offsetof(struct settings_credential, field), VALUE_##kind, ITEM_##item, 0, 0, 0, ""},
#include "policy/settings.def"
#undef CREDENTIAL
};

#define MAP_KEY  "credentials"
#define KEYS_MAX 64

/* The keys that may stand in one part of the file: all of it, or one credential. */
struct scope {
    const struct key *keys;
    size_t nkeys;
    void *base;                     /* the struct that holds the values */
    const char *name;               /* what goes before a path in messages, with its dot */
    uint64_t seen;                  /* bit per key */
    const char *sections[KEYS_MAX]; /* paths of the mappings met */
    size_t nsections;
};

struct reader {
    struct settings *s;
    const char *file;
    struct str text;
    struct err *e;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event, has_map;
};

static_assert(ARRAY_LEN(keys) <= KEYS_MAX && ARRAY_LEN(credential_keys) <= KEYS_MAX,
              "a bit for each key");

static void *value_of(const struct scope *c, const struct key *k)
{
    return (char *)c->base + k->offset;
}

void settings_default(struct settings *s)
{
    const struct scope all = {.base = s};

    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].kind == VALUE_INTEGER)
            *(int64_t *)value_of(&all, &keys[i]) = keys[i].preset;
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

static bool read_integer(struct reader *r, const struct scope *c, const struct key *k)
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
    *(int64_t *)value_of(c, k) = value;
    return true;
}

/* ---- what strings may be ------------------------------------------------------------ */

static bool name_is_good(const char *s, bool may_end_in_star)
{
    size_t n = strlen(s);

    if (may_end_in_star && n > 0 && s[n - 1] == '*')
        n--;
    if (n == 0 || (s[0] >= '0' && s[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] == '_' || (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= 'a' && s[i] <= 'z')))
            return false;
    return true;
}

/* A token of RFC 9110 in lower case, and not one that is about the message itself. */
static bool header_is_good(const char *s)
{
    static const char *const own[] = {"host", "content-length", "transfer-encoding", "connection"};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strcmp(s, own[i]) == 0)
            return false;
    return *s != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

static bool format_is_good(const char *s)
{
    const char *mark = strchr(s, '%');

    if (mark == NULL || mark[1] != 's' || strchr(mark + 1, '%') != NULL)
        return false;
    for (; *s != '\0'; s++)
        if (*s < ' ' || *s > '~')
            return false;
    return true;
}

static bool price_is_good(const char *s)
{
    struct price_table t = {0};
    struct err e;
    bool good = strchr(s, '\n') == NULL && price_add(&t, str_of(s), "", &e) && t.n == 1;

    price_free(&t);
    return good;
}

/* NULL: it may; else what it should be. */
static const char *item_fault(enum item_kind kind, const char *s, bool is_first)
{
    struct place place;

    switch (kind) {
    case ITEM_ANY:
        return *s == '\0' ? "this is empty" : NULL;
    case ITEM_TEXT:
        return is_first && *s == '\0' ? "a command begins with a program" : NULL;
    case ITEM_NAME:
        return name_is_good(s, true) ? NULL
                                     : "a variable is NAME or PREFIX*, of letters, digits and '_'";
    case ITEM_VARIABLE:
        return name_is_good(s, false) ? NULL : "a variable is NAME, of letters, digits and '_'";
    case ITEM_PLACE:
        return place_read(str_of(s), &place)
                   ? NULL
                   : "a place is HOST[:PORT][/PATH]: a lower-case name, which may begin with "
                     "\"*.\", and a path in which '*' stands for anything";
    case ITEM_PRICE:
        return price_is_good(s)
                   ? NULL
                   : "a price is PROVIDER/MODEL and four amounts: dollars for a million "
                     "tokens of input, output, cache read and cache write";
    case ITEM_HEADER:
        return header_is_good(s) ? NULL : "a header's name is written in lower case";
    case ITEM_FORMAT:
        return format_is_good(s) ? NULL : "the format of a header holds %s once, as in Bearer %s";
    }
    abort();
}

static bool read_text(struct reader *r, const struct scope *c, const struct key *k)
{
    const char *text = scalar(r, "a string");
    const char *fault = text != NULL ? item_fault(k->item, text, true) : NULL;

    if (text == NULL)
        return false;
    if (fault != NULL)
        return fail_event(r, "%s%s: %s", c->name, k->path, fault);
    *(const char **)value_of(c, k) = text;
    return true;
}

static bool read_switch(struct reader *r, const struct scope *c, const struct key *k)
{
    const char *text = scalar(r, "true or false");
    bool yes = text != NULL && strcmp(text, "true") == 0;

    if (text == NULL)
        return false;
    if (!yes && strcmp(text, "false") != 0)
        return fail_event(r, "%s%s is true or false", c->name, k->path);
    *(bool *)value_of(c, k) = yes;
    return true;
}

static bool read_list(struct reader *r, const struct scope *c, const struct key *k)
{
    const char *items[ITEMS_MAX];
    struct settings_list *list = value_of(c, k);
    size_t n = 0;

    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return fail_event(r, "%s%s is a list: [\"a\", \"b\"]", c->name, k->path);
    while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        const char *item = scalar(r, "a string");
        const char *fault = item != NULL ? item_fault(k->item, item, n == 0) : NULL;

        if (item == NULL)
            return false;
        if (n == ITEMS_MAX)
            return fail_event(r, "%s%s has at most %d items", c->name, k->path, ITEMS_MAX);
        if (fault != NULL)
            return fail_event(r, "%s%s: %s", c->name, k->path, fault);
        items[n++] = item;
    }
    if (!r->has_event || r->event.type != YAML_SEQUENCE_END_EVENT)
        return false;
    list->item = arena_alloc(&r->s->arena, (n + 1) * sizeof(*items));
    memcpy(list->item, items, n * sizeof(*items));
    list->n = n;
    return true;
}

/* ---- keys --------------------------------------------------------------------------- */

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

static const char *nearest(const struct scope *c, const char *path)
{
    const char *best = NULL;
    size_t least = 4;

    for (size_t i = 0; i < c->nkeys; i++) {
        const char *known = c->keys[i].path;
        char part[KEY_MAX];

        for (const char *dot = strchr(known, '.');; dot = strchr(dot + 1, '.')) {
            size_t n = dot != NULL ? (size_t)(dot - known) : strlen(known);

            snprintf(part, sizeof(part), "%.*s", (int)n, known);
            if (distance(path, part) < least) {
                least = distance(path, part);
                best = known;
            }
            if (dot == NULL)
                break;
        }
    }
    return best;
}

static bool is_section(const struct scope *c, const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < c->nkeys; i++)
        if (strncmp(c->keys[i].path, path, n) == 0 && c->keys[i].path[n] == '.')
            return true;
    return false;
}

static bool is_new_section(struct scope *c, const char *path)
{
    for (size_t i = 0; i < c->nsections; i++)
        if (strcmp(c->sections[i], path) == 0)
            return false;
    assert(c->nsections < ARRAY_LEN(c->sections));
    c->sections[c->nsections++] = path;
    return true;
}

static bool read_mapping(struct reader *r, struct scope *c, const char *prefix, unsigned depth);

static bool read_value(struct reader *r, const struct scope *c, const struct key *k)
{
    static bool (*const readers[])(struct reader *, const struct scope *,
                                   const struct key *) = {[VALUE_INTEGER] = read_integer,
                                                          [VALUE_TEXT] = read_text,
                                                          [VALUE_LIST] = read_list,
                                                          [VALUE_SWITCH] = read_switch};

    return next(r) && readers[k->kind](r, c, k);
}

static bool read_section(struct reader *r, struct scope *c, const char *path, unsigned depth)
{
    if (!next(r))
        return false;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fail_event(r, "%s%s holds further keys", c->name, path);
    return read_mapping(r, c, path, depth + 1);
}

static bool unknown_key(struct reader *r, const struct scope *c, const char *path)
{
    const char *meant = nearest(c, path);
    AUTO_BUF struct buf shown = {0};

    buf_init(&shown, 256);
    buf_add_safe(&shown, str_of(path), 80);
    if (meant != NULL)
        return fail_event(r, "unknown key %s%s; did you mean %s%s?", c->name, buf_cstr(&shown),
                          c->name, meant);
    return fail_event(r, "unknown key %s%s", c->name, buf_cstr(&shown));
}

/* ---- credentials: a map whose keys are names ------------------------------------------- */

static bool credential_name_is_good(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    return n > 0 && n <= VERDICT_INJECT_MAX && s[n] == '\0' && strcmp(s, "foreign") != 0;
}

static struct settings_credential *new_credential(struct reader *r, const char *name)
{
    struct settings *s = r->s;

    if (!credential_name_is_good(name)) {
        fail_event(r,
                   "a credential's name has 1 to %d letters, digits, '-' and '_', and is not "
                   "\"foreign\"",
                   VERDICT_INJECT_MAX);
        return NULL;
    }
    for (size_t i = 0; i < s->ncredentials; i++)
        if (strcmp(s->credentials[i].name, name) == 0) {
            fail_event(r, "%s.%s stands here twice", MAP_KEY, name);
            return NULL;
        }
    if (s->ncredentials == SETTINGS_CREDENTIALS_MAX) {
        fail_event(r, "at most %d credentials", SETTINGS_CREDENTIALS_MAX);
        return NULL;
    }
    struct settings_credential *c = &s->credentials[s->ncredentials++];
    *c = (struct settings_credential){.name = name};
    return c;
}

static bool check_credential(struct reader *r, const struct settings_credential *c,
                             yaml_mark_t start, yaml_mark_t end)
{
    int sources = (c->from_env != NULL) + (c->from_file != NULL) + (c->from_command.n > 0 ? 1 : 0);

    if (sources != 1)
        return fail_at(r, start, end,
                       "%s.%s: from says where it comes from: one of env, file and command",
                       MAP_KEY, c->name);
    if (c->to.n == 0 || c->to.n > SETTINGS_PLACES_MAX)
        return fail_at(r, start, end, "%s.%s: to names the 1 to %d places that it may go to",
                       MAP_KEY, c->name, SETTINGS_PLACES_MAX);
    for (const struct settings_credential *x = r->s->credentials; x < c; x++) {
        const char *mine = settings_credential_env(c), *other = settings_credential_env(x);

        if (mine != NULL && other != NULL && strcmp(mine, other) == 0)
            return fail_at(r, start, end, "%s.%s: the variable %s is that of %s already", MAP_KEY,
                           c->name, mine, x->name);
    }
    return true;
}

static bool read_credential(struct reader *r)
{
    yaml_mark_t start = r->event.start_mark, end = r->event.end_mark;
    const char *name = scalar(r, "a name");
    struct settings_credential *c = name != NULL ? new_credential(r, name) : NULL;

    if (c == NULL || !next(r))
        return false;
    struct scope inner = {.keys = credential_keys,
                          .nkeys = ARRAY_LEN(credential_keys),
                          .base = c,
                          .name = arena_printf(&r->s->arena, "%s.%s.", MAP_KEY, name)};
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fail_event(r, "%s.%s holds further keys", MAP_KEY, name);
    return read_mapping(r, &inner, "", 1) && check_credential(r, c, start, end);
}

static bool read_credentials(struct reader *r)
{
    if (r->has_map)
        return fail_event(r, "%s stands here twice", MAP_KEY);
    r->has_map = true;
    if (!next(r))
        return false;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return fail_event(r, "%s holds a name for each credential", MAP_KEY);
    r->s->credentials =
        arena_alloc(&r->s->arena, SETTINGS_CREDENTIALS_MAX * sizeof(*r->s->credentials));
    while (next(r)) {
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (!read_credential(r))
            return false;
    }
    return false;
}

/* ---- the file --------------------------------------------------------------------------- */

static bool read_key(struct reader *r, struct scope *c, const char *prefix, unsigned depth)
{
    const char *name = scalar(r, "a key"), *path;

    if (name == NULL)
        return false;
    if (strlen(name) + strlen(prefix) + 2 > KEY_MAX)
        return fail_event(r, "unknown key");
    path = arena_printf(&r->s->arena, "%s%s%s", prefix, *prefix != '\0' ? "." : "", name);
    if (c->base == r->s && strcmp(path, MAP_KEY) == 0)
        return read_credentials(r);
    for (size_t i = 0; i < c->nkeys; i++) {
        if (strcmp(c->keys[i].path, path) != 0)
            continue;
        if ((c->seen >> i & 1) != 0)
            return fail_event(r, "%s%s stands here twice", c->name, path);
        c->seen |= (uint64_t)1 << i;
        return read_value(r, c, &c->keys[i]);
    }
    if (!is_section(c, path) || depth == DEPTH_MAX)
        return unknown_key(r, c, path);
    if (!is_new_section(c, path))
        return fail_event(r, "%s%s stands here twice", c->name, path);
    return read_section(r, c, path, depth);
}

static bool read_mapping(struct reader *r, struct scope *c, const char *prefix, unsigned depth)
{
    while (next(r)) {
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (!read_key(r, c, prefix, depth))
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
    struct scope all = {.keys = keys, .nkeys = ARRAY_LEN(keys), .base = r->s, .name = ""};

    if (!next(r) || !next(r)) /* start of the stream, start of a document or the end */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next(r))
        return false;
    if (!is_null_scalar(&r->event)) {
        if (r->event.type != YAML_MAPPING_START_EVENT)
            return fail_event(r, "settings are keys and values, as in \"ask: {timeout: 5m}\"");
        if (!read_mapping(r, &all, "", 0))
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
