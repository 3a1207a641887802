/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - loading, packing and listing of a policy. */
#include "policy/policy.h"

#include "policy/region.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void intern_words(struct policy *p)
{
    static const char *const words[] = {
#define X(sym, text) text,
        VOCABULARY(X)
#undef X
    };

    for (size_t i = 0; i < WORD_COUNT; i++)
        p->word[i] = cedar_intern(p->names, cedar_str(words[i]));
    for (unsigned i = 0; i < RESOURCE_COUNT; i++)
        p->type[i] = cedar_intern(p->names, cedar_str(resource_type((enum resource_kind)i)));
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        p->field[i] = cedar_intern(p->names, cedar_str(field_name((enum field_id)i)));
}

static bool render(const struct unit *u, struct cedar_str source, const struct cedar_error *x,
                   struct err *e)
{
    char text[ERR_TEXT_MAX];

    cedar_error_render(x, u->name, source, text, sizeof(text));
    return err_set(e, EX_POLICY, "%s", text);
}

struct validation {
    const struct unit *unit;
    struct err *e;
    unsigned faults;
};

static void take_finding(void *ctx, const struct cedar_finding *f)
{
    struct validation *v = ctx;

    if (f->severity == CEDAR_FAULT && v->faults++ == 0)
        render(v->unit, cedar_policies_source(v->unit->policies), &f->at, v->e);
}

static bool validate(const struct unit *u, const struct cedar_schema *schema, struct err *e)
{
    struct validation v = {.unit = u, .e = e};
    struct cedar_error x = {.status = CEDAR_OK};
    bool valid = false;

    if (cedar_validate_policies(schema, u->policies, take_finding, &v, &valid, &x) != CEDAR_OK)
        return err_set(e, EX_POLICY, "%s: cannot be validated: %s", u->name, x.message);
    if (!valid && v.faults == 0)
        return err_set(e, EX_POLICY, "%s: does not fit the schema", u->name);
    return valid;
}

static bool load_unit(struct policy *p, const struct policy_text *t,
                      const struct cedar_schema *schema, struct err *e)
{
    struct unit *u = &p->units[p->nunits];
    struct cedar_str source = {t->bytes.p != NULL ? t->bytes.p : "", t->bytes.n};
    struct cedar_error x = {.status = CEDAR_OK};

    u->name = arena_strndup(&p->arena, t->name, strlen(t->name));
    if (t->bytes.n > POLICY_TEXT_MAX)
        return err_set(e, EX_POLICY, "%s: a policy has at most %u bytes", u->name, POLICY_TEXT_MAX);
    if (cedar_policies_parse(p->names, NULL, source, &u->policies, &x) != CEDAR_OK)
        return render(u, source, &x, e);
    p->nunits++;
    if (!validate(u, schema, e) || !literals_check(p, p->nunits - 1, e))
        return false;
    if (cedar_compile(u->policies, NULL, &u->program, &x) != CEDAR_OK)
        return render(u, source, &x, e);
    return true;
}

/* What can be known of the rules before there is anything to decide. */
static bool look_ahead(struct policy *p, struct err *e)
{
    const struct session nobody = {
        .agent = STR("x"), .user = STR("x"), .home = STR("/"), .workspace = STR("/")};
    struct surveyor *v = surveyor_new(p, &nobody);
    bool good;

    looks_find(p, v);
    good = may_make(p, v, e);
    surveyor_free(v);
    return good;
}

static bool load_units(struct policy *p, const struct policy_text *texts, size_t n, struct err *e)
{
    struct str text = policy_schema();
    struct cedar_schema *schema;
    struct cedar_error x;
    bool good = true;

    if (cedar_schema_parse(p->names, (struct cedar_str){text.p, text.n}, &schema, &x) != CEDAR_OK)
        return err_set(e, EX_POLICY, "belay.cedarschema:%u:%u: %s", x.line, x.column, x.message);
    for (size_t i = 0; i < n && good; i++)
        good = load_unit(p, &texts[i], schema, e);
    cedar_schema_free(schema);
    return good && rules_read(p, e) && look_ahead(p, e);
}

struct policy *policy_load(const struct policy_text *texts, size_t n, const char *home,
                           struct err *e)
{
    struct policy *p;

    if (n > POLICY_TEXTS_MAX) {
        err_set(e, EX_POLICY, "a policy is made of at most %d files", POLICY_TEXTS_MAX);
        return NULL;
    }
    if (!path_is_canonical(str_of(home))) {
        err_set(e, EX_POLICY, "the home folder \"%s\" is no canonical path", home);
        return NULL;
    }
    p = xcalloc(1, sizeof(*p));
    p->names = cedar_names_new(NULL, NULL, 0);
    if (p->names == NULL)
        abort();
    p->home = arena_strndup(&p->arena, home, strlen(home));
    intern_words(p);
    if (!load_units(p, texts, n, e)) {
        policy_free(p);
        return NULL;
    }
    return p;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->nunits; i++) {
        cedar_program_free(p->units[i].program);
        cedar_policies_free(p->units[i].policies);
    }
    cedar_program_free(p->may);
    cedar_policies_free(p->may_set);
    cedar_names_free(p->names);
    arena_release(&p->arena);
    free(p);
}

/* The pack is a list in frame form whose items begin with a letter that says what they are. */
enum {
    PACK_HOME = 'H',
    PACK_NAME = 'N',
    PACK_TEXT = 'T',
    PACK_ALIAS = 'A',
    PACK_TARGET = 'R',
    PACK_REPOSITORY = 'G'
};

static void pack_item(struct buf *out, char kind, struct str s)
{
    uint32_t n = (uint32_t)s.n + 1;
    unsigned char head[5] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16),
                             (unsigned char)(n >> 24), (unsigned char)kind};

    buf_add(out, head, sizeof(head));
    buf_add(out, s.p, s.n);
}

void policy_pack(const struct policy *p, struct buf *out)
{
    pack_item(out, PACK_HOME, str_of(p->home));
    for (size_t i = 0; i < p->nunits; i++) {
        pack_item(out, PACK_NAME, str_of(p->units[i].name));
        pack_item(out, PACK_TEXT, str_from(cedar_policies_source(p->units[i].policies)));
    }
    if (p->repository.n > 0)
        pack_item(out, PACK_REPOSITORY, p->repository);
    for (size_t i = 0; i < p->naliases; i++) {
        pack_item(out, PACK_ALIAS, p->aliases[i].named);
        pack_item(out, PACK_TARGET, p->aliases[i].target);
    }
}

struct unpacking {
    char home[ACTION_RESOURCE_MAX + 1], names[POLICY_TEXTS_MAX][256];
    struct policy_text texts[POLICY_TEXTS_MAX];
    size_t nnames, ntexts, naliases, ntargets;
    struct alias aliases[ALIASES_MAX];
    struct str repository;
};

static bool copy_cstr(char *out, size_t size, struct str s)
{
    if (s.n >= size || memchr(s.p, '\0', s.n) != NULL)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool unpack_item(struct unpacking *u, char kind, struct str s)
{
    switch (kind) {
    case PACK_HOME:
        return copy_cstr(u->home, sizeof(u->home), s);
    case PACK_NAME:
        if (u->nnames == POLICY_TEXTS_MAX || u->nnames != u->ntexts ||
            !copy_cstr(u->names[u->nnames], sizeof(u->names[0]), s))
            return false;
        u->nnames++;
        return true;
    case PACK_TEXT:
        if (u->nnames != u->ntexts + 1)
            return false;
        u->texts[u->ntexts] = (struct policy_text){u->names[u->ntexts], s};
        u->ntexts++;
        return true;
    case PACK_ALIAS:
        if (u->naliases == ALIASES_MAX || u->naliases != u->ntargets || !path_is_canonical(s))
            return false;
        u->aliases[u->naliases++].named = s;
        return true;
    case PACK_TARGET:
        if (u->naliases != u->ntargets + 1 || !path_is_canonical(s))
            return false;
        u->aliases[u->ntargets++].target = s;
        return true;
    case PACK_REPOSITORY:
        u->repository = s;
        return path_is_canonical(s);
    default:
        return false;
    }
}

static struct str keep(struct policy *p, struct str s)
{
    return (struct str){arena_strndup(&p->arena, s.p, s.n), s.n};
}

struct policy *policy_unpack(struct str packed, struct err *e)
{
    AUTO_FREE struct unpacking *u = xcalloc(1, sizeof(*u));
    struct policy *p;
    struct str item;
    enum frame_result r;

    while ((r = frame_list_next(&packed, &item)) == FRAME_OK)
        if (item.n == 0 || !unpack_item(u, item.p[0], (struct str){item.p + 1, item.n - 1}))
            break;
    if (r != FRAME_EOF || u->nnames != u->ntexts || u->naliases != u->ntargets) {
        err_set(e, EX_POLICY, "the packed policy is damaged");
        return NULL;
    }
    p = policy_load(u->texts, u->ntexts, u->home, e);
    if (p == NULL)
        return NULL;
    p->repository = keep(p, u->repository);
    for (size_t i = 0; i < u->naliases; i++)
        p->aliases[p->naliases++] = (struct alias){.named = keep(p, u->aliases[i].named),
                                                   .target = keep(p, u->aliases[i].target)};
    return p;
}

int policy_label(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->nlabels; i++)
        if (str_eq(p->labels[i], name))
            return (int)i;
    return -1;
}

struct str policy_label_name(const struct policy *p, unsigned i)
{
    return i < p->nlabels ? p->labels[i] : (struct str){"", 0};
}

size_t policy_rules(const struct policy *p)
{
    return p->nrules;
}

struct policy_rule policy_rule(const struct policy *p, size_t i)
{
    const struct rule *r = &p->rules[i];

    assert(i < p->nrules);
    return (struct policy_rule){.id = r->id,
                                .file = p->units[r->unit].name,
                                .line = r->line,
                                .forbid = r->forbid,
                                .outcome = r->outcome,
                                .reason = r->reason.p,
                                .inject = r->inject};
}

struct policy_scratch *policy_scratch_new(const struct policy *p)
{
    struct policy_scratch *s = xcalloc(1, sizeof(*s));

    for (size_t i = 0; i <= p->nunits; i++) {
        const struct cedar_program *program = i < p->nunits ? p->units[i].program : p->may;
        size_t n = program != NULL ? cedar_scratch_size(program, ANCESTORS_MAX) : 0;

        if (n > s->cedar_size)
            s->cedar_size = n;
    }
    s->cedar = aligned_alloc(16, (s->cedar_size + 15 + 16) & ~(size_t)15);
    if (s->cedar == NULL)
        abort();
    return s;
}

void policy_scratch_free(struct policy_scratch *s)
{
    if (s == NULL)
        return;
    free(s->cedar);
    free(s);
}
