/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge_world.h - a judge with a policy, a record in memory, a clock that is set, and peers
 * that only remember what they were sent. Included by the tests and the fuzzer of the judge.
 */
#ifndef BELAY_TEST_JUDGE_WORLD_H
#define BELAY_TEST_JUDGE_WORLD_H

#include "base/fd.h"
#include "base/mem.h"
#include "judge/core.h"
#include "record/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SENT_MAX 4096

static const char world_policy[] =
    "@id(\"work\") permit (principal,\n"
    "  action in [Action::\"read\", Action::\"write\", Action::\"create\", Action::\"delete\"],\n"
    "  resource) when { resource in principal.workspace };\n"
    "@id(\"no-hooks\") forbid (principal, action == Action::\"write\", resource)\n"
    "  when { resource.path like \"*/.git/hooks/*\" };\n"
    "@id(\"programs\") permit (principal, action == Action::\"exec\", resource);\n"
    "@id(\"push\") @ask(\"others will see this\")\n"
    "forbid (principal, action == Action::\"exec\", resource)\n"
    "  when { context.argv.contains(\"push\") };\n"
    "@id(\"bomb\") @kill(\"a fork bomb\") forbid (principal, action == Action::\"exec\", "
    "resource)\n"
    "  when { context.name == \"bomb\" };\n"
    "@id(\"odd\") @freeze(\"look at this\") forbid (principal, action == Action::\"exec\", "
    "resource)\n"
    "  when { context.name == \"odd\" };\n"
    "@id(\"web\") permit (principal, action == Action::\"connect\", resource)\n"
    "  when { resource == Host::\"api.example.com\" || (resource == Host::\"localhost\" && "
    "context.port == 8080) ||\n"
    "         resource == Host::\"inner.example.com\" || resource == Host::\"10.1.2.3\" };\n"
    "@id(\"upload\") @ask(\"data leaves\") forbid (principal, action == Action::\"connect\", "
    "resource)\n"
    "  when { resource == Host::\"api.example.com\" && context.port == 22 };\n"
    "@id(\"keys\") @label(\"secret\") permit (principal, action == Action::\"read\", resource)\n"
    "  when { resource.path like \"/home/u/keys/*\" };\n"
    "@id(\"no-leak\") forbid (principal in Label::\"secret\", action in Action::\"send\", "
    "resource);\n"
    "@id(\"told\") @alert(\"\") permit (principal, action == Action::\"read\", resource)\n"
    "  when { resource.path == \"/etc/told\" };\n"
    "@id(\"api\") permit (principal, action == Action::\"request\", "
    "resource == Host::\"api.anthropic.com\");\n"
    "@id(\"models\") permit (principal, action == Action::\"infer\", "
    "resource in Provider::\"anthropic\");\n"
    "@id(\"dear\") @freeze(\"it costs too much\") "
    "forbid (principal, action == Action::\"infer\", resource)\n"
    "  when { context.spent.cents >= 500 };\n"
    "@id(\"no-tool\") forbid (principal, action == Action::\"call\", "
    "resource == Tool::\"agent/Sell\");\n";

struct sent {
    enum judge_peer to;
    uint16_t type;
    uint32_t id;
    int syncs; /* of the record, when it was sent */
    unsigned char *data;
    size_t n;
};

static struct {
    struct policy *policy;
    struct judge *judge;
    int record, head;
    int64_t ms;
    int syncs;
    int write_fails_at; /* nth write from now, 0: never */
    bool slow;
    bool unmeasured; /* execs come without hashes, as kern first sends them */
    struct sent sent[SENT_MAX];
    size_t nsent;
    struct settings settings;
    struct err e;
} world;

static struct policy *world_rules; /* read once; a policy never changes */

static ssize_t world_write(int fd, const void *p, size_t n)
{
    if (world.write_fails_at > 0 && --world.write_fails_at == 0) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, p, n);
}

static int world_sync(int fd)
{
    (void)fd;
    world.syncs++;
    return 0;
}

static int world_reserve(int fd, off_t at, off_t n)
{
    (void)fd;
    (void)at;
    (void)n;
    return 0;
}

static void world_now(struct timespec *wall, int64_t *mono)
{
    *wall = (struct timespec){1700000000 + world.ms / 1000, world.ms % 1000 * 1000000};
    *mono = world.ms * 1000000;
}

static const struct record_io world_io = {world_write, pwrite, world_sync, world_reserve,
                                          world_now};

static int64_t world_ms(void *arg)
{
    (void)arg;
    return world.ms;
}

static bool world_slow(void *arg, enum judge_peer to)
{
    (void)arg;
    (void)to;
    return world.slow;
}

static void world_send(void *arg, enum judge_peer to, const void *frame, size_t n)
{
    struct frame_in *f = xcalloc(1, sizeof(*f));

    (void)arg;
    memcpy(f->data, frame, n);
    if (world.nsent < SENT_MAX && frame_parse(f, n) == FRAME_OK) {
        struct sent *s = &world.sent[world.nsent++];

        *s = (struct sent){.to = to, .type = f->type, .id = f->id, .syncs = world.syncs, .n = n};
        s->data = xcalloc(n, 1);
        memcpy(s->data, frame, n);
    }
    free(f);
}

static void world_forget(void)
{
    for (size_t i = 0; i < world.nsent; i++)
        free(world.sent[i].data);
    world.nsent = 0;
}

static void world_close(void)
{
    if (world.judge != NULL)
        judge_free(world.judge);
    if (world.record > 0)
        (void)close(world.record);
    if (world.head > 0)
        (void)close(world.head);
    world_forget();
    memset(&world, 0, sizeof(world));
}

/* A new session in its START phase, with these settings. */
static inline bool world_open_with(const struct settings *settings)
{
    const struct policy_text text = {"test.cedar", {world_policy, sizeof(world_policy) - 1}};

    world_close();
    world.ms = 1000000;
    world.record = memfd_create("record", MFD_CLOEXEC);
    world.head = memfd_create("head", MFD_CLOEXEC);
    if (world_rules == NULL)
        world_rules = policy_load(&text, 1, "/home/u", &world.e);
    world.policy = world_rules;
    if (world.policy == NULL)
        return false;
    world.settings = *settings;
    static struct judge_config config;
    config = (struct judge_config){.session = STR("s1"),
                                   .agent = STR("agent"),
                                   .user = STR("u"),
                                   .home = STR("/home/u"),
                                   .workspace = STR("/w"),
                                   .settings = &world.settings};
    const struct record_setup r = {.fd = dup(world.record),
                                   .head_fd = dup(world.head),
                                   .session = config.session,
                                   .policy_digest = STR("00"),
                                   .io = &world_io};
    const struct judge_setup setup = {.policy = world.policy,
                                      .config = &config,
                                      .record = record_start(&r, &world.e),
                                      .hooks = {NULL, world_ms, world_send, world_slow}};
    world.judge = judge_new(&setup);
    return true;
}

static const struct settings world_usual = {.ask_timeout = 300,
                                            .denials_count = 30,
                                            .denials_window = 10,
                                            .execs_count = 2000,
                                            .execs_window = 10,
                                            .watch_processes = 1000};

static inline bool world_open(void)
{
    return world_open_with(&world_usual);
}

static struct frame_out world_out;
static struct frame_in world_in;

/* Gives world_out to the judge as coming from `peer`, without committing. */
static inline bool world_give(enum judge_peer peer)
{
    (void)frame_finish(&world_out);
    memcpy(world_in.data, world_out.data, world_out.n);
    if (frame_parse(&world_in, world_out.n) != FRAME_OK)
        return false;
    return judge_frame(world.judge, peer, &world_in, &world.e);
}

static inline bool world_commit(void)
{
    return judge_commit(world.judge, &world.e);
}

static inline bool world_event(const char *kind)
{
    frame_start(&world_out, MSG_EVENT, 1);
    frame_put_cstr(&world_out, MSG_TAG_KIND, kind);
    frame_put_cstr(&world_out, MSG_TAG_BY, "keeper");
    return world_give(PEER_KEEPER) && world_commit();
}

/* A session in its RUN phase, with nothing sent yet. */
static inline bool world_run(void)
{
    bool ok = world_open() && world_event("start");

    world_forget();
    return ok;
}

static inline bool world_action(enum judge_peer from, uint32_t id, const struct action *a)
{
    frame_start(&world_out, MSG_ACTION, id);
    action_put(&world_out, a);
    return world_give(from);
}

static inline bool world_file(uint32_t id, enum verb verb, const char *path, pid_t pid)
{
    struct action a;

    action_init(&a, verb, RESOURCE_FILE, str_of(path));
    a.pid = pid;
    action_str(&a, FIELD_OP, STR("open"));
    return world_action(PEER_KERN, id, &a);
}

/* exec of /usr/bin/NAME with one argument. */
static inline bool world_exec(uint32_t id, const char *name, const char *arg, pid_t pid,
                              pid_t parent)
{
    AUTO_BUF struct buf list = {0}, path = {0};
    struct action a;

    buf_init(&list, 100000);
    buf_init(&path, 1000);
    action_list_add(&list, str_of(name));
    action_list_add(&list, str_of(arg));
    buf_printf(&path, "/usr/bin/%s", name);
    action_init(&a, VERB_EXEC, RESOURCE_PROGRAM, buf_str(&path));
    a.pid = pid;
    a.parent = parent;
    action_str(&a, FIELD_OP, STR("execve"));
    action_str(&a, FIELD_NAME, str_of(name));
    action_list(&a, FIELD_ARGV, buf_str(&list));
    action_str(&a, FIELD_COMMAND, str_of(arg));
    action_int(&a, FIELD_TRUNCATED, 0);
    if (!world.unmeasured)
        action_str(&a, FIELD_SHA256, STR("aa"));
    return world_action(PEER_KERN, id, &a);
}

/* address NULL: not looked up yet. */
static inline bool world_connect(uint32_t id, const char *host, int port, const char *address,
                                 bool named)
{
    struct action a;

    action_init(&a, VERB_CONNECT, RESOURCE_HOST, str_of(host));
    action_int(&a, FIELD_PORT, port);
    action_int(&a, FIELD_NAMED, named);
    if (address != NULL)
        action_str(&a, FIELD_ADDRESS, str_of(address));
    return world_action(PEER_GATE, id, &a);
}

static inline bool world_answer(uint32_t id, bool yes)
{
    frame_start(&world_out, MSG_ANSWER, id);
    frame_put_int(&world_out, MSG_TAG_YES, yes);
    frame_put_cstr(&world_out, MSG_TAG_BY, "uid 7");
    return world_give(PEER_KEEPER) && world_commit();
}

/* How many messages of this type were sent. */
static inline size_t world_count(enum message type)
{
    size_t n = 0;

    for (size_t i = 0; i < world.nsent; i++)
        n += world.sent[i].type == type;
    return n;
}

/* The last message of this type; one without data if there is none. */
static inline const struct sent *world_last(enum message type)
{
    static const struct sent none;

    for (size_t i = world.nsent; i-- > 0;)
        if (world.sent[i].type == type)
            return &world.sent[i];
    return &none;
}

/* The verdict on action `id`; its views live until the next call. */
static inline bool world_verdict(enum judge_peer to, uint32_t id, struct verdict *v)
{
    static struct frame_in f;

    for (size_t i = world.nsent; i-- > 0;) {
        const struct sent *s = &world.sent[i];

        if (s->type != MSG_VERDICT || s->to != to || s->id != id)
            continue;
        memcpy(f.data, s->data, s->n);
        return frame_parse(&f, s->n) == FRAME_OK && verdict_get(&f, v);
    }
    return false;
}

/* The outcome for kern's action `id`, -1 if it has no verdict. */
static inline int world_outcome(enum judge_peer to, uint32_t id)
{
    struct verdict v;

    return world_verdict(to, id, &v) ? (int)v.outcome : -1;
}

/* The text of a message's field. */
static inline struct str world_text(const struct sent *s, uint8_t tag)
{
    static struct frame_in f;
    struct frame_field x;

    if (s->n == 0)
        return (struct str){"", 0};
    memcpy(f.data, s->data, s->n);
    (void)frame_parse(&f, s->n);
    while (frame_next(&f, &x) == FRAME_OK)
        if (x.tag == tag)
            return x.bytes;
    return (struct str){"", 0};
}

static inline bool world_says(enum message type, uint8_t tag, const char *part)
{
    struct str t = world_text(world_last(type), tag);

    return memmem(t.p, t.n, part, strlen(part)) != NULL;
}

/* All lines of the record so far. */
static inline const char *world_record(struct buf *b)
{
    buf_init(b, 64 << 20);
    (void)lseek(world.record, 0, SEEK_SET);
    (void)fd_read_all(world.record, b, "record", &world.e);
    return buf_cstr(b);
}

/* Does a line of the record hold all of these? */
static inline bool world_recorded(const char *one, const char *two, const char *three)
{
    AUTO_BUF struct buf b = {0};
    char *rest = NULL;

    (void)world_record(&b);
    for (char *line = strtok_r(b.p, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, one) != NULL && strstr(line, two) != NULL && strstr(line, three) != NULL)
            return true;
    return false;
}

#endif
