/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/vault.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 of them */

/* What a value may begin with and everybody knows: kept, so that clients that look at it are
 * content. */
static const char *const prefixes[] = {
    "sk-ant-api03-", "sk-ant-oat01-", "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-or-v1-", "sk_live_",
    "sk_test_",      "rk_live_",      "sk-",     "ghp_",     "gho_",        "ghu_",      "ghs_",
    "github_pat_",   "glpat-",        "xoxb-",   "xoxp-",    "AIza",        "hf_",       "npm_",
    "pypi-",         "gsk_",          "xai-",    "r8_",      "dop_v1_",     "sq0atp-"};

static bool random_letters(char *out, size_t n)
{
    unsigned char r[256];

    if (n > sizeof(r) || getrandom(r, n, 0) != (ssize_t)n)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = letters[r[i] % 32];
    return true;
}

/* Pages that no core dump, no child and, where that is allowed, no swap has. */
static char *secret_pages(size_t n, struct err *e)
{
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        err_sys(e, EX_ROLE, "memory for credentials");
        return NULL;
    }
    (void)mlock(p, n); /* a limit of the user's may forbid it */
    if (madvise(p, n, MADV_DONTDUMP) == 0 && madvise(p, n, MADV_WIPEONFORK) == 0)
        return p;
    err_sys(e, EX_ROLE, "memory for credentials");
    (void)munmap(p, n);
    return NULL;
}

static struct vault *empty(struct err *e)
{
    struct vault *v = xcalloc(1, sizeof(*v));

    v->pages = secret_pages(VAULT_SIZE, e);
    if (v->pages != NULL)
        return v;
    free(v);
    return NULL;
}

struct vault *vault_new(struct err *e)
{
    struct vault *v = empty(e);

    if (v == NULL)
        return NULL;
    memcpy(v->pages, "belay", 5);
    if (!random_letters(v->pages + 5, VAULT_CORE - 5)) {
        err_sys(e, EX_ROLE, "random numbers");
        vault_free(v);
        return NULL;
    }
    v->core = (struct str){v->pages, VAULT_CORE};
    v->used = VAULT_CORE;
    return v;
}

void vault_free(struct vault *v)
{
    if (v == NULL)
        return;
    explicit_bzero(v->pages, VAULT_SIZE);
    (void)munmap(v->pages, VAULT_SIZE);
    free(v);
}

/* ---- filling ------------------------------------------------------------------------ */

static bool keep(struct vault *v, struct str *s)
{
    if (s->n > VAULT_SIZE - v->used)
        return false;
    if (s->n > 0)
        memcpy(v->pages + v->used, s->p, s->n);
    s->p = v->pages + v->used;
    v->used += s->n;
    if (v->used == VAULT_SIZE)
        return false;
    v->pages[v->used++] = '\0';
    return true;
}

static bool value_is_good(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] <= ' ' || value.p[i] >= 0x7f)
            return false;
    return value.n > 0 && value.n <= VAULT_VALUE_MAX;
}

static const char *known_prefix(struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(value, prefixes[i]) && value.n > strlen(prefixes[i]) + 8)
            return prefixes[i];
    return "";
}

/* PREFIX CORE NUMBER, and random letters up to the length of the value. */
static bool make_placeholder(struct vault *v, struct secret *s)
{
    char text[VAULT_PLACEHOLDER_MAX];
    size_t want = s->value.n < sizeof(text) ? s->value.n : sizeof(text) - 1;
    int n = snprintf(text, sizeof(text), "%s%.*s%c%c", known_prefix(s->value), (int)v->core.n,
                     v->core.p, letters[v->n / 32], letters[v->n % 32]);
    size_t used = (size_t)n;

    if (used < want && !random_letters(text + used, want - used < 256 ? want - used : 256))
        return false;
    if (used < want)
        used += want - used < 256 ? want - used : 256;
    s->placeholder = (struct str){text, used};
    return keep(v, &s->placeholder);
}

static bool keep_places(struct vault *v, struct secret *s)
{
    for (size_t i = 0; i < s->nplaces; i++)
        if (!keep(v, &s->place[i].host) || !keep(v, &s->place[i].path))
            return false;
    return true;
}

bool vault_add(struct vault *v, const struct secret *s, struct err *e)
{
    struct secret *mine = &v->secret[v->n];

    if (v->n == VAULT_SECRETS_MAX)
        return err_set(e, EX_POLICY, "more than %d credentials", VAULT_SECRETS_MAX);
    if (!value_is_good(s->value))
        return err_set(e, EX_POLICY,
                       "the value of credential %.*s is empty, longer than %d bytes, or holds "
                       "blanks or other bytes that no header can",
                       (int)s->name.n, s->name.p, VAULT_VALUE_MAX);
    *mine = *s;
    if (!keep(v, &mine->name) || !keep(v, &mine->value) || !keep(v, &mine->header) ||
        !keep(v, &mine->format) || !keep_places(v, mine))
        return err_set(e, EX_POLICY, "the credentials are too long");
    if (!make_placeholder(v, mine))
        return err_sys(e, EX_ROLE, "random numbers");
    v->n++;
    return true;
}

const char *vault_holds_value(const struct vault *v, struct str text)
{
    for (size_t i = 0; v != NULL && i < v->n; i++)
        if (text.n > 0 &&
            memmem(text.p, text.n, v->secret[i].value.p, v->secret[i].value.n) != NULL)
            return v->secret[i].name.p;
    return NULL;
}

/* ---- the memory file: numbers as text, then the pages as they are ------------------------ */

/* Every string as its place in the pages: nothing points anywhere in the file. */
struct sealed {
    uint32_t used, n;
    struct sealed_secret {
        uint32_t string[5][2]; /* name, value, placeholder, header, format: offset, length */
        uint32_t only, nplaces;
        struct {
            uint32_t host[2], path[2], below, port;
        } place[VAULT_PLACES_MAX];
    } secret[VAULT_SECRETS_MAX];
};

static void seal_str(const struct vault *v, struct str s, uint32_t out[2])
{
    out[0] = (uint32_t)(s.p - v->pages);
    out[1] = (uint32_t)s.n;
}

static void seal_one(const struct vault *v, const struct secret *s, struct sealed_secret *out)
{
    const struct str strings[] = {s->name, s->value, s->placeholder, s->header, s->format};

    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        seal_str(v, strings[i], out->string[i]);
    out->only = s->only;
    out->nplaces = (uint32_t)s->nplaces;
    for (size_t i = 0; i < s->nplaces; i++) {
        seal_str(v, s->place[i].host, out->place[i].host);
        seal_str(v, s->place[i].path, out->place[i].path);
        out->place[i].below = s->place[i].below;
        out->place[i].port = s->place[i].port;
    }
}

int vault_seal(const struct vault *v, struct err *e)
{
    AUTO_FREE struct sealed *x = xcalloc(1, sizeof(*x));
    AUTO_CLOSE int fd = memfd_create("credentials", MFD_CLOEXEC);

    x->used = (uint32_t)v->used;
    x->n = (uint32_t)v->n;
    for (size_t i = 0; i < v->n; i++)
        seal_one(v, &v->secret[i], &x->secret[i]);
    if (fd < 0 || !fd_write_all(fd, x, sizeof(*x)) || !fd_write_all(fd, v->pages, v->used)) {
        err_sys(e, EX_ROLE, "a memory file for credentials");
        return -1;
    }
    return fd_take(&fd);
}

static bool open_str(const struct vault *v, const uint32_t in[2], struct str *s)
{
    if (in[0] >= v->used || in[1] >= v->used - in[0] || v->pages[in[0] + in[1]] != '\0')
        return false;
    *s = (struct str){v->pages + in[0], in[1]};
    return true;
}

static bool open_one(const struct vault *v, const struct sealed_secret *in, struct secret *s)
{
    struct str *const strings[] = {&s->name, &s->value, &s->placeholder, &s->header, &s->format};

    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        if (!open_str(v, in->string[i], strings[i]))
            return false;
    if (in->nplaces > VAULT_PLACES_MAX)
        return false;
    s->only = in->only != 0;
    s->nplaces = in->nplaces;
    for (size_t i = 0; i < s->nplaces; i++) {
        s->place[i].below = in->place[i].below != 0;
        s->place[i].port = (uint16_t)in->place[i].port;
        if (!open_str(v, in->place[i].host, &s->place[i].host) ||
            !open_str(v, in->place[i].path, &s->place[i].path))
            return false;
    }
    return true;
}

static bool open_all(struct vault *v, const struct sealed *x)
{
    if (x->n > VAULT_SECRETS_MAX || x->used < VAULT_CORE || x->used > VAULT_SIZE)
        return false;
    v->used = x->used;
    v->n = x->n;
    v->core = (struct str){v->pages, VAULT_CORE};
    for (size_t i = 0; i < v->n; i++)
        if (!open_one(v, &x->secret[i], &v->secret[i]))
            return false;
    return true;
}

/* All of it, or false. */
static bool read_at(int fd, void *p, size_t n, off_t at)
{
    for (size_t got = 0; got < n;) {
        ssize_t k = pread(fd, (char *)p + got, n - got, at + (off_t)got);

        if (k == 0 || (k < 0 && errno != EINTR))
            return false;
        got += k > 0 ? (size_t)k : 0;
    }
    return true;
}

struct vault *vault_open(int fd, struct err *e)
{
    AUTO_FREE struct sealed *x = xcalloc(1, sizeof(*x));
    struct vault *v = empty(e);

    if (v == NULL)
        return NULL;
    bool good = read_at(fd, x, sizeof(*x), 0) && x->used <= VAULT_SIZE &&
                read_at(fd, v->pages, x->used, sizeof(*x)) && open_all(v, x);
    good = ftruncate(fd, 0) == 0 && good; /* its pages are freed, and cleared by the kernel */
    if (good)
        return v;
    vault_free(v);
    err_set(e, EX_ROLE, "the credentials that came are damaged");
    return NULL;
}
