/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_model.h - answers of a model: in two kinds of pieces the same goes on and the same is told;
 * what is not held goes on unchanged; what was refused is gone for a second reader.
 */
#ifndef BELAY_TEST_FUZZ_MODEL_H
#define BELAY_TEST_FUZZ_MODEL_H

#include "../unit/model_world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_reply(const struct model_call *call, const char *p, size_t n)
{
    struct run open = run_reply(call, p, n, n, false, "");
    struct run whole = run_reply(call, p, n, n, true, "Bash");
    struct run pieces = run_reply(call, p, n, 3, true, "Bash");

    assert(open.nout == n && memcmp(open.out, p, n) == 0);
    assert(whole.state == pieces.state && whole.nout == pieces.nout);
    assert(memcmp(whole.out, pieces.out, whole.nout) == 0 && strcmp(whole.told, pieces.told) == 0);
    if (whole.state == MODEL_GOING) {
        struct run again = run_reply(call, whole.out, whole.nout, whole.nout, true, "");

        assert(again.state == MODEL_GOING && !again.bash);
        run_free(&again);
    }
    run_free(&open);
    run_free(&whole);
    run_free(&pieces);
}

/* A stream that is cut anywhere ends well. */
static inline void fuzz_cut(const struct model_call *call, const char *p, size_t n, bool hold)
{
    struct model_reply *r = model_reply_new(call, NULL, hold);
    struct buf out;

    buf_init(&out, 64u << 20);
    for (size_t i = 0; i < n && model_reply_state(r) == MODEL_GOING;)
        i += model_reply_feed(r, p + i, n - i, &out);
    model_reply_cut(r, STR("over"), &out);
    buf_free(&out);
    model_reply_free(r);
}

#endif
