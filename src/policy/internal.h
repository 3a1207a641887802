/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of this library share about a policy.
 */
#ifndef BELAY_POLICY_INTERNAL_H
#define BELAY_POLICY_INTERNAL_H

#include "base/mem.h"
#include "cedar/cedar.h"
#include "policy/address.h"
#include "policy/policy.h"

/* Cedar names that entities are made of: type names, then attributes. */
#define VOCABULARY(X)           \
    X(ACTION, "Action")         \
    X(AGENT, "Agent")           \
    X(LABEL, "Label")           \
    X(DIR, "Dir")               \
    X(FILE, "File")             \
    X(PROGRAM, "Program")       \
    X(SOCKET, "Socket")         \
    X(HOST, "Host")             \
    X(DOMAIN, "Domain")         \
    X(NET, "Net")               \
    X(SERVER, "Server")         \
    X(PROVIDER, "Provider")     \
    X(WORKSPACE, "workspace")   \
    X(HOME, "home")             \
    X(REPOSITORY, "repository") \
    X(USER, "user")             \
    X(PATH, "path")             \
    X(ABSTRACT, "abstract")     \
    X(CONTEXT, "context")       \
    X(SPENT, "spent")           \
    X(CENTS, "cents")           \
    X(TOKENS, "tokens")         \
    X(REQUESTS, "requests")

enum word {
#define X(sym, text) WORD_##sym,
    VOCABULARY(X)
#undef X
        WORD_COUNT
};

struct rule {
    const char *id;
    uint32_t unit;  /* which text */
    uint32_t index; /* number of the policy in its unit */
    bool forbid;
    enum outcome outcome;
    struct str reason; /* printable */
    uint32_t duties;
    uint64_t labels;
    struct str inject; /* credential of @inject */
    unsigned line;
};

/* One text, parsed and compiled. Rules of unit u are rules[first ..]. */
struct unit {
    const char *name;
    struct cedar_policies *policies;
    struct cedar_program *program;
    uint32_t first;
};

/* A path that a rule names by way of symbolic links, and where it leads on this host. */
struct alias {
    struct str named;  /* as in the rule, "~" expanded */
    struct str target; /* canonical */
    struct str site;   /* canonical path of the first link on the way */
};

#define ALIASES_MAX 64

struct policy {
    struct arena arena;
    struct cedar_names *names;
    cedar_name word[WORD_COUNT];
    cedar_name type[RESOURCE_COUNT];
    cedar_name field[FIELD_COUNT];
    const char *home;
    struct str repository; /* the workspace's .git when the session began; empty if none */
    struct unit units[POLICY_TEXTS_MAX];
    size_t nunits;
    struct rule *rules;
    size_t nrules;
    struct str labels[POLICY_LABELS_MAX];
    size_t nlabels;
    struct alias aliases[ALIASES_MAX];
    size_t naliases;
    uint64_t looks;                 /* bit per field of the context that some rule reads */
    struct cedar_policies *may_set; /* may.c: permits about hosts, without what reads the context */
    struct cedar_program *may;
    uint32_t *may_rule;                /* which rule each is made from */
    bool calls;                        /* some rule is about calls of tools */
    bool permits_calls, permits_infer; /* some permit is */
    bool infers;                       /* some rule is about inference */
};

/* ids of Cedar parents that one path or host can have */
#define ANCESTORS_MAX (POLICY_DEPTH_MAX + ALIASES_MAX + 8)

/* The entities of one action, as Cedar wants them. Big: lives in the scratch. */
struct request {
    struct cedar_request cedar;
    struct cedar_entity entities[3]; /* principal, action, resource */
    struct cedar_uid up[ANCESTORS_MAX];
    struct cedar_uid labels[POLICY_LABELS_MAX];
    struct cedar_uid group, home, workspace, repository;
    struct cedar_field agent[5], attrs[3], spent[3], context[FIELD_COUNT + 1];
    struct cedar_ip attr_ip, context_ip;
    uint32_t nitems;
    struct cedar_value items[2 * FRAME_LIST_MAX]; /* of all lists */
};

/* Does the schema let this verb apply to this kind of resource? */
bool verb_takes(enum verb v, enum resource_kind k);

/* False: the action names nothing; *reason tells why. Allocates nothing. */
bool request_make(const struct policy *p, const struct session *s, const struct action *a,
                  struct request *r, const char **reason);

/* context.c: what the action says besides; false: it is malformed. */
bool context_make(const struct policy *p, const struct session *s, const struct action *a,
                  struct request *r);

void address_to_cedar(const struct address *a, struct cedar_ip *ip);

/* Of "server/tool" and "provider/model": the part before the first slash; empty: malformed. */
struct str owner_of(struct str id);

struct policy_scratch {
    struct request request;
    size_t cedar_size;
    void *cedar; /* 16-byte aligned */
};

/* Is this an absolute path without "." and "..", double or final slashes? */
bool path_is_canonical(struct str path);
/* Is `path` `dir` itself or below it? Both canonical. */
bool path_below(struct str path, struct str dir);

/* rules.c: annotations. Fills rules, labels; the error is rendered with its place. */
bool rules_read(struct policy *p, struct err *e);
/* Renders a finding of belay's own at `span` of unit u. Always false. */
bool policy_error_at(const struct policy *p, size_t u, struct cedar_span span, struct err *e,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* looks.c: what the rules look at; after rules_read. */
struct surveyor;
void looks_find(struct policy *p, struct surveyor *v);

/* may.c: makes p->may; after rules_read. */
bool may_make(struct policy *p, struct surveyor *v, struct err *e);
/* Is there a permit by which this verb could be allowed on the host, whatever the context? Visits
 * each (visit NULL: none); a policy too costly to decide could. */
typedef void may_visit(void *ctx, uint32_t rule);
bool may_send_by(const struct policy *p, const struct session *s, enum verb verb, struct str host,
                 struct policy_scratch *scratch, may_visit *visit, void *ctx);

/* literals.c: expands "~", checks that paths and hosts in rules name something. */
bool literals_check(struct policy *p, size_t u, struct err *e);
/* The same for a set that was made from checked ones: no error is left to find. */
bool literals_expand(struct policy *p, struct cedar_policies *set);
/* Adds a label; -1 when there are too many. */
int label_add(struct policy *p, struct str name);
/* Is the literal at this span of unit u compared with == or != ? */
bool literal_is_compared(const struct policy *p, size_t u, struct cedar_span span);

static inline bool word_is_path(const struct policy *p, cedar_name type)
{
    return type == p->word[WORD_DIR] || type == p->word[WORD_FILE] ||
           type == p->word[WORD_PROGRAM] || type == p->word[WORD_SOCKET];
}

static inline struct str str_from(struct cedar_str s)
{
    return (struct str){s.ptr, s.len};
}

static inline struct cedar_str cedar_of(struct str s)
{
    return (struct cedar_str){s.p, s.n};
}

static inline struct cedar_value text_value(struct str s)
{
    return cedar_string((struct cedar_str){s.n > 0 ? s.p : "", s.n});
}

#endif
