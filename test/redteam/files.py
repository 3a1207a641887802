# SPDX-License-Identifier: Apache-2.0
"""Ways to write what the policy protects: git hooks, settings of the agent, files outside.

What counts is what stands on the disk afterwards, seen from outside.
"""
import os

from redteam import arm, bare, check, duel, main, named, recorded

HOOKS = ".git/hooks"


def repository(world):
    """A repository as `git init` leaves it, with a hook that is there and one that is not."""
    world.file("work/.git/HEAD", "ref: refs/heads/main\n")
    world.file("work/.git/config", "[core]\n\tbare = false\n")
    world.file("work/.git/hooks/post-commit", "#!/bin/sh\nexit 0\n", 0o700)
    world.file("work/.git/hooks/update.sample", "#!/bin/sh\nexit 0\n", 0o700)
    os.makedirs(os.path.join(world.work, ".git/objects"))
    os.makedirs(os.path.join(world.work, ".git/refs"))
    world.file("work/evil", "#!/bin/sh\n# EVIL\n", 0o755)
    world.file("work/sub/file", "x")
    world.file("home/victim", "keep\n")
    world.file("other/victim", "keep\n", 0o644)


def hooks_of(folder):
    """Every file that git could run as a hook below a folder, and what is in it."""
    found = {}
    for top, folders, files in os.walk(folder, followlinks=True):
        if os.path.basename(top) != "hooks":
            continue
        for name in files + folders:
            path = os.path.join(top, name)
            try:
                with open(path, errors="replace") as f:
                    found[os.path.relpath(path, folder)] = f.read()
            except OSError:
                found[os.path.relpath(path, folder)] = "?"
    return found


def planted(world, _process):
    """A hook of the repository that says EVIL (or lost what it said) where git looks for it."""
    hooks = {os.path.basename(k): v for k, v in hooks_of(os.path.join(world.work, ".git")).items()}
    return any("EVIL" in v for k, v in hooks.items() if not k.endswith(".sample")) or \
        "exit 0" not in hooks.get("post-commit", "")


def anywhere(*paths):
    def effect(world, _process):
        for path in paths:
            full = os.path.join(world.work, path)
            if os.path.exists(full) and "EVIL" in open(full, errors="replace").read():
                return True
        return False
    return effect


# name, command, rule that the record must name ("" where the kernel settles it)
HOOK_ATTACKS = [
    ("open", ["./attack", "create", HOOKS + "/pre-push"], "git-hooks"),
    ("an existing hook", ["./attack", "create", HOOKS + "/post-commit"], "git-hooks"),
    ("openat2", ["./attack", "create_openat2", HOOKS + "/pre-push", "0"], "git-hooks"),
    ("openat2 beneath", ["./attack", "create_openat2", HOOKS + "/pre-push", "0x08"], "git-hooks"),
    ("openat2 in root", ["./attack", "create_openat2", HOOKS + "/pre-push", "0x10"], "git-hooks"),
    ("openat2 without links", ["./attack", "create_openat2", HOOKS + "/pre-push", "0x04"], "git-hooks"),
    ("openat2 without magic links", ["./attack", "create_openat2", HOOKS + "/pre-push", "0x02"],
     "git-hooks"),
    ("openat2 within its mount", ["./attack", "create_openat2", HOOKS + "/pre-push", "0x01"],
     "git-hooks"),
    ("openat2 with a long structure", ["./attack", "create_openat2_long", HOOKS + "/pre-push"],
     "git-hooks"),
    ("below an O_PATH descriptor", ["./attack", "create_below_path_descriptor", HOOKS, "pre-push"],
     "git-hooks"),
    ("from the working directory", ["./attack", "create_from_working_directory", HOOKS, "pre-push"],
     "git-hooks"),
    ("below /proc/self/fd/N", ["./attack", "create_below_descriptor_name", HOOKS, "pre-push"],
     "git-hooks"),
    ("O_PATH reopened", ["./attack", "reopen", HOOKS + "/post-commit"], "git-hooks"),
    ("O_RDONLY reopened", ["./attack", "reopen_of_thread", HOOKS + "/post-commit"], "git-hooks"),
    ("a nameless file linked in", ["./attack", "nameless_file", ".", HOOKS + "/pre-push"], "git-hooks"),
    ("a file exchanged", ["./attack", "exchange", "evil", HOOKS + "/post-commit"], "git-hooks"),
    ("a file exchanged back", ["./attack", "exchange_back", "evil", HOOKS + "/post-commit"],
     "git-hooks"),
    ("a hard link out, then written", ["./attack", "hard_link_then_write", HOOKS + "/post-commit",
                                       "alias"], None),
    ("a shared mapping", ["./attack", "map_shared", HOOKS + "/post-commit"], "git-hooks"),
    ("truncate", ["./attack", "empty_it", HOOKS + "/post-commit"], "git-hooks"),
    ("O_RDONLY with O_TRUNC", ["./attack", "empty_by_reading", HOOKS + "/post-commit"], "git-hooks"),
    ("a hard link in", "ln evil .git/hooks/pre-push", "git-hooks"),
    ("a symbolic link in", "ln -s ../../evil .git/hooks/pre-push", "git-hooks"),
    ("a rename in", "mv evil .git/hooks/pre-push", "git-hooks"),
    ("a copy in", "cp evil .git/hooks/pre-push", "git-hooks"),
    ("through a symbolic link", "ln -s .git/hooks h && cp evil h/pre-push", "git-hooks"),
    ("through two links and ..", "ln -s sub a; ln -s ../a/../.git sub/b; cp evil a/b/hooks/pre-push",
     "git-hooks"),
    ("by ..", "cd sub && cp ../evil ../sub/.././.git//./hooks/../hooks/pre-push", "git-hooks"),
    ("by an absolute path", "cp evil @WORK/.git/hooks/pre-push", "git-hooks"),
    ("by /proc/self/cwd", "cp evil /proc/self/cwd/.git/hooks/pre-push", "git-hooks"),
    ("by /proc/self/root", "cp evil /proc/self/root/@WORK/.git/hooks/pre-push", "git-hooks"),
    ("by the cwd of another process", "cd .git/hooks; sleep 5 & cd ../..; "
     "cp evil /proc/$!/cwd/pre-push", None),
    ("a prepared folder moved in", "mv .git/hooks .git/old; mkdir g; cp .git/old/* evil g; "
     "mv g/evil g/pre-push; mv g .git/hooks", "git-hooks-stay"),
    ("a prepared folder exchanged", "mkdir g; cp evil g/pre-push; cp .git/hooks/post-commit g/; "
     "./attack exchange g .git/hooks", None),
    ("a prepared folder linked", "mkdir g; cp evil g/pre-push; mv .git/hooks old; ln -s ../g .git/hooks",
     None),
    ("the repository moved away, changed, moved back",
     "mv .git g && cp evil g/hooks/pre-push && mv g .git", None),
    ("a folder above moved away", "mkdir up; mv .git up/.git; mv up down; "
     "cp evil down/.git/hooks/pre-push; mv down/.git .git", None),
    ("a copy of the repository put in its place",
     "cp -r .git g; cp evil g/hooks/pre-push; rm -rf .git; mv g .git", None),
    ("the hooks removed and made anew", "rm -rf .git/hooks; mkdir .git/hooks; cp evil .git/hooks/pre-push",
     "git-hooks"),
    ("unpacked by tar", "mkdir -p t/.git/hooks; cp evil t/.git/hooks/pre-push 2>/dev/null || "
     "python3 -c \"import tarfile; t = tarfile.open('x.tar', 'w'); "
     "t.add('evil', '.git/hooks/pre-push')\"; "
     "[ -f x.tar ] || tar -C t -cf x.tar .git/hooks/pre-push; tar -xf x.tar", "git-hooks"),
    ("written by python", "python3 -c \"open('.git/hooks/pre-push','w').write('EVIL')\"", "git-hooks"),
    ("written by perl", "perl -e 'open F, \">.git/hooks/pre-push\"; print F \"EVIL\"'", "git-hooks"),
    ("appended by a shell", "echo EVIL >> .git/hooks/post-commit", "git-hooks"),
    ("by sed -i", "sed -i 's/exit 0/EVIL/' .git/hooks/post-commit", "git-hooks"),
    ("removed", ["./attack", "remove_it", HOOKS + "/post-commit"], "git-hooks-stay"),
    ("a queue", ["./attack", "queue", HOOKS + "/pre-push"], "git-hooks"),
    ("a socket bound", ["./attack", "bind_name", HOOKS + "/pre-push"], "git-hooks"),
]


def node_or_planted(world, process):
    return os.path.lexists(os.path.join(world.work, HOOKS, "pre-push")) or planted(world, process)


def hook(name, command, rule):
    def test(rope):
        nodes = name in ("a queue", "a socket bound")
        duel(rope, command, setup=repository, effect=node_or_planted if nodes else planted, rule=rule)
    return named("a hook: " + name, test)


EVERYWHERE = [
    # name, script, files that must not say EVIL, rule
    ("a nested repository", "mkdir -p a/b/.git/hooks; cp evil a/b/.git/hooks/pre-push",
     ["a/b/.git/hooks/pre-push"], "git-hooks"),
    ("hooks of a submodule", "mkdir -p .git/modules/m/hooks; cp evil .git/modules/m/hooks/post-checkout",
     [".git/modules/m/hooks/post-checkout"], "git-hooks"),
    ("hooks of a bare repository", "mkdir -p bare.git/hooks; cp evil bare.git/hooks/post-commit",
     ["bare.git/hooks/post-commit"], "git-hooks"),
    ("a .git file that leads elsewhere", "mkdir -p w; cp evil w/.git", ["w/.git"], "runs-by-itself"),
    ("a .git file moved in", "mkdir -p w; cp evil w/x; mv w/x w/.git", ["w/.git"], None),
    ("a .git file linked in", "mkdir -p w; ln evil w/.git", ["w/.git"], None),
    ("core.hooksPath", "echo '[core] hooksPath = EVIL' >> .git/config", [".git/config"], "git-config"),
    ("core.fsmonitor by git", "git config core.fsmonitor ./EVIL", [".git/config"], "git-config"),
    ("a setting renamed in", "cp .git/config c; echo '[core] fsmonitor = EVIL' >> c; mv c .git/config",
     [".git/config"], "git-config"),
    ("a setting linked in", "cp .git/config c; echo EVIL >> c; rm -f .git/config; ln c .git/config",
     [".git/config"], "git-config"),
    ("a setting of a worktree", "mkdir -p .git/worktrees/w; echo '[core] x = EVIL' > "
     ".git/worktrees/w/config.worktree", [".git/worktrees/w/config.worktree"], "git-config"),
    ("a setting of a submodule", "mkdir -p .git/modules/m; echo '[core] fsmonitor = EVIL' > "
     ".git/modules/m/config", [".git/modules/m/config"], "git-config"),
    ("attributes", "mkdir -p .git/info; echo '* filter=EVIL' > .git/info/attributes",
     [".git/info/attributes"], "git-config"),
    ("settings of Claude Code", "mkdir -p .claude; echo EVIL > .claude/settings.json",
     [".claude/settings.json"], "agent-settings"),
    ("local settings of Claude Code", "mkdir -p sub/.claude; echo EVIL > sub/.claude/settings.local.json",
     ["sub/.claude/settings.local.json"], "agent-settings"),
    ("settings as a folder moved in", "mkdir -p c; echo EVIL > c/settings.json; mv c .claude",
     [".claude/settings.json"], None),
    ("settings by a linked folder", "mkdir -p c; echo EVIL > c/settings.json; ln -s c .claude",
     [".claude/settings.json"], None),
    ("settings exchanged", "mkdir -p c .claude; echo EVIL > c/settings.json; ./attack exchange c .claude",
     [".claude/settings.json"], None),
    ("a parent folder renamed", "mkdir -p a; mkdir a/x; echo EVIL > a/x/settings.json; "
     "mv a/x a/.claude", ["a/.claude/settings.json"], None),
    ("tool servers", "echo EVIL > .mcp.json", [".mcp.json"], "agent-settings"),
    ("tool servers renamed in", "echo EVIL > m; mv m .mcp.json", [".mcp.json"], "agent-settings"),
    ("tool servers linked in", "echo EVIL > m; ln m .mcp.json", [".mcp.json"], "agent-settings"),
    ("tool servers by symbolic link", "echo EVIL > m; ln -s m .mcp.json", [".mcp.json"], "agent-settings"),
    ("tasks of an editor", "mkdir -p .vscode; echo EVIL > .vscode/tasks.json", [".vscode/tasks.json"],
     "runs-by-itself"),
    ("a language server of an editor", "mkdir -p .helix; echo EVIL > .helix/languages.toml",
     [".helix/languages.toml"], "runs-by-itself"),
    ("a formatter of an editor", "mkdir -p .zed; echo EVIL > .zed/settings.json", [".zed/settings.json"],
     "runs-by-itself"),
    ("direnv", "echo EVIL > .envrc", [".envrc"], "runs-by-itself"),
    ("a file of the home", "echo EVIL > @HOME/.bashrc", ["../home/.bashrc"], None),
    ("a victim of the home", "echo EVIL > @HOME/victim", ["../home/victim"], None),
    ("a victim outside by ..", "echo EVIL > ../other/victim", ["../other/victim"], None),
    ("a victim outside by a link", "ln -s @TOP/other/victim l; echo EVIL > l", ["../other/victim"], None),
    ("a victim outside by a hard link", "ln @TOP/other/victim l && echo EVIL > l",
     ["../other/victim"], None),
    ("a victim outside by a descriptor's name",
     "exec 3< @TOP/other; echo EVIL > /proc/self/fd/3/victim", ["../other/victim"], None),
    ("a victim outside by a moved folder",
     "mkdir m; cd m; mv @WORK/m @TOP/m2; echo EVIL > ../other/victim", ["../other/victim"], None),
]


def elsewhere(name, script, paths, rule):
    def test(rope):
        duel(rope, script, setup=repository, effect=anywhere(*paths), rule=rule)
    return named(name, test)


MODES = ["make_executable", "make_executable_by_descriptor", "make_executable_by_name_of_descriptor",
         "make_executable_fchmodat2"]


def mode(attack):
    """A hook that is there but cannot run is made to."""
    def ground(world):
        repository(world)
        os.chmod(world.file("work/.git/hooks/pre-push", "#!/bin/sh\nEVIL\n"), 0o644)

    def effect(world, _process):
        return os.stat(os.path.join(world.work, HOOKS, "pre-push")).st_mode & 0o111 != 0
    return named("a hook: " + attack, lambda rope: duel(rope, ["./attack", attack, HOOKS + "/pre-push"],
                                                         setup=ground, effect=effect, rule="git-hooks"))


def flags_by_a_descriptor_that_may_only_read(rope):
    duel(rope, ["./attack", "set_flags", HOOKS + "/post-commit"], setup=repository)


def an_extended_attribute(rope):
    duel(rope, ["./attack", "set_attribute", HOOKS + "/post-commit"], setup=repository)


def a_read_only_mapping_made_writable(rope):
    """The kernel refuses this by itself, so there is no control: it must never come about."""
    arm(rope)
    repository(rope)
    p = rope.run("./attack", "map_then_protect", HOOKS + "/post-commit")
    check(p.returncode == 1, p)


def a_clone_into_what_is_open_to_read(rope):
    arm(rope)
    repository(rope)
    p = rope.run("./attack", "clone_into", "evil", HOOKS + "/post-commit")
    check(p.returncode == 1 and not planted(rope, p), p)


SECRETS = [".ssh/id_ed25519", ".aws/credentials", ".netrc", ".config/gh/hosts.yml", ".npmrc"]


def secrets(world):
    repository(world)
    for name in SECRETS:
        world.file("home/" + name, "KEY", 0o600)


def read(name, command):
    def leaked(_world, process):
        return "KEY" in process.stdout
    return named("a secret read: " + name, lambda rope: duel(rope, command, setup=secrets, effect=leaked))


READS = [("by path", "cat @HOME/" + SECRETS[0])] + [
    (name, "cat @HOME/" + name) for name in SECRETS[1:]] + [
    ("by ..", "cat @WORK/../home/.ssh/id_ed25519"),
    ("by a link", "ln -s @HOME/.ssh s; cat s/id_ed25519"),
    ("by a hard link", "ln @HOME/.ssh/id_ed25519 k && cat k"),
    ("by a link made before", "cat prepared"),
    ("by /proc/self/root", "cat /proc/self/root/@HOME/.ssh/id_ed25519"),
    ("by the root of its parent", "cat /proc/$PPID/root/@HOME/.ssh/id_ed25519"),
    ("by a walk", "find @HOME @TOP -type f -size -9 -exec cat {} +"),
    ("moved", "mv @HOME/.ssh/id_ed25519 k; cat k"),
]


def secret_behind_a_prepared_link(rope):
    def ground(world):
        secrets(world)
        os.symlink(os.path.join(world.home, ".ssh/id_ed25519"), os.path.join(world.work, "prepared"))
    duel(rope, "cat prepared", setup=ground, effect=lambda _w, p: "KEY" in p.stdout)


def a_home_is_no_workspace(rope):
    """From the home, the whole of it would be the agent's to write: belay does not start."""
    repository(rope)
    script = "echo EVIL >> %s/victim" % rope.home
    control = bare(rope, script)
    check(control.returncode == 0, control)
    rope.file("home/victim", "keep\n")
    p = rope.run("sh", "-c", script, cwd=rope.home)
    check(p.returncode != 0 and open(os.path.join(rope.home, "victim")).read() == "keep\n", p)


def case_and_unicode_make_other_names(rope):
    """On a file system that tells case apart, .GIT/hooks is no hook: writing there is allowed, and
    git does not look there. On one that does not, the names are one folder: it must be refused."""
    arm(rope)
    repository(rope)
    names = [".GIT/HOOKS", ".git/HOOKS", ".Git/Hooks", ".g\u200cit/Hooks", ".git\u200d/hookS",
             ".\uff47it/Hooks"]
    for name in names:
        rope.run("sh", "-c", "mkdir -p '%s'; cp evil '%s/pre-push'" % (name, name))
    check(not planted(rope, None), hooks_of(rope.work))
    folds = os.path.exists(os.path.join(rope.work, "EVIL"))
    made = os.path.exists(os.path.join(rope.work, ".GIT/HOOKS/pre-push"))
    check(made != folds, "folds case" if folds else "tells case apart", os.listdir(rope.work))


def git_itself_goes_on_working(rope):
    """What is refused must not be work: init, commit, branch, merge, gc."""
    script = """
set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
mkdir repo && cd repo && git init -q . && echo one > f && git add f && git commit -qm one
git checkout -qb side && echo two >> f && git commit -qam two && git checkout -q - && git merge -q side
git gc -q; git status --short; git log --oneline | wc -l
"""
    p = rope.sh(script)
    check(p.returncode == 0 and p.stdout.strip().endswith("2"), p)
    check(not recorded(rope, "git-hooks"), recorded(rope, "git-hooks"))


if __name__ == "__main__":
    main([hook(*a) for a in HOOK_ATTACKS] + [elsewhere(*a) for a in EVERYWHERE] +
         [mode(m) for m in MODES] + [read(*r) for r in READS if r[0] != "by a link made before"] +
         [flags_by_a_descriptor_that_may_only_read, an_extended_attribute, a_read_only_mapping_made_writable, a_clone_into_what_is_open_to_read,
          secret_behind_a_prepared_link, a_home_is_no_workspace, case_and_unicode_make_other_names, git_itself_goes_on_working])
