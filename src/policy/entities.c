/* SPDX-License-Identifier: Apache-2.0 */
/* entities.c - from an action to a Cedar request: who, verb, what with all it lies in. */
#include "policy/internal.h"

#include <string.h>

#define OWNED_MAX 512 /* bytes of "server/tool" or "provider/model" */

bool path_is_canonical(struct str path)
{
    size_t start = 1;

    if (path.n == 0 || path.p[0] != '/' || path.n > ACTION_RESOURCE_MAX)
        return false;
    if (path.n == 1)
        return true;
    for (size_t i = 1; i <= path.n; i++) {
        size_t n = i - start;

        if (i < path.n && path.p[i] == '\0')
            return false;
        if (i < path.n && path.p[i] != '/')
            continue;
        if (n == 0 || (n == 1 && path.p[start] == '.') ||
            (n == 2 && path.p[start] == '.' && path.p[start + 1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

bool path_below(struct str path, struct str dir)
{
    if (dir.n == 1)
        return true;
    return path.n >= dir.n && memcmp(path.p, dir.p, dir.n) == 0 &&
           (path.n == dir.n || path.p[dir.n] == '/');
}

static struct str last_part(struct str path)
{
    const char *slash = memrchr(path.p, '/', path.n);

    if (slash == NULL)
        return path;
    return (struct str){slash + 1, path.n - (size_t)(slash + 1 - path.p)};
}

static bool add_up(struct request *r, struct cedar_entity *x, cedar_name type, struct str id)
{
    if (x->n_parents == ANCESTORS_MAX)
        return false;
    r->up[x->n_parents++] = cedar_uid(type, cedar_of(id));
    return true;
}

/* Every folder from "/" down to the path itself: Dir::"/a" is /a and all below it. */
static bool add_folders(const struct policy *p, struct request *r, struct cedar_entity *x,
                        struct str path)
{
    cedar_name dir = p->word[WORD_DIR];
    size_t depth = 0;

    add_up(r, x, dir, (struct str){"/", 1});
    for (size_t i = 2; i <= path.n; i++) {
        if (i < path.n && path.p[i] != '/')
            continue;
        if (++depth > POLICY_DEPTH_MAX || !add_up(r, x, dir, (struct str){path.p, i}))
            return false;
    }
    for (size_t i = 0; i < p->naliases; i++)
        if (path_below(path, p->aliases[i].target) && !add_up(r, x, dir, p->aliases[i].named))
            return false;
    return true;
}

static bool make_path(const struct policy *p, struct request *r, struct cedar_entity *x,
                      struct str path, const char **reason)
{
    *reason = "its path is not canonical";
    if (!path_is_canonical(path))
        return false;
    *reason = "its path is too deep";
    if (!add_folders(p, r, x, path))
        return false;
    r->attrs[0] = (struct cedar_field){p->word[WORD_PATH], text_value(path)};
    r->attrs[1] = (struct cedar_field){p->field[FIELD_NAME], text_value(last_part(path))};
    x->n_attrs = 2;
    return true;
}

static bool make_socket(const struct policy *p, struct request *r, struct cedar_entity *x,
                        struct str id, const char **reason)
{
    bool abstract = id.p[0] == '@';

    if (abstract) {
        r->attrs[0] = (struct cedar_field){p->word[WORD_PATH], text_value(id)};
        r->attrs[1] = (struct cedar_field){p->field[FIELD_NAME], text_value(id)};
    } else if (!make_path(p, r, x, id, reason)) {
        return false;
    }
    r->attrs[2] = (struct cedar_field){p->word[WORD_ABSTRACT], cedar_bool(abstract)};
    x->n_attrs = 3;
    return true;
}

static void add_nets(const struct policy *p, struct request *r, struct cedar_entity *x,
                     unsigned class)
{
    for (unsigned bit = 1; bit <= NET_RESERVED; bit <<= 1)
        if ((class & bit) != 0)
            add_up(r, x, p->word[WORD_NET], str_of(net_class_id((enum net_class)bit)));
}

/* RFC 6761, 6.3: localhost and all below it are the loopback, whatever a resolver says. */
static bool is_localhost(struct str host)
{
    static const char name[] = ".localhost";
    size_t n = sizeof(name) - 1;

    return str_is(host, name + 1) || (host.n > n && memcmp(host.p + host.n - n, name, n) == 0);
}

static bool add_domains(const struct policy *p, struct request *r, struct cedar_entity *x,
                        struct str host)
{
    for (size_t i = 0; i < host.n; i++)
        if ((i == 0 || host.p[i - 1] == '.') &&
            !add_up(r, x, p->word[WORD_DOMAIN], (struct str){host.p + i, host.n - i}))
            return false;
    if (is_localhost(host))
        add_nets(p, r, x, NET_LOOPBACK);
    return true;
}

/* The loopback is one host, whichever of its addresses is used: localhost. */
static bool make_host(const struct policy *p, struct request *r, struct cedar_entity *x,
                      struct str host, const char **reason)
{
    struct address a;
    bool is_address;

    *reason = "its host name is not canonical";
    if (!host_is_canonical(host, &is_address, &a))
        return false;
    x->n_attrs = 1;
    if (is_address) {
        address_to_cedar(&a, &r->attr_ip);
        r->attrs[1] = (struct cedar_field){p->field[FIELD_ADDRESS], cedar_ipaddr(&r->attr_ip)};
        x->n_attrs = 2;
        if (address_class(&a) == NET_LOOPBACK)
            host = STR("localhost");
        else
            add_nets(p, r, x, address_class(&a));
    }
    x->uid = cedar_uid(p->type[RESOURCE_HOST], cedar_of(host));
    r->attrs[0] = (struct cedar_field){p->field[FIELD_NAME], text_value(host)};
    *reason = "its host name has too many parts";
    return (is_address && !is_localhost(host)) || add_domains(p, r, x, host);
}

/* Names are others' words: printable, bounded, and something on both sides of the slash. */
struct str owner_of(struct str id)
{
    const char *slash = id.n > 0 && id.n <= OWNED_MAX ? memchr(id.p, '/', id.n) : NULL;

    for (size_t i = 0; slash != NULL && i < id.n; i++)
        if ((unsigned char)id.p[i] < ' ' || id.p[i] == 0x7f)
            slash = NULL;
    if (slash == NULL || slash == id.p || slash + 1 == id.p + id.n)
        return (struct str){"", 0};
    return (struct str){id.p, (size_t)(slash - id.p)};
}

static bool make_owned(const struct policy *p, struct request *r, struct cedar_entity *x,
                       struct str id, cedar_name owner, const char **reason)
{
    struct str first = owner_of(id);

    *reason = "its name is not of the form OWNER/NAME";
    if (first.n == 0)
        return false;
    r->attrs[0] = (struct cedar_field){
        p->field[FIELD_NAME], text_value((struct str){id.p + first.n + 1, id.n - first.n - 1})};
    x->n_attrs = 1;
    return add_up(r, x, owner, first);
}

static bool make_resource(const struct policy *p, const struct action *a, struct request *r,
                          const char **reason)
{
    struct cedar_entity *x = &r->entities[2];

    *x = (struct cedar_entity){.uid = cedar_uid(p->type[a->kind], cedar_of(a->resource)),
                               .parents = r->up,
                               .attrs = r->attrs};
    *reason = "its resource is empty or too long";
    if (a->resource.n == 0 || a->resource.n > ACTION_RESOURCE_MAX)
        return false;
    switch (a->kind) {
    case RESOURCE_FILE:
    case RESOURCE_PROGRAM:
        return make_path(p, r, x, a->resource, reason);
    case RESOURCE_SOCKET:
        return make_socket(p, r, x, a->resource, reason);
    case RESOURCE_HOST:
        return make_host(p, r, x, a->resource, reason);
    case RESOURCE_TOOL:
        return make_owned(p, r, x, a->resource, p->word[WORD_SERVER], reason);
    case RESOURCE_MODEL:
        return make_owned(p, r, x, a->resource, p->word[WORD_PROVIDER], reason);
    case RESOURCE_COUNT:
        break;
    }
    return false;
}

static void make_agent(const struct policy *p, const struct session *s, struct request *r)
{
    struct cedar_entity *x = &r->entities[0];

    r->home = cedar_uid(p->word[WORD_DIR], cedar_of(s->home));
    r->workspace = cedar_uid(p->word[WORD_DIR], cedar_of(s->workspace));
    r->agent[0] = (struct cedar_field){p->field[FIELD_NAME], text_value(s->agent)};
    r->agent[1] = (struct cedar_field){p->word[WORD_USER], text_value(s->user)};
    r->agent[2] = (struct cedar_field){p->word[WORD_HOME], cedar_entity(&r->home)};
    r->agent[3] = (struct cedar_field){p->word[WORD_WORKSPACE], cedar_entity(&r->workspace)};
    *x = (struct cedar_entity){.uid = cedar_uid(p->word[WORD_AGENT], cedar_of(s->agent)),
                               .parents = r->labels,
                               .attrs = r->agent,
                               .n_attrs = 4};
    if (p->repository.n > 0) {
        r->repository = cedar_uid(p->word[WORD_DIR], cedar_of(p->repository));
        r->agent[x->n_attrs++] =
            (struct cedar_field){p->word[WORD_REPOSITORY], cedar_entity(&r->repository)};
    }
    for (size_t i = 0; i < p->nlabels; i++)
        if ((s->labels >> i & 1) != 0)
            r->labels[x->n_parents++] = cedar_uid(p->word[WORD_LABEL], cedar_of(p->labels[i]));
}

static void make_verb(const struct policy *p, enum verb v, struct request *r)
{
    struct cedar_entity *x = &r->entities[1];
    struct str group = str_of(verb_group(v));

    *x = (struct cedar_entity){.uid =
                                   cedar_uid(p->word[WORD_ACTION], cedar_of(str_of(verb_name(v)))),
                               .parents = &r->group,
                               .n_parents = group.n > 0};
    r->group = cedar_uid(p->word[WORD_ACTION], cedar_of(group));
}

bool verb_takes(enum verb v, enum resource_kind k)
{
    switch (v) {
    case VERB_READ:
    case VERB_WRITE:
    case VERB_CREATE:
    case VERB_DELETE:
        return k == RESOURCE_FILE;
    case VERB_EXEC:
    case VERB_SPAWN:
        return k == RESOURCE_PROGRAM;
    case VERB_CONNECT:
        return k == RESOURCE_HOST || k == RESOURCE_SOCKET;
    case VERB_REQUEST:
    case VERB_RESOLVE:
        return k == RESOURCE_HOST;
    case VERB_INFER:
        return k == RESOURCE_MODEL;
    case VERB_CALL:
        return k == RESOURCE_TOOL;
    case VERB_COUNT:
        break;
    }
    return false;
}

bool request_make(const struct policy *p, const struct session *s, const struct action *a,
                  struct request *r, const char **reason)
{
    *reason = "its verb does not go with its resource";
    if (!verb_takes(a->verb, a->kind))
        return false;
    make_agent(p, s, r);
    make_verb(p, a->verb, r);
    if (!make_resource(p, a, r, reason))
        return false;
    *reason = "its context is malformed";
    if (!context_make(p, s, a, r))
        return false;
    r->cedar.principal = r->entities[0].uid;
    r->cedar.action = r->entities[1].uid;
    r->cedar.resource = r->entities[2].uid;
    r->cedar.context = r->context;
    r->cedar.entities = r->entities;
    r->cedar.n_entities = ARRAY_LEN(r->entities);
    return true;
}
