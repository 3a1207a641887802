# SPDX-License-Identifier: Apache-2.0
"""Sockets of the host that act for the person (docker, ssh-agent, D-Bus), played by the test;
descriptors handed over or inherited; belay's own control socket."""
import array
import os
import socket
import threading

from redteam import arm, bare, check, main, named, wait_for, words


class Server:
    """Says something to whoever connects, and offers a descriptor that may write `loot`."""

    def __init__(self, path, loot=None, kind=socket.SOCK_STREAM):
        self.hits, self.loot = 0, loot
        if path[0] != "\0":
            os.makedirs(os.path.dirname(path), exist_ok=True)
        self.s = socket.socket(socket.AF_UNIX, kind)
        self.s.bind(path)
        if kind == socket.SOCK_STREAM:
            self.s.listen(8)
        threading.Thread(target=self.serve if kind == socket.SOCK_STREAM else self.hear,
                         daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            self.hits += 1
            fds = []
            if self.loot:
                fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                        array.array("i", [os.open(self.loot, os.O_RDWR | os.O_CREAT, 0o600)]))]
            try:
                c.sendmsg([b"hello"], fds)
            except OSError:
                pass
            c.close()

    def hear(self):
        while self.s.recv(100):
            self.hits += 1

    def close(self):
        self.s.close()


PLACES = {
    "docker's": "runtime/docker.sock",
    "an ssh-agent's": "home/.ssh/agent.sock",
    "a D-Bus's": "runtime/bus",
    "a gpg-agent's": "home/.gnupg/S.gpg-agent",
    "ibus's": "home/.cache/ibus/dbus-1",
    "an agent's own": "home/.claude/daemon.sock",
    "one somewhere in /tmp": "other/socket",
}


def fight(rope, command, server, hits):
    arm(rope)
    before = server.hits
    control = bare(rope, command)
    check(control.returncode == 0, "the control did not arrive:", control)
    wait_for(lambda: server.hits > before and hits(), "the control's arrival", 10)
    before = server.hits
    p = rope.run(*words(rope, command))
    check(p.returncode == 1 and server.hits == before, "it arrived under belay:", p)
    return p


def path_socket(whose, place):
    def test(rope):
        server = Server(os.path.join(rope.top, place))
        fight(rope, ["./attack", "greet", "@TOP/" + place], server, lambda: server.hits)
        server.close()
    return named("a path socket: " + whose, test)


def by_datagram(rope):
    """A datagram needs no connect(): the name is not there, or there is no such socket to send from."""
    for place in ("runtime/notify", "home/.gnupg/S.x", "home/.cache/thing/S.notify"):
        server = Server(os.path.join(rope.top, place), kind=socket.SOCK_DGRAM)
        for way in ("send_unix", "send_unix_paired", "send_unix_raw"):
            fight(rope, ["./attack", way, "@TOP/" + place], server, lambda: True)
        server.close()


def through_a_link_in_the_workspace(rope):
    server = Server(os.path.join(rope.home, ".cache/ibus/dbus-1"))
    os.symlink(os.path.join(rope.home, ".cache/ibus/dbus-1"), os.path.join(rope.work, "link"))
    fight(rope, ["./attack", "greet", "link"], server, lambda: server.hits)
    server.close()


def a_hard_link_into_the_workspace(rope):
    """A second name where sockets may be spoken to."""
    server = Server(os.path.join(rope.home, ".cache/ibus/dbus-1"))
    fight(rope, "rm -f s; ln @HOME/.cache/ibus/dbus-1 s && ./attack greet s || exit 1", server,
          lambda: server.hits)
    server.close()


def one_that_is_moved_into_the_workspace(rope):
    server = Server(os.path.join(rope.home, ".cache/ibus/dbus-1"))
    move = """python3 -c 'import os, sys; os.rename(*sys.argv[1:])' """
    fight(rope, move + "@HOME/.cache/ibus moved || exit 1; ./attack greet moved/dbus-1; r=$?; " + move +
          "moved @HOME/.cache/ibus; exit $r", server, lambda: True)
    server.close()


def abstract(rope):
    name = "redteam-%d" % os.getpid()
    server = Server("\0" + name)
    fight(rope, ["./attack", "greet", "@" + name], server, lambda: server.hits)
    server.close()


def abstract_by_datagram(rope):
    name = "redteam-dgram-%d" % os.getpid()
    server = Server("\0" + name, kind=socket.SOCK_DGRAM)
    fight(rope, ["./attack", "send_unix", "@" + name], server, lambda: True)
    server.close()


def a_smuggled_descriptor(rope):
    loot = os.path.join(rope.top, "loot")
    server = Server(os.path.join(rope.home, ".cache/thing/socket"), loot)
    fight(rope, ["./attack", "take_smuggled", "@HOME/.cache/thing/socket"], server,
          lambda: open(loot).read() == "EVIL")
    os.unlink(loot)
    rope.run("./attack", "take_smuggled", os.path.join(rope.home, ".cache/thing/socket"))
    check(not os.path.exists(loot) or open(loot).read() == "", "written through a smuggled descriptor")
    server.close()


def the_control_socket(rope):
    """belay's own, by its place, by every name of it that a search finds, and by its command."""
    p = rope.run("python3", "-c", """
import os, socket, stat
found = []
def connect(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        try:
            socket.socket(socket.AF_UNIX, kind).connect(path)
            found.append(path)
        except OSError:
            pass
for top, folders, files in os.walk("/"):
    if top.startswith(("/proc", "/sys", "/usr")):
        folders.clear()
        continue
    for name in files:
        path = os.path.join(top, name)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                connect(path)
        except OSError:
            pass
for path in %r:
    connect(path)
print("FOUND", found)
""" % [os.path.join(rope.runtime, "belay"), os.path.join(rope.runtime, "belay/control.sock")])
    check("FOUND []" in p.stdout, p)
    outside = rope.start_sh("sleep 20")
    rope.session()
    sockets = [os.path.join(t, n) for t, _, files in os.walk(rope.runtime) for n in files]
    check(sockets, "the control: outside there is a control socket")
    reach = [n for n in sockets if try_connect(n)]
    check(reach, "the control: outside it answers", sockets)
    for path in sockets:
        arm(rope)
        p = rope.run("./attack", "greet", path)
        check(p.returncode == 1, p)
    rope.belay("kill", "--all")
    outside.wait(timeout=20)


def try_connect(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        s = socket.socket(socket.AF_UNIX, kind)
        try:
            s.connect(path)
            return True
        except OSError:
            pass
        finally:
            s.close()
    return False


def inherited_descriptors(rope):
    """A file, a folder and a socket that the caller left open."""
    secret = rope.file("secret", "SECRET")
    fds = [os.open(secret, os.O_RDWR), os.open(rope.top, os.O_RDONLY | os.O_DIRECTORY)]
    a, b = socket.socketpair()
    code = """
import os
for step in (lambda: os.read(%d, 99), lambda: os.read(os.open("secret", os.O_RDONLY, dir_fd=%d), 99),
             lambda: os.write(%d, b"EVIL")):
    try:
        print(step())
    except OSError as e:
        print(e)
""" % (*fds, a.fileno())
    for fd in [*fds, a.fileno()]:
        os.set_inheritable(fd, True)
    b.settimeout(0.3)
    control = bare(rope, ["python3", "-c", code], close_fds=False)
    check(control.stdout.count("SECRET") == 2 and b.recv(10) == b"EVIL", control)
    os.lseek(fds[0], 0, os.SEEK_SET)
    p = rope.run("python3", "-c", code, close_fds=False)
    check("SECRET" not in p.stdout, p)
    try:
        check(not b.recv(10), "written to an inherited socket")
    except socket.timeout:
        pass
    for fd in fds:
        os.close(fd)
    a.close()
    b.close()


def standard_input_that_is_a_folder(rope):
    """Descriptors 0, 1, 2 pass by need; a folder among them must open no way out."""
    rope.file("secret", "SECRET")
    for flags in (os.O_RDONLY | os.O_DIRECTORY, os.O_PATH | os.O_DIRECTORY):
        fd = os.open(rope.top, flags)
        script = "cat /proc/self/fd/0/secret; cd /proc/self/fd/0 && cat secret; " \
                 "cd /dev/stdin && cat secret; cat /proc/self/fd/0/../rope*/secret"
        control = bare(rope, script, stdin=fd)
        check("SECRET" in control.stdout, control)
        p = rope.run("sh", "-c", script, stdin=fd)
        check("SECRET" not in p.stdout, p)
        p = rope.run("python3", "-c", "import os\nfor n in ('secret', '../../etc/shadow'):\n"
                     " try:\n  print(os.read(os.open(n, os.O_RDONLY, dir_fd=0), 9))\n"
                     " except OSError as e:\n  print(e)", stdin=fd)
        check("SECRET" not in p.stdout and "root:" not in p.stdout, p)
        os.close(fd)


def the_callers_terminal(rope):
    """The agent's terminal is its own: what it types there does not come to the caller's shell."""
    import pty
    import time
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(rope.work)
        os.execve("/bin/sh", ["sh", "-c", "'%s' run -- python3 -c \"import fcntl, termios, os\n"
                              "for c in 'echo TYPED\\n':\n"
                              "  try: fcntl.ioctl(0, termios.TIOCSTI, c.encode())\n"
                              "  except OSError: pass\n"
                              "\"; read -t 1 line 2>/dev/null || sleep 1; echo \"GOT[$line]\"" %
                              __import__("rope").BELAY], rope.env())
    out = b""
    end = time.monotonic() + 15
    while time.monotonic() < end and b"GOT[" not in out.replace(b'GOT[$', b""):
        try:
            out += os.read(master, 1000)
        except OSError:
            break
    os.close(master)
    os.waitpid(pid, 0)
    check(b"TYPED" not in out.split(b"GOT[")[-1], out)


if __name__ == "__main__":
    main([path_socket(*i) for i in PLACES.items()] +
         [by_datagram, through_a_link_in_the_workspace, a_hard_link_into_the_workspace,
          one_that_is_moved_into_the_workspace, abstract,
          abstract_by_datagram, a_smuggled_descriptor, the_control_socket, inherited_descriptors,
          standard_input_that_is_a_folder, the_callers_terminal])
