/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/answer.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BODY_MAX = 8192, RULE_MAX = 128, REASON_MAX = 1024 };

enum form { FORM_TEXT, FORM_JSON, FORM_ANTHROPIC, FORM_OPENAI, FORM_GEMINI };

static bool contains(struct str s, const char *what)
{
    return s.n > 0 && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static enum form form_of(const struct http_head *h)
{
    struct str accept = http_field(h, "accept"), type = http_field(h, "content-type");

    if (http_field(h, "anthropic-version").p != NULL || contains(h->target, "/v1/messages"))
        return FORM_ANTHROPIC;
    if (http_field(h, "x-goog-api-key").p != NULL || contains(h->target, "enerateContent"))
        return FORM_GEMINI;
    if (contains(h->target, "/chat/completions") || contains(h->target, "/v1/responses") ||
        contains(h->target, "/v1/embeddings"))
        return FORM_OPENAI;
    return contains(accept, "json") || contains(type, "json") ? FORM_JSON : FORM_TEXT;
}

/* One sentence, for those who read only that. */
static void add_message(struct buf *b, const struct answer *a)
{
    buf_puts(b, a->status == 403 ? "refused by belay: " : "belay: ");
    buf_add_safe(b, a->reason, REASON_MAX);
    if (a->rule.n > 0) {
        buf_puts(b, " (rule ");
        buf_add_safe(b, a->rule, RULE_MAX);
        buf_puts(b, ")");
    }
    if (a->status == 403)
        buf_puts(b, ". Trying again will not help; if it is needed, ask the person you work for to "
                    "change belay's policy.");
}

static void add_json(struct buf *b, enum form form, const struct answer *a, struct str message)
{
    struct json j;

    json_start(&j, b);
    json_obj(&j, NULL);
    if (form == FORM_ANTHROPIC)
        json_cstr(&j, "type", "error");
    json_obj(&j, "error");
    if (form == FORM_GEMINI)
        json_int(&j, "code", a->status);
    else
        json_cstr(&j, "type", a->status == 403 ? "permission_error" : "api_error");
    json_str(&j, "message", message);
    if (form == FORM_GEMINI)
        json_cstr(&j, "status", a->status == 403 ? "PERMISSION_DENIED" : "UNAVAILABLE");
    if (form == FORM_OPENAI) {
        json_none(&j, "param");
        json_cstr(&j, "code", a->status == 403 ? "refused_by_belay" : "belay_upstream");
    }
    if (form == FORM_JSON) {
        json_str(&j, "rule", a->rule);
        json_str(&j, "reason", a->reason);
    }
    json_obj_end(&j);
    json_obj_end(&j);
}

void answer_body(const struct http_head *head, const struct answer *a, const char **type,
                 struct buf *body)
{
    AUTO_BUF struct buf message = {0};
    enum form form = form_of(head);

    buf_init(&message, BODY_MAX / 2);
    add_message(&message, a);
    *type = form == FORM_TEXT ? "text/plain; charset=utf-8" : "application/json";
    if (form == FORM_TEXT)
        buf_add(body, message.p, message.n);
    else
        add_json(body, form, a, buf_str(&message));
    buf_puts(body, "\n");
}

void answer_send(struct http_stream *s, const struct http_head *head, const struct answer *a)
{
    AUTO_BUF struct buf body = {0};
    const char *type;

    buf_init(&body, BODY_MAX);
    answer_body(head, a, &type, &body);
    const struct http_field fields[] = {
        {STR("content-type"), str_of(type)},
        {STR("cache-control"), STR("no-store")},
        {STR("x-belay"), a->status == 403 ? STR("refused") : STR("failed")}};
    const struct http_head answer = {.status = a->status,
                                     .fields = fields,
                                     .nfields = ARRAY_LEN(fields),
                                     .length = (int64_t)body.n};

    if (!http_respond(s, &answer)) {
        http_reset(s, HTTP_RESET_CANCEL);
        return;
    }
    (void)http_send(s, body.p, body.n); /* far less than may wait */
    http_end(s, NULL, 0);
}
