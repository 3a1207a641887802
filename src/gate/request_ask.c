/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/request_ask.h"

#include "base/mem.h"
#include "gate/creds.h"

#include <ctype.h>

enum {
    HEADERS_MAX = 48 * 1024,
    TYPE_MAX = 256
}; /* of a frame; the rest is left for path and query */

/* Fields that do not fit are left out last: a rule that looks for one does not find it, so a rule
 * that permits by a header must not count on long heads. */
static void add_headers(struct buf *list, const struct http_head *head)
{
    AUTO_BUF struct buf item = {0};

    for (size_t i = 0; i < head->nfields; i++) {
        const struct http_field *f = &head->fields[i];

        buf_init(&item, HEADERS_MAX);
        buf_add(&item, f->name.p, f->name.n);
        buf_puts(&item, ": ");
        if (!creds_is_secret_header(f->name))
            buf_add(&item, f->value.p, f->value.n);
        if (!item.full && list->n + item.n + 16 <= HEADERS_MAX)
            action_list_add(list, buf_str(&item));
        buf_free(&item);
    }
}

/* Lower case, without parameters. */
static size_t content_type(const struct http_head *head, char out[TYPE_MAX])
{
    struct str type = http_field(head, "content-type");
    size_t n = 0;

    for (size_t i = 0; i < type.n && n < TYPE_MAX && type.p[i] != ';'; i++)
        out[n++] = (char)tolower((unsigned char)type.p[i]);
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
        n--;
    return n;
}

static struct str scheme_of(const struct http_head *head)
{
    if (!head->websocket)
        return head->scheme;
    return str_is(head->scheme, "https") ? STR("wss") : STR("ws");
}

uint32_t request_ask(struct asker *asker, const struct request_question *q, ask_fn *fn, void *arg)
{
    const struct http_head *h = q->head;
    char type[TYPE_MAX];
    AUTO_BUF struct buf headers = {0};
    struct action a;

    buf_init(&headers, HEADERS_MAX);
    add_headers(&headers, h);
    action_init(&a, VERB_REQUEST, RESOURCE_HOST, q->host);
    action_str(&a, FIELD_OP, str_of(q->op));
    action_str(&a, FIELD_METHOD, h->method);
    action_str(&a, FIELD_SCHEME, scheme_of(h));
    action_int(&a, FIELD_PORT, q->port);
    action_str(&a, FIELD_PATH, q->path);
    action_str(&a, FIELD_QUERY, q->query);
    action_list(&a, FIELD_HEADERS, buf_str(&headers));
    action_int(&a, FIELD_SIZE, h->end ? 0 : h->length);
    action_str(&a, FIELD_TYPE, (struct str){type, content_type(h, type)});
    action_str(&a, FIELD_CREDENTIAL, q->credential);
    action_list(&a, FIELD_CARRIES, q->carries);
    a.dialled = q->dialled;
    a.cause = q->cause;
    return gate_ask(asker, &a, fn, arg);
}
