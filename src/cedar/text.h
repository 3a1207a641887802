/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - Cedar's strings and identifiers: UTF-8, escapes, reserved words.
 */
#ifndef CEDAR_TEXT_H
#define CEDAR_TEXT_H

#include "arena.h"
#include "diag.h"

bool cedar_utf8_valid(struct cedar_str s);
/* Writes the code point; returns its bytes (1..4), 0 for a surrogate or beyond U+10FFFF. */
size_t cedar_utf8_put(uint32_t code, char out[4]);

/* [_a-zA-Z][_a-zA-Z0-9]*, reserved words included. */
bool cedar_is_ident(struct cedar_str s);
/* true false if then else in is like has __cedar */
bool cedar_is_reserved(struct cedar_str s);
/* A path of identifiers, none reserved: A::B::C without blanks. */
bool cedar_is_path(struct cedar_str s);

/*
 * Resolves the escapes of a string's inside: \n \r \t \\ \0 \' \" \xHH (up to 7f), \u{H..}, and
 * a backslash before a line's end, which joins the lines. err points at the escape that is
 * wrong.
 */
enum cedar_status cedar_unescape(struct cedar_arena *arena, struct cedar_str source,
                                 struct cedar_span inside, struct cedar_str *out,
                                 struct cedar_error *err);

/*
 * A `like` pattern: literal pieces between wildcards. n pieces mean n-1 wildcards; pieces may
 * be empty.
 */
struct cedar_pattern {
    uint32_t n;
    const struct cedar_str *pieces;
};
enum cedar_status cedar_unescape_pattern(struct cedar_arena *arena, struct cedar_str source,
                                         struct cedar_span inside, struct cedar_pattern *out,
                                         struct cedar_error *err);

/* Linear in s: greedy from the left, the last piece anchored at the end. */
bool cedar_pattern_match(const struct cedar_pattern *pattern, struct cedar_str s);

/* Writes s between double quotes with escapes; for a pattern, with its wildcards. */
void cedar_quote(struct cedar_buf *buf, struct cedar_str s);
void cedar_quote_pattern(struct cedar_buf *buf, const struct cedar_pattern *pattern);

#endif
