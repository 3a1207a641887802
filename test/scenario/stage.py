# SPDX-License-Identifier: Apache-2.0
"""Staged work: what the agent does stays away from the workspace until a person keeps it."""
import json
import os
import shutil
import stat
import subprocess
import time

from rope import BELAY, Skip, check, main, wait_for

USER = 65534


def lines(path):
    with open(path) as f:
        return f.read()


def tree(top):
    """Everything below a folder: kind, mode, content."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            what = os.readlink(path) if stat.S_ISLNK(st.st_mode) else None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what = f.read()
            found[os.path.relpath(path, top)] = (st.st_mode, what)
    return found


def fill(rope):
    rope.file("work/a", "one\ntwo\n")
    rope.file("work/b", "b\n")
    rope.file("work/d/x", "x\n")
    rope.file("work/d/deep/y", "y\n")
    rope.file("work/m/z", "some content to recognise\n")
    rope.file("work/tool", "#!/bin/sh\n")
    with open(os.path.join(rope.work, "bin"), "wb") as f:
        f.write(b"\0\1\2" * 100)
    os.symlink("a", os.path.join(rope.work, "link"))
    time.sleep(0.02)  # the clock of file times must move on


def staged(rope, script, **kw):
    done = rope.sh(script, options=("--stage",), **kw)
    check(done.returncode == 0, done.returncode, done.stdout, done.stderr)
    return done


def start(rope, script):
    """A staged session that runs until it reads a line; returns when it said that it is ready."""
    p = rope.start("run", "--stage", "--", "sh", "-c", script, stdin=subprocess.PIPE)
    session = rope.session()
    check(p.stdout.readline().strip() == "ready")
    return p, session


def finish(p):
    p.stdin.write("\n")
    p.stdin.flush()
    out, err = p.communicate(timeout=30)
    check(p.returncode == 0, p.returncode, out, err)
    return out


def changes(rope, *args):
    done = rope.belay("diff", "--json", *args)
    check(done.returncode == 0, done.stderr)
    return {c["path"]: c for c in json.loads(done.stdout)}


def upper(rope):
    sessions = os.path.join(rope.state, "belay/sessions")
    return [os.path.join(sessions, s, "stage/upper") for s in os.listdir(sessions)
            if os.path.isdir(os.path.join(sessions, s, "stage"))][0]


EDIT = ("echo three >> a; rm b; rm -r d; mv m/z m/renamed; mkdir n; echo new > n/f; chmod 755 n/f; "
        "ln -sf b link; printf '\\0' >> bin; chmod 755 tool; touch m")


def the_workspace_stays_as_it_was(rope):
    fill(rope)
    before = tree(rope.work)
    done = staged(rope, EDIT + "; cat a; ls")
    check("three" in done.stdout and "\nn\n" in done.stdout, done.stdout)
    check(tree(rope.work) == before, "the workspace changed")
    check("belay keep" in done.stderr and "belay discard" in done.stderr, done.stderr)
    check([(s["state"], s["workspace"]) for s in rope.sessions()] == [("staged", rope.work)], rope.sessions())
    check(" staged " in rope.belay("ps").stdout and "staged work" in rope.belay("log", "sessions").stdout)


def diff_shows_every_kind_of_change(rope):
    fill(rope)
    staged(rope, EDIT)
    found = changes(rope)
    kinds = {path: c["change"] for path, c in found.items()}
    check(kinds == {"a": "changed", "b": "deleted", "bin": "changed", "d": "deleted",
                    "d/deep": "deleted", "d/deep/y": "deleted", "d/x": "deleted",
                    "link": "changed", "m/renamed": "renamed", "n": "added",
                    "n/f": "added", "tool": "mode"}, kinds)
    check(found["m/renamed"]["from"] == "m/z")
    check(found["tool"]["mode_after"] == "100755")
    text = rope.belay("diff").stdout
    for part in ("--- a/a\n+++ b/a\n@@ -1,2 +1,3 @@\n one\n two\n+three\n", "binary: 300 bytes -> 301",
                 "mode file tool (mode 0644 -> 0755)", "renamed file m/z -> m/renamed",
                 "changed link link\n-a\n+b\n", "deleted folder d\n"):
        check(part in text, part, "is not in", text)
    check("+1 -0" in rope.belay("diff", "--stat", "a").stdout)
    check(rope.belay("diff", "--name-only", "n").stdout == "n\nn/f\n")


def keep_takes_over_what_is_named(rope):
    fill(rope)
    staged(rope, EDIT)
    done = rope.belay("keep", "a", "n/f")
    check(done.returncode == 0, done.stderr)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\nthree\n")
    check(os.stat(os.path.join(rope.work, "n/f")).st_mode & 0o777 == 0o755)
    check(os.path.exists(os.path.join(rope.work, "b")), "what was not named was kept")
    left = changes(rope)
    check("a" not in left and "n" not in left and "n/f" not in left and "b" in left, left)


def keep_of_all_gives_the_agents_tree(rope):
    fill(rope)
    done = staged(rope, EDIT + "; mkdir -m 555 closed")
    want = rope.belay("diff", "--name-only").stdout
    check("closed" in want)
    done = rope.belay("keep")
    check(done.returncode == 0, done.stdout, done.stderr)
    check(not os.path.lexists(os.path.join(rope.work, "d")))
    check(os.readlink(os.path.join(rope.work, "link")) == "b")
    check(os.stat(os.path.join(rope.work, "closed")).st_mode & 0o777 == 0o555)
    check(lines(os.path.join(rope.work, "m/renamed")) == "some content to recognise\n")
    check(not [n for n in tree(rope.work) if ".belay" in n], "temporary files were left")
    check(rope.belay("diff").returncode == 1, "the staged work is still there")


def discard_drops(rope):
    fill(rope)
    before = tree(rope.work)
    staged(rope, EDIT)
    check(rope.belay("discard", "a").returncode == 0)
    check("a" not in changes(rope))
    check(rope.belay("keep", "a").returncode == 1, "what was dropped was kept")
    check(rope.belay("discard").returncode == 0)
    check(tree(rope.work) == before)
    check(rope.belay("diff").returncode == 1)
    check("stage" not in os.listdir(os.path.dirname(rope.record(os.listdir(
        os.path.join(rope.state, "belay/sessions"))[0]))))


def nothing_changed_leaves_nothing(rope):
    fill(rope)
    done = staged(rope, "cat a >/dev/null")
    check("changed nothing" in done.stderr, done.stderr)
    check(rope.belay("diff").returncode == 1)


def a_changed_original_is_never_overwritten_unasked(rope):
    fill(rope)
    staged(rope, EDIT)
    for name in ("a", "d/x", "b"):
        with open(os.path.join(rope.work, name), "a") as f:
            f.write("mine\n")
    rope.file("work/n", "mine\n")  # where the agent made a folder
    found = changes(rope)
    check(all(found[p]["original_changed"] for p in ("a", "b", "d/x")), found)
    check(not found["tool"]["original_changed"] and not found["link"]["original_changed"], found)
    done = rope.belay("keep")
    check(done.returncode == 1 and "has changed since" in done.stderr, done.stderr)
    for name in ("a", "b", "d/x", "n"):
        check("mine" in lines(os.path.join(rope.work, name)), name)
    check(os.readlink(os.path.join(rope.work, "link")) == "b", "the others were to be kept")
    done = rope.belay("keep", "--force", "a", "d/x")
    check(done.returncode == 0, done.stderr)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\nthree\n")
    check(not os.path.exists(os.path.join(rope.work, "d/x")))


def a_replaced_original_is_seen(rope):
    """Other files under the same names, with times from long ago: only their identity tells."""
    fill(rope)
    rope.file("work/other/x", "another x\n")
    os.utime(os.path.join(rope.work, "other/x"), (1, 1))
    p, session = start(rope, "echo agent >> d/x; echo ready; read line")
    os.rename(os.path.join(rope.work, "d"), os.path.join(rope.work, "old"))
    os.rename(os.path.join(rope.work, "other"), os.path.join(rope.work, "d"))
    finish(p)
    check(changes(rope, session, "d/x")["d/x"]["original_changed"])
    check(rope.belay("keep", "d/x").returncode == 1)
    check(lines(os.path.join(rope.work, "d/x")) == "another x\n")


def keep_and_discard_while_it_runs(rope):
    fill(rope)
    p, session = start(rope, EDIT + "; echo ready; read line; echo four >> a; cat a b d/x; ls n; "
                                    "echo again; read line; cat a; ls")
    check(rope.belay("keep", "a", "n").returncode == 0)
    check(lines(os.path.join(rope.work, "a")).endswith("three\n"))
    done = rope.belay("discard", "b", "d", "link")
    check(done.returncode == 0, done.stdout, done.stderr)
    check(set(changes(rope)) == {"bin", "m/renamed", "tool"}, changes(rope))
    check(rope.sessions()[0]["state"] == "running", "it was left frozen")
    p.stdin.write("\n")
    p.stdin.flush()
    seen = []
    while not seen or seen[-1] != "again":
        seen.append(p.stdout.readline().strip())
    check(seen == ["one", "two", "three", "four", "b", "x", "f", "again"], seen)
    found = changes(rope)
    check(set(found) == {"a", "bin", "m/renamed", "tool"}, found)
    check(not found["a"]["original_changed"], "what belay kept counts as changed by others")
    check(rope.belay("keep", "a").returncode == 0)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\nthree\nfour\n")
    finish(p)
    check(rope.belay("keep").returncode == 0)
    check(rope.belay("diff").returncode == 1)


def edits_of_others_after_a_keep_are_theirs(rope):
    fill(rope)
    p, session = start(rope, "echo three >> a; echo new > n; echo ready; read line")
    check(rope.belay("keep").returncode == 0)
    time.sleep(0.02)
    with open(os.path.join(rope.work, "a"), "a") as f:
        f.write("mine\n")
    check(changes(rope) == {}, "another's edit is shown as the agent's")
    finish(p)
    check(lines(os.path.join(rope.work, "a")).endswith("mine\n"))


def rules_hold_on_the_overlay(rope):
    fill(rope)
    rope.file("work/.git/hooks/keep", "")
    rope.file("work/secret/key", "top secret\n")
    policy = rope.file("home/p.cedar", 'permit (principal, action, resource);\n'
                       '@id("no-hooks") forbid (principal, action in [Action::"write", '
                       'Action::"create", Action::"delete"], resource) when '
                       '{ resource.path like "*/.git/hooks/*" };\n'
                       '@id("no-secret") forbid (principal, action, resource) when '
                       '{ resource in Dir::"%s/secret" };\n' % rope.work)
    done = rope.sh("echo x > .git/hooks/post-commit; mv .git g && echo x > g/hooks/y; "
                   "ln a .git/hooks/l; cat secret/key; echo x > secret/key; rm -rf secret; echo x > fine; "
                   "cat %s/belay/sessions/*/stage/upper/fine" % rope.state,
                   options=("--stage", "--policy", policy))
    check("top secret" not in done.stdout, done.stdout)
    check(set(changes(rope)) == {"fine"}, changes(rope), done.stderr)
    check(rope.belay("keep").returncode == 0)
    check(lines(os.path.join(rope.work, "secret/key")) == "top secret\n")


def a_link_does_not_lead_out_of_the_workspace(rope):
    """Control: without care, a write through the kept link would land outside."""
    fill(rope)
    outside = rope.folder("outside")
    p, session = start(rope, "rm -r d; ln -s %s d; echo ready; read line; rm d; mkdir d; "
                             "echo gotcha > d/x; echo gotcha > d/new; echo ready; read line" % outside)
    check(rope.belay("keep", "d").returncode == 0)
    check(os.readlink(os.path.join(rope.work, "d")) == outside)
    p.stdin.write("\n")
    p.stdin.flush()
    check(p.stdout.readline().strip() == "ready")
    done = rope.belay("keep", "d/x", "d/new")
    check(os.listdir(outside) == [], "it wrote through the link", done.stderr)
    finish(p)
    # the same with a link that another put there meanwhile
    if os.path.islink(os.path.join(rope.work, "d")):
        os.unlink(os.path.join(rope.work, "d"))
    else:
        shutil.rmtree(os.path.join(rope.work, "d"))
    os.symlink(outside, os.path.join(rope.work, "d"))
    rope.belay("keep", "--force", session, "d/new")
    check(os.listdir(outside) == [], "it wrote through the link")


def what_must_not_be_kept_is_told(rope):
    fill(rope)
    staged(rope, "mkfifo pipe; cp /bin/true suid; chmod 4755 suid; cp /bin/true sgid; chmod 2755 sgid; "
                 "chmod u+s tool; echo ok > fine; "
                 "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'")
    done = rope.belay("keep")
    check(done.returncode == 1)
    for name in ("pipe", "suid", "sgid", "sock"):
        check("not kept: %s:" % name in done.stderr, name, done.stderr)
        check(not os.path.lexists(os.path.join(rope.work, name)), name)
    check(os.stat(os.path.join(rope.work, "tool")).st_mode & 0o7000 == 0)
    check(lines(os.path.join(rope.work, "fine")) == "ok\n")


def hostile_names_and_contents_reach_no_terminal(rope):
    fill(rope)
    staged(rope, r"""python3 - <<'E'
import os
evil = b'\x1b]0;pwned\x07\n\xff\xe2\x80\xae"\\'
open(b'n' + evil, 'wb').write(b'c' + evil + b'\x1b[2J\n')
os.mkdir(b'd' + evil)
open(b'd' + evil + b'/' + evil, 'wb').write(b'x')
os.symlink(evil, b'l' + evil)
open('a', 'wb').write(b'\x1b[31mred\r\n')
E""")
    env = {"env": rope.env()}
    for args in (("diff",), ("diff", "--stat"), ("diff", "--name-only")):
        done = subprocess.run([BELAY, *args], cwd=rope.work, env=rope.env(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        for byte in (0x1b, 0x07, 0x0d, 0xff):
            check(byte not in done.stdout + done.stderr, args, hex(byte))
        check("\u202e" not in done.stdout.decode())
    check(len(json.loads(rope.belay("diff", "--json", **env).stdout)) == 5)
    done = rope.belay("keep")
    check(done.returncode == 0, done.stderr)
    with open(os.path.join(os.fsencode(rope.work), b'n\x1b]0;pwned\x07\n\xff\xe2\x80\xae"\\'), "rb") as f:
        check(f.read().startswith(b"c\x1b"))


def large_and_sparse_files(rope):
    fill(rope)
    staged(rope, "truncate -s 1T huge; echo end >> huge; truncate -s 100M zeros; chmod 644 huge")
    check(rope.belay("diff").returncode == 0)
    if os.statvfs(rope.work).f_bavail * os.statvfs(rope.work).f_frsize < 1 << 28:
        raise Skip("no room")
    done = rope.belay("keep")
    check(done.returncode == 0, done.stderr)
    st = os.stat(os.path.join(rope.work, "huge"))
    check(st.st_size == (1 << 40) + 4 and st.st_blocks * 512 < 1 << 20, st)


def deep_trees(rope):
    fill(rope)
    policy = rope.file("home/p.cedar", "permit (principal, action, resource);\n") # kern sees no path
    done = rope.sh("python3 -c 'import os\nfor i in range(3000):\n os.mkdir(\"deep\"); os.chdir(\"deep\")\n"
                   "open(\"f\", \"w\").close()'", options=("--stage", "--policy", policy))
    check(done.returncode == 0, done.stderr)
    done = rope.belay("diff", "--name-only")
    check(done.returncode == 1 and "cannot be compared" in done.stderr, done.stderr)
    check(rope.belay("discard").returncode == 0)
    check(rope.belay("diff").returncode == 1)


def a_folder_becomes_a_file_and_back(rope):
    fill(rope)
    staged(rope, "rm -r d; echo file > d; rm a; mkdir a; echo in > a/b")
    done = rope.belay("keep", "a/b")
    check(done.returncode == 0, done.stderr)
    check(lines(os.path.join(rope.work, "a/b")) == "in\n")
    check(os.path.isdir(os.path.join(rope.work, "d")))
    check(rope.belay("keep").returncode == 0)
    check(lines(os.path.join(rope.work, "d")) == "file\n")


def a_folder_made_again_hides_what_was_in_it(rope):
    fill(rope)
    staged(rope, "rm -r d; mkdir d; echo x > d/x; echo q > d/q")
    found = changes(rope)
    check({p: c["change"] for p, c in found.items()} == {"d/deep": "deleted", "d/deep/y": "deleted",
                                                         "d/q": "added"}, found)
    rope.file("work/d/mine", "mine\n")
    check(changes(rope)["d/mine"]["original_changed"])
    check(rope.belay("keep").returncode == 1)
    check(lines(os.path.join(rope.work, "d/mine")) == "mine\n")


def where_it_cannot_be_had_it_says_so(rope):
    fill(rope)
    inside = os.path.join(rope.work, "state")
    done = rope.sh("true", options=("--stage",), env=rope.env(XDG_STATE_HOME=inside))
    check(done.returncode == 121 and "XDG_STATE_HOME" in done.stderr, done.stderr)
    check(rope.belay("diff").returncode == 1)


def works_for_an_ordinary_user(rope):
    if os.geteuid() != 0:
        raise Skip("it runs as one already")
    fill(rope)
    for folder, folders, files in os.walk(rope.top):
        os.chown(folder, USER, USER)
        for name in files:
            os.chown(os.path.join(folder, name), USER, USER, follow_symlinks=False)

    def drop():
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)

    kw = {"preexec_fn": drop}
    check(staged(rope, EDIT, **kw))
    check(rope.belay("diff", **kw).returncode == 0)
    done = rope.belay("keep", **kw)
    check(done.returncode == 0, done.stderr)
    check(lines(os.path.join(rope.work, "a")) == "one\ntwo\nthree\n")
    p = rope.start("run", "--stage", "--", "sh", "-c", "rm a; echo ready; read l; cat a",
                   stdin=subprocess.PIPE, **kw)
    check(p.stdout.readline().strip() == "ready")
    done = rope.belay("discard", "a", **kw)
    check(done.returncode == 0, done.stderr)
    check(finish(p) == "one\ntwo\nthree\n")


def git_works_on_it(rope):
    if not shutil.which("git"):
        raise Skip("no git")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    fill(rope)
    subprocess.run(git + ["init", "-q", "."], cwd=rope.work, check=True, env=rope.env())
    subprocess.run(git + ["add", "."], cwd=rope.work, check=True, env=rope.env())
    subprocess.run(git + ["commit", "-qm", "one"], cwd=rope.work, check=True, env=rope.env())
    time.sleep(0.02)
    staged(rope, "echo three >> a; " + " ".join(git) + " commit -qam two && " + " ".join(git) + " gc -q")
    log = ["git", "log", "--oneline"]
    check(len(subprocess.check_output(log, cwd=rope.work, env=rope.env()).splitlines()) == 1)
    done = rope.belay("keep")
    check(done.returncode == 0, done.stderr)
    check(len(subprocess.check_output(log, cwd=rope.work, env=rope.env()).splitlines()) == 2)
    check(subprocess.check_output(["git", "status", "--short"], cwd=rope.work, env=rope.env()) == b"")
    subprocess.run(["git", "fsck", "--strict"], cwd=rope.work, check=True, env=rope.env(),
                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main([the_workspace_stays_as_it_was, diff_shows_every_kind_of_change, keep_takes_over_what_is_named,
          keep_of_all_gives_the_agents_tree, discard_drops, nothing_changed_leaves_nothing,
          a_changed_original_is_never_overwritten_unasked, a_replaced_original_is_seen,
          keep_and_discard_while_it_runs, edits_of_others_after_a_keep_are_theirs,
          rules_hold_on_the_overlay, a_link_does_not_lead_out_of_the_workspace,
          what_must_not_be_kept_is_told, hostile_names_and_contents_reach_no_terminal,
          large_and_sparse_files, deep_trees, a_folder_becomes_a_file_and_back,
          a_folder_made_again_hides_what_was_in_it, where_it_cannot_be_had_it_says_so,
          works_for_an_ordinary_user, git_works_on_it])
