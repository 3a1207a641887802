# SPDX-License-Identifier: Apache-2.0
"""Races against the whole of belay, a few seconds each; see attack_race.c."""
import os
import re

from redteam import arm, bare, check, main, named

SECONDS = "2"
RULES = """
@id("no-false") forbid (principal, action == Action::"exec", resource) when { resource.name == "false" };
@id("no-b") forbid (principal, action == Action::"exec", resource) when { context.argv.contains("B") };
@id("no-b-variable") forbid (principal, action == Action::"exec", resource)
when { context.env.contains("NODE_OPTIONS=B") };
"""


def ground(world):
    arm(world)
    world.file("work/good/pre-push", "A")
    world.file("work/bad/hooks/pre-push", "B")
    os.makedirs(os.path.join(world.work, "w/plain"))
    os.symlink("good", os.path.join(world.work, "turn"))
    os.symlink("bad/hooks", os.path.join(world.work, "turn2"))
    os.symlink("good/pre-push", os.path.join(world.work, "entry"))


def score(process):
    found = re.search(r"(\d+) tries, (\d+) won, (\d+) as judged, (\d+) refused", process.stdout)
    check(found, "no score:", process)
    return [int(n) for n in found.groups()]


def race(name):
    def test(rope):
        ground(rope)
        for _ in range(5):  # some are rare on a slow machine
            control = score(bare(rope, ["./attack", name, "1"]))
            if control[1] > 0:
                break
        check(control[1] > 0, "the control never won, so this test proves nothing:", control)
        config = rope.file("config/belay/belay.yaml",
                           "watch: {processes: 0, denials: {count: 0}, execs: {count: 0}}\n")
        extra = rope.file("config/race.cedar", RULES)
        p = rope.run("./attack", name, SECONDS,
                     options=["--config", config, "--policy", "coding", "--policy", extra])
        tries, wins, good, refused = score(p)
        print("# %s: %d tries, %d won, %d as judged, %d refused; without belay %d of %d won" %
              (name, tries, wins, good, refused, control[1], control[0]))
        check(wins == 0, "%d of %d races won" % (wins, tries))
        check(tries > 50 and good > 0 and refused > 0, "it never came to a race:", p.stdout)
        with open(os.path.join(rope.work, "bad/hooks/pre-push")) as f:
            check(f.read() == "B")
        check(rope.belay("log", "verify").returncode == 0)
    return named(name, test)


if __name__ == "__main__":
    main([race(n) for n in ("race_path", "race_mapping", "race_descriptor", "race_folder_worked_in",
                            "race_flags", "race_link", "race_entry", "race_folder_renamed",
                            "race_arguments", "race_variables", "race_program")])
