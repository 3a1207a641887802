/* SPDX-License-Identifier: Apache-2.0 */
#include "validate.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = CEDAR_MESSAGE_MAX };

struct cedar_type_text cedar_type_text(const struct cedar_names *names,
                                       const struct cedar_type *type)
{
    struct cedar_type_text out;
    struct cedar_buf buf = {.ptr = out.text, .cap = sizeof(out.text)};

    cedar_type_print(&buf, names, type);
    cedar_buf_end(&buf);
    return out;
}

struct cedar_uid_text cedar_uid_text(const struct cedar_names *names, const struct cedar_uid *uid)
{
    struct cedar_uid_text out;
    struct cedar_buf buf = {.ptr = out.text, .cap = sizeof(out.text)};

    cedar_buf_printf(&buf, "%s::\"%s\"", cedar_show(cedar_name_str(names, uid->type)).text,
                     cedar_show(uid->id).text);
    cedar_buf_end(&buf);
    return out;
}

static uint64_t hash_finding(struct cedar_span span, const char *message)
{
    uint64_t hash = ((uint64_t)span.start << 32 | span.end) * UINT64_C(0x9e3779b97f4a7c15);

    for (; *message != '\0'; message++)
        hash = (hash ^ (uint8_t)*message) * UINT64_C(0x100000001b3);
    return hash;
}

/* Whether it is the first of its kind for this policy, and there is room to show it. */
static bool is_new(struct validator *v, struct cedar_span span, const char *message)
{
    uint64_t hash = hash_finding(span, message);

    for (uint32_t i = 0; i < v->n_shown; i++) {
        if (v->shown[i] == hash)
            return false;
    }
    if (v->n_shown == VALIDATE_MAX_FINDINGS)
        return false;
    v->shown[v->n_shown++] = hash;
    return true;
}

/* " (principal User, action Action::"view", resource Photo)" for the environment at hand. */
static void append_environment(const struct validator *v, struct cedar_buf *buf)
{
    cedar_buf_printf(buf, " (principal %s, action %s, resource %s)",
                     cedar_show(cedar_name_str(v->names, v->principal->name)).text,
                     cedar_uid_text(v->names, &v->action->uid).text,
                     cedar_show(cedar_name_str(v->names, v->resource->name)).text);
}

__attribute__((format(printf, 5, 0))) static void
report_list(struct validator *v, enum cedar_severity severity, enum cedar_status status,
            struct cedar_span span, const char *format, va_list args)
{
    struct cedar_finding finding = {.severity = severity};
    struct cedar_str source = {"", 0};
    char message[MESSAGE_MAX];
    struct cedar_buf buf = {.ptr = message, .cap = sizeof(message)};
    int n = vsnprintf(message, sizeof(message), format, args);

    buf.len = n < 0 ? 0 : n < (int)sizeof(message) ? (size_t)n : sizeof(message) - 1;
    if (v->policy != NULL && !is_new(v, span, message))
        return;
    if (v->in_environment)
        append_environment(v, &buf);
    cedar_buf_end(&buf);
    if (v->policies != NULL)
        source = v->policies->source;
    if (v->policy != NULL)
        finding.policy_id = v->policy->id.ptr;
    cedar_fail(&finding.at, status, source, span, "%s", message);
    if (v->report != NULL)
        v->report(v->report_ctx, &finding);
}

void cedar_validator_report(struct validator *v, enum cedar_severity severity,
                            enum cedar_status status, struct cedar_span span, const char *format,
                            ...)
{
    va_list args;

    va_start(args, format);
    report_list(v, severity, status, span, format, args);
    va_end(args);
}

void cedar_validator_fault(struct validator *v, struct cedar_span span, const char *format, ...)
{
    va_list args;

    v->valid = false;
    v->failed = true;
    va_start(args, format);
    report_list(v, CEDAR_FAULT, CEDAR_ERR_TYPE, span, format, args);
    va_end(args);
}
