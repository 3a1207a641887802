/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/hostcfg.h"

#include "base/fd.h"
#include "base/mem.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024, DNS_PORT = 53 };

/* The next line without its comment; false at the end. */
static bool next_line(struct str *text, struct str *line)
{
    if (text->n == 0)
        return false;
    const char *end = memchr(text->p, '\n', text->n);
    size_t n = end != NULL ? (size_t)(end - text->p) : text->n;

    *line = (struct str){text->p, n};
    n += end != NULL ? 1 : 0;
    text->p += n;
    text->n -= n;
    for (size_t i = 0; i < line->n; i++)
        if (line->p[i] == '#' || line->p[i] == ';')
            line->n = i;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool next_word(struct str *line, struct str *word)
{
    while (line->n > 0 && is_blank(*line->p)) {
        line->p++;
        line->n--;
    }
    *word = (struct str){line->p, 0};
    while (line->n > 0 && !is_blank(*line->p)) {
        line->p++;
        line->n--;
        word->n++;
    }
    return word->n > 0;
}

/* ADDRESS or ADDRESS%INTERFACE. */
static bool read_server(struct str word, struct server *s)
{
    char interface[IF_NAMESIZE];
    const char *percent = memchr(word.p, '%', word.n);

    s->zone = 0;
    if (percent == NULL)
        return addr_from_text(word, &s->addr);
    size_t n = word.n - (size_t)(percent - word.p) - 1;

    if (n == 0 || n >= sizeof(interface))
        return false;
    memcpy(interface, percent + 1, n);
    interface[n] = '\0';
    s->zone = if_nametoindex(interface);
    return s->zone != 0 &&
           addr_from_text((struct str){word.p, (size_t)(percent - word.p)}, &s->addr) &&
           s->addr.n == 16;
}

void hostcfg_resolv(struct hostcfg *c, struct str text)
{
    struct str line, word;

    while (c->nservers < SERVERS_MAX && next_line(&text, &line)) {
        struct server s = {.port = DNS_PORT};

        if (next_word(&line, &word) && str_is(word, "nameserver") && next_word(&line, &word) &&
            read_server(word, &s))
            c->servers[c->nservers++] = s;
    }
}

void hostcfg_hosts(struct hostcfg *c, struct str text)
{
    struct str line, word;
    struct hosts_entry e;

    while (next_line(&text, &line)) {
        if (!next_word(&line, &word) || !addr_from_text(word, &e.addr))
            continue;
        while (c->nhosts < HOSTS_LINES_MAX && next_word(&line, &word)) {
            if (!name_from_text(word, &e.name))
                continue;
            c->hosts = xrealloc(c->hosts, c->nhosts + 1, sizeof(e));
            c->hosts[c->nhosts++] = e;
        }
    }
}

static void read_file(const char *path, struct hostcfg *c,
                      void (*take)(struct hostcfg *, struct str))
{
    AUTO_BUF struct buf b = {0};
    struct err e;

    buf_init(&b, FILE_MAX);
    if (fd_read_file(path, &b, &e))
        take(c, buf_str(&b));
}

void hostcfg_read(struct hostcfg *c, const char *resolv_path, const char *hosts_path)
{
    read_file(resolv_path, c, hostcfg_resolv);
    read_file(hosts_path, c, hostcfg_hosts);
    if (c->nservers == 0) /* resolv.conf(5): the default is the local machine */
        c->servers[c->nservers++] = (struct server){{4, {127, 0, 0, 1}}, DNS_PORT, 0};
}

void hostcfg_free(struct hostcfg *c)
{
    free(c->hosts);
    *c = (struct hostcfg){0};
}

size_t hostcfg_find(const struct hostcfg *c, const struct name *name, struct addr *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < c->nhosts && n < max; i++)
        if (name_eq(&c->hosts[i].name, name))
            out[n++] = c->hosts[i].addr;
    return n;
}
