/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a policy does or does not apply.
 */
#include "eval.h"
#include "value.h"

static struct cedar_span span_of_part(const struct cedar_policy *policy, enum cedar_var var)
{
    if (var == VAR_PRINCIPAL)
        return policy->principal.span;
    return var == VAR_ACTION ? policy->action.span : policy->resource.span;
}

static bool explain_scope(struct machine *m, size_t policy, struct cedar_explanation *out)
{
    static const enum cedar_outcome outcomes[] = {CEDAR_NO_PRINCIPAL, CEDAR_NO_ACTION,
                                                  CEDAR_NO_RESOURCE};
    const struct cedar_policy *source = cedar_ast_policy(m->program->policies, policy);

    for (int var = 0; var < 3; var++) {
        if (!cedar_part_admits(m, &m->program->rules[policy], (enum cedar_var)var)) {
            out->outcome = outcomes[var];
            out->span = span_of_part(source, (enum cedar_var)var);
            return false;
        }
    }
    return true;
}

/* The condition in which an instruction stands: the test that follows it says so. */
static uint32_t condition_at(const struct cedar_program *program, uint32_t at)
{
    while (program->code[at].op != OP_WHEN && program->code[at].op != OP_UNLESS &&
           program->code[at].op != OP_DONE)
        at++;
    return program->code[at].n;
}

static void explain_conditions(struct machine *m, size_t policy, struct cedar_explanation *out)
{
    uint32_t at = 0;

    switch (cedar_machine_run(m, &m->program->rules[policy], &out->error, &at)) {
    case VERDICT_SATISFIED:
        out->outcome = CEDAR_SATISFIED;
        break;
    case VERDICT_UNSATISFIED:
        out->outcome = CEDAR_NO_CONDITION;
        out->span = m->program->spans[at];
        out->condition = condition_at(m->program, at);
        break;
    case VERDICT_ERROR:
        out->outcome = CEDAR_FAILED;
        out->span = out->error.span;
        out->error.policy = (uint32_t)policy;
        out->condition = condition_at(m->program, at);
        break;
    }
}

void cedar_explain(const struct cedar_program *program, size_t policy,
                   const struct cedar_entities *entities, const struct cedar_request *request,
                   void *scratch, size_t scratch_size, struct cedar_explanation *out)
{
    struct scratch s = {scratch, (char *)scratch + scratch_size};
    struct machine m;

    *out = (struct cedar_explanation){.outcome = CEDAR_EXHAUSTED};
    if (policy >= program->n_rules || !cedar_machine_init(&m, program, entities, request, &s))
        return;
    if (program->rules[policy].is_template)
        out->outcome = CEDAR_IS_TEMPLATE;
    else if (explain_scope(&m, policy, out))
        explain_conditions(&m, policy, out);
    if (m.exhausted)
        *out = (struct cedar_explanation){.outcome = CEDAR_EXHAUSTED};
}

size_t cedar_policy_error_print(const struct cedar_program *program,
                                const struct cedar_policy_error *error, char *ptr, size_t cap)
{
    struct cedar_buf buf = {ptr, cap, 0};
    struct cedar_str name = cedar_name_str(program->names, error->name);

    switch (error->error) {
    case CEDAR_EVAL_OK:
        cedar_buf_printf(&buf, "no error");
        break;
    case CEDAR_EVAL_TYPE:
        cedar_buf_printf(&buf, "expected %s, found %s", cedar_kind_name(error->want),
                         cedar_kind_name(error->got));
        break;
    case CEDAR_EVAL_NO_ENTITY:
        cedar_buf_printf(&buf, "an entity that does not exist has no attributes or tags");
        break;
    case CEDAR_EVAL_NO_ATTR:
        cedar_buf_printf(&buf, "there is no attribute or tag `%s`; ask for it with `has` first",
                         cedar_show(name).text);
        break;
    case CEDAR_EVAL_OVERFLOW:
        cedar_buf_printf(&buf, "the result does not fit 64 bits");
        break;
    case CEDAR_EVAL_EXTENSION:
        cedar_buf_printf(&buf, "the arguments are not what this function takes");
        break;
    }
    return cedar_buf_end(&buf);
}
