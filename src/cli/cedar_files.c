/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cedar_files.h"

#include "cli/policy.h"

#include <string.h>

struct cedar_str cedar_text(const struct buf *b)
{
    return (struct cedar_str){b->p != NULL ? b->p : "", b->n};
}

bool cedar_is_json(const struct buf *b)
{
    size_t i = 0;

    while (i < b->n && strchr(" \t\r\n", b->p[i]) != NULL)
        i++;
    return i < b->n && (b->p[i] == '{' || b->p[i] == '[');
}

bool cedar_fault(const struct cedar_error *x, const char *file, const struct buf *text,
                 struct err *e)
{
    char rendered[ERR_TEXT_MAX];

    (void)cedar_error_render(x, file, cedar_text(text), rendered, sizeof(rendered));
    return err_set(e, EX_POLICY, "%s", rendered);
}

bool cedar_load_policies(struct cedar_names *names, const char *file, struct cedar_policies **out,
                         struct err *e)
{
    AUTO_BUF struct buf text = {0};
    struct cedar_error x;

    buf_init(&text, CEDAR_MAX_TEXT);
    if (!policy_read_text(file, &text, e))
        return false;
    enum cedar_status s = cedar_is_json(&text)
                              ? cedar_policies_parse_json(names, NULL, cedar_text(&text), out, &x)
                              : cedar_policies_parse(names, NULL, cedar_text(&text), out, &x);
    return s == CEDAR_OK || cedar_fault(&x, file, &text, e);
}

bool cedar_load_schema(struct cedar_names *names, const char *file, struct cedar_schema **out,
                       struct err *e)
{
    AUTO_BUF struct buf text = {0};
    struct cedar_error x;

    buf_init(&text, CEDAR_MAX_TEXT);
    if (!policy_read_text(file, &text, e))
        return false;
    enum cedar_status s = cedar_is_json(&text)
                              ? cedar_schema_parse_json(names, cedar_text(&text), out, &x)
                              : cedar_schema_parse(names, cedar_text(&text), out, &x);
    return s == CEDAR_OK || cedar_fault(&x, file, &text, e);
}

bool cedar_to_buf(void *buf, const char *text, size_t len)
{
    struct buf *b = buf;

    buf_add(b, text, len);
    return !b->full;
}
