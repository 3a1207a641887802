/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/intents.h"

#include <string.h>

#define COMPARED_MAX 16384 /* bytes of a program's command line that are looked into */
#define NAME_MIN     3     /* a shorter path or host says nothing */

static struct str text_of(const struct action *a, enum field_id f)
{
    return a->has[f] ? a->field[f].str : (struct str){"", 0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* An agent quotes what it hands to a shell, each in its own way: so quotes do not count. */
struct plain {
    char *p;
    size_t n, max;
};

static void plain_add(struct plain *out, char c)
{
    if (c == '\'' || c == '"' || c == '\\' || out->n == out->max)
        return;
    if (!is_blank(c))
        out->p[out->n++] = c;
    else if (out->n > 0 && out->p[out->n - 1] != ' ')
        out->p[out->n++] = ' ';
}

static void plain_trim(struct plain *out)
{
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
}

/* ---- the command in the arguments ------------------------------------------------------- */

static struct str skip_blanks(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = (struct str){s.p + 1, s.n - 1};
    return s;
}

/* Behind "KEY" and a colon; empty: there is no such key. */
static struct str value_of(struct str json, const char *key)
{
    size_t n = strlen(key);

    for (struct str at = json; at.n > n;) {
        const char *found = memmem(at.p, at.n, key, n);

        if (found == NULL)
            break;
        bool escaped = found > json.p && found[-1] == '\\'; /* inside of a string */
        at = (struct str){found + n, at.n - (size_t)(found + n - at.p)};
        struct str rest = skip_blanks(at);
        if (!escaped && rest.n > 1 && rest.p[0] == ':')
            return skip_blanks((struct str){rest.p + 1, rest.n - 1});
    }
    return (struct str){"", 0};
}

/* The string at the start of *json, unescaped as far as it matters here; *json goes behind it. */
static void take_string(struct str *json, struct plain *out)
{
    size_t i = 1;

    for (; i < json->n && json->p[i] != '"'; i++) {
        char c = json->p[i];

        if (c == '\\' && i + 1 < json->n) {
            c = json->p[++i];
            if (c == 'n' || c == 't' || c == 'r')
                c = ' ';
        }
        plain_add(out, c);
    }
    plain_trim(out);
    i = i < json->n ? i + 1 : json->n;
    *json = (struct str){json->p + i, json->n - i};
}

size_t intent_command(struct str arguments, char out[INTENT_COMMAND])
{
    struct str value = value_of(arguments, "\"command\"");
    char other[INTENT_COMMAND];
    size_t n = 0;

    if (value.n == 0)
        value = value_of(arguments, "\"cmd\"");
    bool list = value.n > 0 && value.p[0] == '[';
    if (list)
        value = skip_blanks((struct str){value.p + 1, value.n - 1});
    while (value.n > 0 && value.p[0] == '"') {
        struct plain one = {other, 0, sizeof(other)};

        take_string(&value, &one);
        if (one.n > n) {
            n = one.n;
            memcpy(out, other, n);
        }
        value = skip_blanks(value);
        if (!list || value.n == 0 || value.p[0] != ',')
            break;
        value = skip_blanks((struct str){value.p + 1, value.n - 1});
    }
    return n;
}

void intents_add(struct intents *i, int64_t now_ms, const struct action *call, uint64_t event)
{
    struct intent *x = &i->slot[i->next];
    struct str arguments = text_of(call, FIELD_ARGUMENTS);

    i->next = (i->next + 1) % INTENTS_MAX;
    x->event = event;
    x->at_ms = now_ms;
    x->used = false;
    x->ncommand = intent_command(arguments, x->command);
    x->narguments = arguments.n < sizeof(x->arguments) ? arguments.n : sizeof(x->arguments);
    if (x->narguments > 0)
        memcpy(x->arguments, arguments.p, x->narguments);
}

/* ---- whose it is -------------------------------------------------------------------------- */

/* Does the name stand there, not as a part of a longer one? */
static bool names(const struct intent *x, struct str name)
{
    static const char parts[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    struct str at = {x->arguments, x->narguments};

    while (name.n >= NAME_MIN && at.n >= name.n) {
        const char *found = memmem(at.p, at.n, name.p, name.n);

        if (found == NULL)
            break;
        const char *end = found + name.n;
        bool starts = found == x->arguments || strchr(parts, found[-1]) == NULL;
        bool ends = end == x->arguments + x->narguments || strchr(parts, *end) == NULL;
        if (starts && ends)
            return true;
        at = (struct str){found + 1, at.n - (size_t)(found + 1 - at.p)};
    }
    return false;
}

static bool names_path(const struct intent *x, struct str path, struct str workspace)
{
    if (names(x, path))
        return true;
    if (path.n <= workspace.n + 1 || memcmp(path.p, workspace.p, workspace.n) != 0 ||
        path.p[workspace.n] != '/')
        return false;
    return names(x, (struct str){path.p + workspace.n + 1, path.n - workspace.n - 1});
}

static bool carries_out(const struct intent *x, const struct action *a, struct str workspace,
                        const struct plain *command)
{
    if (a->verb == VERB_EXEC)
        return x->ncommand > 0 && memmem(command->p, command->n, x->command, x->ncommand) != NULL;
    if (a->kind == RESOURCE_FILE)
        return names_path(x, a->resource, workspace);
    return a->kind == RESOURCE_HOST && names(x, a->resource);
}

static uint64_t take(struct intent *x)
{
    x->used = true;
    return x->event;
}

uint64_t intents_match(struct intents *i, int64_t now_ms, const struct action *a,
                       struct str workspace)
{
    char text[COMPARED_MAX];
    struct plain command = {text, 0, sizeof(text)};
    struct str line = text_of(a, FIELD_COMMAND);
    struct intent *fresh = NULL;

    for (size_t k = 0; a->verb == VERB_EXEC && k < line.n && command.n < command.max; k++)
        plain_add(&command, line.p[k]);
    for (size_t k = 1; k <= INTENTS_MAX; k++) { /* the latest first */
        struct intent *x = &i->slot[(i->next + INTENTS_MAX - k) % INTENTS_MAX];

        if (x->event == 0 || now_ms - x->at_ms > INTENT_NAMED_MS)
            break;
        if (carries_out(x, a, workspace, &command))
            return take(x);
        if (fresh == NULL && !x->used && now_ms - x->at_ms <= INTENT_FRESH_MS)
            fresh = x;
    }
    return a->verb == VERB_EXEC && fresh != NULL ? take(fresh) : 0;
}

bool intents_is(const struct intents *i, uint64_t event)
{
    for (size_t k = 0; k < INTENTS_MAX && event != 0; k++)
        if (i->slot[k].event == event)
            return true;
    return false;
}
