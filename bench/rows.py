# SPDX-License-Identifier: Apache-2.0
"""What is measured: one class a kind of row, and the place where it happens."""
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

LIMIT = 60  # seconds for any one command
GONE_LIMIT = 5  # seconds that a killed tree may take
TREE_SECONDS = 20  # a tree ends by itself after this


class CannotMeasure(Exception):
    pass


class Place:
    """The workspace, a server on loopback, and folders that no sandbox is told of."""

    def __init__(self, top, helpers, base):
        self.top = top
        self.work = os.path.join(base, "work")
        self.private = os.path.join(base, "private")
        self.runtime = tempfile.mkdtemp(prefix="belay-bench-")
        os.mkdir(self.work)
        os.mkdir(self.private)
        for helper in ("bench-loops", "bench-wire", "bench-tree"):
            shutil.copy(os.path.join(helpers, helper), self.work)
        write_program(os.path.join(self.work, "program"))
        write_repository(os.path.join(self.work, "repository"))
        write_packages(os.path.join(self.work, "packages"))
        self.server = None
        self.port = 0

    def __enter__(self):
        self.server = subprocess.Popen([f"{self.work}/bench-wire", "serve"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.server.stdout.readline())
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        self.server.wait(timeout=10)
        shutil.rmtree(self.runtime, ignore_errors=True)

    def start(self, peer, command, around=(), **named):
        return subprocess.Popen([*around, *peer.prefix, *command], cwd=self.work, stdin=subprocess.DEVNULL,
                                start_new_session=True, env={**os.environ, **peer.environment},
                                **named)

    def run(self, peer, command, around=()):
        process = self.start(peer, command, around, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise CannotMeasure(f"not done after {LIMIT} s") from error
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def helper(self, peer, command, around=()):
        """The number that a helper printed, run by this peer or around it."""
        done = self.run(peer, command, around)
        lines = done.stdout.split()
        if done.returncode != 0 or not lines:
            words = (done.stderr or done.stdout).strip().split("\n")[-1]
            raise CannotMeasure(words or f"exit status {done.returncode}")
        return float(lines[-1])


def write_program(folder):
    """A program of eight files, and the script that builds it."""
    os.mkdir(folder)
    for i in range(8):
        with open(os.path.join(folder, f"part{i}.c"), "w", encoding="utf-8") as out:
            out.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
            for k in range(30):
                out.write(f"int part{i}_{k}(const char *s, char *t)\n{{\n"
                          f"    return snprintf(t, 64, \"%s %zu\", s, strlen(s) + {k}u);\n}}\n")
            if i == 0:
                out.write("int main(void) { return 0; }\n")
    with open(os.path.join(folder, "build.sh"), "w", encoding="utf-8") as out:
        out.write("cd program && for i in 0 1 2 3 4 5 6 7; do gcc -O1 -c part$i.c || exit 1; done\n"
                  "gcc -o program part*.o\n")


def write_repository(folder):
    """A git repository of 4,000 files in 200 folders."""
    for i in range(200):
        os.makedirs(os.path.join(folder, f"part{i}"))
        for k in range(20):
            with open(os.path.join(folder, f"part{i}", f"file{k}.txt"), "w", encoding="utf-8") as out:
                out.write(f"file {k} of part {i}\n" * 40)
    if shutil.which("git"):
        git = ["git", "-C", folder, "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run([*git, *words], check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)


def write_packages(folder):
    """A project with 30 small dependencies that lie beside it, so that no network is needed."""
    names = [f"dependency{i}" for i in range(30)]
    for name in names:
        where = os.path.join(folder, "from", name)
        os.makedirs(where)
        with open(os.path.join(where, "package.json"), "w", encoding="utf-8") as out:
            json.dump({"name": name, "version": "1.0.0", "main": "index.js"}, out)
        for k in range(20):
            with open(os.path.join(where, f"file{k}.js"), "w", encoding="utf-8") as out:
                out.write(f"module.exports = {k};\n" * 20)
    os.mkdir(os.path.join(folder, "project"))
    with open(os.path.join(folder, "project/package.json"), "w", encoding="utf-8") as out:
        json.dump({"name": "project", "version": "1.0.0",
                   "dependencies": {name: f"file:../from/{name}" for name in names}}, out)


NPM_INSTALL = ("cd packages/project && rm -rf node_modules package-lock.json && npm install --offline "
               "--install-links --ignore-scripts --no-audit --no-fund --no-update-notifier "
               "--loglevel=error --cache ../cache >&2")


class Row:
    def __init__(self, name, unit, more=False, target="", rounds=1000):
        self.name, self.unit, self.more, self.target = name, unit, more, target
        self.rounds = rounds

    def unfit(self, peer):
        """Why this peer has no such value, or an empty string."""
        return ""

    def measure(self, peer, place):
        raise NotImplementedError


class Start(Row):
    """The whole life of a sandbox around `true`, timed by a helper that stands outside."""

    def measure(self, peer, place):
        return place.helper(peer, ["true"], around=["./bench-loops", "time"]) * 1e-6


class Inside(Row):
    """What a helper measures inside, without the start of the sandbox."""

    def __init__(self, name, unit, command, scale, **named):
        super().__init__(name, unit, **named)
        self.command, self.scale = command, scale

    def measure(self, peer, place):
        return place.helper(peer, self.command) * self.scale


class Network(Row):
    def __init__(self, name, unit, what, amount, **named):
        super().__init__(name, unit, more=True, **named)
        self.what, self.amount = what, amount

    def unfit(self, peer):
        return "" if peer.network else "has no network of this kind"

    def measure(self, peer, place):
        return place.helper(peer, ["./bench-wire", self.what, str(place.port), self.amount])


class Kill(Row):
    """From the order to stop until the last process of the tree is gone."""

    def __init__(self, name, tree, **named):
        super().__init__(name, "ms", **named)
        self.tree = tree

    def measure(self, peer, place):
        fifo = os.path.join(place.work, "tree.fifo")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        process = place.start(
            peer, ["./bench-tree", "tree.fifo", *self.tree, str(TREE_SECONDS)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not wait_readable(reader, 15) or os.read(reader, 1) != b"r":
                raise CannotMeasure("the tree did not come up")
            began = time.monotonic()
            peer.kill(process)
            if not wait_readable(reader, GONE_LIMIT) or os.read(reader, 1) != b"":
                raise CannotMeasure(f"processes were left after {GONE_LIMIT} s")
            return (time.monotonic() - began) * 1e3
        except subprocess.SubprocessError as error:
            raise CannotMeasure(str(error)) from error
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(timeout=LIMIT)
            # What a peer left behind ends by itself; the next row must not be slowed by it.
            if wait_readable(reader, TREE_SECONDS + 10):
                os.read(reader, 1)
            os.close(reader)
            os.unlink(fifo)


def wait_readable(descriptor, seconds):
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))


ROWS = [
    Start("start of true", "ms", target="5 without the gate, 15 with"),
    Inside("fork and exec", "µs", ["./bench-loops", "exec", "200", "/usr/bin/true"], 1e-3,
           target="1.05x of bare; 1.35x with rules on arguments"),
    Inside("open and close", "µs", ["./bench-loops", "open", "20000", "program/part0.c"], 1e-3,
           target="1.6x of bare"),
    Inside("build of 8 files", "ms", ["./bench-loops", "time", "sh", "program/build.sh"], 1e-6,
           target="1.1x of bare", rounds=9),
    Inside("npm install of 30", "ms", ["./bench-loops", "time", "sh", "-c", NPM_INSTALL], 1e-6,
           rounds=5),
    Inside("git status", "ms", ["./bench-loops", "time", "git", "-C", "repository", "status", "-s"],
           1e-6, rounds=9),
    Inside("grep -r", "ms", ["./bench-loops", "time", "sh", "-c",
                             "grep -r 'of part 199' repository >grep.out"], 1e-6, rounds=9),
    Network("bulk throughput", "MiB/s", "bulk", "512", rounds=9),
    Network("connections", "1/s", "connects", "500", rounds=9),
    Kill("kill 1 process", ["1"]),
    Kill("kill 100 processes", ["100"]),
    Kill("kill 1,000 processes", ["1000"], rounds=9),
    Kill("kill a fork bomb", ["bomb", "2000"], rounds=9),
]
