/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from kern, the gate and the keeper, in any order: a byte (peer; a frame, time that
 * passes, or a commit), a length, the bytes of type and body. Whatever they say, the judge neither
 * crashes nor writes a record that does not hold, and no verdict is sent that is not recorded.
 */
#include "../unit/judge_world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next message from data; what it takes of it. */
static size_t message(const uint8_t *data, size_t size, bool *ok)
{
    size_t n = data[1] | (size_t)data[2] << 8;

    n = n < size - 5 ? n : size - 5;
    frame_start(&world_out, data[3], data[4]);
    memcpy(world_out.data + world_out.n, data + 5, n);
    world_out.n += n;
    *ok = world_give((enum judge_peer)(data[0] % PEER_COUNT));
    return 5 + n;
}

static void check_record(void)
{
    struct record_report r;
    struct verdict v;

    bool ok = record_verify(world.record, world.head, &r, &world.e);
    assert(ok && record_status_intact(r.status));
    for (size_t i = 0; i < world.nsent; i++)
        if (world.sent[i].type == MSG_VERDICT &&
            world_verdict(world.sent[i].to, world.sent[i].id, &v))
            assert(v.event <= r.lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool ok = world_run();

    assert(ok);
    while (ok && size >= 5 && world.nsent < SENT_MAX / 2) {
        size_t n = 2;

        if ((data[0] & 0xc0) == 0x40) {
            world.ms += data[1] * 100;
            ok = judge_tick(world.judge, &world.e);
        } else if ((data[0] & 0xc0) == 0x80) {
            ok = world_commit();
        } else {
            n = message(data, size, &ok);
        }
        data += n;
        size -= n;
    }
    if (ok) {
        ok = world_commit();
        assert(ok);
    } else {
        const struct err why = world.e;

        assert(why.code == EX_ROLE); /* memory does not run full */
        judge_fail(world.judge, &why);
    }
    check_record();
    world_close();
    return 0;
}
