/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks.c - what was read and is labelled, by its marks: kern says which bytes, never which labels.
 * Those are of the verdict by which the file was opened.
 */
#include "judge/state.h"

#include <string.h>

enum { MARK_BYTES = 8, MARKS_BYTES_MAX = 131072 };

static bool read_marks(struct frame_in *f, struct str *marks)
{
    struct frame_field x;

    return frame_next(f, &x) == FRAME_OK && x.tag == MSG_TAG_MARKS && x.kind == FRAME_BYTES &&
           x.bytes.n > 0 && x.bytes.n <= MARKS_BYTES_MAX && x.bytes.n % MARK_BYTES == 0 &&
           (*marks = x.bytes, frame_next(f, &x)) == FRAME_EOF;
}

bool judge_marks(struct judge *j, struct frame_in *f)
{
    uint32_t id = f->id;
    struct str marks;
    uint64_t labels;

    if (!read_marks(f, &marks))
        return false;
    if (j->verdicts[PEER_KERN][id % VERDICTS_MAX].frame != id)
        return true; /* too long ago, or never */
    labels = j->verdicts[PEER_KERN][id % VERDICTS_MAX].labels;
    if (labels == 0)
        return true;
    frame_start(&j->out, MSG_MARKS, 0);
    frame_list_start(&j->out, MSG_TAG_LIST);
    for (unsigned i = 0; i < POLICY_LABELS_MAX; i++)
        if ((labels >> i & 1) != 0)
            frame_list_item(&j->out, cut_str(policy_label_name(j->policy, i), LABELS_NAME_MAX));
    frame_list_end(&j->out);
    frame_put_str(&j->out, MSG_TAG_MARKS, marks);
    judge_post(j, PEER_GATE, false);
    return true;
}
