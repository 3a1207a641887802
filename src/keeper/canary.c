/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/canary.h"

#include "base/text.h"

#include <string.h>
#include <sys/random.h>

#define TEXT_MAX    4096u
#define TOKEN_LEAST 20u /* what is shorter leaves no mark, see detect.h */

struct kind {
    const char *name;
    unsigned mode;
    const char *text;
};

static const struct kind kinds[] = {
#define CANARY(name, mode, text) {name, mode, text},
#include "keeper/canary.def"
#undef CANARY
};

static const char *letters_of(char set)
{
    switch (set) {
    case 'u':
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    case 'b':
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    default:
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    }
}

/* Without a preference: bytes that would favour some letters are drawn anew. */
static bool draw(const char *letters, char *to, size_t n)
{
    unsigned many = (unsigned)strlen(letters), limit = 256 - 256 % many;

    for (size_t i = 0; i < n;) {
        unsigned char byte;

        if (getrandom(&byte, 1, 0) != 1)
            return false;
        if (byte < limit)
            to[i++] = letters[byte % many];
    }
    to[n] = '\0';
    return true;
}

/* <aN> at *text: a value into out, and among the tokens. */
static bool expand(struct canaries *c, const char **text, struct buf *out, struct arena *a)
{
    const char *at = *text + 1;
    size_t n = 0;
    char set = *at++;

    for (; *at >= '0' && *at <= '9'; at++)
        n = n * 10 + (size_t)(*at - '0');
    *text = at + 1; /* behind the '>' */
    char *value = arena_alloc(a, n + 1);
    if (!draw(letters_of(set), value, n))
        return false;
    buf_add(out, value, n);
    if (n >= TOKEN_LEAST && c->ntokens < CANARY_TOKENS_MAX)
        c->token[c->ntokens++] = value;
    return true;
}

static bool fill(struct canaries *c, const struct kind *kind, struct jail_file *file,
                 struct arena *a)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, TEXT_MAX);
    for (const char *p = kind->text; *p != '\0';) {
        if (*p != '<')
            buf_add(&out, p++, 1);
        else if (!expand(c, &p, &out, a))
            return false;
    }
    file->bytes = arena_strndup(a, out.p, out.n);
    file->n = out.n;
    file->mode = kind->mode;
    return !out.full;
}

static const struct kind *find_kind(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static const char *place_of(const char *path, const char *home, const char *workspace,
                            struct arena *a)
{
    if (strncmp(path, "~/", 2) == 0)
        return arena_printf(a, "%s/%s", home, path + 2);
    if (strncmp(path, "./", 2) == 0)
        return arena_printf(a, "%s/%s", workspace, path + 2);
    return path[0] == '/' ? path : NULL;
}

static bool make(struct canaries *c, const char *item, const char *home, const char *workspace,
                 struct arena *a, struct err *e)
{
    size_t n = strcspn(item, ":");
    const struct kind *kind = find_kind((struct str){item, n});
    const char *path = item[n] == ':' ? place_of(item + n + 1, home, workspace, a) : NULL;

    if (kind == NULL || path == NULL)
        return err_set(e, EX_POLICY,
                       "canaries: \"%s\" is no KIND:PATH; kinds are ssh-key, aws, env, npmrc, "
                       "netrc, git-credentials, pypirc, docker, text; a path begins with /, ~/ "
                       "or ./",
                       item);
    c->file[c->n].path = c->path[c->n] = path;
    if (!fill(c, kind, &c->file[c->n], a))
        return err_sys(e, EX_FAIL, "canaries: random values");
    c->n++;
    return true;
}

bool canaries_make(struct canaries *c, const struct settings *s, const char *home,
                   const char *workspace, struct arena *a, struct err *e)
{
    *c = (struct canaries){0};
    if (s->canaries.n > CANARIES_MAX)
        return err_set(e, EX_POLICY, "canaries: more than %d", CANARIES_MAX);
    for (size_t i = 0; i < s->canaries.n; i++)
        if (!make(c, s->canaries.item[i], home, workspace, a, e))
            return false;
    return true;
}
