/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - the keeper's state, shared by its files (keeper.c: start and end; loop.c: what
 * comes in; stop.c: freeze and kill; people.c: questions, control socket, notices).
 */
#ifndef BELAY_KEEPER_SESSION_H
#define BELAY_KEEPER_SESSION_H

#include "jail/jail.h"
#include "keeper/asks.h"
#include "keeper/canary.h"
#include "keeper/control.h"
#include "keeper/keeper.h"
#include "keeper/quota.h"
#include "keeper/refusals.h"
#include "keeper/roles.h"
#include "keeper/terminal.h"
#include "keeper/trust.h"

#include <event2/event.h>
#include <time.h>

#define KEEPER_MAGIC 0x6b656570u

enum keeper_state {
    STATE_STARTING,
    STATE_RUNNING,
    STATE_FROZEN,
    STATE_ENDING /* the agent is gone; what is left is to record it */
};

/* What to do once an event of the keeper's has been recorded. */
enum after { AFTER_NOTHING, AFTER_START, AFTER_RESUME, AFTER_END };

#define WAITING_MAX 64

struct keeper {
    unsigned magic;
    const struct keeper_options *o;
    struct event_base *base;
    enum keeper_state state;
    time_t started;

    struct roles *roles;
    struct event *role_io[3], *role_end[3];
    struct gate_config doors; /* only the published ports' listeners, until the gate has them */
    struct trust trust;       /* where the policy opens connections */
    struct role_seat kern_seat; /* tier B: of the kern that the jail starts, until it is taken */
    struct jail jail;
    bool jailed;
    unsigned traps; /* of the jail: in tier B more than the plan's */
    int pass_kern,
        pass_gate;  /* tier B: ends of the way from kern to the gate, until they have them */
    char *tier_why; /* tier B: why */
    int agent_pidfd;
    struct event *jail_io;
    int agent_status; /* waitpid() status of the agent, valid with agent_ended */
    bool agent_ended;
    int exec_error; /* errno when the command could not be executed */

    struct asks asks;
    struct refusals refusals;
    struct canaries canaries;
    struct quotas quotas;
    unsigned idle_ticks;
    int64_t running_since; /* monotonic ms */
    struct arena mem; /* what lives as long as the session */
    struct control *control;
    struct terminal *terminal;
    char
        *frozen_why; /* a rule or the watch has frozen the agent, and a person must say what next */
    bool frozen_shown; /* that is the prompt on the terminal, and not a held action */
    int alert_pipe;    /* to the process that runs the user's alert command, or -1 */
    pid_t alert_pid;
    struct event *signals[5];
    struct event *tick;     /* counts processes */
    struct event *deadline; /* after SIGTERM: when asking turns into killing */

    uint32_t next_event;
    struct {
        uint32_t id; /* 0: free */
        enum after after;
    } waiting[WAITING_MAX];

    int exit_code;          /* valid in STATE_ENDING */
    struct err *fault;      /* a failure of belay's own, told at the end */
    uint64_t reload_client; /* who waits for RELOAD_IS, 0: nobody */
    uint32_t reload_frame;
    uint64_t denied, asked;
    int processes_seen;
    int64_t last_notice;
    unsigned notices_held;

    struct frame_in in;
    struct frame_out out;
};

/* keeper.c */
void keeper_stop_loop(struct keeper *k);
/* The agent has ended by itself: ends what it left behind and records it. */
void keeper_agent_over(struct keeper *k);

/* loop.c: connects descriptors, signals and timers to the loop. */
void keeper_watch(struct keeper *k);
void keeper_unwatch(struct keeper *k);

/* stop.c. Kill ends in STATE_ENDING with `code`; `by` says who. Freezing and killing are done
 * first and recorded after. */
void keeper_freeze(struct keeper *k, const char *by, const char *why);
void keeper_resume(struct keeper *k, const char *by);
void keeper_kill(struct keeper *k, int code, const char *by, const char *why);
/* A part of belay is lost: the agent is killed, *fault filled. */
void keeper_fault(struct keeper *k, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* record of the keeper's own doings: EVENT to the judge. `count` may be INT64_MIN for none. */
void keeper_record(struct keeper *k, const char *kind, const char *by, const char *text,
                   int64_t count, enum after after);
/* The last event ("exit" or "kill"), once nothing of the agent is left; then the loop ends. */
void keeper_end_record(struct keeper *k, const char *kind, const char *by, const char *text);
/* RECORDED came back. */
void keeper_recorded(struct keeper *k, uint32_t id);

/* people.c */
void people_asked(struct keeper *k, struct frame_in *f);
void people_ask_over(struct keeper *k, uint32_t id);
/* The agent was frozen by a rule: on its own terminal the person is asked whether it goes on. */
void people_frozen(struct keeper *k, const char *why);
/* It goes on, or is gone: that question is settled. */
void people_thawed(struct keeper *k);
bool people_decide(struct keeper *k, uint32_t id, bool yes, const char *by);
void people_terminal_answer(void *arg, bool yes);
void people_control(void *arg, struct control_client *c, struct frame_in *f, uid_t uid);
/* The judge's answer to a RELOAD; why is NULL when the other policy holds. */
void people_reloaded(struct keeper *k, const char *why);
/* One line for the person, safe text; notices are limited in rate, alerts are not. */
void people_notice(struct keeper *k, const char *text);
void people_alert(struct keeper *k, struct str hostile);
bool alert_command_start(struct keeper *k, struct err *e);

#endif
