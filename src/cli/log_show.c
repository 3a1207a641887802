/* SPDX-License-Identifier: Apache-2.0 */
/* log_show.c - finding a record, and its lines in words. */
#include "cli/log.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool newest(const char *folder, char id[SESSION_ID_MAX + 1], struct err *e)
{
    struct timespec best = {0};
    DIR *dir = opendir(folder);

    id[0] = '\0';
    if (dir == NULL && errno != ENOENT)
        return err_sys(e, EX_RECORD, "%s", folder);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        AUTO_FREE char *path = xasprintf("%s/%s/record.jsonl", folder, d->d_name);
        struct stat st;

        if (!client_id_valid(d->d_name) || stat(path, &st) != 0)
            continue;
        if (id[0] == '\0' || st.st_mtim.tv_sec > best.tv_sec ||
            (st.st_mtim.tv_sec == best.tv_sec && st.st_mtim.tv_nsec > best.tv_nsec)) {
            best = st.st_mtim;
            memcpy(id, d->d_name, strlen(d->d_name) + 1); /* short: it is a valid id */
        }
    }
    if (dir != NULL)
        (void)closedir(dir);
    return id[0] != '\0' || err_set(e, EX_RECORD, "%s: no session has left a record here", folder);
}

bool log_open(const char *id, int *record, int *head, char *name, size_t size, struct err *e)
{
    AUTO_BUF struct buf folder = {0};
    char found[SESSION_ID_MAX + 1];

    *record = *head = -1;
    buf_init(&folder, LOG_PATH_MAX);
    if (!cli_state_folder(&folder, e))
        return false;
    if (id == NULL) {
        if (!newest(buf_cstr(&folder), found, e))
            return false;
        id = found;
    } else if (!client_id_valid(id)) {
        return err_set(e, EX_USAGE_, "'%s' is not the id of a session", id);
    }
    (void)snprintf(name, size, "%s", id);
    AUTO_FREE char *path = xasprintf("%s/%s/record.jsonl", buf_cstr(&folder), id);
    AUTO_FREE char *head_path = xasprintf("%s/%s/head", buf_cstr(&folder), id);
    *record = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*record < 0)
        return err_sys(e, EX_RECORD, "%s: the record of session %s", path, id);
    *head = open(head_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return true;
}

static const char *colour_of(struct str outcome)
{
    if (str_is(outcome, "allow"))
        return "\033[32m";
    if (str_is(outcome, "ask"))
        return "\033[33m";
    return outcome.n > 0 ? "\033[31m" : "";
}

static void put_member(struct buf *out, const json_t *object, const char *key, const char *before,
                       size_t max)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_string(v) || json_string_length(v) == 0)
        return;
    buf_puts(out, before);
    buf_add_safe(out, (struct str){json_string_value(v), json_string_length(v)}, max);
}

static void put_int(struct buf *out, const json_t *object, const char *key, const char *before)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_integer(v))
        buf_printf(out, "%s%lld", before, (long long)json_integer_value(v));
}

/* BEFORE one, two AFTER; nothing for a list that is empty. */
static void put_list(struct buf *out, const json_t *line, const char *key, const char *before,
                     const char *after)
{
    const json_t *list = json_object_get(line, key), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            continue;
        buf_puts(out, i == 0 ? before : ", ");
        buf_add_safe(out, str_of(json_string_value(item)), 64);
    }
    if (json_array_size(list) > 0)
        buf_puts(out, after);
}

/* "2026-11-22T11:04:33.123456789Z" as 11:04:33.123 */
static void put_time(struct buf *out, const json_t *line)
{
    const char *t = json_string_value(json_object_get(line, "time"));

    buf_printf(out, "%.12s ", t != NULL && strlen(t) >= 23 ? t + 11 : "??:??:??.???");
}

static struct str text_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
                             : (struct str){"", 0};
}

/* POST https://host:8443/path?query */
static void put_request(struct buf *out, const struct record_line *l, const json_t *context)
{
    struct str scheme = text_of(context, "scheme"), query = text_of(context, "query");
    json_int_t port = json_integer_value(json_object_get(context, "port"));

    buf_add_safe(out, text_of(context, "method"), 24);
    buf_puts(out, " ");
    buf_add_safe(out, scheme.n > 0 ? scheme : STR("http"), 8);
    buf_puts(out, "://");
    buf_add_safe(out, l->id, 160);
    if (port != 0 && port != (str_is(scheme, "http") ? 80 : 443))
        buf_printf(out, ":%lld", (long long)port);
    buf_add_safe(out, text_of(context, "path"), 160);
    if (query.n > 0) {
        buf_puts(out, "?");
        buf_add_safe(out, query, 80);
    }
    put_member(out, context, "credential", "  with credential ", 64);
}

/* The tool, and what it is called with: the command alone where there is one. */
static void put_call(struct buf *out, const struct record_line *l, const json_t *context)
{
    struct str arguments = text_of(context, "arguments");
    json_t *parsed = json_loadb(arguments.p, arguments.n, 0, NULL);
    struct str command = text_of(parsed, "command");

    if (command.n == 0)
        command = text_of(parsed, "cmd");
    if (str_is(text_of(context, "op"), "intent"))
        buf_puts(out, "the model wants ");
    buf_add_safe(out, l->id, 160);
    if (command.n > 0 || arguments.n > 0)
        buf_puts(out, " ");
    buf_add_safe(out, command.n > 0 ? command : arguments, 160);
    json_decref(parsed);
}

static void put_action(struct buf *out, const struct record_line *l)
{
    const json_t *context = json_object_get(l->json, "context");
    const json_t *command = json_object_get(context, "command");

    buf_printf(out, "%-7.*s ", (int)l->verb.n, l->verb.p);
    if (str_is(l->verb, "request")) {
        put_request(out, l, context);
        return;
    }
    if (str_is(l->verb, "call")) {
        put_call(out, l, context);
        return;
    }
    if (json_is_string(command))
        buf_add_safe(out, (struct str){json_string_value(command), json_string_length(command)},
                     160);
    else
        buf_add_safe(out, l->id, 160);
    put_int(out, context, "port", ":");
    put_member(out, context, "address", " at ", 64);
    put_member(out, context, "target", " -> ", 160);
}

void log_line(struct buf *out, const struct record_line *l, bool colour)
{
    struct str outcome = l->outcome.n > 0 ? l->outcome : l->kind;

    buf_printf(out, "%6llu ", (unsigned long long)l->seq);
    put_time(out, l->json);
    buf_printf(out, "%s%-7.*s%s ", colour ? colour_of(l->outcome) : "", (int)outcome.n, outcome.p,
               colour && l->outcome.n > 0 ? "\033[0m" : "");
    if (l->verb.n > 0)
        put_action(out, l);
    put_member(out, l->json, "event", "", 64);
    put_member(out, l->json, "text", "  ", 512);
    put_int(out, l->json, "count", "  ");
    put_int(out, l->json, "input", "  tokens in ");
    put_int(out, l->json, "output", ", out ");
    put_list(out, l->json, "finds", ": ", "");
    put_list(out, l->json, "labels", "  the session is now in ", "");
    put_member(out, l->json, "by", "  by ", 64);
    put_list(out, l->json, "rules", "  [", "]");
    if (!str_is(l->outcome, "allow"))
        put_member(out, l->json, "reason", "  ", 300);
    put_int(out, l->json, "pid", "  pid ");
    put_int(out, l->json, "cause", "  <- ");
    buf_puts(out, "\n");
}
