/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.c - what the names in a policy lead to on this host. The one file that looks. */
#include "policy/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40

/* A path being walked: `done` is canonical, `rest` still to go, from its next slash. */
struct walk {
    char done[PATH_MAX], rest[PATH_MAX], site[PATH_MAX];
    unsigned links;
};

static void step_up(struct walk *w)
{
    char *slash = strrchr(w->done, '/');

    if (slash != NULL)
        *slash = '\0';
}

/* Puts the target of the link at `done` before the rest. False: it cannot be followed. */
static bool follow(struct walk *w)
{
    char target[PATH_MAX];
    ssize_t n = readlink(w->done, target, sizeof(target) - 1);
    size_t rest = strlen(w->rest);

    if (n <= 0 || (size_t)n + rest + 2 > sizeof(w->rest) || ++w->links > LINKS_MAX)
        return false;
    if (w->links == 1)
        memcpy(w->site, w->done, sizeof(w->site));
    memmove(w->rest + n + 1, w->rest, rest + 1);
    w->rest[0] = '/';
    memcpy(w->rest + 1, target, (size_t)n);
    if (target[0] == '/')
        w->done[0] = '\0';
    else
        step_up(w);
    return true;
}

/* Takes the next component from the rest. False: there is none. */
static bool next_part(struct walk *w, char *part, size_t size)
{
    size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");

    if (n == 0 || n >= size)
        return false;
    memcpy(part, w->rest + skip, n);
    part[n] = '\0';
    memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
    return true;
}

static bool append(struct walk *w, const char *part)
{
    size_t n = strlen(w->done), length = strlen(part);

    if (n + length + 2 > sizeof(w->done))
        return false;
    w->done[n] = '/';
    memcpy(w->done + n + 1, part, length + 1);
    return true;
}

/*
 * Follows `path` through all links. What does not exist, or cannot be seen, is kept as it is.
 * False: more links than a path may have; then it leads nowhere.
 */
static bool walk_path(struct walk *w, struct str path)
{
    char part[NAME_MAX + 1];
    struct stat st;

    if (path.n >= sizeof(w->rest))
        return false;
    memset(w, 0, sizeof(*w));
    memcpy(w->rest, path.p, path.n);
    while (next_part(w, part, sizeof(part))) {
        if (strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0) {
            step_up(w);
            continue;
        }
        if (!append(w, part))
            return false;
        if (lstat(w->done, &st) == 0 && S_ISLNK(st.st_mode) && !follow(w))
            return false;
    }
    if (w->done[0] == '\0')
        strcpy(w->done, "/");
    return true;
}

struct resolving {
    struct policy *p;
    size_t unit;
    struct err *e;
    bool bad;
    struct walk walk;
};

static struct str keep(struct policy *p, const char *s)
{
    return (struct str){arena_strndup(&p->arena, s, strlen(s)), strlen(s)};
}

static void add_alias(struct resolving *r, const struct cedar_literal *x, struct str named)
{
    struct policy *p = r->p;

    r->bad = true;
    if (literal_is_compared(p, r->unit, x->span)) {
        policy_error_at(p, r->unit, x->span, r->e,
                        "%.*s leads through a symbolic link to %s: name that, or write "
                        "resource in Dir::\"...\", which holds for both",
                        (int)named.n, named.p, r->walk.done);
        return;
    }
    if (p->naliases == ALIASES_MAX) {
        policy_error_at(p, r->unit, x->span, r->e,
                        "more than %d named paths are symbolic links here", ALIASES_MAX);
        return;
    }
    r->bad = false;
    p->aliases[p->naliases++] =
        (struct alias){.named = {arena_strndup(&p->arena, named.p, named.n), named.n},
                       .target = keep(p, r->walk.done),
                       .site = keep(p, r->walk.site)};
}

static void resolve_literal(void *ctx, const struct cedar_literal *x)
{
    struct resolving *r = ctx;
    struct policy *p = r->p;
    struct str named;

    if (r->bad || x->kind != CEDAR_LIT_ENTITY || !word_is_path(p, x->value.uid->type))
        return;
    named = str_from(x->value.uid->id);
    if (named.p[0] != '/')
        return;
    for (size_t i = 0; i < p->naliases; i++)
        if (str_eq(p->aliases[i].named, named))
            return;
    if (!walk_path(&r->walk, named) || str_is(named, r->walk.done))
        return;
    add_alias(r, x, named);
}

/* A .git that is a link or a file leads elsewhere, and is the agent's to change. */
static void find_repository(struct policy *p, struct str workspace)
{
    const char *git = arena_printf(&p->arena, "%.*s/.git", (int)workspace.n, workspace.p);
    struct stat st;

    if (lstat(git, &st) == 0 && S_ISDIR(st.st_mode))
        p->repository = str_of(git);
}

bool policy_resolve(struct policy *p, const struct session *session, struct err *e)
{
    AUTO_FREE struct resolving *r = xcalloc(1, sizeof(*r));

    r->p = p;
    r->e = e;
    p->naliases = 0;
    p->repository = (struct str){NULL, 0};
    for (; r->unit < p->nunits && !r->bad; r->unit++) {
        struct cedar_policies *set = p->units[r->unit].policies;

        for (size_t i = 0; i < cedar_policies_count(set) && !r->bad; i++)
            cedar_policy_literals(set, i, resolve_literal, r);
    }
    find_repository(p, session->workspace);
    return !r->bad;
}
