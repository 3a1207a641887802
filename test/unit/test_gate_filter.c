/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of filters: order, waiting, cutting. Its filters are written here. */
#include "base/mem.h"
#include "gate/filter.h"
#include "unit.h"

#include <stdlib.h>

/* Lets letters through; waits at 'w', cuts at 'x', cuts politely at 'p'. */
struct toy {
    struct filter f;
    char mark; /* put before what it was fed at once */
    struct buf kept;
};

static enum filter_result toy_run(struct toy *t, const char *p, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == t->mark) {
            buf_add(&t->kept, p + i + 1, n - i - 1);
            return FILTER_WAIT;
        }
        if (p[i] == 'x' || p[i] == 'p') {
            t->f.reason = "an x";
            t->f.polite = p[i] == 'p';
            return FILTER_CUT;
        }
        buf_add(out, p + i, 1);
    }
    return FILTER_OK;
}

static enum filter_result toy_feed(struct filter *f, const void *in, size_t n, struct buf *out)
{
    return toy_run((struct toy *)f, in, n, out);
}

static enum filter_result toy_go_on(struct filter *f, struct buf *out)
{
    struct toy *t = (struct toy *)f;
    struct buf kept = t->kept;
    enum filter_result r;

    buf_init(&t->kept, 1000);
    r = toy_run(t, kept.p, kept.n, out);
    buf_free(&kept);
    return r;
}

static enum filter_result toy_end(struct filter *f, struct buf *out)
{
    buf_puts(out, ((struct toy *)f)->mark == 'v' ? "<v>" : "<w>");
    return FILTER_OK;
}

static void toy_free(struct filter *f)
{
    (void)f;
}

static const struct filter_ops toy_ops = {toy_feed, toy_go_on, toy_end, toy_free};

/* v, then w: each waits at its own letter. */
static struct toy toys[2];
static struct filter_chain chain;
static struct buf out;
static int resumed;

static void on_resume(void *arg)
{
    (void)arg;
    resumed++;
}

static void begin(void)
{
    chain = (struct filter_chain){.first = &toys[0].f, .resume = on_resume};
    buf_init(&out, 1000);
    for (int i = 0; i < 2; i++) {
        toys[i] = (struct toy){.f = {.ops = &toy_ops, .chain = &chain}, .mark = "vw"[i]};
        buf_init(&toys[i].kept, 1000);
        buf_init(&toys[i].f.pending, 1000);
    }
    toys[0].f.next = &toys[1].f;
}

static void over(void)
{
    filter_chain_free(&chain);
    for (int i = 0; i < 2; i++)
        buf_free(&toys[i].kept);
    buf_free(&out);
}

TEST(an_empty_chain_lets_all_through)
{
    struct filter_chain c = {0};
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 100);
    CHECK_INT(filter_chain_feed(&c, "abc", 3, &b), FILTER_OK);
    CHECK_INT(filter_chain_end(&c, &b), FILTER_OK);
    CHECK_STR(buf_cstr(&b), "abc");
}

TEST(bytes_pass_in_order)
{
    begin();
    CHECK_INT(filter_chain_feed(&chain, "abc", 3, &out), FILTER_OK);
    CHECK_INT(filter_chain_feed(&chain, "de", 2, &out), FILTER_OK);
    CHECK_INT(filter_chain_end(&chain, &out), FILTER_OK);
    CHECK_STR(buf_cstr(&out), "abcde<v><w>");
    over();
}

TEST(one_waits)
{
    begin();
    CHECK_INT(filter_chain_feed(&chain, "abvcd", 5, &out), FILTER_WAIT);
    CHECK_STR(buf_cstr(&out), "ab");
    CHECK_INT(filter_chain_end(&chain, &out), FILTER_WAIT);
    resumed = 0;
    filter_resume(&toys[0].f);
    CHECK_INT(resumed, 1);
    CHECK_INT(filter_chain_go_on(&chain, &out), FILTER_OK);
    CHECK_STR(buf_cstr(&out), "abcd<v><w>");
    over();
}

TEST(both_wait)
{
    begin();
    CHECK_INT(filter_chain_feed(&chain, "awbvcwd", 7, &out), FILTER_WAIT);
    CHECK_STR(buf_cstr(&out), "a");
    filter_resume(&toys[0].f); /* the first goes on into the second, which still waits */
    CHECK_INT(filter_chain_go_on(&chain, &out), FILTER_WAIT);
    CHECK_STR(buf_cstr(&out), "a");
    filter_resume(&toys[1].f);
    CHECK_INT(filter_chain_go_on(&chain, &out), FILTER_WAIT); /* at the second w */
    CHECK_STR(buf_cstr(&out), "abc");
    CHECK_INT(filter_chain_end(&chain, &out), FILTER_WAIT);
    filter_resume(&toys[1].f);
    CHECK_INT(filter_chain_go_on(&chain, &out), FILTER_OK);
    CHECK_STR(buf_cstr(&out), "abcd<v><w>");
    over();
}

TEST(a_cut_is_the_end)
{
    begin();
    CHECK_INT(filter_chain_feed(&chain, "abxcd", 5, &out), FILTER_CUT);
    CHECK_STR(buf_cstr(&out), "ab");
    CHECK(chain.cutter == &toys[0].f);
    CHECK_STR(chain.cutter->reason, "an x");
    over();
}

TEST(a_polite_cut_ends_those_after_it)
{
    begin();
    CHECK_INT(filter_chain_feed(&chain, "abpcd", 5, &out), FILTER_CUT);
    CHECK_STR(buf_cstr(&out), "ab<w>");
    over();
    begin();
    CHECK_INT(filter_chain_feed(&chain, "awbp", 4, &out), FILTER_WAIT);
    filter_resume(&toys[1].f);
    CHECK_INT(filter_chain_go_on(&chain, &out), FILTER_CUT);
    CHECK_STR(buf_cstr(&out), "ab<w>");
    over();
}

UNIT_MAIN(UNIT(an_empty_chain_lets_all_through), UNIT(bytes_pass_in_order), UNIT(one_waits),
          UNIT(both_wait), UNIT(a_cut_is_the_end), UNIT(a_polite_cut_ends_those_after_it))
