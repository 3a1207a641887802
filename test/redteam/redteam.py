# SPDX-License-Identifier: Apache-2.0
"""What the escape suite shares: each attack runs twice, without belay and with it.

Without belay it must have its effect, or the test proves nothing; where this machine or user
cannot do it even so, the test is skipped by name. With belay, under the preset, it must not.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))
from rope import Rope, Skip, TIER, check, main, tier_b_lacks, wait_for  # noqa: E402,F401

# Not below /tmp: that is the agent's own in the jail, and no home lies there.
if os.access("/var/tmp", os.W_OK):
    tempfile.tempdir = "/var/tmp"

WEAPON = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
UNAVAILABLE = 77


def words(world, command):
    """A command with the places of one world; a string is a script for sh."""
    if isinstance(command, str):
        command = ["sh", "-c", command]
    places = {"@WORK": world.work, "@HOME": world.home, "@TOP": world.top}
    out = []
    for word in command:
        for name, place in places.items():
            word = word.replace(name, place)
        out.append(word)
    return out


def arm(world):
    """The attack program stands in the workspace: there the jail shows it."""
    if WEAPON:
        shutil.copy(WEAPON, os.path.join(world.work, "attack"))


def bare(world, command, timeout=30, **kw):
    """The control: the same command, in the same folders, without belay."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(words(world, command), cwd=world.work, env=world.env(), timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)


def succeeded(_world, process):
    return process.returncode == 0


def recorded(world, rule, outcomes=("deny", "ask")):
    """Lines of the record in which `rule` decided."""
    return [e for e in world.log() if rule in (e.get("rules") or []) and e.get("outcome") in outcomes]


def duel(rope, command, setup=None, effect=succeeded, rule=None, options=()):
    """Runs `command` in a twin world without belay, then in `rope` with it."""
    twin = Rope()
    try:
        for world in (twin, rope):
            arm(world)
            if setup:
                setup(world)
        control = bare(twin, command)
        if control.returncode == UNAVAILABLE:
            raise Skip("the control cannot be done here: " + control.stdout.strip())
        check(effect(twin, control), "the control had no effect, so this test proves nothing:",
              command, control)
    finally:
        twin.close()
    # nobody is there to answer: the deadline is the answer, and it is no
    config = rope.file("config/belay/belay.yaml", "ask: {timeout: 1s}\n")
    p = rope.run(*words(rope, command), options=["--config", config, *options])
    check(p.returncode not in (121, 122, 123, 125), "belay did not run it:", p)
    check(not effect(rope, p), "the attack had its effect under belay:", command, p)
    if rule:
        check(recorded(rope, rule), "no line of the record names the rule", rule, p, rope.log()[-6:])
    return p


def named(name, function):
    """A test of a table: its name is what TAP says."""
    def test(rope):
        function(rope)
    test.__name__ = name
    return test


class Victim:
    """A process outside the jail, of the same user."""

    def __init__(self, world):
        self.mark = "victim-of-%d" % os.getpid()
        arm(world)
        self.process = subprocess.Popen([os.path.join(world.work, "attack"), "victim", self.mark],
                                        stdout=subprocess.PIPE, text=True, cwd=world.home)
        self.pid, self.word = self.process.stdout.readline().split()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
