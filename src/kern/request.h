/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one trapped system call, from its arrival to its answer.
 *
 * Life: a plan's prepare() reads the arguments, resolves what they name and adds checks (the
 * actions to be judged). When the judge has allowed all of them, act() carries the call out on
 * what prepare() resolved. When act() finds that the world is no longer what was judged, the
 * request starts afresh, a bounded number of times. One request is prepared or acted upon at
 * a time; between, any number wait for the judge.
 *
 * Everything a request holds is released with it: memory from its arena, and places.
 */
#ifndef BELAY_KERN_REQUEST_H
#define BELAY_KERN_REQUEST_H

#include "base/mem.h"
#include "jail/jail.h"
#include "jail/uapi.h"
#include "kern/kern.h"
#include "kern/resolve.h"
#include "kern/scope.h"
#include "kern/tracee.h"
#include "policy/action.h"

#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <time.h>

#define REQUESTS_MAX 256        /* in flight; the next gets EAGAIN */
#define CHECKS_MAX   4096       /* actions that one call can be */
#define ROUNDS_MAX   6          /* fresh starts of one call */
#define LARGE_BYTES  (1u << 20) /* a request that holds more memory is large */
#define LARGE_MAX    8          /* so many at a time */

#define NET_SERVERS_MAX 4096

/* The internet of tier B; see net.h. */
struct net {
    int gate;              /* -1: no way out */
    uint16_t door4, door6; /* where the gate listens; 0: it does not */
    const uint16_t *ports; /* services of the host's loopback that the policy names */
    size_t nports;
    ino_t servers[NET_SERVERS_MAX]; /* sockets that the agent listens on; the oldest give way */
    size_t nservers;
};

struct kern;
struct exec;
struct xattr;
struct connect;
struct canary;
struct measures;
struct request;

enum step {
    STEP_JUDGE, /* prepare: the checks are complete, none is as good as allowed */
    STEP_DONE,  /* the call is answered, or is somebody else's now */
    STEP_AGAIN, /* the world moved: prepare afresh */
    STEP_LATER, /* act again in a moment: it would block now */
};

struct plan {
    enum step (*prepare)(struct request *r);
    enum step (*act)(struct request *r);
};

struct trap {
    int nr;
    const struct plan *plan;
    int dir, path, rest; /* see plans.def */
};

enum request_state { REQUEST_FREE, REQUEST_JUDGED, REQUEST_HELD, REQUEST_LATER, REQUEST_TRACED };

enum seen { SEEN_NOT, SEEN_AGAIN, SEEN_ANSWERED };

struct request {
    enum request_state state;
    struct kern *kern;
    struct seccomp_notif call;
    const struct trap *trap;
    struct status who; /* of the task; read once, by request_who() */
    struct arena arena;

    struct action *checks;
    size_t nchecks, room, sent, answered;
    unsigned char *seen; /* of each check, enum seen */
    uint64_t *undo;      /* of each check, the event that asks for a copy; NULL: none does */
    bool again;          /* some are to be sent once more */
    uint32_t first;      /* frame id of the first check; the others follow */
    bool outside;        /* it is about what the agent may not see or change at all: EACCES */
    enum outcome worst;  /* of the verdicts so far */
    uint32_t mark;       /* frame id of the check whose verdict wants marks told, 0: none */
    uint64_t due;        /* ms: when HELD or LATER ends */
    unsigned round, tries;

    struct place at, to; /* what the first and the second path mean */
    char *first_path, *second_path;
    struct open_how how; /* open: what was asked for */
    int held;            /* a FIFO's end, kept until its other end is opened, or -1 */
    bool met;            /* its other end was opened */
    bool let_go;         /* an exec: the task was told to go on */
    uint64_t generation; /* rename of a folder: state of names when it was walked */
    struct exec *exec;
    struct timespec *times; /* utime: two of them */
    struct xattr *xattr;
    struct connect *connect;
    size_t tour_first; /* rename of a folder: the first check of what is in it */
};

struct kern {
    struct kern_config config;
    struct view view;
    struct scope scope; /* tier B; empty in tier A */
    struct net net;
    int keeper, judge;
    struct event_base *base;
    struct event *on_call, *on_keeper, *on_judge, *on_judge_room, *on_child, *on_tick, *on_canary;
    bool ticking;
    int signals; /* signalfd for SIGCHLD */
    size_t notif_size, resp_size;
    struct mem mem; /* of the request at hand */
    uint32_t next_id;
    struct measures *measures;
    struct undo *undo;
    int inotify; /* of canary.h, or -1 */
    struct canary *canaries;
    uint64_t generation; /* counts entries made: see rename.c */
    struct err *err;
    bool failed;
    size_t top; /* requests from here on are free: what looks through them looks at few */
    struct request requests[REQUESTS_MAX];
};

/* Answers. Each ends the request; a task that is gone is no error. */
enum step answer_error(struct request *r, int error); /* positive errno */
enum step answer_value(struct request *r, int64_t value);
enum step answer_continue(struct request *r);
/* Gives `fd` to the task as the call's result and closes it here. */
enum step answer_fd(struct request *r, int fd, bool cloexec);
/* 0 answers 0, a negative number is -errno. */
enum step answer_result(struct request *r, int result);

/* Lets the task go on (an exec that is verified) without ending the request. */
bool request_let_go(struct request *r);
/* Is the task still waiting in this very call? */
bool request_valid(const struct request *r);
/* Releases a request: open questions are cancelled. */
void request_end(struct request *r);
/* The same, for a fresh start of the same call. */
void request_clear(struct request *r);
/* Tells the judge what became of it, for the record. */
void request_note(struct request *r, const char *text);
/* Sends a NOTE about a connection. */
void request_note_connect(struct request *r, const char *address, int port);

/* A fresh check; its strings must live in the request's arena. NULL: too many. */
struct action *request_check(struct request *r, enum verb verb, enum resource_kind kind,
                             const char *resource);
/* A check on a file, with the operation's name. False: too many. */
bool request_file_check(struct request *r, enum verb verb, const char *path, const char *op);
/* What no rule can give: marks the request when the path is beyond the scope. */
void request_within(struct request *r, const char *path, enum scope_access wanted);
char *request_strdup(struct request *r, const char *s);

/* Argument `i` of the call. */
uint64_t request_arg(const struct request *r, int i);
/* Reads a path argument into the arena: NULL and *error (negative errno). */
char *request_path(struct request *r, int arg, int *error);
/* The directory argument: AT_FDCWD when the call has none. */
int request_dirfd(const struct request *r, int arg);
struct walker request_walker(struct request *r);
/* The task's ids and umask: all zero when it is gone. */
const struct status *request_who(struct request *r);

uint64_t now_ms(void);

#endif
