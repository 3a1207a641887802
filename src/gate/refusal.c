/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/refusal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { RULE_MAX = 40, RESPONSE_MAX = 1024 };

void refusal_text(char out[REFUSAL_TEXT_MAX], const struct verdict *v)
{
    AUTO_BUF struct buf b;

    buf_init(&b, REFUSAL_TEXT_MAX - 1);
    buf_puts(&b, "belay: ");
    if (v->nrules > 0) {
        buf_add_safe(&b, v->rules[0], RULE_MAX);
        buf_puts(&b, ": ");
    }
    buf_add_safe(&b, v->reason, REFUSAL_TEXT_MAX - RULE_MAX - 20);
    snprintf(out, REFUSAL_TEXT_MAX, "%s", buf_cstr(&b));
}

/* Does it begin like a request of HTTP/1? */
static bool is_http(const char *p, size_t n)
{
    static const char *const methods[] = {"GET ",    "HEAD ",    "POST ", "PUT ",
                                          "DELETE ", "OPTIONS ", "PATCH "};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (n >= strlen(methods[i]) && memcmp(p, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

/* A client that does not take these few bytes at once is not told. */
static void say(int fd, const void *p, size_t n)
{
    (void)send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer_http(int fd, const char *text, bool head)
{
    AUTO_BUF struct buf b;

    buf_init(&b, RESPONSE_MAX);
    buf_printf(&b,
               "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
               strlen(text) + 1);
    if (!head)
        buf_printf(&b, "%s\n", text);
    if (!b.full)
        say(fd, b.p, b.n);
}

bool refusal_tell(int fd, const char *text)
{
    static const unsigned char alert[] = {21, 3, 1, 0, 2, 2 /* fatal */, 49 /* access_denied */};
    char first[8];
    ssize_t n = recv(fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n >= 2 && first[0] == 22 && first[1] == 3)
        say(fd, alert, sizeof(alert));
    else if (n > 0 && is_http(first, (size_t)n))
        answer_http(fd, text, first[0] == 'H');
    return true;
}
