/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_block.h - a block of fields of HTTP/2 while it comes in, and what it says (RFC 9113, 8).
 */
#ifndef BELAY_HTTP_H2_BLOCK_H
#define BELAY_HTTP_H2_BLOCK_H

#include "http/fault.h"
#include "http/http.h"

#define H2_PSEUDO_MAX 5

struct h2_block {
    struct buf text;   /* names and values */
    struct buf cookie; /* the crumbs of all cookie fields, joined (RFC 9113, 8.2.3) */
    struct {
        uint32_t name, name_n, value, value_n; /* in text */
    } at[HTTP_FIELDS_MAX + H2_PSEUDO_MAX];
    size_t n, cookie_at;
    enum http_fault fault; /* the first thing wrong with it */
};

struct h2_head {
    struct http_head head; /* its fields are those below */
    struct http_field fields[HTTP_FIELDS_MAX + H2_PSEUDO_MAX];
};

void h2_block_init(struct h2_block *b);
void h2_block_free(struct h2_block *b);
void h2_block_clear(struct h2_block *b);
/* False: there is something wrong with it. */
bool h2_block_add(struct h2_block *b, struct str name, struct str value);

/* What is read are views of the block. `end`: nothing follows it. */
enum http_fault h2_read_request(struct h2_block *b, bool tls, bool end, struct h2_head *out);
enum http_fault h2_read_response(struct h2_block *b, bool end, struct h2_head *out);
enum http_fault h2_read_trailers(struct h2_block *b, struct h2_head *out);

#endif
