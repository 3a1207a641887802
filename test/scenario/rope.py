# SPDX-License-Identifier: Apache-2.0
"""What the scenario tests share: a home of their own, belay in it, TAP on standard output.

Only the standard library. Every wait is bounded; every process started is ended by its pid.
"""
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BELAY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/belay")
TIER = os.environ.get("BELAY_TEST_TIER")  # "b": every run is held without namespaces
WAIT = 30  # seconds that anything may take before it counts as hung


class Skip(Exception):
    pass


def tier_b_lacks(reason):
    """Marks a test of what tier B cannot hold: there it is skipped, by name."""
    def mark(test):
        @functools.wraps(test)
        def run(rope):
            if TIER == "b":
                raise Skip("tier B: " + reason)
            test(rope)
        return run
    return mark


class Rope:
    """One user's world: home, state, runtime folder, workspace; removed at the end."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="rope-")
        os.chmod(self.top, 0o755)
        self.home = self.folder("home")
        self.state = self.folder("state")
        self.runtime = self.folder("runtime", 0o700)
        self.config = self.folder("config")
        self.work = self.folder("work")
        self.children = []

    def folder(self, name, mode=0o755):
        path = os.path.join(self.top, name)
        os.mkdir(path, mode)
        return path

    def file(self, path, text, mode=0o644):
        full = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        os.chmod(full, mode)
        return full

    def env(self, **more):
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": self.home,
            "XDG_STATE_HOME": self.state,
            "XDG_RUNTIME_DIR": self.runtime,
            "XDG_CONFIG_HOME": self.config,
            "TERM": "xterm",
            "LANG": "C.UTF-8",
        }
        env.update(more)
        return env

    def start(self, *args, **kw):
        kw.setdefault("cwd", self.work)
        kw.setdefault("env", self.env())
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        kw.setdefault("text", True)
        if TIER and args[0] == "run":
            args = ("run", "--tier", TIER, *args[1:])
        p = subprocess.Popen([BELAY, *args], **kw)
        self.children.append(p)
        return p

    def belay(self, *args, timeout=WAIT, **kw):
        p = self.start(*args, **kw)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError("belay %s hung; it said: %s %s" % (args, out, err))
        return subprocess.CompletedProcess(args, p.returncode, out, err)

    def run(self, *command, options=(), **kw):
        return self.belay("run", *options, "--", *command, **kw)

    def sh(self, script, options=(), **kw):
        return self.run("sh", "-c", script, options=options, **kw)

    def start_sh(self, script, options=(), **kw):
        return self.start("run", *options, "--", "sh", "-c", script, **kw)

    def log(self, session=None):
        """The lines of a record (default: the newest), parsed."""
        args = ["log", "--json"] + ([session] if session else [])
        out = self.belay(*args).stdout
        return [json.loads(line) for line in out.splitlines()]

    def sessions(self):
        return json.loads(self.belay("ps", "--json").stdout)

    def session(self):
        """Waits for the one running session and returns its id."""
        return wait_for(lambda: [s["session"] for s in self.sessions() if s["state"] not in ("starting", "staged")],
                        "a session")[0]

    def pending(self):
        return json.loads(self.belay("pending", "--json").stdout)

    def record(self, session):
        return os.path.join(self.state, "belay/sessions", session, "record.jsonl")

    def close(self):
        for p in self.children:
            if p.poll() is None:
                p.kill()
                p.wait()
            for stream in (p.stdout, p.stderr, p.stdin):
                if stream:
                    stream.close()
        shutil.rmtree(self.top, ignore_errors=True)


def wait_for(condition, what, seconds=WAIT):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited %s s in vain for %s" % (seconds, what))


def check(condition, *details):
    if not condition:
        raise AssertionError(" ".join(str(d) for d in details) or "check failed")


def alive(pid):
    """Runs, as seen from outside: neither gone nor a zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def find_processes(mark):
    """Pids of processes with `mark` in their command line."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/cmdline" % name, "rb") as f:
                if mark.encode() in f.read():
                    found.append(int(name))
        except OSError:
            pass
    return [pid for pid in found if alive(pid)]


def main(tests):
    signal.alarm(600)
    print("1..%d" % len(tests))
    failures = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        rope = Rope()
        try:
            test(rope)
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except Exception as problem:  # noqa: BLE001 - any failure is a failed test
            failures += 1
            for line in str(problem).splitlines() or [repr(problem)]:
                print("# " + line)
            print("not ok %d - %s (%s)" % (number, name, type(problem).__name__), flush=True)
        finally:
            rope.close()
    sys.exit(1 if failures else 0)
