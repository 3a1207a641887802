/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c - a session from start to end. The order of the start: ARCHITECTURE.md. */
#include "keeper/keeper.h"

#include "base/fd.h"
#include "base/mem.h"
#include "gate/gate.h"
#include "judge/judge.h"
#include "keeper/confine.h"
#include "keeper/session.h"
#include "keeper/tier.h"
#include "kern/kern.h"
#include "policy/undo.h"
#include "record/record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 10000

/* Beside the record: what was in force when it was written, to compare a reload with. */
static bool keep_policy(const struct keeper_options *o, const struct buf *packed, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/policy", o->folder);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || !fd_write_all(fd, packed->p, packed->n))
        return err_sys(e, EX_RECORD, "%s: cannot be written", path);
    return true;
}

static bool configure_judge(struct keeper *k, struct err *e)
{
    const struct keeper_options *o = k->o;
    AUTO_CLOSE int policy = -1, record = -1, head = -1;
    AUTO_BUF struct buf packed = {0};

    buf_init(&packed, POLICY_PACK_MAX);
    policy_pack(o->policy, &packed);
    if (!keep_policy(o, &packed, e))
        return false;
    policy = fd_memfd("policy", packed.p, packed.n, e);
    if (policy < 0 || !record_make_files(o->folder, &record, &head, e))
        return false;
    struct judge_config c = {
        .policy = policy,
        .record = record,
        .head = head,
        .session = str_of(o->id),
        .agent = str_of(o->agent),
        .user = str_of(o->user),
        .home = str_of(o->home),
        .workspace = str_of(o->workspace),
        .settings = o->settings,
    };
    return judge_config_send(k->roles->judge.sock, &c, e);
}

static unsigned traps_of(const struct plan *plan)
{
    unsigned traps = TRAP_EXEC;

    if (plan->traps & PLAN_TRAP_WRITE)
        traps |= TRAP_WRITE;
    if (plan->traps & PLAN_TRAP_READ)
        traps |= TRAP_READ;
    if (plan->gate || (plan->traps & PLAN_TRAP_CONNECT) != 0) /* whose connection it is */
        traps |= TRAP_CONNECT;
    if (plan->traps & PLAN_TRAP_CONNECT)
        traps |= TRAP_DATAGRAM;
    return traps;
}

static enum jail_access access_of(enum plan_access a)
{
    switch (a) {
    case PLAN_HIDE:
        return JAIL_HIDE;
    case PLAN_READ:
        return JAIL_READ;
    case PLAN_WRITE:
        return JAIL_WRITE;
    }
    abort();
}

/* Links by which programs know the system's folders, on hosts where all is below /usr. */
static const char *const system_links[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

/* A link shows nothing that is not shown where it leads. */
static bool leads_to_visible(const struct plan *plan, const char *link)
{
    struct stat st;
    AUTO_FREE char *target = realpath(link, NULL);

    return target != NULL && lstat(link, &st) == 0 && S_ISLNK(st.st_mode) &&
           plan_access_of(plan, target) != PLAN_HIDE;
}

/* The plan's mounts, the system's links, and belay's own folders hidden over them. */
static struct jail_mount *mounts_of(const struct keeper_options *o, size_t *n, struct arena *a)
{
    size_t hidden = 0;

    while (o->hidden[hidden] != NULL)
        hidden++;
    size_t most = o->plan->nmounts + ARRAY_LEN(system_links) + hidden;
    struct jail_mount *m = arena_alloc(a, most * sizeof(*m));
    *n = 0;
    for (size_t i = 0; i < o->plan->nmounts; i++)
        if (!o->plan->mounts[i].fresh) /* the jail's own /tmp is always there */
            m[(*n)++] =
                (struct jail_mount){o->plan->mounts[i].path, access_of(o->plan->mounts[i].access)};
    for (size_t i = 0; i < ARRAY_LEN(system_links); i++)
        if (leads_to_visible(o->plan, system_links[i]))
            m[(*n)++] = (struct jail_mount){system_links[i], JAIL_READ};
    for (size_t i = 0; i < hidden; i++)
        m[(*n)++] = (struct jail_mount){o->hidden[i], JAIL_HIDE};
    return m;
}

/* Adds to the files that the jail shows without the host having them. */
static void show_files(struct jail_plan *p, const struct jail_file *more, size_t n, struct arena *a)
{
    struct jail_file *all = arena_alloc(a, (p->nfiles + n) * sizeof(*all));

    if (p->nfiles > 0)
        memcpy(all, p->files, p->nfiles * sizeof(*all));
    if (n > 0)
        memcpy(all + p->nfiles, more, n * sizeof(*all));
    p->files = all;
    p->nfiles += n;
}

static bool start_jail(struct keeper *k, int tty, struct err *e)
{
    const struct keeper_options *o = k->o;
    AUTO_ARENA struct arena a = {0};
    uint16_t inside[PUBLISHED_MAX] = {0};
    struct termios termios;
    struct jail_plan p = {
        .session = o->id,
        .cwd = o->cwd,
        .argv = o->argv,
        .envp = o->envp,
        .traps = traps_of(o->plan),
        .net = o->plan->gate,
        .host_ports = o->plan->ports,
        .nhost_ports = o->plan->nports,
        .published = inside,
        .npublished = o->npublished,
        .stdio = {0, 1, 2},
        .min_landlock = (int)o->settings->minimum_landlock,
        .limits = {.processes = (uint64_t)o->settings->limit_processes,
                   .file_size = (uint64_t)o->settings->limit_file_size,
                   /* the keeper sees it first: this is for what grows faster than it looks */
                   .memory = (uint64_t)(o->settings->limit_memory + o->settings->limit_memory / 4),
                   .open_files = (uint64_t)o->settings->limit_files},
    };

    if (o->stage != NULL)
        p.stage = (struct jail_stage){o->workspace, o->stage};
    if (o->plan->opens) {
        if (!trust_finish(&k->trust, k->roles->gate.sock, o->workspace, o->envp, &a, e))
            return false;
        p.files = k->trust.files;
        p.nfiles = k->trust.nfiles;
        p.envp = k->trust.envp;
    }
    if (!canaries_make(&k->canaries, o->settings, o->home, o->workspace, &k->mem, e))
        return false;
    show_files(&p, k->canaries.file, k->canaries.n, &a);
    const struct jail_file refusals = refusals_file();
    p.kept = &refusals;
    p.mounts = mounts_of(o, &p.nmounts, &a);
    for (size_t i = 0; i < o->npublished; i++)
        inside[i] = o->published[i].inside;
    for (int fd = 0; fd <= 2 && tty >= 0; fd++)
        if (isatty(fd))
            p.pty_mask |= 1u << fd;
    if (tty >= 0) {
        (void)terminal_size(tty, &p.winsize);
        if (tcgetattr(tty, &termios) == 0)
            p.termios = &termios;
    }
    if (!tier_start(k, &p, &a, e))
        return false;
    k->jailed = true;
    refusals_start(&k->refusals, k->jail.kept);
    k->agent_pidfd = (int)syscall(SYS_pidfd_open, k->jail.agent_pid, 0);
    if (k->agent_pidfd < 0)
        return err_sys(e, EX_ROLE, "the agent's process");
    return fd_set_cloexec(k->agent_pidfd, true);
}

static int make_file(int folder, const char *name)
{
    return openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool make_empty(int folder, const char *name)
{
    AUTO_CLOSE int fd = make_file(folder, name);

    return fd >= 0;
}

/* The file of copies is for kern alone, which cannot read it again. */
static int make_undo_file(const struct keeper_options *o, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/" UNDO_FOLDER, o->folder);
    AUTO_CLOSE int folder = -1;
    AUTO_CLOSE int about = -1;
    AUTO_CLOSE int copies = -1;

    if (mkdir(path, 0700) == 0)
        folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 || (about = make_file(folder, "workspace")) < 0 ||
        !fd_write_all(about, o->workspace, strlen(o->workspace)) ||
        !make_empty(folder, "journal") || (copies = make_file(folder, UNDO_COPIES)) < 0)
        err_sys(e, EX_RECORD, "%s: cannot be made", path);
    return fd_take(&copies);
}

/* 0 stays 0: the gate's default, which is any amount. */
static uint32_t mebibytes(int64_t bytes)
{
    const int64_t whole = (bytes + (1 << 20) - 1) >> 20;

    return whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX;
}

static bool configure_adapters(struct keeper *k, struct err *e)
{
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int undo = -1;
    const bool host = k->jail.tier == JAIL_TIER_B;

    if (proc < 0)
        return err_sys(e, EX_ROLE, "/proc");
    if (k->o->plan->undo && (undo = make_undo_file(k->o, e)) < 0)
        return false;
    struct kern_config c = {
        .listener = k->jail.listener,
        .ns_user = k->jail.ns_user,
        .ns_mount = k->jail.ns_mount,
        .proc = proc,
        .traps = k->traps,
        /* In tier B nothing else keeps a program from being exchanged for a hidden one. */
        .verify_exec = host || k->o->plan->verify_exec || k->o->settings->env_scrub.n > 0,
        .read_env = k->o->plan->verify_env,
        .measure = k->o->plan->measure,
        .undo = undo,
        .undo_bytes = undo >= 0 ? (uint64_t)k->o->settings->undo_bytes : 0,
        .undo_files = undo >= 0 ? (uint64_t)k->o->settings->undo_files : 0,
        .scrub = k->o->settings->env_scrub.item,
        .nscrub = k->o->settings->env_scrub.n,
        .canaries = k->canaries.path,
        .ncanaries = host ? 0 : k->canaries.n, /* nothing can be shown in a place of the host's */
        .host = host,
        .mute_reads = host && (k->o->plan->traps & PLAN_TRAP_READ) == 0,
        .scope = k->jail.scope,
        .gate = k->pass_kern,
        .door4 = host ? tier_port_of(k->jail.tcp4) : 0,
        .door6 = host ? tier_port_of(k->jail.tcp6) : 0,
        .ports = k->o->plan->ports,
        .nports = k->o->plan->nports,
    };
    if (!kern_config_send(k->roles->kern.sock, &c, e))
        return false;
    mem_auto_close(&k->pass_kern);
    mem_auto_close(&k->jail.listener); /* kern's alone from now on: its end is the listener's */
    if (k->roles->gate.pid == 0)
        return true;
    struct gate_config g = k->doors;
    for (size_t i = 0; i < k->canaries.ntokens && i < GATE_CANARIES_MAX; i++)
        (void)snprintf(g.canaries[g.ncanaries++], GATE_CANARY_MAX, "%s", k->canaries.token[i]);
    g.inward = k->jail.inward;
    g.limits.connections = (uint32_t)k->o->settings->limit_connections;
    g.limits.mebibytes = mebibytes(k->o->settings->limit_network);
    g.tcp4 = k->jail.tcp4;
    g.tcp6 = k->jail.tcp6;
    g.udp4 = k->jail.udp4;
    g.udp6 = k->jail.udp6;
    g.kern = k->pass_gate;
    g.credentials = *k->o->credentials;
    g.detect_entropy = k->o->settings->detect_entropy;
    g.detect_names = k->o->settings->detect_names;
    g.detect_off = k->o->settings->detect_off;
    g.detect_allow = k->o->settings->detect_allow;
    AUTO_BUF struct buf prices = {0};

    buf_init(&prices, SETTINGS_TEXT_MAX);
    for (size_t i = 0; i < k->o->settings->prices.n; i++)
        buf_printf(&prices, "%s\n", k->o->settings->prices.item[i]);
    g.prices = prices.n > 0 ? buf_cstr(&prices) : NULL;
    bool sent = gate_config_send(k->roles->gate.sock, &g, e);
    doors_close(&k->doors); /* the gate's alone from now on, and so is the way to the jail's init */
    mem_auto_close(&k->jail.inward);
    mem_auto_close(k->o->credentials);
    mem_auto_close(&k->pass_gate);
    return sent;
}

static bool await_roles(struct keeper *k, struct err *e)
{
    return role_await_ready(&k->roles->judge, READY_MS, e) &&
           role_await_ready(&k->roles->kern, READY_MS, e) &&
           (k->roles->gate.pid == 0 || role_await_ready(&k->roles->gate, READY_MS, e));
}

static void terminal_is_gone(void *arg)
{
    keeper_kill(arg, 128 + SIGHUP, "keeper", "the terminal went away");
}

static bool open_to_people(struct keeper *k, int tty, struct err *e)
{
    AUTO_BUF struct buf path = {0};
    struct terminal_hooks hooks = {k, terminal_is_gone, people_terminal_answer};

    buf_init(&path, 4096);
    if (!control_folder(&path, true, e))
        return false;
    buf_printf(&path, "/%s.sock", k->o->id);
    k->control = control_open(k->base, buf_cstr(&path), people_control, k, e);
    if (k->control == NULL)
        return false;
    if (tty < 0)
        return true;
    k->terminal = terminal_open(k->base, tty, k->jail.pty, &hooks, e);
    return k->terminal != NULL;
}

static bool start(struct keeper *k, struct err *e)
{
    int tty = terminal_find();

    if (!k->o->plan->gate && k->o->npublished == 0)
        role_end(&k->roles->gate);
    gate_config_init(&k->doors);
    /* The gate works on it while the judge is told what it needs. */
    if (k->o->plan->opens && !trust_begin(&k->trust, k->roles->gate.sock, k->o->settings,
                                          k->o->workspace, k->o->envp, e))
        return false;
    return doors_open(k->o->published, k->o->npublished, &k->doors, e) &&
           quotas_start(&k->quotas, k->o->settings, e) && alert_command_start(k, e) &&
           configure_judge(k, e) && start_jail(k, tty, e) && configure_adapters(k, e) &&
           await_roles(k, e) && open_to_people(k, tty, e);
}

void keeper_stop_loop(struct keeper *k)
{
    (void)event_base_loopbreak(k->base);
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void keeper_agent_over(struct keeper *k)
{
    struct err e = {0};
    char text[64] = "";

    if (k->state == STATE_ENDING)
        return;
    k->state = STATE_ENDING;
    k->exit_code = code_of(k->agent_status);
    if (WIFSIGNALED(k->agent_status))
        (void)snprintf(text, sizeof(text), "signal %d", WTERMSIG(k->agent_status));
    if (!jail_kill(&k->jail, &e)) /* what it left running ends with it */
        *k->fault = e;
    keeper_end_record(k, "exit", "keeper", text);
}

static void explain_exec_failure(const struct keeper *k, struct err *e)
{
    const char *name = k->o->argv[0];

    if (k->exec_error == 0 || e->code != 0)
        return;
    if (k->exec_error == ENOENT || k->exec_error == ENOTDIR)
        err_set(e, EX_NOTFOUND,
                "%s: no such command in the jail; is it installed, and may the "
                "policy's agent read where it lies?",
                name);
    else
        err_set(e, EX_CANTRUN, "%s: cannot be executed: %s", name, strerrordesc_np(k->exec_error));
}

static void finish(struct keeper *k)
{
    terminal_close(k->terminal);
    control_close(k->control);
    doors_close(&k->doors);
    trust_free(&k->trust);
    if (k->jailed)
        jail_close(&k->jail);
    roles_end(k->roles);
    mem_auto_close(&k->alert_pipe); /* its runner ends when the pipe does, after the last alert */
    mem_auto_close(&k->agent_pidfd);
    refusals_end(&k->refusals);
    arena_release(&k->mem);
    asks_clear(&k->asks);
    free(k->frozen_why);
    free(k->tier_why);
    if (k->base != NULL)
        event_base_free(k->base);
}

static void summary(const struct keeper *k)
{
    if (k->o->quiet || (k->denied == 0 && k->asked == 0 && k->exit_code != EX_STOPPED))
        return;
    fprintf(stderr, "belay: session %s: %llu refused, %llu asked%s; 'belay log %s' tells more\n",
            k->o->id, (unsigned long long)k->denied, (unsigned long long)k->asked,
            k->exit_code == EX_STOPPED ? ", stopped" : "", k->o->id);
}

/* A session that starts without a rule that its policy has says so, each time. */
static void record_unheld(struct keeper *k)
{
    const struct plan *plan = k->o->plan;

    for (size_t i = 0; i < plan->nunheld; i++) {
        AUTO_FREE char *text = xasprintf("rule %s is not enforced: %s (minimum.allow_unenforced)",
                                         plan->unheld[i].rule, plan->unheld[i].why);

        keeper_record(k, "unenforced", "keeper", text, INT64_MIN, AFTER_NOTHING);
        people_notice(k, text);
    }
}

static bool run_loop(struct keeper *k, struct err *e)
{
    keeper_watch(k);
    if (!keeper_confine(e)) {
        keeper_unwatch(k);
        return false;
    }
    record_unheld(k);
    tier_tell(k);
    keeper_record(k, "start", "keeper", k->o->workspace, INT64_MIN, AFTER_START);
    (void)event_base_dispatch(k->base);
    keeper_unwatch(k);
    return true;
}

int keeper_run(const struct keeper_options *o, struct err *e)
{
    struct keeper *k = xcalloc(1, sizeof(*k));
    int code;

    k->magic = KEEPER_MAGIC;
    k->o = o;
    k->fault = e;
    k->started = time(NULL);
    k->alert_pipe = k->agent_pidfd = k->pass_kern = k->pass_gate = -1;
    k->roles = o->roles;
    k->base = event_base_new();
    if (k->base == NULL)
        abort();
    if (start(k, e) && run_loop(k, e)) {
        assert(k->magic == KEEPER_MAGIC && k->state == STATE_ENDING);
        code = k->exit_code;
        explain_exec_failure(k, e);
    } else {
        code = e->code;
    }
    finish(k);
    if (e->code == 0 || e->code == EX_NOTFOUND || e->code == EX_CANTRUN)
        summary(k);
    free(k);
    return code;
}
