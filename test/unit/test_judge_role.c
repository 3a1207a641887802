/* SPDX-License-Identifier: Apache-2.0 */
/* The judge as a process of its own: configured, confined, killed. The test is its keeper. */
#include "unit.h"

#include "base/fd.h"
#include "base/mem.h"
#include "judge/judge.h"
#include "policy/action.h"
#include "policy/message.h"
#include "policy/policy.h"
#include "record/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char rules[] =
    "@id(\"work\") permit (principal, action == Action::\"write\", resource)\n"
    "  when { resource in principal.workspace };\n";

static struct {
    pid_t pid;
    int keeper, kern, gate;
    int record, head;
} role;

static struct frame_out out;
static struct frame_in in;

/* Becomes the judge with these descriptors at their fixed places. */
static _Noreturn void become(int keeper, int kern, int gate)
{
    int high[3] = {fcntl(keeper, F_DUPFD, 100), fcntl(kern, F_DUPFD, 100),
                   fcntl(gate, F_DUPFD, 100)};

    for (int i = 0; i < 3; i++)
        if (dup2(high[i], ROLE_FD_KEEPER + i) < 0)
            _exit(99);
    (void)close_range(6, ~0u, 0);
    _exit(judge_main());
}

static int pack_policy(void)
{
    const struct policy_text text = {"test.cedar", {rules, sizeof(rules) - 1}};
    AUTO_BUF struct buf packed = {0};
    struct err e;
    struct policy *p = policy_load(&text, 1, "/home/u", &e);

    buf_init(&packed, POLICY_PACK_MAX);
    if (p == NULL)
        return -1;
    policy_pack(p, &packed);
    policy_free(p);
    return fd_memfd("policy", packed.p, packed.n, &e);
}

static bool start(int policy, int record)
{
    int a[2], b[2], c[2];
    struct err e;
    const struct settings s = {.ask_timeout = 1, .denials_window = 10, .execs_window = 10};

    role.record = record;
    role.head = memfd_create("head", MFD_CLOEXEC);
    if (!frame_pair(a, &e) || !frame_pair(b, &e) || !frame_pair(c, &e))
        return false;
    role.pid = fork();
    if (role.pid == 0)
        become(a[1], b[1], c[1]);
    (void)close(a[1]);
    (void)close(b[1]);
    (void)close(c[1]);
    role.keeper = a[0];
    role.kern = b[0];
    role.gate = c[0];
    const struct judge_config config = {.policy = policy,
                                        .record = record,
                                        .head = role.head,
                                        .session = STR("s1"),
                                        .agent = STR("agent"),
                                        .user = STR("u"),
                                        .home = STR("/home/u"),
                                        .workspace = STR("/w"),
                                        .settings = &s};
    return judge_config_send(role.keeper, &config, &e);
}

/* Waits for a frame, at most five seconds. */
static enum frame_result get(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 5000) == 1 ? frame_recv(fd, &in, 0) : FRAME_AGAIN;
}

static bool send_event(const char *kind)
{
    frame_start(&out, MSG_EVENT, 5);
    frame_put_cstr(&out, MSG_TAG_KIND, kind);
    return frame_send(role.keeper, &out, NULL, 0);
}

static bool send_write(uint32_t id, const char *path)
{
    struct action a;

    action_init(&a, VERB_WRITE, RESOURCE_FILE, str_of(path));
    a.pid = 10;
    action_str(&a, FIELD_OP, STR("open"));
    frame_start(&out, MSG_ACTION, id);
    action_put(&out, &a);
    return frame_send(role.kern, &out, NULL, 0);
}

static int verdict_of(uint32_t id)
{
    struct verdict v;

    if (get(role.kern) != FRAME_OK || in.type != MSG_VERDICT || in.id != id ||
        !verdict_get(&in, &v))
        return -1;
    return (int)v.outcome;
}

/* The exit code, or 1000 and the signal. */
static int end(void)
{
    int status = 0;

    (void)close(role.keeper);
    (void)close(role.kern);
    (void)close(role.gate);
    for (int i = 0; i < 500 && waitpid(role.pid, &status, WNOHANG) == 0; i++)
        (void)poll(NULL, 0, 10);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static struct record_report report(void)
{
    struct record_report r = {0};
    struct err e;

    (void)record_verify(role.record, role.head, &r, &e);
    return r;
}

static int memory(void)
{
    return memfd_create("record", MFD_CLOEXEC);
}

/* A file where space can be reserved and freed, as the real one. */
static int file(void)
{
    char path[] = "/tmp/belay-judge-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC | O_APPEND);

    (void)unlink(path);
    return fd;
}

TEST(a_session_from_start_to_end)
{
    CHECK(start(pack_policy(), file()));
    CHECK_INT(get(role.keeper), FRAME_OK);
    CHECK_INT(in.type, MSG_READY);
    CHECK(send_event("start"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED && in.id == 5);
    CHECK(send_write(1, "/w/a"));
    CHECK_INT(verdict_of(1), OUTCOME_ALLOW);
    CHECK(send_write(2, "/etc/passwd"));
    CHECK_INT(verdict_of(2), OUTCOME_DENY);
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_ALERT);
    for (uint32_t i = 3; i < 300; i++) /* many at once */
        CHECK(send_write(i, "/w/b"));
    for (uint32_t i = 3; i < 300; i++)
        CHECK_INT(verdict_of(i), OUTCOME_ALLOW);
    CHECK(send_write(300, "/w/last") && send_event("exit")); /* said before the end: recorded */
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    struct record_report r = report();
    CHECK_STR(record_status_name(r.status), "whole");
    CHECK_INT(r.lines, 304);
    CHECK_INT(end(), 0);
}

TEST(a_policy_that_is_damaged_is_refused)
{
    struct err e;

    CHECK(start(fd_memfd("policy", "rubbish", 7, &e), memory()));
    CHECK_INT(get(role.keeper), FRAME_OK);
    CHECK_INT(in.type, MSG_FAILED);
    CHECK(end() != 0);
}

TEST(a_record_that_cannot_be_written_is_refused)
{
    CHECK(start(pack_policy(), open("/dev/full", O_WRONLY | O_CLOEXEC)));
    CHECK_INT(get(role.keeper), FRAME_OK);
    if (in.type == MSG_READY) { /* it shows with the first flush, before anything is released */
        CHECK(send_event("start"));
        CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_ALERT);
        CHECK_INT(get(role.keeper), FRAME_EOF);
    }
    CHECK_INT(end(), EX_RECORD);
}

TEST(a_role_that_breaks_the_rules_ends_it)
{
    CHECK(start(pack_policy(), memory()));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_READY);
    CHECK(send_event("start"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    CHECK(write(role.gate, "rubbish", 7) == 7);
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_ALERT);
    CHECK_INT(get(role.keeper), FRAME_EOF);
    CHECK_INT(end(), EX_ROLE);
    CHECK_STR(record_status_name(report().status), "whole"); /* the reason stands at its end */
}

TEST(descriptors_that_are_sent_along_end_it)
{
    const int fds[] = {0};

    CHECK(start(pack_policy(), memory()));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_READY);
    CHECK(send_event("start"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    frame_start(&out, MSG_CANCEL, 1);
    CHECK(frame_send(role.kern, &out, fds, 1));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_ALERT);
    CHECK_INT(end(), EX_ROLE);
}

TEST(a_keeper_that_goes_ends_it)
{
    CHECK(start(pack_policy(), memory()));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_READY);
    (void)close(role.keeper);
    role.keeper = -1;
    CHECK_INT(end(), EX_ROLE);
}

TEST(an_adapter_that_goes_leaves_it_to_the_keeper)
{
    CHECK(start(pack_policy(), memory()));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_READY);
    CHECK(send_event("start"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    (void)close(role.gate);
    role.gate = -1;
    CHECK(send_write(1, "/w/a"));
    CHECK_INT(verdict_of(1), OUTCOME_ALLOW);
    CHECK(send_event("kill"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    CHECK_INT(end(), 0);
}

TEST(after_a_crash_what_was_released_is_there)
{
    struct record_report r;

    CHECK(start(pack_policy(), memory()));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_READY);
    CHECK(send_event("start"));
    CHECK(get(role.keeper) == FRAME_OK && in.type == MSG_RECORDED);
    for (uint32_t i = 1; i <= 20; i++) {
        CHECK(send_write(i, "/w/a"));
        CHECK_INT(verdict_of(i), OUTCOME_ALLOW);
    }
    CHECK(kill(role.pid, SIGKILL) == 0);
    CHECK_INT(end(), 1000 + SIGKILL);
    r = report();
    CHECK_STR(record_status_name(r.status), "open");
    CHECK_INT(r.lines, 22);
}

UNIT_MAIN(UNIT(a_session_from_start_to_end), UNIT(a_policy_that_is_damaged_is_refused),
          UNIT(a_record_that_cannot_be_written_is_refused),
          UNIT(a_role_that_breaks_the_rules_ends_it), UNIT(descriptors_that_are_sent_along_end_it),
          UNIT(a_keeper_that_goes_ends_it), UNIT(an_adapter_that_goes_leaves_it_to_the_keeper),
          UNIT(after_a_crash_what_was_released_is_there))
