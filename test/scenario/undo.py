# SPDX-License-Identifier: Apache-2.0
"""Undo: where a rule has @undo, what a session changed can be brought back."""
import json
import os
import subprocess
import time

from rope import Skip, check, main, tier_b_lacks
from stage import fill, lines, tree

POLICY = """permit (principal, action in [Action::"read", Action::"exec"], resource);
@undo
permit (principal, action in [Action::"write", Action::"create", Action::"delete"], resource)
when { resource in principal.workspace || resource in [Dir::"/tmp", Dir::"/dev"] };
"""

CHANGES = ("echo three >> a; echo x > a; rm b; rm -r d; mv m moved; mkdir n; echo new > n/f; ln -sf b link; "
           "chmod 755 tool; : > bin; ln moved/z hard; truncate -s 1 moved/z; mkfifo pipe; echo t > /tmp/own")


def run(rope, script, config=None, **kw):
    policy = rope.file("home/p.cedar", POLICY)
    options = ["--policy", policy] + (["--config", config] if config else [])
    return rope.sh(script, options=options, **kw)


@tier_b_lacks("/tmp is closed")
def everything_comes_back(rope):
    fill(rope)
    before = tree(rope.work)
    done = run(rope, CHANGES)
    check(done.returncode == 0, done.stderr)
    check(tree(rope.work) != before)
    done = rope.belay("undo")
    check(done.returncode == 0, done.stdout, done.stderr)
    after = tree(rope.work)
    check(after == before, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys()
                            if before.get(k) != after.get(k)})
    check("only the session could see" in done.stderr, done.stderr)
    left = rope.belay("undo", "--list").stdout
    check(left == "", left)


def only_what_is_named(rope):
    fill(rope)
    run(rope, CHANGES)
    check(rope.belay("undo", "a", "d").returncode == 0)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\n")
    check(lines(os.path.join(rope.work, "d/deep/y")) == "y\n")
    check(not os.path.exists(os.path.join(rope.work, "b")))


def the_list_says_what_and_why(rope):
    fill(rope)
    run(rope, "echo three >> a; rm b; echo new > n")
    found = {os.path.basename(c["path"]): c for c in json.loads(rope.belay("undo", "--list", "--json").stdout)}
    check({k: c["would"] for k, c in found.items()} == {"a": "restore", "b": "bring back", "n": "remove"}, found)
    record = {line["seq"]: line for line in rope.log()}
    check(record[found["b"]["event"]]["resource"]["id"].endswith("/b"), record[found["b"]["event"]])
    check(lines(os.path.join(rope.work, "a")).endswith("three\n"), "a list changed something")


def what_changed_since_stays(rope):
    fill(rope)
    run(rope, "echo three >> a; rm b; echo new > n")
    time.sleep(0.02)
    for name in ("a", "b", "n"):
        with open(os.path.join(rope.work, name), "a") as f:
            f.write("mine\n")
    done = rope.belay("undo")
    check(done.returncode == 1, done.stdout)
    for name in ("a", "b", "n"):
        check("mine" in lines(os.path.join(rope.work, name)), name)
    check(rope.belay("undo", "--force").returncode == 0)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\n")
    check(not os.path.exists(os.path.join(rope.work, "n")))


def while_it_runs_only_by_force(rope):
    fill(rope)
    policy = rope.file("home/p.cedar", POLICY)
    p = rope.start("run", "--policy", policy, "--", "sh", "-c", "echo three >> a; echo ready; read line; cat a",
                   stdin=subprocess.PIPE)
    check(p.stdout.readline().strip() == "ready")
    check(rope.belay("undo", "a").returncode == 1)
    check(rope.belay("undo", "--force", "a").returncode == 0)
    out, err = p.communicate("\n", timeout=30)
    check(out == "one\ntwo\n", out, err)


def without_room_nothing_is_changed_for_good(rope):
    fill(rope)
    with open(os.path.join(rope.work, "large"), "wb") as f:
        f.write(b"x" * 300000)
    with open(os.path.join(rope.work, "sparse"), "wb") as f:
        f.truncate(1 << 38)
    config = rope.file("home/c.yaml", "undo: {bytes: 100000, files: 20}\n")
    done = run(rope, "echo x >> large; rm large; mv large l2; truncate -s 1 sparse; echo three >> a; "
                     "for i in $(seq 40); do echo x > f$i; done; ls | wc -l", config=config)
    check("quota" in done.stderr.lower(), done.stderr)
    check(os.path.getsize(os.path.join(rope.work, "large")) == 300000)
    check(sum(n.startswith("f") for n in os.listdir(rope.work)) < 20)
    check(rope.belay("undo").returncode == 0)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\n")
    check(os.path.getsize(os.path.join(rope.work, "sparse")) == 1 << 38)
    check(os.stat(os.path.join(rope.work, "sparse")).st_blocks < 100)
    check(any("no copy for undo" in json.dumps(line) for line in rope.log()))


def links_put_there_since_lead_nowhere(rope):
    fill(rope)
    outside = rope.folder("outside")
    run(rope, "rm -r d; echo x > a")
    os.symlink(outside, os.path.join(rope.work, "d"))
    done = rope.belay("undo", "--force", "d/x", "d/deep")
    check(os.listdir(outside) == [], done.stderr)
    check(rope.belay("undo", "--force").returncode == 0)
    check(lines(os.path.join(rope.work, "d/x")) == "x\n")


def hostile_names(rope):
    fill(rope)
    before = tree(rope.work)
    done = run(rope, r"""python3 - <<'E'
import os
evil = b'\x1b]0;pwned\x07\n\xff\xe2\x80\xae"\\'
os.mkdir(evil)
open(evil + b'/' + evil, 'w').close()
os.rename(b'a', evil + b'/a')
E""")
    check(done.returncode == 0, done.stderr)
    out = rope.belay("undo", "--list").stdout
    check("\x1b" not in out and "\x07" not in out, out)
    done = rope.belay("undo")
    check(done.returncode == 0, done.stderr)
    check(tree(rope.work) == before)


def damaged_copies_are_refused(rope):
    fill(rope)
    run(rope, "echo three >> a; rm b")
    sessions = os.path.join(rope.state, "belay/sessions")
    copies = os.path.join(sessions, os.listdir(sessions)[0], "undo/copies")
    with open(copies, "r+b") as f:
        data = bytearray(f.read())
    at = data.find(b"/work/a")
    check(at > 0)
    outside = rope.file("outside/a", "mine\n")
    data[at:at + 7] = b"/../a\0x"
    with open(copies, "wb") as f:
        f.write(data)
    before = tree(rope.top)
    done = rope.belay("undo", "--force")
    check(done.returncode == 1 and "damaged" in done.stderr, done.stderr)
    check(lines(outside) == "mine\n")
    after = tree(rope.top)
    check({k for k in before if before[k] != after[k]} <= {os.path.relpath(copies, rope.top)})


def a_session_without_undo_has_none(rope):
    fill(rope)
    check(rope.sh("echo three >> a").returncode == 0)
    done = rope.belay("undo")
    check(done.returncode == 1 and "no session" in done.stderr, done.stderr)


@tier_b_lacks("/tmp is closed")
def works_for_an_ordinary_user(rope):
    if os.geteuid() != 0:
        raise Skip("it runs as one already")
    fill(rope)
    rope.file("home/p.cedar", POLICY)
    for folder, folders, files in os.walk(rope.top):
        os.chown(folder, 65534, 65534)
        for name in files:
            os.chown(os.path.join(folder, name), 65534, 65534, follow_symlinks=False)

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    before = tree(rope.work)
    done = rope.sh(CHANGES, options=("--policy", os.path.join(rope.home, "p.cedar")), preexec_fn=drop)
    check(done.returncode == 0, done.stderr)
    done = rope.belay("undo", preexec_fn=drop)
    check(done.returncode == 0, done.stderr)
    check(tree(rope.work) == before)


if __name__ == "__main__":
    main([everything_comes_back, only_what_is_named, the_list_says_what_and_why, what_changed_since_stays,
          while_it_runs_only_by_force, without_room_nothing_is_changed_for_good,
          links_put_there_since_lead_nowhere, hostile_names, damaged_copies_are_refused,
          a_session_without_undo_has_none, works_for_an_ordinary_user])
