/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's side of prepare.h, apart from the keeper's, which does without TLS. */
#include "base/mem.h"
#include "gate/prepare.h"
#include "gate/tls.h"
#include "policy/message.h"

bool gate_prepared(int sock, struct tls *t, struct frame_in *f, struct err *e)
{
    AUTO_FREE struct frame_out *out = xcalloc(1, sizeof(*out));
    AUTO_BUF struct buf pem = {0};

    if (f->nfds != 1)
        return err_set(e, EX_ROLE, "gate: PREPARE without authorities");
    tls_trust(t, fd_take(&f->fds[0]));
    buf_init(&pem, GATE_PEM_MAX);
    tls_ca_pem(t, &pem);
    frame_start(out, MSG_PREPARED, f->id);
    frame_put_str(out, MSG_TAG_TEXT, buf_str(&pem));
    if (pem.full || !frame_send(sock, out, NULL, 0))
        return err_set(e, EX_ROLE, "gate: cannot hand out the session's certificate");
    return true;
}
