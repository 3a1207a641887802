/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/name.h"

#include <string.h>

void name_start(struct name *name)
{
    name->n = 0;
    name->s[0] = '\0';
}

static char canonical_byte(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
        return (char)c;
    return '\0';
}

bool name_add_label(struct name *name, const void *label, size_t n)
{
    const unsigned char *p = label;
    size_t dot = name->n > 0 ? 1 : 0;
    char *at = name->s + name->n;

    if (n == 0 || n > NAME_LABEL_MAX || name->n + dot + n > NAME_TEXT_MAX)
        return false;
    if (p[0] == '-' || p[n - 1] == '-')
        return false;
    if (dot == 1)
        *at++ = '.';
    for (size_t i = 0; i < n; i++)
        if ((*at++ = canonical_byte(p[i])) == '\0')
            return false;
    *at = '\0';
    name->n = (uint8_t)(name->n + dot + n);
    return true;
}

/* Could inet_aton() take it for a number: decimal, octal, or hexadecimal with 0x? */
static bool is_number(const char *label)
{
    if (label[strspn(label, "0123456789")] == '\0')
        return true;
    return label[0] == '0' && label[1] == 'x' &&
           label[2 + strspn(label + 2, "0123456789abcdef")] == '\0';
}

bool name_finish(const struct name *name)
{
    const char *dot = strrchr(name->s, '.');

    return name->n > 0 && !is_number(dot != NULL ? dot + 1 : name->s);
}

bool name_from_text(struct str text, struct name *name)
{
    name_start(name);
    if (text.n > 0 && text.p[text.n - 1] == '.')
        text.n--;
    while (text.n > 0) {
        const char *dot = memchr(text.p, '.', text.n);
        size_t n = dot != NULL ? (size_t)(dot - text.p) : text.n;

        if (!name_add_label(name, text.p, n))
            return false;
        if (dot != NULL && n + 1 == text.n)
            return false; /* a second final dot */
        n += dot != NULL ? 1 : 0;
        text.p += n;
        text.n -= n;
    }
    return name_finish(name);
}

struct str name_str(const struct name *name)
{
    return (struct str){name->s, name->n};
}

bool name_eq(const struct name *a, const struct name *b)
{
    return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
}

/* FNV-1a, started from a seed that the agent does not know. */
uint32_t name_hash(const struct name *name, uint32_t seed)
{
    uint32_t h = 2166136261u ^ seed;

    for (size_t i = 0; i < name->n; i++)
        h = (h ^ (unsigned char)name->s[i]) * 16777619u;
    return h ^ h >> 15;
}

bool name_is_localhost(const struct name *name)
{
    static const char suffix[] = ".localhost";
    const size_t n = sizeof(suffix) - 1;

    if (strcmp(name->s, "localhost") == 0)
        return true;
    return name->n > n && memcmp(name->s + name->n - n, suffix, n) == 0;
}
