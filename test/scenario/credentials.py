# SPDX-License-Identifier: Apache-2.0
"""Credentials that the agent uses and never holds: their values are nowhere that it can look."""
import hashlib
import os
import subprocess
import sys

from rope import Skip, check, main, wait_for

PREFIX = "sk-ant-api03-"
SECRET = PREFIX + hashlib.sha256(os.urandom(16)).hexdigest()
FILE_SECRET = PREFIX + hashlib.sha256(os.urandom(16)).hexdigest()
PRINTED_SECRET = PREFIX + hashlib.sha256(os.urandom(16)).hexdigest()

SETTINGS = """
credentials:
  anthropic:
    from: {env: ANTHROPIC_API_KEY}
    to: [api.anthropic.com/v1/*]
    header: x-api-key
  filed:
    from: {file: %s}
    to: [a.example]
    env: FILED_KEY
  printed:
    from: {command: [cat, %s]}
    to: [b.example]
    env: PRINTED_KEY
"""

# Looks for values of which it knows only a hash, in all that a process can read of others and itself.
SEARCH = r"""
import hashlib, os, re, sys
prefix, wanted = sys.argv[1].encode(), set(sys.argv[2].split(","))
def holds(data):
    for m in re.finditer(re.escape(prefix), data):
        one = data[m.start():m.start() + len(prefix) + 64]
        if hashlib.sha256(one).hexdigest() in wanted:
            return True
    return False
def memory(pid):
    found = False
    with open("/proc/%s/maps" % pid) as maps, open("/proc/%s/mem" % pid, "rb", 0) as mem:
        for line in maps:
            where, mode = line.split()[:2]
            if "r" not in mode or "[v" in line:
                continue
            start, end = (int(x, 16) for x in where.split("-"))
            try:
                mem.seek(start)
                found |= holds(mem.read(min(end - start, 64 << 20)))
            except OSError:
                pass
    return found
looked = 0
for pid in sys.argv[3].split(",") if len(sys.argv) > 3 else [p for p in os.listdir("/proc") if p.isdigit()]:
    for name in ("environ", "cmdline"):
        try:
            with open("/proc/%s/%s" % (pid, name), "rb") as f:
                if holds(f.read()):
                    print("found in", pid, name)
        except OSError:
            pass
    try:
        if memory(pid):
            print("found in", pid, "memory")
        looked += 1
    except OSError:
        pass
for top in (os.environ.get("HOME", "/"), ".", "/tmp", "/run"):
    for folder, _, names in os.walk(top) if len(sys.argv) < 4 else []:
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as f:
                    if holds(f.read(1 << 20)):
                        print("found in", os.path.join(folder, name))
            except OSError:
                pass
print("looked into", looked)
"""


def hashes():
    return ",".join(hashlib.sha256(s.encode()).hexdigest()
                    for s in (SECRET, FILE_SECRET, PRINTED_SECRET))


def settings(rope):
    first = rope.file("secrets/first", FILE_SECRET + "\n", 0o600)
    second = rope.file("secrets/second", "  " + PRINTED_SECRET + "  \nmore\n", 0o600)
    return rope.file("config/belay/belay.yaml", SETTINGS % (first, second))


def env(rope, **more):
    return rope.env(ANTHROPIC_API_KEY=SECRET, **more)


def search(rope):
    return rope.file("work/search.py", SEARCH)


def the_agent_has_placeholders(rope):
    settings(rope)
    r = rope.sh("echo $ANTHROPIC_API_KEY; echo $FILED_KEY; echo $PRINTED_KEY", env=env(rope))
    lines = r.stdout.split()
    check(r.returncode == 0 and len(lines) == 3, r)
    for line, secret in zip(lines, (SECRET, FILE_SECRET, PRINTED_SECRET)):
        check(line.startswith(PREFIX + "belay") and len(line) == len(secret), line)
        check(line[len(PREFIX):] not in secret and secret[len(PREFIX):] not in line, line)
    check(len(set(lines)) == 3, lines)


def values_are_nowhere_in_the_jail(rope):
    settings(rope)
    search(rope)
    r = rope.run("python3", "search.py", PREFIX, hashes(), env=env(rope))
    check(r.returncode == 0 and "looked into" in r.stdout and "looked into 0" not in r.stdout, r)
    check("found in" not in r.stdout, r.stdout)


def without_it_the_search_finds_them(rope):
    """The control: the same search, with the same key passed as any other variable."""
    search(rope)
    r = rope.run("python3", "search.py", PREFIX, hashes(), options=["-e", "ANTHROPIC_API_KEY"],
                 env=env(rope))
    check(r.returncode == 0 and "environ" in r.stdout and "memory" in r.stdout, r)


def roles(session_leader):
    """The pids of belay's processes below the one that was started: their names say which."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % name) as f:
                rest = f.read().rsplit(")", 1)
        except OSError:
            continue
        if name.isdigit() and int(rest[1].split()[1]) == session_leader:
            found[rest[0].split("(", 1)[1]] = int(name)
    return found


def only_the_gate_holds_them(rope):
    settings(rope)
    p = rope.start_sh("sleep 60", env=env(rope))
    session = rope.session()
    path = search(rope)
    found = wait_for(lambda: {k: v for k, v in roles(p.pid).items() if k.startswith("belay-")},
                     "the roles")
    check("belay-gate" in found, found)
    pids = {"keeper": p.pid, **found}
    told = {}
    for name, pid in pids.items():
        told[name] = rope_python(path, str(pid))
    looked = [name for name, text in told.items() if "looked into 1" in text]
    for name in looked:
        check(("found in" in told[name]) == (name == "belay-gate"), name, told[name])
    record = os.path.dirname(rope.record(session))
    rope.belay("kill")
    p.wait(timeout=20)
    for name in os.listdir(record):
        with open(os.path.join(record, name), "rb") as f:
            data = f.read()
        for secret in (SECRET, FILE_SECRET, PRINTED_SECRET):
            check(secret.encode() not in data, name)
    if "belay-gate" not in looked or "keeper" not in looked:
        raise Skip("this user may not read the memory of belay's processes")


def rope_python(path, pid):
    return subprocess.run([sys.executable, path, PREFIX, hashes(), pid], capture_output=True,
                          text=True, timeout=60).stdout


def refused(rope, text, said, options=(), command=("true",), **more):
    rope.file("config/belay/belay.yaml", text)
    r = rope.run(*command, options=options, env=env(rope, **more))
    check(r.returncode == 120 and said in r.stderr, r)
    check(SECRET not in r.stderr and FILE_SECRET not in r.stderr, r.stderr)


def what_cannot_be_kept_from_the_agent_is_refused(rope):
    one = "credentials: {a: {from: {%s}, to: [a.example]}}\n"
    key = rope.file("work/key", FILE_SECRET + "\n", 0o600)
    refused(rope, one % ("file: " + key), "the agent can read")
    refused(rope, one % "file: key", "no absolute path")
    refused(rope, one % "file: /nonexistent", "No such file")
    refused(rope, one % "env: NOT_SET_ANYWHERE", "is not set")
    refused(rope, one % "env: BAD", "holds blanks", BAD="a b")
    refused(rope, one % "command: [false]", "false failed")
    refused(rope, one % "command: [no-such-program]", "cannot be run")
    refused(rope, one % "env: ANTHROPIC_API_KEY", "argument 1 of the command holds credential a",
            command=("echo", "key=" + SECRET))
    policy = rope.file("config/inject.cedar",
                       '@inject("b") permit (principal, action == Action::"request", '
                       'resource == Host::"a.example");\n')
    refused(rope, one % "env: ANTHROPIC_API_KEY", "which belay.yaml does not name",
            options=["-p", "coding", "-p", policy])


def another_variable_with_the_value_does_not_pass(rope):
    settings(rope)
    r = rope.sh("env", options=["-e", "COPY"], env=env(rope, COPY="x" + SECRET))
    check(r.returncode == 0 and SECRET not in r.stdout and "COPY" not in r.stdout, r.stdout)
    check("the variable COPY does not pass" in r.stderr and SECRET not in r.stderr, r.stderr)


if __name__ == "__main__":
    main([the_agent_has_placeholders, values_are_nowhere_in_the_jail,
          without_it_the_search_finds_them, only_the_gate_holds_them,
          what_cannot_be_kept_from_the_agent_is_refused,
          another_variable_with_the_value_does_not_pass])
