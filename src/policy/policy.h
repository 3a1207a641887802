/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - a set of Cedar policies over belay's schema, and the decision on one action.
 *
 * Life: policy_load() reads and checks the texts (keeper, and every tool); policy_resolve()
 * looks up which of the named paths are symbolic links on this host (keeper only, the one
 * step that touches files); policy_pack() carries the result to the judge, where
 * policy_unpack() makes the same policy again. A struct policy is immutable after that: to
 * reload, make a new one and swap the pointer.
 *
 * policy_decide() is a pure function: no I/O, no clock, no allocation; it writes nothing but
 * the scratch and the decision. Outcomes, strictest first: kill, freeze, deny, ask, allow.
 *   - no permit is satisfied: deny, with no rule
 *   - a satisfied forbid denies; @ask("reason"), @freeze("reason") or @kill("reason") on it
 *     changes that; of several the strictest wins
 *   - ask becomes possible only where some permit is satisfied too; else it is deny
 *   - a forbid whose scope matches but whose condition cannot be evaluated denies: an error
 *     never opens a hole. A permit that cannot be evaluated does not permit
 *   - an action that is malformed (path not canonical, too deep, host name not canonical)
 *     or too costly to decide is denied
 *   - "resolve" is no Cedar action: it is allowed if policy_may_send() holds
 *   - a connection is permitted for the sake of requests too: see policy_opens()
 *   - an inference is a request that was permitted, and an intent (a call that a model asks for)
 *     does nothing yet: where no permit at all is about the verb, only forbids decide on it
 * The language: policies/belay.cedarschema.
 */
#ifndef BELAY_POLICY_POLICY_H
#define BELAY_POLICY_POLICY_H

#include "base/err.h"
#include "base/text.h"
#include "policy/action.h"

#define POLICY_TEXTS_MAX  16         /* files that make one policy */
#define POLICY_TEXT_MAX   (1u << 20) /* bytes of each */
#define POLICY_LABELS_MAX 64         /* distinct Label::"..." of a policy */
#define POLICY_DEPTH_MAX  128        /* components of a path; deeper: deny */

struct session;
struct policy;         /* opaque */
struct policy_scratch; /* opaque; memory for one decision at a time */

struct policy_text {
    const char *name; /* file name for messages */
    struct str bytes;
};

/*
 * Parses, validates against the schema and compiles. `home` (canonical, absolute) stands for
 * "~" in Dir, File, Program and Socket literals. The bytes are copied. NULL: *e has code
 * EX_POLICY and FILE:LINE:COLUMN, the reason, the source line and a caret.
 */
struct policy *policy_load(const struct policy_text *texts, size_t n, const char *home,
                           struct err *e);
void policy_free(struct policy *p);

/*
 * Looks at this host, once, before the policy is packed: which of the named paths lead through
 * symbolic links, so that rules hold for what they lead to as well, and whether the workspace
 * is a git repository. False: a rule compares with `==` to a link, which could not hold.
 */
bool policy_resolve(struct policy *p, const struct session *session, struct err *e);

/* The policy as bytes for a memfd, and back. Unpack: NULL and *e when damaged. */
void policy_pack(const struct policy *p, struct buf *out);
struct policy *policy_unpack(struct str packed, struct err *e);
#define POLICY_PACK_MAX (POLICY_TEXTS_MAX * (POLICY_TEXT_MAX + 4096u))

/* What holds for the whole session, and what it has picked up. Views must outlive the use. */
struct session {
    struct str agent;     /* name of the agent: last part of the command */
    struct str user;      /* login name of its user */
    struct str home;      /* canonical absolute path */
    struct str workspace; /* canonical absolute path */
    uint64_t labels;      /* bits: see policy_label */
    struct spent {        /* at model providers, as far as metered */
        int64_t cents, tokens, requests;
    } spent;
};

/* Bit number of a label that the policy mentions, or -1. */
int policy_label(const struct policy *p, struct str name);
/* Name of bit `i`; the empty view beyond the last. */
struct str policy_label_name(const struct policy *p, unsigned i);

struct decision {
    enum outcome outcome;
    bool permitted;  /* some permit was satisfied; known for allow and ask, else a lower bound */
    uint32_t duties; /* bits of enum duty, from the annotations of the deciding rules */
    uint64_t labels; /* @label("x"): bits that the session picks up if the action goes ahead */
    size_t nrules;
    struct str rules[VERDICT_RULES_MAX]; /* ids, strictest first; views into the policy */
    uint32_t rule[VERDICT_RULES_MAX];    /* their numbers, for policy_rule() */
    struct str inject;                   /* DUTY_INJECT: name of the credential */
    struct str reason;                   /* one printable line; views policy, or text below */
    char text[VERDICT_REASON_MAX];
};

/* A scratch for this policy (not for another one). Release with policy_scratch_free. */
struct policy_scratch *policy_scratch_new(const struct policy *p);
void policy_scratch_free(struct policy_scratch *s);

void policy_decide(const struct policy *p, const struct session *session,
                   const struct action *action, struct policy_scratch *scratch,
                   struct decision *decision);

/* Is there a permit that could allow to connect or to send a request to this host, whatever the
 * context? Forbids are not asked: a name that passes is still judged at connect, before it leaves. */
bool policy_may_send(const struct policy *p, const struct session *session, struct str host,
                     struct policy_scratch *scratch);

/*
 * Is what goes to this host looked into, request by request? It is where a permit for requests
 * could hold for the host, whatever the context, and at the hosts of model providers (provider.def)
 * where some permit is about inference. Elsewhere a connection that is permitted passes unread.
 * A permit for requests implies the connection: policy_decide() then allows `connect` with
 * DUTY_ONLY_HTTP, if no forbid holds. DUTY_OPEN is set on every connection to such a host.
 */
bool policy_opens(const struct policy *p, const struct session *session, struct str host,
                  struct policy_scratch *scratch);

/* Does some rule read this field of the context? What no rule reads need not be found out. */
bool policy_looks_at(const struct policy *p, enum field_id f);

/* A rule for listings. */
struct policy_rule {
    const char *id;   /* @id, or policyN */
    const char *file; /* as given in policy_text */
    unsigned line;    /* from 1 */
    bool forbid;
    enum outcome outcome; /* what it leads to when satisfied */
    const char *reason;   /* "" if it gives none */
    struct str inject;    /* credential that it has put in; empty: none */
};
size_t policy_rules(const struct policy *p);
struct policy_rule policy_rule(const struct policy *p, size_t i); /* i < policy_rules() */

/* The texts that are part of the binary: "coding", ... NULL bytes if there is no such. */
struct str policy_preset(const char *name);
/* Name of preset i, NULL beyond the last. */
const char *policy_preset_name(size_t i);
/* policies/belay.cedarschema */
struct str policy_schema(void);

#endif
