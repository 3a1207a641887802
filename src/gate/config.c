/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"
#include "gate/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fields of CONFIG: which descriptors come with it, one for each limit, and the resolvers. */
enum config_tag {
    TAG_SOCKETS = MSG_TAG_CONFIG, /* int: a bit for each of tcp4, tcp6, udp4 ... kern */
    TAG_RESOLVERS,                /* list */
    TAG_DETECT_ENTROPY,           /* int */
    TAG_DETECT_NAMES,             /* int */
    TAG_DETECT_OFF,               /* list */
    TAG_DETECT_ALLOW,             /* list */
    TAG_PRICES,                   /* bytes: lines */
    TAG_DOORS,    /* list of ports; the way inward and a listener for each come after the sockets */
    TAG_CANARIES, /* list */
    TAG_CREDENTIALS, /* int 1: their memory file comes last */
#define X(name, value, least, most) TAG_##name,
    GATE_LIMITS(X)
#undef X
};

enum { SOCKETS = 5 };

void gate_config_init(struct gate_config *c)
{
    memset(c, 0, sizeof(*c));
    c->tcp4 = c->tcp6 = c->udp4 = c->udp6 = c->kern = c->inward = c->credentials = -1;
}

static void put_doors(struct frame_out *f, const struct gate_config *c, int *fds, size_t *nfds)
{
    char port[8];

    assert(c->ndoors <= GATE_DOORS_MAX);
    if (c->ndoors == 0)
        return;
    fds[(*nfds)++] = c->inward;
    frame_list_start(f, TAG_DOORS);
    for (size_t i = 0; i < c->ndoors; i++) {
        snprintf(port, sizeof(port), "%u", (unsigned)c->doors[i].port);
        frame_list_item(f, str_of(port));
        fds[(*nfds)++] = c->doors[i].listener;
    }
    frame_list_end(f);
}

static void put_list(struct frame_out *f, uint8_t tag, const struct settings_list *list)
{
    frame_list_start(f, tag);
    for (size_t i = 0; i < list->n; i++)
        frame_list_item(f, str_of(list->item[i]));
    frame_list_end(f);
}

static void put_detect(struct frame_out *f, const struct gate_config *c)
{
    frame_put_int(f, TAG_DETECT_ENTROPY, c->detect_entropy);
    frame_put_int(f, TAG_DETECT_NAMES, c->detect_names);
    put_list(f, TAG_DETECT_OFF, &c->detect_off);
    put_list(f, TAG_DETECT_ALLOW, &c->detect_allow);
}

bool gate_config_send(int sock, const struct gate_config *c, struct err *e)
{
    const int sockets[SOCKETS] = {c->tcp4, c->tcp6, c->udp4, c->udp6, c->kern};
    int fds[SOCKETS + 2 + GATE_DOORS_MAX];
    size_t nfds = 0;
    int64_t mask = 0;
    AUTO_FREE struct frame_out *f = xcalloc(1, sizeof(*f));

    for (int i = 0; i < SOCKETS; i++)
        if (sockets[i] >= 0) {
            mask |= 1 << i;
            fds[nfds++] = sockets[i];
        }
    frame_start(f, MSG_CONFIG, 1);
    frame_put_int(f, TAG_SOCKETS, mask);
    put_doors(f, c, fds, &nfds);
    if (c->credentials >= 0) {
        fds[nfds++] = c->credentials;
        frame_put_int(f, TAG_CREDENTIALS, 1);
    }
    frame_list_start(f, TAG_RESOLVERS);
    for (size_t i = 0; i < c->nresolvers && i < GATE_RESOLVERS_MAX; i++)
        frame_list_item(f, str_of(c->resolvers[i]));
    frame_list_end(f);
    put_detect(f, c);
    if (c->prices != NULL)
        frame_put_cstr(f, TAG_PRICES, c->prices);
    frame_list_start(f, TAG_CANARIES);
    for (size_t i = 0; i < c->ncanaries && i < GATE_CANARIES_MAX; i++)
        frame_list_item(f, str_of(c->canaries[i]));
    frame_list_end(f);
#define X(name, value, least, most) frame_put_int(f, TAG_##name, c->limits.name);
    GATE_LIMITS(X)
#undef X
    if (!frame_send(sock, f, fds, nfds))
        return err_sys(e, EX_ROLE, "cannot send the gate its settings");
    return true;
}

static bool take_limit(uint32_t *limit, const struct frame_field *x, uint32_t value, uint32_t least,
                       uint32_t most)
{
    if (x->kind != FRAME_INT)
        return false;
    *limit = x->num == 0 ? value : (uint32_t)x->num;
    return x->num == 0 || (x->num >= least && x->num <= most);
}

static bool take_resolvers(struct gate_config *c, const struct frame_field *x)
{
    struct str list = x->bytes, item;

    if (x->kind != FRAME_LIST)
        return false;
    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (c->nresolvers == GATE_RESOLVERS_MAX || item.n >= GATE_RESOLVER_TEXT_MAX)
            return false;
        snprintf(c->resolvers[c->nresolvers++], GATE_RESOLVER_TEXT_MAX, "%.*s", (int)item.n,
                 item.p);
    }
    return true;
}

static bool take_list(struct settings_list *list, const struct frame_field *x)
{
    struct str rest = x->bytes, item;
    size_t n = 0;

    if (x->kind != FRAME_LIST || list->item != NULL)
        return false;
    while (frame_list_next(&rest, &item) == FRAME_OK)
        n++;
    rest = x->bytes;
    list->item = xcalloc(n + 1, sizeof(*list->item));
    while (frame_list_next(&rest, &item) == FRAME_OK)
        list->item[list->n++] = xasprintf("%.*s", (int)item.n, item.p);
    return true;
}

static bool take_number(int64_t *number, const struct frame_field *x, int64_t most)
{
    *number = x->num;
    return x->kind == FRAME_INT && x->num >= 0 && x->num <= most;
}

static void free_list(struct settings_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free((void *)(uintptr_t)list->item[i]);
    free(list->item);
    *list = (struct settings_list){0};
}

void gate_config_free(struct gate_config *c)
{
    free_list(&c->detect_off);
    free_list(&c->detect_allow);
}

static bool take_prices(struct gate_config *c, const struct frame_field *x)
{
    if (x->kind != FRAME_BYTES || c->prices != NULL)
        return false;
    c->prices = xasprintf("%.*s", (int)x->bytes.n, x->bytes.p);
    return true;
}

static bool take_canaries(struct gate_config *c, const struct frame_field *x)
{
    struct str list = x->bytes, item;

    if (x->kind != FRAME_LIST)
        return false;
    while (frame_list_next(&list, &item) == FRAME_OK) {
        if (c->ncanaries == GATE_CANARIES_MAX || item.n >= GATE_CANARY_MAX)
            return false;
        snprintf(c->canaries[c->ncanaries++], GATE_CANARY_MAX, "%.*s", (int)item.n, item.p);
    }
    return true;
}

/* The next descriptor that came with the frame; -1: there is none. */
static int next_fd(struct frame_in *f)
{
    for (size_t i = 0; i < f->nfds; i++)
        if (f->fds[i] >= 0)
            return fd_take(&f->fds[i]);
    return -1;
}

static bool take_port(struct str text, uint16_t *port)
{
    unsigned n = 0;

    if (text.n == 0 || text.n > 5)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(text.p[i] - '0');
    }
    *port = (uint16_t)n;
    return n > 0 && n <= 65535;
}

static bool take_doors(struct gate_config *c, struct frame_in *f, const struct frame_field *x)
{
    struct str list = x->bytes, item;

    if (x->kind != FRAME_LIST || c->inward >= 0 || (c->inward = next_fd(f)) < 0)
        return false;
    while (frame_list_next(&list, &item) == FRAME_OK) {
        struct gate_door *d = &c->doors[c->ndoors];

        if (c->ndoors == GATE_DOORS_MAX || !take_port(item, &d->port) ||
            (d->listener = next_fd(f)) < 0)
            return false;
        c->ndoors++;
    }
    return true;
}

static bool take_sockets(struct gate_config *c, struct frame_in *f, const struct frame_field *x)
{
    int *const sockets[SOCKETS] = {&c->tcp4, &c->tcp6, &c->udp4, &c->udp6, &c->kern};

    if (x->kind != FRAME_INT || x->num < 0 || x->num >= 1 << SOCKETS)
        return false;
    for (int i = 0; i < SOCKETS; i++) {
        if ((x->num & 1 << i) == 0)
            continue;
        if (*sockets[i] >= 0 || (*sockets[i] = next_fd(f)) < 0)
            return false;
    }
    return true;
}

static bool take_field(struct gate_config *c, struct frame_in *f, const struct frame_field *x)
{
    switch (x->tag) {
    case TAG_SOCKETS:
        return take_sockets(c, f, x);
    case TAG_DOORS:
        return take_doors(c, f, x);
    case TAG_CREDENTIALS:
        return x->kind == FRAME_INT && c->credentials < 0 && (c->credentials = next_fd(f)) >= 0;
    case TAG_RESOLVERS:
        return take_resolvers(c, x);
    case TAG_DETECT_ENTROPY:
        return take_number(&c->detect_entropy, x, 800);
    case TAG_DETECT_NAMES:
        return take_number(&c->detect_names, x, 1000000);
    case TAG_DETECT_OFF:
        return take_list(&c->detect_off, x);
    case TAG_DETECT_ALLOW:
        return take_list(&c->detect_allow, x);
    case TAG_PRICES:
        return take_prices(c, x);
    case TAG_CANARIES:
        return take_canaries(c, x);
#define X(name, value, least, most) \
    case TAG_##name:                \
        return take_limit(&c->limits.name, x, value, least, most);
        GATE_LIMITS(X)
#undef X
    default:
        return false;
    }
}

static void set_defaults(struct gate_limits *l)
{
#define X(name, value, least, most) \
    if (l->name == 0)               \
        l->name = value;
    GATE_LIMITS(X)
#undef X
}

bool gate_config_read(struct frame_in *f, struct gate_config *c, struct err *e)
{
    struct frame_field x;
    enum frame_result r = FRAME_OK;
    bool ok =
        message_permitted(ROLE_KEEPER, ROLE_GATE, PHASE_START, f->type) && f->type == MSG_CONFIG;

    gate_config_init(c);
    while (ok && (r = frame_next(f, &x)) == FRAME_OK)
        ok = take_field(c, f, &x);
    ok = ok && r == FRAME_EOF && next_fd(f) < 0;
    frame_close_fds(f);
    set_defaults(&c->limits);
    if (!ok) {
        gate_config_free(c);
        free((void *)(uintptr_t)c->prices);
        c->prices = NULL;
    }
    return ok || err_set(e, EX_ROLE, "gate: the keeper sent no usable settings");
}
