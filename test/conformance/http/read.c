/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - says how src/http reads requests of HTTP/1, so that another parser can be compared.
 *
 * http-read --cases: the messages of test/unit/http_malformed.def, each a line: NAME SIDE FAULT
 * HEX. http-read: reads such lines, and answers each with lines of hex words: head METHOD TARGET ·
 * field NAME VALUE · body BYTES · end · trailer NAME VALUE · fault NAME · .
 */
#include "base/mem.h"
#include "http/fault.h"

#include "../../unit/http_trace.h"

#include <stdio.h>

static const struct {
    const char *name, *side, *fault;
    struct str bytes;
} cases[] = {
#define X(name, side, bytes, fault) {#name, #side, #fault, {bytes, sizeof(bytes) - 1}},
#include "../../unit/http_malformed.def"
#undef X
};

static void put(struct str s)
{
    putchar(' ');
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", (unsigned char)s.p[i]);
}

static void put_fields(const char *what, const struct http_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%s", what);
        put(f[i].name);
        put(f[i].value);
        putchar('\n');
    }
}

static void on_head(void *arg, struct http_stream *s, const struct http_head *h)
{
    (void)arg;
    printf("head");
    put(h->method);
    put(h->target);
    putchar('\n');
    put_fields("field", h->fields, h->nfields);
    if (!h->end)
        return;
    puts("end");
    (void)http_respond(s, &(struct http_head){.status = 200, .length = 0, .end = true});
}

static void on_data(void *arg, struct http_stream *s, const void *p, size_t n)
{
    (void)arg;
    printf("body");
    put((struct str){p, n});
    putchar('\n');
    http_take(s, n);
}

static void on_end(void *arg, struct http_stream *s, const struct http_field *f, size_t n)
{
    (void)arg;
    put_fields("trailer", f, n);
    puts("end");
    (void)http_respond(s, &(struct http_head){.status = 200, .length = 0, .end = true});
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

static void read_one(const char *p, size_t n)
{
    struct trace t;
    struct http_conn *c = http1_new(HTTP_SERVER, false, &hooks, NULL);

    trace_init(&t);
    (void)trace_feed(&t, c, p, n, n);
    if (http_error(c) != NULL)
        printf("fault %s\n", http_error(c));
    puts(".");
    http_conn_free(c);
    trace_free(&t);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

int main(int argc, char **argv)
{
    AUTO_FREE char *line = NULL;
    size_t size = 0;
    ssize_t n;

    if (argc > 1 && strcmp(argv[1], "--cases") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            printf("%s %s %s", cases[i].name, cases[i].side, cases[i].fault);
            put(cases[i].bytes);
            putchar('\n');
        }
        return 0;
    }
    while ((n = getline(&line, &size, stdin)) > 1) {
        n = (n - 1) / 2;
        for (ssize_t i = 0; i < n; i++)
            line[i] = (char)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
        read_one(line, (size_t)n);
    }
    return 0;
}
