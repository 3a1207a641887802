/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/tls.h"

#include "base/mem.h"
#include "gate/addr.h"
#include "gate/ca.h"
#include "gate/name.h"
#include "gate/trust.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/tls1.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { SESSIONS = 128 }; /* with servers, that are kept for the next connection */

struct session {
    SSL_SESSION *session; /* NULL: free */
    char host[NAME_TEXT_MAX + 1];
};

struct tls {
    struct ca *ca;
    SSL_CTX *server, *client; /* made when they are needed first */
    int trust;
    struct session sessions[SESSIONS];
};

static const unsigned char protocols[] = "\x02h2\x08http/1.1";

enum { H2_LENGTH = 3 }; /* of "h2" in it, which goes first */

/* Ours goes first. A client that offers neither does not speak HTTP. */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                  unsigned in_n, void *arg)
{
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, n, protocols, sizeof(protocols) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *c = SSL_CTX_new(method);

    if (c == NULL)
        return NULL;
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_security_level(c, 2); /* 112 bits, whatever the host says */
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static SSL_CTX *new_server(struct ca *ca)
{
    static const unsigned char id[] = "belay";
    SSL_CTX *c = new_context(TLS_server_method());

    if (c == NULL)
        return NULL;
    SSL_CTX_set_alpn_select_cb(c, choose, NULL);
    SSL_CTX_set_num_tickets(c, 1);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* tickets do */
    if (SSL_CTX_set_session_id_context(c, id, sizeof(id) - 1) == 1 &&
        SSL_CTX_use_PrivateKey(c, ca_leaf_key(ca)) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

struct tls *tls_new(struct err *e)
{
    struct tls *t;

    /* No configuration of the host's may change what is said here, nor be looked for. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
        err_set(e, EX_ROLE, "gate: cannot start OpenSSL");
        return NULL;
    }
    t = xcalloc(1, sizeof(*t));
    t->trust = -1;
    t->ca = ca_new(e);
    return t->ca != NULL ? t : NULL; /* without, the role ends */
}

void tls_trust(struct tls *t, int trust)
{
    assert(t->trust < 0);
    t->trust = trust;
}

void tls_ca_pem(const struct tls *t, struct buf *out)
{
    ca_pem(t->ca, out);
}

SSL *tls_accept(struct tls *t, int fd, struct str host)
{
    X509 *leaf = ca_leaf(t->ca, host);
    SSL *ssl;

    if (t->server == NULL)
        t->server = new_server(t->ca);
    if (leaf == NULL || t->server == NULL || (ssl = SSL_new(t->server)) == NULL)
        return NULL;
    if (SSL_use_certificate(ssl, leaf) == 1 && SSL_use_PrivateKey(ssl, ca_leaf_key(t->ca)) == 1 &&
        SSL_set_fd(ssl, fd) == 1) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

static struct session *session_of(struct tls *t, const char *host)
{
    uint32_t h = 2166136261u;

    for (const char *p = host; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return &t->sessions[h % SESSIONS];
}

/* The server has given a session for the next time: it is taken. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *host = SSL_get_app_data(ssl);
    struct session *s = session_of(t, host);

    SSL_SESSION_free(s->session);
    s->session = session;
    snprintf(s->host, sizeof(s->host), "%s", host);
    return 1;
}

static bool make_client(struct tls *t)
{
    SSL_CTX *c = new_context(TLS_client_method());
    X509_STORE *store = trust_read(t->trust);

    if (c == NULL || store == NULL) {
        SSL_CTX_free(c);
        X509_STORE_free(store);
        return false;
    }
    SSL_CTX_set_cert_store(c, store);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, on_session);
    SSL_CTX_set_app_data(c, t);
    t->client = c;
    return true;
}

/* Who the server must be; a name is also sent (SNI). */
static bool expect(SSL *ssl, const char *host)
{
    struct addr a;
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

    if (addr_from_text(str_of(host), &a))
        return X509_VERIFY_PARAM_set1_ip(p, a.b, a.n) == 1;
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(p, host, 0) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1; /* the macro would cast const away */
}

void tls_free(SSL *ssl)
{
    char *host;

    if (ssl == NULL)
        return;
    host = SSL_get_app_data(ssl);
    SSL_set_app_data(ssl, NULL);
    SSL_free(ssl);
    free(host);
}

SSL *tls_connect(struct tls *t, int fd, struct str host, bool http1, const char **why)
{
    const size_t skip = http1 ? H2_LENGTH : 0;
    char *name = xasprintf("%.*s", (int)host.n, host.p);
    const struct session *s = session_of(t, name);
    SSL *ssl;

    *why = "belay has no authorities to verify servers with";
    if (t->client == NULL && !make_client(t)) {
        free(name);
        return NULL;
    }
    ssl = SSL_new(t->client);
    if (ssl == NULL || SSL_set_app_data(ssl, name) != 1) {
        free(name);
        SSL_free(ssl);
        *why = "cannot prepare TLS to the server";
        return NULL;
    }
    if (s->session != NULL && strcmp(s->host, name) == 0 && SSL_SESSION_is_resumable(s->session))
        SSL_set_session(ssl, s->session);
    /* 0 is success here alone */
    if (expect(ssl, name) && SSL_set_fd(ssl, fd) == 1 &&
        SSL_set_alpn_protos(ssl, protocols + skip, (unsigned)(sizeof(protocols) - 1 - skip)) == 0) {
        SSL_set_connect_state(ssl);
        *why = NULL;
        return ssl;
    }
    *why = "cannot prepare TLS to the server";
    tls_free(ssl);
    return NULL;
}

bool tls_is_h2(const SSL *ssl)
{
    const unsigned char *p;
    unsigned n;

    SSL_get0_alpn_selected(ssl, &p, &n);
    return n == 2 && memcmp(p, "h2", 2) == 0;
}

/* The alert that the peer sent, or -1. */
static int alert_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
                   reason < SSL_AD_REASON_OFFSET + 256
               ? reason - SSL_AD_REASON_OFFSET
               : -1;
}

static bool went_away(unsigned long error)
{
    return error == 0 || ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

const char *tls_accept_error(const SSL *ssl, bool *pinned)
{
    unsigned long error = ERR_peek_error();

    *pinned = true;
    switch (alert_of(error)) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "the client does not accept the session's certificate (it pins its own, or has its "
               "own list of authorities); permit connect to this host without a permit for "
               "requests, and it passes unopened";
    default:
        break;
    }
    *pinned = false;
    switch (ERR_GET_REASON(error)) {
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return "the client speaks no HTTP over TLS (ALPN)";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        return "the client's TLS is older than 1.2";
    case SSL_R_NO_SHARED_CIPHER:
        return "the client's TLS is too weak";
    default:
        break;
    }
    /* It had our certificate, and went without a word. */
    if (SSL_get_state(ssl) != TLS_ST_BEFORE && SSL_get_state(ssl) != TLS_ST_SR_CLNT_HELLO &&
        went_away(error)) {
        *pinned = true;
        return "the client went away when it saw the session's certificate (it may pin its own)";
    }
    return "the client's TLS handshake failed";
}

const char *tls_connect_error(const SSL *ssl)
{
    unsigned long error = ERR_peek_error();
    long verify = SSL_get_verify_result(ssl);

    if (verify != X509_V_OK)
        return trust_objection(verify);
    switch (ERR_GET_REASON(error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the server's TLS is older than 1.2";
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
    case SSL_R_DH_KEY_TOO_SMALL:
        return "the server's certificate or key is too weak";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        return "the server does not speak TLS at this port";
    default:
        return went_away(error) ? "the server went away during the TLS handshake"
                                : "the TLS handshake with the server failed";
    }
}
