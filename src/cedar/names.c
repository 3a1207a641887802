/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"
#include "diag.h"

struct entry {
    struct cedar_str text;
    uint32_t hash;
};

struct cedar_names {
    struct cedar_arena arena; /* of the texts */
    struct cedar_vec entries; /* struct entry; name n stands at n - 1 */
    uint32_t *slots;          /* open addressing: name or 0 */
    uint32_t n_slots;         /* a power of two */
    uint32_t refs;
};

/* FNV-1a, finished so that the low bits depend on all. The table is no larger than the bound
 * on names, so collisions cost at most a bounded walk. */
static uint32_t hash_text(struct cedar_str s)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    h ^= h >> 15;
    h *= 0x2c1b3c6du;
    return h ^ h >> 13;
}

static uint64_t load_tail(const char *p, size_t n)
{
    uint64_t v = 0;

    memcpy(&v, p, n);
    return v;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

uint32_t cedar_uid_hash(cedar_name type, struct cedar_str id)
{
    uint64_t h = mix(0x243f6a8885a308d3u ^ id.len, type);
    size_t i = 0;

    for (; i + 8 <= id.len; i += 8)
        h = mix(h, load_tail(id.ptr + i, 8));
    if (i < id.len)
        h = mix(h, load_tail(id.ptr + i, id.len - i));
    h *= 0xbf58476d1ce4e5b9u;
    return (uint32_t)(h >> 32);
}

static uint32_t *find_slot(const struct cedar_names *names, struct cedar_str text, uint32_t hash)
{
    const struct entry *entries = names->entries.items;
    uint32_t mask = names->n_slots - 1;

    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t name = names->slots[i];

        if (name == CEDAR_NO_NAME)
            return &names->slots[i];
        if (entries[name - 1].hash == hash && cedar_str_eq(entries[name - 1].text, text))
            return &names->slots[i];
    }
}

static bool resize(struct cedar_names *names, uint32_t n_slots)
{
    struct cedar_allocator *a = &names->arena.alloc;
    const struct entry *entries = names->entries.items;
    uint32_t *slots = a->resize(a->ctx, NULL, 0, n_slots * sizeof(*slots));

    if (slots == NULL)
        return false;
    memset(slots, 0, n_slots * sizeof(*slots));
    if (names->slots != NULL)
        a->resize(a->ctx, names->slots, names->n_slots * sizeof(*slots), 0);
    names->slots = slots;
    names->n_slots = n_slots;
    for (size_t i = 0; i < names->entries.len; i++)
        *find_slot(names, entries[i].text, entries[i].hash) = (uint32_t)i + 1;
    return true;
}

struct cedar_names *cedar_names_new(const struct cedar_allocator *alloc,
                                    const struct cedar_str *preset, size_t n)
{
    struct cedar_allocator a = cedar_allocator_or_default(alloc);
    struct cedar_names *names = a.resize(a.ctx, NULL, 0, sizeof(*names));

    if (names == NULL)
        return NULL;
    memset(names, 0, sizeof(*names));
    names->refs = 1;
    cedar_arena_init(&names->arena, &a);
    cedar_vec_init(&names->entries, &a, sizeof(struct entry));
    if (!resize(names, 64)) {
        cedar_names_free(names);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (cedar_intern(names, preset[i]) != i + 1) {
            cedar_names_free(names);
            return NULL;
        }
    }
    return names;
}

struct cedar_names *cedar_names_hold(struct cedar_names *names)
{
    names->refs++;
    return names;
}

void cedar_names_free(struct cedar_names *names)
{
    struct cedar_allocator a;

    if (names == NULL || --names->refs > 0)
        return;
    a = names->arena.alloc;
    if (names->slots != NULL)
        a.resize(a.ctx, names->slots, names->n_slots * sizeof(*names->slots), 0);
    cedar_vec_free(&names->entries);
    cedar_arena_free(&names->arena);
    a.resize(a.ctx, names, sizeof(*names), 0);
}

cedar_name cedar_intern(struct cedar_names *names, struct cedar_str text)
{
    uint32_t hash = hash_text(text), *slot = find_slot(names, text, hash);
    struct cedar_str copy;
    struct entry *entry;

    if (*slot != CEDAR_NO_NAME)
        return *slot;
    if (names->entries.len >= CEDAR_MAX_NAMES)
        return CEDAR_NO_NAME;
    if (names->entries.len * 2 >= names->n_slots && !resize(names, names->n_slots * 2))
        return CEDAR_NO_NAME;
    copy = cedar_arena_str(&names->arena, text);
    if (copy.ptr == NULL)
        return CEDAR_NO_NAME;
    entry = cedar_vec_push(&names->entries);
    if (entry == NULL)
        return CEDAR_NO_NAME;
    *entry = (struct entry){copy, hash};
    *find_slot(names, text, hash) = (uint32_t)names->entries.len;
    return (uint32_t)names->entries.len;
}

enum cedar_status cedar_intern_or_fail(struct cedar_names *names, struct cedar_str text,
                                       cedar_name *out, struct cedar_error *err)
{
    *out = cedar_intern(names, text);
    if (*out != CEDAR_NO_NAME)
        return CEDAR_OK;
    if (names->entries.len < CEDAR_MAX_NAMES)
        return cedar_fail_memory(err);
    return cedar_fail(err, CEDAR_ERR_LIMIT, (struct cedar_str){NULL, 0}, (struct cedar_span){0, 0},
                      "more than %u different names", CEDAR_MAX_NAMES);
}

cedar_name cedar_lookup(const struct cedar_names *names, struct cedar_str text)
{
    return *find_slot(names, text, hash_text(text));
}

struct cedar_str cedar_name_str(const struct cedar_names *names, cedar_name name)
{
    if (name == CEDAR_NO_NAME || name > names->entries.len)
        return CEDAR_STR("");
    return ((const struct entry *)names->entries.items)[name - 1].text;
}

uint32_t cedar_names_count(const struct cedar_names *names)
{
    return (uint32_t)names->entries.len;
}

const struct cedar_allocator *cedar_names_allocator(const struct cedar_names *names)
{
    return &names->arena.alloc;
}
