/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - what a request is about: the authority and the path, in one spelling (RFC 3986).
 */
#ifndef BELAY_HTTP_TARGET_H
#define BELAY_HTTP_TARGET_H

#include "base/text.h"

struct http_authority {
    struct str
        host;      /* a name, an IPv4 address, or an IPv6 address in brackets; a view of the text */
    unsigned port; /* 1 to 65535; 0: none was given */
};

/* host[:port]: letters, digits, '-', '_' and '.', or an address in brackets. No userinfo, no
 * escapes, no empty port. Upper case passes. */
bool http_authority_parse(struct str text, struct http_authority *out);

/*
 * The path of a target (which begins with '/'; its query is left out) as rules see it: escapes are
 * decoded, and it is valid UTF-8. Only '%' itself stays escaped (%25), and an escaped slash.
 *
 * Servers disagree about two things that honest clients send. Does %2F separate segments, and are
 * empty segments there? So there are two readings: `exact` takes %2F for a character of a name and
 * keeps empty segments, `folded` takes it for a slash and drops them ("/a%2Fb//c": "/a%2Fb//c" and
 * "/a/b/c"). Mostly they are equal; where not, a request is allowed only if both are.
 *
 * Refused, with the reason in *why (static), is what some server reads as another path: an escape
 * that is none; NUL and other control characters; a backslash, escaped or not; '#'; "." and ".."
 * as a segment in either reading, escaped or not, also with parameters ("..;x"); what is no UTF-8
 * after decoding (overlong forms); and an escaped escape of a dot, slash, backslash or control
 * character
 * (%252e), which comes to life where somebody decodes twice. "*" is its own path.
 */
bool http_path_canonical(struct str target, struct buf *exact, struct buf *folded,
                         const char **why);

#endif
