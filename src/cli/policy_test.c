/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_test.c - `belay policy test`: cases that are kept beside a policy, a line each:
 *
 *   deny  write ./.git/hooks/pre-commit  by git-hooks
 *   allow connect api.anthropic.com port=443
 */
#include "cli/policy.h"

#include "cli/cli.h"
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 256
#define FILE_SIZE (4u << 20)

struct cases {
    struct setup *setup;
    struct policy_scratch *scratch;
    const char *file;
    unsigned line;
    unsigned passed, failed;
};

static bool find_outcome(const char *word, enum outcome *o)
{
    for (unsigned i = 0; i < OUTCOME_COUNT; i++)
        if (strcmp(outcome_name((enum outcome)i), word) == 0) {
            *o = (enum outcome)i;
            return true;
        }
    return false;
}

static bool decided_by(const struct decision *d, const char *rule)
{
    for (size_t i = 0; i < d->nrules; i++)
        if (str_is(d->rules[i], rule))
            return true;
    return false;
}

static void failed(struct cases *c, const struct decision *d, enum outcome want, const char *rule)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 8192);
    buf_printf(&b, "%s:%u: wanted %s%s%s, got %s", c->file, c->line, outcome_name(want),
               rule != NULL ? " by " : "", rule != NULL ? rule : "", outcome_name(d->outcome));
    for (size_t i = 0; i < d->nrules; i++)
        buf_printf(&b, "%s%.*s", i == 0 ? " by " : ", ", (int)d->rules[i].n, d->rules[i].p);
    if (d->nrules == 0)
        buf_printf(&b, " (%.*s)", (int)d->reason.n, d->reason.p);
    buf_puts(&b, "\n");
    (void)cli_put(&b);
    c->failed++;
}

static bool one_case(struct cases *c, char **words, size_t n, struct err *e)
{
    struct decision d;
    struct action a;
    enum outcome want;
    const char *rule = NULL;

    if (!find_outcome(words[0], &want))
        return err_set(e, EX_POLICY, "'%s' is no outcome: allow, ask, deny, freeze or kill",
                       words[0]);
    if (n > 3 && strcmp(words[n - 2], "by") == 0) {
        rule = words[n - 1];
        n -= 2;
    }
    if (!words_action(words + 1, n - 1, c->setup->policy, &c->setup->session, &c->setup->arena, &a,
                      e))
        return false;
    policy_decide(c->setup->policy, &c->setup->session, &a, c->scratch, &d);
    if (d.outcome == want && (rule == NULL || decided_by(&d, rule)))
        c->passed++;
    else
        failed(c, &d, want, rule);
    return true;
}

static bool one_file(struct cases *c, const char *path, struct err *e)
{
    AUTO_BUF struct buf text = {0};
    char *rest, *words[WORDS_MAX];
    size_t n;

    buf_init(&text, FILE_SIZE);
    if (!policy_read_text(path, &text, e))
        return false;
    c->file = path;
    c->line = 0;
    (void)buf_cstr(&text);
    rest = text.p;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        c->line++;
        if (!words_split(line, words, WORDS_MAX, &n))
            return err_set(e, EX_POLICY,
                           "%s:%u: a quote is not closed, or the line has too many words", path,
                           c->line);
        if (n > 0 && !one_case(c, words, n, e)) {
            e->code = EX_POLICY;
            return err_wrap(e, "%s:%u", path, c->line);
        }
    }
    return true;
}

int policy_test_command(int argc, char **argv)
{
    struct setup s = {0};
    struct cases c = {.setup = &s};
    struct err e = {0};
    bool as_json = false;
    int first = policy_options(argc, argv, &s, &as_json), code = EX_OK;

    if (first < 0)
        return EX_USAGE_;
    if (first == argc)
        return cli_usage("policy", "test needs a file of cases");
    if (!setup_load(&s, &e) || !policy_resolve(s.policy, &s.session, &e)) {
        code = cli_fail(&e);
    } else {
        c.scratch = policy_scratch_new(s.policy);
        for (int i = first; i < argc && code == EX_OK; i++)
            if (!one_file(&c, argv[i], &e))
                code = cli_fail(&e);
        policy_scratch_free(c.scratch);
    }
    setup_release(&s);
    if (code != EX_OK)
        return code;
    if (as_json)
        printf("{\"passed\":%u,\"failed\":%u}\n", c.passed, c.failed);
    else
        printf("%u passed, %u failed\n", c.passed, c.failed);
    return c.failed == 0 ? EX_OK : EX_FAIL;
}
