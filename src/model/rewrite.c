/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reply.h"

#include <string.h>

struct str json_text(const json_t *string)
{
    if (!json_is_string(string))
        return (struct str){"", 0};
    return (struct str){json_string_value(string), json_string_length(string)};
}

struct str json_member(const json_t *object, const char *key)
{
    return json_text(json_object_get(object, key));
}

int64_t json_number(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *n = json_object_get(object, key);

    return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n) : otherwise;
}

bool json_has(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return v != NULL && !json_is_null(v);
}

static int add_piece(const char *p, size_t n, void *out)
{
    buf_add(out, p, n);
    return 0;
}

void json_dump_to(const json_t *json, struct buf *out)
{
    (void)json_dump_callback(json, add_piece, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void emit(struct model_reply *r, const json_t *json, const char *name, struct buf *out)
{
    if (r->framing != FRAMING_EVENTS) {
        json_dump_to(json, out);
        return;
    }
    if (name != NULL)
        buf_printf(out, "event: %s\n", name);
    buf_puts(out, "data: ");
    json_dump_to(json, out);
    buf_puts(out, "\n\n");
}

uint64_t count_chars(struct str s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

void copy_text(char *to, size_t size, struct str s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;

    memcpy(to, s.p, n);
    to[n] = '\0';
}

json_t *json_refusal(const struct use *u)
{
    json_t *text = json_stringn(u->refusal, u->refusal_n);

    return text != NULL ? text : json_string("This tool use was refused.");
}
