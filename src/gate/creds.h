/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds.h - credentials that the agent uses and never holds.
 *
 * The agent has a placeholder; the value is here alone, and goes out in one header, over TLS, to
 * the hosts and paths that belay.yaml names. All placeholders of a session hold the same random
 * core, so one search finds any of them in whatever is sent.
 *
 * How an exchange uses it:
 *   1. creds_scan_head() on each request, before it is judged: `name` is the action's context
 *      field "credential", and `refused` (not NULL) ends it, with an alert if `misplaced`.
 *   2. after the verdict, creds_inject() makes the head that is sent. Its memory holds the value:
 *      creds_head_wipe() as soon as it is sent.
 *   3. creds_scan_body() on every byte of the body, and creds_body() on what that finds.
 *
 * Values live in pages of their own that are not in a core dump, not swapped where that can be
 * had, and gone in a child.
 */
#ifndef BELAY_GATE_CREDS_H
#define BELAY_GATE_CREDS_H

#include "base/err.h"
#include "http/http.h"

#define CREDS_FOREIGN "foreign" /* no credential may be named so */

struct creds;

/* Reads what creds_seal() of the keeper put into a memory file and wipes it there; the descriptor
 * stays the caller's. NULL: *e. */
struct creds *creds_load(int fd, struct err *e);
void creds_free(struct creds *c); /* wipes; NULL is nothing */

/* Where a request goes: the canonical host that was judged, and the canonical path without query.
 */
struct creds_place {
    struct str host;
    uint16_t port;
    bool tls;
    struct str path;
};

struct creds_finding {
    const char *name;    /* of the credential whose placeholder it holds, CREDS_FOREIGN, or "" */
    const char *refused; /* printable reason; NULL: it may be judged */
    bool misplaced;      /* a placeholder where it does not belong: people must know */
    char text[256];      /* of the reason */
};

/* `c` may be NULL in all of these: nobody has configured any. */
void creds_scan_head(const struct creds *c, const struct creds_place *to,
                     const struct http_head *head, struct creds_finding *out);

/* Is this header one that carries keys, tokens or passwords? Its value is not for the record. */
bool creds_is_secret_header(struct str name);

/* A head of its own, with values filled in. */
struct creds_head {
    struct http_head head;
    struct http_field *fields; /* nfields of them, owned; strings view the original or `bytes` */
    char *bytes;
    size_t size;
};

/*
 * Swaps placeholders for values in the headers where they belong, and puts in the credential that
 * `inject` names (the verdict's; empty: none) if the request does not have it. False: *why says
 * what is wrong, and nothing may be sent: the credential is unknown, or may not go there.
 */
bool creds_inject(const struct creds *c, const struct creds_place *to, struct str inject,
                  const struct http_head *in, struct creds_head *out, const char **why);
void creds_head_wipe(struct creds_head *h);

/* A body, as it comes. Zero is the start. */
struct creds_body_state {
    char tail[64];
    size_t n;
};
/* The name of a credential whose placeholder ended in these bytes (of several, the first), or NULL.
 */
const char *creds_scan_body(const struct creds *c, struct creds_body_state *s, const void *p,
                            size_t n);

enum creds_body_fate {
    CREDS_BODY_PASS,   /* to where the credential belongs: let it be, it is worth nothing */
    CREDS_BODY_ALERT,  /* to a model, in a conversation that saw it: tell people */
    CREDS_BODY_REFUSE, /* anywhere else: tell people and end it */
};
enum creds_body_fate creds_body(const struct creds *c, const char *name,
                                const struct creds_place *to, bool is_inference);

#endif
