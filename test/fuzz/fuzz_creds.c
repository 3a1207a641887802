/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head and body against credentials: PLACE '\n' TARGET '\n' lines NAME ':' VALUE, an
 * empty line, the body. "{0}" and "{1}" stand for placeholders. A value leaves in one header at its
 * place only, whatever is fed; a body is searched alike in one piece and in many.
 */
#include "base/mem.h"
#include "gate/creds.h"
#include "gate/vault.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUE0     "sk-ant-api03-REALREALREALREALREALREALREALREALREAL"
#define VALUE1     "real-value-of-the-other-credential"
#define FIELDS_MAX 32

static struct creds *creds;
static char marks[2][VAULT_PLACEHOLDER_MAX + 1];

static void add(struct vault *v, const char *name, const char *value, const char *header,
                const char *place, bool only)
{
    struct secret s = {.name = str_of(name),
                       .value = str_of(value),
                       .header = str_of(header),
                       .format = STR("Bearer %s"),
                       .only = only,
                       .nplaces = 1};
    struct err e;

    if (!place_read(str_of(place), &s.place[0]) || !vault_add(v, &s, &e))
        abort();
    struct secret *mine = &v->secret[v->n - 1];
    memcpy(marks[v->n - 1], mine->placeholder.p, mine->placeholder.n);
}

static void start(void)
{
    struct err e;
    struct vault *v = vault_new(&e);

    if (v == NULL)
        abort();
    add(v, "first", VALUE0, "x-api-key", "api.example/v1/*", true);
    add(v, "second", VALUE1, "authorization", "*.hub.example", false);
    AUTO_CLOSE int fd = vault_seal(v, &e);
    vault_free(v);
    creds = creds_load(fd, &e);
    if (creds == NULL)
        abort();
}

/* The input with placeholders filled in. */
static void expand(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool mark =
            n - i >= 3 && p[i] == '{' && (p[i + 1] == '0' || p[i + 1] == '1') && p[i + 2] == '}';

        if (mark)
            buf_puts(out, marks[p[i + 1] - '0']);
        else
            buf_add(out, p + i, 1);
        i += mark ? 2 : 0;
    }
}

static struct str take_line(struct str *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    struct str line = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};
    size_t skip = line.n + (end != NULL);

    *rest = (struct str){rest->p + skip, rest->n - skip};
    return line;
}

static bool holds_value(struct str s)
{
    return s.n > 0 && (memmem(s.p, s.n, VALUE0, sizeof(VALUE0) - 1) != NULL ||
                       memmem(s.p, s.n, VALUE1, sizeof(VALUE1) - 1) != NULL);
}

static void check_head(const struct creds_place *to, const struct http_head *h, struct str inject)
{
    struct creds_finding f;
    struct creds_head out;
    const char *why = NULL;

    creds_scan_head(creds, to, h, &f);
    assert(f.name != NULL && (!f.misplaced || f.refused != NULL));
    if (!creds_inject(creds, to, inject, h, &out, &why)) {
        assert(inject.n > 0 && why[0] != '\0');
        return;
    }
    for (size_t i = 0; i < out.head.nfields; i++) {
        const struct http_field *x = &out.head.fields[i];
        bool is_new = i >= h->nfields || !str_eq(x->value, h->fields[i].value);

        if (!is_new)
            continue;
        assert(to->tls || str_is(to->host, "localhost"));
        assert(str_is(x->name, "x-api-key") || str_is(x->name, "authorization"));
        if (str_is(x->name, "x-api-key"))
            assert(str_is(to->host, "api.example") && str_starts(to->path, "/v1/"));
        else
            assert(to->host.n > 12 &&
                   memcmp(to->host.p + to->host.n - 12, ".hub.example", 12) == 0);
    }
    creds_head_wipe(&out);
}

static const char *search(struct str body, size_t piece)
{
    struct creds_body_state s = {.n = 0};
    const char *found = NULL;

    for (size_t at = 0; at < body.n; at += piece) {
        size_t n = piece < body.n - at ? piece : body.n - at;
        const char *name = creds_scan_body(creds, &s, body.p + at, n);

        found = found != NULL ? found : name;
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf text = {0};
    struct http_field fields[FIELDS_MAX];
    struct http_head h = {.method = STR("POST"), .fields = fields};

    if (creds == NULL)
        start();
    buf_init(&text, 1 << 20);
    expand(&text, (const char *)data, size);
    if (text.full || holds_value(buf_str(&text)))
        return 0;
    struct str rest = buf_str(&text), place = take_line(&rest), line;
    struct creds_place to = {.host = STR("api.example"), .port = 443, .path = STR("/v1/x")};
    struct place p;
    if (place_read(place, &p))
        to = (struct creds_place){.host = p.host, .port = p.port, .path = p.path};
    to.tls = !p.below;
    h.target = take_line(&rest);
    h.authority = to.host;
    while ((line = take_line(&rest)).n > 0 && h.nfields < FIELDS_MAX) {
        const char *colon = memchr(line.p, ':', line.n);
        size_t n = colon != NULL ? (size_t)(colon - line.p) : line.n;

        fields[h.nfields++] = (struct http_field){
            {line.p, n}, {line.p + n + (colon != NULL), line.n - n - (colon != NULL)}};
    }
    check_head(&to, &h, STR(""));
    check_head(&to, &h, STR("first"));
    check_head(&to, &h, STR("second"));
    const char *whole = search(rest, rest.n + 1);
    assert(whole == search(rest, 1) && whole == search(rest, 7) && whole == search(rest, 30));
    return 0;
}
