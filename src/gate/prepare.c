/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/prepare.h"

#include "base/mem.h"
#include "policy/message.h"

#include <errno.h>
#include <poll.h>

enum { PREPARE_MS = 10000 };

static bool take_pem(struct frame_in *f, struct buf *pem)
{
    struct frame_field x;

    while (frame_next(f, &x) == FRAME_OK)
        if (x.tag == MSG_TAG_TEXT && x.kind == FRAME_BYTES)
            buf_add(pem, x.bytes.p, x.bytes.n);
    return pem->n > 0 && !pem->full;
}

static bool await(int sock)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int n;

    do
        n = poll(&p, 1, PREPARE_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

bool gate_prepare(int sock, int trust, struct err *e)
{
    AUTO_FREE struct frame_out *out = xcalloc(1, sizeof(*out));

    frame_start(out, MSG_PREPARE, 1);
    return frame_send(sock, out, &trust, 1) ||
           err_sys(e, EX_ROLE, "the gate cannot be asked for its authority");
}

bool gate_prepare_await(int sock, struct buf *pem, struct err *e)
{
    AUTO_FREE struct frame_in *in = xcalloc(1, sizeof(*in));

    if (!await(sock) || frame_recv(sock, in, 0) != FRAME_OK ||
        !message_permitted(ROLE_GATE, ROLE_KEEPER, PHASE_START, in->type) ||
        in->type != MSG_PREPARED || !take_pem(in, pem))
        return err_set(e, EX_ROLE, "the gate could not make the session's authority");
    return true;
}
