/* SPDX-License-Identifier: Apache-2.0 */
/* The session's authority, its leaves, and TLS on both sides of a socket pair. */
#include "base/fd.h"
#include "base/mem.h"
#include "gate/ca.h"
#include "gate/tls.h"
#include "gate/trust.h"
#include "unit.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct err e;

static X509 *own_certificate(const struct ca *ca)
{
    AUTO_BUF struct buf pem = {0};
    BIO *bio;
    X509 *x;

    buf_init(&pem, 8192);
    ca_pem(ca, &pem);
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return x;
}

static bool verifies(X509 *root, X509 *leaf)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *c = X509_STORE_CTX_new();
    bool ok =
        X509_STORE_add_cert(store, root) == 1 && X509_STORE_CTX_init(c, store, leaf, NULL) == 1;

    X509_STORE_CTX_set_flags(c, X509_V_FLAG_X509_STRICT);
    ok = ok && X509_STORE_CTX_set_purpose(c, X509_PURPOSE_SSL_SERVER) == 1 &&
         X509_verify_cert(c) == 1;
    if (!ok)
        printf("# %s\n", X509_verify_cert_error_string(X509_STORE_CTX_get_error(c)));
    X509_STORE_CTX_free(c);
    X509_STORE_free(store);
    return ok;
}

TEST(leaves_are_of_the_authority_and_for_one_name)
{
    struct ca *ca = ca_new(&e), *other = ca_new(&e);
    X509 *root, *other_root, *leaf;

    CHECK(ca != NULL && other != NULL);
    root = own_certificate(ca);
    other_root = own_certificate(other);
    leaf = ca_leaf(ca, STR("web.example"));
    CHECK(root != NULL && other_root != NULL && leaf != NULL);
    CHECK(verifies(root, leaf));
    CHECK(!verifies(other_root, leaf));
    CHECK(X509_check_host(leaf, "web.example", 0, 0, NULL) == 1);
    CHECK(X509_check_host(leaf, "a.web.example", 0, 0, NULL) != 1);
    CHECK(X509_cmp_time(X509_get0_notBefore(leaf), NULL) < 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(leaf), NULL) > 0);
    CHECK(X509_check_ca(root) == 1 && X509_check_ca(leaf) == 0);
    CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(root), X509_get0_serialNumber(other_root)) != 0);
    X509_free(root);
    X509_free(other_root);
    ca_free(ca);
    ca_free(other);
}

TEST(leaves_for_addresses)
{
    struct ca *ca = ca_new(&e);
    X509 *leaf;

    CHECK(ca != NULL);
    leaf = ca_leaf(ca, STR("192.0.2.7"));
    CHECK(leaf != NULL && X509_check_ip_asc(leaf, "192.0.2.7", 0) == 1);
    leaf = ca_leaf(ca, STR("2001:db8::1"));
    CHECK(leaf != NULL && X509_check_ip_asc(leaf, "2001:db8::1", 0) == 1);
    leaf = ca_leaf(ca, STR("localhost"));
    CHECK(leaf != NULL && X509_check_ip_asc(leaf, "127.0.0.1", 0) == 1);
    CHECK(X509_check_host(leaf, "localhost", 0, 0, NULL) == 1);
    CHECK(ca_leaf(ca, STR("")) == NULL);
    ca_free(ca);
}

TEST(leaves_are_kept_and_bounded)
{
    struct ca *ca = ca_new(&e);
    X509 *first;

    CHECK(ca != NULL);
    first = ca_leaf(ca, STR("a.example"));
    CHECK(first != NULL && ca_leaf(ca, STR("a.example")) == first);
    for (int i = 0; i < 600; i++) {
        AUTO_FREE char *name = xasprintf("n%d.example", i);

        CHECK(ca_leaf(ca, str_of(name)) != NULL);
    }
    CHECK(X509_check_host(ca_leaf(ca, STR("n7.example")), "n7.example", 0, 0, NULL) == 1);
    ca_free(ca);
}

/* A gate and, in the server's place, another gate whose authority `trusted` says if ours believes.
 */
struct pair {
    struct tls *gate, *server;
    int fd[2];
    SSL *client_end, *server_end;
    const char *why;
};

static int pem_file(const struct tls *t, const char *junk)
{
    AUTO_BUF struct buf pem = {0};

    buf_init(&pem, 16384);
    buf_puts(&pem, junk);
    if (t != NULL)
        tls_ca_pem(t, &pem);
    return fd_memfd("trust", pem.p, pem.n, &e);
}

/* A side lives as long as its process; the sanitizers see that these do. */
static struct tls *side(int trust)
{
    static struct tls *all[64];
    static size_t n;

    if (n == ARRAY_LEN(all))
        abort();
    all[n] = tls_new(&e);
    if (all[n] != NULL)
        tls_trust(all[n], trust);
    return all[n++];
}

static bool begin(struct pair *p, const char *name, bool trusted, bool http1)
{
    struct tls *stranger = side(-1);

    *p = (struct pair){.server = side(-1)};
    p->gate = side(pem_file(trusted ? p->server : stranger, "some words before\n\n"));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd) != 0)
        return false;
    p->server_end = tls_accept(p->server, p->fd[1], STR("web.example"));
    p->client_end = tls_connect(p->gate, p->fd[0], str_of(name), http1, &p->why);
    return p->server_end != NULL && p->client_end != NULL;
}

/* Both ends in turn. 1: done; 0: the client's end failed; -1: the server's did. */
static int shake(struct pair *p)
{
    for (int i = 0; i < 20; i++) {
        int c, s;

        ERR_clear_error();
        c = SSL_do_handshake(p->client_end);
        if (c != 1 && SSL_get_error(p->client_end, c) != SSL_ERROR_WANT_READ)
            return 0;
        ERR_clear_error();
        s = SSL_do_handshake(p->server_end);
        if (s != 1 && SSL_get_error(p->server_end, s) != SSL_ERROR_WANT_READ)
            return -1;
        if (c == 1 && s == 1)
            return 1;
    }
    return -2;
}

static void over(struct pair *p)
{
    tls_free(p->client_end);
    tls_free(p->server_end);
    close(p->fd[0]);
    close(p->fd[1]);
}

TEST(a_server_that_proves_its_name)
{
    struct pair p;

    CHECK(begin(&p, "web.example", true, false));
    CHECK_INT(shake(&p), 1);
    CHECK_INT(SSL_version(p.client_end), TLS1_3_VERSION);
    over(&p);
}

TEST(a_websocket_is_http1)
{
    struct pair p;

    CHECK(begin(&p, "web.example", true, true));
    CHECK_INT(shake(&p), 1);
    CHECK(!tls_is_h2(p.client_end) && !tls_is_h2(p.server_end));
    over(&p);
}

TEST(a_server_of_another_name)
{
    struct pair p;

    CHECK(begin(&p, "other.example", true, false));
    CHECK_INT(shake(&p), 0);
    CHECK_STR(tls_connect_error(p.client_end), "the server's certificate is for another name");
    over(&p);
}

TEST(a_server_of_an_unknown_authority)
{
    bool pinned = false;
    struct pair p;

    CHECK(begin(&p, "web.example", false, false));
    CHECK_INT(shake(&p), 0);
    CHECK(strstr(tls_connect_error(p.client_end), "not trusted") != NULL);
    /* and what the other side makes of it, when it is the gate */
    ERR_clear_error();
    CHECK(SSL_do_handshake(p.server_end) != 1);
    CHECK(strstr(tls_accept_error(p.server_end, &pinned), "does not accept") != NULL);
    CHECK(pinned);
    over(&p);
}

TEST(a_client_that_goes_at_the_sight_of_the_certificate)
{
    bool pinned = false;
    struct pair p;

    CHECK(begin(&p, "web.example", true, false));
    ERR_clear_error();
    CHECK(SSL_do_handshake(p.client_end) != 1);
    CHECK(SSL_do_handshake(p.server_end) != 1);
    signal(SIGPIPE, SIG_IGN);
    shutdown(p.fd[0], SHUT_RDWR);
    ERR_clear_error();
    CHECK(SSL_do_handshake(p.server_end) != 1);
    (void)tls_accept_error(p.server_end, &pinned);
    CHECK(pinned);
    over(&p);
}

TEST(sessions_are_resumed)
{
    struct pair p, q;
    char byte;

    CHECK(begin(&p, "web.example", true, false));
    CHECK_INT(shake(&p), 1);
    CHECK_INT(SSL_write(p.server_end, "x", 1), 1);
    CHECK_INT(SSL_read(p.client_end, &byte, 1), 1); /* the ticket comes before it */
    q = p;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, q.fd) == 0);
    q.server_end = tls_accept(q.server, q.fd[1], STR("web.example"));
    q.client_end = tls_connect(q.gate, q.fd[0], STR("web.example"), false, &q.why);
    CHECK_INT(shake(&q), 1);
    CHECK(SSL_session_reused(q.client_end));
    over(&q);
    over(&p);
}

TEST(without_authorities_no_server_is_believed)
{
    struct tls *t = side(pem_file(NULL, "no certificate\n"));
    const char *why = NULL;

    CHECK(t != NULL);
    CHECK(tls_connect(t, 0, STR("web.example"), false, &why) == NULL);
    CHECK(why != NULL);
    CHECK(trust_read(-1) == NULL);
}

UNIT_MAIN(UNIT(leaves_are_of_the_authority_and_for_one_name), UNIT(leaves_for_addresses),
          UNIT(leaves_are_kept_and_bounded), UNIT(a_server_that_proves_its_name),
          UNIT(a_websocket_is_http1), UNIT(a_server_of_another_name),
          UNIT(a_server_of_an_unknown_authority),
          UNIT(a_client_that_goes_at_the_sight_of_the_certificate), UNIT(sessions_are_resumed),
          UNIT(without_authorities_no_server_is_believed))
