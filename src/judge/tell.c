/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/state.h"
#include "judge/summary.h"

#define DENIED_SUMMARY 300u
#define TEXT_MAX       2000u
#define RULE_MAX       128u

/* `error`: name of the errno that goes with a notice, or NULL. */
static void tell(struct judge *j, const char *kind, uint64_t event, struct str text,
                 const char *error)
{
    frame_start(&j->out, MSG_ALERT, 0);
    frame_put_cstr(&j->out, MSG_TAG_KIND, kind);
    frame_put_str(&j->out, MSG_TAG_TEXT, cut_str(text, TEXT_MAX));
    frame_put_int(&j->out, MSG_TAG_EVENT, (int64_t)event);
    if (error != NULL)
        frame_put_cstr(&j->out, MSG_TAG_ERRNO, error);
    if (j->notices_held > 0)
        frame_put_int(&j->out, MSG_TAG_COUNT, (int64_t)j->notices_held);
    j->notices_held = 0;
    judge_post(j, PEER_KEEPER, false);
}

void tell_denied(struct judge *j, const struct action *a, uint64_t event, struct str rule,
                 struct str reason)
{
    AUTO_BUF struct buf b = {0};

    if (j->hooks.slow(j->hooks.arg, PEER_KEEPER)) {
        j->notices_held++;
        return;
    }
    buf_init(&b, TEXT_MAX);
    buf_puts(&b, "refused: ");
    summary_add(&b, a, DENIED_SUMMARY);
    buf_puts(&b, ": ");
    buf_add_safe(&b, reason, VERDICT_REASON_MAX);
    buf_puts(&b, " (");
    if (rule.n > 0) {
        buf_puts(&b, "rule ");
        buf_add_safe(&b, rule, RULE_MAX);
        buf_puts(&b, ", ");
    }
    buf_printf(&b, "event %llu)", (unsigned long long)event);
    bool network =
        a->kind != RESOURCE_FILE && a->kind != RESOURCE_PROGRAM && a->kind != RESOURCE_SOCKET;
    tell(j, "notice", event, buf_str(&b), network ? NULL : "EACCES");
}

void tell_noted(struct judge *j, uint64_t event, struct str text)
{
    AUTO_BUF struct buf b = {0};

    if (j->hooks.slow(j->hooks.arg, PEER_KEEPER)) {
        j->notices_held++;
        return;
    }
    buf_init(&b, TEXT_MAX);
    buf_add_safe(&b, text, TEXT_MAX - 64);
    buf_printf(&b, " (event %llu)", (unsigned long long)event);
    tell(j, "notice", event, buf_str(&b), NULL);
}

void tell_alert(struct judge *j, uint64_t event, struct str text)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, TEXT_MAX);
    buf_add_safe(&b, text, TEXT_MAX - 16);
    tell(j, "alert", event, buf_str(&b), NULL);
}

void tell_stop(struct judge *j, enum outcome outcome, uint64_t event, struct str text)
{
    AUTO_BUF struct buf b = {0};

    if (outcome == OUTCOME_KILL)
        j->killing = true;
    buf_init(&b, TEXT_MAX);
    buf_add_safe(&b, text, TEXT_MAX - 16);
    frame_start(&j->out, MSG_STOP, 0);
    frame_put_int(&j->out, MSG_TAG_KIND, outcome);
    frame_put_str(&j->out, MSG_TAG_TEXT, buf_str(&b));
    frame_put_int(&j->out, MSG_TAG_EVENT, (int64_t)event);
    judge_post(j, PEER_KEEPER, false);
}

void tell_asked(struct judge *j, const struct pending *q, const struct action *a,
                const struct decision *d)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 2 * SUMMARY_MAX);
    summary_add(&b, a, SUMMARY_MAX);
    frame_start(&j->out, MSG_ASK, q->id);
    frame_put_str(&j->out, MSG_TAG_SUMMARY, buf_str(&b));
    frame_put_str(&j->out, MSG_TAG_TEXT, cut_str(d->reason, VERDICT_REASON_MAX));
    frame_list_start(&j->out, MSG_TAG_RULES);
    for (size_t i = 0; i < d->nrules; i++)
        frame_list_item(&j->out, cut_str(d->rules[i], RULE_MAX));
    frame_list_end(&j->out);
    frame_put_int(&j->out, MSG_TAG_LEFT, j->ask_ms);
    judge_post(j, PEER_KEEPER, false);
}

void tell_ask_over(struct judge *j, uint32_t id)
{
    frame_start(&j->out, MSG_ASK_OVER, id);
    judge_post(j, PEER_KEEPER, false);
}
