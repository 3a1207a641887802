/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - one error object, passed down by pointer and filled where it happens.
 *
 * A function that can fail takes `struct err *e` last and returns false, NULL or
 * -1 on failure, having filled *e. The caller owns the object (usually on its
 * stack). Every message names the thing, the reason and, where there is one, the
 * mend. Exit codes are part of the interface (see belay(1)).
 */
#ifndef BELAY_BASE_ERR_H
#define BELAY_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of belay itself; below 125 are the agent's own. X(name, code, meaning) */
#define EXIT_CODES(X)                                                      \
    X(EX_OK, 0, "success")                                                 \
    X(EX_FAIL, 1, "the request failed, or a check found something")        \
    X(EX_USAGE_, 2, "the command line is wrong")                           \
    X(EX_POLICY, 120, "a policy or setting cannot be used")                \
    X(EX_HOST, 121, "this host cannot enforce what the policy asks for")   \
    X(EX_RECORD, 122, "the record cannot be written or is damaged")        \
    X(EX_ROLE, 123, "a part of belay failed; the agent was stopped")       \
    X(EX_STOPPED, 124, "the agent was killed by a rule or by a person")    \
    X(EX_CANTRUN, 126, "the command cannot be executed or is not allowed") \
    X(EX_NOTFOUND, 127, "the command does not exist")

enum exit_code {
#define X(name, code, meaning) name = (code),
    EXIT_CODES(X)
#undef X
};

#define ERR_TEXT_MAX 1024

struct err {
    int code;                /* an exit_code; 0 while nothing failed */
    int sys;                 /* errno at the time, 0 if none */
    char text[ERR_TEXT_MAX]; /* printable, one line or several, no final newline */
};

/* Fills *e. `e` may not be NULL. Always returns false, so callers may return it. */
bool err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, and appends ": " and the text of errno. */
bool err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "CONTEXT: " before the message that *e holds. */
bool err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
