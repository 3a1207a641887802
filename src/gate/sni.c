/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sni.h"

#include <string.h>

enum { RECORD_HANDSHAKE = 22, RECORD_HEAD = 5, RECORD_MAX = 16384, HELLO = 1, HELLO_HEAD = 4 };
enum { EXT_SERVER_NAME = 0, EXT_MAX = 128, NAME_HOST = 0, HTTPS_PORT = 443 };

struct reader {
    const uint8_t *p;
    size_t n;
    bool bad;
};

static size_t take_int(struct reader *r, int bytes)
{
    size_t v = 0;

    if (r->bad || r->n < (size_t)bytes) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        v = v << 8 | *r->p++;
    r->n -= (size_t)bytes;
    return v;
}

static struct reader take(struct reader *r, size_t n)
{
    struct reader part = {r->p, n, false};

    if (r->bad || r->n < n) {
        r->bad = true;
        return (struct reader){NULL, 0, true};
    }
    r->p += n;
    r->n -= n;
    return part;
}

/* A vector with a length of `bytes` bytes in front. */
static struct reader take_vector(struct reader *r, int bytes)
{
    return take(r, take_int(r, bytes));
}

static bool read_server_name(struct reader ext, struct sni *sni)
{
    struct reader list = take_vector(&ext, 2);
    size_t type = take_int(&list, 1);
    struct reader host = take_vector(&list, 2);

    if (ext.bad || ext.n != 0 || list.bad || list.n != 0 || host.bad || type != NAME_HOST)
        return false;
    if (host.n == 0 || host.p[host.n - 1] == '.')
        return false;
    sni->present = true;
    return name_from_text((struct str){(const char *)host.p, host.n}, &sni->name);
}

static bool read_extensions(struct reader all, struct sni *sni)
{
    uint16_t seen[EXT_MAX];

    for (size_t count = 0; all.n > 0; count++) {
        size_t type = take_int(&all, 2);
        struct reader ext = take_vector(&all, 2);

        if (all.bad || count == EXT_MAX)
            return false;
        for (size_t i = 0; i < count; i++)
            if (seen[i] == type)
                return false;
        seen[count] = (uint16_t)type;
        if (type == EXT_SERVER_NAME && !read_server_name(ext, sni))
            return false;
    }
    return true;
}

static bool read_hello(struct reader r, struct sni *sni)
{
    size_t version = take_int(&r, 2);

    take(&r, 32); /* random */
    struct reader session = take_vector(&r, 1), ciphers = take_vector(&r, 2);
    struct reader compression = take_vector(&r, 1);

    if (r.bad || version >> 8 != 3 || session.n > 32 || ciphers.n < 2 || ciphers.n % 2 != 0 ||
        compression.n < 1)
        return false;
    if (r.n == 0)
        return true; /* no extensions: older than TLS 1.2 allows, but exact */
    struct reader extensions = take_vector(&r, 2);

    return !r.bad && r.n == 0 && read_extensions(extensions, sni);
}

enum sni_result sni_parse(const uint8_t *p, size_t n, struct sni *sni)
{
    uint8_t hello[SNI_HELLO_MAX];
    size_t have = 0, want = HELLO_HEAD;

    memset(sni, 0, sizeof(*sni));
    if (n == 0 || p[0] != RECORD_HANDSHAKE)
        return SNI_NOT_TLS;
    /* The message may be spread over records. */
    for (size_t at = 0; have < want;) {
        if (n - at < RECORD_HEAD)
            return (at < n && p[at] != RECORD_HANDSHAKE) ? SNI_BAD : SNI_MORE;
        size_t length = (size_t)p[at + 3] << 8 | p[at + 4];

        if (p[at] != RECORD_HANDSHAKE || p[at + 1] != 3 || length == 0 || length > RECORD_MAX)
            return SNI_BAD;
        at += RECORD_HEAD;
        size_t part = length < n - at ? length : n - at;

        if (part > sizeof(hello) - have)
            return SNI_BAD;
        memcpy(hello + have, p + at, part);
        have += part;
        at += part;
        if (have >= HELLO_HEAD) {
            want = HELLO_HEAD + ((size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3]);
            if (hello[0] != HELLO || want > sizeof(hello))
                return SNI_BAD;
        }
        if (part < length)
            return SNI_MORE;
    }
    if (have != want)
        return SNI_BAD; /* no other handshake message may follow before the server has answered */
    return read_hello((struct reader){hello + HELLO_HEAD, want - HELLO_HEAD, false}, sni) ? SNI_OK
                                                                                          : SNI_BAD;
}

const char *sni_objection(const struct sni *sni, struct str host, bool named, uint16_t port)
{
    if (sni->present)
        return str_eq(name_str(&sni->name), host) ? NULL : "TLS names another host (SNI)";
    return named && port == HTTPS_PORT ? "TLS names no host (SNI)" : NULL;
}
