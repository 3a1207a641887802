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
                   "request, infer, call and resolve",
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

static bool add_item(struct action *a, enum field_id f, struct str item, struct arena *mem,
                     struct err *e)
{
    AUTO_BUF struct buf list = {0};

    buf_init(&list, FRAME_MAX);
    buf_add(&list, a->field[f].str.p, a->field[f].str.n);
    action_list_add(&list, item);
    if (list.full)
        return err_set(e, EX_USAGE_, "%s is too long", field_name(f));
    action_list(a, f, (struct str){arena_strndup(mem, list.p, list.n), list.n});
    return true;
}

static bool set_field(struct action *a, const char *word, const struct session *s,
                      struct arena *mem, struct err *e)
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
            return add_item(a, f, str_of(equals + 1), mem, e);
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

static struct str usual_op(const struct action *a)
{
    static const struct {
        enum verb verb;
        const char *op;
    } usual[] = {{VERB_EXEC, "execve"},
                 {VERB_DELETE, "unlink"},
                 {VERB_REQUEST, "head"},
                 {VERB_INFER, "request"},
                 {VERB_CALL, "intent"}};

    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (usual[i].verb == a->verb)
            return str_of(usual[i].op);
    return a->kind == RESOURCE_FILE ? STR("open") : STR("connect");
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
        action_str(a, FIELD_OP, usual_op(a));
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

/* label=NAME and spent.THING=NUMBER: about the session, not the action. */
static bool set_session(const char *word, const struct policy *p, struct session *s, bool *is_one,
                        struct err *e)
{
    const struct {
        const char *start;
        int64_t *number;
    } numbers[] = {{"spent.cents=", &s->spent.cents},
                   {"spent.tokens=", &s->spent.tokens},
                   {"spent.requests=", &s->spent.requests}};
    int bit;

    *is_one = true;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *value = word + strlen(numbers[i].start);

        if (!str_starts(str_of(word), numbers[i].start))
            continue;
        char *end = NULL;
        *numbers[i].number = strtoll(value, &end, 10);
        return (*value != '\0' && *end == '\0') ||
               err_set(e, EX_USAGE_, "'%s' is no whole number", value);
    }
    if (!str_starts(str_of(word), "label=")) {
        *is_one = false;
        return true;
    }
    bit = policy_label(p, str_of(word + 6));
    if (bit < 0)
        return err_set(e, EX_USAGE_, "no rule speaks of the label '%s'", word + 6);
    s->labels |= (uint64_t)1 << bit;
    return true;
}

/* "https://HOST[:PORT]/PATH?QUERY": what the gate would say of a request there. */
static bool set_url(struct action *a, const char *url, struct arena *mem, struct err *e)
{
    const char *host = strstr(url, "://") + 3, *rest = host + strcspn(host, "/?#");
    const char *query = rest + strcspn(rest, "?#"), *end = query + strcspn(query, "#");
    struct str scheme = {url, (size_t)(host - 3 - url)}, name = {host, (size_t)(rest - host)};
    const char *colon = memrchr(name.p, ':', name.n);
    int64_t port = str_is(scheme, "http") || str_is(scheme, "ws") ? 80 : 443;

    if (name.n > 0 && name.p[0] == '[' && memchr(name.p, ']', name.n) != NULL) {
        colon = strchr(name.p, ']') + 1 < rest ? strchr(name.p, ']') + 1 : NULL;
        name = (struct str){name.p + 1, (size_t)(strchr(name.p, ']') - name.p - 1)};
    } else if (colon != NULL) {
        name.n = (size_t)(colon - name.p);
    }
    if (colon != NULL)
        port = strtoll(colon + 1, NULL, 10);
    if (name.n == 0 || memchr(name.p, '@', name.n) != NULL || port < 1 || port > 65535)
        return err_set(e, EX_USAGE_, "'%s' is no URL of the form https://HOST[:PORT]/PATH", url);
    a->resource = (struct str){arena_strndup(mem, name.p, name.n), name.n};
    action_str(a, FIELD_SCHEME, scheme);
    action_int(a, FIELD_PORT, port);
    action_str(a, FIELD_PATH, rest < query ? (struct str){rest, (size_t)(query - rest)} : STR("/"));
    action_str(a, FIELD_QUERY,
               query < end ? (struct str){query + 1, (size_t)(end - query - 1)} : STR(""));
    return true;
}

/* METHOD URL, or URL alone; *used says how many words that were. */
static bool request_words(struct action *a, char *const *words, size_t n, struct arena *mem,
                          size_t *used, struct err *e)
{
    size_t url = n > 2 && strstr(words[1], "://") == NULL && strstr(words[2], "://") != NULL;

    *used = 2 + url;
    if (strstr(words[1 + url], "://") == NULL)
        return true; /* a host by its name, and the rest as fields */
    action_str(a, FIELD_METHOD, url > 0 ? str_of(words[1]) : STR("GET"));
    return set_url(a, words[1 + url], mem, e);
}

bool words_action(char *const *words, size_t n, const struct policy *p, struct session *s,
                  struct arena *mem, struct action *a, struct err *e)
{
    enum verb v = VERB_READ;
    size_t used = 2;

    s->labels = 0;
    s->spent = (struct spent){0};
    if (n < 2)
        return err_set(e, EX_USAGE_, "an action is VERB RESOURCE [FIELD=VALUE]...");
    if (!find_verb(words[0], &v, e))
        return false;
    struct str resource = expand(words[1], s, mem);
    action_init(a, v, kind_for(v, resource), resource);
    if (v == VERB_REQUEST && !request_words(a, words, n, mem, &used, e))
        return false;
    if (a->resource.n == 0 || a->resource.n > ACTION_RESOURCE_MAX)
        return err_set(e, EX_USAGE_, "a resource has 1 to %d bytes", ACTION_RESOURCE_MAX);
    for (size_t i = used; i < n; i++) {
        bool is_one;

        if (!set_session(words[i], p, s, &is_one, e) ||
            (!is_one && !set_field(a, words[i], s, mem, e)))
            return false;
    }
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
