/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/canary.h"

#include "kern/ask.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define AGAIN_MS 1000

bool canary_open(struct kern *k, struct err *e)
{
    if (k->config.ncanaries == 0)
        return true;
    k->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (k->inotify < 0)
        return err_sys(e, EX_HOST, "canaries: inotify");
    for (size_t i = 0; i < k->config.ncanaries; i++) {
        const char *path = k->config.canaries[i];
        struct canary *c = &k->canaries[i];
        struct stat st;

        c->watch = inotify_add_watch(k->inotify, path, IN_OPEN);
        if (c->watch < 0 && errno == ENOENT)
            return err_set(e, EX_POLICY,
                           "canaries: %s has no place: its folder is the host's and visible to the "
                           "agent, and nothing is made there. Hide the folder, or choose another",
                           path);
        if (c->watch < 0 || lstat(path, &st) != 0)
            return err_sys(e, EX_HOST, "canaries: watching %s", path);
        c->dev = st.st_dev;
        c->ino = st.st_ino;
    }
    return true;
}

bool canary_is(const struct kern *k, const struct stat *st)
{
    for (size_t i = 0; i < k->config.ncanaries; i++)
        if (k->canaries[i].dev == st->st_dev && k->canaries[i].ino == st->st_ino)
            return true;
    return false;
}

static void tell(struct kern *k, int watch)
{
    uint64_t now = now_ms();

    for (size_t i = 0; i < k->config.ncanaries; i++) {
        struct canary *c = &k->canaries[i];
        struct action a;

        if (c->watch != watch || (c->told != 0 && now - c->told < AGAIN_MS))
            continue;
        action_init(&a, VERB_READ, RESOURCE_FILE, str_of(k->config.canaries[i]));
        action_str(&a, FIELD_OP, STR("canary"));
        if (ask_tell(k, &a))
            c->told = now;
    }
}

void canary_events(struct kern *k)
{
    union {
        struct inotify_event one;
        char room[4096];
    } u;
    ssize_t n;

    while ((n = read(k->inotify, &u, sizeof(u))) > 0)
        for (ssize_t at = 0; at < n;) {
            struct inotify_event event;

            memcpy(&event, u.room + at, sizeof(event));
            tell(k, event.wd);
            at += (ssize_t)(sizeof(event) + event.len);
        }
}
