/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reply.h"

/* Names of statuses, as the APIs give them; others are permission errors too, which no client
 * tries again. */
static const char *anthropic_type(unsigned status)
{
    return status == 400   ? "invalid_request_error"
           : status == 413 ? "request_too_large"
                           : "permission_error";
}

static json_t *openai(const char *type, json_t *message)
{
    return json_pack("{s:{s:o, s:s, s:n, s:s}}", "error", "message", message, "type", type, "param",
                     "code", "refused");
}

void model_error(enum model_api api, unsigned status, struct str message, struct buf *out)
{
    const char *type = anthropic_type(status);
    json_t *text = json_stringn(message.p, message.n), *error = NULL;

    if (text == NULL) /* not UTF-8 */
        text = json_string("refused");
    if (api == MODEL_ANTHROPIC)
        error = json_pack("{s:s, s:{s:s, s:o}}", "type", "error", "error", "type", type, "message",
                          text);
    else if (api == MODEL_GEMINI)
        error = json_pack("{s:{s:i, s:o, s:s}}", "error", "code", (int)status, "message", text,
                          "status", status == 400 ? "INVALID_ARGUMENT" : "PERMISSION_DENIED");
    else
        error = openai(type, text);
    json_dump_to(error, out);
    json_decref(error);
}
