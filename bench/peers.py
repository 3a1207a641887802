# SPDX-License-Identifier: Apache-2.0
"""What belay is measured against: how each one runs a command in a workspace, and is stopped.

Each is given the like of belay's job: the system read-only, the workspace writable, no network
(or, for the rows that need one, the host's loopback where the peer can give it).
"""
import glob
import json
import os
import platform
import shutil
import signal
import subprocess

SRT_VERSION = "0.0.83"
NODE_VERSION = "22.23.3"


class Peer:
    """One way to run a command: a name, a version, and prefix(), the words before the command."""

    def __init__(self, name, version, prefix, network=False, environment=None):
        self.name = name
        self.version = version
        self.prefix = prefix
        self.network = network  # it can reach a server on the host's loopback
        self.environment = environment or {}

    def kill(self, process):
        """Stops what was started, as hard as a terminal can: the whole process group."""
        os.killpg(process.pid, signal.SIGKILL)


class Belay(Peer):
    """belay's own stop, by its own command: the time of that command counts."""

    def __init__(self, *arguments, binary, **named):
        super().__init__(*arguments, **named)
        self.binary = binary

    def kill(self, process):
        subprocess.run([self.binary, "kill", "--all"], check=True, timeout=30,
                       env={**os.environ, **self.environment})


def output(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def npm_folder(cache):
    """The folder with srt and the Node.js that it wants, installed if need be."""
    folder = os.path.join(cache, "peers")
    arch = "arm64" if platform.machine() == "aarch64" else "x64"
    if not os.path.exists(os.path.join(folder, "ready")):
        if not shutil.which("npm"):
            raise OSError("npm is not installed")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as package:
            package.write('{ "private": true }\n')
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
             f"@anthropic-ai/sandbox-runtime@{SRT_VERSION}", f"node-linux-{arch}@{NODE_VERSION}"],
            cwd=folder, capture_output=True, text=True, timeout=280, check=False)
        if done.returncode != 0:
            raise OSError("npm cannot install it: " + done.stderr.strip().split("\n")[-1])
        with open(os.path.join(folder, "ready"), "w", encoding="utf-8") as ready:
            ready.write(SRT_VERSION + "\n")
    return os.path.join(folder, "node_modules"), arch


def bwrap(work, *more):
    return ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
            "--bind", work, work, "--unshare-user", "--unshare-pid", "--unshare-ipc",
            "--unshare-uts", *more, "--die-with-parent", "--new-session", "--chdir", work, "--"]


def make_bwrap(place, cache):
    if not shutil.which("bwrap"):
        raise OSError("not installed")
    return [Peer("bwrap", output(["bwrap", "--version"]), bwrap(place.work, "--unshare-net"))]


def make_firejail(place, cache):
    if not shutil.which("firejail"):
        raise OSError("not installed")
    prefix = ["firejail", "--quiet", "--noprofile", "--private-dev", "--read-only=/",
              f"--read-write={place.work}", "--net=none", "--caps.drop=all", "--seccomp",
              "--nonewprivs", "--"]
    return [Peer("firejail", output(["firejail", "--version"]), prefix)]


def make_codex(place, cache):
    install = os.path.join(place.top, "test/agents/install.sh")
    done = subprocess.run([install], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip().split("\n")[-1])
    found = glob.glob(os.path.join(done.stdout.strip(),
                                   "node_modules/@openai/codex-linux-*/vendor/*/bin/codex"))
    if not found:
        raise OSError("its package holds no program")
    home = os.path.join(place.private, "codex")
    os.makedirs(home, exist_ok=True)
    return [Peer("codex", output([found[0], "--version"]),
                 [found[0], "sandbox", "-c", 'sandbox_mode="workspace-write"', "--"],
                 environment={"CODEX_HOME": home})]


def make_srt(place, cache):
    for need in ("rg", "socat", "bwrap"):
        if not shutil.which(need):
            raise OSError(f"it needs {need}, which is not installed")
    modules, arch = npm_folder(cache)
    settings = os.path.join(place.private, "srt.json")
    with open(settings, "w", encoding="utf-8") as out:
        json.dump({"network": {"allowedDomains": [], "deniedDomains": []},
                   "filesystem": {"denyRead": [], "allowWrite": [place.work], "denyWrite": []}},
                  out)
    return [Peer("srt", SRT_VERSION, [
        f"{modules}/node-linux-{arch}/bin/node",
        f"{modules}/@anthropic-ai/sandbox-runtime/dist/cli.js", "-s", settings])]


def make_belay(place, cache):
    binary = os.path.join(place.top, "build/belay")
    if not os.path.exists(binary):
        raise OSError("build/belay is not built")
    environment = {"XDG_STATE_HOME": place.private, "XDG_RUNTIME_DIR": place.runtime}
    loopback = os.path.join(place.private, "loopback.cedar")
    with open(os.path.join(place.top, "bench/loopback.cedar"), encoding="utf-8") as source:
        text = source.read().replace("${PORT}", str(place.port))
    with open(loopback, "w", encoding="utf-8") as out:
        out.write(text)
    policies = {name: os.path.join(place.top, f"bench/{name}.cedar")
                for name in ("files", "writes", "arguments", "labels")}

    def beside(name):
        return ["--policy", policies["files"], "--policy", policies[name]]

    return [Belay(name, output([binary, "--version"]),
                  [binary, "run", "--quiet", *options, "--workspace", place.work, "--"],
                  network=network, environment=environment, binary=binary)
            for name, options, network in (
                ("belay files", ["--policy", policies["files"]], False),
                ("belay writes", beside("writes"), False),
                ("belay arguments", beside("arguments"), False),
                ("belay labels", beside("labels"), False),
                ("belay coding", ["--policy", "coding", "--policy", loopback], True))]


def make_runsc(place, cache):
    if not shutil.which("runsc"):
        raise OSError("not installed, and neither Debian nor npm has it")
    return [Peer("runsc", output(["runsc", "--version"]),
                 ["runsc", "--rootless", "--network=none", "do", "--"])]


def find(place, cache):
    """The peers that can run a command here, and the reasons of those that cannot."""
    peers, missing = [Peer("bare", platform.release(), [], network=True)], {}
    makers = {"belay": make_belay, "bwrap": make_bwrap, "firejail": make_firejail,
              "codex": make_codex, "srt": make_srt, "runsc": make_runsc}
    for name, make in makers.items():
        try:
            for peer in make(place, cache):
                done = place.run(peer, ["true"])
                if done.returncode != 0:
                    missing[peer.name] = "cannot run true here: " + (
                        (done.stderr or done.stdout).strip().split("\n")[-1] or "no reason given")
                else:
                    peers.append(peer)
        except (OSError, subprocess.TimeoutExpired) as error:
            missing[name] = str(error)
    return peers, missing
