/* SPDX-License-Identifier: Apache-2.0 */
/* held.c - `belay pending`, `belay approve`, `belay deny`: held actions and their answers. */
#include "cli/cli.h"
#include "cli/client.h"

#include "base/mem.h"
#include "policy/message.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held {
    int64_t ask, left;
    struct str summary, reason, rules;
};

static void read_held(struct frame_in *f, struct held *h)
{
    struct frame_field x;

    memset(h, 0, sizeof(*h));
    while (frame_next(f, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_ASK)
            h->ask = x.num;
        else if (x.tag == MSG_TAG_LEFT)
            h->left = x.num;
        else if (x.tag == MSG_TAG_SUMMARY)
            h->summary = x.bytes;
        else if (x.tag == MSG_TAG_TEXT)
            h->reason = x.bytes;
        else if (x.tag == MSG_TAG_RULES)
            h->rules = x.bytes;
    }
}

static void put_held(struct buf *out, struct json *j, bool as_json, const char *id,
                     const struct held *h)
{
    if (as_json) {
        json_obj(j, NULL);
        json_cstr(j, "session", id);
        json_int(j, "id", h->ask);
        json_int(j, "milliseconds_left", h->left);
        json_str(j, "what", h->summary);
        json_str(j, "reason", h->reason);
        json_str(j, "rules", h->rules);
        json_obj_end(j);
        return;
    }
    buf_printf(out, "%s/%lld  (%lld s left, then no)\n  ", id, (long long)h->ask,
               (long long)(h->left / 1000));
    buf_add_safe(out, h->summary, 8192);
    buf_puts(out, "\n  rule: ");
    buf_add_safe(out, h->rules, 1024);
    if (h->reason.n > 0) {
        buf_puts(out, "  why: ");
        buf_add_safe(out, h->reason, 1024);
    }
    buf_puts(out, "\n");
}

/* All held actions of one session. */
static bool collect(const char *id, struct buf *out, struct json *j, bool as_json, size_t *count,
                    struct err *e)
{
    AUTO_CLOSE int sock = client_connect(id, e);
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));

    if (sock < 0)
        return false;
    frame_start(f, MSG_PENDING, 1);
    for (bool ok = client_call(sock, f, in, e); ok; ok = client_next(sock, in, e)) {
        struct held h;

        if (in->type == MSG_DONE)
            return true;
        if (in->type != MSG_PENDING_IS)
            return err_set(e, EX_FAIL, "session %s gave an answer that does not fit", id);
        read_held(in, &h);
        put_held(out, j, as_json, id, &h);
        (*count)++;
    }
    return false;
}

static int list(const char *only, bool as_json)
{
    AUTO_FREE struct client_sessions *s = xcalloc(1, sizeof(*s));
    AUTO_BUF struct buf out = {0};
    struct err e = {0};
    struct json j;
    size_t count = 0;

    buf_init(&out, 16u << 20);
    json_start(&j, &out);
    if (only != NULL) {
        if (!client_pick(only, s->id[0], &e))
            return cli_fail(&e);
        s->n = 1;
    } else if (!client_list(s, &e)) {
        return cli_fail(&e);
    }
    if (as_json)
        json_arr(&j, NULL);
    for (size_t i = 0; i < s->n; i++)
        if (!collect(s->id[i], &out, &j, as_json, &count, &e)) {
            int code = cli_fail(&e);

            if (only != NULL)
                return code;
        }
    if (as_json) {
        json_arr_end(&j);
        buf_puts(&out, "\n");
    } else if (count == 0) {
        buf_puts(&out, "nothing is waiting\n");
    }
    return cli_put(&out);
}

int cmd_pending(int argc, char **argv)
{
    bool as_json = false;
    int code = cli_options("pending", "  --json   as JSON\n", argc, argv, &as_json);

    if (code >= 0)
        return code;
    if (argc - optind > 1)
        return cli_usage("pending", "takes at most one session");
    return list(argv[optind], as_json);
}

/* "7" or "k3v9q2/7". */
static bool parse_target(const char *text, char id[SESSION_ID_MAX + 1], long *ask, struct err *e)
{
    const char *slash = strchr(text, '/'), *number = slash != NULL ? slash + 1 : text;
    AUTO_FREE char *name = slash != NULL ? strndup(text, (size_t)(slash - text)) : NULL;
    char *end;

    errno = 0;
    *ask = strtol(number, &end, 10);
    if (number[0] < '0' || number[0] > '9' || *end != '\0' || errno != 0 || *ask <= 0 ||
        *ask > INT32_MAX)
        return err_set(e, EX_USAGE_,
                       "'%s' is not the id of a held action; 'belay pending' lists them", text);
    return client_pick(name, id, e);
}

static int decide(const char *text, bool yes)
{
    char id[SESSION_ID_MAX + 1];
    struct err e = {0};
    long ask;

    if (!parse_target(text, id, &ask, &e))
        return cli_fail(&e);
    AUTO_CLOSE int sock = client_connect(id, &e);
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));
    if (sock < 0)
        return cli_fail(&e);
    frame_start(f, MSG_DECIDE, 1);
    frame_put_int(f, MSG_TAG_ASK, ask);
    frame_put_int(f, MSG_TAG_YES, yes);
    if (!client_call(sock, f, in, &e))
        return cli_fail(&e);
    if (in->type == MSG_DONE)
        return EX_OK;
    (void)err_set(&e, EX_FAIL, "%s/%ld is not waiting (answered, timed out or never asked)", id,
                  ask);
    return cli_fail(&e);
}

static int decide_command(const char *name, int argc, char **argv, bool yes)
{
    int code = cli_options(name, "", argc, argv, NULL);

    if (code >= 0)
        return code;
    if (argc - optind != 1)
        return cli_usage(name, "needs the id of one held action");
    return decide(argv[optind], yes);
}

int cmd_approve(int argc, char **argv)
{
    return decide_command("approve", argc, argv, true);
}

int cmd_deny(int argc, char **argv)
{
    return decide_command("deny", argc, argv, false);
}
