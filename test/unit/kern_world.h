/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern_world.h - an agent under the real filter, a real kern, and a judge made of a function.
 *
 * The agent is a child that installs the session's filter and then runs a function of the
 * test; kern is another child that serves its listener. They share the test's namespaces:
 * what is tested is mediation, not the jail. Needs no rights: the test's own user will do.
 */
#ifndef BELAY_TEST_KERN_WORLD_H
#define BELAY_TEST_KERN_WORLD_H

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"
#include "jail/filter.h"
#include "jail/jail.h"
#include "jail/uapi.h"
#include "kern/kern.h"
#include "policy/action.h"
#include "policy/message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORLD_LOG     262144
#define WORLD_HELD    512
#define WORLD_SECONDS 60 /* no scenario may take longer */

/* OUTCOME_ASK: held for `hold_ms`, then allowed. */
typedef enum outcome world_judge(const struct action *a);

struct world {
    unsigned traps;
    bool verify, read_env;
    bool measures; /* an exec that is asked about comes again, with hashes */
    const char **scrub;
    size_t nscrub;
    world_judge *judge;
    int hold_ms;
    bool lives_on; /* the agent is not killed when kern ends */
    /* results */
    int status;          /* of the agent, as waitpid has it */
    int kern_status;     /* -1: kern was still serving at the end, as it should */
    char log[WORLD_LOG]; /* a line for each action: "verb id op" ; notes: "note text" */
    size_t logged;
    unsigned actions, cancels;
    /* inside */
    int sock;
    struct {
        uint32_t id;
        uint64_t due;
    } held[WORLD_HELD];
    size_t nheld;
    struct frame_in in;
    struct frame_out out;
};

static inline uint64_t world_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static inline void world_log(struct world *w, const char *fmt,
                                                                   ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(w->log + w->logged, WORLD_LOG - w->logged, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < WORLD_LOG - w->logged)
        w->logged += (size_t)n;
}

static inline bool world_send_fd(int sock, int fd)
{
    struct frame_out *f = xcalloc(1, sizeof(*f));

    frame_start(f, MSG_CONFIG, 0);
    bool ok = frame_send(sock, f, &fd, 1);
    free(f);
    return ok;
}

static inline int world_recv_fd(int sock)
{
    struct frame_in *f = xcalloc(1, sizeof(*f));
    int fd = frame_recv(sock, f, 1) == FRAME_OK && f->nfds == 1 ? f->fds[0] : -1;

    free(f);
    return fd;
}

static inline void world_answer(struct world *w, uint32_t id, enum outcome o)
{
    struct verdict v = {.outcome = o, .event = 1, .reason = STR("said by the test")};

    frame_start(&w->out, MSG_VERDICT, id);
    verdict_put(&w->out, &v);
    if (!frame_send(w->sock, &w->out, NULL, 0))
        world_log(w, "judge cannot answer: %s\n", strerror(errno));
}

static inline void world_action(struct world *w)
{
    struct action a;

    if (!action_get(&w->in, &a)) {
        world_log(w, "malformed action\n");
        return;
    }
    struct str op = a.has[FIELD_OP] ? a.field[FIELD_OP].str : STR("");
    struct str command = a.has[FIELD_COMMAND] ? a.field[FIELD_COMMAND].str : STR("");
    w->actions++;
    world_log(w, "%s %.*s %.*s%s%.*s\n", verb_name(a.verb), (int)a.resource.n, a.resource.p,
              (int)op.n, op.p, command.n > 0 ? ": " : "", (int)(command.n < 256 ? command.n : 256),
              command.p);
    if (a.has[FIELD_SHA256])
        world_log(w, "measured %.8s %.8s\n", a.field[FIELD_SHA256].str.p,
                  a.has[FIELD_SCRIPT_SHA256] ? a.field[FIELD_SCRIPT_SHA256].str.p : "");
    enum outcome o = w->judge != NULL ? w->judge(&a) : OUTCOME_ALLOW;
    if (o == OUTCOME_ASK && w->measures && a.verb == VERB_EXEC && !a.has[FIELD_SHA256]) {
        frame_start(&w->out, MSG_MEASURE, w->in.id);
        if (!frame_send(w->sock, &w->out, NULL, 0))
            world_log(w, "judge cannot ask for hashes\n");
        return;
    }
    if (o != OUTCOME_ASK || w->nheld == WORLD_HELD) {
        world_answer(w, w->in.id, o == OUTCOME_ASK ? OUTCOME_DENY : o);
        return;
    }
    w->held[w->nheld].id = w->in.id;
    w->held[w->nheld++].due = world_now() + (uint64_t)w->hold_ms;
}

static inline void world_frame(struct world *w)
{
    struct frame_field x;

    if (frame_recv(w->sock, &w->in, 0) != FRAME_OK)
        return;
    if (w->in.type == MSG_ACTION) {
        world_action(w);
    } else if (w->in.type == MSG_CANCEL) {
        w->cancels++;
    } else if (w->in.type == MSG_NOTE) {
        while (frame_next(&w->in, &x) == FRAME_OK)
            if (x.kind == FRAME_BYTES)
                world_log(w, "note %.*s\n", (int)x.bytes.n, x.bytes.p);
    }
}

static inline void world_release(struct world *w)
{
    uint64_t now = world_now();

    for (size_t i = 0; i < w->nheld;) {
        if (w->held[i].due > now) {
            i++;
            continue;
        }
        world_answer(w, w->held[i].id, OUTCOME_ALLOW);
        w->held[i] = w->held[--w->nheld];
    }
}

struct world_ready {
    const struct kern_config *config;
    int fd;
};

static inline bool world_ready(void *ctx, struct err *e)
{
    const struct world_ready *r = ctx;

    return kern_confine(r->config, e) && write(r->fd, "r", 1) == 1;
}

static inline pid_t world_start_kern(const struct world *w, int listener, int keeper, int judge,
                                     int ready)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    struct err e = {0};
    struct kern_config c = {.listener = listener,
                            .ns_user = -1,
                            .ns_mount = -1,
                            .proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
                            .traps = w->traps,
                            .verify_exec = w->verify,
                            .read_env = w->read_env,
                            .scrub = w->scrub,
                            .nscrub = w->nscrub};
    struct world_ready when = {&c, ready};
    int keep[] = {listener, keeper, judge, ready, c.proc};
    fd_close_from(3, keep, 5);
    int code = kern_serve(&c, keeper, judge, world_ready, &when, &e);
    if (getenv("KERN_DEBUG") != NULL)
        fprintf(stderr, "# kern: %d %s\n", code, e.text);
    _exit(code);
}

static inline _Noreturn void world_agent(const struct world *w, int sock, int (*run)(void *),
                                         void *arg)
{
    static struct bpf_program prog;
    struct err e = {0};
    char go;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !filter_make(w->traps, &prog, &e))
        _exit(250);
    int listener = bpf_install(&prog, SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                          SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (listener < 0 || !world_send_fd(sock, listener) || close(listener) != 0 ||
        read(sock, &go, 1) != 1)
        _exit(251);
    close(sock);
    fd_close_from(3, NULL, 0);
    signal(SIGPIPE, SIG_DFL);
    _exit(run(arg));
}

/* Runs the agent to its end. False when the world could not be made. */
static inline bool world_run(struct world *w, int (*run)(void *), void *arg)
{
    int agent[2], judge[2], keeper[2], ready[2];
    struct err e = {0};
    char r;

    w->logged = 0;
    w->log[0] = '\0';
    w->actions = w->cancels = 0;
    w->nheld = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, agent) != 0 ||
        !frame_pair(judge, &e) || !frame_pair(keeper, &e) || pipe2(ready, O_CLOEXEC) != 0)
        return false;
    fflush(stdout);
    pid_t a = fork();
    if (a == 0) {
        close(agent[0]);
        world_agent(w, agent[1], run, arg);
    }
    close(agent[1]);
    int listener = world_recv_fd(agent[0]);
    if (listener < 0)
        return false;
    pid_t k = world_start_kern(w, listener, keeper[1], judge[1], ready[1]);
    close(listener);
    close(keeper[1]);
    close(judge[1]);
    close(ready[1]);
    if (read(ready[0], &r, 1) != 1 || write(agent[0], "g", 1) != 1)
        return false;
    close(ready[0]);
    close(agent[0]);
    w->sock = judge[0];
    int agent_fd = (int)syscall(SYS_pidfd_open, a, 0);
    uint64_t end = world_now() + WORLD_SECONDS * 1000;
    for (;;) {
        struct pollfd p[] = {{.fd = judge[0], .events = POLLIN},
                             {.fd = agent_fd, .events = POLLIN}};

        poll(p, 2, w->nheld > 0 ? 10 : 200);
        if ((p[0].revents & POLLIN) != 0)
            world_frame(w);
        else if (p[0].revents != 0)
            p[0].fd = -1;
        world_release(w);
        if ((p[0].revents & POLLIN) == 0 && (p[1].revents & POLLIN) != 0)
            break;
        if (world_now() > end) {
            world_log(w, "the scenario took too long\n");
            kill(a, SIGKILL);
            end += 5000;
        }
        if (waitpid(k, &w->kern_status, WNOHANG) == k) {
            world_log(w, "kern ended early: %x\n", w->kern_status);
            k = -1;
            if (!w->lives_on)
                kill(a, SIGKILL);
            break;
        }
    }
    waitpid(a, &w->status, 0);
    close(agent_fd);
    close(keeper[0]);
    if (k > 0) {
        int status;

        waitpid(k, &status, 0);
        w->kern_status = -1;
    }
    close(judge[0]);
    return true;
}

static inline struct world *world_new(unsigned traps, bool verify, world_judge *judge)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->traps = traps;
    w->verify = verify;
    w->judge = judge;
    w->hold_ms = 200;
    return w;
}

/* Is there a line of the log that starts with this text? */
static inline bool world_saw(const struct world *w, const char *line)
{
    for (const char *p = w->log; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p ? p + 1 : p)
        if (strncmp(p, line, strlen(line)) == 0)
            return true;
    return false;
}

static inline int world_code(const struct world *w)
{
    return WIFEXITED(w->status) ? WEXITSTATUS(w->status) : -WTERMSIG(w->status);
}

#endif
