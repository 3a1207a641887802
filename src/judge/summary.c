/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/summary.h"

#include "base/mem.h"

#include <string.h>

#define NOTE_ROOM 160u /* kept for notes about what is not shown */

/* A shell would take it as it stands. A word that begins with '=' some shells would not. */
static bool is_plain(struct str s)
{
    static const char special[] = " \t\n\"'`$&|;<>()[]{}*?!#~\\^%";

    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x7f || (unsigned char)s.p[i] < 0x20 ||
            strchr(special, s.p[i]) != NULL)
            return false;
    return s.n > 0 && s.p[0] != '=';
}

/* As it would be shown without quotes of any kind; true when that is the text itself. */
static bool shows_as_it_is(struct str s, struct buf *safe)
{
    buf_clear(safe);
    buf_add_safe(safe, s, safe->max);
    return str_eq(buf_str(safe), s);
}

static void add_ansi(struct buf *b, struct str s)
{
    buf_puts(b, "$'");
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        size_t n = utf8_len(s.p + i, s.n - i, &c);

        n = n != 0 ? n : 1;
        if (s.p[i] == '\\' || s.p[i] == '\'')
            buf_printf(b, "\\%c", s.p[i]);
        else if (s.p[i] == '\n')
            buf_puts(b, "\\n");
        else if (s.p[i] == '\t')
            buf_puts(b, "\\t");
        else
            buf_add_safe(b, (struct str){s.p + i, n}, 32);
        i += n;
    }
    buf_puts(b, "'");
}

static void add_quoted(struct buf *b, struct str s)
{
    AUTO_BUF struct buf safe = {0};

    buf_init(&safe, 4 * s.n + 16);
    if (!shows_as_it_is(s, &safe)) {
        add_ansi(b, s);
    } else if (is_plain(s)) {
        buf_add(b, s.p, s.n);
    } else {
        buf_puts(b, "'");
        for (size_t i = 0; i < s.n; i++)
            if (s.p[i] == '\'')
                buf_puts(b, "'\\''");
            else
                buf_add(b, s.p + i, 1);
        buf_puts(b, "'");
    }
}

/* Adds one argument if it fits below `end`. */
static bool add_within(struct buf *b, struct str s, size_t end)
{
    AUTO_BUF struct buf one = {0};

    if (s.n > end || b->n > end)
        return false;
    buf_init(&one, 6 * s.n + 16);
    add_quoted(&one, s);
    if (one.full || one.n > end - b->n)
        return false;
    buf_add(b, one.p, one.n);
    return true;
}

static void add_text(struct buf *b, struct str s, size_t end)
{
    if (!add_within(b, s, end)) {
        buf_add_safe(b, s, end > b->n + 64 ? end - b->n : 64);
        buf_printf(b, " [%zu bytes in all]", s.n);
    }
}

static void add_arguments(struct buf *b, struct str list, size_t end)
{
    struct str item;
    size_t hidden = 0, bytes = 0;

    for (size_t i = 0; frame_list_next(&list, &item) == FRAME_OK; i++) {
        if (hidden == 0 && b->n < end) {
            size_t was = b->n;

            if (i > 0)
                buf_puts(b, " ");
            if (add_within(b, item, end))
                continue;
            b->n = was;
            /* What begins an argument may matter most: show as much of it as there is room. */
            if (end - b->n > 32) {
                buf_puts(b, i > 0 ? " " : "");
                buf_add_safe(b, item, end - b->n);
            }
        }
        hidden++;
        bytes += item.n;
    }
    if (hidden > 0)
        buf_printf(b, " [NOT SHOWN WHOLE: %zu more argument%s, %zu bytes]", hidden,
                   hidden == 1 ? "" : "s", bytes);
}

static void add_exec(struct buf *b, const struct action *a, size_t end)
{
    buf_puts(b, "run: ");
    add_arguments(b, a->has[FIELD_ARGV] ? a->field[FIELD_ARGV].str : (struct str){"", 0}, end);
    if (a->has[FIELD_TRUNCATED] && a->field[FIELD_TRUNCATED].num != 0)
        buf_puts(b, " [NOT SHOWN WHOLE: the arguments are too long]");
    buf_puts(b, " (program ");
    add_text(b, a->resource, b->n + NOTE_ROOM);
    if (a->has[FIELD_CWD]) {
        buf_puts(b, ", in ");
        add_text(b, a->field[FIELD_CWD].str, b->n + NOTE_ROOM);
    }
    if (a->has[FIELD_SCRIPT_SHA256]) {
        buf_puts(b, ", script sha256 ");
        buf_add_safe(b, a->field[FIELD_SCRIPT_SHA256].str, 16);
    }
    buf_puts(b, ")");
}

static void add_host(struct buf *b, const struct action *a, size_t end)
{
    buf_printf(b, a->verb == VERB_RESOLVE ? "look up " : "%s to ", verb_name(a->verb));
    add_text(b, a->resource, end);
    if (a->has[FIELD_PORT])
        buf_printf(b, " port %lld", (long long)a->field[FIELD_PORT].num);
    if (a->has[FIELD_ADDRESS] && !str_eq(a->field[FIELD_ADDRESS].str, a->resource)) {
        buf_puts(b, " at ");
        add_text(b, a->field[FIELD_ADDRESS].str, b->n + NOTE_ROOM);
    }
}

static struct str text_of(const struct action *a, enum field_id f)
{
    return a->has[f] ? a->field[f].str : (struct str){"", 0};
}

/* As one would type it: POST https://host:8443/path?query */
static void add_request(struct buf *b, const struct action *a, size_t end)
{
    struct str scheme = text_of(a, FIELD_SCHEME), query = text_of(a, FIELD_QUERY);
    int64_t port = a->has[FIELD_PORT] ? a->field[FIELD_PORT].num : 0;

    add_text(b, text_of(a, FIELD_METHOD), b->n + NOTE_ROOM);
    buf_puts(b, " ");
    buf_add_safe(b, scheme.n > 0 ? scheme : STR("http"), 16);
    buf_puts(b, "://");
    buf_add_safe(b, a->resource, 260);
    if (port != 0 && port != (str_is(scheme, "http") ? 80 : 443))
        buf_printf(b, ":%lld", (long long)port);
    buf_add_safe(b, text_of(a, FIELD_PATH), end > b->n + 64 ? end - b->n : 64);
    if (query.n > 0) {
        buf_puts(b, "?");
        buf_add_safe(b, query, end > b->n + 64 ? end - b->n : 64);
    }
}

static void add_call(struct buf *b, const struct action *a, size_t end)
{
    buf_puts(b, str_is(text_of(a, FIELD_OP), "intent") ? "the model wants " : "call ");
    add_text(b, a->resource, b->n + NOTE_ROOM);
    if (a->has[FIELD_ARGUMENTS]) {
        buf_puts(b, " ");
        buf_add_safe(b, a->field[FIELD_ARGUMENTS].str, end > b->n + 64 ? end - b->n : 64);
    }
}

static void add_other(struct buf *b, const struct action *a, size_t end)
{
    buf_printf(b, "%s ", verb_name(a->verb));
    add_text(b, a->resource, end);
    if (a->has[FIELD_OP] && !str_is(a->field[FIELD_OP].str, verb_name(a->verb))) {
        buf_puts(b, " (");
        add_text(b, a->field[FIELD_OP].str, b->n + NOTE_ROOM);
        if (a->has[FIELD_TARGET]) {
            buf_puts(b, ", ");
            add_text(b, a->field[FIELD_TARGET].str, b->n + NOTE_ROOM);
        }
        buf_puts(b, ")");
    }
}

void summary_add(struct buf *b, const struct action *a, size_t max)
{
    size_t end = b->n + (max > 4 * NOTE_ROOM ? max - 3 * NOTE_ROOM : max / 4);

    if (a->verb == VERB_EXEC)
        add_exec(b, a, end);
    else if (a->verb == VERB_REQUEST)
        add_request(b, a, end);
    else if (a->verb == VERB_CALL)
        add_call(b, a, end);
    else if (a->kind == RESOURCE_HOST)
        add_host(b, a, end);
    else
        add_other(b, a, end);
}
