/* SPDX-License-Identifier: Apache-2.0 */
#include "model/sse.h"

#include "unit.h"

#include <stdint.h>

static char events[4096], all[4096];

/* Writes down each event as type|data; and all bytes that it came in. */
static void run(const char *text, size_t n, size_t piece, size_t max)
{
    struct sse s;
    size_t nevents = 0, nall = 0;

    sse_start(&s, max);
    for (size_t i = 0; i < n && !s.over;) {
        bool whole, last = false;
        size_t left = n - i < piece ? n - i : piece;

        while (left > 0 && !s.over) {
            size_t took = sse_feed(&s, text + i, left, &whole);

            i += took;
            left -= took;
            last = i == n && left == 0;
            if (!whole && !(last && sse_end(&s)))
                continue;
            nevents += (size_t)snprintf(events + nevents, sizeof(events) - nevents, "%.*s|%.*s;",
                                        (int)s.type.n, s.type.p != NULL ? s.type.p : "",
                                        (int)s.data.n, s.data.p != NULL ? s.data.p : "");
            memcpy(all + nall, s.raw.p, s.raw.n);
            nall += s.raw.n;
        }
    }
    events[nevents] = '\0';
    all[nall] = '\0';
    sse_free(&s);
}

/* The same in whatever pieces it comes. */
static bool reads(const char *text, const char *want)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        run(text, strlen(text), piece, 1024);
        if (strcmp(events, want) != 0 || strcmp(all, text) != 0) {
            printf("# piece %zu: %s (%s)\n", piece, events, all);
            return false;
        }
    }
    return true;
}

TEST(events)
{
    CHECK(reads("event: one\ndata: {\"a\": 1}\n\ndata: two\n\n", "one|{\"a\": 1};|two;"));
    CHECK(reads("data: a\ndata: b\ndata\ndata:\n\n", "|a\nb\n\n;"));
    CHECK(reads("data:x\n\ndata:  x\n\n", "|x;| x;"));
    CHECK(reads(": comment\n\nid: 7\nretry: 10\nother: x\ndata: y\n\n", "|;|y;"));
    CHECK(reads("event: a\nevent: b\ndata: z\n\n", "b|z;"));
    CHECK(reads("data : x\n\n", "|;"));
}

TEST(line_ends)
{
    CHECK(reads("data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", "|a\nb;|c;|;"));
    CHECK(reads("data: a\r\rdata: b\r\r", "|a;|b;"));
    CHECK(reads("data: a\n\r\ndata: b\r\n\n", "|a;|b;"));
    CHECK(reads("\xef\xbb\xbf"
                "data: a\n\n\xef\xbb\xbf"
                "data: b\n\n",
                "|a;|;"));
}

TEST(end)
{
    CHECK(reads("data: a\n\ndata: b", "|a;|b;"));
    CHECK(reads("data: a\n\ndata: b\n", "|a;|b;"));
}

TEST(bound)
{
    struct sse s;
    bool whole;

    sse_start(&s, 16);
    CHECK_INT(sse_feed(&s, "data: 123456789012345\n\n", 23, &whole), 16);
    CHECK(s.over && !whole);
    CHECK_INT(s.raw.n, 16);
    CHECK_INT(sse_feed(&s, "x", 1, &whole), 0);
    sse_free(&s);
}

UNIT_MAIN(UNIT(events), UNIT(line_ends), UNIT(end), UNIT(bound))
