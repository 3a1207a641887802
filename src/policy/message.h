/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - the messages between the roles, and the permit table.
 *
 * A role is known by the socket it speaks on, never by what it says. message_permitted() is
 * asked for every frame received; false ends the peer. Fields of each message: PROTOCOL.md.
 */
#ifndef BELAY_POLICY_MESSAGE_H
#define BELAY_POLICY_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

enum role {
    ROLE_KEEPER = 1,
    ROLE_JUDGE = 2,
    ROLE_KERN = 4,
    ROLE_GATE = 8,
    ROLE_CLIENT = 16,
};

enum phase { PHASE_START = 1, PHASE_RUN = 2, PHASE_END = 4 };

enum message {
    MSG_NONE = 0,
#define MESSAGE(sym, number, from, to, answers, fds) MSG_##sym = (number),
#include "policy/message.def"
#undef MESSAGE
};

/* Fixed descriptors of a role, see role start in PROTOCOL.md. */
enum role_fd {
    ROLE_FD_KEEPER = 3,
    ROLE_FD_JUDGE = 4,      /* kern, gate: the judge */
    ROLE_FD_JUDGE_KERN = 4, /* judge: kern */
    ROLE_FD_JUDGE_GATE = 5, /* judge: gate; closed when there is none */
};

/* Tags of the fields that messages carry, other than ACTION and VERDICT (action.h). */
enum message_tag {
    MSG_TAG_TEXT = 1,    /* printable text: a reason, an error, an alert */
    MSG_TAG_KIND = 2,    /* EVENT: its name; STOP: outcome as an integer */
    MSG_TAG_EVENT = 3,   /* a sequence number in the record */
    MSG_TAG_YES = 4,     /* ANSWER, DECIDE: 1 or 0 */
    MSG_TAG_BY = 5,      /* ANSWER: who, "terminal" or "uid N" */
    MSG_TAG_ASK = 6,     /* DECIDE, PENDING_IS, ASK_OVER: number of the held action */
    MSG_TAG_SUMMARY = 7, /* ASK: one line, what will happen */
    MSG_TAG_RULES = 8,   /* ASK: ids of the rules */
    MSG_TAG_LEFT = 9,    /* ASK, PENDING_IS: milliseconds until it is denied */
    MSG_TAG_SESSION = 10,
    MSG_TAG_PID = 11,
    MSG_TAG_STATE = 12,
    MSG_TAG_COUNT = 13,
    MSG_TAG_LIST = 14,
    MSG_TAG_ADDRESS = 15, /* NOTE of kern: where process PID is connecting to */
    MSG_TAG_PORT = 16,
    MSG_TAG_ERRNO = 20,     /* ALERT, notices: what the agent got, "EACCES" */
    MSG_TAG_STARTED = 17,   /* STATUS_IS: seconds since 1970 */
    MSG_TAG_PROCESSES = 18, /* STATUS_IS: processes of the agent now */
    MSG_TAG_MARKS = 19,     /* MARKS: numbers of 8 bytes, little endian (src/detect/marks.h) */
    MSG_TAG_LOCAL = 25,     /* PASS: the local port from which the connection will come */
    /* NOTE: see gate.h */
    NOTE_TAG_UP = 33,
    NOTE_TAG_DOWN = 34,
    NOTE_TAG_MS = 35,
    NOTE_TAG_INPUT = 36, /* tokens that were read, but for those from the provider's cache */
    NOTE_TAG_OUTPUT = 37,
    NOTE_TAG_CACHED = 38,
    NOTE_TAG_COST = 39,  /* millionths of a cent */
    NOTE_TAG_STATUS = 40, /* of an HTTP answer */
    MSG_TAG_CONFIG = 32, /* CONFIG: each role's own settings start here */
};

const char *message_name(enum message m);
const char *role_name(enum role r);
/* Largest number of descriptors that may come with it. */
unsigned message_fds(enum message m);
/* May `from` send `m` to `to` in this phase? */
bool message_permitted(enum role from, enum role to, enum phase phase, unsigned m);

#endif
