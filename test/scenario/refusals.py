# SPDX-License-Identifier: Apache-2.0
"""Refusals that teach: the file that BELAY_REFUSALS names."""
import os

from rope import check, main, tier_b_lacks

FILE = "/run/belay/refusals"


def the_file_says_what_why_and_how_to_ask(rope):
    os.makedirs(os.path.join(rope.work, ".git"))
    p = rope.sh("mkdir -p .git/hooks; echo x > .git/hooks/pre-push; sudo -n true; cat \"$BELAY_REFUSALS\"")
    lines = p.stdout.splitlines()
    check(lines and lines[0].startswith("# What belay refused"), p)
    hook = [line for line in lines if "pre-push" in line]
    check(len(hook) == 1, "one line for the hook", p.stdout)
    for word in (" EACCES refused: ", "git-hooks", "leave a script in the project", "to ask, tell the person"):
        check(word in hook[0], word, hook)


def a_program_and_a_host(rope):
    extra = rope.file("config/extra.cedar", '@id("no-factor") @reason("count by hand") forbid (principal, '
                      'action == Action::"exec", resource) when { resource.name == "factor" };\n')
    p = rope.sh("factor 12; getent hosts no.such.invalid; sleep 0.3; cat $BELAY_REFUSALS",
                options=["--policy", "coding", "--policy", extra])
    check("EACCES refused: run: factor 12" in p.stdout and "count by hand (rule no-factor" in p.stdout, p)
    check("no.such.invalid" in p.stdout, p)


@tier_b_lacks("the file of refusals is not there")
def nobody_inside_writes_it(rope):
    p = rope.sh("for f in %s; do echo forged >> $f; true > $f; rm -f $f; mv $f /tmp/x; chmod 666 $f; "
                "ln -f $f /tmp/y; done 2>/dev/null; mkdir /run/belay/x 2>/dev/null; cat %s; ls -A /run/belay"
                % (FILE, FILE))
    check("forged" not in p.stdout and "# What belay refused" in p.stdout, p)
    check(p.stdout.splitlines()[-1] == "refusals", p)


def probing_is_no_flood(rope):
    """The same thing again and again is one line, and gets what the kernel's refusal would give."""
    p = rope.run("python3", "-c", """
import os
os.makedirs(".git/hooks", exist_ok=True)
for i in range(8):
    try:
        open(".git/hooks/pre-commit", "w")
    except PermissionError as e:
        assert e.errno == 13
print(open(os.environ["BELAY_REFUSALS"]).read().count("pre-commit"))
""")
    check(p.stdout == "1\n", p)


def outside_nothing_is_left(rope):
    rope.sh("true")
    check(not os.path.exists("/run/belay/refusals"), "the file is the jail's own")


if __name__ == "__main__":
    main([the_file_says_what_why_and_how_to_ask, a_program_and_a_host, nobody_inside_writes_it,
          probing_is_no_flood, outside_nothing_is_left])
