/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/plan.h"

#include "policy/region.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PORTS_MAX 64

/* What the jail makes anew for each session; never the host's, whatever a policy says. */
static const char *const own_places[] = {"/tmp", "/dev", "/proc", "/run"};

/* A place where what the policy says may change. */
struct place {
    const char *path;
    bool exact;  /* a File is compared with: the path itself differs from what is below */
    bool socket; /* a Socket of this path is named */
    bool exists, directory, fresh;
    bool named; /* by a permit, or the workspace: not only looked at because it is there */
};

struct planning {
    bool in_permit; /* whose literals are being taken */
    const struct policy *p;
    const struct session *s;
    const struct plan_host *host;
    struct plan *plan;
    struct surveyor *v;
    struct place *places;
    size_t nplaces, size;
    size_t unit;
    struct err *e;
    bool too_many_ports;
};

static const enum verb changes[] = {VERB_WRITE, VERB_CREATE, VERB_DELETE};

/* ---- the host ----------------------------------------------------------------------- */

static bool host_exists(void *ctx, const char *path, bool *directory)
{
    struct stat st;

    (void)ctx;
    if (lstat(path, &st) != 0 || S_ISLNK(st.st_mode))
        return false;
    *directory = S_ISDIR(st.st_mode);
    return true;
}

bool plan_host_probe(struct plan_host *h, struct arena *a, struct err *e)
{
    const char **tops = arena_alloc(a, 256 * sizeof(*tops));
    DIR *root = opendir("/");
    struct dirent *entry;

    if (root == NULL)
        return err_sys(e, EX_HOST, "/: cannot be listed");
    *h = (struct plan_host){.tops = tops, .exists = host_exists};
    while (h->ntops < 256 && (entry = readdir(root)) != NULL)
        if (entry->d_name[0] != '.')
            tops[h->ntops++] = arena_printf(a, "/%s", entry->d_name);
    closedir(root);
    return true;
}

/* ---- places ------------------------------------------------------------------------- */

static bool is_own_place(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(own_places); i++)
        if (strcmp(path, own_places[i]) == 0)
            return true;
    return false;
}

static struct place *add_place(struct planning *x, struct str path)
{
    struct place *place;

    if (path.n <= 1)
        return NULL;
    if (x->nplaces == x->size) {
        x->size = x->size * 2 + 64;
        x->places = xrealloc(x->places, x->size, sizeof(*x->places));
    }
    place = &x->places[x->nplaces++];
    *place = (struct place){.path = arena_strndup(&x->plan->arena, path.p, path.n)};
    place->fresh = is_own_place(place->path);
    place->exists = place->fresh || x->host->exists(x->host->ctx, place->path, &place->directory);
    place->directory |= place->fresh;
    return place;
}

/* Where a named path leads: the place of a link is that of its target. */
static struct str target_of(const struct policy *p, struct str named)
{
    for (size_t i = 0; i < p->naliases; i++)
        if (str_eq(p->aliases[i].named, named))
            return p->aliases[i].target;
    return named;
}

/* The folder in which the constant start of a pattern ends. */
static void take_pattern(struct planning *x, struct str pattern)
{
    struct str start = pattern_start(pattern);
    const char *slash = start.n > 0 ? memrchr(start.p, '/', start.n) : NULL;

    if (slash != NULL && path_is_canonical((struct str){start.p, (size_t)(slash - start.p)}))
        add_place(x, (struct str){start.p, (size_t)(slash - start.p)});
}

static void take_literal(void *ctx, const struct cedar_literal *lit)
{
    struct planning *x = ctx;
    const struct policy *p = x->p;
    cedar_name type;

    if (lit->kind == CEDAR_LIT_PATTERN)
        take_pattern(x, str_from(lit->pattern));
    if (lit->kind != CEDAR_LIT_ENTITY)
        return;
    type = lit->value.uid->type;
    if (type != p->word[WORD_DIR] && type != p->word[WORD_FILE] && type != p->word[WORD_SOCKET])
        return;
    struct str path = str_from(lit->value.uid->id);
    struct place *place = path.p[0] == '/' ? add_place(x, target_of(p, path)) : NULL;
    if (place != NULL) {
        place->named = x->in_permit;
        place->exact = type != p->word[WORD_DIR];
        place->socket = type == p->word[WORD_SOCKET];
    }
}

static int by_path(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static void merge(struct place *place, const struct place *other)
{
    place->named |= other->named;
    place->exact |= other->exact;
    place->socket |= other->socket;
}

static void find_places(struct planning *x)
{
    size_t kept = 0;

    for (size_t i = 0; i < ARRAY_LEN(own_places); i++)
        add_place(x, str_of(own_places[i]));
    for (size_t i = 0; i < x->host->ntops; i++)
        add_place(x, str_of(x->host->tops[i]));
    add_place(x, x->s->home);
    struct place *workspace = add_place(x, x->s->workspace);
    if (workspace != NULL)
        workspace->named = true;
    add_place(x, x->p->repository);
    for (size_t i = 0; i < x->p->nrules; i++) {
        const struct rule *r = &x->p->rules[i];

        x->in_permit = !r->forbid;
        cedar_policy_literals(x->p->units[r->unit].policies, r->index, take_literal, x);
    }
    qsort(x->places, x->nplaces, sizeof(*x->places), by_path);
    for (size_t i = 0; i < x->nplaces; i++) {
        if (kept > 0 && strcmp(x->places[kept - 1].path, x->places[i].path) == 0)
            merge(&x->places[kept - 1], &x->places[i]);
        else
            x->places[kept++] = x->places[i];
    }
    x->nplaces = kept;
}

/* ---- mounts ------------------------------------------------------------------------- */

/* A path in the place that no rule names: below it, or it itself. */
static struct str sample_of(const struct place *place, char *buf, size_t size, bool itself)
{
    int n = snprintf(buf, size, itself ? "%s" : "%s/.belay-sample", place->path);

    assert(n > 0);
    return (struct str){buf, (size_t)n < size ? (size_t)n : size - 1};
}

struct saying {
    enum said read;
    bool changes_never;  /* write, create and delete all SAID_NO */
    bool changes_always; /* all SAID_YES */
    bool connects_always;
};

static struct saying ask(struct planning *x, const struct place *place, bool itself)
{
    char buf[ACTION_RESOURCE_MAX + 32];
    struct str sample = sample_of(place, buf, sizeof(buf), itself);
    struct saying y = {.read = surveyor_says(x->v, VERB_READ, RESOURCE_FILE, sample),
                       .changes_never = true,
                       .changes_always = true};

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        enum said said = surveyor_says(x->v, changes[i], RESOURCE_FILE, sample);

        y.changes_never &= said == SAID_NO;
        y.changes_always &= said == SAID_YES;
    }
    y.connects_always = surveyor_says(x->v, VERB_CONNECT, RESOURCE_SOCKET, sample) == SAID_YES;
    return y;
}

static const struct plan_mount *covering(const struct plan *plan, const char *path)
{
    struct str at = str_of(path);

    for (size_t i = plan->nmounts; i > 0; i--)
        if (path_below(at, str_of(plan->mounts[i - 1].path)))
            return &plan->mounts[i - 1];
    return NULL;
}

enum plan_access plan_access_of(const struct plan *plan, const char *path)
{
    const struct plan_mount *m = covering(plan, path);

    return m != NULL ? m->access : PLAN_HIDE;
}

/* Mounts are added in order of path, so the last that covers a path is the nearest: only if
 * no sibling stands between, which `covering` looks past. */
static void add_mount(struct planning *x, const struct place *place, enum plan_access access)
{
    const struct plan_mount *m = covering(x->plan, place->path);
    bool in_fresh = m != NULL && m->fresh; /* what is of the host in it must be said */
    enum plan_access there = m == NULL || in_fresh ? PLAN_HIDE : m->access;

    if (!place->exists || (!place->fresh && access == there) ||
        (in_fresh && !place->fresh && !place->named))
        return;
    x->plan->mounts[x->plan->nmounts++] = (struct plan_mount){.path = place->path,
                                                              .access = access,
                                                              .fresh = place->fresh,
                                                              .directory = place->directory};
}

/* What may be changed but not read is not shown: no mount can say that. Such changes reach what
 * the jail has in its place. */
static enum plan_access access_for(const struct saying *y)
{
    if (y->read == SAID_NO)
        return PLAN_HIDE;
    return y->changes_never ? PLAN_READ : PLAN_WRITE;
}

/* A socket that may be spoken to must be there, though nothing else of its folder is. */
static bool is_wanted_socket(struct planning *x, const struct place *place)
{
    return place->socket && place->exists && !place->directory &&
           surveyor_decides(x->v, VERB_CONNECT, RESOURCE_SOCKET, str_of(place->path), -1) <=
               OUTCOME_ASK;
}

static void set_traps(struct planning *x, const struct place *place, const struct saying *y)
{
    const struct plan_mount *m = covering(x->plan, place->path);

    if (m->access == PLAN_WRITE && !y->changes_always)
        x->plan->traps |= PLAN_TRAP_WRITE;
    if (!y->connects_always)
        x->plan->traps |= PLAN_TRAP_CONNECT;
    if (m->fresh || y->read == SAID_YES)
        return;
    if (y->read == SAID_NO && !place->exists)
        x->plan->late[x->plan->nlate++] = place->path;
    else
        x->plan->traps |= PLAN_TRAP_READ;
}

/* Is the place hidden anyway, by what covers it? Then nothing is to be asked. */
static bool is_hidden(const struct plan *plan, const struct place *place)
{
    return plan_access_of(plan, place->path) == PLAN_HIDE;
}

static void find_traps(struct planning *x, const struct place *place, const struct saying *known)
{
    struct saying y;

    if (is_hidden(x->plan, place))
        return;
    y = place->exists ? *known : ask(x, place, false);
    set_traps(x, place, &y);
    if (place->exact && (place->directory || !place->exists)) {
        y = ask(x, place, true);
        set_traps(x, place, &y);
    }
}

static void lay_mounts(struct planning *x)
{
    AUTO_FREE struct saying *known = xcalloc(x->nplaces + 1, sizeof(*known));

    x->plan->mounts = arena_alloc(&x->plan->arena, (x->nplaces + 1) * sizeof(struct plan_mount));
    x->plan->late = arena_alloc(&x->plan->arena, (2 * x->nplaces + 1) * sizeof(char *));
    for (size_t i = 0; i < x->nplaces; i++) {
        const struct place *place = &x->places[i];
        enum plan_access access;

        if (!place->exists)
            continue;
        known[i] = ask(x, place, !place->directory);
        access = place->fresh ? PLAN_WRITE : access_for(&known[i]);
        if (access == PLAN_HIDE && is_wanted_socket(x, place))
            access = PLAN_READ;
        add_mount(x, place, access);
    }
    for (size_t i = 0; i < x->nplaces; i++)
        find_traps(x, &x->places[i], &known[i]);
}

/* ---- the rest ----------------------------------------------------------------------- */

static void take_port(void *ctx, const struct cedar_literal *lit)
{
    struct planning *x = ctx;
    struct plan *plan = x->plan;

    if (lit->kind != CEDAR_LIT_LONG || lit->value.integer < 1 || lit->value.integer > UINT16_MAX)
        return;
    for (size_t i = 0; i < plan->nports; i++)
        if (plan->ports[i] == lit->value.integer)
            return;
    if (surveyor_decides(x->v, VERB_CONNECT, RESOURCE_HOST, STR("localhost"), lit->value.integer) >
        OUTCOME_ASK)
        return;
    x->too_many_ports |= plan->nports == PORTS_MAX;
    if (plan->nports < PORTS_MAX)
        plan->ports[plan->nports++] = (uint16_t)lit->value.integer;
}

static bool find_ports(struct planning *x)
{
    x->plan->ports = arena_alloc(&x->plan->arena, PORTS_MAX * sizeof(uint16_t));
    for (size_t u = 0; u < x->p->nunits; u++)
        for (size_t i = 0; i < cedar_policies_count(x->p->units[u].policies); i++)
            cedar_policy_literals(x->p->units[u].policies, i, take_port, x);
    if (x->too_many_ports)
        return err_set(x->e, EX_HOST, "the policy permits more than %d loopback ports of the host",
                       PORTS_MAX);
    return true;
}

struct looking {
    cedar_name attr;
    bool found;
};

static void find_attr(void *ctx, const struct cedar_literal *lit)
{
    struct looking *l = ctx;

    l->found |= lit->kind == CEDAR_LIT_ATTR && lit->name == l->attr;
}

/* Does rule i read this of the context? An attribute of that name elsewhere counts too. */
static bool looks_at(const struct policy *p, size_t i, enum field_id field)
{
    const struct rule *r = &p->rules[i];
    struct looking l = {.attr = p->field[field]};

    cedar_policy_literals(p->units[r->unit].policies, r->index, find_attr, &l);
    return l.found;
}

static void find_needs(struct planning *x)
{
    for (size_t i = 0; i < x->p->nrules; i++) {
        const struct rule *r = &x->p->rules[i];
        struct cedar_policy_info info = cedar_policy_info(x->p->units[r->unit].policies, r->index);

        x->plan->undo |= (r->duties & DUTY_UNDO) != 0;
        if (!r->forbid) {
            x->plan->opens |= surveyor_concerns(x->v, i, VERB_REQUEST, RESOURCE_HOST) ||
                              surveyor_concerns(x->v, i, VERB_INFER, RESOURCE_MODEL);
            x->plan->gate |= surveyor_concerns(x->v, i, VERB_CONNECT, RESOURCE_HOST);
        }
        if (!surveyor_concerns(x->v, i, VERB_EXEC, RESOURCE_PROGRAM))
            continue;
        x->plan->verify_env |= looks_at(x->p, i, FIELD_ENV);
        x->plan->measure |=
            looks_at(x->p, i, FIELD_SHA256) || looks_at(x->p, i, FIELD_SCRIPT_SHA256);
        x->plan->verify_exec |=
            info.n_conditions > 0 || r->outcome == OUTCOME_ASK || surveyor_names_resource(x->v, i);
    }
}

static bool is_about_content(struct planning *x, size_t rule)
{
    return surveyor_concerns(x->v, rule, VERB_REQUEST, RESOURCE_HOST) ||
           surveyor_concerns(x->v, rule, VERB_INFER, RESOURCE_MODEL) ||
           surveyor_concerns(x->v, rule, VERB_CALL, RESOURCE_TOOL);
}

static bool may_go_unheld(const struct planning *x, const char *rule)
{
    for (size_t i = 0; i < x->host->nmay_go_unheld; i++)
        if (strcmp(x->host->may_go_unheld[i], rule) == 0)
            return true;
    return false;
}

/* A rule that nothing here can hold. True: belay.yaml says by its name that it may go unheld. */
static bool refuse(struct planning *x, size_t rule, const char *why)
{
    const struct rule *r = &x->p->rules[rule];
    struct cedar_policy_info info = cedar_policy_info(x->p->units[r->unit].policies, r->index);

    if (may_go_unheld(x, r->id)) {
        x->plan->unheld[x->plan->nunheld++] =
            (struct plan_unheld){r->id, arena_printf(&x->plan->arena, "%s", why)};
        return true;
    }
    policy_error_at(x->p, r->unit, info.scope, x->e, "rule %s cannot be enforced: %s", r->id, why);
    x->e->code = EX_HOST;
    return false;
}

static bool check_gap(struct planning *x, size_t rule)
{
    struct str host = gap_of(x->v, x->p, x->s, rule);

    return host.n == 0 ||
           refuse(x, rule,
                  arena_printf(&x->plan->arena,
                               "connections to %.*s pass unread; permit `request` there instead of "
                               "`connect`",
                               (int)host.n, host.p));
}

/* A forbid that nothing here can hold is an error; a permit of that kind just never helps. */
static bool check_rules(struct planning *x)
{
    for (size_t i = 0; i < x->p->nrules; i++)
        if (x->p->rules[i].forbid && where_of(x->v, x->plan, i) == 0 &&
            !refuse(x, i,
                    is_about_content(x, i)
                        ? "no permit is about requests or inference, so belay looks into no "
                          "connection; permit requests to the hosts that it is about"
                        : "no part of belay judges this action"))
            return false;
    for (size_t i = 0; i < x->p->nrules; i++)
        if (!check_gap(x, i))
            return false;
    return true;
}

/* May the agent put something else where a link of a permit stands? Then the link decides
 * nothing that is safe. Mount points cannot be moved. */
static bool link_is_safe(struct planning *x, const struct alias *a)
{
    AUTO_FREE char *at = xcalloc(a->site.n + 1, 1);
    bool first = true;

    memcpy(at, a->site.p, a->site.n);
    for (char *slash = at + a->site.n; slash != NULL && slash != at; slash = strrchr(at, '/')) {
        *slash = '\0';
        const struct plan_mount *m = covering(x->plan, at);
        bool is_mount = m != NULL && strcmp(m->path, at) == 0;

        if (!(is_mount && !first) && m != NULL && !m->fresh && m->access == PLAN_WRITE &&
            (surveyor_decides(x->v, VERB_DELETE, RESOURCE_FILE, str_of(at), -1) <= OUTCOME_ASK ||
             surveyor_decides(x->v, VERB_WRITE, RESOURCE_FILE, str_of(at), -1) <= OUTCOME_ASK))
            return false;
        first = false;
    }
    return true;
}

struct naming {
    struct str name;
    bool found;
};

static void find_name(void *ctx, const struct cedar_literal *lit)
{
    struct naming *n = ctx;

    n->found |= lit->kind == CEDAR_LIT_ENTITY && str_eq(str_from(lit->value.uid->id), n->name);
}

static bool check_links(struct planning *x)
{
    for (size_t a = 0; a < x->p->naliases; a++) {
        if (link_is_safe(x, &x->p->aliases[a]))
            continue;
        for (size_t i = 0; i < x->p->nrules; i++) {
            const struct rule *r = &x->p->rules[i];
            struct naming n = {.name = x->p->aliases[a].named};

            if (r->forbid)
                continue;
            cedar_policy_literals(x->p->units[r->unit].policies, r->index, find_name, &n);
            if (n.found &&
                !refuse(x, i,
                        arena_printf(&x->plan->arena,
                                     "it names %.*s, a symbolic link that the agent can change; "
                                     "name what it leads to",
                                     (int)n.name.n, n.name.p)))
                return false;
        }
    }
    return true;
}

bool policy_plan(const struct policy *p, const struct session *s, const struct plan_host *host,
                 struct plan *plan, struct err *e)
{
    struct planning x = {.p = p, .s = s, .host = host, .plan = plan, .e = e};
    bool good;

    memset(plan, 0, sizeof(*plan));
    plan->unheld =
        arena_alloc(&plan->arena, (p->nrules * (1 + p->naliases) + 1) * sizeof(*plan->unheld));
    x.v = surveyor_new(p, s);
    find_places(&x);
    lay_mounts(&x);
    find_needs(&x);
    plan->gate |= plan->opens;
    good = find_ports(&x) && check_rules(&x) && check_links(&x);
    surveyor_free(x.v);
    free(x.places);
    if (!good)
        plan_release(plan);
    return good;
}

void plan_release(struct plan *plan)
{
    arena_release(&plan->arena);
    memset(plan, 0, sizeof(*plan));
}
