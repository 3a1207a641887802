/* SPDX-License-Identifier: Apache-2.0 */
/* Policies as people write them: loading, packing, planning; and packs as a pipe may break them. */
#include "policy/plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define HOME "/home/u"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct session session = {.agent = {"agent", 5},
                                       .user = {"u", 1},
                                       .home = {HOME, sizeof(HOME) - 1},
                                       .workspace = {HOME "/w", sizeof(HOME "/w") - 1}};

static bool exists(void *ctx, const char *path, bool *directory)
{
    (void)ctx;
    *directory = strlen(path) % 2 == 0;
    return strlen(path) % 3 != 0;
}

/* The kernel may show more than the policy permits only where kern judges the difference. */
static void check_plan(const struct policy *p, const struct plan *plan)
{
    struct policy_scratch *scratch = policy_scratch_new(p);

    for (size_t i = 0; i < plan->nmounts; i++) {
        const struct plan_mount *m = &plan->mounts[i];
        char path[ACTION_RESOURCE_MAX + 32];
        struct decision d;
        struct action a;

        if (m->fresh || m->access == PLAN_HIDE || !m->directory)
            continue;
        snprintf(path, sizeof(path), "%s/.belay-probe", m->path);
        action_init(&a, VERB_READ, RESOURCE_FILE, str_of(path));
        policy_decide(p, &session, &a, scratch, &d);
        assert(d.outcome == OUTCOME_ALLOW || (plan->traps & PLAN_TRAP_READ) != 0 ||
               a.resource.n > ACTION_RESOURCE_MAX);
        a.verb = VERB_WRITE;
        policy_decide(p, &session, &a, scratch, &d);
        assert(m->access != PLAN_WRITE || d.outcome == OUTCOME_ALLOW ||
               (plan->traps & PLAN_TRAP_WRITE) != 0);
    }
    policy_scratch_free(scratch);
}

static void check_policy(const struct policy *p)
{
    static const char *const tops[] = {"/usr", "/etc", "/home"};
    const struct plan_host host = {.tops = tops, .ntops = 3, .exists = exists};
    AUTO_BUF struct buf packed;
    struct plan plan;
    struct err e;

    buf_init(&packed, POLICY_PACK_MAX);
    policy_pack(p, &packed);
    struct policy *q = policy_unpack(buf_str(&packed), &e);
    assert(q != NULL && policy_rules(q) == policy_rules(p));
    policy_free(q);
    if (policy_plan(p, &session, &host, &plan, &e)) {
        check_plan(p, &plan);
        plan_release(&plan);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_text text = {"fuzz.cedar", {(const char *)data, size}};
    struct err e = {0};
    struct policy *p = policy_load(&text, 1, HOME, &e);

    if (p != NULL)
        check_policy(p);
    else
        assert(e.code == EX_POLICY && e.text[0] != '\0');
    policy_free(p);
    policy_free(policy_unpack((struct str){(const char *)data, size}, &e));
    return 0;
}
