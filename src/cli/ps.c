/* SPDX-License-Identifier: Apache-2.0 */
/* ps.c - `belay ps`: the running sessions, and ended ones whose staged work waits. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/staged.h"

#include "base/mem.h"
#include "policy/message.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct status {
    struct str state, argv, workspace;
    int64_t pid, pending, started, processes;
};

static void read_status(struct frame_in *f, struct status *s)
{
    struct frame_field x;

    memset(s, 0, sizeof(*s));
    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_STATE)
            s->state = x.bytes;
        else if (x.tag == MSG_TAG_LIST)
            s->argv = x.bytes;
        else if (x.tag == MSG_TAG_TEXT)
            s->workspace = x.bytes;
        else if (x.tag == MSG_TAG_PID)
            s->pid = x.num;
        else if (x.tag == MSG_TAG_COUNT)
            s->pending = x.num;
        else if (x.tag == MSG_TAG_STARTED)
            s->started = x.num;
        else if (x.tag == MSG_TAG_PROCESSES)
            s->processes = x.num;
    }
}

static void put_json(struct json *j, const char *id, const struct status *s)
{
    struct str list = s->argv, item;

    json_obj(j, NULL);
    json_cstr(j, "session", id);
    json_str(j, "state", s->state);
    json_int(j, "pid", s->pid);
    json_int(j, "started", s->started);
    json_int(j, "processes", s->processes);
    json_int(j, "pending", s->pending);
    json_str(j, "workspace", s->workspace);
    json_arr(j, "command");
    while (frame_list_next(&list, &item) == FRAME_OK)
        json_str(j, NULL, item);
    json_arr_end(j);
    json_obj_end(j);
}

static void put_row(struct buf *out, const char *id, const struct status *s)
{
    struct str list = s->argv, item;
    long long age = (long long)time(NULL) - (long long)s->started;

    buf_printf(out, "%-10s %-8.*s %8lld %6lld %8lld %4lld:%02lld:%02lld ", id, (int)s->state.n,
               s->state.p, (long long)s->pid, (long long)s->processes, (long long)s->pending,
               age / 3600, age / 60 % 60, age % 60);
    for (size_t n = 0; frame_list_next(&list, &item) == FRAME_OK && n < 32; n++) {
        buf_puts(out, " ");
        buf_add_safe(out, item, 80);
    }
    buf_puts(out, "\n");
}

static bool ask_status(const char *id, struct frame_in *in, struct status *s, struct err *e)
{
    AUTO_CLOSE int sock = client_connect(id, e);
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    if (sock < 0)
        return false;
    frame_start(f, MSG_STATUS, 1);
    if (!client_call(sock, f, in, e))
        return false;
    if (in->type != MSG_STATUS_IS)
        return err_set(e, EX_FAIL, "session %s gave an answer that does not fit", id);
    read_status(in, s);
    return true;
}

/* One that has ended, but what it staged is neither kept nor discarded. */
static void put_staged(struct buf *out, struct json *j, bool as_json, const char *id,
                       const char *workspace)
{
    if (as_json) {
        json_obj(j, NULL);
        json_cstr(j, "session", id);
        json_cstr(j, "state", "staged");
        json_cstr(j, "workspace", workspace);
        json_obj_end(j);
        return;
    }
    buf_printf(out, "%-10s %-8s %8s %6s %8s %10s  ", id, "staged", "-", "-", "-", "-");
    buf_add_safe(out, str_of(workspace), 80);
    buf_puts(out, "\n");
}

static bool is_listed(const struct client_sessions *s, const char *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->id[i], id) == 0)
            return true;
    return false;
}

static int list(bool as_json)
{
    AUTO_FREE struct client_sessions *sessions = xcalloc(1, sizeof(*sessions));
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));
    AUTO_BUF struct buf out = {0};
    struct staged_list waiting;
    struct err e = {0};
    struct json j;

    buf_init(&out, 16u << 20);
    if (!client_list(sessions, &e))
        return cli_fail(&e);
    json_start(&j, &out);
    if (as_json)
        json_arr(&j, NULL);
    else
        buf_puts(&out, "SESSION    STATE         PID  PROCS  PENDING        AGE  COMMAND\n");
    for (size_t i = 0; i < sessions->n; i++) {
        struct status s = {0};

        if (!ask_status(sessions->id[i], in, &s, &e)) {
            (void)cli_fail(&e); /* it may just have ended: the others are still worth showing */
            continue;
        }
        if (as_json)
            put_json(&j, sessions->id[i], &s);
        else
            put_row(&out, sessions->id[i], &s);
    }
    if (!staged_each(&waiting, &e))
        return cli_fail(&e);
    for (size_t i = 0; i < waiting.n; i++)
        if (!is_listed(sessions, waiting.list[i].id))
            put_staged(&out, &j, as_json, waiting.list[i].id, waiting.list[i].workspace);
    staged_list_release(&waiting);
    if (as_json) {
        json_arr_end(&j);
        buf_puts(&out, "\n");
    }
    return cli_put(&out);
}

int cmd_ps(int argc, char **argv)
{
    bool as_json = false;
    int code = cli_options("ps", "  --json   as JSON\n", argc, argv, &as_json);

    if (code >= 0)
        return code;
    if (optind < argc)
        return cli_usage("ps", "takes no argument, got '%s'", argv[optind]);
    return list(as_json);
}
