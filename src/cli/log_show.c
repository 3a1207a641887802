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

static void put_rules(struct buf *out, const json_t *line)
{
    const json_t *rules = json_object_get(line, "rules"), *rule;
    size_t i;

    json_array_foreach(rules, i, rule)
    {
        if (!json_is_string(rule))
            continue;
        buf_puts(out, i == 0 ? "  [" : ", ");
        buf_add_safe(out, str_of(json_string_value(rule)), 64);
    }
    if (json_array_size(rules) > 0)
        buf_puts(out, "]");
}

/* "2026-11-22T11:04:33.123456789Z" as 11:04:33.123 */
static void put_time(struct buf *out, const json_t *line)
{
    const char *t = json_string_value(json_object_get(line, "time"));

    buf_printf(out, "%.12s ", t != NULL && strlen(t) >= 23 ? t + 11 : "??:??:??.???");
}

static void put_action(struct buf *out, const struct record_line *l)
{
    const json_t *context = json_object_get(l->json, "context");
    const json_t *command = json_object_get(context, "command");

    buf_printf(out, "%-7.*s ", (int)l->verb.n, l->verb.p);
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
    put_member(out, l->json, "by", "  by ", 64);
    put_rules(out, l->json);
    if (!str_is(l->outcome, "allow"))
        put_member(out, l->json, "reason", "  ", 300);
    put_int(out, l->json, "pid", "  pid ");
    put_int(out, l->json, "cause", "  <- ");
    buf_puts(out, "\n");
}
