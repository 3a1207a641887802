/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's parts that need no session: the screen's state, held questions, permits. */
#include "base/mem.h"
#include "keeper/asks.h"
#include "keeper/refusals.h"
#include "keeper/screen.h"
#include "policy/message.h"
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

static bool alternate_after(const char *text)
{
    struct screen whole = {0}, bytes = {0};

    screen_feed(&whole, text, strlen(text));
    for (const char *p = text; *p != '\0'; p++)
        screen_feed(&bytes, p, 1);
    return whole.alternate && bytes.alternate;
}

TEST(alternate_screen_is_seen)
{
    CHECK(!alternate_after("hello"));
    CHECK(alternate_after("x\033[?1049hy"));
    CHECK(alternate_after("\033[?47h"));
    CHECK(alternate_after("\033[?1047h"));
    CHECK(alternate_after("\033[?25;1049h"));
    CHECK(alternate_after("\033[?1049;25h"));
    CHECK(!alternate_after("\033[?1049h\033[?1049l"));
    CHECK(!alternate_after("\033[?1049h\033c"));
    CHECK(!alternate_after("\033[?10490h"));
    CHECK(!alternate_after("\033[1049h"));
    CHECK(!alternate_after("[?1049h"));
    CHECK(!alternate_after("\033[?1049x"));
    CHECK(alternate_after("\033[?1049\033[?1049h"));
    CHECK(!alternate_after("\033[?99999999999999999999999991049h"));
}

static struct frame_out out;
static struct frame_in in;

static bool receive(uint32_t id, const char *summary, int64_t left)
{
    frame_start(&out, MSG_ASK, id);
    if (summary != NULL)
        frame_put_cstr(&out, MSG_TAG_SUMMARY, summary);
    frame_put_int(&out, MSG_TAG_LEFT, left);
    if (!frame_finish(&out))
        return false;
    memcpy(in.data, out.data, out.n);
    return frame_parse(&in, out.n) == FRAME_OK;
}

TEST(questions_are_kept_in_order_and_made_safe)
{
    static struct asks a;
    AUTO_BUF struct buf text = {0};

    CHECK(receive(1, "run \033[2Jclear", 5000) && asks_add(&a, &in));
    CHECK(receive(2, "two", 5000) && asks_add(&a, &in));
    CHECK(receive(2, "again", 5000) && !asks_add(&a, &in));
    CHECK(receive(0, "zero", 5000) && !asks_add(&a, &in));
    CHECK(receive(3, NULL, 5000) && !asks_add(&a, &in));
    CHECK(receive(3, "late", -1) && !asks_add(&a, &in));
    CHECK_INT(a.n, 2);
    CHECK_STR(a.item[0].summary, "run \\x1b[2Jclear");
    buf_init(&text, 65536);
    asks_prompt_text(&a.item[0], "abc", &text);
    CHECK(memchr(text.p, '\033', text.n) == NULL);
    CHECK(asks_remove(&a, 1) && !asks_remove(&a, 1));
    CHECK_INT(a.item[0].id, 2);
    asks_clear(&a);
}

TEST(too_many_questions_are_refused)
{
    static struct asks a;

    for (uint32_t i = 1; i <= ASKS_MAX; i++)
        CHECK(receive(i, "x", 5000) && asks_add(&a, &in));
    CHECK(receive(ASKS_MAX + 1, "x", 5000) && !asks_add(&a, &in));
    asks_clear(&a);
}

TEST(permits_are_as_narrow_as_the_table)
{
    CHECK(message_permitted(ROLE_KERN, ROLE_JUDGE, PHASE_RUN, MSG_ACTION));
    CHECK(!message_permitted(ROLE_KERN, ROLE_JUDGE, PHASE_START, MSG_ACTION));
    CHECK(!message_permitted(ROLE_KERN, ROLE_JUDGE, PHASE_RUN, MSG_ANSWER));
    CHECK(!message_permitted(ROLE_GATE, ROLE_JUDGE, PHASE_RUN, MSG_VERDICT));
    CHECK(!message_permitted(ROLE_KERN, ROLE_KEEPER, PHASE_RUN, MSG_ACTION));
    CHECK(!message_permitted(ROLE_KERN, ROLE_KEEPER, PHASE_RUN, MSG_STOP));
    CHECK(message_permitted(ROLE_JUDGE, ROLE_KEEPER, PHASE_RUN, MSG_STOP));
    CHECK(!message_permitted(ROLE_CLIENT, ROLE_KEEPER, PHASE_RUN, MSG_ANSWER));
    CHECK(message_permitted(ROLE_CLIENT, ROLE_KEEPER, PHASE_RUN, MSG_DECIDE));
    CHECK(!message_permitted(ROLE_CLIENT, ROLE_KEEPER, PHASE_RUN, 9999));
    CHECK(!message_permitted(ROLE_KERN, ROLE_JUDGE, PHASE_RUN, MSG_NONE));
}

/* All that a reader sees. */
static const char *refusals_text(int fd)
{
    static char text[2 * REFUSALS_MAX];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static size_t count_lines(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

TEST(refusals_are_written_once)
{
    struct refusals r;
    int fd = memfd_create("refusals", MFD_CLOEXEC);
    struct jail_file file = refusals_file();

    CHECK(write(fd, file.bytes, file.n) == (ssize_t)file.n);
    refusals_start(&r, fd);
    refusals_add(&r, 1000, STR("EACCES"), STR("refused: write /a: no (rule x, event 12)"));
    refusals_add(&r, 1001, STR("EACCES"), STR("refused: write /a: no (rule x, event 13)"));
    refusals_add(&r, 1001, STR(""), STR("refused: connect to h: no (event 14)\033[2J\nforged"));
    const char *text = refusals_text(fd);
    CHECK(memcmp(text, file.bytes, file.n) == 0);
    CHECK_INT(count_lines(text, "write /a"), 1);
    CHECK(strstr(text, "1970-01-01T00:16:40Z EACCES refused: write /a: no (rule x, event 12); to "
                       "ask, tell the person the rule\n") != NULL);
    CHECK(strstr(text, "\nforged") == NULL && strchr(text, '\033') == NULL);
    refusals_add(&r, 1000 + REFUSALS_AGAIN, STR("EACCES"),
                 STR("refused: write /a: no (rule x, event 15)"));
    CHECK_INT(count_lines(refusals_text(fd), "write /a"), 2);
    refusals_end(&r);
    refusals_add(&r, 5000, STR("EACCES"), STR("refused: late"));
    CHECK(strstr(refusals_text(fd), "late") == NULL);
    close(fd);
}

TEST(refusals_are_bounded)
{
    struct refusals r;
    int fd = memfd_create("refusals", MFD_CLOEXEC);

    refusals_start(&r, fd);
    for (int i = 0; i < 4000; i++) {
        char line[128];

        (void)snprintf(line, sizeof(line), "refused: write /%d/%060d: no", i, i);
        refusals_add(&r, 2000 + i / 10, STR("EACCES"), str_of(line));
    }
    const char *text = refusals_text(fd);
    CHECK(strlen(text) <= REFUSALS_MAX && strlen(text) > REFUSALS_MAX / 3);
    CHECK(strstr(text, "/3999/") != NULL && strstr(text, "/1/") == NULL);
    CHECK(text[0] == '#' && strncmp(strchr(text, '\n') + 1, "1970-", 5) == 0);
    CHECK(text[strlen(text) - 1] == '\n');
    for (int i = 0; i < 100; i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "refused: burst %d", i);
        refusals_add(&r, 9000, STR(""), str_of(line));
    }
    refusals_add(&r, 9001, STR(""), STR("refused: after"));
    text = refusals_text(fd);
    CHECK_INT(count_lines(text, "refused: burst"), REFUSALS_BURST);
    CHECK(strstr(text, "(80 more were refused)") != NULL);
    refusals_end(&r);
    close(fd);
}

UNIT_MAIN(UNIT(refusals_are_written_once), UNIT(refusals_are_bounded),
          UNIT(alternate_screen_is_seen), UNIT(questions_are_kept_in_order_and_made_safe),
          UNIT(too_many_questions_are_refused), UNIT(permits_are_as_narrow_as_the_table))
