/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/trust.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, struct buf *b)
{
    char part[16384];
    ssize_t n;

    buf_init(b, TRUST_MAX);
    while ((n = pread(fd, part, sizeof(part), (off_t)b->n)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(b, part, (size_t)n);
    return n == 0 && !b->full && b->n > 0;
}

/* A certificate that cannot be read is passed over: the others are as good as before. */
static int add_all(X509_STORE *store, BIO *bio)
{
    STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
    int added = 0;

    for (int i = 0; i < sk_X509_INFO_num(all); i++) {
        X509 *x = sk_X509_INFO_value(all, i)->x509;

        if (x != NULL && X509_STORE_add_cert(store, x) == 1)
            added++;
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    ERR_clear_error();
    return added;
}

X509_STORE *trust_read(int fd)
{
    AUTO_BUF struct buf pem = {0};
    X509_STORE *store = NULL;
    BIO *bio;

    if (fd < 0 || !read_all(fd, &pem))
        return NULL;
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    store = X509_STORE_new();
    if (bio == NULL || store == NULL || add_all(store, bio) == 0) {
        X509_STORE_free(store);
        store = NULL;
    }
    BIO_free(bio);
    return store;
}

const char *trust_objection(long verify_result)
{
    switch (verify_result) {
    case X509_V_OK:
        return "the server's TLS cannot be used";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the server's certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the server's certificate is not valid yet";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "the server's certificate is for another name";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "the server's certificate is signed by itself";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "the server's certificate is of an authority that is not trusted";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return "the server's certificate is too weak";
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_INVALID_CA:
        return "the server's certificate is not for servers";
    default:
        return "the server's certificate is not valid";
    }
}
