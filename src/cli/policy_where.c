/* SPDX-License-Identifier: Apache-2.0 */
/* policy_where.c - `belay policy where`: what enforces each rule on this host. */
#include "cli/policy.h"

#include "cli/cli.h"

#include <stdio.h>

static void words(unsigned where, char *text, size_t size)
{
    static const char *const names[] = {"kernel", "kern", "gate"};
    size_t n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (where & (1u << i))
            n += (size_t)snprintf(text + n, size - n, "%s%s", n > 0 ? "+" : "", names[i]);
}

static int show(struct setup *s, bool as_json)
{
    const struct plan_rule *rules = policy_where(s->policy, &s->session, &s->plan);
    AUTO_BUF struct buf out = {0};
    struct json j;

    buf_init(&out, 64u << 20);
    json_start(&j, &out);
    if (as_json)
        json_arr(&j, NULL);
    for (size_t i = 0; i < policy_rules(s->policy); i++) {
        struct policy_rule r = policy_rule(s->policy, rules[i].rule);
        char where[64];

        words(rules[i].where, where, sizeof(where));
        if (as_json) {
            json_obj(&j, NULL);
            json_cstr(&j, "rule", r.id);
            json_cstr(&j, "file", r.file);
            json_int(&j, "line", r.line);
            json_cstr(&j, "effect", r.forbid ? "forbid" : "permit");
            json_cstr(&j, "outcome", outcome_name(r.outcome));
            json_cstr(&j, "where", where);
            json_cstr(&j, "cost", rules[i].cost);
            json_obj_end(&j);
        } else {
            buf_printf(&out, "%-28s %-6s %-16s %s  (%s:%u)\n", r.id, outcome_name(r.outcome), where,
                       rules[i].cost, r.file, r.line);
        }
    }
    if (as_json) {
        json_arr_end(&j);
        buf_puts(&out, "\n");
    }
    return cli_put(&out);
}

int policy_where_command(int argc, char **argv)
{
    struct setup s = {0};
    struct err e = {0};
    bool as_json = false;
    int first = policy_options(argc, argv, &s, &as_json);

    if (first < 0)
        return EX_USAGE_;
    if (first < argc)
        return cli_usage("policy", "where takes no argument, got '%s'", argv[first]);
    int code = setup_load(&s, &e) && setup_plan(&s, &e) ? show(&s, as_json) : cli_fail(&e);
    setup_release(&s);
    return code;
}
