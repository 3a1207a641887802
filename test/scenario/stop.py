# SPDX-License-Identifier: Apache-2.0
"""Freeze, resume, kill, the loss of every role, and watch: nothing ever runs free."""
import os
import signal
import time

from rope import TIER, Skip, alive, check, find_processes, main, wait_for

TICKER = "while :; do echo x >> %s; sleep 0.02; done"


def ticking(path):
    before = os.path.getsize(path) if os.path.exists(path) else 0
    time.sleep(0.3)
    return (os.path.getsize(path) if os.path.exists(path) else 0) > before


def roles_of(keeper_pid):
    """Pids of the roles of a session by name: the children of its keeper."""
    roles = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open("/proc/%s/cmdline" % name, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if parent == keeper_pid and len(words) > 1 and words[1].startswith(b"--role="):
            roles[words[1][7:].decode()] = int(name)
    return roles


def start_ticker(rope, script=None, options=()):
    tick = os.path.join(rope.work, "tick")
    p = rope.start_sh(script or TICKER % "tick", options=options)
    session = rope.session()
    wait_for(lambda: os.path.exists(tick), "the first tick")
    return p, session, tick


def freeze_resume_kill(rope):
    p, session, tick = start_ticker(rope)
    check(ticking(tick))
    check(rope.belay("freeze", session).returncode == 0)
    check(not ticking(tick), "it still runs while frozen")
    check(rope.sessions()[0]["state"] == "frozen")
    check(rope.belay("resume", session).returncode == 0)
    wait_for(lambda: ticking(tick), "it to go on")
    check(rope.belay("kill", session).returncode == 0)
    check(p.wait(timeout=20) == 124, p.returncode)
    check(not ticking(tick))
    check(rope.sessions() == [])
    names = [e.get("event") for e in rope.log() if e["kind"] == "event"]
    check([n for n in names if n in ("freeze", "resume", "kill")] == ["freeze", "resume", "kill"], names)
    check(rope.belay("log", "verify").returncode == 0)


STUBBORN = """
trap '' TERM INT HUP QUIT TSTP
setsid sh -c 'trap "" TERM INT HUP; while :; do echo x >> tick; sleep 0.02; done # MARK' &
nohup sh -c 'while :; do sleep 0.5; done # MARK' >/dev/null 2>&1 &
( ( sh -c 'trap "" TERM INT HUP; while :; do sleep 0.5; done # MARK' & ) & )
while :; do sleep 0.5; done # MARK
"""


def kill_ends_what_hides_and_what_ignores(rope):
    mark = "mark-%d" % os.getpid()
    p, session, tick = start_ticker(rope, STUBBORN.replace("MARK", mark))
    wait_for(lambda: len(find_processes("# " + mark)) >= 4, "four stubborn processes")
    check(rope.belay("kill", "--all").returncode == 0)
    check(p.wait(timeout=20) == 124)
    wait_for(lambda: not find_processes("# " + mark), "the last of them to be gone", 5)


def freeze_stops_what_hides_and_what_ignores(rope):
    mark = "mark-%d" % os.getpid()
    p, session, tick = start_ticker(rope, STUBBORN.replace("MARK", mark))
    check(rope.belay("freeze").returncode == 0)
    check(not ticking(tick))
    check(rope.belay("kill").returncode == 0)
    p.wait(timeout=20)
    wait_for(lambda: not find_processes("# " + mark), "the last of them to be gone", 5)


def background_processes_end_with_the_agent(rope):
    mark = "mark-%d" % os.getpid()
    p = rope.sh("setsid sh -c 'while :; do sleep 0.2; done # %s' >/dev/null 2>&1 & sleep 0.3; exit 5" % mark)
    check(p.returncode == 5, p)
    wait_for(lambda: not find_processes("# " + mark), "it to be gone", 5)


def each_role_killed_stops_the_agent(rope):
    for role in ("judge", "kern", "gate"):
        tick = os.path.join(rope.work, "tick")
        if os.path.exists(tick):
            os.unlink(tick)
        p, session, tick = start_ticker(rope)
        roles = roles_of(p.pid)
        check(set(roles) == {"judge", "kern", "gate"}, roles)
        os.kill(roles[role], signal.SIGKILL)
        code = p.wait(timeout=20)
        check(code in (122, 123), role, code)
        check(not ticking(tick), "the agent runs free without the", role)
        said = p.stderr.read()
        check("the %s was ended" % role in said, role, said)


def each_role_stopped_lets_nothing_through(rope):
    """A role that hangs (SIGSTOP) must not open a hole: what needs it waits."""
    for role in ("judge", "kern"):
        out = os.path.join(rope.work, "out")
        p, session, tick = start_ticker(rope, TICKER % "tick" + " & sleep 1; /bin/echo done > out; wait")
        roles = roles_of(p.pid)
        os.kill(roles[role], signal.SIGSTOP)
        time.sleep(1.5)
        check(not os.path.exists(out), "a file was made without the", role)
        check(rope.belay("kill").returncode == 0)
        try:
            os.kill(roles[role], signal.SIGCONT)
        except ProcessLookupError:
            pass  # the keeper has ended it meanwhile
        p.wait(timeout=20)
        os.unlink(tick)


def the_keeper_killed_takes_everything_along(rope):
    p, session, tick = start_ticker(rope)
    roles = roles_of(p.pid)
    os.kill(p.pid, signal.SIGKILL)
    p.wait(timeout=10)
    wait_for(lambda: not any(alive(pid) for pid in roles.values()), "the roles to end", 10)
    check(not ticking(tick), "the agent runs free without its keeper")
    v = rope.belay("log", "verify")
    check(v.returncode == 0, v)
    check(rope.sessions() == [])


def sigterm_is_passed_on(rope):
    p, session, tick = start_ticker(rope, "trap 'exit 9' TERM; " + TICKER % "tick")
    p.send_signal(signal.SIGTERM)
    check(p.wait(timeout=10) == 9, p.returncode)


def a_burst_of_denials_freezes_and_alerts(rope):
    heard = os.path.join(rope.top, "heard")
    config = rope.file("config/belay/belay.yaml",
                       "watch:\n  denials: {count: 20, window: 10s}\n"
                       "alert:\n  command: [sh, -c, 'cat >> %s']\n" % heard)
    script = "i=0; while [ $i -lt 400 ]; do rm -f /etc/x$i; " \
             "mkdir -p .git/hooks; echo x > .git/hooks/h$i; i=$((i+1)); " \
             "echo x >> tick; done"
    p, session, tick = start_ticker(rope, script, ["--config", config])
    wait_for(lambda: any(s["state"] == "frozen" for s in rope.sessions()), "the freeze", 20)
    check(not ticking(tick))
    wait_for(lambda: os.path.exists(heard) and os.path.getsize(heard) > 0, "the alert", 10)
    check(session in open(heard).read(), open(heard).read())
    check(rope.belay("kill").returncode == 0)
    p.wait(timeout=20)
    kinds = [e["kind"] for e in rope.log()]
    check("alert" in kinds or "stop" in kinds, kinds[-10:])


def a_burst_of_processes_freezes(rope):
    config = rope.file("config/belay/belay.yaml", "watch: {processes: 60}\nlimits: {processes: 200}\n")
    script = "i=0; while [ $i -lt 150 ]; do sleep 60 & i=$((i+1)); done; echo x > tick; wait"
    p = rope.start_sh(script, ["--config", config])
    rope.session()
    wait_for(lambda: any(s["state"] == "frozen" for s in rope.sessions()), "the freeze", 20)
    check(rope.belay("kill").returncode == 0)
    p.wait(timeout=20)


BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
"""


def a_fork_bomb_is_bounded_and_killed(rope):
    if TIER == "b" and os.geteuid() == 0:
        raise Skip("tier B: the limit of processes does not hold root")
    config = rope.file("config/belay/belay.yaml", "watch: {processes: 0, execs: {count: 0}}\n"
                                                  "limits: {processes: 400}\n")
    mark = "bomb-%d" % os.getpid()
    p = rope.start("run", "--config", config, "--", "python3", "-c", BOMB + "# " + mark)
    session = rope.session()
    wait_for(lambda: rope.sessions() and rope.sessions()[0]["processes"] > 100, "the bomb to grow", 20)
    check(rope.sessions()[0]["processes"] <= 401, rope.sessions())
    start = time.monotonic()
    check(rope.belay("kill", session).returncode == 0)
    p.wait(timeout=20)
    wait_for(lambda: not find_processes(mark), "the bomb to be gone", 10)
    print("# a bomb of up to 400 processes was gone after %.0f ms" % ((time.monotonic() - start) * 1000))


if __name__ == "__main__":
    main([freeze_resume_kill, kill_ends_what_hides_and_what_ignores,
          freeze_stops_what_hides_and_what_ignores, background_processes_end_with_the_agent,
          each_role_killed_stops_the_agent, each_role_stopped_lets_nothing_through,
          the_keeper_killed_takes_everything_along, sigterm_is_passed_on,
          a_burst_of_denials_freezes_and_alerts, a_burst_of_processes_freezes,
          a_fork_bomb_is_bounded_and_killed])
