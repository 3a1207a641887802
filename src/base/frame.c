/* SPDX-License-Identifier: Apache-2.0 */
#include "base/frame.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIELD_HEADER 8u

static void put_le(unsigned char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void frame_start(struct frame_out *f, uint16_t type, uint32_t id)
{
    f->type = type;
    f->full = false;
    f->list_at = 0;
    f->n = FRAME_HEADER;
    put_le(f->data, FRAME_MAGIC, 4);
    put_le(f->data + 4, type, 2);
    put_le(f->data + 6, 0, 2);
    put_le(f->data + 8, 0, 4);
    put_le(f->data + 12, id, 4);
}

size_t frame_room(const struct frame_out *f)
{
    size_t left = FRAME_MAX - f->n;

    return f->full || left < FIELD_HEADER ? 0 : left - FIELD_HEADER;
}

static unsigned char *frame_grow(struct frame_out *f, size_t n)
{
    if (f->full || n > FRAME_MAX - f->n) {
        f->full = true;
        return NULL;
    }
    unsigned char *p = f->data + f->n;
    f->n += n;
    return p;
}

static unsigned char *field_start(struct frame_out *f, uint8_t tag, enum frame_kind kind, size_t n)
{
    assert(f->list_at == 0);
    if (n > FRAME_MAX)
        n = FRAME_MAX; /* refused by frame_grow */
    unsigned char *p = frame_grow(f, FIELD_HEADER + n);
    if (p == NULL)
        return NULL;
    p[0] = tag;
    p[1] = (unsigned char)kind;
    p[2] = p[3] = 0;
    put_le(p + 4, n, 4);
    return p + FIELD_HEADER;
}

void frame_put_int(struct frame_out *f, uint8_t tag, int64_t value)
{
    unsigned char *p = field_start(f, tag, FRAME_INT, 8);

    if (p != NULL)
        put_le(p, (uint64_t)value, 8);
}

void frame_put_str(struct frame_out *f, uint8_t tag, struct str value)
{
    unsigned char *p = field_start(f, tag, FRAME_BYTES, value.n);

    if (p != NULL && value.n > 0)
        memcpy(p, value.p, value.n);
}

void frame_put_cstr(struct frame_out *f, uint8_t tag, const char *value)
{
    frame_put_str(f, tag, str_of(value));
}

void frame_list_start(struct frame_out *f, uint8_t tag)
{
    unsigned char *p = field_start(f, tag, FRAME_LIST, 0);

    f->items = 0;
    if (p != NULL)
        f->list_at = (size_t)(p - f->data);
}

void frame_list_item(struct frame_out *f, struct str item)
{
    assert(f->list_at != 0 || f->full);
    /* A list longer than the reader takes would end this role there. */
    if (item.n > FRAME_MAX || ++f->items > FRAME_LIST_MAX) {
        f->full = true;
        return;
    }
    unsigned char *p = frame_grow(f, 4 + item.n);
    if (p == NULL)
        return;
    put_le(p, item.n, 4);
    if (item.n > 0)
        memcpy(p + 4, item.p, item.n);
}

void frame_list_end(struct frame_out *f)
{
    if (f->list_at != 0)
        put_le(f->data + f->list_at - 4, f->n - f->list_at, 4);
    f->list_at = 0;
}

bool frame_finish(struct frame_out *f)
{
    assert(f->list_at == 0);
    put_le(f->data + 8, f->n - FRAME_HEADER, 4);
    return !f->full;
}

bool frame_send(int sock, struct frame_out *f, const int *fds, size_t nfds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FRAME_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {f->data, f->n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    assert(nfds <= FRAME_MAX_FDS);
    if (!frame_finish(f)) {
        errno = EMSGSIZE;
        return false;
    }
    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    ssize_t k;
    do {
        k = sendmsg(sock, &m, MSG_NOSIGNAL);
    } while (k < 0 && errno == EINTR);
    return k == (ssize_t)f->n;
}

static bool list_valid(struct str list)
{
    struct str item;
    enum frame_result r;
    size_t items = 0;

    while ((r = frame_list_next(&list, &item)) == FRAME_OK)
        if (++items > FRAME_LIST_MAX)
            return false;
    return r == FRAME_EOF;
}

enum frame_result frame_list_next(struct str *list, struct str *item)
{
    if (list->n == 0)
        return FRAME_EOF;
    if (list->n < 4)
        return FRAME_BAD;
    size_t n = get_le((const unsigned char *)list->p, 4);
    if (n > list->n - 4)
        return FRAME_BAD;
    *item = (struct str){list->p + 4, n};
    list->p += 4 + n;
    list->n -= 4 + n;
    return FRAME_OK;
}

enum frame_result frame_next(struct frame_in *f, struct frame_field *field)
{
    if (f->at == f->n)
        return FRAME_EOF;
    if (f->n - f->at < FIELD_HEADER)
        return FRAME_BAD;
    const unsigned char *p = f->data + f->at;
    size_t n = get_le(p + 4, 4);
    if (n > f->n - f->at - FIELD_HEADER || p[2] != 0 || p[3] != 0)
        return FRAME_BAD;
    *field = (struct frame_field){
        .tag = p[0], .kind = (enum frame_kind)p[1], .bytes = {(const char *)p + FIELD_HEADER, n}};
    f->at += FIELD_HEADER + n;
    switch (p[1]) {
    case FRAME_INT:
        if (n != 8)
            return FRAME_BAD;
        field->num = (int64_t)get_le(p + FIELD_HEADER, 8);
        return FRAME_OK;
    case FRAME_BYTES:
        return FRAME_OK;
    case FRAME_LIST:
        return list_valid(field->bytes) ? FRAME_OK : FRAME_BAD;
    default:
        return FRAME_BAD;
    }
}

enum frame_result frame_parse(struct frame_in *f, size_t n)
{
    const unsigned char *p = f->data;

    if (n < FRAME_HEADER || n > FRAME_MAX || get_le(p, 4) != FRAME_MAGIC || get_le(p + 6, 2) != 0 ||
        get_le(p + 8, 4) != n - FRAME_HEADER)
        return FRAME_BAD;
    f->type = (uint16_t)get_le(p + 4, 2);
    f->id = (uint32_t)get_le(p + 12, 4);
    f->n = n;
    f->at = FRAME_HEADER;
    return FRAME_OK;
}

/* Takes what SCM_RIGHTS brought; false when it is more than allowed or something else. */
static bool take_fds(struct frame_in *f, struct msghdr *m, size_t max_fds)
{
    bool ok = (m->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            ok = false;
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (f->nfds < max_fds) {
                f->fds[f->nfds++] = fd;
            } else {
                (void)close(fd);
                ok = false;
            }
        }
    }
    return ok;
}

enum frame_result frame_recv(int sock, struct frame_in *f, size_t max_fds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * FRAME_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {f->data, sizeof(f->data)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};

    assert(max_fds <= FRAME_MAX_FDS);
    f->nfds = 0;
    for (size_t i = 0; i < FRAME_MAX_FDS; i++)
        f->fds[i] = -1;
    ssize_t k;
    do {
        k = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    } while (k < 0 && errno == EINTR);
    if (k < 0)
        return errno == EAGAIN ? FRAME_AGAIN : FRAME_EOF;
    bool ok = take_fds(f, &m, max_fds) && (m.msg_flags & MSG_TRUNC) == 0;
    if (k == 0 && ok && f->nfds == 0)
        return FRAME_EOF;
    if (!ok || frame_parse(f, (size_t)k) != FRAME_OK) {
        frame_close_fds(f);
        return FRAME_BAD;
    }
    return FRAME_OK;
}

void frame_close_fds(struct frame_in *f)
{
    for (size_t i = 0; i < f->nfds; i++)
        mem_auto_close(&f->fds[i]);
    f->nfds = 0;
}

bool frame_pair(int sv[2], struct err *e)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
        return err_sys(e, EX_FAIL, "a socket pair between roles");
    return true;
}
