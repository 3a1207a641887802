/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "http/fault.h"

#include "http2_frames.h"
#include "http_trace.h"
#include "unit.h"

#include <malloc.h>

#define SERVER HTTP_SERVER
#define CLIENT HTTP_CLIENT

static const struct malformed {
    const char *name;
    enum http_side side;
    const char *p;
    size_t n;
} malformed[] = {
#define X(name, side, fields) {#name, side, fields, sizeof(fields) - 1},
#include "http2_malformed.def"
#undef X
};

static const struct http_head a_request = {.method = {"GET", 3},
                                           .scheme = {"http", 4},
                                           .authority = {"a.test", 6},
                                           .target = {"/", 1},
                                           .length = -1,
                                           .end = true};

static struct trace t;
static struct http_conn *conn;
static struct buf in; /* what is fed next */

static void setup(enum http_side side)
{
    http_conn_free(conn);
    trace_free(&t);
    trace_init(&t);
    t.answer = side == HTTP_SERVER ? "" : NULL;
    conn = http2_new(side, false, &trace_hooks, &t);
    if (side == HTTP_CLIENT)
        http_request(conn, &a_request);
    trace_drain(&t, conn);
    buf_free(&in);
    buf_init(&in, 64u << 20);
    h2_start(&in, side == HTTP_SERVER);
}

static ssize_t feed(void)
{
    ssize_t taken = trace_feed(&t, conn, in.p, in.n, 16384);

    buf_clear(&in);
    return taken;
}

static unsigned said(uint8_t type, uint32_t *error)
{
    return h2_count(buf_str(&t.sent), type, error);
}

#define CHECK_FAULT(want) \
    CHECK_STR(http_error(conn) != NULL ? http_error(conn) : "", http_fault_text(want))

TEST(malformed)
{
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        const struct malformed *m = &malformed[i];
        uint32_t error = 0;

        setup(m->side);
        h2_headers(&in, 1, true, m->p, m->n);
        CHECK(feed() >= 0);
        bool reset = said(NGHTTP2_RST_STREAM, &error) == 1 && error == NGHTTP2_PROTOCOL_ERROR;

        if (!reset || t.heads != 0 || http_error(conn) != NULL)
            printf("# %s: %s\n", m->name, buf_cstr(&t.log));
        CHECK(reset);
        CHECK_INT(t.heads, 0);
        CHECK(http_error(conn) == NULL);
        CHECK_INT(http_streams(conn), 0);
        CHECK_STR(buf_cstr(&t.log), m->side == HTTP_CLIENT ? "over protocol\n" : "");
        if (m->side == HTTP_CLIENT)
            continue;
        H2_HEADERS(&in, 3, true, H2_GET); /* the connection goes on */
        CHECK(feed() >= 0);
        CHECK_INT(t.heads, 1);
    }
}

TEST(requests)
{
    setup(HTTP_SERVER);
    H2_HEADERS(&in, 1, true,
               ":method=GET|:scheme=http|:path=/a?b|:authority=A.Test:80|cookie=a=1|x=y|cookie=b=2|"
               "te=trailers|content-length=0");
    H2_HEADERS(&in, 3, true, ":method=GET|:scheme=http|:path=/|host=B.test");
    H2_HEADERS(&in, 5, true, H2_GET "|host=a.test");
    H2_HEADERS(&in, 7, true, ":method=OPTIONS|:scheme=http|:path=*|:authority=a.test");
    CHECK(feed() >= 0);
    CHECK_STR(
        buf_cstr(&t.log),
        "head GET http a.test:80 /a?b length=0 end trailers [cookie: a=1; b=2] [x: y]\n"
        "head GET http b.test / end\nhead GET http a.test / end\nhead OPTIONS http a.test * end\n"
        "over in order\nover in order\nover in order\nover in order\n");
    CHECK_INT(said(NGHTTP2_HEADERS, NULL), 4);
    CHECK_INT(said(NGHTTP2_RST_STREAM, NULL), 0);
}

TEST(bodies)
{
    setup(HTTP_SERVER);
    t.answer = NULL;
    H2_HEADERS(&in, 1, false, H2_GET "|content-length=5|expect=100-continue");
    h2_frame(&in, NGHTTP2_DATA, 0, 1, "hel", 3);
    h2_frame(&in, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "lo", 2);
    H2_HEADERS(&in, 3, false, H2_GET);
    h2_frame(&in, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 3, "\3hi\0\0\0", 6);
    H2_HEADERS(&in, 3, true, "x-sum=1");
    CHECK(feed() >= 0);
    CHECK_STR(buf_cstr(&t.log), "head GET http a.test / length=5 expect\ndata hello\nend\n"
                                "head GET http a.test /\ndata hi\nend [x-sum: 1]\n");
}

/* Lengths that are not kept, trailers that may not be, data where none may be. */
TEST(malformed_bodies)
{
    static const struct {
        const char *fields, *data, *trailers;
    } bad[] = {
        {H2_GET "|content-length=5", "four", NULL}, {H2_GET "|content-length=5", "sixsix", NULL},
        {H2_GET, "x", "content-length=1"},          {H2_GET, "x", "host=b.test"},
        {H2_GET, "x", "transfer-encoding=chunked"}, {H2_GET, "x", ":path=/b"},
        {H2_GET, "x", "authorization=x"},           {H2_GET, "x", "a=b\r\nc: d"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        setup(HTTP_SERVER);
        h2_headers(&in, 1, false, bad[i].fields, strlen(bad[i].fields));
        h2_frame(&in, NGHTTP2_DATA, bad[i].trailers == NULL ? NGHTTP2_FLAG_END_STREAM : 0, 1,
                 bad[i].data, strlen(bad[i].data));
        if (bad[i].trailers != NULL)
            h2_headers(&in, 1, true, bad[i].trailers, strlen(bad[i].trailers));
        CHECK(feed() >= 0);
        CHECK_INT(t.heads, 1);
        CHECK_INT(t.ends, 0);
        CHECK(strstr(buf_cstr(&t.log), "over protocol\n") != NULL);
        CHECK_INT(said(NGHTTP2_RST_STREAM, NULL), 1);
    }
}

/* What is no HTTP/2 at all ends the connection, and says so. */
TEST(malformed_frames)
{
    static const struct {
        uint8_t type, flags;
        uint32_t id;
        const char *p;
        size_t n;
    } bad[] = {
        {NGHTTP2_DATA, 0, 0, "x", 1},
        {NGHTTP2_DATA, 0, 1, "x", 1}, /* no such stream yet */
        {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 0, "\x82", 1},
        {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2, "\x82", 1}, /* of the server's numbers */
        {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6},
        {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED, 1, "\x09\x82", 2},
        {NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, "\x82", 1},
        {NGHTTP2_SETTINGS, 0, 1, "", 0},
        {NGHTTP2_SETTINGS, 0, 0, "\0\4", 2},
        {NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "\0\4\0\0\0\0", 6},
        {NGHTTP2_SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6},
        {NGHTTP2_SETTINGS, 0, 0, "\0\5\0\0\0\1", 6},
        {NGHTTP2_PING, 0, 0, "x", 1},
        {NGHTTP2_PING, 0, 1, "12345678", 8},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4},
        {NGHTTP2_RST_STREAM, 0, 0, "\0\0\0\0", 4},
        {NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\0", 4}, /* no such stream yet */
        {NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, "\0\0\0\2\x82", 5},
        {NGHTTP2_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0", 8},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        setup(HTTP_SERVER);
        h2_frame(&in, bad[i].type, bad[i].flags, bad[i].id, bad[i].p, bad[i].n);
        ssize_t taken = feed();

        if (taken != -1)
            printf("# case %zu\n", i);
        CHECK_INT(taken, -1);
        CHECK_FAULT(HTTP_H2);
        CHECK(http_closing(conn));
        CHECK_INT(said(NGHTTP2_GOAWAY, NULL), 1);
        CHECK_INT(t.heads, 0);
    }
    setup(HTTP_SERVER);
    buf_clear(&in);
    buf_puts(&in, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    CHECK_INT(feed(), -1);
    CHECK_FAULT(HTTP_H2);
}

TEST(in_pieces)
{
    AUTO_FREE char *whole = NULL;

    for (size_t piece = 100000; piece > 0; piece = piece > 9 ? 9 : piece - 1) {
        setup(HTTP_SERVER);
        H2_HEADERS(&in, 1, false, H2_GET);
        h2_frame(&in, NGHTTP2_DATA, 0, 1, "hello, ", 7);
        h2_frame(&in, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "world", 5);
        H2_HEADERS(&in, 3, true, H2_GET "|a=b\nc");
        H2_HEADERS(&in, 5, true, H2_GET "|a=b");
        h2_frame(&in, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4);
        trace_feed(&t, conn, in.p, in.n, piece);
        CHECK_FAULT(HTTP_H2);
        if (whole == NULL)
            whole = xstrdup(buf_cstr(&t.log));
        /* a stream's order holds; who is answered first may differ */
        CHECK_INT(strlen(buf_cstr(&t.log)), strlen(whole));
        CHECK_INT(t.heads, 2);
    }
}

/* One side's bytes to the other, both ways, until nothing is left. */
static void pump(struct trace *a, struct http_conn *client, struct trace *b,
                 struct http_conn *server)
{
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < 2; i++) {
            struct http_conn *from = i == 0 ? client : server, *to = i == 0 ? server : client;
            struct str out = http_output(from);

            if (out.n == 0 || http_blocked(to))
                continue;
            ssize_t n = http_feed(to, out.p, out.n);

            http_sent(from, n < 0 ? out.n : (size_t)n);
            more = more || n != 0;
        }
    }
    trace_line(a);
    trace_line(b);
}

/* A client and a server of ours, joined. */
static struct joined {
    struct trace a, b;
    struct http_conn *client, *server;
} j;

static void join(void)
{
    http_conn_free(j.client);
    http_conn_free(j.server);
    trace_free(&j.a);
    trace_free(&j.b);
    trace_init(&j.a);
    trace_init(&j.b);
    j.client = http2_new(HTTP_CLIENT, true, &trace_hooks, &j.a);
    j.server = http2_new(HTTP_SERVER, true, &trace_hooks, &j.b);
    pump(&j.a, j.client, &j.b, j.server);
}

static void flow(void)
{
    pump(&j.a, j.client, &j.b, j.server);
}

static struct http_head secure(void)
{
    struct http_head head = a_request;

    head.scheme = STR("https");
    return head;
}

TEST(round_trip)
{
    struct http_field f[] = {{STR("accept"), STR("*/*")}, {STR("cookie"), STR("a=1; b=2")}};
    struct http_field trailers[] = {{STR("x-sum"), STR("1")}, {STR("host"), STR("no")}};
    struct http_head head = secure(), early = {.status = 103, .length = -1},
                     answer = {.status = 200, .length = 5, .fields = f, .nfields = 1};

    join();
    head.method = STR("POST");
    head.fields = f;
    head.nfields = 2;
    head.end = false;
    head.expect = head.trailers = true;
    struct http_stream *s = http_request(j.client, &head);

    flow();
    CHECK_STR(buf_cstr(&j.b.log), "head POST https a.test / expect trailers [accept: */*] "
                                  "[cookie: a=1; b=2]\n");
    early.status = 100;
    CHECK(http_respond(j.b.s, &early));
    flow();
    CHECK_INT(http_send(s, "question", 8), 8);
    http_end(s, trailers, 2);
    flow();
    CHECK(http_respond(j.b.s, &answer));
    CHECK_INT(http_send(j.b.s, "hel", 3), 3);
    flow();
    CHECK_INT(http_send(j.b.s, "lo", 2), 2);
    http_end(j.b.s, trailers, 1);
    flow();
    CHECK_STR(buf_cstr(&j.b.log),
              "head POST https a.test / expect trailers [accept: */*] "
              "[cookie: a=1; b=2]\ndata question\nend [x-sum: 1]\nover in order\n");
    CHECK_STR(buf_cstr(&j.a.log), "head 100\nhead 200 length=5 [accept: */*]\ndata hel\ndata lo\n"
                                  "end [x-sum: 1]\nover in order\n");
    CHECK_INT(http_streams(j.client) + http_streams(j.server), 0);
}

TEST(responses_to_head)
{
    struct http_head head = secure(), answer = {.status = 200, .length = 5};

    join();
    head.method = STR("HEAD");
    http_request(j.client, &head);
    flow();
    CHECK(http_respond(j.b.s, &answer));
    CHECK_INT(http_send(j.b.s, "hello", 5), 5);
    http_end(j.b.s, NULL, 0);
    flow();
    CHECK_STR(buf_cstr(&j.a.log), "head 200 length=5 end\nover in order\n");
}

TEST(an_early_response)
{
    struct http_head head = secure(), answer = {.status = 413, .length = -1, .end = true};

    join();
    head.end = false;
    struct http_stream *s = http_request(j.client, &head);

    http_send(s, "hello", 5);
    flow();
    CHECK(http_respond(j.b.s, &answer));
    flow();
    CHECK_STR(buf_cstr(&j.a.log), "head 413 end\nover in order\n");
    CHECK_STR(buf_cstr(&j.b.log), "head GET https a.test /\ndata hello\nover in order\n");
    CHECK(http_can_request(j.client) && !http_closing(j.server));
}

TEST(resets)
{
    struct http_head head = secure(), answer = {.status = 200, .length = -1};

    join();
    http_request(j.client, &head);
    flow();
    http_reset(j.a.s != NULL ? j.a.s : http_request(j.client, &head), HTTP_RESET_CANCEL);
    flow();
    join();
    struct http_stream *s = http_request(j.client, &head);
    flow();
    CHECK(http_respond(j.b.s, &answer));
    http_send(j.b.s, "x", 1);
    flow();
    http_reset(s, HTTP_RESET_CANCEL);
    flow();
    CHECK_STR(buf_cstr(&j.b.log), "head GET https a.test / end\nover cancel\n");
    CHECK_STR(buf_cstr(&j.a.log), "head 200\ndata x\nover cancel\n");
    /* before it is sent */
    http_reset(http_request(j.client, &head), HTTP_RESET_CANCEL);
    flow();
    CHECK_INT(j.b.heads, 1);
    /* by the server */
    s = http_request(j.client, &head);
    flow();
    http_reset(j.b.s, HTTP_RESET_REFUSED);
    flow();
    CHECK(strstr(buf_cstr(&j.a.log), "over refused\n") != NULL);
    CHECK(http_can_request(j.client));
}

/* What is given as a body is not what its head said. */
TEST(bodies_that_break_their_word)
{
    struct http_head head = secure(), answer = {.status = 200, .length = 5};

    for (int i = 0; i < 2; i++) {
        join();
        http_request(j.client, &head);
        flow();
        CHECK(http_respond(j.b.s, &answer));
        CHECK_INT(http_send(j.b.s, "hello, world", i == 0 ? 3 : 12), i == 0 ? 3 : 12);
        http_end(j.b.s, NULL, 0);
        flow();
        CHECK_STR(buf_cstr(&j.b.log), "head GET https a.test / end\nover lost\n");
        CHECK_INT(j.a.ends, 0);
        CHECK_INT(j.a.overs, 1);
        CHECK(strstr(buf_cstr(&j.a.log), "over in order") == NULL);
        CHECK(http_can_request(j.client));
    }
}

TEST(shut)
{
    struct http_head head = secure(), answer = {.status = 200, .length = -1, .end = true};

    join();
    http_request(j.client, &head);
    flow();
    http_shut(j.server);
    flow();
    CHECK(!http_closing(j.server) && !http_can_request(j.client));
    CHECK(http_respond(j.b.s, &answer));
    flow();
    CHECK_STR(buf_cstr(&j.a.log), "head 200 end\nover in order\n");
    CHECK(http_closing(j.server) && http_closing(j.client));
}

TEST(cut)
{
    struct http_head head = secure();

    join();
    CHECK(http_feed_end(j.server));
    join();
    http_request(j.client, &head);
    flow();
    CHECK(!http_feed_end(j.client));
    CHECK_STR(buf_cstr(&j.a.log), "over lost\n");
    http_conn_free(j.server);
    j.server = NULL;
    CHECK_STR(buf_cstr(&j.b.log), "head GET https a.test / end\nover lost\n");
}

TEST(streams_at_a_time)
{
    struct http_head head = secure();

    join();
    for (int i = 0; i < HTTP_STREAMS_MAX; i++)
        CHECK(http_request(j.client, &head) != NULL);
    CHECK(!http_can_request(j.client) && http_request(j.client, &head) == NULL);
    flow();
    CHECK_INT(http_streams(j.server), HTTP_STREAMS_MAX);
    setup(HTTP_SERVER); /* one that does not keep to it */
    t.answer = NULL;
    for (uint32_t i = 0; i < HTTP_STREAMS_MAX + 10; i++)
        H2_HEADERS(&in, 2 * i + 1, true, H2_GET);
    feed();
    CHECK_INT(t.heads, HTTP_STREAMS_MAX);
    uint32_t error = 0;
    CHECK_INT(said(NGHTTP2_RST_STREAM, &error), 10);
    CHECK_INT(error, NGHTTP2_REFUSED_STREAM);
}

TEST(windows)
{
    static char block[4096];
    struct http_head head = secure();
    size_t given = 0;

    join();
    j.b.hold = true;
    head.end = false;
    struct http_stream *s = http_request(j.client, &head);

    for (int i = 0; i < 1000; i++) {
        given += http_send(s, block, sizeof(block));
        flow();
    }
    CHECK(j.b.held <= HTTP_WINDOW);
    CHECK(given <= HTTP_WINDOW + HTTP_SEND_MAX);
    size_t held = j.b.held;

    http_take(j.b.s, held);
    flow();
    CHECK(j.b.held > held); /* what waited came */
    CHECK(j.a.rooms > 0);
}

TEST(a_stream_that_is_over_gives_its_window_back)
{
    static char block[16384];
    struct http_head head = secure();

    join();
    j.b.hold = true;
    head.end = false;
    for (int i = 0; i < 30; i++) { /* 30 times a stream's window, over that of the connection */
        struct http_stream *s = http_request(j.client, &head);

        for (int k = 0; k < 20; k++) {
            http_send(s, block, sizeof(block));
            flow();
        }
        CHECK_INT(j.b.held, HTTP_WINDOW);
        http_reset(j.b.s, HTTP_RESET_CANCEL);
        j.b.held = 0;
        flow();
    }
}

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

#define CHECK_BOUNDED(before, most) CHECK(in_use() < (before) + (most) + t.sent.size + in.size)

TEST(flood_of_resets)
{
    uint32_t id = 1, error = 0;

    setup(HTTP_SERVER);
    t.answer = NULL;
    for (; id < 20000 && http_error(conn) == NULL; id += 2) {
        H2_HEADERS(&in, id, true, H2_GET);
        h2_frame(&in, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x08", 4);
        feed();
    }
    CHECK_FAULT(HTTP_FLOOD);
    CHECK(id / 2 < 1000);
    CHECK_INT(said(NGHTTP2_GOAWAY, &error), 1);
    CHECK_INT(error, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_INT(http_streams(conn), 0);
    CHECK_INT(t.heads, t.overs);
}

/* The peer makes us reset streams, which costs it less than to do so itself. */
TEST(flood_of_malformed)
{
    uint32_t id = 1;

    setup(HTTP_SERVER);
    for (; id < 20000 && http_error(conn) == NULL; id += 2) {
        H2_HEADERS(&in, id, true, H2_GET "|connection=close");
        feed();
    }
    CHECK_FAULT(HTTP_FLOOD);
    CHECK(id / 2 < 1000);
    setup(HTTP_SERVER);
    t.answer = NULL;
    for (id = 1; id < 20000 && http_error(conn) == NULL; id += 2) {
        H2_HEADERS(&in, id, false, H2_GET);
        h2_frame(&in, NGHTTP2_WINDOW_UPDATE, 0, id, "\0\0\0\0", 4);
        feed();
    }
    CHECK(http_error(conn) != NULL);
    CHECK(id / 2 < 1000);
}

static unsigned flood(uint8_t type, uint8_t flags, uint32_t id, const char *p, size_t n)
{
    unsigned frames = 0;

    setup(HTTP_SERVER);
    t.answer = NULL;
    if (id > 0)
        H2_HEADERS(&in, id, false, H2_GET);
    feed();
    for (; frames < 100000 && http_error(conn) == NULL; frames++) {
        h2_frame(&in, type, flags, id, p, n);
        feed();
    }
    return frames;
}

TEST(floods_of_frames)
{
    static const struct {
        uint8_t type, flags;
        uint32_t id;
        const char *p;
        size_t n;
    } floods[] = {
        {NGHTTP2_PING, 0, 0, "12345678", 8},
        {NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678", 8},
        {NGHTTP2_SETTINGS, 0, 0, "", 0},
        {NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6},
        {NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4},
        {NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4},
        {NGHTTP2_DATA, 0, 1, "", 0},
        {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\0", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        size_t before = in_use();
        unsigned n = flood(floods[i].type, floods[i].flags, floods[i].id, floods[i].p, floods[i].n);

        if (n >= 20000)
            printf("# flood %zu\n", i);
        CHECK(n < 20000);
        CHECK_FAULT(HTTP_FLOOD);
        CHECK_BOUNDED(before, 256 * 1024);
    }
}

/* Many in one read, and who sends them does not read. */
TEST(floods_in_one_piece)
{
    size_t before = in_use();

    setup(HTTP_SERVER);
    feed();
    for (int i = 0; i < 60000; i++)
        h2_frame(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
    ssize_t n = http_feed(conn, in.p, in.n);

    CHECK_INT(n, -1);
    CHECK_FAULT(HTTP_FLOOD);
    CHECK(http_output(conn).n < 64 * 1024);
    CHECK_BOUNDED(before, 256 * 1024);
}

/* Who does not read what it is owed is not read from. */
TEST(who_does_not_read)
{
    static char block[HTTP_SEND_MAX];
    struct http_head answer = {.status = 200, .length = -1};

    setup(HTTP_SERVER);
    t.answer = NULL;
    feed();
    h2_frame(&in, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\xff\xff\xff", 4);
    H2_HEADERS(&in, 1, true, H2_GET);
    feed();
    http_respond(t.s, &answer);
    http_send(t.s, block, sizeof(block));
    CHECK(http_output(conn).n >= 32 * 1024);
    CHECK(http_blocked(conn));
    h2_frame(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
    CHECK_INT(http_feed(conn, in.p, in.n), 0);
    trace_drain(&t, conn);
    CHECK(!http_blocked(conn));
    CHECK_INT(http_feed(conn, in.p, in.n), in.n);
}

TEST(flood_of_continuations)
{
    size_t before = in_use();
    unsigned n = 0;

    setup(HTTP_SERVER);
    h2_frame(&in, NGHTTP2_HEADERS, 0, 1, "\x82", 1);
    for (; n < 1000 && http_error(conn) == NULL; n++) {
        h2_frame(&in, NGHTTP2_CONTINUATION, 0, 1, "", 0);
        feed();
    }
    CHECK(n < 20);
    CHECK(http_error(conn) != NULL);
    CHECK_BOUNDED(before, 256 * 1024);
}

/* A field of 4,000 bytes is put into the table and named again with one byte each. */
TEST(bomb_of_fields)
{
    static char value[4000], again[8000];
    size_t before = in_use();
    AUTO_BUF struct buf block;
    uint32_t error = 0;

    memset(value, 'x', sizeof(value));
    memset(again, 0xbe, sizeof(again)); /* the newest entry of the table */
    buf_init(&block, 1 << 20);
    buf_add(&block, "\x40\1a\x7f\xa1\x1e", 6); /* indexed; a value of 127 + 33 + 30 * 128 bytes */
    buf_add(&block, value, sizeof(value));
    buf_add(&block, again, sizeof(again));
    setup(HTTP_SERVER);
    h2_frame(&in, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block.p,
             block.n);
    feed();
    CHECK_INT(t.heads, 0);
    CHECK_INT(said(NGHTTP2_RST_STREAM, &error), 1);
    CHECK_INT(error, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_BOUNDED(before, 512 * 1024);
    setup(HTTP_SERVER);
    buf_clear(&block);
    h2_fields(&block, H2_GET, sizeof(H2_GET) - 1);
    for (int i = 0; i < HTTP_FIELDS_MAX + 10; i++)
        h2_fields(&block, "a=b", 3);
    h2_frame(&in, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block.p,
             block.n);
    feed();
    CHECK_INT(t.heads, 0);
    CHECK_INT(said(NGHTTP2_RST_STREAM, &error), 1);
    /* so do crumbs of a cookie that never ends */
    setup(HTTP_SERVER);
    for (int i = 0; i < 20; i++) {
        buf_clear(&block);
        h2_literal(&block, STR("cookie"), (struct str){value, sizeof(value)});
        uint8_t type = i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION;
        for (int k = 0; k < 3; k++)
            h2_literal(&block, STR("cookie"), (struct str){value, sizeof(value)});
        h2_frame(&in, type, i == 7 ? NGHTTP2_FLAG_END_HEADERS : 0, 1, block.p, block.n);
        if (i == 7)
            break;
    }
    feed();
    CHECK_INT(t.heads, 0);
    CHECK(said(NGHTTP2_RST_STREAM, &error) >= 1);
}

/* All streams ask for much and give no window. */
TEST(windows_of_zero)
{
    static char block[1 << 20];
    size_t before = in_use(), given = 0;
    struct http_head answer = {.status = 200, .length = -1};

    setup(HTTP_SERVER);
    t.answer = NULL;
    h2_frame(&in, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    for (uint32_t i = 0; i < HTTP_STREAMS_MAX; i++) {
        H2_HEADERS(&in, 2 * i + 1, true, H2_GET);
        feed();
        CHECK(http_respond(t.s, &answer));
        for (size_t n = 1; n > 0; given += n)
            n = http_send(t.s, block, sizeof(block));
    }
    trace_drain(&t, conn);
    CHECK_INT(given, (size_t)HTTP_STREAMS_MAX * HTTP_SEND_MAX);
    CHECK_INT(said(NGHTTP2_DATA, NULL), 0);
    CHECK_BOUNDED(before, given * 3 / 2 + 1024 * 1024);
    CHECK_INT(http_streams(conn), HTTP_STREAMS_MAX);
}

TEST(informational_floods)
{
    setup(HTTP_CLIENT);
    feed();
    for (int i = 0; i < 10000 && http_streams(conn) > 0; i++) {
        H2_HEADERS(&in, 1, false, ":status=103|link=</a>; rel=preload");
        feed();
    }
    CHECK_INT(http_streams(conn), 0);
    CHECK(t.heads < 3000);
}

TEST(what_is_not_written)
{
    static const struct http_field bad[] = {
        {{"a", 1}, {"b\r\nc: d", 7}},
        {{"A", 1}, {"b", 1}},
        {{":path", 5}, {"/x", 2}},
        {{"connection", 10}, {"close", 5}},
        {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"te", 2}, {"gzip", 4}},
        {{"content-length", 14}, {"5", 1}},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_head head = secure(), answer = {.status = 200, .length = -1, .end = true};

        join();
        head.fields = answer.fields = &bad[i];
        head.nfields = answer.nfields = 1;
        CHECK(http_request(j.client, &head) == NULL);
        head.nfields = 0;
        CHECK(http_request(j.client, &head) != NULL);
        flow();
        CHECK(!http_respond(j.b.s, &answer));
    }
    struct http_head head = secure();

    head.websocket = true;
    CHECK(http_request(j.client, &head) == NULL);
}

UNIT_MAIN(UNIT(malformed), UNIT(requests), UNIT(bodies), UNIT(malformed_bodies),
          UNIT(malformed_frames), UNIT(in_pieces), UNIT(round_trip), UNIT(responses_to_head),
          UNIT(an_early_response), UNIT(resets), UNIT(bodies_that_break_their_word), UNIT(shut),
          UNIT(cut), UNIT(streams_at_a_time), UNIT(windows),
          UNIT(a_stream_that_is_over_gives_its_window_back), UNIT(flood_of_resets),
          UNIT(flood_of_malformed), UNIT(floods_of_frames), UNIT(floods_in_one_piece),
          UNIT(who_does_not_read), UNIT(flood_of_continuations), UNIT(bomb_of_fields),
          UNIT(windows_of_zero), UNIT(informational_floods), UNIT(what_is_not_written))
