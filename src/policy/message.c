/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/message.h"

#include "base/mem.h"

#define KEEPER ROLE_KEEPER
#define JUDGE  ROLE_JUDGE
#define KERN   ROLE_KERN
#define GATE   ROLE_GATE
#define CLIENT ROLE_CLIENT

static const struct message_row {
    enum message message;
    const char *name;
    unsigned from, to, fds;
} messages[] = {
#define MESSAGE(sym, number, from, to, answers, fds) {MSG_##sym, #sym, (from), (to), (fds)},
#include "policy/message.def"
#undef MESSAGE
};

static const struct permit {
    enum role role;
    enum phase phase;
    enum message message;
} permits[] = {
#define PERMIT(role, phase, msg) {ROLE_##role, PHASE_##phase, MSG_##msg},
#include "policy/message.def"
#undef PERMIT
};

static const struct message_row *find(unsigned m)
{
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        if ((unsigned)messages[i].message == m)
            return &messages[i];
    return NULL;
}

const char *message_name(enum message m)
{
    const struct message_row *row = find(m);

    return row != NULL ? row->name : "unknown";
}

unsigned message_fds(enum message m)
{
    const struct message_row *row = find(m);

    return row != NULL ? row->fds : 0;
}

const char *role_name(enum role r)
{
    switch (r) {
    case ROLE_KEEPER:
        return "keeper";
    case ROLE_JUDGE:
        return "judge";
    case ROLE_KERN:
        return "kern";
    case ROLE_GATE:
        return "gate";
    case ROLE_CLIENT:
        return "client";
    }
    return "unknown";
}

bool message_permitted(enum role from, enum role to, enum phase phase, unsigned m)
{
    const struct message_row *row = find(m);

    if (row == NULL || (row->from & from) == 0 || (row->to & to) == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(permits); i++)
        if (permits[i].role == from && permits[i].phase == phase &&
            (unsigned)permits[i].message == m)
            return true;
    return false;
}
