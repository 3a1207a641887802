/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect - what src/detect costs and finds.
 *
 *   detect FILE...          one line for each kind of detector: processor time per MB and per
 *                           10 KB, over all files together, best of several passes
 *   detect --find FILE...   the findings, one line each
 *
 * Time is that of this process, so that a busy host disturbs less.
 */
#include "detect/detect.h"

#include "base/fd.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASSES 7
#define PIECE  10240u

struct world {
    const char *file;
    const char *bytes;
    uint64_t n;
    unsigned long found;
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void count(void *arg, const struct detect_finding *f)
{
    (void)f;
    ((struct world *)arg)->found++;
}

static void print(void *arg, const struct detect_finding *f)
{
    static const char *const names[] = {"", "base64", "hex", "escaped", "zipped"};
    struct world *w = arg;
    AUTO_BUF struct buf text = {0};
    uint64_t end = f->end < w->n ? f->end : w->n;

    buf_init(&text, 1024);
    buf_add_safe(&text, (struct str){w->bytes + f->begin, end - f->begin}, 80);
    printf("%s\t%s\t%s\t%s %s\t%llu\t%s\n", w->file, f->label, f->detector, names[f->via[0]],
           names[f->via[1]], (unsigned long long)f->begin, buf_cstr(&text));
    w->found++;
}

static double pass(struct detect *d, unsigned sets, detect_found *fn, struct world *w)
{
    struct detect_stream *s = detect_open(d, sets, fn, w);
    double from = now_us();

    for (uint64_t at = 0; at < w->n; at += PIECE)
        detect_feed(s, w->bytes + at, w->n - at < PIECE ? w->n - at : PIECE);
    detect_end(s);
    from = now_us() - from;
    detect_close(s);
    return from;
}

static void measure(struct detect *d, const char *name, unsigned sets, struct world *w)
{
    double best = 1e18;

    for (int i = 0; i < PASSES; i++) {
        double us;

        w->found = 0;
        us = pass(d, sets, count, w);
        best = us < best ? us : best;
    }
    printf("%-14s %9.1f us/MB %8.1f us/10KB %6lu findings\n", name, best * 1e6 / (double)w->n,
           best * 10240 / (double)w->n, w->found);
}

static void read_file(const char *path, struct buf *b)
{
    struct err e = {0};

    if (!fd_read_file(path, b, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(EX_FAIL);
    }
}

static void find(struct detect *d, char **files)
{
    for (; *files != NULL; files++) {
        AUTO_BUF struct buf b = {0};
        struct world w = {.file = *files};

        buf_init(&b, 256u << 20);
        read_file(*files, &b);
        w.bytes = b.p;
        w.n = b.n;
        (void)pass(d, DETECT_ALL, print, &w);
    }
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct world w = {0};
    AUTO_BUF struct buf all = {0};
    double from = now_us();
    struct detect *d = detect_new(NULL, &e);
    double made = now_us() - from;
    uint64_t mark;

    if (argc < 2) {
        fprintf(stderr, "usage: detect [--find] FILE...\n");
        return EX_USAGE_;
    }
    if (argc > 2 && strcmp(argv[1], "--find") == 0) {
        find(d, argv + 2);
        detect_free(d);
        return 0;
    }
    buf_init(&all, 256u << 20);
    for (int i = 1; i < argc; i++)
        read_file(argv[i], &all);
    w.bytes = all.p;
    w.n = all.n;
    from = now_us();
    detect_close(detect_open(d, DETECT_ALL, count, &w));
    printf("start: %.1f us for the table, %.1f us for the first stream\n", made, now_us() - from);
    measure(d, "secrets", DETECT_SECRETS, &w);
    measure(d, "personal", DETECT_PERSONAL, &w);
    measure(d, "instructions", DETECT_INSTRUCTIONS, &w);
    mark = 1;
    detect_marks_add(d, "bench", &mark, 1);
    measure(d, "copies", DETECT_MARKED, &w);
    measure(d, "all", DETECT_ALL, &w);
    detect_free(d);
    return 0;
}
