/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ast.h - the syntax tree of policies.
 *
 * Everything lives in the arena of struct cedar_policies; names are interned in its names.
 * Depth is bounded by CEDAR_MAX_DEPTH, so walking recursively is safe with small frames.
 * The tree keeps what was written (a > b is EXPR_GT, not its mirror), so printing is exact.
 */
#ifndef CEDAR_AST_H
#define CEDAR_AST_H

#include "arena.h"
#include "text.h"

#define CEDAR_MAX_HAS 32 /* names in the path of a `has` */

enum cedar_var { VAR_PRINCIPAL, VAR_ACTION, VAR_RESOURCE, VAR_CONTEXT };

/* Extension functions and methods, and the built-in methods. See calls.def. */
enum cedar_call {
#define CALL(id, name, is_method, arity, is_builtin) CALL_##id,
#include "calls.def"
#undef CALL
    CALL_COUNT
};

struct cedar_call_info {
    const char *name;
    bool is_method; /* args[0] is the receiver, arity counts the others */
    uint8_t arity;
    bool is_builtin; /* of the language itself: its arity is checked by the parser */
};
extern const struct cedar_call_info cedar_calls[CALL_COUNT];
/* CALL_COUNT if there is none. */
enum cedar_call cedar_call_find(struct cedar_str name, bool is_method);

enum cedar_expr_kind {
    EXPR_BOOL,   /* u.boolean */
    EXPR_LONG,   /* u.integer; a negative literal -5 is one of these */
    EXPR_STRING, /* u.string */
    EXPR_ENTITY, /* u.uid */
    EXPR_VAR,    /* u.var */
    EXPR_NOT,    /* a */
    EXPR_NEG,    /* a */
    EXPR_AND,    /* a, b */
    EXPR_OR,
    EXPR_EQ,
    EXPR_NE,
    EXPR_LT,
    EXPR_LE,
    EXPR_GT,
    EXPR_GE,
    EXPR_ADD,
    EXPR_SUB,
    EXPR_MUL,
    EXPR_IN,
    EXPR_IF,     /* a then b else c */
    EXPR_GET,    /* a.name or a["name"]: u.name */
    EXPR_HAS,    /* a has path: u.path, one name or more */
    EXPR_LIKE,   /* a: u.pattern */
    EXPR_IS,     /* a is u.name [in b]; b may be NULL */
    EXPR_SET,    /* u.list */
    EXPR_RECORD, /* u.record; keys are distinct */
    EXPR_CALL,   /* u.call: function or method; for a method args[0] is the receiver */
};

struct cedar_expr {
    enum cedar_expr_kind kind;
    uint32_t depth; /* 1 for a leaf */
    struct cedar_span span;
    struct cedar_expr *a, *b, *c;
    union {
        bool boolean;
        int64_t integer;
        struct cedar_str string;
        struct cedar_uid uid;
        enum cedar_var var;
        cedar_name name;
        struct cedar_pattern pattern;
        struct {
            const cedar_name *names;
            uint32_t n;
        } path;
        struct {
            struct cedar_expr **items;
            uint32_t n;
        } list;
        struct {
            struct cedar_pair *pairs; /* in source order */
            uint32_t n;
        } record;
        struct {
            enum cedar_call call;
            struct cedar_expr **args;
            uint32_t n; /* the receiver included */
        } call;
    } u;
};

struct cedar_pair {
    cedar_name name;
    struct cedar_span span; /* of the key */
    struct cedar_expr *value;
};

/* One of the three parts of a scope. */
enum cedar_scope_op {
    SCOPE_ANY,
    SCOPE_EQ,    /* uid or slot */
    SCOPE_IN,    /* uid or slot */
    SCOPE_IS,    /* type */
    SCOPE_IS_IN, /* type, and uid or slot */
    SCOPE_IN_SET /* action in [uids]; n may be 0 */
};

struct cedar_scope {
    enum cedar_scope_op op;
    bool has_slot; /* the slot stands for uid; in a link uid is filled and this stays true */
    cedar_name type;
    struct cedar_span span;
    struct cedar_span uid_span;  /* of uid, slot or set */
    struct cedar_span type_span; /* of the type after `is` */
    struct cedar_uid uid;
    const struct cedar_uid *uids;
    const struct cedar_span *uid_spans; /* one for each of uids */
    uint32_t n;
};

struct cedar_clause {
    bool is_unless;
    struct cedar_span span;
    struct cedar_expr *expr;
};

struct cedar_note {
    struct cedar_str key;   /* NUL terminated */
    struct cedar_str value; /* NUL terminated */
    bool has_value;         /* false for a bare @key */
    struct cedar_span span;
};

struct cedar_policy {
    struct cedar_str id;               /* NUL terminated */
    uint32_t index;                    /* in the list of its policies */
    const struct cedar_policy *source; /* of a link: its template; else NULL */
    enum cedar_effect effect;
    bool has_principal_slot, has_resource_slot; /* false in a link: its slots are filled */
    struct cedar_span span, scope_span;
    struct cedar_scope principal, action, resource;
    struct cedar_note *notes;
    uint32_t n_notes;
    uint32_t n_clauses;
    struct cedar_clause *clauses; /* a link shares its template's */
};

struct cedar_policies {
    struct cedar_arena arena;
    struct cedar_names *names; /* a reference */
    struct cedar_str source;
    uint32_t refs;
    struct cedar_vec list; /* struct cedar_policy *, in order */
    uint32_t *by_id;       /* open addressing: index + 1, or 0 */
    uint32_t n_by_id;      /* a power of two, or 0 */
};

static inline size_t cedar_ast_count(const struct cedar_policies *policies)
{
    return policies->list.len;
}

static inline struct cedar_policy *cedar_ast_policy(const struct cedar_policies *policies,
                                                    size_t index)
{
    return ((struct cedar_policy **)policies->list.items)[index];
}

static inline bool cedar_is_template(const struct cedar_policy *policy)
{
    return policy->has_principal_slot || policy->has_resource_slot;
}

#endif
