/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext.h - reading and printing of the extension types.
 *
 * Formats: https://docs.cedarpolicy.com/policies/syntax-datatypes.html. Each read function
 * returns false for text that is not exactly of its format or out of range.
 */
#ifndef CEDAR_EXT_H
#define CEDAR_EXT_H

#include "diag.h"

bool cedar_ip_read(struct cedar_str s, struct cedar_ip *out);
bool cedar_decimal_read(struct cedar_str s, int64_t *out);
bool cedar_datetime_read(struct cedar_str s, int64_t *out);
bool cedar_duration_read(struct cedar_str s, int64_t *out);

/* The text that the read functions take. */
void cedar_ip_print(struct cedar_buf *buf, const struct cedar_ip *ip);
void cedar_decimal_print(struct cedar_buf *buf, int64_t n);
void cedar_datetime_print(struct cedar_buf *buf, int64_t n);
void cedar_duration_print(struct cedar_buf *buf, int64_t n);

bool cedar_ip_eq(const struct cedar_ip *a, const struct cedar_ip *b);
bool cedar_ip_is_loopback(const struct cedar_ip *ip);
bool cedar_ip_is_multicast(const struct cedar_ip *ip);
/* Whether every address of a lies in b; false across families. */
bool cedar_ip_in_range(const struct cedar_ip *a, const struct cedar_ip *b);

/* The date part (midnight) of a datetime; false on overflow. And the time since midnight. */
bool cedar_datetime_date(int64_t n, int64_t *out);
int64_t cedar_datetime_time(int64_t n);

#endif
