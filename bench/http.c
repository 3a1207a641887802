/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - what src/http costs: a request is read, written on, its response read and written back, as
 * between an agent and a host. Processor time of this process for each exchange, best of several
 * passes.
 */
#include "http/http.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PASSES    7
#define EXCHANGES 20000
#define BULK      ((size_t)256 << 20)

/* Two connections of the gate, and those of the agent and the host beyond them. */
struct world {
    struct http_conn *agent, *down, *up, *host;
    struct http_stream *at_down, *at_up, *at_host;
    unsigned long done;
    size_t bytes;
};

static struct world w;

static const struct http_field request_fields[] = {
    {{"user-agent", 10}, {"agent/1.0 (linux; x64)", 22}},
    {{"accept", 6}, {"application/json", 16}},
    {{"accept-encoding", 15}, {"gzip, deflate, br", 17}},
    {{"authorization", 13}, {"Bearer sk-0123456789abcdef0123456789abcdef", 42}},
    {{"content-type", 12}, {"application/json", 16}},
    {{"x-request-id", 12}, {"0b5e9f0a-7d5c-4a51-9a3c-2f6f1a7c9e11", 36}},
};
static const struct http_field response_fields[] = {
    {{"date", 4}, {"Sun, 29 Nov 2026 00:00:00 GMT", 29}},
    {{"content-type", 12}, {"application/json", 16}},
    {{"cache-control", 13}, {"no-store", 8}},
    {{"server", 6}, {"host", 4}},
};
static const struct http_head question = {.method = {"GET", 3},
                                          .scheme = {"https", 5},
                                          .authority = {"api.example.test", 16},
                                          .target = {"/v1/things/42?fields=all", 24},
                                          .fields = request_fields,
                                          .nfields = ARRAY_LEN(request_fields),
                                          .length = -1,
                                          .end = true};
static const char body[] = "{\"ok\":true,\"things\":[1,2,3]}";

static void on_head(void *arg, struct http_stream *s, const struct http_head *h)
{
    if (arg == &w.down) {
        w.at_down = s;
        w.at_up = http_request(w.up, h);
    } else if (arg == &w.up) {
        (void)http_respond(w.at_down, h);
    } else if (arg == &w.host) {
        w.at_host = s;
        (void)http_respond(
            s, &(struct http_head){.status = 200,
                                   .fields = response_fields,
                                   .nfields = ARRAY_LEN(response_fields),
                                   .length = w.bytes > 0 ? -1 : (int64_t)sizeof(body) - 1});
        if (w.bytes == 0) {
            (void)http_send(s, body, sizeof(body) - 1);
            http_end(s, NULL, 0);
        }
    }
}

static void on_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    if (arg == &w.up)
        (void)http_send(w.at_down, p, n);
    http_take(s, n);
}

static void on_end(void *arg, struct http_stream *s, const struct http_field *f, size_t n)
{
    (void)s;
    if (arg == &w.up)
        http_end(w.at_down, f, n);
    else if (arg == &w.agent)
        w.done++;
}

static void on_room(void *arg, struct http_stream *s)
{
    (void)arg;
    (void)s;
}

static void on_over(void *arg, struct http_stream *s, bool in_order, enum http_reset why)
{
    (void)arg;
    (void)s;
    (void)in_order;
    (void)why;
}

static const struct http_hooks hooks = {on_head, on_data, on_end, on_room, on_over};

static bool carry(struct http_conn *from, struct http_conn *to)
{
    struct str out = http_output(from);

    if (out.n == 0)
        return false;
    ssize_t n = http_feed(to, out.p, out.n);

    http_sent(from, n < 0 ? out.n : (size_t)n);
    return n > 0;
}

static void flow(void)
{
    bool more = true;

    while (more) {
        more = carry(w.agent, w.down);
        more |= carry(w.up, w.host);
        more |= carry(w.host, w.up);
        more |= carry(w.down, w.agent);
    }
}

typedef struct http_conn *maker(enum http_side side, bool tls, const struct http_hooks *h,
                                void *arg);

static void join(maker *down, maker *up)
{
    w.agent = down(HTTP_CLIENT, true, &hooks, &w.agent);
    w.down = down(HTTP_SERVER, true, &hooks, &w.down);
    w.up = up(HTTP_CLIENT, true, &hooks, &w.up);
    w.host = up(HTTP_SERVER, true, &hooks, &w.host);
    flow();
}

static void part(void)
{
    http_conn_free(w.agent);
    http_conn_free(w.down);
    http_conn_free(w.up);
    http_conn_free(w.host);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double exchanges(void)
{
    double from = now_us();

    w.bytes = 0;
    for (int i = 0; i < EXCHANGES; i++) {
        (void)http_request(w.agent, &question);
        flow();
    }
    return (now_us() - from) / EXCHANGES;
}

/* One large response: MB per second of processor time. */
static double bulk(void)
{
    static char block[32768];
    double from = now_us();

    w.bytes = BULK;
    (void)http_request(w.agent, &question);
    flow();
    for (size_t sent = 0; sent < BULK;) {
        sent += http_send(w.at_host, block, sizeof(block));
        flow();
    }
    http_end(w.at_host, NULL, 0);
    flow();
    return (double)BULK / (now_us() - from);
}

static void measure(const char *name, maker *down, maker *up)
{
    double best = 1e18, most = 0;

    for (int i = 0; i < PASSES; i++) {
        double one, two;

        w.done = 0;
        join(down, up);
        one = exchanges();
        two = i < 2 ? bulk() : 0;
        part();
        if (w.done != EXCHANGES + (two > 0)) {
            printf("%s: %lu of %d exchanges came back\n", name, w.done, EXCHANGES);
            return;
        }
        best = one < best ? one : best;
        most = two > most ? two : most;
    }
    /* four connections; half of them are the gate's */
    printf("%-12s %6.2f us for an exchange, %6.2f of it at the gate; %6.0f MB/s\n", name, best,
           best / 2, most);
}

int main(void)
{
    measure("h1 to h1", http1_new, http1_new);
    measure("h2 to h1", http2_new, http1_new);
    measure("h1 to h2", http1_new, http2_new);
    measure("h2 to h2", http2_new, http2_new);
    return 0;
}
