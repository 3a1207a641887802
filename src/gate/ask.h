/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask.h - the gate's side of its talk with the judge: questions, verdicts, notes.
 *
 * The socket never blocks the gate: frames that the judge has no room for yet wait in a queue.
 * Anything on the socket that is not a permitted, well-formed VERDICT, and its end, is fatal:
 * `lost` is called and must end the role (with NULL when the judge is gone, else with why).
 */
#ifndef BELAY_GATE_ASK_H
#define BELAY_GATE_ASK_H

#include "policy/action.h"

#include <event2/event.h>

struct asker;

/* The verdict's strings live until the function returns. */
typedef void ask_fn(void *arg, uint32_t id, const struct verdict *v);
typedef void ask_lost_fn(const char *why);

/* `limit`: questions that may wait at a time. */
struct asker *asker_new(struct event_base *base, int sock, size_t limit, ask_lost_fn *lost);

/* `fn` is called when the judge has another policy, so that what was refused is asked again. */
void asker_on_reload(struct asker *a, void (*fn)(void *arg), void *arg);

/* `fn` is called when the judge knows marks of labelled content: a list of labels in frame form,
 * and the marks' bytes. */
typedef void ask_marks_fn(void *arg, struct str labels, struct str marks);
void asker_on_marks(struct asker *a, ask_marks_fn *fn, void *arg);

/* Asks; the id (never 0) names the question until fn was called or gate_ask_cancel. 0: too many
 * wait, fn will not be called. */
uint32_t gate_ask(struct asker *a, const struct action *action, ask_fn *fn, void *arg);

/* The asker lost interest; fn will not be called. */
void gate_ask_cancel(struct asker *a, uint32_t id);

/* A NOTE: see gate.h. `id`: the action's, or 0. */
struct note {
    uint32_t id;
    uint64_t event; /* of the verdict */
    const char *kind, *text;
    const char *address; /* NULL: no address, no port */
    uint16_t port;
    uint64_t up, down, ms;
    uint64_t count;   /* 0: absent */
    unsigned status;  /* of an answer, 0: absent */
    struct str finds; /* a list in frame form; empty: absent */
    bool metered;     /* the amounts below are there */
    uint64_t input, output, cached, microcents;
};
void gate_note(struct asker *a, const struct note *n);

#endif
