/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/scan.h"

#include "base/mem.h"
#include "gate/creds.h"
#include "gate/request_ask.h"
#include "policy/action.h"

#include <endian.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    struct detect *detect;
    struct detect_stream *heads;
    struct detect_dns names;
    char **allow; /* ends with NULL */
    struct head_look *look;
};

/*
 * Values that are known and harmless: text in which * stands for any bytes, or sha256:HEX.
 */
static bool is_like(const char *pattern, const char *p, size_t n)
{
    const char *star = NULL;
    size_t i = 0, back = 0;

    while (i < n) {
        if (*pattern == '*') {
            star = ++pattern;
            back = i;
        } else if (*pattern != '\0' && *pattern == p[i]) {
            pattern++;
            i++;
        } else if (star != NULL) {
            pattern = star;
            i = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool has_digest(const char *hex, struct str value)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];

    SHA256((const unsigned char *)value.p, value.n, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strcasecmp(hex, text) == 0;
}

static bool is_allowed(void *arg, const char *detector, struct str value)
{
    static const char hash[] = "sha256:";
    const struct scanner *s = arg;

    (void)detector;
    for (char **a = s->allow; *a != NULL; a++)
        if (strncmp(*a, hash, sizeof(hash) - 1) == 0 ? has_digest(*a + sizeof(hash) - 1, value)
                                                     : is_like(*a, value.p, value.n))
            return true;
    return false;
}

static char **copy_list(const struct settings_list *list)
{
    char **copy = xcalloc(list->n + 1, sizeof(*copy));

    for (size_t i = 0; i < list->n; i++)
        copy[i] = xstrdup(list->item[i]);
    return copy;
}

struct scanner *scanner_new(const struct scan_settings *settings, struct err *e)
{
    struct scanner *s = xcalloc(1, sizeof(*s)); /* lives as long as the gate */
    AUTO_FREE const char **off = xcalloc(settings->off->n + 1, sizeof(*off));
    const struct detect_options options = {
        .entropy = (unsigned)settings->entropy, .allowed = is_allowed, .arg = s, .off = off};

    for (size_t i = 0; i < settings->off->n; i++)
        off[i] = settings->off->item[i];
    s->allow = copy_list(settings->allow);
    s->names.bound = (uint32_t)settings->names;
    s->detect = detect_new(&options, e);
    if (s->detect != NULL)
        return s;
    free(s->allow);
    free(s);
    return NULL;
}

struct detect *scanner_detect(struct scanner *s)
{
    return s->detect;
}

bool scanner_marks(struct scanner *s, struct str labels, struct str marks)
{
    size_t n = marks.n / 8;
    AUTO_FREE uint64_t *numbers = xcalloc(n + 1, sizeof(*numbers));
    struct str item;
    bool ok = true;

    for (size_t i = 0; i < n; i++) {
        memcpy(&numbers[i], marks.p + 8 * i, 8);
        numbers[i] = le64toh(numbers[i]);
    }
    while (frame_list_next(&labels, &item) == FRAME_OK) {
        char label[DETECT_LABEL_MAX + 1];

        snprintf(label, sizeof(label), "%.*s", (int)item.n, item.p);
        ok = detect_marks_add(s->detect, label, numbers, n) && ok;
    }
    return ok;
}

/*
 * Kinds
 */
bool scan_kinds_add(struct scan_kinds *k, const struct detect_finding *f)
{
    char text[SCAN_KIND_MAX];

    snprintf(text, sizeof(text), "%s:%s", f->label, f->detector);
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->kind[i], text) == 0)
            return false;
    if (k->n == SCAN_KINDS)
        return false;
    memcpy(k->kind[k->n++], text, sizeof(text));
    return true;
}

void scan_kinds_list(const struct scan_kinds *k, struct buf *list)
{
    for (size_t i = 0; i < k->n; i++)
        action_list_add(list, str_of(k->kind[i]));
}

/*
 * Heads: read as one text, a line for the target and one for each field.
 */
struct head_look {
    struct buf text;
    struct scan_kinds *found; /* NULL: mask */
    bool masked;
};

static void on_finding(void *arg, const struct detect_finding *f)
{
    struct scanner *s = arg;

    if (s->look->found != NULL) {
        (void)scan_kinds_add(s->look->found, f);
        return;
    }
    s->look->masked = true;
    (void)detect_mask(f, 0, s->look->text.p, s->look->text.n);
}

static bool is_looked_at(const struct http_field *f)
{
    return !creds_is_secret_header(f->name);
}

static void look(struct scanner *s, const struct http_head *head, struct head_look *l)
{
    static const struct detect_finding too_long = {.label = "unscanned", .detector = "head"};

    buf_init(&l->text, SCAN_HEAD_MAX);
    buf_add(&l->text, head->target.p, head->target.n);
    for (size_t i = 0; i < head->nfields; i++) {
        if (!is_looked_at(&head->fields[i]))
            continue;
        buf_puts(&l->text, "\n");
        buf_add(&l->text, head->fields[i].name.p, head->fields[i].name.n);
        buf_puts(&l->text, ": ");
        buf_add(&l->text, head->fields[i].value.p, head->fields[i].value.n);
    }
    if (l->text.full && l->found != NULL)
        (void)scan_kinds_add(l->found, &too_long);
    if (s->heads == NULL)
        s->heads =
            detect_open(s->detect, DETECT_SECRETS | DETECT_PERSONAL | DETECT_MARKED, on_finding, s);
    s->look = l;
    detect_feed(s->heads, l->text.p, l->text.n);
    detect_end(s->heads);
    s->look = NULL;
}

void scan_head(struct scanner *s, const struct http_head *head, struct scan_kinds *found)
{
    struct head_look l = {.found = found};

    look(s, head, &l);
    explicit_bzero(l.text.p, l.text.n);
    buf_free(&l.text);
}

/* The next n bytes of the masked text, in memory that lives. */
static struct str taken(struct arena *mem, const struct buf *text, size_t *at, size_t n)
{
    struct str s = {arena_strndup(mem, text->p + *at, n), n};

    *at += n;
    return s;
}

void scan_head_redact(struct scanner *s, struct arena *mem, struct http_head *head)
{
    struct head_look l = {0};
    struct http_field *fields;
    size_t at = 0;

    look(s, head, &l);
    if (l.masked && !l.text.full) {
        fields = arena_alloc(mem, (head->nfields + 1) * sizeof(*fields));
        head->target = taken(mem, &l.text, &at, head->target.n);
        for (size_t i = 0; i < head->nfields; i++) {
            fields[i] = head->fields[i];
            if (!is_looked_at(&fields[i]))
                continue;
            at += 1 + fields[i].name.n + 2;
            fields[i].value = taken(mem, &l.text, &at, fields[i].value.n);
        }
        head->fields = fields;
    }
    explicit_bzero(l.text.p, l.text.n);
    buf_free(&l.text);
}

static void on_name(void *arg, const struct detect_finding *f)
{
    (void)scan_kinds_add(arg, f);
}

void scan_name(struct scanner *s, struct str name, struct scan_kinds *found)
{
    detect_dns_name(s->detect, &s->names, name, on_name, found);
}
