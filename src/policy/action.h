/* SPDX-License-Identifier: Apache-2.0 */
/*
 * action.h - an action and a verdict: the only two words between adapters and the judge.
 *
 * An action says who (subject), verb, resource, context. Its strings are views: built by an
 * adapter they point into the adapter's buffers; read from a frame they point into the
 * frame. Every string is hostile. A verdict is one outcome, the rules that decided, and
 * the reason in words for the agent and for people.
 *
 * On the wire: message ACTION (adapter to judge) and VERDICT (judge to adapter); the frame's
 * id pairs them. See message.def and PROTOCOL.md.
 */
#ifndef BELAY_POLICY_ACTION_H
#define BELAY_POLICY_ACTION_H

#include "base/frame.h"

#include <stdint.h>
#include <sys/types.h>

enum verb {
#define VERB(sym, name, group) VERB_##sym,
#include "policy/action.def"
#undef VERB
    VERB_COUNT
};

enum resource_kind {
#define RESOURCE(sym, type) RESOURCE_##sym,
#include "policy/action.def"
#undef RESOURCE
    RESOURCE_COUNT
};

enum field_id {
#define FIELD(sym, name, kind, cedar) FIELD_##sym,
#include "policy/action.def"
#undef FIELD
    FIELD_COUNT
};

enum field_kind { FIELD_INT, FIELD_BOOL, FIELD_STR, FIELD_LIST };

/* From most lenient to strictest: the stricter of two is the greater. */
enum outcome { OUTCOME_ALLOW, OUTCOME_ASK, OUTCOME_DENY, OUTCOME_FREEZE, OUTCOME_KILL };
#define OUTCOME_COUNT 5

#define ACTION_RESOURCE_MAX 4096 /* bytes of a resource's id */
#define ACTION_DIALLED_MAX  64
#define VERDICT_RULES_MAX   8 /* rules named in a verdict */
#define VERDICT_REASON_MAX  512
#define VERDICT_INJECT_MAX  64 /* bytes of a credential's name */

struct action {
    enum verb verb;
    enum resource_kind kind;
    struct str resource;
    pid_t pid;          /* subject process as the adapter sees it, 0 if unknown */
    pid_t parent;       /* exec: the process that started it, 0 if unknown */
    struct str dialled; /* connect: the address that the process dialled; tells whose it is */
    uint64_t cause;     /* sequence number of the event that led here, 0 if the judge should know */
    bool has[FIELD_COUNT];
    struct {
        int64_t num;
        struct str str; /* FIELD_STR: the text; FIELD_LIST: a list in frame form */
    } field[FIELD_COUNT];
};

struct verdict {
    enum outcome outcome; /* to an adapter only ALLOW, DENY, FREEZE or KILL; ASK was answered */
    uint64_t event;       /* sequence number in the record */
    uint32_t duties;      /* bits of enum duty, for the adapter */
    size_t nrules;
    struct str rules[VERDICT_RULES_MAX]; /* ids, deciding first */
    struct str reason;                   /* one line, printable */
    struct str inject;                   /* DUTY_INJECT: which credential; else empty */
};

/*
 * What a verdict asks of the adapter. OPEN, ONLY_HTTP, SCAN, LABELS and CALLS come with a
 * connection that is allowed, the last three with every request too: they follow the policy of the
 * moment.
 */
enum duty {
    DUTY_ALERT = 1,
    DUTY_UNDO = 2,
    DUTY_REDACT = 4,     /* take out what the detectors found */
    DUTY_OPEN = 8,       /* look inside: what is sent is judged request by request */
    DUTY_ONLY_HTTP = 16, /* allowed for the sake of requests alone: refuse what is no HTTP */
    DUTY_INJECT = 32,    /* put in the credential that `inject` names */
    DUTY_SCAN = 64,      /* a rule looks at what payloads carry: judge findings before they leave */
    DUTY_CALLS = 128,    /* a rule speaks of calls: judge a tool use before it is passed on */
    DUTY_METER = 256,    /* infer: a rule or a budget may end it: ask again while the answer comes */
    DUTY_LABELS = 512,   /* a rule mentions a label that detectors give: tell what comes in */
    DUTY_MARK = 1024,    /* what is read is labelled, and carried data is looked at: tell its marks */
};
#define DUTY_ALL 2047u

const char *verb_name(enum verb v);
const char *verb_group(enum verb v); /* "" when in none */
const char *resource_type(enum resource_kind k);
const char *field_name(enum field_id f);
enum field_kind field_kind(enum field_id f);
const char *outcome_name(enum outcome o);

void action_init(struct action *a, enum verb v, enum resource_kind k, struct str resource);
void action_int(struct action *a, enum field_id f, int64_t value); /* INT and BOOL */
void action_str(struct action *a, enum field_id f, struct str value);
/* `list` is in frame form: see frame_list_next; build it with action_list_add. */
void action_list(struct action *a, enum field_id f, struct str list);
/* Appends one item to a list in frame form. */
void action_list_add(struct buf *list, struct str item);

/* Puts the action or verdict into a started frame. Check frame->full afterwards. */
void action_put(struct frame_out *f, const struct action *a);
void verdict_put(struct frame_out *f, const struct verdict *v);

/* Reads from a received frame; false: malformed (unknown tag, double field, wrong kind, out of
 * range, missing verb or resource, a zero byte in a string). Views point into the frame. */
bool action_get(struct frame_in *f, struct action *a);
bool verdict_get(struct frame_in *f, struct verdict *v);

#endif
