/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/trust.h"

#include "base/fd.h"
#include "gate/prepare.h"
#include "keeper/keystore.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CA_FILE     "/run/belay/ca.pem"
#define BUNDLE_FILE "/run/belay/ca-bundle.pem"
#define JAVA_FILE   "/etc/ssl/certs/java/cacerts"

enum { STORE_MAX = 4 << 20 }; /* bytes of PEM, all together */

/* Where distributions keep the system's store; the first that is there is read, all are covered. */
static const char *const stores[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/ca-certificates/ca-certificates.crt",
};

/* Variables that name a bundle which is believed in place of the system's. */
static const char *const bundles[] = {"SSL_CERT_FILE",      "CURL_CA_BUNDLE",
                                      "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO",
                                      "PIP_CERT",           "CARGO_HTTP_CAINFO",
                                      "AWS_CA_BUNDLE",      "NIX_SSL_CERT_FILE",
                                      "DENO_CERT",          "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"};

/* One that names authorities which are believed beside its own list. */
static const char node_extra[] = "NODE_EXTRA_CA_CERTS";

static const char *lookup(char *const *envp, const char *name)
{
    size_t n = strlen(name);

    for (; *envp != NULL; envp++)
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=' && (*envp)[n + 1] != '\0')
            return *envp + n + 1;
    return NULL;
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The agent could have written what lies in its workspace. */
static bool may_read(const char *path, const char *workspace)
{
    char real[PATH_MAX];

    return realpath(path, real) != NULL && !is_below(real, workspace);
}

static bool add_file(struct buf *to, const char *path, struct err *e)
{
    const size_t before = to->n;

    if (fd_read_file(path, to, e)) {
        buf_puts(to, "\n");
        if (!to->full)
            return true;
    }
    if (to->full)
        err_set(e, EX_POLICY, "%s: too many authorities", path);
    to->n = before; /* as if it had not been tried */
    to->full = false;
    return false;
}

/* What the host's own programs believe. A host without a store has none, and then no server is. */
static bool add_store(struct buf *to, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(stores); i++)
        if (access(stores[i], R_OK) == 0)
            return add_file(to, stores[i], e);
    return true;
}

static const char *named(char *const *envp, size_t i)
{
    const char *path = lookup(envp, i < ARRAY_LEN(bundles) ? bundles[i] : node_extra);

    return path != NULL && path[0] == '/' ? path : NULL;
}

/* Most users who name one name the system's own, again and again. */
static bool is_known(char *const *envp, size_t upto, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(stores); i++)
        if (strcmp(stores[i], path) == 0)
            return true;
    for (size_t i = 0; i < upto; i++)
        if (named(envp, i) != NULL && strcmp(named(envp, i), path) == 0)
            return true;
    return false;
}

/* What the user's variables name; one that cannot be read would not have served either. */
static void add_named(struct buf *to, char *const *envp, const char *workspace)
{
    for (size_t i = 0; i <= ARRAY_LEN(bundles); i++) {
        const char *path = named(envp, i);
        struct err ignored = {0};

        if (path != NULL && !is_known(envp, i, path) && may_read(path, workspace))
            (void)add_file(to, path, &ignored);
    }
}

static bool add_settings(struct buf *to, const struct settings *s, const char *workspace,
                         struct err *e)
{
    for (size_t i = 0; i < s->gate_trust.n; i++) {
        const char *path = s->gate_trust.item[i];

        if (path[0] != '/')
            return err_set(e, EX_POLICY, "gate.trust: %s is not absolute", path);
        if (access(path, R_OK) != 0)
            return err_sys(e, EX_POLICY, "gate.trust: %s", path);
        if (!may_read(path, workspace))
            return err_set(e, EX_POLICY, "gate.trust: %s lies where the agent can write", path);
        if (!add_file(to, path, e))
            return false;
    }
    return true;
}

static void show(struct trust *t, const char *path, struct str content)
{
    t->files[t->nfiles++] = (struct jail_file){path, content.p, content.n, 0444};
}

static void show_files(struct trust *t)
{
    const struct str bundle = buf_str(&t->pem), ca = buf_str(&t->ca);
    AUTO_BUF struct buf theirs = {0};
    struct err ignored = {0};

    for (size_t i = 0; i < ARRAY_LEN(stores); i++)
        if (i == 0 || access(stores[i], F_OK) == 0)
            show(t, stores[i], bundle);
    show(t, BUNDLE_FILE, bundle);
    show(t, CA_FILE, ca);
    buf_init(&theirs, STORE_MAX);
    if (access(JAVA_FILE, R_OK) == 0 && fd_read_file(JAVA_FILE, &theirs, &ignored) &&
        (keystore_add(buf_str(&theirs), ca, &t->java) || keystore_make(bundle, &t->java)))
        show(t, JAVA_FILE, buf_str(&t->java));
}

static bool is_set_here(const char *variable)
{
    size_t n = strcspn(variable, "=");

    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        if (strlen(bundles[i]) == n && strncmp(variable, bundles[i], n) == 0)
            return true;
    return n == strlen(node_extra) && strncmp(variable, node_extra, n) == 0;
}

/* Node reads it beside its own list, so it gets what the user named there, and ours. */
static void show_node(struct trust *t, char *const *envp, const char *workspace, char **variable,
                      struct arena *a)
{
    const char *path = lookup(envp, node_extra);
    struct err ignored = {0};

    *variable = arena_printf(a, "%s=%s", node_extra, CA_FILE);
    if (path == NULL || path[0] != '/' || !may_read(path, workspace) ||
        !add_file(&t->node, path, &ignored))
        return;
    buf_add(&t->node, t->ca.p, t->ca.n);
    if (t->node.full)
        return;
    show(t, "/run/belay/node-extra.pem", buf_str(&t->node));
    *variable = arena_printf(a, "%s=/run/belay/node-extra.pem", node_extra);
}

static void set_variables(struct trust *t, char *const *envp, const char *workspace,
                          struct arena *a)
{
    size_t had = 0, n = 0;

    while (envp[had] != NULL)
        had++;
    t->envp = arena_alloc(a, (had + ARRAY_LEN(bundles) + 2) * sizeof(*t->envp));
    for (size_t i = 0; i < had; i++)
        if (!is_set_here(envp[i]))
            t->envp[n++] = envp[i];
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        t->envp[n++] = arena_printf(a, "%s=%s", bundles[i], BUNDLE_FILE);
    show_node(t, envp, workspace, &t->envp[n], a);
}

bool trust_begin(struct trust *t, int gate_sock, const struct settings *s, const char *workspace,
                 char *const *envp, struct err *e)
{
    AUTO_CLOSE int fd = -1;

    *t = (struct trust){.nfiles = 0};
    buf_init(&t->pem, STORE_MAX);
    buf_init(&t->ca, GATE_PEM_MAX);
    buf_init(&t->java, STORE_MAX);
    buf_init(&t->node, STORE_MAX);
    if (!add_store(&t->pem, e))
        return false;
    add_named(&t->pem, envp, workspace);
    size_t for_agent = t->pem.n;

    if (!add_settings(&t->pem, s, workspace, e))
        return false;
    fd = fd_memfd("authorities", t->pem.p, t->pem.n, e);
    t->pem.n = for_agent; /* what only the gate believes is nothing to the agent */
    return fd >= 0 && gate_prepare(gate_sock, fd, e);
}

bool trust_finish(struct trust *t, int gate_sock, const char *workspace, char *const *envp,
                  struct arena *a, struct err *e)
{
    if (!gate_prepare_await(gate_sock, &t->ca, e))
        return false;
    buf_add(&t->pem, t->ca.p, t->ca.n);
    if (t->pem.full)
        return err_set(e, EX_POLICY, "too many authorities: the session's own finds no room");
    show_files(t);
    set_variables(t, envp, workspace, a);
    return true;
}

void trust_free(struct trust *t)
{
    buf_free(&t->pem);
    buf_free(&t->ca);
    buf_free(&t->java);
    buf_free(&t->node);
}
