/* SPDX-License-Identifier: Apache-2.0 */
#include "record/line.h"

#include <stdio.h>
#include <time.h>

/* What remains of an event too long for a line: 32 items of 256 bytes, each byte at most six
 * in JSON, stay far below the limit. */
#define CUT_TEXT  256u
#define CUT_ITEMS 32u

struct bounds {
    size_t text, items;
    bool cut;
};

static const char *const kind_names[] = {
#define KIND(sym, name, meaning) name,
#include "record/record.def"
#undef KIND
};

const char *record_kind_name(enum record_kind k)
{
    return (size_t)k < RECORD_KIND_COUNT ? kind_names[k] : "unknown";
}

static void put_str(struct json *j, const char *key, struct str s, struct bounds *b)
{
    if (s.n > b->text) {
        s.n = b->text;
        b->cut = true;
    }
    json_str(j, key, s);
}

/* As put_str, but leaves out what is empty. */
static void put_some(struct json *j, const char *key, struct str s, struct bounds *b)
{
    if (s.n > 0)
        put_str(j, key, s, b);
}

static void put_time(struct json *j, const struct timespec *t)
{
    char date[32], text[48];
    struct tm tm;

    if (gmtime_r(&t->tv_sec, &tm) == NULL || strftime(date, sizeof(date), "%FT%T", &tm) == 0) {
        json_none(j, "time");
        return;
    }
    (void)snprintf(text, sizeof(text), "%s.%09ldZ", date, t->tv_nsec);
    json_cstr(j, "time", text);
}

static bool is_utf8(struct str s)
{
    uint32_t c;
    size_t n;

    for (size_t i = 0; i < s.n; i += n)
        if ((n = utf8_len(s.p + i, s.n - i, &c)) == 0)
            return false;
    return true;
}

/* A name that is no UTF-8 would be blurred by JSON: its bytes are kept in hex beside it. */
static void put_hex(struct json *j, const char *key, struct str s, struct bounds *b)
{
    char hex[2 * CUT_TEXT + 1];
    size_t n = s.n < CUT_TEXT ? s.n : CUT_TEXT;

    for (size_t i = 0; i < n; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)s.p[i]);
    b->cut = b->cut || n < s.n;
    json_str(j, key, (struct str){hex, 2 * n});
}

static void put_list(struct json *j, const char *key, struct str list, struct bounds *b)
{
    struct str item;
    size_t n = 0;

    json_arr(j, key);
    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (n++ == b->items) {
            b->cut = true;
            break;
        }
        put_str(j, NULL, item, b);
    }
    json_arr_end(j);
}

static void put_context(struct json *j, const struct action *a, struct bounds *b)
{
    json_obj(j, "context");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        enum field_id f = (enum field_id)i;

        if (!a->has[i])
            continue;
        switch (field_kind(f)) {
        case FIELD_INT:
            json_int(j, field_name(f), a->field[i].num);
            break;
        case FIELD_BOOL:
            json_bool(j, field_name(f), a->field[i].num != 0);
            break;
        case FIELD_STR:
            put_str(j, field_name(f), a->field[i].str, b);
            break;
        case FIELD_LIST:
            put_list(j, field_name(f), a->field[i].str, b);
            break;
        }
    }
    json_obj_end(j);
}

static void put_action(struct json *j, const struct action *a, struct bounds *b)
{
    json_cstr(j, "verb", verb_name(a->verb));
    json_obj(j, "resource");
    json_cstr(j, "type", resource_type(a->kind));
    put_str(j, "id", a->resource, b);
    if (!is_utf8(a->resource))
        put_hex(j, "id_hex", a->resource, b);
    json_obj_end(j);
    if (a->parent != 0)
        json_int(j, "parent", a->parent);
    put_context(j, a, b);
}

static void put_strings(struct json *j, const char *key, const struct str *item, size_t n,
                        struct bounds *b)
{
    json_arr(j, key);
    for (size_t i = 0; i < n; i++) {
        if (i == b->items) {
            b->cut = true;
            break;
        }
        put_str(j, NULL, item[i], b);
    }
    json_arr_end(j);
}

static void put_verdict(struct json *j, const struct record_event *e, struct bounds *b)
{
    if (e->outcome != RECORD_NO_OUTCOME) {
        json_cstr(j, "outcome", outcome_name((enum outcome)e->outcome));
        put_strings(j, "rules", e->rules, e->nrules, b);
    }
    put_some(j, "reason", e->reason, b);
    if (e->nlabels > 0)
        put_strings(j, "labels", e->labels, e->nlabels, b);
}

static void put_event(struct json *j, const struct record_event *e, struct bounds *b)
{
    if (e->actor != NULL)
        json_cstr(j, "actor", e->actor);
    if (e->pid != 0)
        json_int(j, "pid", e->pid);
    if (e->action != NULL)
        put_action(j, e->action, b);
    put_verdict(j, e, b);
    put_some(j, "event", e->name, b);
    put_some(j, "text", e->text, b);
    put_some(j, "by", e->by, b);
    put_some(j, "address", e->address, b);
    if (e->argv.n > 0)
        put_list(j, "argv", e->argv, b);
    if (e->finds.n > 0)
        put_list(j, "finds", e->finds, b);
    for (size_t i = 0; i < e->nnumbers; i++)
        json_int(j, e->numbers[i].key, e->numbers[i].value);
    if (e->cause != 0)
        json_int(j, "cause", (int64_t)e->cause);
    if (b->cut)
        json_bool(j, "cut", true);
}

static void build(struct buf *out, const struct line_stamp *s, const struct record_event *e,
                  struct bounds b)
{
    struct json j;

    json_start(&j, out);
    json_obj(&j, NULL);
    json_int(&j, "seq", (int64_t)s->seq);
    put_time(&j, &s->wall);
    json_int(&j, "mono", s->mono_ns);
    json_str(&j, "session", s->session);
    json_cstr(&j, "kind", record_kind_name(e->kind));
    if (e->kind == RECORD_RECORD) {
        json_cstr(&j, "format", RECORD_FORMAT);
        json_str(&j, "policy", s->policy_digest);
    }
    put_event(&j, e, &b);
    json_cstr(&j, "prev", s->prev);
    json_obj_end(&j);
    buf_puts(out, "\n");
}

bool line_build(struct buf *out, const struct line_stamp *stamp, const struct record_event *event)
{
    size_t start = out->n;

    if (out->full)
        return false;
    build(out, stamp, event, (struct bounds){.text = SIZE_MAX, .items = SIZE_MAX});
    if (!out->full && out->n - start <= RECORD_LINE_MAX)
        return true;
    out->n = start;
    out->full = false;
    build(out, stamp, event, (struct bounds){.text = CUT_TEXT, .items = CUT_ITEMS});
    if (!out->full && out->n - start <= RECORD_LINE_MAX)
        return true;
    out->n = start;
    out->full = false;
    return false;
}
