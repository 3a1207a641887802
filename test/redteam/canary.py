# SPDX-License-Identifier: Apache-2.0
"""Decoys: a search for secrets is seen, although no read is trapped, and finds nothing real."""
import json
import os
import re

from redteam import bare, check, main, named, wait_for

KINDS = [("ssh-key", "~/.ssh/id_ed25519", "BEGIN OPENSSH PRIVATE KEY"), ("aws", "~/.aws/credentials", "AKIA"),
         ("env", "~/project/.env", "API_TOKEN="), ("npmrc", "~/.npmrc", "_authToken=npm_"),
         ("netrc", "~/.netrc", "password ghp_"), ("git-credentials", "~/.git-credentials", "@github.com"),
         ("pypirc", "~/.pypirc", "pypi-"), ("docker", "~/.docker/config.json", "auths"),
         ("text", "~/.vault-token", "")]


READS = '@id("no-pem") forbid (principal, action == Action::"read", resource) ' \
        'when { resource.name like "*.pem" };\n'


def settings(rope, more=""):
    items = ", ".join('"%s:%s"' % (kind, path) for kind, path, _ in KINDS)
    return rope.file("config/belay/belay.yaml", "canaries: [%s]\n%s" % (items, more))


def real(world):
    for _, path, _ in KINDS:
        world.file(path.replace("~", "home"), "REAL SECRET\n", 0o600)


def policy(rope, rules):
    return ["--policy", "coding", "--policy", rope.file("config/extra.cedar", rules)] if rules else []


def opened(kind, path, _mark, options=()):
    def test(rope):
        real(rope)
        control = bare(rope, "cat " + path)
        check("REAL SECRET" in control.stdout, control)
        p = rope.start_sh("cat %s; sleep 20" % path, options=["--config", settings(rope), *policy(rope, options)])
        session = wait_for(lambda: [s for s in rope.sessions() if s["state"] == "frozen"], "the freeze")[0]
        stops = [e for e in rope.log() if e.get("kind") == "stop"]
        check(stops and "decoy" in json.dumps(stops[-1]), "the stop says why", rope.log()[-5:])
        acts = [e for e in rope.log() if e.get("kind") == "action" and "canary" in json.dumps(e)]
        check(acts and acts[-1]["outcome"] == "freeze", acts)
        rope.belay("kill", session["session"])
        out, err = p.communicate(timeout=30)
        check("REAL" not in out, "the real one was read", out)
        check("decoy" in err, "the person is told", err)
    return named("a decoy is opened: " + kind + (", reads being judged" if options else ""), test)


def they_look_like_what_they_stand_for(rope):
    config = settings(rope, "canary: {freeze: 0}\n")
    for _, path, mark in KINDS:
        p = rope.sh("cat " + path, options=["--config", config])
        check(mark in p.stdout and len(p.stdout) > 30, path, p)


def told_only(rope):
    real(rope)
    config = settings(rope, "canary: {freeze: 0}\n")
    p = rope.sh("cat ~/.aws/credentials > /dev/null; sleep 0.5; cat ~/.ssh/id_ed25519; sleep 0.5; echo DONE",
                options=["--config", config])
    check(p.returncode == 0 and "DONE" in p.stdout and "REAL" not in p.stdout, p)
    check(p.stderr.count("decoy") + p.stderr.count("canary") >= 2, p.stderr)
    alerts = [e for e in rope.log() if e.get("kind") == "alert"]
    check(len(alerts) == 2, alerts)


def other_work_opens_none(rope):
    """The control: listing, looking for names, git and a build do not touch them."""
    real(rope)
    p = rope.sh("ls -la ~ ~/.ssh ~/.aws; find ~ -name 'id_*'; stat ~/.npmrc; git init -q .; echo 'int main;' > a.c;"
                "[ -e ~/.netrc ] && echo DONE", options=["--config", settings(rope)])
    check(p.returncode == 0 and "DONE" in p.stdout, p)
    check(not [e for e in rope.log() if e.get("kind") == "stop"], rope.log())


def each_session_has_its_own(rope):
    config = settings(rope, "canary: {freeze: 0}\n")
    seen = {rope.sh("cat ~/.npmrc", options=["--config", config]).stdout for _ in range(2)}
    check(len(seen) == 2 and all(re.search("npm_[A-Za-z0-9]{36}\n", s) for s in seen), seen)


def it_cannot_be_changed(rope):
    config = settings(rope, "canary: {freeze: 0}\n")
    p = rope.sh("echo x > ~/.npmrc; rm -f ~/.npmrc; mv ~/.npmrc /tmp/x; chmod 777 ~/.npmrc; head -c 20 ~/.npmrc",
                options=["--config", config])
    check("registry" in p.stdout, p)
    check(not os.path.exists(os.path.join(rope.home, ".npmrc")), "nothing is made on the host")


def without_a_place_it_does_not_start(rope):
    config = rope.file("config/belay/belay.yaml", 'canaries: ["env:./.env"]\n')
    p = rope.sh("true", options=["--config", config])
    check(p.returncode != 0 and "has no place" in p.stderr, p)
    config = rope.file("config/belay/belay.yaml", 'canaries: ["nonsense:~/x"]\n')
    p = rope.sh("true", options=["--config", config])
    check(p.returncode != 0 and "KIND:PATH" in p.stderr, p)


if __name__ == "__main__":
    main([opened(*k) for k in KINDS] + [opened(*KINDS[0], options=READS), they_look_like_what_they_stand_for, told_only, other_work_opens_none, each_session_has_its_own,
                                        it_cannot_be_changed, without_a_place_it_does_not_start])
