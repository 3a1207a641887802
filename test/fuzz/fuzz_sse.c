/* SPDX-License-Identifier: Apache-2.0 */
/* Events: no byte is lost or moved, and how they come in makes no difference. */
#include "model/sse.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf raw, events;
    bool over;
};

static void note(struct seen *seen, const struct sse *s)
{
    buf_add(&seen->raw, s->raw.p, s->raw.n);
    buf_printf(&seen->events, "%zu:", s->type.n);
    buf_add(&seen->events, s->type.p, s->type.n);
    buf_printf(&seen->events, "%zu:", s->data.n);
    buf_add(&seen->events, s->data.p, s->data.n);
}

static void read_all(const char *p, size_t n, size_t piece, struct seen *seen)
{
    struct sse s;

    sse_start(&s, 4096);
    buf_init(&seen->raw, 16u << 20);
    buf_init(&seen->events, 16u << 20);
    for (size_t i = 0; i < n && !s.over;) {
        bool whole;

        i += sse_feed(&s, p + i, n - i < piece ? n - i : piece, &whole);
        if (whole)
            note(seen, &s);
    }
    seen->over = s.over;
    if (!s.over && sse_end(&s))
        note(seen, &s);
    sse_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen a, b;

    read_all((const char *)data, size, SIZE_MAX, &a);
    read_all((const char *)data, size, 1, &b);
    assert(a.over == b.over && a.raw.n == b.raw.n && a.events.n == b.events.n);
    assert(a.events.n == 0 || memcmp(a.events.p, b.events.p, a.events.n) == 0);
    assert(a.over || a.raw.n == size);
    assert(a.raw.n == 0 || memcmp(a.raw.p, data, a.raw.n) == 0);
    buf_free(&a.raw);
    buf_free(&a.events);
    buf_free(&b.raw);
    buf_free(&b.events);
    return 0;
}
