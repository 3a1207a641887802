/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.h - heads of messages that outlive the event that brought them.
 */
#ifndef BELAY_GATE_HEAD_H
#define BELAY_GATE_HEAD_H

#include "base/mem.h"
#include "http/http.h"

/* Deep copies, in the arena. */
struct str head_copy_str(struct arena *a, struct str s);
const struct http_field *head_copy_fields(struct arena *a, const struct http_field *f, size_t n);
void head_copy(struct arena *a, struct http_head *to, const struct http_head *from);

/* Gives the field that value, in place of those of its name; the strings must live as the head
 * does. */
void head_set(struct arena *a, struct http_head *h, struct str name, struct str value);

#endif
