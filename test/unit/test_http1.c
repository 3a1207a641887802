/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "http/fault.h"

#include "http_trace.h"
#include "unit.h"

#define SERVER HTTP_SERVER
#define CLIENT HTTP_CLIENT

static const struct malformed {
    const char *name;
    enum http_side side;
    const char *p;
    size_t n;
    enum http_fault fault;
} malformed[] = {
#define X(name, side, bytes, fault) {#name, side, bytes, sizeof(bytes) - 1, fault},
#include "http_malformed.def"
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

static void setup(enum http_side side)
{
    http_conn_free(conn);
    trace_free(&t);
    trace_init(&t);
    t.answer = side == HTTP_SERVER ? "" : NULL;
    conn = http1_new(side, false, &trace_hooks, &t);
}

static struct http_stream *ask(const struct http_head *head)
{
    setup(HTTP_CLIENT);
    return http_request(conn, head);
}

/* What is said when these bytes come in pieces. */
static const char *read_as(enum http_side side, const char *p, size_t n, size_t piece)
{
    if (side == HTTP_SERVER)
        setup(side);
    else if (ask(&a_request) == NULL)
        return "no request";
    trace_drain(&t, conn);
    (void)trace_feed(&t, conn, p, n, piece);
    return buf_cstr(&t.log);
}

static const char *fault_name(void)
{
    static const char *const names[] = {
#define X(name, status, text) #name, text,
        HTTP_FAULTS(X)
#undef X
    };

    if (http_error(conn) == NULL)
        return "HTTP_FINE";
    for (size_t i = 0; i < ARRAY_LEN(names); i += 2)
        if (strcmp(names[i + 1], http_error(conn)) == 0)
            return names[i];
    return "?";
}

#define READ(side, bytes) read_as(side, bytes, sizeof(bytes) - 1, sizeof(bytes))
#define FEED(bytes)       trace_feed(&t, conn, bytes, sizeof(bytes) - 1, sizeof(bytes))
#define CHECK_SAYS(side, bytes, want)                                         \
    do {                                                                      \
        CHECK_STR(READ(side, bytes), want);                                   \
        CHECK_STR(fault_name(), "HTTP_FINE");                                 \
        for (size_t piece_ = 1; piece_ < 9; piece_++)                         \
            CHECK_STR(read_as(side, bytes, sizeof(bytes) - 1, piece_), want); \
    } while (0)

TEST(malformed)
{
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        const struct malformed *m = &malformed[i];

        read_as(m->side, m->p, m->n, m->n);
        if (strcmp(fault_name(), http_fault_name(m->fault)) != 0) {
            printf("# %s\n", m->name);
            CHECK_STR(fault_name(), http_fault_name(m->fault));
        }
        if (m->fault != HTTP_FINE) {
            CHECK(http_closing(conn));
            CHECK_INT(http_streams(conn), 0);
            CHECK(t.overs >= t.heads);
        }
    }
}

/* However the bytes come, the same is said, and the same is answered. */
TEST(malformed_in_pieces)
{
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        const struct malformed *m = &malformed[i];
        AUTO_FREE char *whole = xstrdup(read_as(m->side, m->p, m->n, m->n));
        AUTO_FREE char *sent = xstrdup(buf_cstr(&t.sent));

        for (size_t piece = 1; piece < 8; piece++) {
            CHECK_STR(read_as(m->side, m->p, m->n, piece), whole);
            CHECK_STR(buf_cstr(&t.sent), sent);
            CHECK_STR(fault_name(), http_fault_name(m->fault));
        }
    }
}

TEST(a_server_says_what_is_wrong)
{
    READ(SERVER, "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    CHECK_STR(buf_cstr(&t.sent), "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                                 "content-length: 19\r\nconnection: close\r\n\r\n"
                                 "more than one Host\n");
    CHECK_INT(FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), 32);
    CHECK_INT(t.heads, 0); /* it is dropped */
}

TEST(requests)
{
    CHECK_SAYS(SERVER,
               "GET /a?b=c HTTP/1.1\r\nHost: A.Test:80\r\nX-Y:\t z \t\r\nAccept: */*\r\n\r\n",
               "head GET http a.test:80 /a?b=c end [x-y: z] [accept: */*]\nover in order\n");
    CHECK_STR(buf_cstr(&t.sent), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    CHECK(!http_closing(conn));
    CHECK_SAYS(SERVER, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
               "head OPTIONS http a.test * end\nover in order\n");
    CHECK_SAYS(SERVER, "GET HTTP://A.test/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
               "head GET http a.test /b end\nover in order\n");
    CHECK_SAYS(SERVER, "GET http://a.test HTTP/1.1\r\nHost: A.TEST\r\n\r\n",
               "head GET http a.test / end\nover in order\n");
    CHECK_SAYS(SERVER, "GET http://a.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n",
               "head GET http a.test /?q end\nover in order\n");
    CHECK_SAYS(SERVER, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
               "head GET http [::1]:8080 / end\nover in order\n");
}

TEST(fields_about_the_connection)
{
    CHECK_SAYS(
        SERVER,
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Keep-Alive, X-Hop\r\nKeep-Alive: 5\r\n"
        "X-Hop: 1\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
        "Proxy-Connection: x\r\nX-Hops: 2\r\n\r\n",
        "head GET http a.test / end trailers [x-hops: 2]\nover in order\n");
    CHECK_SAYS(SERVER, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
               "head GET http a.test / end\nover in order\n");
    CHECK_STR(buf_cstr(&t.sent),
              "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    CHECK(http_closing(conn));
}

TEST(bodies)
{
    CHECK_SAYS(SERVER, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
               "head POST http a.test / length=5\ndata hello\nend\nover in order\n");
    CHECK_SAYS(SERVER, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 000\r\n\r\n",
               "head POST http a.test / length=0 end\nover in order\n");
    CHECK_SAYS(SERVER,
               "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n"
               "5\r\nhello\r\n00A;x=\"y\";z\r\n, goodbye.\r\n0;last\r\nX-Sum: 1\r\n\r\n",
               "head POST http a.test /\ndata hello, goodbye.\nend [x-sum: 1]\nover in order\n");
    CHECK_SAYS(SERVER,
               "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               "head POST http a.test /\nend\nover in order\n");
    CHECK_SAYS(
        SERVER,
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\na",
        "head POST http a.test / length=1 expect\ndata a\nend\nover in order\n");
}

TEST(http_1_0)
{
    CHECK_SAYS(SERVER, "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
               "head GET http a.test / end\nover in order\n");
    CHECK(http_closing(conn));
    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    struct http_head early = {.status = 103, .length = -1}, head = {.status = 200, .length = -1};

    CHECK(http_respond(t.s, &early));
    CHECK(http_respond(t.s, &head));
    CHECK_INT(http_send(t.s, "hello", 5), 5);
    http_end(t.s, NULL, 0);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
    CHECK(http_closing(conn));
}

TEST(pipelining)
{
    static const char two[] =
        "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n";

    setup(HTTP_SERVER);
    t.answer = NULL;
    ssize_t taken = http_feed(conn, two, sizeof(two) - 1);

    CHECK_INT(taken, (sizeof(two) - 1) / 2);
    CHECK_INT(t.heads, 1);
    CHECK(http_blocked(conn));
    CHECK_INT(http_feed(conn, two + taken, 5), 0);
    t.answer = "";
    trace_answer(&t, t.s);
    CHECK(http_blocked(conn)); /* until it is sent */
    trace_drain(&t, conn);
    CHECK(!http_blocked(conn));
    CHECK_INT(http_feed(conn, two + taken, (size_t)taken), taken);
    CHECK_STR(buf_cstr(&t.log), "head GET http a.test /1 end\nover in order\n"
                                "head GET http a.test /2 end\n");
}

TEST(an_answer_before_the_end)
{
    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello");
    t.answer = "no";
    trace_answer(&t, t.s);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.log), "head POST http a.test / length=10\ndata hello\nover in order\n");
    CHECK(http_closing(conn));
    CHECK_INT(FEED("world GET / HTTP/1.1\r\n"), 22);
    CHECK_INT(t.heads, 1);
}

TEST(windows)
{
    static char block[HTTP_WINDOW];

    memset(block, 'x', sizeof(block));
    setup(HTTP_SERVER);
    t.hold = true;
    FEED("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n");
    CHECK_INT(http_feed(conn, block, sizeof(block)), sizeof(block));
    CHECK(http_blocked(conn));
    CHECK_INT(http_feed(conn, block, 1), 0);
    http_take(t.s, 10);
    CHECK(!http_blocked(conn));
    CHECK_INT(http_feed(conn, block, 100), 10);
}

TEST(room)
{
    static char block[HTTP_SEND_MAX * 2];
    struct http_head head = {.status = 200, .length = -1};

    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    http_respond(t.s, &head);
    size_t n = http_send(t.s, block, sizeof(block));

    CHECK(n > HTTP_SEND_MAX / 2 && n <= HTTP_SEND_MAX);
    CHECK_INT(http_send(t.s, block, 1000), 0);
    http_sent(conn, 100);
    CHECK_INT(t.rooms, 0);
    http_sent(conn, HTTP_SEND_MAX / 2 + 100);
    CHECK_INT(t.rooms, 1);
    CHECK(http_send(t.s, block, 1000) == 1000);
}

TEST(what_is_written)
{
    struct http_field f[] = {{STR("accept"), STR("*/*")}, {STR("x"), STR("")}};
    struct http_head head = a_request;

    head.fields = f;
    head.nfields = 2;
    ask(&head);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "GET / HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nx: \r\n\r\n");
    head.nfields = 0;
    head.method = STR("POST");
    head.trailers = true;
    ask(&head);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n"
                                 "connection: te\r\nte: trailers\r\n\r\n");
    head.end = false;
    head.expect = true;
    ask(&head);
    struct http_stream *s = ask(&head);
    struct http_field trailers[] = {{STR("x-sum"), STR("1")}, {STR("host"), STR("b.test")}};

    CHECK_INT(http_send(s, "hello, world!!!!", 16), 16);
    http_end(s, trailers, 2);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n"
                                 "expect: 100-continue\r\nconnection: te\r\nte: trailers\r\n\r\n"
                                 "10\r\nhello, world!!!!\r\n0\r\nx-sum: 1\r\n\r\n");
}

/* What somebody puts into a head, or what came by HTTP/2, cannot become a second message. */
TEST(what_is_not_written)
{
    static const struct http_field bad[] = {
        {{"a", 1}, {"b\r\nc: d", 7}},
        {{"a", 1}, {"b\nc", 3}},
        {{"a", 1}, {"b\0c", 3}},
        {{"a\r\nb", 4}, {"c", 1}},
        {{"a: b", 4}, {"c", 1}},
        {{"A", 1}, {"c", 1}},
        {{"", 0}, {"c", 1}},
        {{":path", 5}, {"/x", 2}},
        {{"host", 4}, {"b.test", 6}},
        {{"connection", 10}, {"x", 1}},
        {{"content-length", 14}, {"5", 1}},
        {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"a b", 3}, {"c", 1}},
    };
    static const char *const targets[] = {
        "/ HTTP/1.1\r\nx: ", "/a b", "", "a", "*", "/\r", "/#", "/\xe9"};
    static const char *const hosts[] = {"", "a\r\nb", "a b", "u@a", "a:"};
    static const char *const methods[] = {"", "GET ", "GET\r\n", "CONNECT"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_head head = a_request, answer = {.status = 200, .end = true};

        head.fields = answer.fields = &bad[i];
        head.nfields = answer.nfields = 1;
        CHECK(ask(&head) == NULL);
        CHECK_INT(http_output(conn).n, 0);
        setup(HTTP_SERVER);
        t.answer = NULL;
        FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        CHECK(!http_respond(t.s, &answer));
        CHECK_INT(http_output(conn).n, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct http_head head = a_request;

        head.target = str_of(targets[i]);
        CHECK(ask(&head) == NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct http_head head = a_request;

        head.authority = str_of(hosts[i]);
        CHECK(ask(&head) == NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct http_head head = a_request;

        head.method = str_of(methods[i]);
        CHECK(ask(&head) == NULL);
    }
    struct http_head head = a_request;

    head.scheme = STR("https");
    CHECK(ask(&head) == NULL);
}

TEST(responses)
{
    CHECK_SAYS(CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: x\r\n\r\nhi",
               "head 200 length=2 [server: x]\ndata hi\nend\nover in order\n");
    CHECK(http_can_request(conn));
    CHECK_SAYS(CLIENT,
               "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n",
               "head 200\ndata hi\nend [x: y]\nover in order\n");
    CHECK(http_can_request(conn));
    CHECK_SAYS(CLIENT, "HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n",
               "head 204 end\nover in order\n");
    CHECK_SAYS(CLIENT, "HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n",
               "head 304 length=9 end\nover in order\n");
    CHECK(http_can_request(conn));
    CHECK_SAYS(CLIENT, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
               "head 200 length=0 end\nover in order\n");
    CHECK(!http_can_request(conn) && http_closing(conn));
    CHECK_SAYS(CLIENT,
               "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
               "head 100\nhead 103 [link: x]\nhead 200 length=0 end\nover in order\n");
    CHECK(http_can_request(conn));
}

TEST(responses_that_end_with_the_connection)
{
    CHECK_STR(READ(CLIENT, "HTTP/1.1 200 OK\r\n\r\nhello"), "head 200\ndata hello\n");
    CHECK(http_feed_end(conn));
    CHECK_STR(buf_cstr(&t.log), "head 200\ndata hello\nend\nover in order\n");
    CHECK(http_closing(conn));
    CHECK_STR(READ(CLIENT, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
              "head 200 length=5\ndata hello\nend\nover in order\n");
    CHECK(http_closing(conn));
    /* cut off */
    READ(CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello");
    CHECK(!http_feed_end(conn));
    CHECK_STR(buf_cstr(&t.log), "head 200 length=6\ndata hello\nover lost\n");
    READ(CLIENT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    CHECK(!http_feed_end(conn));
    CHECK_STR(buf_cstr(&t.log), "head 200\ndata hello\nover lost\n");
    READ(CLIENT, "HTTP/1.1 200");
    CHECK(!http_feed_end(conn));
    CHECK_STR(buf_cstr(&t.log), "over lost\n");
    READ(CLIENT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    CHECK(http_feed_end(conn));
    CHECK(http_closing(conn) && !http_can_request(conn));
}

TEST(a_client_that_goes)
{
    READ(SERVER, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nhello");
    CHECK(!http_feed_end(conn));
    CHECK_STR(buf_cstr(&t.log), "head POST http a.test / length=6\ndata hello\nover lost\n");
    READ(SERVER, "GET / HT");
    CHECK(!http_feed_end(conn));
    setup(HTTP_SERVER);
    CHECK(http_feed_end(conn) && http_closing(conn));
    t.answer = NULL;
    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    CHECK(http_feed_end(conn) && !http_closing(conn)); /* it may only have closed its side */
    t.answer = "x";
    trace_answer(&t, t.s);
    trace_drain(&t, conn);
    CHECK(http_closing(conn));
    CHECK_STR(buf_cstr(&t.log), "head GET http a.test / end\nover in order\n");
}

TEST(responses_to_head)
{
    struct http_head head = a_request, answer = {.status = 200, .length = 5};

    head.method = STR("HEAD");
    ask(&head);
    FEED("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    CHECK_STR(buf_cstr(&t.log), "head 200 length=5 end\nover in order\n");
    ask(&head);
    FEED("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK_STR(buf_cstr(&t.log), "head 200 end\nover in order\n");
    CHECK(http_can_request(conn));
    /* a body that is given for it is dropped */
    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    CHECK(http_respond(t.s, &answer));
    CHECK_INT(http_send(t.s, "hello", 5), 5);
    http_end(t.s, NULL, 0);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    CHECK(!http_closing(conn) && http_streams(conn) == 0);
}

TEST(an_early_response)
{
    struct http_head head = a_request;

    head.method = STR("POST");
    head.end = false;
    head.length = 10;
    struct http_stream *s = ask(&head);

    http_send(s, "hello", 5);
    trace_drain(&t, conn);
    FEED("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n");
    CHECK_STR(buf_cstr(&t.log), "head 413 length=0 end\nover in order\n");
    CHECK(http_closing(conn) && !http_can_request(conn));
}

TEST(informational_floods)
{
    static const char early[] = "HTTP/1.1 103 \r\nLink: </a>; rel=preload\r\n\r\n";

    ask(&a_request);
    for (size_t n = 0; n <= HTTP_HEAD_MAX && http_error(conn) == NULL; n += sizeof(early) - 1)
        FEED(early);
    CHECK_STR(fault_name(), "HTTP_INFORMATIONAL");
    CHECK_INT(t.overs, 1);
}

#define WS_FIELDS "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"

TEST(websockets)
{
    struct http_head yes = {.status = 101, .websocket = true, .length = -1};

    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET /ws HTTP/1.1\r\nHost: a.test\r\n" WS_FIELDS "\r\n");
    CHECK_INT(http_feed(conn, "early", 5), 0); /* what it is waits for the answer */
    CHECK(http_respond(t.s, &yes));
    CHECK_INT(FEED("ping"), 4);
    CHECK_INT(http_send(t.s, "pong", 4), 4);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent), "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                                 "upgrade: websocket\r\n\r\npong");
    t.answer = NULL;
    CHECK(http_feed_end(conn));
    CHECK(!http_closing(conn));
    http_end(t.s, NULL, 0);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.log), "head GET http a.test /ws end websocket [sec-websocket-key: x]\n"
                                "data ping\nend\nover in order\n");
    CHECK(http_closing(conn));
    /* refused, it is a request like others */
    CHECK_SAYS(SERVER, "GET /ws HTTP/1.1\r\nHost: a.test\r\n" WS_FIELDS "\r\n",
               "head GET http a.test /ws end websocket [sec-websocket-key: x]\nover in order\n");
    CHECK(!http_closing(conn));
    CHECK_SAYS(SERVER, "POST /ws HTTP/1.1\r\nHost: a.test\r\n" WS_FIELDS "\r\n",
               "head POST http a.test /ws end [sec-websocket-key: x]\nover in order\n");
}

TEST(websockets_upstream)
{
    struct http_head head = a_request;

    head.websocket = true;
    struct http_stream *s = ask(&head);

    FEED("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nhello");
    CHECK_STR(buf_cstr(&t.log), "head 101 websocket\ndata hello\n");
    http_send(s, "x", 1);
    http_end(s, NULL, 0);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.log), "head 101 websocket\ndata hello\nover in order\n");
    CHECK_STR(buf_cstr(&t.sent), "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\n"
                                 "upgrade: websocket\r\n\r\nx");
    CHECK(http_closing(conn));
}

TEST(resets)
{
    struct http_head head = {.status = 200, .length = -1};

    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    http_respond(t.s, &head);
    http_send(t.s, "hello", 5);
    http_reset(t.s, HTTP_RESET_CANCEL);
    CHECK(http_closing(conn));
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.log), "head GET http a.test / end\nover cancel\n");
    CHECK_STR(buf_cstr(&t.sent),
              "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    ask(&a_request);
    http_conn_free(conn);
    conn = NULL;
    CHECK_STR(buf_cstr(&t.log), "over lost\n");
}

/* What is given as a body is not what its head said. */
TEST(bodies_that_break_their_word)
{
    struct http_head head = {.status = 200, .length = 5};

    for (int i = 0; i < 2; i++) {
        setup(HTTP_SERVER);
        t.answer = NULL;
        FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        CHECK(http_respond(t.s, &head));
        CHECK_INT(http_send(t.s, "hello, world", i == 0 ? 3 : 12), i == 0 ? 3 : 12);
        http_end(t.s, NULL, 0);
        trace_drain(&t, conn);
        CHECK_STR(buf_cstr(&t.log), "head GET http a.test / end\nover lost\n");
        CHECK_STR(buf_cstr(&t.sent), i == 0 ? "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"
                                            : "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        CHECK(http_closing(conn));
    }
}

TEST(shut)
{
    setup(HTTP_SERVER);
    t.answer = NULL;
    FEED("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    http_shut(conn);
    CHECK(!http_closing(conn));
    t.answer = "x";
    trace_answer(&t, t.s);
    trace_drain(&t, conn);
    CHECK_STR(buf_cstr(&t.sent),
              "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx");
    CHECK(http_closing(conn));
    setup(HTTP_SERVER);
    http_shut(conn);
    CHECK(http_closing(conn));
}

TEST(large_heads)
{
    AUTO_BUF struct buf b;

    buf_init(&b, 1 << 20);
    buf_puts(&b, "GET / HTTP/1.1\r\nHost: a.test\r\nA: ");
    while (b.n < HTTP_HEAD_MAX)
        buf_puts(&b, "x");
    read_as(SERVER, b.p, b.n, b.n);
    CHECK_STR(fault_name(), "HTTP_HEAD_LARGE");
    read_as(SERVER, b.p, b.n, 1000);
    CHECK_STR(fault_name(), "HTTP_HEAD_LARGE");
    b.n = HTTP_HEAD_MAX - 4;
    buf_puts(&b, "\r\n\r\n");
    read_as(SERVER, b.p, b.n, b.n);
    CHECK_STR(fault_name(), "HTTP_FINE");
    buf_clear(&b);
    buf_puts(&b, "GET / HTTP/1.1\r\nHost: a.test\r\n");
    for (size_t i = 0; i < HTTP_FIELDS_MAX; i++)
        buf_puts(&b, "A: b\r\n");
    buf_puts(&b, "\r\n");
    read_as(SERVER, b.p, b.n, b.n);
    CHECK_STR(fault_name(), "HTTP_FIELDS_MANY");
    buf_clear(&b);
    buf_puts(&b, "GET /");
    for (size_t i = 0; i < HTTP_TARGET_MAX; i++)
        buf_puts(&b, "x");
    buf_puts(&b, " HTTP/1.1\r\nHost: a.test\r\n\r\n");
    read_as(SERVER, b.p, b.n, b.n);
    CHECK_STR(fault_name(), "HTTP_TARGET_LONG");
}

TEST(extensions_without_end)
{
    setup(HTTP_SERVER);
    FEED("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000 && http_error(conn) == NULL; i++)
        FEED("1;abcdefghi\r\nx\r\n");
    CHECK_STR(fault_name(), "HTTP_CHUNK_EXTENSION");
}

static uint64_t seed = 1;

static unsigned any(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static struct str any_text(struct arena *a, const char *alphabet, unsigned most)
{
    unsigned n = 1 + any(most);
    char *p = arena_alloc(a, n);

    for (unsigned i = 0; i < n; i++)
        p[i] = alphabet[any((unsigned)strlen(alphabet))];
    return (struct str){p, n};
}

/* What one side writes, the other reads as the same message. */
TEST(round_trip)
{
    for (int i = 0; i < 2000; i++) {
        AUTO_ARENA struct arena a = {0};
        struct http_field f[8];
        struct http_head head = a_request;
        struct trace there;

        for (size_t k = 0; k < ARRAY_LEN(f); k++) {
            f[k].name = any_text(&a, "abcxyz-_019!~", 12);
            f[k].value = any_text(&a, "abc,;\"=\xff\xe9", 20);
        }
        head.fields = f;
        head.nfields = any(ARRAY_LEN(f) + 1);
        head.method = any_text(&a, "ABC", 5);
        head.authority = any_text(&a, "abc019", 10);
        head.target = (struct str){arena_printf(&a, "/%.*s", 9, "a%2fb?c=d"), 10};
        head.end = any(2) == 0;
        head.length = head.end ? -1 : any(2) == 0 ? 3 : -1;
        struct http_stream *s = ask(&head);

        CHECK(s != NULL);
        if (!head.end) {
            http_send(s, "abc", 3);
            http_end(s, f, head.length < 0 ? head.nfields : 0);
        }
        trace_drain(&t, conn);
        trace_init(&there);
        struct http_conn *server = http1_new(HTTP_SERVER, false, &trace_hooks, &there);

        CHECK_INT(trace_feed(&there, server, t.sent.p, t.sent.n, 1 + any(100)), t.sent.n);
        trace_line(&t);
        trace_head(&t, NULL, &head); /* as it was given */
        if (!head.end) {
            buf_puts(&t.log, "data abc\n");
            trace_end(&t, NULL, f, head.length < 0 ? head.nfields : 0);
        }
        const char *want = buf_cstr(&t.log), *got = buf_cstr(&there.log);
        bool same = strcmp(want, got) == 0;

        if (!same)
            printf("# given %s# read %s", want, got);
        http_conn_free(server);
        trace_free(&there);
        CHECK(same);
    }
}

UNIT_MAIN(UNIT(malformed), UNIT(malformed_in_pieces), UNIT(a_server_says_what_is_wrong),
          UNIT(requests), UNIT(fields_about_the_connection), UNIT(bodies), UNIT(http_1_0),
          UNIT(pipelining), UNIT(an_answer_before_the_end), UNIT(windows), UNIT(room),
          UNIT(what_is_written), UNIT(what_is_not_written), UNIT(responses),
          UNIT(responses_that_end_with_the_connection), UNIT(a_client_that_goes),
          UNIT(responses_to_head), UNIT(an_early_response), UNIT(informational_floods),
          UNIT(websockets), UNIT(websockets_upstream), UNIT(resets),
          UNIT(bodies_that_break_their_word), UNIT(shut), UNIT(large_heads),
          UNIT(extensions_without_end), UNIT(round_trip))
