/* SPDX-License-Identifier: Apache-2.0 */
/* stop.c - `belay freeze`, `belay resume`, `belay kill`. */
#include "cli/cli.h"
#include "cli/client.h"

#include "base/mem.h"
#include "policy/message.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static bool order(const char *id, enum message m, struct err *e)
{
    AUTO_CLOSE int sock = client_connect(id, e);
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));
    AUTO_BUF struct buf why = {0};
    struct frame_field x;

    buf_init(&why, 4096);
    if (sock < 0)
        return false;
    frame_start(f, (uint16_t)m, 1);
    if (!client_call(sock, f, in, e))
        return false;
    if (in->type == MSG_DONE)
        return true;
    while (frame_next(in, &x) == FRAME_OK)
        if (x.tag == MSG_TAG_TEXT)
            buf_add_safe(&why, x.bytes, 512);
    return err_set(e, EX_FAIL, "session %s refused: %s", id, buf_cstr(&why));
}

static int order_many(const char *name, char *const *ids, size_t n, bool all, enum message m)
{
    AUTO_FREE struct client_sessions *s = xcalloc(1, sizeof(*s));
    struct err e = {0};
    int code = EX_OK;

    if (all && !client_list(s, &e))
        return cli_fail(&e);
    if (!all && n == 0) {
        if (!client_pick(NULL, s->id[0], &e))
            return cli_fail(&e);
        s->n = 1;
    }
    for (size_t i = 0; !all && i < n; i++) {
        if (i == CLIENT_SESSIONS_MAX)
            return cli_usage(name, "names too many sessions");
        if (!client_pick(ids[i], s->id[i], &e))
            return cli_fail(&e);
        s->n = i + 1;
    }
    for (size_t i = 0; i < s->n; i++)
        if (!order(s->id[i], m, &e))
            code = cli_fail(&e);
    return code;
}

static int stop_command(const char *name, int argc, char **argv, enum message m)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool all = false;

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "ah", options, NULL)) != -1;) {
        if (c == 'h') {
            cli_help(name, "  -a, --all   every session of this user\n\n"
                           "Without a session: the only one that runs.\n");
            return EX_OK;
        }
        if (c != 'a')
            return cli_usage(name, "wrong option");
        all = true;
    }
    if (all && optind < argc)
        return cli_usage(name, "--all and a session exclude each other");
    return order_many(name, argv + optind, (size_t)(argc - optind), all, m);
}

int cmd_freeze(int argc, char **argv)
{
    return stop_command("freeze", argc, argv, MSG_FREEZE);
}

int cmd_resume(int argc, char **argv)
{
    return stop_command("resume", argc, argv, MSG_RESUME);
}

int cmd_kill(int argc, char **argv)
{
    return stop_command("kill", argc, argv, MSG_KILL);
}
