# SPDX-License-Identifier: Apache-2.0
"""Processes outside the jail, the jail's own init, and what an agent leaves behind."""
import os
import signal
import subprocess
import time

from redteam import Skip, TIER, Victim, arm, bare, check, main, named, tier_b_lacks, wait_for, words

OUTSIDE = [
    ("ptrace", "trace"),
    ("process_vm_writev", "write_memory", "WORD"),
    ("/proc/PID/mem", "write_memory_file", "WORD"),
    ("pidfd_getfd", "take_descriptor"),
    ("a signal", "send_signal"),
    ("SIGSTOP", "stop_process"),
    ("prlimit", "change_limits"),
    ("sched_setaffinity", "change_schedule"),
    ("/proc/PID/environ", "look_through", "environ"),
    ("/proc/PID/root", "look_through", "root@TOP/secret"),
    ("/proc/PID/cwd", "look_through", "cwd/secret"),
    ("/proc/PID/map_files or exe", "look_through", "exe"),
]


def outside(name, attack, *more):
    """A process of the same user, outside: by its mark in /proc, and by its number."""
    def test(rope):
        rope.file("secret", "SECRET")
        rope.file("home/secret", "SECRET")
        for belay in (False, True):
            victim = Victim(rope)
            try:
                args = ["./attack", attack, victim.pid, victim.mark,
                        *[victim.word if m == "WORD" else m for m in more]]
                p = rope.run(*words(rope, args)) if belay else bare(rope, args)
                check((p.returncode == 0) != belay,
                      "under belay it had its effect:" if belay else "the control had none:", p)
                if belay:
                    time.sleep(0.05)
                    check(victim.process.poll() is None, "the victim is gone")
            finally:
                victim.close()
    return named(name + " of a process outside", test)


# The mark is nobody's, so the number counts: 1, the jail's init.
INIT = [("ptrace", "trace"), ("process_vm_writev", "write_memory", "ffff0000"),
        ("/proc/1/mem", "write_memory_file", "ffff0000"), ("pidfd_getfd", "take_descriptor"),
        ("SIGSTOP", "stop_process"), ("SIGUSR1", "send_signal"), ("prlimit", "change_limits"),
        ("sched_setaffinity", "change_schedule"), ("/proc/1/environ", "look_through", "environ"),
        ("/proc/1/root", "look_through", "root/etc/passwd"), ("/proc/1/fd", "look_through", "fd/0"),
        ("/proc/1/exe", "look_through", "exe")]


def init(name, attack, *more):
    def test(rope):
        arm(rope)
        p = rope.sh("sleep 0.1; ./attack %s 1 nobody-has-this-mark %s; echo CODE $?; "
                    "kill -0 $$ && echo ALIVE" % (attack, " ".join(more)))
        check("CODE 1" in p.stdout and "ALIVE" in p.stdout, p)
    return named(name + " of the jail's init", test)


@tier_b_lacks("that other processes are there can be seen")
def belays_own_processes(rope):
    """Whatever number the agent tries, no process but its own answers."""
    script = """
import os
own = {os.getpid(), os.getppid()}
seen = []
for pid in range(1, 70000):
    if pid in own:
        continue
    try:
        os.kill(pid, 0)
        seen.append(pid)
    except ProcessLookupError:
        pass
    except PermissionError:
        if pid != 1:
            seen.append(pid)
print("SEEN", seen)
"""
    p = rope.run("python3", "-c", script)
    check("SEEN []" in p.stdout, p)
    control = bare(rope, ["python3", "-c", script])
    check("SEEN []" not in control.stdout, "the control sees nobody either", control)


def a_signal_to_all(rope):
    """kill(-1) reaches the agent's own and nobody else."""
    victim = Victim(rope)
    try:
        p = rope.sh("trap '' USR1; kill -USR1 -1; echo SENT; sleep 0.2; echo ALIVE")
        check("ALIVE" in p.stdout, p)
        check(victim.process.poll() is None, "the signal left the jail")
    finally:
        victim.close()


def tree_of(pid):
    kids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                        kids.append(int(name))
            except OSError:
                pass
    return kids


def grows(path):
    def size():
        return os.path.getsize(path) if os.path.exists(path) else 0
    before = size()
    time.sleep(0.4)
    return size() > before


def end(mark):
    from rope import find_processes
    for pid in find_processes(mark):
        os.kill(pid, signal.SIGKILL)


def what_hides_does_not_outlive_the_agent(rope):
    """setsid, two forks, every signal ignored: a time bomb that waits for the agent's end."""
    arm(rope)
    tick = os.path.join(rope.work, "tick")
    bare(rope, ["./attack", "outlive", tick])
    try:
        wait_for(lambda: grows(tick), "the control to outlive its parent", 5)
    finally:
        end(tick)
    time.sleep(0.1)
    os.unlink(tick)
    p = rope.sh("./attack outlive '%s'; sleep 0.5" % tick)
    check(p.returncode == 0 and os.path.getsize(tick) > 0, "it never ran, so nothing is shown", p)
    check(not grows(tick), "it outlived the agent")


def what_hides_does_not_outlive_a_kill(rope):
    arm(rope)
    tick = os.path.join(rope.work, "tick")
    p = rope.start_sh("./attack outlive '%s'; nohup setsid ./attack outlive '%s' & sleep 60" %
                      (tick, tick))
    rope.session()
    wait_for(lambda: os.path.exists(tick) and grows(tick), "the first tick", 10)
    check(rope.belay("kill", "--all").returncode == 0)
    p.wait(timeout=20)
    check(not grows(tick), "it outlived the kill")


def what_hides_does_not_outlive_the_keeper(rope):
    arm(rope)
    tick = os.path.join(rope.work, "tick")
    p = rope.start_sh("./attack outlive '%s'; sleep 60" % tick)
    rope.session()
    wait_for(lambda: os.path.exists(tick) and grows(tick), "the first tick", 10)
    p.kill()
    p.wait(timeout=20)
    wait_for(lambda: not grows(tick), "its end", 5)


FILL = """
import os, sys, time
made = 0
try:
    while made < 3000:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError:
    pass
print("MADE", made, flush=True)
"""


@tier_b_lacks("the limit of processes does not hold root")
def pids_of_the_host_are_not_filled(rope):
    """Children that sleep: the session's limit holds, and the host can still start programs."""
    config = rope.file("config/belay/belay.yaml", "watch: {processes: 0}\nlimits: {processes: 350}\n")
    p = rope.run("python3", "-c", FILL, options=["--config", config])
    made = int(p.stdout.split()[1])
    check(100 < made <= 350, p)
    check(subprocess.run(["true"]).returncode == 0)
    control = bare(rope, ["timeout", "-s", "KILL", "60", "sh", "-c", "exec setsid -w python3 -c '%s'" %
                          FILL.replace("3000", "500").replace("60", "1")])
    check("MADE 500" in control.stdout, "the control was limited too:", control)


SEGMENT = """
import ctypes, sys
c = ctypes.CDLL(None, use_errno=True)
c.shmat.restype = ctypes.c_void_p
at = c.shmat(int(sys.argv[1]), None, 0)
print("ATTACHED" if at not in (None, ctypes.c_void_p(-1).value) else "refused")
"""


def shared_memory_of_the_host(rope):
    """A System V segment of the same user, by its number."""
    import ctypes
    c = ctypes.CDLL(None, use_errno=True)
    segment = c.shmget(0, 4096, 0o1600)
    if segment < 0:
        raise Skip("no System V shared memory")
    try:
        control = bare(rope, ["python3", "-c", SEGMENT, str(segment)])
        check("ATTACHED" in control.stdout, control)
        p = rope.run("python3", "-c", SEGMENT, str(segment))
        check("refused" in p.stdout, p)
    finally:
        c.shmctl(segment, 0, None)


def memory_of_a_process_that_is_not_dumpable(rope):
    """/proc/self/mem of the agent's own: no way to write what kern already judged.

    In tier B some can be opened (numbers of descriptors, the empty maps of the kernel's own threads):
    there it is what can be read.
    """
    if not os.path.exists("/proc/self/mem"):
        raise Skip("no /proc")
    p = rope.run("python3", "-c", "TIER = %r" % TIER + """
import os, glob
for folder in glob.glob("/proc/[0-9]*"):
    for name in ("mem", "fd", "root", "cwd", "environ", "maps"):
        pid = int(folder[6:])
        if pid in (os.getpid(), os.getppid()):
            continue
        try:
            fd = os.open("%s/%s" % (folder, name), os.O_RDONLY)
            if TIER != "b" or name in ("root", "cwd") or (
                    [os.readlink("%s/fd/%s" % (folder, n)) for n in os.listdir(fd)] if name == "fd"
                    else os.read(fd, 1)):
                print("OPENED", folder, name)
        except OSError:
            pass
""")
    check("OPENED" not in p.stdout, p)


if __name__ == "__main__":
    main([outside(*a) for a in OUTSIDE] + [init(*a) for a in INIT] +
         [belays_own_processes, a_signal_to_all, what_hides_does_not_outlive_the_agent,
          what_hides_does_not_outlive_a_kill, what_hides_does_not_outlive_the_keeper,
          pids_of_the_host_are_not_filled, shared_memory_of_the_host, memory_of_a_process_that_is_not_dumpable])
