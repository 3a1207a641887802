/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_reload.c - `belay policy reload`: other rules for a session that runs. They are read and
 * checked here, compared with what the session was started with, and checked again by its judge.
 */
#include "cli/policy.h"

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "policy/message.h"

#include <stdio.h>
#include <string.h>

static bool refused(struct frame_in *in, struct err *e)
{
    AUTO_BUF struct buf why = {0};
    struct frame_field x;

    buf_init(&why, 8192);
    while (frame_next(in, &x) == FRAME_OK)
        if (x.tag == MSG_TAG_TEXT)
            buf_add_safe(&why, x.bytes, ERR_TEXT_MAX / 2);
    return err_set(e, EX_POLICY, "%s; the old policy goes on", buf_cstr(&why));
}

/* Workspace and command of the session: what its rules were resolved with. */
static bool session_facts(int sock, struct setup *s, struct frame_in *in, struct err *e)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    struct frame_field x;
    struct str list, command;

    frame_start(f, MSG_STATUS, 1);
    if (!client_call(sock, f, in, e))
        return false;
    while (in->type == MSG_STATUS_IS && frame_next(in, &x) == FRAME_OK) {
        if (x.tag == MSG_TAG_TEXT)
            s->workspace_option = arena_strndup(&s->arena, x.bytes.p, x.bytes.n);
        list = x.bytes;
        if (x.tag == MSG_TAG_LIST && frame_list_next(&list, &command) == FRAME_OK)
            s->command = arena_strndup(&s->arena, command.p, command.n);
    }
    return s->workspace_option != NULL ||
           err_set(e, EX_FAIL, "the session gave an answer that does not fit");
}

static bool running_plan(const char *id, const struct setup *s, struct plan *plan, struct err *e)
{
    AUTO_BUF struct buf path = {0}, packed = {0};
    AUTO_ARENA struct arena mem = {0};
    struct plan_host host;

    buf_init(&path, 4096);
    buf_init(&packed, POLICY_PACK_MAX);
    if (!cli_state_folder(&path, e))
        return false;
    buf_printf(&path, "/%s/policy", id);
    if (!fd_read_file(buf_cstr(&path), &packed, e))
        return false;
    struct policy *p = policy_unpack(buf_str(&packed), e);
    if (p == NULL)
        return false;
    bool ok = setup_probe(s, &host, &mem, e) && policy_plan(p, &s->session, &host, plan, e);
    policy_free(p);
    return ok;
}

static bool hand_over(int sock, const struct setup *s, struct frame_in *in, struct err *e)
{
    AUTO_BUF struct buf packed = {0};
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    buf_init(&packed, POLICY_PACK_MAX);
    policy_pack(s->policy, &packed);
    AUTO_CLOSE int fd = fd_memfd("policy", packed.p, packed.n, e);
    if (fd < 0)
        return false;
    frame_start(f, MSG_POLICY, 2);
    if (!frame_send(sock, f, &fd, 1))
        return err_sys(e, EX_FAIL, "the session cannot be reached");
    if (!client_next(sock, in, e))
        return false;
    return in->type == MSG_DONE || refused(in, e);
}

static bool reload(const char *name, struct setup *s, char id[SESSION_ID_MAX + 1], struct err *e)
{
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));
    struct plan running = {0};

    if (!client_pick(name, id, e))
        return false;
    AUTO_CLOSE int sock = client_connect(id, e);
    if (sock < 0 || !session_facts(sock, s, in, e) || !setup_load(s, e) || !setup_plan(s, e) ||
        !running_plan(id, s, &running, e))
        return false;
    bool ok = plan_can_follow(&running, &s->plan, e);
    plan_release(&running);
    if (!ok)
        return err_wrap(e, "this policy needs a new session");
    return hand_over(sock, s, in, e);
}

int policy_reload_command(int argc, char **argv)
{
    char id[SESSION_ID_MAX + 1] = "";
    struct setup s = {0};
    struct err e = {0};
    bool as_json = false;
    int first = policy_options(argc, argv, &s, &as_json), code = EX_OK;

    if (first < 0)
        return EX_USAGE_;
    if (argc - first > 1)
        return cli_usage("policy", "reload takes at most one session");
    if (!reload(argv[first], &s, id, &e))
        code = cli_fail(&e);
    else
        printf("%s: %zu rules hold from now on\n", id, policy_rules(s.policy));
    setup_release(&s);
    return code;
}
