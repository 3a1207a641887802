/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cedar.h - the Cedar policy language (4.x): read, validate, decide.
 *
 * The public face of libcedar. Nothing outside this folder is needed.
 *
 * Life of the objects:
 *   names     interns type, attribute and tag names as small integers. Append-only;
 *             everything that is used together is made with the same names.
 *   policies  parsed policies and templates with their source; links are added here.
 *   program   policies compiled for deciding. Immutable: keep the old one serving until
 *             the new one stands, then swap the pointer.
 *   entities  entities with attributes and ancestors. Immutable once loaded.
 *   schema    entity types, actions and the shape of contexts.
 *   request   a plain struct that the caller fills, on its stack if it likes.
 *
 * Errors are values: functions return enum cedar_status, and fill a struct cedar_error
 * (which may be NULL) with message, place and reason. Out parameters are set only on
 * CEDAR_OK. Objects are reference counted where one holds another, so the order of the
 * _free() calls does not matter; _free(NULL) does nothing.
 *
 * Strings are views (pointer and length), UTF-8, and may hold NUL bytes. Spans are byte
 * offsets into the text that was parsed. No function writes to a descriptor, reads a clock
 * or touches a signal. Not thread safe, but an immutable object may be read by many threads.
 *
 * Language: https://docs.cedarpolicy.com/policies/syntax-grammar.html
 */
#ifndef CEDAR_H
#define CEDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bounds on what is accepted. Beyond them: CEDAR_ERR_LIMIT, never exhaustion. */
#define CEDAR_MAX_TEXT       (4u << 20)  /* bytes of a policy or schema text, or policy JSON */
#define CEDAR_MAX_JSON       (64u << 20) /* bytes of an entities document */
#define CEDAR_MAX_NESTING    200         /* brackets, conditionals, JSON containers */
#define CEDAR_MAX_DEPTH      1024        /* of an expression tree (long chains of || and &&) */
#define CEDAR_MAX_POLICIES   65536       /* policies, templates and links together */
#define CEDAR_MAX_ELEMENTS   65536       /* of a set or record */
#define CEDAR_MAX_NAMES      (1u << 20)  /* interned names */
#define CEDAR_MAX_ENTITIES   (1u << 20)  /* in an entity store */
#define CEDAR_MAX_ANCESTORS  65536       /* of one entity */
#define CEDAR_MAX_TYPES      8192        /* entity types of a schema; common types; actions */
#define CEDAR_MAX_LINKS      (1u << 18)  /* parents that its entity types name, or its actions */
#define CEDAR_MAX_REQUESTS   (1u << 20)  /* its triples of principal type, action, resource type */
#define CEDAR_MESSAGE_MAX    320         /* bytes of an error's message, NUL included */
#define CEDAR_DEFAULT_BUDGET 4000000u    /* element comparisons that a decision may cost */

/* ---- strings, places, errors ------------------------------------------------------ */

struct cedar_str {
    const char *ptr; /* not NUL terminated */
    size_t len;
};

#define CEDAR_STR(literal) ((struct cedar_str){"" literal, sizeof(literal) - 1})

static inline struct cedar_str cedar_str(const char *s)
{
    return (struct cedar_str){s, strlen(s)};
}

static inline bool cedar_str_eq(struct cedar_str a, struct cedar_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* A half-open range of bytes in the text that was parsed; {0, 0} is "no place". */
struct cedar_span {
    uint32_t start;
    uint32_t end;
};

enum cedar_status {
    CEDAR_OK = 0,
    CEDAR_ERR_MEMORY,   /* the allocator gave nothing */
    CEDAR_ERR_SYNTAX,   /* the text or JSON is not what the language allows */
    CEDAR_ERR_LIMIT,    /* one of the bounds above */
    CEDAR_ERR_CONFLICT, /* a duplicate id, key or entity that differs */
    CEDAR_ERR_CYCLE,    /* an entity or type is its own ancestor */
    CEDAR_ERR_UNKNOWN,  /* a name that stands for nothing: a template, a type */
    CEDAR_ERR_TYPE,     /* a value of another type than was declared */
    CEDAR_ERR_INVALID,  /* a value that its type does not allow: a slot, an ip address */
};

struct cedar_error {
    enum cedar_status status;
    struct cedar_span span; /* into the parsed text; {0,0} if the error has no place */
    uint32_t line;          /* from 1; 0 if the error has no place */
    uint32_t column;        /* from 1, in code points */
    char message[CEDAR_MESSAGE_MAX];
};

/*
 * Writes "FILE:LINE:COLUMN: error: MESSAGE", the line of source and a caret line under the
 * span, as much as fits in cap bytes, always NUL terminated. Control characters of the
 * source are shown as '?', so the result may go to a terminal. Returns the length written.
 */
size_t cedar_error_render(const struct cedar_error *err, const char *file, struct cedar_str source,
                          char *buf, size_t cap);

/* Line and column (from 1, in code points) of a byte offset. */
void cedar_locate(struct cedar_str source, uint32_t offset, uint32_t *line, uint32_t *column);

/* Findings of a validator or linter, one call each; the finding dies with the call. */
enum cedar_severity { CEDAR_NOTE, CEDAR_WARNING, CEDAR_FAULT };
struct cedar_finding {
    enum cedar_severity severity;
    const char *policy_id; /* NUL terminated; NULL when it concerns no policy */
    struct cedar_error at; /* message and place */
};
typedef void cedar_report_fn(void *ctx, const struct cedar_finding *finding);

/* Takes text; len bytes at a time. Returns false to stop (and the writer then fails). */
typedef bool cedar_write_fn(void *ctx, const char *text, size_t len);

/* ---- memory ----------------------------------------------------------------------- */

/*
 * resize(ctx, NULL, 0, n) allocates, resize(ctx, p, old, n) resizes, resize(ctx, p, old, 0)
 * frees and returns NULL. NULL otherwise means failure, and p stays valid. The struct is
 * copied; ctx must outlive every object made with it.
 */
struct cedar_allocator {
    void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t new_size);
    void *ctx;
};

/* ---- names ------------------------------------------------------------------------ */

/* An interned name; equal exactly if the text is. Comparing them is comparing integers. */
typedef uint32_t cedar_name;
#define CEDAR_NO_NAME 0u

struct cedar_names;

/*
 * Makes a table that holds preset[0..n) as names 1..n, so that a program with a vocabulary
 * of its own may use constants. alloc may be NULL (malloc). Returns NULL without memory.
 */
struct cedar_names *cedar_names_new(const struct cedar_allocator *alloc,
                                    const struct cedar_str *preset, size_t n);
void cedar_names_free(struct cedar_names *names);

/* Interns a name; CEDAR_NO_NAME without memory or beyond CEDAR_MAX_NAMES. */
cedar_name cedar_intern(struct cedar_names *names, struct cedar_str text);
/* The name's id, or CEDAR_NO_NAME if it was never interned. Allocates nothing. */
cedar_name cedar_lookup(const struct cedar_names *names, struct cedar_str text);
/* Its text, also NUL terminated; lives as long as names. "" for CEDAR_NO_NAME. */
struct cedar_str cedar_name_str(const struct cedar_names *names, cedar_name name);

/* ---- values ----------------------------------------------------------------------- */

/* An entity's identity. hash is cedar_uid_hash(type, id): make uids with cedar_uid(). */
struct cedar_uid {
    cedar_name type; /* the full path, "Ns::Type" */
    uint32_t hash;
    struct cedar_str id;
};

uint32_t cedar_uid_hash(cedar_name type, struct cedar_str id);

static inline struct cedar_uid cedar_uid(cedar_name type, struct cedar_str id)
{
    return (struct cedar_uid){type, cedar_uid_hash(type, id), id};
}

static inline bool cedar_uid_eq(const struct cedar_uid *a, const struct cedar_uid *b)
{
    return a == b || (a->hash == b->hash && a->type == b->type && cedar_str_eq(a->id, b->id));
}

/* An address with its prefix length: 0..32 or 0..128. addr holds 4 or 16 bytes, big-endian. */
struct cedar_ip {
    bool is_v6;
    uint8_t prefix;
    uint8_t addr[16];
};

enum cedar_kind {
    CEDAR_BOOL,
    CEDAR_LONG,
    CEDAR_STRING,
    CEDAR_ENTITY,
    CEDAR_SET,
    CEDAR_RECORD,
    CEDAR_IPADDR,
    CEDAR_DECIMAL,  /* integer: the value times 10,000 */
    CEDAR_DATETIME, /* integer: milliseconds since 1970-01-01T00:00:00Z */
    CEDAR_DURATION, /* integer: milliseconds */
};

struct cedar_field;

/*
 * A value is a view: what the pointers name belongs to whoever made it and must outlive the
 * use. len is the string's bytes or the number of elements or fields. Sets may hold
 * duplicates; records may not.
 */
struct cedar_value {
    uint8_t kind;   /* enum cedar_kind */
    uint8_t sorted; /* set by the library for its own large sets; leave it 0 */
    uint32_t len;
    union {
        bool boolean;
        int64_t integer;
        const char *string;
        const struct cedar_uid *uid;
        const struct cedar_value *items;
        const struct cedar_field *fields;
        const struct cedar_ip *ip;
    };
};

struct cedar_field {
    cedar_name name;
    struct cedar_value value;
};

static inline struct cedar_value cedar_bool(bool b)
{
    return (struct cedar_value){.kind = CEDAR_BOOL, .boolean = b};
}

static inline struct cedar_value cedar_long(int64_t n)
{
    return (struct cedar_value){.kind = CEDAR_LONG, .integer = n};
}

/* s.len must fit 32 bits; longer strings are cut off by the caller's own bounds, not here. */
static inline struct cedar_value cedar_string(struct cedar_str s)
{
    return (struct cedar_value){.kind = CEDAR_STRING, .len = (uint32_t)s.len, .string = s.ptr};
}

static inline struct cedar_value cedar_entity(const struct cedar_uid *uid)
{
    return (struct cedar_value){.kind = CEDAR_ENTITY, .uid = uid};
}

static inline struct cedar_value cedar_set(const struct cedar_value *items, uint32_t n)
{
    return (struct cedar_value){.kind = CEDAR_SET, .len = n, .items = items};
}

static inline struct cedar_value cedar_record(const struct cedar_field *fields, uint32_t n)
{
    return (struct cedar_value){.kind = CEDAR_RECORD, .len = n, .fields = fields};
}

static inline struct cedar_value cedar_ipaddr(const struct cedar_ip *ip)
{
    return (struct cedar_value){.kind = CEDAR_IPADDR, .ip = ip};
}

/* kind is CEDAR_DECIMAL, CEDAR_DATETIME or CEDAR_DURATION; units as given above. */
static inline struct cedar_value cedar_scaled(enum cedar_kind kind, int64_t n)
{
    return (struct cedar_value){.kind = (uint8_t)kind, .integer = n};
}

/* Writes the value as Cedar text, cut to cap bytes, NUL terminated; returns the full length. */
size_t cedar_value_print(const struct cedar_names *names, const struct cedar_value *value,
                         char *buf, size_t cap);
/* The same for a uid: Type::"id". */
size_t cedar_uid_print(const struct cedar_names *names, const struct cedar_uid *uid, char *buf,
                       size_t cap);

/* ---- schema ----------------------------------------------------------------------- */

struct cedar_schema;

/* Reads a schema: the human-readable format, or JSON. names is held by the schema. */
enum cedar_status cedar_schema_parse(struct cedar_names *names, struct cedar_str text,
                                     struct cedar_schema **out, struct cedar_error *err);
enum cedar_status cedar_schema_parse_json(struct cedar_names *names, struct cedar_str json,
                                          struct cedar_schema **out, struct cedar_error *err);
void cedar_schema_free(struct cedar_schema *schema);

/* Prints a schema in the one or the other format, whichever it was read from: without comments. */
enum cedar_status cedar_schema_print(const struct cedar_schema *schema, cedar_write_fn *write,
                                     void *ctx, struct cedar_error *err);
enum cedar_status cedar_schema_print_json(const struct cedar_schema *schema, cedar_write_fn *write,
                                          void *ctx, struct cedar_error *err);

/* ---- policies --------------------------------------------------------------------- */

struct cedar_policies;

/*
 * Parses policies and templates; they are called policy0, policy1 ... in order. alloc may be
 * NULL. The text is copied. Stops at the first error.
 */
enum cedar_status cedar_policies_parse(struct cedar_names *names,
                                       const struct cedar_allocator *alloc, struct cedar_str text,
                                       struct cedar_policies **out, struct cedar_error *err);

/*
 * The same from the JSON policy format: a policy set ({"staticPolicies": ..., "templates": ...,
 * "templateLinks": ...}), or a single policy, which is called policy0.
 */
enum cedar_status cedar_policies_parse_json(struct cedar_names *names,
                                            const struct cedar_allocator *alloc,
                                            struct cedar_str json, struct cedar_policies **out,
                                            struct cedar_error *err);
void cedar_policies_free(struct cedar_policies *policies);

/*
 * Links a template under a new id. A slot that the template has needs its uid, one that it
 * has not needs NULL. uids are copied.
 */
enum cedar_status cedar_policies_link(struct cedar_policies *policies, struct cedar_str template_id,
                                      struct cedar_str new_id, const struct cedar_uid *principal,
                                      const struct cedar_uid *resource, struct cedar_error *err);

enum cedar_effect { CEDAR_PERMIT, CEDAR_FORBID };

/* What is known of a policy. Views live as long as the policies. */
struct cedar_policy_info {
    const char *id;        /* policyN, or what JSON or the link called it */
    const char *id_note;   /* the @id annotation, else NULL */
    const char *source_id; /* of a link: its template's id; else NULL */
    enum cedar_effect effect;
    bool is_template;        /* has slots and takes no part in deciding */
    struct cedar_span span;  /* from the first annotation to the semicolon */
    struct cedar_span scope; /* between the round brackets */
    size_t n_annotations;
    size_t n_conditions;
};

struct cedar_annotation {
    struct cedar_str key;
    struct cedar_str value; /* "" for a bare @key */
    struct cedar_span span;
};

struct cedar_condition {
    bool is_unless;
    struct cedar_span span; /* from when/unless to the closing brace */
};

size_t cedar_policies_count(const struct cedar_policies *policies);
/* index < cedar_policies_count(); policies stand in source order, links after them. */
struct cedar_policy_info cedar_policy_info(const struct cedar_policies *policies, size_t index);
struct cedar_annotation cedar_policy_annotation(const struct cedar_policies *policies, size_t index,
                                                size_t annotation);
struct cedar_condition cedar_policy_condition(const struct cedar_policies *policies, size_t index,
                                              size_t condition);
/* The value of @key, or NULL; NUL terminated. */
const char *cedar_policy_note(const struct cedar_policies *policies, size_t index, const char *key);
/* The text that was parsed ("" if it was JSON). */
struct cedar_str cedar_policies_source(const struct cedar_policies *policies);
const struct cedar_names *cedar_policies_names(const struct cedar_policies *policies);

/* A literal that a policy holds, in its scope or conditions. */
enum cedar_literal_kind {
    CEDAR_LIT_ENTITY,  /* value.uid */
    CEDAR_LIT_LONG,    /* value.integer */
    CEDAR_LIT_STRING,  /* value.string */
    CEDAR_LIT_PATTERN, /* pattern: Cedar text between the quotes, `*` and `\*` */
    CEDAR_LIT_TYPE,    /* the right side of `is`: name */
    CEDAR_LIT_ATTR,    /* an attribute that is read or asked for: name */
};
struct cedar_literal {
    enum cedar_literal_kind kind;
    bool in_scope;
    struct cedar_span span;
    struct cedar_value value;
    struct cedar_str pattern;
    cedar_name name;
};
typedef void cedar_literal_fn(void *ctx, const struct cedar_literal *literal);
void cedar_policy_literals(const struct cedar_policies *policies, size_t index,
                           cedar_literal_fn *visit, void *ctx);

/*
 * Shows every entity literal, and lets it be given another id (for programs in which some ids
 * are shorthand, as "~" for a home): rename sets *id, which is copied. prefix does the same for
 * the start of every `like` pattern, before its first wildcard. Either may be NULL. A status
 * other than CEDAR_OK stops and is returned; the callback has filled err then. Before
 * cedar_compile().
 */
typedef enum cedar_status cedar_rename_fn(void *ctx, size_t policy, const struct cedar_uid *uid,
                                          struct cedar_span span, struct cedar_str *id,
                                          struct cedar_error *err);
typedef enum cedar_status cedar_prefix_fn(void *ctx, size_t policy, struct cedar_span span,
                                          struct cedar_str *prefix, struct cedar_error *err);
enum cedar_status cedar_policies_rename(struct cedar_policies *policies, cedar_rename_fn *rename,
                                        cedar_prefix_fn *prefix, void *ctx,
                                        struct cedar_error *err);

/* Prints the policies as the formatter would, without comments (the tree holds none). */
enum cedar_status cedar_policies_print(const struct cedar_policies *policies, cedar_write_fn *write,
                                       void *ctx, struct cedar_error *err);
/* Writes them in the JSON policy format: a policy set. */
enum cedar_status cedar_policies_print_json(const struct cedar_policies *policies,
                                            cedar_write_fn *write, void *ctx,
                                            struct cedar_error *err);
/* One policy or template in the JSON policy format. */
enum cedar_status cedar_policy_print_json(const struct cedar_policies *policies, size_t index,
                                          cedar_write_fn *write, void *ctx,
                                          struct cedar_error *err);
/* Formats policy text: layout changes, comments stay. Fails as the parser does. */
enum cedar_status cedar_format(const struct cedar_allocator *alloc, struct cedar_str text,
                               cedar_write_fn *write, void *ctx, struct cedar_error *err);

/* ---- entities and requests -------------------------------------------------------- */

/* An entity as the caller describes it. parents are its direct or further ancestors. */
struct cedar_entity {
    struct cedar_uid uid;
    const struct cedar_uid *parents;
    uint32_t n_parents;
    uint32_t n_attrs;
    const struct cedar_field *attrs;
    const struct cedar_field *tags; /* tag names are interned too */
    uint32_t n_tags;
};

struct cedar_entities;

/*
 * Loads the JSON entity format: an array of {"uid", "attrs", "parents", "tags"}. With a schema,
 * its actions are added and values are read as it declares them (an entity or extension value
 * needs no escape then); without one, __entity and __extn tell. The schema may be NULL.
 */
enum cedar_status cedar_entities_parse(struct cedar_names *names,
                                       const struct cedar_allocator *alloc, struct cedar_str json,
                                       const struct cedar_schema *schema,
                                       struct cedar_entities **out, struct cedar_error *err);
/* The same from C; everything is copied. */
enum cedar_status cedar_entities_build(struct cedar_names *names,
                                       const struct cedar_allocator *alloc,
                                       const struct cedar_entity *entities, size_t n,
                                       struct cedar_entities **out, struct cedar_error *err);
void cedar_entities_free(struct cedar_entities *entities);
size_t cedar_entities_count(const struct cedar_entities *entities);
/* index < count. parents holds all ancestors, not the direct parents alone. */
struct cedar_entity cedar_entities_at(const struct cedar_entities *entities, size_t index);

/*
 * A request. The entities that it brings stand before those of the store: one of the same uid
 * hides the stored one. All views must outlive the decision.
 */
struct cedar_request {
    struct cedar_uid principal;
    struct cedar_uid action;
    struct cedar_uid resource;
    const struct cedar_field *context;
    uint32_t n_context;
    uint32_t n_entities;
    const struct cedar_entity *entities;
};

/* A request read from JSON owns its memory. */
struct cedar_parsed_request;

/*
 * Reads {"principal", "action", "resource", "context"}; the first three are {"type", "id"},
 * {"__entity": ...} or Type::"id" as a string. context may be absent. The schema may be NULL.
 */
enum cedar_status cedar_request_parse(struct cedar_names *names,
                                      const struct cedar_allocator *alloc, struct cedar_str json,
                                      const struct cedar_schema *schema,
                                      struct cedar_parsed_request **out, struct cedar_error *err);
const struct cedar_request *cedar_parsed_request(const struct cedar_parsed_request *parsed);
void cedar_parsed_request_free(struct cedar_parsed_request *parsed);

/* ---- validation ------------------------------------------------------------------- */

/*
 * Each reports its findings and sets *valid to whether none of them was a CEDAR_FAULT. The
 * status says only whether the work could be done. Strict mode.
 */
enum cedar_status cedar_validate_policies(const struct cedar_schema *schema,
                                          const struct cedar_policies *policies,
                                          cedar_report_fn *report, void *ctx, bool *valid,
                                          struct cedar_error *err);
enum cedar_status cedar_validate_entities(const struct cedar_schema *schema,
                                          const struct cedar_entities *entities,
                                          cedar_report_fn *report, void *ctx, bool *valid,
                                          struct cedar_error *err);
enum cedar_status cedar_validate_request(const struct cedar_schema *schema,
                                         const struct cedar_request *request,
                                         cedar_report_fn *report, void *ctx, bool *valid,
                                         struct cedar_error *err);

/*
 * What a program does beyond permit and forbid, by the keys of annotations; each list ends with
 * NULL, or is NULL.
 */
struct cedar_lint_options {
    const char *const *duties;       /* that give a policy an effect of its own */
    const char *const *softens;      /* that make a forbid less than final */
    const char *const *needs_permit; /* that are of use only where something may be permitted */
};

/*
 * Reports what is odd in valid policies, as warnings: a policy that another of its effect and
 * duties covers wholly, a permit that a forbid covers, conditions that contradict each other, a
 * duty over what is never permitted, hidden characters (see cedar_lint_text()).
 * All is proved by form, so not everything that is odd is found. At most 4,096 policies.
 * options may be NULL. (Of policies that can never apply cedar_validate_policies() tells.)
 */
enum cedar_status cedar_lint(const struct cedar_schema *schema,
                             const struct cedar_policies *policies,
                             const struct cedar_lint_options *options, cedar_report_fn *report,
                             void *ctx, struct cedar_error *err);

/*
 * Warns of characters that a reader cannot see or that reorder what he sees, wherever they stand
 * raw in valid UTF-8, comments included. cedar_lint() does this for the source of its policies.
 */
void cedar_lint_text(struct cedar_str text, cedar_report_fn *report, void *ctx);

/* ---- deciding --------------------------------------------------------------------- */

struct cedar_program;

/*
 * Compiles for deciding. The program holds the policies, which must not be linked further.
 * alloc may be NULL.
 */
enum cedar_status cedar_compile(struct cedar_policies *policies,
                                const struct cedar_allocator *alloc, struct cedar_program **out,
                                struct cedar_error *err);
void cedar_program_free(struct cedar_program *program);
const struct cedar_policies *cedar_program_policies(const struct cedar_program *program);

/*
 * Memory that one decision needs: enough for every policy of the program, its results, and
 * max_ancestors ancestors of each of principal, action and resource (the request's own
 * entities included). 16-byte aligned.
 */
size_t cedar_scratch_size(const struct cedar_program *program, size_t max_ancestors);

enum cedar_decision { CEDAR_DENY, CEDAR_ALLOW };

enum cedar_eval_error {
    CEDAR_EVAL_OK,
    CEDAR_EVAL_TYPE,      /* an operator met a value of another type */
    CEDAR_EVAL_NO_ENTITY, /* an attribute or tag of an entity that does not exist */
    CEDAR_EVAL_NO_ATTR,   /* no such attribute or tag */
    CEDAR_EVAL_OVERFLOW,  /* integer arithmetic */
    CEDAR_EVAL_EXTENSION, /* an extension function was given what it cannot read */
};

struct cedar_policy_error {
    uint32_t policy; /* index of the policy */
    enum cedar_eval_error error;
    struct cedar_span span;    /* of the expression that failed */
    enum cedar_kind want, got; /* for CEDAR_EVAL_TYPE */
    cedar_name name;           /* for CEDAR_EVAL_NO_ATTR, if an attribute */
};

/* What was decided; the arrays live in the scratch. Indices of policies, ascending. */
struct cedar_answer {
    enum cedar_decision decision;
    bool exhausted; /* scratch or budget did not suffice: denied, arrays incomplete */
    uint32_t n_reasons, n_errors;
    uint32_t n_evaluated; /* policies whose scope the index could not rule out */
    const uint32_t *reasons;
    const struct cedar_policy_error *errors;
};

/*
 * Decides. A pure function: no allocation, no I/O, no clock; nothing but *answer and the
 * scratch is written. entities may be NULL. Default deny, forbid overrides permit, a policy
 * that errs is left out, exhaustion denies. Names in request and entities must come from the
 * names of the program.
 */
void cedar_decide(const struct cedar_program *program, const struct cedar_entities *entities,
                  const struct cedar_request *request, void *scratch, size_t scratch_size,
                  struct cedar_answer *answer);

/*
 * Whether a policy of this effect exists whose scope admits the request; false on exhaustion.
 * Conditions are not evaluated, but for leading ones of the form `resource in X` that the index
 * knows like a scope. The second asks one policy, of its scope alone.
 */
bool cedar_scope_admits(const struct cedar_program *program, const struct cedar_entities *entities,
                        const struct cedar_request *request, enum cedar_effect effect,
                        void *scratch, size_t scratch_size);
bool cedar_policy_scope_admits(const struct cedar_program *program, size_t policy,
                               const struct cedar_entities *entities,
                               const struct cedar_request *request, void *scratch,
                               size_t scratch_size);

enum cedar_outcome {
    CEDAR_SATISFIED,
    CEDAR_NO_PRINCIPAL, /* the scope's principal part does not match */
    CEDAR_NO_ACTION,
    CEDAR_NO_RESOURCE,
    CEDAR_NO_CONDITION, /* a when was false or an unless true: condition, span */
    CEDAR_FAILED,       /* a condition could not be evaluated: error */
    CEDAR_IS_TEMPLATE,
    CEDAR_EXHAUSTED,
};

struct cedar_explanation {
    enum cedar_outcome outcome;
    uint32_t condition;     /* index of the condition that decided */
    struct cedar_span span; /* of the smallest conjunct that decided, or the scope part */
    struct cedar_policy_error error;
};

/* Why one policy is or is not satisfied by a request. Allocates nothing either. */
void cedar_explain(const struct cedar_program *program, size_t policy,
                   const struct cedar_entities *entities, const struct cedar_request *request,
                   void *scratch, size_t scratch_size, struct cedar_explanation *out);

/* A sentence about an evaluation error, cut to cap bytes; returns the full length. */
size_t cedar_policy_error_print(const struct cedar_program *program,
                                const struct cedar_policy_error *error, char *buf, size_t cap);

#endif
