/* SPDX-License-Identifier: Apache-2.0 */
/* creds.c - placeholders and other people's credentials in what the agent sends. */
#include "gate/creds.h"

#include "base/mem.h"
#include "gate/creds_basic.h"
#include "gate/vault.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(((struct creds_body_state *)0)->tail) >= VAULT_CORE + 2, "room for a tail");

struct creds {
    struct vault *vault;
};

struct creds *creds_load(int fd, struct err *e)
{
    struct vault *v = vault_open(fd, e);

    if (v == NULL)
        return NULL;
    struct creds *c = xcalloc(1, sizeof(*c));
    c->vault = v;
    return c;
}

void creds_free(struct creds *c)
{
    if (c == NULL)
        return;
    vault_free(c->vault);
    free(c);
}

/* ---- what there is to find -------------------------------------------------------------- */

static const char *const secret_headers[] = {
    "authorization",  "proxy-authorization",  "x-api-key",
    "api-key",        "x-goog-api-key",       "private-token",
    "x-auth-token",   "x-access-token",       "x-vault-token",
    "x-gitlab-token", "x-amz-security-token", "apikey",
    "x-token",        "x-functions-key",      "ocp-apim-subscription-key"};

static const char *const secret_parameters[] = {
    "key",   "api_key",   "apikey",           "api-key",         "access_token", "auth_token",
    "token", "signature", "x-amz-credential", "x-amz-signature", "sig"};

static bool is_one_of(const char *const *list, size_t n, struct str s)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == s.n && strncasecmp(list[i], s.p, s.n) == 0)
            return true;
    return false;
}

bool creds_is_secret_header(struct str name)
{
    return is_one_of(secret_headers, ARRAY_LEN(secret_headers), name) || str_is(name, "cookie");
}

/* Which credential's placeholder begins with the core at `at`; the first when it is cut. */
static const struct secret *secret_at(const struct vault *v, const char *at, const char *end)
{
    for (size_t i = 0; i < v->n; i++) {
        struct str p = v->secret[i].placeholder;
        const char *core = memmem(p.p, p.n, v->core.p, v->core.n);
        size_t rest = p.n - (size_t)(core - p.p); /* from the core on */

        if (rest >= VAULT_CORE + 2 && (size_t)(end - at) >= VAULT_CORE + 2 &&
            memcmp(at, core, VAULT_CORE + 2) == 0)
            return &v->secret[i];
    }
    return v->n > 0 ? &v->secret[0] : NULL;
}

static const struct secret *placeholder_in(const struct vault *v, struct str s)
{
    const char *at = s.n >= v->core.n ? memmem(s.p, s.n, v->core.p, v->core.n) : NULL;

    return at != NULL ? secret_at(v, at, s.p + s.n) : NULL;
}

/* Also inside of "Basic BASE64", as git and curl send a password. */
static const struct secret *placeholder_in_value(const struct vault *v, struct str value)
{
    char plain[CREDS_BASIC_MAX];
    struct str user;
    const struct secret *s = placeholder_in(v, value);

    if (s == NULL && creds_basic_decode(value, plain, &user))
        s = placeholder_in(v, user);
    return s;
}

static bool belongs(const struct secret *s, const struct creds_place *to)
{
    if (!to->tls && !str_is(to->host, "localhost"))
        return false;
    for (size_t i = 0; i < s->nplaces; i++)
        if (place_fits(&s->place[i], to->host, to->port, to->path))
            return true;
    return false;
}

static bool has_host(const struct secret *s, struct str host)
{
    for (size_t i = 0; i < s->nplaces; i++)
        if (place_has_host(&s->place[i], host))
            return true;
    return false;
}

/* ---- the head of a request ---------------------------------------------------------------- */

static void misplaced(struct creds_finding *out, const struct secret *s, const char *where)
{
    out->name = s->name.p;
    out->misplaced = true;
    snprintf(out->text, sizeof(out->text),
             "the placeholder of credential %.64s was sent where it does not belong (%s)",
             s->name.p, where);
    out->refused = out->text;
}

/* A parameter that holds a key: others' credentials travel so too. */
static bool query_is_secret(struct str target)
{
    const char *at = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    const char *end = target.p + target.n;

    while (at != NULL && at < end) {
        const char *name = at + 1, *next = memchr(name, '&', (size_t)(end - name));
        const char *stop = next != NULL ? next : end;
        const char *equals = memchr(name, '=', (size_t)(stop - name));

        if (equals != NULL && equals + 1 < stop &&
            is_one_of(secret_parameters, ARRAY_LEN(secret_parameters),
                      (struct str){name, (size_t)(equals - name)}))
            return true;
        at = next;
    }
    return false;
}

static bool is_secret_field(const struct vault *v, struct str name)
{
    if (is_one_of(secret_headers, ARRAY_LEN(secret_headers), name))
        return true;
    for (size_t i = 0; v != NULL && i < v->n; i++)
        if (str_eq(v->secret[i].header, name))
            return true;
    return false;
}

/* True: there is nothing more to look for. */
static bool scan_field(const struct vault *v, const struct creds_place *to,
                       const struct http_field *f, struct creds_finding *out)
{
    const struct secret *s = v != NULL ? placeholder_in_value(v, f->value) : NULL;

    if (v != NULL && s == NULL && placeholder_in(v, f->name) != NULL) {
        misplaced(out, placeholder_in(v, f->name), "the name of a header");
        return true;
    }
    if (s == NULL) {
        if (f->value.n > 0 && is_secret_field(v, f->name))
            out->name = CREDS_FOREIGN;
        return false;
    }
    if (!str_eq(s->header, f->name) || !belongs(s, to)) {
        misplaced(out, s, str_eq(s->header, f->name) ? "another host or path" : "another header");
        return true;
    }
    if (out->name[0] == '\0')
        out->name = s->name.p;
    return false;
}

/* A credential that is to be the only one at its hosts. */
static void check_only(const struct vault *v, const struct creds_place *to,
                       struct creds_finding *out)
{
    if (strcmp(out->name, CREDS_FOREIGN) != 0)
        return;
    for (size_t i = 0; i < v->n; i++) {
        if (!v->secret[i].only || !has_host(&v->secret[i], to->host))
            continue;
        snprintf(out->text, sizeof(out->text),
                 "no other credential than %.64s may go to this host (belay.yaml, only)",
                 v->secret[i].name.p);
        out->refused = out->text;
        return;
    }
}

void creds_scan_head(const struct creds *c, const struct creds_place *to,
                     const struct http_head *head, struct creds_finding *out)
{
    const struct vault *v = c != NULL ? c->vault : NULL;
    const struct secret *s = v != NULL ? placeholder_in(v, head->target) : NULL;

    *out = (struct creds_finding){.name = ""};
    if (s != NULL) {
        misplaced(out, s, "the URL");
        return;
    }
    if (v != NULL && (s = placeholder_in(v, head->authority)) != NULL) {
        misplaced(out, s, "the name of the host");
        return;
    }
    for (size_t i = 0; i < head->nfields; i++)
        if (scan_field(v, to, &head->fields[i], out))
            return;
    if (query_is_secret(head->target))
        out->name = CREDS_FOREIGN;
    if (v != NULL)
        check_only(v, to, out);
}

/* ---- the body ------------------------------------------------------------------------------ */

/* Only a core with its number: what is cut off here is whole with the next piece. */
static const struct secret *whole_in(const struct vault *v, const char *p, size_t n)
{
    const char *at = n >= VAULT_CORE + 2 ? memmem(p, n - 2, v->core.p, v->core.n) : NULL;

    return at != NULL ? secret_at(v, at, p + n) : NULL;
}

const char *creds_scan_body(const struct creds *c, struct creds_body_state *s, const void *p,
                            size_t n)
{
    const size_t keep = VAULT_CORE + 1; /* a core and a number that are not whole yet */
    const struct secret *found = NULL;
    char seam[2 * (VAULT_CORE + 1)];

    if (c == NULL || n == 0)
        return NULL;
    size_t first = n < keep ? n : keep;
    memcpy(seam, s->tail, s->n);
    memcpy(seam + s->n, p, first);
    if (s->n > 0)
        found = whole_in(c->vault, seam, s->n + first);
    if (found == NULL)
        found = whole_in(c->vault, p, n);
    if (n >= keep) {
        memcpy(s->tail, (const char *)p + n - keep, keep);
        s->n = keep;
    } else {
        size_t all = s->n + n, over = all > keep ? all - keep : 0;

        memcpy(s->tail, seam + over, all - over);
        s->n = all - over;
    }
    return found != NULL ? found->name.p : NULL;
}

enum creds_body_fate creds_body(const struct creds *c, const char *name,
                                const struct creds_place *to, bool is_inference)
{
    for (size_t i = 0; c != NULL && i < c->vault->n; i++)
        if (strcmp(c->vault->secret[i].name.p, name) == 0 && belongs(&c->vault->secret[i], to))
            return CREDS_BODY_PASS;
    return is_inference ? CREDS_BODY_ALERT : CREDS_BODY_REFUSE;
}

/* ---- values in ----------------------------------------------------------------------------- */

/* Length of `in` with every placeholder of s replaced; written to out unless that is NULL. */
static size_t replace(const struct secret *s, struct str in, char *out)
{
    size_t n = 0;

    while (in.n > 0) {
        const char *at = memmem(in.p, in.n, s->placeholder.p, s->placeholder.n);
        size_t plain = at != NULL ? (size_t)(at - in.p) : in.n;

        if (out != NULL)
            memcpy(out + n, in.p, plain);
        n += plain;
        if (at == NULL)
            break;
        if (out != NULL)
            memcpy(out + n, s->value.p, s->value.n);
        n += s->value.n;
        in = (struct str){at + s->placeholder.n, in.n - plain - s->placeholder.n};
    }
    return n;
}

/* The same for a header's value, which may be "Basic BASE64". */
static size_t replace_value(const struct secret *s, struct str in, char *out)
{
    char plain[CREDS_BASIC_MAX], swapped[CREDS_BASIC_MAX + 2 * VAULT_VALUE_MAX];
    struct str user;
    size_t n;

    if (!creds_basic_decode(in, plain, &user))
        return replace(s, in, out);
    n = replace(s, user, NULL);
    if (n > sizeof(swapped))
        return replace(s, in, out);
    (void)replace(s, user, swapped);
    n = creds_basic_encode((struct str){swapped, n}, out);
    explicit_bzero(swapped, sizeof(swapped));
    return n;
}

static size_t format_value(const struct secret *s, char *out)
{
    const char *mark = memmem(s->format.p, s->format.n, "%s", 2);
    size_t before = (size_t)(mark - s->format.p), after = s->format.n - before - 2;

    if (out != NULL) {
        memcpy(out, s->format.p, before);
        memcpy(out + before, s->value.p, s->value.n);
        memcpy(out + before + s->value.n, mark + 2, after);
    }
    return before + s->value.n + after;
}

/* What becomes of one field; measured first, then written. */
struct swap {
    const struct vault *v;
    const struct creds_place *to;
    const struct secret *inject; /* NULL: none */
};

static const struct secret *swaps(const struct swap *x, const struct http_field *f)
{
    const struct secret *s = placeholder_in_value(x->v, f->value);

    return s != NULL && str_eq(s->header, f->name) && belongs(s, x->to) ? s : NULL;
}

static size_t swap_field(const struct swap *x, const struct http_field *f, char *out)
{
    const struct secret *s = swaps(x, f);

    if (s != NULL)
        return replace_value(s, f->value, out);
    if (x->inject != NULL && str_eq(x->inject->header, f->name))
        return format_value(x->inject, out);
    return 0;
}

static bool has_header(const struct http_head *h, struct str name)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (str_eq(h->fields[i].name, name))
            return true;
    return false;
}

static const struct secret *find(const struct creds *c, struct str name)
{
    for (size_t i = 0; c != NULL && i < c->vault->n; i++)
        if (str_eq(c->vault->secret[i].name, name))
            return &c->vault->secret[i];
    return NULL;
}

static void fill(const struct swap *x, const struct http_head *in, struct creds_head *out)
{
    size_t at = 0;

    for (size_t i = 0; i < in->nfields; i++) {
        size_t n = swap_field(x, &in->fields[i], out->bytes + at);

        out->fields[i] = in->fields[i];
        if (n > 0)
            out->fields[i].value = (struct str){out->bytes + at, n};
        at += n;
    }
    if (x->inject != NULL && !has_header(in, x->inject->header))
        out->fields[out->head.nfields++] = (struct http_field){
            x->inject->header, {out->bytes + at, format_value(x->inject, out->bytes + at)}};
    out->head.fields = out->fields;
}

bool creds_inject(const struct creds *c, const struct creds_place *to, struct str inject,
                  const struct http_head *in, struct creds_head *out, const char **why)
{
    struct swap x = {.v = c != NULL ? c->vault : NULL, .to = to};
    size_t size = 0;

    *out = (struct creds_head){.head = *in};
    *why = "";
    if (inject.n > 0) {
        x.inject = find(c, inject);
        *why = x.inject == NULL ? "the rule puts in a credential that belay.yaml does not name"
                                : "the rule puts in a credential that may not go there";
        if (x.inject == NULL || !belongs(x.inject, to))
            return false;
    }
    if (x.v == NULL)
        return true;
    for (size_t i = 0; i < in->nfields; i++)
        size += swap_field(&x, &in->fields[i], NULL);
    if (x.inject != NULL && !has_header(in, x.inject->header))
        size += format_value(x.inject, NULL);
    if (size == 0)
        return true;
    out->size = size;
    out->bytes = xcalloc(size, 1);
    out->fields = xcalloc(in->nfields + 1, sizeof(*out->fields));
    fill(&x, in, out);
    return true;
}

void creds_head_wipe(struct creds_head *h)
{
    if (h->bytes != NULL)
        explicit_bzero(h->bytes, h->size);
    free(h->bytes);
    free(h->fields);
    *h = (struct creds_head){0};
}
