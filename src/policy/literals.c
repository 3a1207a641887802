/* SPDX-License-Identifier: Apache-2.0 */
/*
 * literals.c - the names that rules hold: "~" is expanded, and a name that could never match
 * anything (a path with a final slash, a host in capitals, a star) is an error, because a
 * rule that silently never applies is a hole.
 */
#include "policy/internal.h"

#include <string.h>

struct check {
    struct policy *p;
    size_t unit;
    struct err *e;
    bool bad;
};

int label_add(struct policy *p, struct str name)
{
    int bit = policy_label(p, name);

    if (bit >= 0)
        return bit;
    if (p->nlabels == POLICY_LABELS_MAX)
        return -1;
    p->labels[p->nlabels] = (struct str){arena_strndup(&p->arena, name.p, name.n), name.n};
    return (int)p->nlabels++;
}

bool literal_is_compared(const struct policy *p, size_t u, struct cedar_span span)
{
    struct cedar_str text = cedar_policies_source(p->units[u].policies);
    size_t before = span.start, after = span.end;

    while (before > 0 && strchr(" \t\r\n(", text.ptr[before - 1]) != NULL)
        before--;
    while (after < text.len && strchr(" \t\r\n)", text.ptr[after]) != NULL)
        after++;
    return (before >= 2 && text.ptr[before - 1] == '=') ||
           (after + 1 < text.len && text.ptr[after + 1] == '=');
}

static bool check_path(struct check *c, struct cedar_span span, struct cedar_str *id)
{
    struct str s = str_from(*id);

    if (s.n > 0 && s.p[0] == '@')
        return true; /* an abstract socket; for other types it fails below */
    if (memchr(s.p, '*', s.n) != NULL)
        return policy_error_at(c->p, c->unit, span, c->e,
                               "'*' has no meaning in a name; Dir::\"/a\" is /a and all below it, "
                               "and patterns go with resource.path like \"...\"");
    if (str_is(s, "~") || str_starts(s, "~/")) {
        const char *full = arena_printf(&c->p->arena, "%s%.*s", c->p->home, (int)s.n - 1, s.p + 1);

        *id = cedar_str(full);
    }
    if (!path_is_canonical(str_from(*id)))
        return policy_error_at(c->p, c->unit, span, c->e,
                               "a path is absolute or begins with \"~/\", and has no \".\" or "
                               "\"..\", no double and no final slash");
    return true;
}

static bool check_host(struct check *c, struct cedar_span span, struct cedar_str *name)
{
    struct str id = str_from(*name);
    struct address a;
    bool is_address;

    if (memchr(id.p, '*', id.n) != NULL)
        return policy_error_at(c->p, c->unit, span, c->e,
                               "'*' has no meaning in a name; for a domain and all below it write "
                               "resource in Domain::\"example.com\"");
    if (!host_is_canonical(id, &is_address, &a))
        return policy_error_at(c->p, c->unit, span, c->e,
                               "a host is a lower-case name without final dot, or an address in "
                               "its shortest form; ports go with context.port");
    if (is_address && address_class(&a) == NET_LOOPBACK)
        *name = CEDAR_STR("localhost");
    return true;
}

static bool check_net(struct check *c, struct cedar_span span, struct str id)
{
    for (unsigned bit = 1; bit <= NET_RESERVED; bit <<= 1)
        if (str_is(id, net_class_id((enum net_class)bit)))
            return true;
    return policy_error_at(c->p, c->unit, span, c->e,
                           "Net is one of global, private, loopback, link-local, multicast, "
                           "unspecified, metadata, reserved");
}

/* Model, Tool: OWNER/NAME; Provider, Server: the owner alone. */
static bool check_owned(struct check *c, struct cedar_span span, struct str id, bool whole)
{
    if (memchr(id.p, '*', id.n) != NULL)
        return policy_error_at(c->p, c->unit, span, c->e,
                               "'*' has no meaning in a name; patterns go with resource.name like "
                               "\"...\"");
    if (whole ? owner_of(id).n > 0 : id.n > 0 && memchr(id.p, '/', id.n) == NULL)
        return true;
    return policy_error_at(c->p, c->unit, span, c->e,
                           whole ? "a Model is named \"provider/model\", a Tool \"server/tool\""
                                 : "a Provider or Server has a name without '/'");
}

static bool type_is_owned(const struct policy *p, cedar_name type, bool *whole)
{
    *whole = type == p->type[RESOURCE_MODEL] || type == p->type[RESOURCE_TOOL];
    return *whole || type == p->word[WORD_PROVIDER] || type == p->word[WORD_SERVER];
}

static enum cedar_status expand(void *ctx, size_t policy, const struct cedar_uid *uid,
                                struct cedar_span span, struct cedar_str *id,
                                struct cedar_error *err)
{
    struct check *c = ctx;
    const struct policy *p = c->p;
    bool good = true, whole;

    (void)policy;
    (void)err;
    if (word_is_path(p, uid->type) &&
        (uid->type == p->word[WORD_SOCKET] || uid->id.len == 0 || uid->id.ptr[0] != '@'))
        good = check_path(c, span, id);
    else if (word_is_path(p, uid->type))
        good = policy_error_at(p, c->unit, span, c->e, "only a Socket is named with '@'");
    else if (uid->type == p->word[WORD_HOST] || uid->type == p->word[WORD_DOMAIN])
        good = check_host(c, span, id);
    else if (uid->type == p->word[WORD_NET])
        good = check_net(c, span, str_from(uid->id));
    else if (type_is_owned(p, uid->type, &whole))
        good = check_owned(c, span, str_from(uid->id), whole);
    else if (uid->type == p->word[WORD_LABEL] && label_add(c->p, str_from(uid->id)) < 0)
        good = policy_error_at(p, c->unit, span, c->e, "a policy has at most %d labels",
                               POLICY_LABELS_MAX);
    c->bad |= !good;
    return good ? CEDAR_OK : CEDAR_ERR_INVALID;
}

/* "~/" at the start of a pattern is the home too. */
static enum cedar_status expand_pattern(void *ctx, size_t policy, struct cedar_span span,
                                        struct cedar_str *prefix, struct cedar_error *err)
{
    struct check *c = ctx;
    struct str s = str_from(*prefix);

    (void)policy;
    (void)span;
    (void)err;
    if (str_starts(s, "~/"))
        *prefix =
            cedar_str(arena_printf(&c->p->arena, "%s%.*s", c->p->home, (int)s.n - 1, s.p + 1));
    return CEDAR_OK;
}

/* In a string it is just that character, which no path begins with. */
static void refuse_tilde(void *ctx, const struct cedar_literal *x)
{
    struct check *c = ctx;

    if (c->bad || x->kind != CEDAR_LIT_STRING ||
        !str_starts((struct str){x->value.string, x->value.len}, "~/"))
        return;
    c->bad = true;
    policy_error_at(c->p, c->unit, x->span, c->e,
                    "\"~\" is the home only in names such as Dir::\"~/.ssh\" and in patterns; a "
                    "path in a string is absolute");
}

bool literals_check(struct policy *p, size_t u, struct err *e)
{
    struct check c = {.p = p, .unit = u, .e = e};
    struct cedar_policies *set = p->units[u].policies;
    struct cedar_error x = {.status = CEDAR_OK};
    enum cedar_status status = cedar_policies_rename(set, expand, expand_pattern, &c, &x);

    if (c.bad)
        return false;
    if (status != CEDAR_OK)
        return err_set(e, EX_POLICY, "%s: %s", p->units[u].name, x.message);
    for (size_t i = 0; i < cedar_policies_count(set) && !c.bad; i++)
        cedar_policy_literals(set, i, refuse_tilde, &c);
    return !c.bad;
}

bool literals_expand(struct policy *p, struct cedar_policies *set)
{
    struct err unused = {0};
    struct check c = {.p = p, .e = &unused};
    struct cedar_error x;

    return cedar_policies_rename(set, expand, expand_pattern, &c, &x) == CEDAR_OK && !c.bad;
}
