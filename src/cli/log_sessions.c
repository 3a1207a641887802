/* SPDX-License-Identifier: Apache-2.0 */
/* log_sessions.c - `belay log sessions`: the records that there are, oldest first. */
#include "cli/log.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "stage/stage.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SESSIONS_MAX 100000

struct entry {
    char id[SESSION_ID_MAX + 1];
    time_t changed;
    off_t size;
    bool staged; /* what it staged is neither kept nor discarded */
};

static int by_time(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->changed != y->changed ? (x->changed > y->changed ? 1 : -1) : strcmp(x->id, y->id);
}

static size_t collect(DIR *dir, const char *folder, struct entry **list)
{
    size_t n = 0, size = 0;

    for (struct dirent *d; (d = readdir(dir)) != NULL && n < SESSIONS_MAX;) {
        AUTO_FREE char *path = xasprintf("%s/%s/record.jsonl", folder, d->d_name);
        struct stat st;

        if (!client_id_valid(d->d_name) || stat(path, &st) != 0)
            continue;
        if (n == size) {
            size = size == 0 ? 64 : size * 2;
            *list = xrealloc(*list, size, sizeof(**list));
        }
        (*list)[n] = (struct entry){.changed = st.st_mtim.tv_sec, .size = st.st_size};
        AUTO_FREE char *session = xasprintf("%s/%s", folder, d->d_name);
        (*list)[n].staged = stage_exists(session);
        memcpy((*list)[n].id, d->d_name, strlen(d->d_name) + 1); /* short: it is a valid id */
        n++;
    }
    if (n > 1)
        qsort(*list, n, sizeof(**list), by_time);
    return n;
}

int log_sessions(int argc, char **argv)
{
    AUTO_BUF struct buf folder = {0}, out = {0};
    AUTO_FREE struct entry *list = NULL;
    bool as_json = argc == 2 && strcmp(argv[1], "--json") == 0;
    struct err e = {0};
    struct json j;

    buf_init(&folder, LOG_PATH_MAX);
    buf_init(&out, 64u << 20);
    if (argc > 1 && !as_json)
        return cli_usage("log", "sessions takes only --json");
    if (!cli_state_folder(&folder, &e))
        return cli_fail(&e);
    DIR *dir = opendir(buf_cstr(&folder));
    if (dir == NULL && errno != ENOENT) {
        (void)err_sys(&e, EX_RECORD, "%s", buf_cstr(&folder));
        return cli_fail(&e);
    }
    size_t n = dir != NULL ? collect(dir, buf_cstr(&folder), &list) : 0;
    if (dir != NULL)
        (void)closedir(dir);
    json_start(&j, &out);
    if (as_json)
        json_arr(&j, NULL);
    for (size_t i = 0; i < n; i++) {
        char when[32] = "";
        struct tm tm;

        if (gmtime_r(&list[i].changed, &tm) != NULL)
            (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (as_json) {
            json_obj(&j, NULL);
            json_cstr(&j, "session", list[i].id);
            json_cstr(&j, "last", when);
            json_int(&j, "bytes", list[i].size);
            json_bool(&j, "staged", list[i].staged);
            json_obj_end(&j);
        } else {
            buf_printf(&out, "%-10s %s %10lld bytes%s\n", list[i].id, when,
                       (long long)list[i].size, list[i].staged ? ", staged work" : "");
        }
    }
    if (as_json) {
        json_arr_end(&j);
        buf_puts(&out, "\n");
    }
    return cli_put(&out);
}
