/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/ca.h"

#include "base/mem.h"
#include "gate/addr.h"
#include "gate/name.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    SLOTS = 256, /* leaves that are kept; a power of two */
    DAY = 24 * 60 * 60,
    SERIAL_BITS = 127,      /* unpredictable, positive (RFC 5280, 4.1.2.2) */
    SECURE_HEAP = 64 * 1024 /* bytes; a private key takes some hundred */
};

struct leaf {
    X509 *cert; /* NULL: free */
    time_t renew;
    size_t n;
    char host[NAME_TEXT_MAX + 1];
};

struct ca {
    EVP_PKEY *key, *leaf_key;
    X509 *cert;
    struct leaf leaves[SLOTS];
};

void ca_free(struct ca *ca)
{
    if (ca == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        X509_free(ca->leaves[i].cert);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    EVP_PKEY_free(ca->leaf_key);
    free(ca);
}

static bool set_serial(X509 *x)
{
    BIGNUM *n = BN_new();
    bool ok = n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

    BN_free(n);
    return ok;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *e;
    bool ok;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_common_name(X509 *x, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

/* Begun a day ago, for clocks that disagree. */
static X509 *begin(EVP_PKEY *key, int days)
{
    X509 *x = X509_new();

    if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -DAY) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(x), (long)days * DAY) != NULL &&
        X509_set_pubkey(x, key) == 1)
        return x;
    X509_free(x);
    return NULL;
}

static bool make_root(struct ca *ca)
{
    AUTO_FREE char *serial = NULL;
    AUTO_FREE char *name = NULL;
    BIGNUM *n;
    X509 *x = ca->cert = begin(ca->key, CA_DAYS);

    if (x == NULL)
        return false;
    n = ASN1_INTEGER_to_BN(X509_get_serialNumber(x), NULL);
    serial = n == NULL ? NULL : BN_bn2hex(n);
    BN_free(n);
    if (serial == NULL)
        return false;
    name = xasprintf("belay session authority %.8s", serial);
    return set_common_name(x, name) && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
           add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(x, x, NID_subject_key_identifier, "hash") &&
           X509_sign(x, ca->key, EVP_sha256()) > 0;
}

struct ca *ca_new(struct err *e)
{
    struct ca *ca = xcalloc(1, sizeof(*ca));

    (void)CRYPTO_secure_malloc_init(SECURE_HEAP, 16); /* without, the keys lie in the common heap */
    ca->key = EVP_EC_gen("P-256");
    ca->leaf_key = EVP_EC_gen("P-256");
    if (ca->key != NULL && ca->leaf_key != NULL && make_root(ca))
        return ca;
    ca_free(ca);
    err_set(e, EX_ROLE, "gate: cannot make the session's certificate authority");
    return NULL;
}

void ca_pem(const struct ca *ca, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n = bio != NULL && PEM_write_bio_X509(bio, ca->cert) == 1 ? BIO_get_mem_data(bio, &p) : 0;

    if (n > 0)
        buf_add(out, p, (size_t)n);
    BIO_free(bio);
}

EVP_PKEY *ca_leaf_key(const struct ca *ca)
{
    return ca->leaf_key;
}

/* Names of hosts are canonical: letters, digits, hyphens, underscores, dots; no more is needed to
 * keep the little language of X509V3_EXT_conf_nid in its place, and none of it is in an address.
 * "localhost" stands for the loopback's addresses too (conn.c). */
static bool add_name(X509 *x, const struct ca *ca, const char *host)
{
    struct addr a;
    const char *kind = addr_from_text(str_of(host), &a) ? "IP" : "DNS";
    const char *more = strcmp(host, "localhost") == 0 ? ",IP:127.0.0.1,IP:::1" : "";
    AUTO_FREE char *value = xasprintf("critical,%s:%s%s", kind, host, more);

    return add_extension(x, ca->cert, NID_subject_alt_name, value);
}

static X509 *make_leaf(const struct ca *ca, const char *host)
{
    X509 *x = begin(ca->leaf_key, LEAF_DAYS);

    if (x != NULL && X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) == 1 &&
        add_name(x, ca, host) &&
        add_extension(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, ca->cert, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, ca->cert, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, ca->cert, NID_authority_key_identifier, "keyid") &&
        X509_sign(x, ca->key, EVP_sha256()) > 0)
        return x;
    X509_free(x);
    return NULL;
}

static uint32_t hash(struct str s)
{
    uint32_t h = 2166136261u; /* FNV-1a; a collision only costs another signature */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h;
}

X509 *ca_leaf(struct ca *ca, struct str host)
{
    struct leaf *l = &ca->leaves[hash(host) % SLOTS];
    time_t now = time(NULL);

    if (host.n == 0 || host.n > NAME_TEXT_MAX)
        return NULL;
    if (l->cert != NULL && str_eq((struct str){l->host, l->n}, host) && now < l->renew)
        return l->cert;
    X509_free(l->cert);
    memcpy(l->host, host.p, host.n);
    l->host[host.n] = '\0';
    l->n = host.n;
    l->renew = now + (LEAF_DAYS - 1) * DAY;
    l->cert = make_leaf(ca, l->host);
    return l->cert;
}
