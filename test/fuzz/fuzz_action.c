/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an ACTION (first byte even) or a VERDICT (odd). What is accepted keeps its bounds,
 * means the same after it was written and read again, and can be shown to a person.
 */
#include "judge/summary.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_in in, again;
static struct frame_out out;

static bool load(const uint8_t *body, size_t n)
{
    frame_start(&out, 1, 1);
    if (n > FRAME_MAX - FRAME_HEADER)
        return false;
    memcpy(out.data + out.n, body, n);
    out.n += n;
    (void)frame_finish(&out);
    memcpy(in.data, out.data, out.n);
    return frame_parse(&in, out.n) == FRAME_OK;
}

static void write_again(void)
{
    if (!frame_finish(&out))
        return;
    memcpy(again.data, out.data, out.n);
    enum frame_result r = frame_parse(&again, out.n);
    assert(r == FRAME_OK);
}

static void check_summary(const struct action *a)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 65536);
    summary_add(&b, a, SUMMARY_MAX);
    assert(!b.full && b.n <= SUMMARY_MAX + 500);
    for (size_t i = 0; i < b.n; i++)
        assert((unsigned char)b.p[i] >= 0x20 && b.p[i] != 0x7f);
}

static void check_action(void)
{
    struct action a, b;

    if (!action_get(&in, &a))
        return;
    assert(a.verb < VERB_COUNT && a.kind < RESOURCE_COUNT && a.pid >= 0 && a.parent >= 0);
    assert(a.resource.n > 0 && a.resource.n <= ACTION_RESOURCE_MAX);
    frame_start(&out, 1, 1);
    action_put(&out, &a);
    if (!out.full) {
        write_again();
        bool ok = action_get(&again, &b);
        assert(ok && a.verb == b.verb && a.kind == b.kind && a.pid == b.pid &&
               a.parent == b.parent && a.cause == b.cause && str_eq(a.resource, b.resource));
        for (unsigned i = 0; i < FIELD_COUNT; i++)
            assert(a.has[i] == b.has[i] && a.field[i].num == b.field[i].num &&
                   str_eq(a.field[i].str, b.field[i].str));
    }
    check_summary(&a);
}

static void check_verdict(void)
{
    struct verdict v, w;

    if (!verdict_get(&in, &v))
        return;
    assert(v.outcome < OUTCOME_COUNT && v.nrules <= VERDICT_RULES_MAX &&
           v.reason.n <= VERDICT_REASON_MAX);
    frame_start(&out, 1, 1);
    verdict_put(&out, &v);
    if (out.full)
        return;
    write_again();
    bool ok = verdict_get(&again, &w);
    assert(ok && v.outcome == w.outcome && v.event == w.event && v.duties == w.duties &&
           v.nrules == w.nrules && str_eq(v.reason, w.reason));
    for (size_t i = 0; i < v.nrules; i++)
        assert(str_eq(v.rules[i], w.rules[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || !load(data + 1, size - 1))
        return 0;
    if (data[0] % 2 == 0)
        check_action();
    else
        check_verdict();
    return 0;
}
