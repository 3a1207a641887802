/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "text.h"

struct reader {
    struct cedar_arena *arena;
    struct cedar_str text;
    size_t at;
    uint32_t depth, max_depth;
    struct cedar_error *err;
};

static enum cedar_status read_value(struct reader *r, struct cedar_json *out);

static enum cedar_status bad(const struct reader *r, size_t start, const char *why)
{
    size_t end = r->at > start ? r->at : start + 1;

    return cedar_fail(r->err, CEDAR_ERR_SYNTAX, r->text,
                      (struct cedar_span){(uint32_t)start, (uint32_t)end}, "%s", why);
}

static char look(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->text.len &&
           (look(r) == ' ' || look(r) == '\t' || look(r) == '\n' || look(r) == '\r'))
        r->at++;
}

static bool take(struct reader *r, char c)
{
    if (r->at >= r->text.len || look(r) != c)
        return false;
    r->at++;
    return true;
}

static bool read_hex4(struct reader *r, uint32_t *out)
{
    *out = 0;
    if (r->text.len - r->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = r->text.ptr[r->at + (size_t)i];
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;

        if (v < 0)
            return false;
        *out = *out << 4 | (uint32_t)v;
    }
    r->at += 4;
    return true;
}

/* After "\u": a code unit, or two of a surrogate pair. */
static enum cedar_status read_unicode(struct reader *r, size_t start, char *out, size_t *len)
{
    uint32_t code, low;
    size_t n;

    if (!read_hex4(r, &code))
        return bad(r, start, "\\u takes four hexadecimal digits");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!take(r, '\\') || !take(r, 'u') || !read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
            return bad(r, start, "half a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    n = cedar_utf8_put(code, out + *len);
    if (n == 0)
        return bad(r, start, "half a surrogate pair");
    *len += n;
    return CEDAR_OK;
}

static enum cedar_status read_escape(struct reader *r, char *out, size_t *len)
{
    static const char simple[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t start = r->at - 1;
    char c = look(r);

    r->at++;
    if (c == 'u')
        return read_unicode(r, start, out, len);
    for (size_t i = 0; i + 1 < sizeof(simple); i += 2) {
        if (c == simple[i]) {
            out[(*len)++] = simple[i + 1];
            return CEDAR_OK;
        }
    }
    return bad(r, start, "no such escape in JSON");
}

/* The opening quote is taken. The result is never longer than the source. */
static enum cedar_status read_string(struct reader *r, struct cedar_str *out)
{
    size_t start = r->at - 1, end = r->at, len = 0;
    char *buf;

    while (end < r->text.len && r->text.ptr[end] != '"')
        end += r->text.ptr[end] == '\\' ? 2 : 1;
    if (end >= r->text.len)
        return bad(r, start, "this string has no end");
    buf = cedar_arena_get(r->arena, end - r->at + 1);
    if (buf == NULL)
        return cedar_fail_memory(r->err);
    while (r->at < end) {
        char c = r->text.ptr[r->at++];
        enum cedar_status status = CEDAR_OK;

        if ((uint8_t)c < 0x20)
            return bad(r, r->at - 1, "a control character in a string");
        if (c == '\\')
            status = read_escape(r, buf, &len);
        else
            buf[len++] = c;
        if (status != CEDAR_OK)
            return status;
    }
    r->at = end + 1;
    buf[len] = '\0';
    *out = (struct cedar_str){buf, len};
    return CEDAR_OK;
}

static bool skip_digits(struct reader *r)
{
    size_t start = r->at;

    while (look(r) >= '0' && look(r) <= '9')
        r->at++;
    return r->at > start;
}

/* The digits as an integer; false beyond 64 bits. */
static bool to_integer(struct cedar_str s, int64_t *out)
{
    bool negative = s.ptr[0] == '-';
    int64_t n = 0;

    for (size_t i = negative; i < s.len; i++)
        if (__builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_sub_overflow(n, (int64_t)(s.ptr[i] - '0'), &n))
            return false;
    if (!negative && __builtin_sub_overflow((int64_t)0, n, &n))
        return false;
    *out = n;
    return true;
}

static enum cedar_status read_number(struct reader *r, struct cedar_json *out)
{
    size_t start = r->at;
    bool whole = true;

    take(r, '-');
    if (!take(r, '0') && !skip_digits(r))
        return bad(r, start, "expected a value");
    if (take(r, '.')) {
        whole = false;
        if (!skip_digits(r))
            return bad(r, start, "a number ends in its middle");
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = false;
        if (!take(r, '+'))
            take(r, '-');
        if (!skip_digits(r))
            return bad(r, start, "a number ends in its middle");
    }
    out->kind = JSON_INTEGER;
    out->string = (struct cedar_str){r->text.ptr + start, r->at - start};
    if (!whole || !to_integer(out->string, &out->integer)) {
        out->kind = JSON_REAL;
        out->string =
            cedar_arena_str(r->arena, (struct cedar_str){r->text.ptr + start, r->at - start});
        if (out->string.ptr == NULL)
            return cedar_fail_memory(r->err);
    }
    return CEDAR_OK;
}

static enum cedar_status read_word(struct reader *r, struct cedar_json *out)
{
    static const struct {
        const char *word;
        enum cedar_json_kind kind;
        bool value;
    } words[] = {
        {"null", JSON_NULL, false}, {"true", JSON_BOOL, true}, {"false", JSON_BOOL, false}};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i].word);

        if (r->text.len - r->at >= n && memcmp(r->text.ptr + r->at, words[i].word, n) == 0) {
            r->at += n;
            out->kind = words[i].kind;
            out->boolean = words[i].value;
            return CEDAR_OK;
        }
    }
    return bad(r, r->at, "expected a value");
}

static enum cedar_status read_array(struct reader *r, struct cedar_json *out)
{
    size_t start = r->at - 1;
    struct cedar_vec vec;
    enum cedar_status status = CEDAR_OK;

    cedar_vec_init(&vec, &r->arena->alloc, sizeof(struct cedar_json));
    skip_blanks(r);
    while (status == CEDAR_OK && !(vec.len == 0 && take(r, ']'))) {
        struct cedar_json item = {0}, *slot;

        status = read_value(r, &item);
        if (status != CEDAR_OK)
            break;
        slot = vec.len < CEDAR_MAX_ENTITIES ? cedar_vec_push(&vec) : NULL;
        if (slot == NULL) {
            status = cedar_fail_memory(r->err);
            break;
        }
        *slot = item;
        skip_blanks(r);
        if (take(r, ']'))
            break;
        if (!take(r, ','))
            status = bad(r, r->at < r->text.len ? r->at : start, "expected `,` or `]`");
    }
    out->kind = JSON_ARRAY;
    out->n = (uint32_t)vec.len;
    out->items = status == CEDAR_OK ? cedar_vec_to_arena(&vec, r->arena) : NULL;
    cedar_vec_free(&vec);
    if (status == CEDAR_OK && out->items == NULL)
        return cedar_fail_memory(r->err);
    return status;
}

/* "key": value, into a new member. */
static enum cedar_status read_member(struct reader *r, struct cedar_vec *vec)
{
    struct cedar_json_member member = {0}, *slot;
    enum cedar_status status;
    size_t start;

    skip_blanks(r);
    start = r->at;
    if (!take(r, '"'))
        return bad(r, start, "expected a key in double quotes");
    status = read_string(r, &member.key);
    if (status != CEDAR_OK)
        return status;
    member.span = (struct cedar_span){(uint32_t)start, (uint32_t)r->at};
    skip_blanks(r);
    if (!take(r, ':'))
        return bad(r, start, "expected `:` after this key");
    status = read_value(r, &member.value);
    if (status != CEDAR_OK)
        return status;
    slot = vec->len < CEDAR_MAX_ENTITIES ? cedar_vec_push(vec) : NULL;
    if (slot == NULL)
        return cedar_fail_memory(r->err);
    *slot = member;
    return CEDAR_OK;
}

static uint32_t key_hash(struct cedar_str key)
{
    return cedar_uid_hash(0, key);
}

/* Every key once. A table beside the members keeps this linear for large objects. */
static enum cedar_status check_keys(struct reader *r, const struct cedar_json *object)
{
    struct cedar_allocator *a = &r->arena->alloc;
    const struct cedar_json_member *m = object->members, *twice = NULL;
    uint32_t n = 4, *table;

    while (n < object->n * 2)
        n *= 2;
    table = a->resize(a->ctx, NULL, 0, n * sizeof(*table));
    if (table == NULL)
        return cedar_fail_memory(r->err);
    memset(table, 0, n * sizeof(*table));
    for (uint32_t i = 0; i < object->n && twice == NULL; i++) {
        uint32_t slot = key_hash(m[i].key) & (n - 1);

        while (table[slot] != 0 && !cedar_str_eq(m[table[slot] - 1].key, m[i].key))
            slot = (slot + 1) & (n - 1);
        if (table[slot] != 0)
            twice = &m[i];
        table[slot] = i + 1;
    }
    a->resize(a->ctx, table, n * sizeof(*table), 0);
    if (twice == NULL)
        return CEDAR_OK;
    return cedar_fail(r->err, CEDAR_ERR_CONFLICT, r->text, twice->span,
                      "the key `%s` stands twice in this object", cedar_show(twice->key).text);
}

static enum cedar_status read_object(struct reader *r, struct cedar_json *out)
{
    size_t start = r->at - 1;
    struct cedar_vec vec;
    enum cedar_status status = CEDAR_OK;

    cedar_vec_init(&vec, &r->arena->alloc, sizeof(struct cedar_json_member));
    skip_blanks(r);
    while (status == CEDAR_OK && !(vec.len == 0 && take(r, '}'))) {
        status = read_member(r, &vec);
        if (status != CEDAR_OK)
            break;
        skip_blanks(r);
        if (take(r, '}'))
            break;
        if (!take(r, ','))
            status = bad(r, r->at < r->text.len ? r->at : start, "expected `,` or `}`");
    }
    out->kind = JSON_OBJECT;
    out->n = (uint32_t)vec.len;
    out->members = status == CEDAR_OK ? cedar_vec_to_arena(&vec, r->arena) : NULL;
    cedar_vec_free(&vec);
    if (status != CEDAR_OK)
        return status;
    return out->members != NULL ? check_keys(r, out) : cedar_fail_memory(r->err);
}

static enum cedar_status read_value(struct reader *r, struct cedar_json *out)
{
    enum cedar_status status;
    size_t start;

    skip_blanks(r);
    start = r->at;
    if (r->at >= r->text.len)
        return bad(r, start, "the document ends where a value is expected");
    if (++r->depth > r->max_depth)
        return cedar_fail(r->err, CEDAR_ERR_LIMIT, r->text,
                          (struct cedar_span){(uint32_t)start, (uint32_t)start + 1},
                          "more than %u containers within one another", r->max_depth);
    if (take(r, '{')) {
        status = read_object(r, out);
    } else if (take(r, '[')) {
        status = read_array(r, out);
    } else if (take(r, '"')) {
        out->kind = JSON_STRING;
        status = read_string(r, &out->string);
    } else if (look(r) == '-' || (look(r) >= '0' && look(r) <= '9')) {
        status = read_number(r, out);
    } else {
        status = read_word(r, out);
    }
    r->depth--;
    out->span = (struct cedar_span){(uint32_t)start, (uint32_t)r->at};
    return status;
}

enum cedar_status cedar_json_parse(struct cedar_arena *arena, struct cedar_str text, size_t max,
                                   struct cedar_json *out, struct cedar_error *err)
{
    return cedar_json_parse_deep(arena, text, max, CEDAR_MAX_NESTING, out, err);
}

enum cedar_status cedar_json_parse_deep(struct cedar_arena *arena, struct cedar_str text,
                                        size_t max, uint32_t max_nesting, struct cedar_json *out,
                                        struct cedar_error *err)
{
    struct reader r = {arena, text.len > 0 ? text : CEDAR_STR(""), 0, 0, max_nesting, err};
    struct cedar_span nowhere = {0, 0};
    struct cedar_json json = {0};
    enum cedar_status status;

    if (text.len > max)
        return cedar_fail(err, CEDAR_ERR_LIMIT, (struct cedar_str){NULL, 0}, nowhere,
                          "the document has %zu bytes, more than %zu", text.len, max);
    if (!cedar_utf8_valid(text))
        return cedar_fail(err, CEDAR_ERR_SYNTAX, (struct cedar_str){NULL, 0}, nowhere,
                          "the document is not valid UTF-8");
    status = read_value(&r, &json);
    if (status != CEDAR_OK)
        return status;
    skip_blanks(&r);
    if (r.at < text.len)
        return bad(&r, r.at, "more text after the document's end");
    *out = json;
    return CEDAR_OK;
}

const struct cedar_json *cedar_json_get(const struct cedar_json *object, const char *key)
{
    struct cedar_str want = cedar_str(key);

    if (object->kind != JSON_OBJECT)
        return NULL;
    for (uint32_t i = 0; i < object->n; i++)
        if (cedar_str_eq(object->members[i].key, want))
            return &object->members[i].value;
    return NULL;
}

const char *cedar_json_kind_name(const struct cedar_json *json)
{
    switch (json->kind) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "a boolean";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number that is no 64-bit integer";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "nothing";
}
