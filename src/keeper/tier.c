/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/tier.h"

#include "base/fd.h"
#include "base/mem.h"
#include "jail/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where temporary files go is said by variables, as the place of the name /tmp is the host's. */
static const char *const variables[] = {"TMPDIR", "TMP", "TEMP", "TEMPDIR"};

static bool is_variable(const char *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        size_t n = strlen(variables[i]);

        if (strncmp(entry, variables[i], n) == 0 && entry[n] == '=')
            return true;
    }
    return false;
}

/* Hidden folders can still be looked at from afar, so programs that search PATH for themselves by
 * stat() find what they cannot use: they are taken out of it. */
static char *visible_path(const char *path, const struct plan *plan, struct arena *a)
{
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 1u << 20);
    buf_puts(&out, "PATH=");
    for (const char *at = path; *at != '\0';) {
        size_t n = strcspn(at, ":");
        char *folder = arena_strndup(a, at, n);
        AUTO_FREE char *real = realpath(folder, NULL);

        if (real == NULL || plan_access_of(plan, real) != PLAN_HIDE)
            buf_printf(&out, "%s%s", out.n > 5 ? ":" : "", folder);
        at += n + (at[n] == ':');
    }
    return arena_strndup(a, out.p, out.n);
}

static char **environment(char *const *envp, const struct plan *plan, const char *scratch,
                          struct arena *a)
{
    size_t n = 0;
    char **env;

    while (envp[n] != NULL)
        n++;
    env = arena_alloc(a, (n + ARRAY_LEN(variables) + 1) * sizeof(*env));
    n = 0;
    for (; *envp != NULL; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            env[n++] = visible_path(*envp + 5, plan, a);
        else if (!is_variable(*envp))
            env[n++] = *envp;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        env[n++] = arena_printf(a, "%s=%s", variables[i], scratch);
    return env;
}

/*
 * Files of belay's own cannot be shown in the places of the host's. Those that variables name,
 * below /run, are put into the scratch folder, where the agent could change them for itself; the
 * others are not there.
 */
static int place_file(const char *scratch, const struct jail_file *f, char **env, struct arena *a,
                      struct err *e)
{
    const char *place = arena_printf(a, "%s/.belay-%s", scratch, strrchr(f->path, '/') + 1);
    int fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, f->mode & 0777);

    if (fd < 0 || !fd_write_all(fd, f->bytes, f->n)) {
        err_sys(e, EX_HOST, "%s", place);
        mem_auto_close(&fd);
        return -1;
    }
    for (char **v = env; *v != NULL; v++) {
        char *value = strchr(*v, '=');

        if (value != NULL && strcmp(value + 1, f->path) == 0)
            *v = arena_printf(a, "%.*s=%s", (int)(value - *v), *v, place);
    }
    return fd;
}

static bool place_files(struct jail_plan *p, char **env, int *kept, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < p->nfiles; i++) {
        if (strncmp(p->files[i].path, "/run/", 5) != 0)
            continue;
        int fd = place_file(p->scratch, &p->files[i], env, a, e);
        if (fd < 0)
            return false;
        (void)close(fd);
    }
    if (p->kept != NULL && (*kept = place_file(p->scratch, p->kept, env, a, e)) < 0)
        return false;
    p->nfiles = 0;
    p->kept = NULL;
    return true;
}

static bool make_scratch(const struct keeper_options *o, struct jail_plan *p, int *kept,
                         struct arena *a, struct err *e)
{
    const char *scratch = arena_printf(a, "/tmp/belay-%s", o->id);

    if (mkdir(scratch, 0700) != 0)
        return err_sys(e, EX_HOST, "%s: the agent's folder for temporary files", scratch);
    p->scratch = scratch;
    char **env = environment(p->envp, o->plan, p->scratch, a);
    p->envp = env;
    return place_files(p, env, kept, a, e);
}

/* All that mounts and a network of its own would hold is judged. */
static bool set_traps(struct jail_plan *p, struct err *e)
{
    bool hidden;

    if (!jail_hides_inside(p, &hidden, e))
        return false;
    p->traps |= TRAP_EXEC | TRAP_WRITE | TRAP_CONNECT | TRAP_DATAGRAM | TRAP_HOST;
    if (hidden)
        p->traps |= TRAP_READ;
    return true;
}

/* In the process that the jail keeps as the agent's ancestor. */
static void become_kern(void *arg)
{
    role_become(arg);
}

/* kern was started before there was a jail, and must now be an ancestor of the agent: another. */
static bool start_with_kern(struct keeper *k, struct jail_plan *p, struct err *e)
{
    struct role_seat *seat = &k->kern_seat;
    bool ok;

    role_end(&k->roles->kern);
    if (!role_seat_make(seat, ROLE_KERN, k->roles->kern_judge, e))
        return false;
    p->become = become_kern;
    p->become_arg = seat;
    ok = jail_start(p, &k->jail, e);
    return role_seat_taken(seat, &k->roles->kern, ok ? k->jail.ancestor_pid : 0, e) && ok;
}

static bool make_way(struct keeper *k, struct err *e)
{
    int sv[2];

    if (!k->o->plan->gate)
        return true;
    if (!frame_pair(sv, e))
        return false;
    k->pass_kern = sv[0];
    k->pass_gate = sv[1];
    return true;
}

/* No agent has been in it: there are only the files that place_files() put. */
static void remove_scratch(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *d;

    while (dir != NULL && (d = readdir(dir)) != NULL)
        (void)unlinkat(dirfd(dir), d->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(path);
}

static bool start_host(struct keeper *k, struct jail_plan *p, struct arena *a, struct err *e)
{
    p->tier = JAIL_TIER_B;
    if (p->npublished > 0)
        return err_set(e, EX_HOST,
                       "tier B: --publish has no meaning: the agent's servers stand on this host's "
                       "own loopback");
    AUTO_CLOSE int kept = -1;
    if (!set_traps(p, e) || !make_way(k, e))
        return false;
    if (make_scratch(k->o, p, &kept, a, e) && start_with_kern(k, p, e)) {
        k->jail.kept = fd_take(&kept);
        return true;
    }
    if (p->scratch != NULL)
        remove_scratch(p->scratch); /* if no guard got so far as to do it */
    return false;
}

bool tier_start(struct keeper *k, struct jail_plan *p, struct arena *a, struct err *e)
{
    char why[ERR_TEXT_MAX];
    bool ok;

    k->pass_kern = k->pass_gate = -1;
    if (k->o->tier != TIER_ONLY_B) {
        ok = jail_start(p, &k->jail, e);
        if (ok || e->code != EX_HOST || k->o->tier == TIER_ONLY_A) {
            mem_auto_close(&k->roles->kern_judge);
            k->traps = p->traps;
            return ok;
        }
    }
    (void)snprintf(why, sizeof(why), "%s", k->o->tier == TIER_ONLY_B ? "asked for" : e->text);
    *e = (struct err){0};
    ok = start_host(k, p, a, e);
    mem_auto_close(&k->roles->kern_judge);
    k->traps = p->traps;
    k->tier_why = xstrdup(why);
    if (!ok && k->o->tier == TIER_ANY)
        return err_wrap(e, "%.300s; and without namespaces", why);
    return ok;
}

void tier_tell(struct keeper *k)
{
    AUTO_BUF struct buf text = {0};
    size_t n;
    const char *const *lacks = jail_tier_b_lacks(&n);

    if (k->jail.tier != JAIL_TIER_B)
        return;
    buf_init(&text, 16384);
    buf_printf(&text, "tier B, without namespaces (%s)", k->tier_why);
    if (!k->o->quiet)
        fprintf(stderr, "belay: %s; 'belay doctor' tells what differs\n", buf_cstr(&text));
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "; %s", lacks[i]);
    keeper_record(k, "tier", "keeper", buf_cstr(&text), INT64_MIN, AFTER_NOTHING);
}

uint16_t tier_port_of(int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } a;
    socklen_t n = sizeof(a);

    memset(&a, 0, sizeof(a));
    if (listener < 0 || getsockname(listener, &a.any, &n) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.in6.sin6_port : a.in4.sin_port);
}
