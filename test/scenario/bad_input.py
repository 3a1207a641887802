# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error that names the thing, the reason and the mend; a documented code."""
import json
import os
import subprocess

from rope import BELAY, Skip, check, main


def fails(p, code, *words):
    check(p.returncode == code, "code", p.returncode, "want", code, p.stderr)
    for word in words:
        check(word in p.stderr, repr(word), "is not in", p.stderr)


def with_policy(rope, text):
    path = rope.file("config/p.cedar", text)
    return rope.run("true", options=["--policy", path]), path


def a_syntax_error_shows_the_place(rope):
    p, path = with_policy(rope, 'permit (principal, action, resource)\nwhen { resource.path lik "x" };\n')
    fails(p, 120, path, ":2:", "^", "lik")


def an_unknown_entity_type_is_named(rope):
    p, path = with_policy(rope, 'permit (principal, action, resource == Fiel::"/x");\n')
    fails(p, 120, path, ":1:", "Fiel")


def an_unknown_action_is_named(rope):
    p, path = with_policy(rope, 'permit (principal, action == Action::"wirte", resource);\n')
    fails(p, 120, "wirte")


def a_missing_policy_file(rope):
    fails(rope.run("true", options=["--policy", "/nowhere/p.cedar"]), 120, "/nowhere/p.cedar")
    fails(rope.run("true", options=["--policy", "codign"]), 120, "codign", "preset")


def a_folder_in_place_of_a_policy(rope):
    fails(rope.run("true", options=["--policy", rope.home]), 120, rope.home, "directory")


def a_policy_in_the_workspace_is_refused(rope):
    path = rope.file("work/p.cedar", "permit (principal, action, resource);\n")
    fails(rope.run("true", options=["--policy", path]), 120, path, "agent can write")


def settings_with_an_unknown_key(rope):
    path = rope.file("config/belay/belay.yaml", "ask:\n  timout: 5s\n")
    fails(rope.run("true"), 120, path, "2", "timeout")


def the_home_as_workspace_is_refused(rope):
    fails(rope.run("true", options=["--workspace", rope.home]), 2, rope.home, "--workspace")
    fails(rope.run("true", options=["--workspace", "/"]), 2, "/")


def a_workspace_that_does_not_exist(rope):
    p = rope.run("true", options=["--workspace", "/nowhere"])
    check(p.returncode in (1, 2) and "/nowhere" in p.stderr, p)


def no_command(rope):
    fails(rope.belay("run"), 2, "command")
    fails(rope.belay("rnu"), 2, "rnu")
    fails(rope.belay("run", "--nonsense", "--", "true"), 2)


def a_state_folder_that_cannot_be_written(rope):
    blocked = rope.file("state-file", "")
    fails(rope.run("true", env=rope.env(XDG_STATE_HOME=blocked)), 122, blocked, "XDG_STATE_HOME")
    fails(rope.run("true", env=rope.env(XDG_STATE_HOME="/proc/nope")), 122)


def small_disk(rope, script, size="1m"):
    """Runs the script in a mount namespace of its own where the state folder is that large."""
    if os.geteuid() != 0:
        raise Skip("a small disk needs root to mount it")
    full = "mount -t tmpfs -o size=%s,mode=0700 none %s && %s" % (size, rope.state, script)
    p = subprocess.run(["unshare", "-m", "sh", "-c", full], env=rope.env(), cwd=rope.work, text=True,
                       capture_output=True, timeout=60, check=False)
    if "unshare" in p.stderr and "failed" in p.stderr:
        raise Skip("no mount namespace to be had")
    return p


def a_full_disk_stops_the_agent_and_keeps_what_was_recorded(rope):
    p = small_disk(rope, "dd if=/dev/zero of=%s/fill bs=1k count=1100 2>/dev/null; "
                   "%s run -- sh -c 'i=0; while :; do /bin/true; done'; echo code $?; "
                   "%s log verify; echo verify $?" % (rope.state, BELAY, BELAY))
    code = int(p.stdout.split("code ")[1].split()[0])
    check(code == 122, p)


def a_disk_that_fills_up_stops_the_agent(rope):
    config = rope.file("config/belay.yaml", "watch: {execs: {count: 0}}\n")
    p = small_disk(rope, "(%s run -c %s -- sh -c 'while :; do : >x; done'; echo code $?) & "
                   "sleep 2; dd if=/dev/zero of=%s/fill bs=1k count=9000 2>/dev/null; wait; "
                   "rm -f %s/fill; %s log verify; echo verify $?; %s log --json -n 1" %
                   (BELAY, config, rope.state, rope.state, BELAY, BELAY), "6m")
    check("code 122" in p.stdout or "code 123" in p.stdout, p)
    check("verify 0" in p.stdout, p)
    last = json.loads(p.stdout.strip().splitlines()[-1])
    check(last["seq"] > 10, last)


def tampering_is_found(rope):
    check(rope.sh("true; true; true").returncode == 0)
    session = rope.log()[0]["session"]
    path = rope.record(session)
    lines = open(path).read().splitlines(keepends=True)
    cases = {
        "changed": lines[:3] + [lines[3].replace('"', '" ', 1)] + lines[4:],
        "cut out": lines[:3] + lines[4:],
        "cut off": lines[:-2],
        "added": lines[:3] + [lines[2]] + lines[3:],
        "moved": lines[:2] + [lines[3], lines[2]] + lines[4:],
    }
    for what, broken in cases.items():
        with open(path, "w") as f:
            f.writelines(broken)
        p = rope.belay("log", "verify", session)
        check(p.returncode == 1 and "DAMAGED" in p.stdout, what, p)
        if what in ("changed", "cut out", "added", "moved"):
            check(any(n in p.stdout for n in ("3", "4", "5")), what, p.stdout)
    with open(path, "w") as f:
        f.writelines(lines)
    check(rope.belay("log", "verify", session).returncode == 0)


def a_closed_output_is_no_crash(rope):
    check(rope.sh("true").returncode == 0)
    p = subprocess.run("%s log | head -n 1" % BELAY, shell=True, env=rope.env(), capture_output=True,
                       text=True, timeout=30, check=False)
    check(p.returncode == 0 and "Traceback" not in p.stderr, p)


def help_and_completion(rope):
    p = rope.belay("--help")
    check(p.returncode == 0 and "run" in p.stdout, p)
    for command in ("run", "ps", "pending", "approve", "deny", "freeze", "resume", "kill", "log", "policy",
                    "doctor", "completion"):
        p = rope.belay(command, "--help")
        check(p.returncode == 0 and command in p.stdout, command, p)
        check(rope.belay("help", command).stdout == p.stdout, command)
    for shell in ("bash", "zsh", "fish"):
        check(rope.belay("completion", shell).returncode == 0)
    p = subprocess.run(["bash", "-n"], input=rope.belay("completion", "bash").stdout, text=True,
                       capture_output=True, timeout=30, check=False)
    check(p.returncode == 0, p)


def doctor_says_what_works(rope):
    p = rope.belay("doctor", "--json")
    d = json.loads(p.stdout)
    check(d["usable"] and p.returncode == 0 and len(d["controls"]) > 5, d)


def a_policy_that_only_forbids(rope):
    p = rope.run("true", options=["--policy", "offline"])
    check(p.returncode == 120 and "--policy coding --policy offline" in p.stderr, p)
    p = rope.run("true", options=["--policy", "coding", "--policy", "offline"])
    check(p.returncode == 0, p)


def a_folder_that_no_rule_shows(rope):
    other = rope.folder("elsewhere")
    p = rope.run("true", options=["--workspace", rope.work], cwd=other)
    check(p.returncode == 120 and other in p.stderr and "permit it" in p.stderr, p)


if __name__ == "__main__":
    main([a_policy_that_only_forbids, a_folder_that_no_rule_shows, a_syntax_error_shows_the_place, an_unknown_entity_type_is_named, an_unknown_action_is_named,
          a_missing_policy_file, a_folder_in_place_of_a_policy, a_policy_in_the_workspace_is_refused,
          settings_with_an_unknown_key, the_home_as_workspace_is_refused,
          a_workspace_that_does_not_exist, no_command, a_state_folder_that_cannot_be_written,
          a_full_disk_stops_the_agent_and_keeps_what_was_recorded,
          a_disk_that_fills_up_stops_the_agent, tampering_is_found, a_closed_output_is_no_crash,
          help_and_completion, doctor_says_what_works])
