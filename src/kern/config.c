/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/config.h"

#include "base/frame.h"
#include "base/mem.h"
#include "policy/message.h"

enum { TAG_TRAPS = MSG_TAG_CONFIG, TAG_VERIFY };
enum { FD_LISTENER, FD_PROC, FD_NS_USER, FD_NS_MOUNT, FD_COUNT };

bool kern_config_send(int sock, const struct kern_config *c, struct err *e)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    const int fds[FD_COUNT] = {[FD_LISTENER] = c->listener,
                               [FD_PROC] = c->proc,
                               [FD_NS_USER] = c->ns_user,
                               [FD_NS_MOUNT] = c->ns_mount};

    frame_start(f, MSG_CONFIG, 0);
    frame_put_int(f, TAG_TRAPS, c->traps);
    frame_put_int(f, TAG_VERIFY, c->verify_exec);
    if (!frame_send(sock, f, fds, c->ns_user >= 0 ? FD_COUNT : FD_NS_USER))
        return err_sys(e, EX_ROLE, "kern: its settings cannot be sent");
    return true;
}

static bool read_fields(struct frame_in *f, struct kern_config *c)
{
    struct frame_field x;
    enum frame_result r;
    bool traps = false, verify = false;

    while ((r = frame_next(f, &x)) == FRAME_OK) {
        if (x.kind != FRAME_INT || x.num < 0)
            return false;
        if (x.tag == TAG_TRAPS && x.num <= UINT16_MAX) {
            c->traps = (unsigned)x.num;
            traps = true;
        } else if (x.tag == TAG_VERIFY && x.num <= 1) {
            c->verify_exec = x.num == 1;
            verify = true;
        } else {
            return false;
        }
    }
    return r == FRAME_EOF && traps && verify;
}

bool kern_config_recv(int sock, struct kern_config *c, struct err *e)
{
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));

    *c = (struct kern_config){.listener = -1, .ns_user = -1, .ns_mount = -1, .proc = -1};
    if (frame_recv(sock, f, FD_COUNT) != FRAME_OK)
        return err_set(e, EX_ROLE, "kern: the keeper sent no settings");
    if (!message_permitted(ROLE_KEEPER, ROLE_KERN, PHASE_START, f->type) ||
        (f->nfds != FD_COUNT && f->nfds != FD_NS_USER) || !read_fields(f, c)) {
        frame_close_fds(f);
        return err_set(e, EX_ROLE, "kern: the settings are malformed");
    }
    c->listener = fd_take(&f->fds[FD_LISTENER]);
    c->proc = fd_take(&f->fds[FD_PROC]);
    if (f->nfds == FD_COUNT) {
        c->ns_user = fd_take(&f->fds[FD_NS_USER]);
        c->ns_mount = fd_take(&f->fds[FD_NS_MOUNT]);
    }
    return true;
}

void kern_config_close(struct kern_config *c)
{
    mem_auto_close(&c->listener);
    mem_auto_close(&c->proc);
    mem_auto_close(&c->ns_user);
    mem_auto_close(&c->ns_mount);
}
