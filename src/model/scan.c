/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scan.h"

#include <string.h>

enum state {
    VALUE,
    VALUE_OR_END, /* after [ */
    KEY_OR_END,   /* after { */
    KEY,          /* after , in an object */
    COLON,
    COMMA, /* after a value inside of something */
    STRING,
    ESCAPE,
    HEX,       /* of \uXXXX */
    LOW_SLASH, /* a low surrogate has to follow */
    LOW_U,
    UTF8,
    LITERAL,
    NUM_MINUS,
    NUM_ZERO,
    NUM_INT,
    NUM_DOT,
    NUM_FRACTION,
    NUM_E,
    NUM_SIGN,
    NUM_EXPONENT,
    DONE,
    WRONG,
};

static const char *const literals[] = {"true", "false", "null"};
static const enum scan_kind literal_kinds[] = {SCAN_TRUE, SCAN_FALSE, SCAN_NULL};

void scan_start(struct scan *s, const struct scan_path *paths, unsigned npaths, scan_hook *hook,
                void *arg)
{
    memset(s, 0, sizeof(*s));
    s->paths = paths;
    s->npaths = npaths <= SCAN_PATHS_MAX ? npaths : SCAN_PATHS_MAX;
    s->hook = hook;
    s->arg = arg;
    s->state = VALUE;
    s->value_match = npaths >= 64 ? UINT64_MAX : (UINT64_C(1) << npaths) - 1;
}

static void wrong(struct scan *s, const char *why)
{
    s->state = WRONG;
    s->why = why;
}

/* The step of path `p` that leads from level `level` down; NULL: the path ends there. */
static const char *step(const struct scan *s, unsigned p, unsigned level)
{
    return level < SCAN_LEVELS ? s->paths[p].step[level] : NULL;
}

static void tell(struct scan *s, uint64_t match, unsigned level, const struct scan_value *v)
{
    for (; match != 0; match &= match - 1) {
        unsigned p = (unsigned)__builtin_ctzll(match);

        if (step(s, p, level) == NULL)
            s->hook(s->arg, p, v);
    }
}

static bool wanted(const struct scan *s, uint64_t match, unsigned level)
{
    for (; match != 0; match &= match - 1)
        if (step(s, (unsigned)__builtin_ctzll(match), level) == NULL)
            return true;
    return false;
}

static bool in_array(const struct scan *s)
{
    unsigned level = s->depth - 1;

    return (s->arrays[level / 64] >> (level % 64) & 1) != 0;
}

/* A value inside of something is over, or the whole is. */
static void value_over(struct scan *s)
{
    s->state = s->depth == 0 ? DONE : COMMA;
}

static void open_container(struct scan *s, bool array)
{
    const struct scan_value v = {.kind = array ? SCAN_ARRAY : SCAN_OBJECT};
    unsigned level = s->depth;

    if (level == SCAN_DEPTH_MAX) {
        wrong(s, "nested too deeply");
        return;
    }
    tell(s, s->value_match, level, &v);
    if (array)
        s->arrays[level / 64] |= UINT64_C(1) << (level % 64);
    else
        s->arrays[level / 64] &= ~(UINT64_C(1) << (level % 64));
    s->depth++;
    if (s->depth <= SCAN_LEVELS) {
        s->match[s->depth] = s->value_match;
        s->seen[s->depth] = 0;
    }
    s->state = array ? VALUE_OR_END : KEY_OR_END;
}

static void close_container(struct scan *s, bool array)
{
    const struct scan_value v = {.kind = SCAN_CLOSE};

    if (s->depth == 0 || in_array(s) != array) {
        wrong(s, "a bracket closes what was not opened");
        return;
    }
    if (s->depth <= SCAN_LEVELS)
        tell(s, s->match[s->depth], s->depth - 1, &v);
    s->depth--;
    value_over(s);
}

/* Which paths fit the elements of the array that is open. */
static void element(struct scan *s)
{
    s->value_match = 0;
    if (s->depth > SCAN_LEVELS)
        return;
    for (uint64_t m = s->match[s->depth]; m != 0; m &= m - 1) {
        unsigned p = (unsigned)__builtin_ctzll(m);
        const char *want = step(s, p, s->depth - 1);

        if (want != NULL && strcmp(want, "[]") == 0)
            s->value_match |= UINT64_C(1) << p;
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* 2: the key is one of the '|'-separated names; 1: but for the case of its letters; 0: it is not.
 */
static int key_fits(const char *names, const char *key, size_t n)
{
    int best = 0;

    while (*names != '\0') {
        size_t len = strcspn(names, "|"), i = 0;

        while (i < len && i < n && lower(names[i]) == lower(key[i]))
            i++;
        if (len == n && i == n) {
            if (memcmp(names, key, n) == 0)
                return 2;
            best = 1;
        }
        names += len + (names[len] == '|');
    }
    return best;
}

/* Tells names where all are wanted. */
static void tell_key(struct scan *s, unsigned p)
{
    const struct scan_value v = {.kind = SCAN_KEY, .text = {s->text, s->n}, .cut = s->cut};

    s->hook(s->arg, p, &v);
}

/* A key was read: which paths its value fits. */
static void member(struct scan *s)
{
    s->value_match = 0;
    if (s->depth <= SCAN_LEVELS) {
        for (uint64_t m = s->match[s->depth]; m != 0; m &= m - 1) {
            unsigned p = (unsigned)__builtin_ctzll(m);
            const char *names = step(s, p, s->depth - 1);
            bool any = names != NULL && strcmp(names, "*") == 0;
            int fits = names != NULL && !any ? key_fits(names, s->text, s->n) : 0;

            if (any)
                tell_key(s, p);
            if (fits == 1) {
                wrong(s, "a name differs from a known one by case only");
                return;
            }
            if (fits == 2)
                s->value_match |= UINT64_C(1) << p;
        }
        if ((s->value_match & s->seen[s->depth]) != 0) {
            wrong(s, "a member stands twice");
            return;
        }
        s->seen[s->depth] |= s->value_match;
    }
    s->state = COLON;
}

static void keep_bytes(struct scan *s, const char *p, size_t n)
{
    if (!s->keep || s->cut)
        return;
    if (n > SCAN_VALUE_MAX - s->n) {
        s->cut = true;
        return;
    }
    memcpy(s->text + s->n, p, n);
    s->n += n;
}

static void keep_code_point(struct scan *s, uint32_t c)
{
    char u[4];
    size_t n = 0;

    if (c < 0x80) {
        u[n++] = (char)c;
    } else if (c < 0x800) {
        u[n++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        u[n++] = (char)(0xe0 | c >> 12);
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        u[n++] = (char)(0xf0 | c >> 18);
        u[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        u[n++] = (char)(0x80 | (c & 0x3f));
    s->chars++;
    keep_bytes(s, u, n);
}

static void start_text(struct scan *s, bool keep)
{
    s->keep = keep;
    s->cut = false;
    s->n = 0;
}

static void string_start(struct scan *s, bool key)
{
    s->in_key = key;
    start_text(s, key ? s->depth <= SCAN_LEVELS && s->match[s->depth] != 0
                      : wanted(s, s->value_match, s->depth));
    s->state = STRING;
}

static void scalar_over(struct scan *s, enum scan_kind kind)
{
    const struct scan_value v = {.kind = kind, .text = {s->text, s->n}, .cut = s->cut};

    tell(s, s->value_match, s->depth, &v);
    value_over(s);
}

static void string_over(struct scan *s)
{
    if (s->in_key)
        member(s);
    else
        scalar_over(s, SCAN_STRING);
}

/* The first byte of a value. */
static void value(struct scan *s, char c)
{
    if (s->depth > 0 && in_array(s))
        element(s);
    if (c == '{' || c == '[') {
        open_container(s, c == '[');
    } else if (c == '"') {
        string_start(s, false);
    } else if (c == 't' || c == 'f' || c == 'n') {
        start_text(s, false);
        s->code = c == 't' ? 0 : c == 'f' ? 1 : 2;
        s->need = 1;
        s->state = LITERAL;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        start_text(s, wanted(s, s->value_match, s->depth));
        keep_bytes(s, &c, 1);
        s->state = c == '-' ? NUM_MINUS : c == '0' ? NUM_ZERO : NUM_INT;
    } else {
        wrong(s, "a value was expected");
    }
}

static void literal(struct scan *s, char c)
{
    const char *word = literals[s->code];

    if (c != word[s->need]) {
        wrong(s, "not a value");
        return;
    }
    s->need++;
    if (word[s->need] == '\0')
        scalar_over(s, literal_kinds[s->code]);
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool number_may_end(unsigned state)
{
    return state == NUM_ZERO || state == NUM_INT || state == NUM_FRACTION || state == NUM_EXPONENT;
}

/* Where a number stands after one more byte; WRONG: the byte does not belong to it. */
static enum state number_next(unsigned state, char c)
{
    bool d = digit(c), e = c == 'e' || c == 'E';

    if (state == NUM_MINUS)
        return c == '0' ? NUM_ZERO : d ? NUM_INT : WRONG;
    if (state == NUM_ZERO || state == NUM_INT) {
        if (d && state == NUM_INT)
            return NUM_INT;
        return c == '.' ? NUM_DOT : e ? NUM_E : WRONG;
    }
    if (state == NUM_DOT)
        return d ? NUM_FRACTION : WRONG;
    if (state == NUM_FRACTION)
        return d ? NUM_FRACTION : e ? NUM_E : WRONG;
    if (state == NUM_E && (c == '+' || c == '-'))
        return NUM_SIGN;
    return d ? NUM_EXPONENT : WRONG;
}

/* False: the byte ends the number and has to be looked at again. */
static bool number(struct scan *s, char c)
{
    enum state next = number_next(s->state, c);

    if (next != WRONG) {
        keep_bytes(s, &c, 1);
        s->state = next;
        return true;
    }
    if (!number_may_end(s->state))
        wrong(s, "not a number");
    else
        scalar_over(s, SCAN_NUMBER);
    return s->state == WRONG;
}

static void escape(struct scan *s, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c != '\0' ? strchr(from, c) : NULL;

    if (c == 'u') {
        s->code = 0;
        s->need = 4;
        s->state = HEX;
    } else if (at != NULL) {
        keep_code_point(s, (unsigned char)to[at - from]);
        s->state = STRING;
    } else {
        wrong(s, "not an escape");
    }
}

/* All four digits of \uXXXX were read. */
static void hex_over(struct scan *s)
{
    bool low = s->code >= 0xdc00 && s->code <= 0xdfff;

    if (low != (s->high != 0) || s->code == 0) {
        wrong(s, s->code == 0 ? "\\u0000" : "half a surrogate pair");
    } else if (low) {
        keep_code_point(s, 0x10000 + ((s->high - 0xd800) << 10) + (s->code - 0xdc00));
        s->high = 0;
        s->state = STRING;
    } else if (s->code >= 0xd800 && s->code <= 0xdbff) {
        s->high = s->code;
        s->state = LOW_SLASH;
    } else {
        keep_code_point(s, s->code);
        s->state = STRING;
    }
}

static void hex(struct scan *s, char c)
{
    char l = lower(c);

    if (!digit(c) && (l < 'a' || l > 'f')) {
        wrong(s, "not an escape");
        return;
    }
    s->code = s->code << 4 | (uint32_t)(digit(c) ? c - '0' : l - 'a' + 10);
    if (--s->need == 0)
        hex_over(s);
}

static void utf8_start(struct scan *s, unsigned char c)
{
    s->state = UTF8;
    if (c >= 0xc2 && c <= 0xdf) {
        s->need = 1, s->code = c & 0x1f, s->least = 0x80;
    } else if (c >= 0xe0 && c <= 0xef) {
        s->need = 2, s->code = c & 0x0f, s->least = 0x800;
    } else if (c >= 0xf0 && c <= 0xf4) {
        s->need = 3, s->code = c & 0x07, s->least = 0x10000;
    } else {
        wrong(s, "not UTF-8");
    }
}

static void utf8(struct scan *s, unsigned char c)
{
    if ((c & 0xc0) != 0x80) {
        wrong(s, "not UTF-8");
        return;
    }
    s->code = s->code << 6 | (c & 0x3f);
    if (--s->need > 0)
        return;
    if (s->code < s->least || s->code > 0x10ffff || (s->code >= 0xd800 && s->code <= 0xdfff)) {
        wrong(s, "not UTF-8");
        return;
    }
    keep_code_point(s, s->code);
    s->state = STRING;
}

/* Bytes of a string: as many as are plain at once. Returns how many were used. */
static size_t string(struct scan *s, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x80 && p[i] != '"' &&
           p[i] != '\\')
        i++;
    s->chars += i;
    keep_bytes(s, p, i);
    if (i == n)
        return n;
    if (p[i] == '"')
        string_over(s);
    else if (p[i] == '\\')
        s->state = ESCAPE;
    else if ((unsigned char)p[i] >= 0x80)
        utf8_start(s, (unsigned char)p[i]);
    else
        wrong(s, "a control character in a string");
    return i + 1;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One byte between values. */
static void structure(struct scan *s, char c)
{
    if (blank(c))
        return;
    if (s->state == VALUE || (s->state == VALUE_OR_END && c != ']')) {
        value(s, c);
    } else if (s->state == VALUE_OR_END) {
        close_container(s, true);
    } else if ((s->state == KEY || s->state == KEY_OR_END) && c == '"') {
        string_start(s, true);
    } else if (s->state == KEY_OR_END && c == '}') {
        close_container(s, false);
    } else if (s->state == COLON && c == ':') {
        s->state = VALUE;
    } else if (s->state == COMMA && c == ',') {
        s->state = in_array(s) ? VALUE : KEY;
    } else if (s->state == COMMA && (c == ']' || c == '}')) {
        close_container(s, c == ']');
    } else {
        wrong(s, s->state == DONE ? "something follows the value" : "out of place");
    }
}

/* One byte that is no plain part of a string. False: to be looked at again. */
static bool byte(struct scan *s, char c)
{
    switch ((enum state)s->state) {
    case ESCAPE:
        escape(s, c);
        return true;
    case HEX:
        hex(s, c);
        return true;
    case LOW_SLASH:
    case LOW_U:
        if (c != (s->state == LOW_SLASH ? '\\' : 'u'))
            wrong(s, "half a surrogate pair");
        else if (s->state == LOW_SLASH)
            s->state = LOW_U;
        else
            escape(s, c);
        return true;
    case UTF8:
        utf8(s, (unsigned char)c);
        return true;
    case LITERAL:
        literal(s, c);
        return true;
    case NUM_MINUS:
    case NUM_ZERO:
    case NUM_INT:
    case NUM_DOT:
    case NUM_FRACTION:
    case NUM_E:
    case NUM_SIGN:
    case NUM_EXPONENT:
        return number(s, c);
    case VALUE:
    case VALUE_OR_END:
    case KEY_OR_END:
    case KEY:
    case COLON:
    case COMMA:
    case DONE:
    case STRING:
    case WRONG:
        break;
    }
    structure(s, c);
    return true;
}

bool scan_feed(struct scan *s, const void *p, size_t n)
{
    const char *at = p, *end = at + n;

    while (at < end && s->state != WRONG) {
        if (s->state == STRING)
            at += string(s, at, (size_t)(end - at));
        else if (byte(s, *at))
            at++;
    }
    return s->state != WRONG;
}

bool scan_end(struct scan *s)
{
    if (s->depth == 0 && number_may_end(s->state))
        scalar_over(s, SCAN_NUMBER);
    if (s->state != DONE && s->state != WRONG)
        wrong(s, "it ends in the middle");
    return s->state == DONE;
}
