/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/config.h"

#include "base/frame.h"
#include "base/mem.h"
#include "jail/jail.h"
#include "policy/message.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_TRAPS = MSG_TAG_CONFIG,
    TAG_VERIFY,
    TAG_READ_ENV,
    TAG_MEASURE,
    TAG_UNDO_BYTES,
    TAG_UNDO_FILES,
    TAG_SCRUB,
    TAG_CANARIES,
    TAG_HOST, /* int: tier B */
    TAG_DOOR4,
    TAG_DOOR6,
    TAG_MUTE,
    TAG_PORTS, /* bytes: ports of 16 bits, little endian */
};
/* In this order; the file for undo only where there is one, then the two namespaces where there are
 * some, or in tier B the scope and, if there is a gate, the way to it. */
enum { FD_LISTENER, FD_PROC, FD_MORE, FD_COUNT = FD_MORE + 3 };

static void put_texts(struct frame_out *f, uint8_t tag, const char **text, size_t n)
{
    frame_list_start(f, tag);
    for (size_t i = 0; i < n; i++)
        frame_list_item(f, str_of(text[i]));
    frame_list_end(f);
}

bool kern_config_send(int sock, const struct kern_config *c, struct err *e)
{
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));
    int fds[FD_COUNT] = {[FD_LISTENER] = c->listener, [FD_PROC] = c->proc};
    size_t nfds = FD_MORE;

    if (c->undo_files > 0)
        fds[nfds++] = c->undo;
    if (c->host || c->ns_user >= 0)
        fds[nfds++] = c->host ? c->scope : c->ns_user;
    if (c->host ? c->gate >= 0 : c->ns_user >= 0)
        fds[nfds++] = c->host ? c->gate : c->ns_mount;

    frame_start(f, MSG_CONFIG, 0);
    frame_put_int(f, TAG_TRAPS, c->traps);
    frame_put_int(f, TAG_VERIFY, c->verify_exec);
    frame_put_int(f, TAG_READ_ENV, c->read_env);
    frame_put_int(f, TAG_MEASURE, c->measure);
    frame_put_int(f, TAG_UNDO_BYTES, (int64_t)c->undo_bytes);
    frame_put_int(f, TAG_UNDO_FILES, (int64_t)c->undo_files);
    put_texts(f, TAG_SCRUB, c->scrub, c->nscrub);
    put_texts(f, TAG_CANARIES, c->canaries, c->ncanaries);
    frame_put_int(f, TAG_HOST, c->host);
    frame_put_int(f, TAG_MUTE, c->mute_reads);
    frame_put_int(f, TAG_DOOR4, c->door4);
    frame_put_int(f, TAG_DOOR6, c->door6);
    frame_put_str(f, TAG_PORTS,
                  (struct str){(const char *)c->ports, c->nports * sizeof(*c->ports)});
    if (!frame_send(sock, f, fds, nfds))
        return err_sys(e, EX_ROLE, "kern: its settings cannot be sent");
    return true;
}

static bool take_texts(const char ***to, size_t *n, size_t max, const struct frame_field *x)
{
    struct str list = x->bytes, item;

    if (x->kind != FRAME_LIST)
        return false;
    *to = xcalloc(max, sizeof(**to));
    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (*n == max || item.n == 0 || memchr(item.p, '\0', item.n) != NULL)
            return false;
        (*to)[(*n)++] = xasprintf("%.*s", (int)item.n, item.p);
    }
    return true;
}

static void free_texts(const char ***text, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        mem_auto_free(&(*text)[i]);
    mem_auto_free(text);
    *text = NULL;
    *n = 0;
}

static bool take_bool(bool *to, const struct frame_field *x)
{
    *to = x->num == 1;
    return x->kind == FRAME_INT && (x->num & ~1) == 0;
}

static bool take_port(uint16_t *port, const struct frame_field *x)
{
    *port = (uint16_t)x->num;
    return x->kind == FRAME_INT && x->num >= 0 && x->num <= UINT16_MAX;
}

static bool take_ports(struct kern_config *c, const struct frame_field *x)
{
    uint16_t *ports;

    if (x->kind != FRAME_BYTES || x->bytes.n % sizeof(*ports) != 0 ||
        x->bytes.n > JAIL_HOST_PORTS_MAX * sizeof(*ports))
        return false;
    c->nports = x->bytes.n / sizeof(*ports);
    ports = xcalloc(c->nports + 1, sizeof(*ports));
    if (c->nports > 0)
        memcpy(ports, x->bytes.p, x->bytes.n);
    c->ports = ports;
    return true;
}

static bool take_field(struct kern_config *c, const struct frame_field *x)
{
    switch (x->tag) {
    case TAG_TRAPS:
        c->traps = (unsigned)x->num;
        return x->kind == FRAME_INT && x->num >= 0 && x->num <= UINT16_MAX;
    case TAG_VERIFY:
        return take_bool(&c->verify_exec, x);
    case TAG_READ_ENV:
        return take_bool(&c->read_env, x);
    case TAG_MEASURE:
        return take_bool(&c->measure, x);
    case TAG_UNDO_BYTES:
        c->undo_bytes = (uint64_t)x->num;
        return x->kind == FRAME_INT && x->num >= 0;
    case TAG_UNDO_FILES:
        c->undo_files = (uint64_t)x->num;
        return x->kind == FRAME_INT && x->num >= 0 && x->num <= KERN_UNDO_FILES_MAX;
    case TAG_SCRUB:
        return take_texts(&c->scrub, &c->nscrub, KERN_SCRUB_MAX, x);
    case TAG_CANARIES:
        return take_texts(&c->canaries, &c->ncanaries, KERN_CANARIES_MAX, x);
    case TAG_HOST:
        return take_bool(&c->host, x);
    case TAG_MUTE:
        return take_bool(&c->mute_reads, x);
    case TAG_DOOR4:
        return take_port(&c->door4, x);
    case TAG_DOOR6:
        return take_port(&c->door6, x);
    case TAG_PORTS:
        return take_ports(c, x);
    default:
        return false;
    }
}

static bool read_fields(struct frame_in *f, struct kern_config *c)
{
    const unsigned needed = (1u << (TAG_PORTS - TAG_TRAPS + 1)) - 1; /* each, once */
    struct frame_field x;
    enum frame_result r;
    unsigned seen = 0;

    while ((r = frame_next(f, &x)) == FRAME_OK) {
        unsigned bit = x.tag >= TAG_TRAPS && x.tag < TAG_TRAPS + 32 ? 1u << (x.tag - TAG_TRAPS) : 0;

        if ((seen & bit) != 0 || !take_field(c, &x))
            return false;
        seen |= bit;
    }
    return r == FRAME_EOF && seen == needed && (c->verify_exec || (!c->read_env && c->nscrub == 0));
}

static bool right_count(const struct frame_in *f, const struct kern_config *c)
{
    size_t least = FD_MORE + (c->undo_files > 0 ? 1 : 0);

    if (c->host)
        return f->nfds == least + 1 || f->nfds == least + 2;
    return f->nfds == least || f->nfds == least + 2;
}

static bool take_fds(struct frame_in *f, struct kern_config *c)
{
    size_t next = FD_MORE;

    if (!right_count(f, c))
        return false;
    c->listener = fd_take(&f->fds[FD_LISTENER]);
    c->proc = fd_take(&f->fds[FD_PROC]);
    if (c->undo_files > 0)
        c->undo = fd_take(&f->fds[next++]);
    if (f->nfds > next)
        *(c->host ? &c->scope : &c->ns_user) = fd_take(&f->fds[next++]);
    if (f->nfds > next)
        *(c->host ? &c->gate : &c->ns_mount) = fd_take(&f->fds[next]);
    return true;
}

bool kern_config_recv(int sock, struct kern_config *c, struct err *e)
{
    AUTO_FREE struct frame_in *f = xcalloc(1, sizeof(*f));

    *c = (struct kern_config){.listener = -1,
                              .ns_user = -1,
                              .ns_mount = -1,
                              .proc = -1,
                              .undo = -1,
                              .scope = -1,
                              .gate = -1};
    if (frame_recv(sock, f, FD_COUNT) != FRAME_OK)
        return err_set(e, EX_ROLE, "kern: the keeper sent no settings");
    if (!message_permitted(ROLE_KEEPER, ROLE_KERN, PHASE_START, f->type) || !read_fields(f, c) ||
        !take_fds(f, c)) {
        frame_close_fds(f);
        kern_config_close(c);
        return err_set(e, EX_ROLE, "kern: the settings are malformed");
    }
    return true;
}

void kern_config_close(struct kern_config *c)
{
    mem_auto_close(&c->listener);
    mem_auto_close(&c->proc);
    mem_auto_close(&c->ns_user);
    mem_auto_close(&c->ns_mount);
    mem_auto_close(&c->undo);
    mem_auto_close(&c->scope);
    mem_auto_close(&c->gate);
    free((void *)(uintptr_t)c->ports);
    c->ports = NULL;
    c->nports = 0;
    free_texts(&c->scrub, &c->nscrub);
    free_texts(&c->canaries, &c->ncanaries);
}
