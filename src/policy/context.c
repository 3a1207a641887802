/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - from the fields of an action to a Cedar context. */
#include "policy/internal.h"

#include <assert.h>
#include <string.h>

#define BIT(field) ((uint64_t)1 << FIELD_##field)

/* What the schema requires of a verb's context, and an adapter may leave out: then it is
 * empty, zero or false. */
static const uint64_t required[VERB_COUNT] = {
    [VERB_READ] = BIT(OP),
    [VERB_WRITE] = BIT(OP),
    [VERB_CREATE] = BIT(OP),
    [VERB_DELETE] = BIT(OP),
    [VERB_EXEC] = BIT(OP) | BIT(NAME) | BIT(ARGV) | BIT(COMMAND) | BIT(TRUNCATED) | BIT(ENV),
    [VERB_CONNECT] = BIT(PORT) | BIT(NAMED),
    [VERB_REQUEST] = BIT(OP) | BIT(METHOD) | BIT(SCHEME) | BIT(PORT) | BIT(PATH) | BIT(QUERY) |
                     BIT(HEADERS) | BIT(SIZE) | BIT(TYPE) | BIT(CREDENTIAL) | BIT(CARRIES),
    [VERB_INFER] = BIT(OP) | BIT(TOOLS) | BIT(STREAMING),
    [VERB_CALL] = BIT(OP) | BIT(ARGUMENTS) | BIT(CARRIES),
};

static_assert(FIELD_COUNT <= 64, "a bit for each field");

void address_to_cedar(const struct address *a, struct cedar_ip *ip)
{
    *ip = (struct cedar_ip){.is_v6 = a->v6, .prefix = a->v6 ? 128 : 32};
    memcpy(ip->addr, a->bytes, sizeof(ip->addr));
}

/*
 * Cedar has no "some item is like": so an item with a name stands in its set twice, whole and
 * by its name alone. context.env.contains("LD_PRELOAD") holds whatever its value is.
 */
static char name_ends_at(enum field_id f)
{
    if (f == FIELD_ENV)
        return '=';
    return f == FIELD_HEADERS || f == FIELD_CARRIES ? ':' : '\0';
}

static bool add_item(struct request *r, struct str item)
{
    if (r->nitems == ARRAY_LEN(r->items))
        return false;
    r->items[r->nitems++] = text_value(item);
    return true;
}

static bool list_value(struct str list, char name_end, struct request *r, struct cedar_value *out)
{
    uint32_t first = r->nitems;
    struct str item;

    while (frame_list_next(&list, &item) == FRAME_OK) {
        const char *end = name_end != '\0' && item.n > 0 ? memchr(item.p, name_end, item.n) : NULL;

        if (!add_item(r, item) ||
            (end != NULL && !add_item(r, (struct str){item.p, (size_t)(end - item.p)})))
            return false;
    }
    *out = cedar_set(r->items + first, r->nitems - first);
    return true;
}

static bool field_value(const struct action *a, enum field_id f, struct request *r,
                        struct cedar_value *out)
{
    struct address address;

    if (f == FIELD_ADDRESS) {
        if (!address_parse(a->field[f].str, &address))
            return false;
        address_to_cedar(&address, &r->context_ip);
        *out = cedar_ipaddr(&r->context_ip);
        return true;
    }
    switch (field_kind(f)) {
    case FIELD_INT:
        *out = cedar_long(a->field[f].num);
        return true;
    case FIELD_BOOL:
        *out = cedar_bool(a->field[f].num != 0);
        return true;
    case FIELD_STR:
        *out = text_value(a->field[f].str);
        return true;
    case FIELD_LIST:
        break;
    }
    return list_value(a->field[f].str, name_ends_at(f), r, out);
}

static void add_spent(const struct policy *p, const struct session *s, struct request *r)
{
    r->spent[0] = (struct cedar_field){p->word[WORD_CENTS], cedar_long(s->spent.cents)};
    r->spent[1] = (struct cedar_field){p->word[WORD_TOKENS], cedar_long(s->spent.tokens)};
    r->spent[2] = (struct cedar_field){p->word[WORD_REQUESTS], cedar_long(s->spent.requests)};
    r->context[r->cedar.n_context++] =
        (struct cedar_field){p->word[WORD_SPENT], cedar_record(r->spent, ARRAY_LEN(r->spent))};
}

bool context_make(const struct policy *p, const struct session *s, const struct action *a,
                  struct request *r)
{
    r->cedar.n_context = 0;
    r->nitems = 0;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        struct cedar_field *x = &r->context[r->cedar.n_context];
        enum field_id f = (enum field_id)i;

        if (!a->has[f] && (required[a->verb] >> f & 1) == 0)
            continue;
        if (!field_value(a, f, r, &x->value))
            return false;
        x->name = p->field[f];
        r->cedar.n_context++;
    }
    if (a->verb == VERB_INFER)
        add_spent(p, s, r);
    return true;
}
