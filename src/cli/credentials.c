/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/credentials.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MS 60000

/* A value on its way: a place that is wiped, never one that grows and leaves copies behind. */
struct value {
    char bytes[VAULT_VALUE_MAX + 2];
    size_t n;
};

static void value_wipe(struct value *v)
{
    explicit_bzero(v, sizeof(*v));
}

/* The first line, without blanks around it. */
static struct str value_text(const struct value *v)
{
    const char *end = memchr(v->bytes, '\n', v->n);
    struct str s = {v->bytes, end != NULL ? (size_t)(end - v->bytes) : v->n};

    while (s.n > 0 && strchr(" \t\r", s.p[s.n - 1]) != NULL)
        s.n--;
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct str){s.p + 1, s.n - 1};
    return s;
}

/* False at the end, when it is full, or on an error (errno; else 0). */
static bool value_read(struct value *v, int fd)
{
    ssize_t k;

    errno = 0;
    if (v->n == sizeof(v->bytes))
        return false;
    do
        k = read(fd, v->bytes + v->n, sizeof(v->bytes) - v->n);
    while (k < 0 && errno == EINTR);
    v->n += k > 0 ? (size_t)k : 0;
    return k > 0;
}

/* ---- where it comes from -------------------------------------------------------------- */

static bool from_environment(const struct settings_credential *c, struct value *v, struct err *e)
{
    char *value = getenv(c->from_env);
    size_t n = value != NULL ? strlen(value) : 0;

    if (n == 0)
        return err_set(e, EX_POLICY, "credential %s: the variable %s is not set", c->name,
                       c->from_env);
    v->n = n < sizeof(v->bytes) ? n : sizeof(v->bytes);
    memcpy(v->bytes, value, v->n);
    return true;
}

/* The environment block is what /proc/PID/environ shows: the value goes there too. */
static void forget_variable(const struct settings_credential *c)
{
    char *value = c->from_env != NULL ? getenv(c->from_env) : NULL;

    if (value == NULL)
        return;
    explicit_bzero(value, strlen(value));
    (void)unsetenv(c->from_env);
}

static bool from_file(const struct setup *s, const struct settings_credential *c, struct value *v,
                      struct err *e)
{
    AUTO_FREE char *path = str_starts(str_of(c->from_file), "~/")
                               ? xasprintf("%s%s", s->home, c->from_file + 1)
                               : xstrdup(c->from_file);
    AUTO_FREE char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
    AUTO_CLOSE int fd = real != NULL ? open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
    struct stat st;

    if (path[0] != '/')
        return err_set(e, EX_POLICY, "credential %s: %s is no absolute path and not below ~/",
                       c->name, path);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(e, EX_POLICY, "credential %s: %s", c->name, path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, EX_POLICY, "credential %s: %s is no file", c->name, path);
    if (setup_agent_can_read(s, real))
        return err_set(e, EX_POLICY,
                       "credential %s: the agent can read %s under this policy; move it, or forbid "
                       "to read it",
                       c->name, real);
    while (value_read(v, fd))
        continue;
    return errno == 0 || err_sys(e, EX_POLICY, "credential %s: %s", c->name, path);
}

static _Noreturn void run_command(const struct settings_credential *c, int out)
{
    char **argv = xcalloc(c->from_command.n + 1, sizeof(*argv));
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    for (size_t i = 0; i < c->from_command.n; i++)
        argv[i] = xstrdup(c->from_command.item[i]);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1)
        execvp(argv[0], argv);
    _exit(127);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What it prints, until it ends or takes too long: someone may have to unlock a keychain first. */
static bool read_output(struct value *v, int fd)
{
    int64_t until = now_ms() + COMMAND_MS;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - now_ms();

        if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
            return false;
        if (p.revents != 0 && !value_read(v, fd))
            return errno == 0;
    }
}

static bool from_command(const struct settings_credential *c, struct value *v, struct err *e)
{
    const char *name = c->from_command.item[0];
    int out[2], status = 0;

    if (pipe2(out, O_CLOEXEC) != 0)
        return err_sys(e, EX_POLICY, "credential %s: a pipe", c->name);
    pid_t pid = fork();
    if (pid == 0)
        run_command(c, out[1]);
    (void)close(out[1]);
    bool good = pid > 0 && read_output(v, out[0]);
    (void)close(out[0]);
    if (pid < 0)
        return err_sys(e, EX_POLICY, "credential %s: %s", c->name, name);
    if (!good)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (good && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (good && WIFEXITED(status))
        return err_set(e, EX_POLICY, "credential %s: %s %s", c->name, name,
                       WEXITSTATUS(status) == 127 ? "cannot be run" : "failed");
    return err_set(e, EX_POLICY, "credential %s: %s did not end in order within a minute", c->name,
                   name);
}

/* ---- into the vault --------------------------------------------------------------------- */

static bool add(struct vault *vault, const struct settings_credential *c, const struct value *v,
                struct err *e)
{
    struct secret s = {.name = str_of(c->name),
                       .value = value_text(v),
                       .header = str_of(settings_credential_header(c)),
                       .format = str_of(settings_credential_format(c)),
                       .only = c->only,
                       .nplaces = c->to.n};

    for (size_t i = 0; i < c->to.n; i++)
        if (!place_read(str_of(c->to.item[i]), &s.place[i]))
            return err_set(e, EX_POLICY, "credential %s: %s is no place", c->name, c->to.item[i]);
    return vault_add(vault, &s, e);
}

static bool read_one(const struct setup *s, struct vault *vault,
                     const struct settings_credential *c, struct err *e)
{
    __attribute__((cleanup(value_wipe))) struct value v = {.n = 0};
    bool good;

    if (c->from_env != NULL)
        good = from_environment(c, &v, e);
    else if (c->from_file != NULL)
        good = from_file(s, c, &v, e);
    else
        good = from_command(c, &v, e);
    return good && add(vault, c, &v, e);
}

/* A rule that puts in what nobody named would refuse every request that it permits. */
static bool check_rules(const struct setup *s, struct err *e)
{
    for (size_t i = 0; i < policy_rules(s->policy); i++) {
        struct policy_rule r = policy_rule(s->policy, i);
        bool known = r.inject.n == 0;

        for (size_t k = 0; k < s->settings.ncredentials && !known; k++)
            known = str_is(r.inject, s->settings.credentials[k].name);
        if (!known)
            return err_set(e, EX_POLICY,
                           "%s:%u: rule %s puts in the credential %.*s, which belay.yaml does not "
                           "name",
                           r.file, r.line, r.id, (int)r.inject.n, r.inject.p);
    }
    return true;
}

struct vault *credentials_read(const struct setup *s, struct err *e)
{
    const struct settings *x = &s->settings;
    struct vault *v = check_rules(s, e) && x->ncredentials > 0 ? vault_new(e) : NULL;
    bool good = v != NULL;

    for (size_t i = 0; i < x->ncredentials && good; i++)
        good = read_one(s, v, &x->credentials[i], e);
    for (size_t i = 0; i < x->ncredentials; i++) /* two may come from the same variable */
        forget_variable(&x->credentials[i]);
    if (good)
        return v;
    vault_free(v);
    return NULL;
}

char *credentials_variable(const struct setup *s, const struct vault *v, size_t i,
                           struct arena *mem)
{
    const char *name = settings_credential_env(&s->settings.credentials[i]);
    struct str p = v->secret[i].placeholder;

    return name != NULL ? arena_printf(mem, "%s=%.*s", name, (int)p.n, p.p) : NULL;
}
