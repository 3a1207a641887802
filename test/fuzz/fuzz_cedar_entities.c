/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entities in JSON: in what loads, no entity is its own ancestor, the ancestors of an ancestor
 * are ancestors too, and every value can be printed.
 */
#include "cedar.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool have(const struct cedar_entity *e, const struct cedar_uid *uid)
{
    for (uint32_t i = 0; i < e->n_parents; i++)
        if (cedar_uid_eq(&e->parents[i], uid))
            return true;
    return false;
}

/* b, if a is below it, gives a all its ancestors. */
static void check_pair(const struct cedar_entity *a, const struct cedar_entity *b)
{
    if (!have(a, &b->uid))
        return;
    for (uint32_t i = 0; i < b->n_parents; i++)
        assert(have(a, &b->parents[i]));
}

static void check(const struct cedar_names *names, const struct cedar_entities *entities)
{
    size_t n = cedar_entities_count(entities);
    char text[256];

    for (size_t i = 0; i < n && i < 64; i++) {
        struct cedar_entity a = cedar_entities_at(entities, i);

        assert(!have(&a, &a.uid));
        for (size_t k = 0; k < n && k < 64; k++) {
            struct cedar_entity b = cedar_entities_at(entities, k);

            check_pair(&a, &b);
        }
        for (uint32_t k = 0; k < a.n_attrs; k++)
            cedar_value_print(names, &a.attrs[k].value, text, sizeof(text));
        for (uint32_t k = 0; k < a.n_tags; k++)
            cedar_value_print(names, &a.tags[k].value, text, sizeof(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cedar_names *names = cedar_names_new(NULL, NULL, 0);
    struct cedar_str source = {(const char *)data, size};
    struct cedar_parsed_request *request;
    struct cedar_entities *entities;
    struct cedar_error err;

    if (cedar_entities_parse(names, NULL, source, NULL, &entities, &err) == CEDAR_OK) {
        check(names, entities);
        cedar_entities_free(entities);
    } else {
        assert(err.status != CEDAR_OK && err.message[0] != '\0');
    }
    if (cedar_request_parse(names, NULL, source, NULL, &request, &err) == CEDAR_OK)
        cedar_parsed_request_free(request);
    cedar_names_free(names);
    return 0;
}
