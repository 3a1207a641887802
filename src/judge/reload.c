/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.c - another policy for a running session. It is read and checked whole beside the old
 * one, which serves on if anything is wrong. Labels that the session has picked up stay, by name,
 * and so does what it has spent.
 */
#include "judge/state.h"

#include "base/fd.h"
#include "record/digest.h"

#include <string.h>

static struct policy *read_next(int fd, char digest[DIGEST_HEX], struct err *why)
{
    AUTO_BUF struct buf b = {0};
    unsigned char hash[DIGEST_SIZE];

    buf_init(&b, POLICY_PACK_MAX);
    if (fd < 0) {
        err_set(why, EX_POLICY, "no policy came with the message");
        return NULL;
    }
    if (!fd_read_all(fd, &b, "the packed policy", why))
        return NULL;
    digest_bytes(buf_str(&b), hash);
    digest_hex(hash, digest);
    return policy_unpack(buf_str(&b), why);
}

static void answer(struct judge *j, uint32_t id, const char *why)
{
    frame_start(&j->out, MSG_RELOAD_IS, id);
    if (why != NULL)
        frame_put_cstr(&j->out, MSG_TAG_TEXT, why);
    judge_post(j, PEER_KEEPER, why == NULL);
}

static void swap(struct judge *j, struct policy *next)
{
    j->session.labels = labels_bits(&j->labels, next);
    for (size_t i = 0; i < VERDICTS_MAX; i++) /* bits of the old policy */
        j->verdicts[PEER_KERN][i].labels = 0;
    policy_scratch_free(j->scratch);
    j->scratch = policy_scratch_new(next);
    j->policy = next;
    policy_free(j->reloaded);
    j->reloaded = next;
    memset(&j->decision, 0, sizeof(j->decision)); /* views of the old policy end here */
    memset(&j->second, 0, sizeof(j->second));
}

bool judge_reload(struct judge *j, struct frame_in *f, struct err *e)
{
    char digest[DIGEST_HEX];
    struct err why = {0};
    struct policy *next = read_next(f->nfds > 0 ? f->fds[0] : -1, digest, &why);

    const struct record_event ev = {.kind = RECORD_EVENT,
                                    .actor = "judge",
                                    .outcome = RECORD_NO_OUTCOME,
                                    .name = next != NULL ? STR("reload") : STR("reload refused"),
                                    .text = str_of(next != NULL ? digest : why.text)};
    if (judge_record(j, &ev, e) == 0) {
        policy_free(next);
        return false;
    }
    if (next == NULL) {
        answer(j, f->id, why.text);
        return true;
    }
    swap(j, next);
    frame_start(&j->out, MSG_RELOADED, 0);
    judge_post(j, PEER_GATE, false);
    answer(j, f->id, NULL);
    return true;
}
