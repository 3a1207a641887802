/* SPDX-License-Identifier: Apache-2.0 */
/* Any action that an adapter could send, judged by the coding preset. */
#include "policy/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HOME "/home/u"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct session session = {.agent = {"agent", 5},
                                       .user = {"u", 1},
                                       .home = {HOME, sizeof(HOME) - 1},
                                       .workspace = {HOME "/w", sizeof(HOME "/w") - 1}};

static struct policy *load(void)
{
    struct policy_text text = {"coding", policy_preset("coding")};
    struct err e;
    struct policy *p = policy_load(&text, 1, HOME, &e);

    if (p == NULL)
        abort();
    return p;
}

static bool has(struct str s, const char *part)
{
    return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

/* What holds for every action, whatever else is in it. */
static void check(const struct action *a, const struct decision *d)
{
    struct str r = a->resource;

    assert(d->outcome < OUTCOME_COUNT && d->nrules <= VERDICT_RULES_MAX);
    assert(d->reason.n <= VERDICT_REASON_MAX);
    if (d->outcome > OUTCOME_ASK)
        return;
    assert(d->permitted);
    if (a->kind == RESOURCE_FILE || a->kind == RESOURCE_PROGRAM) {
        assert(r.p[0] == '/' && (r.n == 1 || r.p[r.n - 1] != '/'));
        assert(!has(r, "//") && !has(r, "/../") && !has(r, "/./"));
    }
    if (a->kind == RESOURCE_FILE && a->verb != VERB_READ)
        assert(str_starts(r, HOME "/") || str_starts(r, "/tmp") || str_starts(r, "/dev") ||
               str_starts(r, "/proc"));
    if (a->kind == RESOURCE_FILE)
        assert(!str_starts(r, HOME "/.ssh/") && !str_is(r, HOME "/.ssh"));
    if (a->kind == RESOURCE_HOST && a->verb == VERB_CONNECT)
        assert(a->field[FIELD_PORT].num == 443 || a->field[FIELD_PORT].num == 80 ||
               a->field[FIELD_PORT].num == 22);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy *p;
    static struct policy_scratch *scratch;
    static struct frame_in frame;
    struct decision d, again;
    struct action a;

    if (p == NULL) {
        p = load();
        scratch = policy_scratch_new(p);
    }
    if (size > sizeof(frame.data))
        return 0;
    memcpy(frame.data, data, size);
    if (frame_parse(&frame, size) != FRAME_OK || !action_get(&frame, &a))
        return 0;
    policy_decide(p, &session, &a, scratch, &d);
    check(&a, &d);
    policy_decide(p, &session, &a, scratch, &again);
    assert(again.outcome == d.outcome && again.nrules == d.nrules && again.duties == d.duties);
    return 0;
}
