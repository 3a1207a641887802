/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"

#include <errno.h>

TEST(set_fills_and_returns_false)
{
    struct err e = {.sys = 5};

    CHECK(!err_set(&e, EX_POLICY, "%s: line %d", "x.cedar", 3));
    CHECK_INT(e.code, EX_POLICY);
    CHECK_INT(e.sys, 0);
    CHECK_STR(e.text, "x.cedar: line 3");
}

TEST(sys_names_the_reason_and_keeps_errno)
{
    struct err e;

    errno = ENOSPC;
    CHECK(!err_sys(&e, EX_RECORD, "the record"));
    CHECK_INT(e.sys, ENOSPC);
    CHECK_STR(e.text, "the record: No space left on device");
    errno = 4000;
    (void)err_sys(&e, EX_FAIL, "odd");
    CHECK_STR(e.text, "odd: error 4000");
}

TEST(wrap_puts_context_before)
{
    struct err e;

    (void)err_set(&e, EX_HOST, "no Landlock");
    CHECK(!err_wrap(&e, "session %s", "a1"));
    CHECK_INT(e.code, EX_HOST);
    CHECK_STR(e.text, "session a1: no Landlock");
}

TEST(long_texts_are_cut_within_bounds)
{
    struct err e;
    char big[3000];

    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    errno = EIO;
    (void)err_sys(&e, EX_FAIL, "%s", big);
    CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
    (void)err_wrap(&e, "%s", big);
    CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
    (void)err_set(&e, EX_FAIL, "short");
    for (int i = 0; i < 1000; i++)
        (void)err_wrap(&e, "context");
    CHECK_INT(strlen(e.text), ERR_TEXT_MAX - 1);
}

UNIT_MAIN(UNIT(set_fills_and_returns_false), UNIT(sys_names_the_reason_and_keeps_errno),
          UNIT(wrap_puts_context_before), UNIT(long_texts_are_cut_within_bounds))
