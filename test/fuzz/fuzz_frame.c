/* SPDX-License-Identifier: Apache-2.0 */
/* A packet as it comes from a socket. What is well formed can be written again, byte for byte. */
#include "base/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_in in;
static struct frame_out out;

static void put_again(const struct frame_field *x)
{
    struct str list = x->bytes, item;

    switch (x->kind) {
    case FRAME_INT:
        frame_put_int(&out, x->tag, x->num);
        break;
    case FRAME_BYTES:
        frame_put_str(&out, x->tag, x->bytes);
        break;
    case FRAME_LIST:
        frame_list_start(&out, x->tag);
        while (frame_list_next(&list, &item) == FRAME_OK)
            frame_list_item(&out, item);
        assert(list.n == 0); /* frame_next() has checked it */
        frame_list_end(&out);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_field x;
    enum frame_result r;

    if (size > FRAME_MAX)
        return 0;
    memcpy(in.data, data, size);
    if (frame_parse(&in, size) != FRAME_OK)
        return 0;
    frame_start(&out, in.type, in.id);
    while ((r = frame_next(&in, &x)) == FRAME_OK) {
        assert(x.bytes.p >= (const char *)in.data + FRAME_HEADER &&
               x.bytes.p + x.bytes.n <= (const char *)in.data + size);
        put_again(&x);
    }
    if (r == FRAME_EOF) {
        assert(frame_finish(&out) && out.n == size);
        assert(memcmp(out.data, data, size) == 0);
    }
    return 0;
}
