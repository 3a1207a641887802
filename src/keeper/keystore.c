/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format is that of sun.security.provider.JavaKeyStore: big endian; a magic number, the
 * version, the number of entries; each a trusted certificate (2) with its alias, a date, "X.509"
 * and DER; then SHA-1 of the password in UTF-16, a fixed phrase and all that went before.
 */
#define OPENSSL_API_COMPAT 10100 /* SHA1_*, as digest.h says why */
#include "keeper/keystore.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define MAGIC 0xfeedfeedu

enum { VERSION = 2, TRUSTED = 2, CERTIFICATE_MAX = 64 * 1024, SHA1_SIZE = 20, HEAD_SIZE = 12 };

static const char begin_mark[] = "-----BEGIN CERTIFICATE-----",
                  end_mark[] = "-----END CERTIFICATE-----", password[] = "changeit",
                  phrase[] = "Mighty Aphrodite";

static void put(struct buf *b, uint64_t v, int n)
{
    while (n-- > 0) {
        unsigned char byte = (unsigned char)(v >> 8 * n);

        buf_add(b, &byte, 1);
    }
}

static void put_text(struct buf *b, const char *s)
{
    put(b, strlen(s), 2);
    buf_puts(b, s);
}

/* The DER between two marks; its length, or 0. */
static size_t decode(struct str text, unsigned char *der, size_t size)
{
    EVP_ENCODE_CTX *c = EVP_ENCODE_CTX_new();
    int n = 0, last = 0;
    bool ok = c != NULL && text.n < size;

    if (ok) {
        EVP_DecodeInit(c);
        ok = EVP_DecodeUpdate(c, der, &n, (const unsigned char *)text.p, (int)text.n) >= 0 &&
             EVP_DecodeFinal(c, der + n, &last) == 1;
    }
    EVP_ENCODE_CTX_free(c);
    return ok ? (size_t)(n + last) : 0;
}

/* One certificate, cut off the front of *pem. False: there is none left. */
static bool next(struct str *pem, struct str *text)
{
    const char *end = pem->p + pem->n, *from, *to;

    from = pem->n == 0 ? NULL : memmem(pem->p, pem->n, begin_mark, strlen(begin_mark));
    if (from == NULL)
        return false;
    from += strlen(begin_mark);
    to = memmem(from, (size_t)(end - from), end_mark, strlen(end_mark));
    if (to == NULL)
        return false;
    *text = (struct str){from, (size_t)(to - from)};
    *pem = (struct str){to, (size_t)(end - to)};
    return true;
}

static unsigned put_entries(struct buf *b, struct str pem)
{
    AUTO_FREE unsigned char *der = xcalloc(1, CERTIFICATE_MAX);
    struct str text;
    unsigned n = 0;

    while (next(&pem, &text)) {
        size_t size = decode(text, der, CERTIFICATE_MAX);
        char alias[32];

        if (size == 0)
            continue;
        (void)snprintf(alias, sizeof(alias), "belay-%u", n++);
        put(b, TRUSTED, 4);
        put_text(b, alias);
        put(b, 0, 8);
        put_text(b, "X.509");
        put(b, size, 4);
        buf_add(b, der, size);
    }
    return n;
}

static bool seal(struct buf *out)
{
    AUTO_BUF struct buf all = {0};
    unsigned char digest[SHA1_SIZE];
    SHA_CTX c;

    buf_init(&all, out->max + 64);
    for (const char *p = password; *p != '\0'; p++)
        put(&all, (unsigned char)*p, 2);
    buf_puts(&all, phrase);
    buf_add(&all, out->p, out->n);
    if (all.full || !SHA1_Init(&c) || !SHA1_Update(&c, all.p, all.n) || !SHA1_Final(digest, &c))
        return false;
    buf_add(out, digest, sizeof(digest));
    return !out->full;
}

static uint32_t get32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool keystore_add(struct str store, struct str pem, struct buf *out)
{
    AUTO_BUF struct buf entries = {0};
    unsigned n;

    if (store.n < HEAD_SIZE + SHA1_SIZE || get32(store.p) != MAGIC || get32(store.p + 4) != VERSION)
        return false;
    buf_init(&entries, out->max);
    n = put_entries(&entries, pem);
    if (n == 0 || entries.full)
        return false;
    put(out, MAGIC, 4);
    put(out, VERSION, 4);
    put(out, get32(store.p + 8) + (uint64_t)n, 4);
    buf_add(out, store.p + HEAD_SIZE, store.n - HEAD_SIZE - SHA1_SIZE);
    buf_add(out, entries.p, entries.n);
    return seal(out);
}

bool keystore_make(struct str pem, struct buf *out)
{
    AUTO_BUF struct buf entries = {0};
    unsigned n;

    buf_init(&entries, out->max);
    n = put_entries(&entries, pem);
    put(out, MAGIC, 4);
    put(out, VERSION, 4);
    put(out, n, 4);
    buf_add(out, entries.p, entries.n);
    return n > 0 && !entries.full && seal(out);
}
