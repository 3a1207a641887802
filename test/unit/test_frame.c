/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct frame_out out;
static struct frame_in in;

/* What would arrive of `out`. */
static enum frame_result arrive(void)
{
    (void)frame_finish(&out);
    memcpy(in.data, out.data, out.n);
    return frame_parse(&in, out.n);
}

static void put_all(void)
{
    frame_start(&out, 7, 99);
    frame_put_int(&out, 1, -5);
    frame_put_str(&out, 2, STR("a\0b"));
    frame_put_cstr(&out, 3, NULL);
    frame_list_start(&out, 4);
    frame_list_item(&out, STR("one"));
    frame_list_item(&out, STR(""));
    frame_list_end(&out);
    frame_list_start(&out, 5);
    frame_list_end(&out);
}

static bool reads_all(void)
{
    struct frame_field x;
    struct str item;
    bool ok = in.type == 7 && in.id == 99;

    ok = ok && frame_next(&in, &x) == FRAME_OK && x.tag == 1 && x.kind == FRAME_INT && x.num == -5;
    ok = ok && frame_next(&in, &x) == FRAME_OK && x.tag == 2 && str_eq(x.bytes, STR("a\0b"));
    ok = ok && frame_next(&in, &x) == FRAME_OK && x.tag == 3 && x.bytes.n == 0;
    ok = ok && frame_next(&in, &x) == FRAME_OK && x.tag == 4 && x.kind == FRAME_LIST;
    ok = ok && frame_list_next(&x.bytes, &item) == FRAME_OK && str_is(item, "one");
    ok = ok && frame_list_next(&x.bytes, &item) == FRAME_OK && item.n == 0;
    ok = ok && frame_list_next(&x.bytes, &item) == FRAME_EOF;
    ok = ok && frame_next(&in, &x) == FRAME_OK && x.tag == 5 && x.bytes.n == 0;
    return ok && frame_next(&in, &x) == FRAME_EOF && frame_next(&in, &x) == FRAME_EOF;
}

TEST(fields_round_trip)
{
    put_all();
    CHECK_INT(arrive(), FRAME_OK);
    CHECK(reads_all());
}

TEST(int_extremes_round_trip)
{
    struct frame_field x;

    frame_start(&out, 1, UINT32_MAX);
    frame_put_int(&out, 255, INT64_MIN);
    frame_put_int(&out, 0, INT64_MAX);
    CHECK_INT(arrive(), FRAME_OK);
    CHECK(in.id == UINT32_MAX);
    CHECK(frame_next(&in, &x) == FRAME_OK && x.num == INT64_MIN && x.tag == 255);
    CHECK(frame_next(&in, &x) == FRAME_OK && x.num == INT64_MAX);
}

TEST(header_is_checked)
{
    put_all();
    CHECK_INT(arrive(), FRAME_OK);
    CHECK_INT(frame_parse(&in, 0), FRAME_BAD);
    CHECK_INT(frame_parse(&in, FRAME_HEADER - 1), FRAME_BAD);
    CHECK_INT(frame_parse(&in, out.n - 1), FRAME_BAD); /* shorter than it says */
    CHECK_INT(frame_parse(&in, out.n + 1), FRAME_BAD);
    CHECK_INT(frame_parse(&in, FRAME_MAX + 1), FRAME_BAD);
    static const int positions[] = {0, 3, 6, 7, 8, 11};
    for (size_t i = 0; i < ARRAY_LEN(positions); i++) {
        CHECK_INT(arrive(), FRAME_OK);
        in.data[positions[i]] ^= 0x40;
        CHECK_INT(frame_parse(&in, out.n), FRAME_BAD);
    }
}

/* Reads every field; the last result. */
static enum frame_result drain(void)
{
    struct frame_field x;
    enum frame_result r;

    while ((r = frame_next(&in, &x)) == FRAME_OK)
        continue;
    return r;
}

static void raw_field(unsigned char kind, uint32_t n, const void *p, size_t really)
{
    frame_start(&out, 1, 1);
    unsigned char *f = out.data + out.n;
    memset(f, 0, 8);
    f[0] = 1;
    f[1] = kind;
    memcpy(f + 4, &n, 4);
    memcpy(f + 8, p, really);
    out.n += 8 + really;
    (void)arrive();
}

TEST(malformed_fields_are_bad)
{
    raw_field(FRAME_BYTES, 5, "abcd", 4); /* longer than the frame */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_BYTES, UINT32_MAX, "abcd", 4);
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_INT, 4, "abcd", 4); /* an integer has eight bytes */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_INT, 9, "123456789", 9);
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(0, 1, "a", 1); /* unknown kinds */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(4, 1, "a", 1);
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_LIST, 3, "abc", 3); /* no room for a length */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_LIST, 5, "\2\0\0\0a", 5); /* an item longer than its list */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_LIST, 5, "\1\0\0\0a", 5);
    CHECK_INT(drain(), FRAME_EOF);
    raw_field(FRAME_BYTES, 1, "a", 1);
    in.data[FRAME_HEADER + 2] = 1; /* reserved bytes */
    CHECK_INT(drain(), FRAME_BAD);
    raw_field(FRAME_BYTES, 0, "abc", 3); /* less than a field's header is left */
    CHECK_INT(drain(), FRAME_BAD);
}

TEST(lists_are_bounded_on_both_sides)
{
    frame_start(&out, 1, 1);
    frame_list_start(&out, 1);
    for (unsigned i = 0; i < FRAME_LIST_MAX; i++)
        frame_list_item(&out, STR(""));
    CHECK(!out.full);
    frame_list_end(&out);
    CHECK_INT(arrive(), FRAME_OK);
    CHECK_INT(drain(), FRAME_EOF);
    frame_start(&out, 1, 1);
    frame_list_start(&out, 1);
    for (unsigned i = 0; i <= FRAME_LIST_MAX; i++)
        frame_list_item(&out, STR(""));
    CHECK(out.full);
    frame_list_end(&out);
    AUTO_FREE unsigned char *zeros = xcalloc(FRAME_LIST_MAX + 1, 4);
    raw_field(FRAME_LIST, (FRAME_LIST_MAX + 1) * 4, zeros, (FRAME_LIST_MAX + 1) * 4);
    CHECK_INT(drain(), FRAME_BAD);
}

TEST(full_frames_are_not_sent)
{
    AUTO_FREE char *big = xcalloc(FRAME_MAX, 1);
    struct err e;
    int sv[2];

    CHECK(frame_pair(sv, &e));
    frame_start(&out, 1, 1);
    CHECK_INT(frame_room(&out), FRAME_MAX - FRAME_HEADER - 8);
    frame_put_str(&out, 1, (struct str){big, frame_room(&out)});
    CHECK(!out.full);
    CHECK_INT(out.n, FRAME_MAX);
    CHECK_INT(frame_room(&out), 0);
    CHECK(frame_send(sv[0], &out, NULL, 0)); /* the largest goes through a default socket */
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_OK);
    CHECK_INT(in.n, FRAME_MAX);
    frame_put_int(&out, 2, 0);
    CHECK(out.full);
    CHECK(!frame_send(sv[0], &out, NULL, 0) && errno == EMSGSIZE);
    frame_start(&out, 1, 1);
    frame_put_str(&out, 1, (struct str){big, SIZE_MAX});
    CHECK(out.full);
    frame_start(&out, 1, 1);
    frame_list_start(&out, 1);
    frame_list_item(&out, (struct str){big, SIZE_MAX - 2});
    CHECK(out.full);
    frame_list_end(&out);
    (void)close(sv[0]);
    (void)close(sv[1]);
}

TEST(sockets_carry_frames_and_descriptors)
{
    struct err e;
    int sv[2], p[2];

    CHECK(frame_pair(sv, &e) && pipe(p) == 0);
    put_all();
    CHECK(frame_send(sv[0], &out, p, 2));
    CHECK_INT(frame_recv(sv[1], &in, 2), FRAME_OK);
    CHECK_INT(in.nfds, 2);
    CHECK((fcntl(in.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(write(in.fds[1], "x", 1) == 1);
    CHECK(reads_all());
    int kept = fd_take(&in.fds[0]);
    frame_close_fds(&in);
    CHECK(fcntl(kept, F_GETFD) >= 0);
    (void)close(kept);
    CHECK(fd_set_nonblock(sv[1]));
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_AGAIN);
    (void)close(sv[0]);
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_EOF);
    (void)close(sv[1]);
    (void)close(p[0]);
    (void)close(p[1]);
}

static int open_fds(void)
{
    int n = 0;

    for (int i = 0; i < 256; i++)
        n += fcntl(i, F_GETFD) >= 0;
    return n;
}

TEST(descriptors_not_asked_for_are_closed_and_bad)
{
    struct err e;
    int sv[2], many[FRAME_MAX_FDS];

    CHECK(frame_pair(sv, &e));
    for (int i = 0; i < FRAME_MAX_FDS; i++)
        many[i] = 0;
    int before = open_fds();
    put_all();
    CHECK(frame_send(sv[0], &out, many, 1));
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_BAD);
    CHECK(frame_send(sv[0], &out, many, FRAME_MAX_FDS));
    CHECK_INT(frame_recv(sv[1], &in, FRAME_MAX_FDS - 1), FRAME_BAD);
    CHECK_INT(open_fds(), before);
    (void)close(sv[0]);
    (void)close(sv[1]);
}

TEST(packets_of_other_sizes_are_bad)
{
    struct err e;
    AUTO_FREE char *big = xcalloc(FRAME_MAX + 100, 1);
    int sv[2];

    CHECK(frame_pair(sv, &e));
    CHECK(send(sv[0], "x", 1, 0) == 1);
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_BAD);
    CHECK(send(sv[0], big, FRAME_MAX + 100, 0) == FRAME_MAX + 100);
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_BAD);
    put_all(); /* and the stream is in step afterwards */
    CHECK(frame_send(sv[0], &out, NULL, 0));
    CHECK_INT(frame_recv(sv[1], &in, 0), FRAME_OK);
    (void)close(sv[1]);
    CHECK(!frame_send(sv[0], &out, NULL, 0) && errno == EPIPE); /* and no SIGPIPE */
    (void)close(sv[0]);
}

TEST(truncated_and_flipped_frames_never_overrun)
{
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        put_all();
        (void)frame_finish(&out);
        memcpy(in.data, out.data, out.n);
        for (int k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            in.data[(seed >> 8) % out.n] = (unsigned char)(seed >> 16);
        }
        if (frame_parse(&in, out.n) == FRAME_OK)
            (void)drain();
        CHECK(in.at <= in.n);
    }
}

UNIT_MAIN(UNIT(fields_round_trip), UNIT(int_extremes_round_trip), UNIT(header_is_checked),
          UNIT(malformed_fields_are_bad), UNIT(lists_are_bounded_on_both_sides),
          UNIT(full_frames_are_not_sent), UNIT(sockets_carry_frames_and_descriptors),
          UNIT(descriptors_not_asked_for_are_closed_and_bad), UNIT(packets_of_other_sizes_are_bad),
          UNIT(truncated_and_flipped_frames_never_overrun))
