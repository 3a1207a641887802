# SPDX-License-Identifier: Apache-2.0
"""`belay run`: exit codes, environment, files, programs, as a user would try them."""
import os
import signal

from rope import check, main, Skip, TIER


def exit_codes_are_the_agents_own(rope):
    check(rope.sh("exit 0").returncode == 0)
    check(rope.sh("exit 3").returncode == 3)
    p = rope.sh("kill -TERM $$")
    check(p.returncode == 128 + signal.SIGTERM, p)


def output_and_input_pass_through(rope):
    import subprocess
    p = rope.start("run", "--", "cat", stdin=subprocess.PIPE)
    out, err = p.communicate("hello\n" * 1000, timeout=30)
    check(out == "hello\n" * 1000 and p.returncode == 0, p.returncode, err)


def a_command_that_does_not_exist_is_127(rope):
    p = rope.run("no-such-command-here")
    check(p.returncode == 127, p)
    check("no-such-command-here" in p.stderr, p.stderr)


def a_file_that_cannot_run_is_126(rope):
    rope.file("work/data", "not a program\n", 0o644)
    p = rope.run("./data")
    check(p.returncode == 126, p)
    check("./data" in p.stderr, p.stderr)


def the_environment_is_scrubbed(rope):
    env = rope.env(SECRET_TOKEN="s3cret", LD_PRELOAD="", AWS_SECRET_ACCESS_KEY="k")
    p = rope.run("env", env=env)
    check("s3cret" not in p.stdout and "AWS_SECRET" not in p.stdout, p.stdout)
    check("PATH=" in p.stdout and "HOME=" in p.stdout and "BELAY_SESSION=" in p.stdout, p.stdout)
    p = rope.run("env", options=["--env", "SECRET_TOKEN", "-e", "X=1"], env=env)
    check("SECRET_TOKEN=s3cret" in p.stdout and "X=1" in p.stdout, p.stdout)


def the_workspace_can_be_worked_in(rope):
    p = rope.sh("echo one > a && mkdir -p d/e && mv a d/e/b && ln -s b d/e/c && cat d/e/c && "
                "chmod 700 d/e/b && cp d/e/b f && rm f && rmdir d/x 2>/dev/null; ls d/e")
    check(p.returncode == 0 and p.stdout == "one\nb\nc\n", p)
    check(os.path.exists(os.path.join(rope.work, "d/e/b")))


def the_rest_of_the_disk_cannot_be_changed(rope):
    victim = rope.file("home/victim", "keep\n")
    other = rope.file("other/victim", "keep\n")
    for target in (victim, other):  # below /tmp, of which the jail has its own
        rope.sh("rm -f %s; echo x > %s" % (target, target))
    for target in ("/etc/belay-test", "/usr/bin/belay-test"):
        p = rope.sh("rm -f %s; echo x > %s" % (target, target))
        check(p.returncode != 0, target, p)
        check(not os.path.exists(target), target)
    check(open(victim).read() == "keep\n" and open(other).read() == "keep\n")


def secrets_of_the_home_are_not_there(rope):
    key = rope.file("home/.ssh/id_ed25519", "KEY", 0o600)
    aws = rope.file("home/.aws/credentials", "KEY", 0o600)
    p = rope.sh("cat %s %s" % (key, aws))
    check(p.returncode != 0 and "KEY" not in p.stdout, p)


def a_git_hook_is_refused_and_recorded_with_its_rule(rope):
    rope.file("work/.git/HEAD", "ref: refs/heads/main\n")
    os.makedirs(os.path.join(rope.work, ".git/hooks"))
    p = rope.sh("echo evil > .git/hooks/post-commit")
    check(p.returncode != 0, p)
    check(not os.path.exists(os.path.join(rope.work, ".git/hooks/post-commit")))
    denied = [e for e in rope.log() if e.get("outcome") == "deny" and
              e.get("resource", {}).get("id", "").endswith(".git/hooks/post-commit")]
    check(denied and denied[0]["rules"], "no line with a rule in the record", rope.log()[-5:])


def a_nested_hook_folder_made_later_is_refused_too(rope):
    p = rope.sh("mkdir -p deep/er/.git/hooks; echo evil > deep/er/.git/hooks/pre-push; "
                "mkdir -p deep/er/.git; echo evil > deep/er/.git/hooks/pre-push; "
                "mkdir -p g/hooks && echo evil > g/hooks/pre-push && mv g .git")
    check(not os.path.exists(os.path.join(rope.work, "deep/er/.git/hooks/pre-push")), p)
    check(not os.path.exists(os.path.join(rope.work, ".git/hooks/pre-push")), p)


def the_agents_own_settings_are_refused(rope):
    rope.sh("mkdir -p .claude; echo '{}' > .claude/settings.json; echo '{}' > .mcp.json")
    check(not os.path.exists(os.path.join(rope.work, ".claude/settings.json")))


def every_program_is_recorded_with_its_parent(rope):
    rope.sh("sh -c 'true; /bin/echo hi' ; :")
    execs = [e for e in rope.log() if e.get("verb") == "exec"]
    check(len(execs) >= 3, execs)
    check(all(e["outcome"] == "allow" for e in execs))
    check(any("parent" in e or e.get("cause") for e in execs[1:]), execs)


def belay_is_invisible_from_inside(rope):
    p = rope.sh("ls /proc | grep -c '^[0-9]'; cat /proc/1/environ; ls -la %s %s; ls /run" %
                (rope.runtime, rope.state))
    check("record.jsonl" not in p.stdout and ".sock" not in p.stdout, p.stdout)
    if TIER != "b":  # there the host's processes can be counted
        check(int(p.stdout.split()[0]) < 8, p.stdout)


def inherited_descriptors_are_closed(rope):
    secret = rope.file("secret", "SECRET")
    fd = os.open(secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    high = os.dup2(fd, 77, inheritable=True)
    try:
        p = rope.sh("ls /proc/self/fd; cat <&77; cat <&%d" % fd, close_fds=False)
        check("SECRET" not in p.stdout, p.stdout)
        check("77" not in p.stdout.split(), p.stdout)
    finally:
        os.close(fd)
        os.close(high)


def a_second_belay_inside_says_so(rope):
    from rope import BELAY
    policy = rope.file("config/see.cedar", 'permit (principal, action == Action::"read", '
                       'resource in Dir::"%s");\n' % os.path.dirname(BELAY))
    p = rope.run(BELAY, "run", "--", "true", options=["-p", "coding", "-p", policy])
    check(p.returncode == 121 and "already on a rope" in p.stderr, p)


def no_capabilities_and_no_new_privileges(rope):
    p = rope.run("grep", "-E", "Cap(Eff|Prm|Bnd|Amb|Inh)|NoNewPrivs|Seccomp:", "/proc/self/status")
    lines = dict(line.split(":\t") for line in p.stdout.splitlines())
    check(all(int(lines[c], 16) == 0 for c in lines if c.startswith("Cap")), lines)
    check(lines["NoNewPrivs"] == "1" and lines["Seccomp"] == "2", lines)


def works_as_an_ordinary_user(rope):
    if os.geteuid() != 0:
        raise Skip("this already is an ordinary user")
    for folder, _, files in os.walk(rope.top):
        os.chown(folder, 65534, 65534)
        for name in files:
            os.chown(os.path.join(folder, name), 65534, 65534)
    from rope import BELAY
    if not os.access(BELAY, os.X_OK) or any(
            not os.stat(d).st_mode & 0o001 for d in parents(BELAY)):
        raise Skip("the binary lies where an ordinary user cannot reach it")
    p = rope.sh("id -u; echo x > made", user=65534, group=65534, extra_groups=[])
    check(p.returncode == 0 and p.stdout == "65534\n", p)
    check(os.path.exists(os.path.join(rope.work, "made")))


def a_rule_that_cannot_be_enforced_stops_the_run_unless_settings_name_it(rope):
    policy = rope.file("config/extra.cedar", '@id("no-forum") forbid (principal, action == Action::"call",'
                       ' resource == Tool::"forum/post");\n')
    # what nothing looks into cannot be judged: no permit is about requests here
    base = rope.file("config/base.cedar", 'permit (principal, action == Action::"read", resource);\n'
                     'permit (principal, action == Action::"exec", resource);\n')
    options = ["-p", base, "-p", policy]
    r = rope.run("true", options=options)
    check(r.returncode == 121 and "rule no-forum cannot be enforced" in r.stderr, r)
    rope.file("config/belay/belay.yaml", "minimum: {allow_unenforced: [other]}\n")
    check(rope.run("true", options=options).returncode == 121)
    rope.file("config/belay/belay.yaml", "minimum: {allow_unenforced: [no-forum]}\n")
    for _ in range(2):  # at every start
        r = rope.run("true", options=options)
        check(r.returncode == 0 and "no-forum is not enforced" in r.stderr, r)
        told = [e for e in rope.log() if e.get("event") == "unenforced"]
        check(len(told) == 1 and "no-forum" in told[0]["text"], told)
    r = rope.belay("policy", "where", *options)
    check(any("no-forum" in line and "not enforced here" in line for line in r.stdout.splitlines()), r)


def parents(path):
    while path != "/":
        path = os.path.dirname(path)
        yield path


if __name__ == "__main__":
    main([v for v in list(globals().values()) if callable(v) and
          getattr(v, "__module__", "") == "__main__" and v.__code__.co_varnames[:1] == ("rope",)])
