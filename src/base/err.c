/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void err_fill(struct err *e, int code, const char *fmt,
                                                           va_list ap)
{
    assert(e != NULL && code != 0);
    e->code = code;
    e->sys = 0;
    (void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

bool err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    err_fill(e, code, fmt, ap);
    va_end(ap);
    return false;
}

bool err_sys(struct err *e, int code, const char *fmt, ...)
{
    int sys = errno;
    va_list ap;

    va_start(ap, fmt);
    err_fill(e, code, fmt, ap);
    va_end(ap);
    e->sys = sys;
    size_t used = strlen(e->text);
    const char *reason = strerrordesc_np(sys);
    if (reason != NULL)
        (void)snprintf(e->text + used, sizeof(e->text) - used, ": %s", reason);
    else
        (void)snprintf(e->text + used, sizeof(e->text) - used, ": error %d", sys);
    return false;
}

bool err_wrap(struct err *e, const char *fmt, ...)
{
    char was[ERR_TEXT_MAX];
    va_list ap;

    assert(e != NULL);
    memcpy(was, e->text, sizeof(was));
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    size_t used = strlen(e->text);
    (void)snprintf(e->text + used, sizeof(e->text) - used, ": %s", was);
    return false;
}
