/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct str expand(const char *word, const struct session *s, struct arena *mem)
{
    struct str base = word[0] == '~' ? s->home : s->workspace;

    if ((word[0] != '~' && word[0] != '.') || (word[1] != '/' && word[1] != '\0'))
        return str_of(word);
    return str_of(arena_printf(mem, "%.*s%s", (int)base.n, base.p, word + 1));
}

static bool find_verb(const char *word, enum verb *v, struct err *e)
{
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (strcmp(verb_name((enum verb)i), word) == 0) {
            *v = (enum verb)i;
            return true;
        }
    return err_set(e, EX_USAGE_,
                   "'%s' is no verb; they are read, write, create, delete, exec, connect, "
                   "resolve and the like",
                   word);
}

static enum resource_kind kind_for(enum verb v, struct str resource)
{
    bool path = resource.n > 0 && (resource.p[0] == '/' || resource.p[0] == '@');

    switch (v) {
    case VERB_EXEC:
    case VERB_SPAWN:
        return RESOURCE_PROGRAM;
    case VERB_CONNECT:
        return path ? RESOURCE_SOCKET : RESOURCE_HOST;
    case VERB_REQUEST:
    case VERB_RESOLVE:
        return RESOURCE_HOST;
    case VERB_INFER:
        return RESOURCE_MODEL;
    case VERB_CALL:
        return RESOURCE_TOOL;
    case VERB_READ:
    case VERB_WRITE:
    case VERB_CREATE:
    case VERB_DELETE:
    case VERB_COUNT:
        break;
    }
    return RESOURCE_FILE;
}

static bool set_number(struct action *a, enum field_id f, const char *value, struct err *e)
{
    bool boolean = field_kind(f) == FIELD_BOOL;
    char *end;

    if (boolean && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)) {
        action_int(a, f, value[0] == 't');
        return true;
    }
    errno = 0;
    long long n = strtoll(value, &end, 0);
    if (boolean || value[0] == '\0' || *end != '\0' || errno != 0)
        return err_set(e, EX_USAGE_, "'%s' is no value for %s, which is %s", value, field_name(f),
                       boolean ? "true or false" : "a whole number");
    action_int(a, f, n);
    return true;
}

static bool set_field(struct action *a, const char *word, const struct session *s,
                      struct arena *mem, struct buf *list, struct err *e)
{
    const char *equals = strchr(word, '=');

    for (unsigned i = 0; equals != NULL && i < FIELD_COUNT; i++) {
        enum field_id f = (enum field_id)i;
        const char *name = field_name(f);

        if (strlen(name) != (size_t)(equals - word) || strncmp(name, word, strlen(name)) != 0)
            continue;
        switch (field_kind(f)) {
        case FIELD_STR:
            action_str(a, f, expand(equals + 1, s, mem));
            return true;
        case FIELD_LIST:
            action_list_add(list, str_of(equals + 1));
            a->has[f] = true;
            return true;
        case FIELD_INT:
        case FIELD_BOOL:
            return set_number(a, f, equals + 1, e);
        }
    }
    return err_set(e, EX_USAGE_,
                   "'%s' is not FIELD=VALUE with a field of the context; they are in "
                   "'belay policy schema'",
                   word);
}

static struct str joined(struct str list, struct arena *mem)
{
    AUTO_BUF struct buf b = {0};
    struct str item;

    buf_init(&b, FRAME_MAX);
    for (size_t n = 0; frame_list_next(&list, &item) == FRAME_OK; n++) {
        if (n > 0)
            buf_puts(&b, " ");
        buf_add(&b, item.p, item.n);
    }
    return (struct str){arena_strndup(mem, b.p != NULL ? b.p : "", b.n), b.n};
}

/* What kern would say besides: so that rules that look at it can be tried without spelling it out.
 */
static void fill_in(struct action *a, const struct session *s, struct arena *mem)
{
    const char *slash = memrchr(a->resource.p, '/', a->resource.n);
    struct str name = a->resource;

    if (slash != NULL)
        name = (struct str){slash + 1, (size_t)(a->resource.p + a->resource.n - slash - 1)};
    if (!a->has[FIELD_OP])
        action_str(a, FIELD_OP,
                   a->verb == VERB_EXEC       ? STR("execve")
                   : a->verb == VERB_DELETE   ? STR("unlink")
                   : a->kind == RESOURCE_FILE ? STR("open")
                                              : STR("connect"));
    if (a->kind == RESOURCE_HOST && a->verb == VERB_CONNECT && !a->has[FIELD_NAMED])
        action_int(a, FIELD_NAMED, 1);
    if (a->verb != VERB_EXEC)
        return;
    if (!a->has[FIELD_NAME])
        action_str(a, FIELD_NAME, name);
    if (!a->has[FIELD_CWD])
        action_str(a, FIELD_CWD, s->workspace);
    if (!a->has[FIELD_ARGV]) {
        AUTO_BUF struct buf list = {0};

        buf_init(&list, 8192);
        action_list_add(&list, name);
        action_list(a, FIELD_ARGV, (struct str){arena_strndup(mem, list.p, list.n), list.n});
    }
    if (!a->has[FIELD_COMMAND])
        action_str(a, FIELD_COMMAND, joined(a->field[FIELD_ARGV].str, mem));
}

bool words_action(char *const *words, size_t n, const struct session *s, struct arena *mem,
                  struct action *a, struct err *e)
{
    AUTO_BUF struct buf list = {0};
    enum verb v = VERB_READ;

    buf_init(&list, FRAME_MAX);
    if (n < 2)
        return err_set(e, EX_USAGE_, "an action is VERB RESOURCE [FIELD=VALUE]...");
    if (!find_verb(words[0], &v, e))
        return false;
    struct str resource = expand(words[1], s, mem);
    if (resource.n == 0 || resource.n > ACTION_RESOURCE_MAX)
        return err_set(e, EX_USAGE_, "a resource has 1 to %d bytes", ACTION_RESOURCE_MAX);
    action_init(a, v, kind_for(v, resource), resource);
    for (size_t i = 2; i < n; i++)
        if (!set_field(a, words[i], s, mem, &list, e))
            return false;
    if (list.full)
        return err_set(e, EX_USAGE_, "argv is too long");
    if (a->has[FIELD_ARGV])
        action_list(a, FIELD_ARGV,
                    (struct str){arena_strndup(mem, list.p != NULL ? list.p : "", list.n), list.n});
    fill_in(a, s, mem);
    return true;
}

bool words_split(char *line, char **words, size_t max, size_t *n)
{
    char *out = line;

    *n = 0;
    for (char *p = line; *p != '\0';) {
        bool quoted = false;

        while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
            p++;
        if (*p == '\0' || *p == '#')
            break;
        if (*n == max)
            return false;
        words[(*n)++] = out;
        for (; *p != '\0' && (quoted || strchr(" \t\r\n", *p) == NULL); p++) {
            if (*p == '"')
                quoted = !quoted;
            else
                *out++ = *p;
        }
        if (quoted)
            return false;
        if (*p != '\0')
            p++;
        *out++ = '\0';
    }
    return true;
}
