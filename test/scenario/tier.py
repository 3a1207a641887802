# SPDX-License-Identifier: Apache-2.0
"""A host that gives no user namespaces: belay takes tier B by itself, says so, and holds.

Such a host is made here: a user namespace in which user.max_user_namespaces is 0.
"""
import json
import os
import shutil
import signal
import socket
import subprocess

from rope import BELAY, Skip, check, find_processes, main, wait_for

SHUT = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""


def shut(*command):
    """The command on a host without user namespaces; Skip where that cannot be made."""
    return ["unshare", "--user", "--map-root-user", "sh", "-c", SHUT, "sh", *command]


def landlock_abi():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def need_a_shut_host():
    p = subprocess.run(shut("unshare", "--user", "true"), capture_output=True)
    q = subprocess.run(shut("true"), capture_output=True)
    if q.returncode != 0 or p.returncode == 0:
        raise Skip("a host without user namespaces cannot be made here")
    if landlock_abi() < 6:
        raise Skip("Landlock here is older than tier B needs")


def belay(rope, *args, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(shut(BELAY, *args), cwd=rope.work, env=rope.env(), timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)


def taken_where_namespaces_are_refused_and_said(rope):
    need_a_shut_host()
    p = belay(rope, "run", "--", "sh", "-c", "echo inside; echo made > made; cat made")
    check(p.returncode == 0 and p.stdout == "inside\nmade\n", p)
    check("tier B" in p.stderr and "max_user_namespaces" in p.stderr, p.stderr)
    told = [e for e in rope.log() if e.get("event") == "tier"]
    check(told and "tier B" in told[0]["text"] and "UDP" in told[0]["text"], told)
    check(rope.belay("log", "verify").returncode == 0)


def refused_where_tier_a_is_asked_for(rope):
    need_a_shut_host()
    p = belay(rope, "run", "--tier", "a", "--", "touch", "ran")
    check(p.returncode == 121 and "max_user_namespaces" in p.stderr, p)
    check(not os.path.exists(os.path.join(rope.work, "ran")))


def refused_where_settings_ask_for_namespaces(rope):
    need_a_shut_host()
    rope.file("config/belay/belay.yaml", "minimum: {namespaces: 1}\n")
    p = belay(rope, "run", "--", "touch", "ran")
    check(p.returncode == 121 and "max_user_namespaces" in p.stderr, p)
    p = rope.belay("run", "--tier", "b", "--", "touch", "ran")
    check(p.returncode == 121 and "minimum.namespaces" in p.stderr, p)
    check(not os.path.exists(os.path.join(rope.work, "ran")))


def nothing_is_said_in_tier_a(rope):
    p = rope.belay("run", "--", "true")
    if p.returncode == 121:
        raise Skip("this host has no namespaces at all")
    if os.environ.get("BELAY_TEST_TIER") == "b":
        raise Skip("every run is tier B here")
    check("tier" not in p.stderr and not [e for e in rope.log() if e.get("event") == "tier"], p)


def what_needs_mounts_is_refused_by_name(rope):
    for option, word in (("--stage", "--stage"), ("--publish=8080", "--publish")):
        p = rope.belay("run", "--tier", "b", option, "--", "touch", "ran")
        check(p.returncode == 121 and word in p.stderr, p)
    check(not os.path.exists(os.path.join(rope.work, "ran")))


def doctor_names_the_tier_and_what_differs(rope):
    need_a_shut_host()
    p = belay(rope, "doctor")
    check(p.returncode == 0 and "tier B" in p.stdout and "UDP" in p.stdout, p)
    report = json.loads(belay(rope, "doctor", "--json").stdout)
    check(report["tier"] == "b" and report["usable"] and report["differs"], report)


def temporary_files_have_a_place_that_goes_away(rope):
    p = rope.belay("run", "--tier", "b", "--", "sh", "-c",
                   "echo $TMPDIR; mktemp > /dev/null && echo made; mkdir -p $TMPDIR/a/b; "
                   "touch /tmp/belay-not-here || echo closed; ls /tmp || echo unseen")
    lines = p.stdout.split()
    check(lines[1:] == ["made", "closed", "unseen"] and lines[0].startswith("/tmp/belay-"), p)
    wait_for(lambda: not os.path.exists(lines[0]), "the scratch folder to be gone", 10)


def hidden_inside_of_what_can_be_written_is_hidden(rope):
    secret = rope.file("work/deep/secret", "TREASURE")
    policy = rope.file("config/p.cedar", """
        @id("no-secret") forbid (principal, action, resource == File::"%s");""" % secret)
    script = """
cat deep/secret; cp deep/secret copy; ln deep/secret link; mv deep elsewhere; mv deep/secret away
ln -s deep/secret soft; cat soft; tar cf - deep; python3 - <<'X'
import ctypes, mmap, os
for how in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT, os.O_RDWR):
    try:
        print(os.read(os.open("deep/secret", how, 0o600), 100))
    except OSError as e:
        print("refused")
fd = os.open("deep/secret", os.O_PATH)
try:
    print(open("/proc/self/fd/%d" % fd).read())
except OSError:
    print("refused")
X
"""
    p = rope.belay("run", "--tier", "b", "-p", "coding", "-p", policy, "--", "sh", "-c", script)
    check("TREASURE" not in p.stdout and p.stdout.count("refused") == 4, p)
    check(open(secret).read() == "TREASURE")
    for folder, _, files in os.walk(rope.work):
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and path != secret:
                check("TREASURE" not in open(path, errors="replace").read(), path)


SERVE = """
import socket, subprocess, sys, threading
def serve(family, address):
    s = socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
    def run():
        while True:
            c, _ = s.accept(); c.recv(1000); c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nown"); c.close()
    threading.Thread(target=run, daemon=True).start()
    return s.getsockname()
"""


def own_servers_are_reached_and_stay_on_the_loopback(rope):
    code = SERVE + """
four, six = serve(socket.AF_INET, "0.0.0.0"), serve(socket.AF_INET6, "::")
print(four[0], six[0])
for host, port in (("127.0.0.1", four[1]), ("localhost", four[1]), ("localhost", six[1])):
    c = socket.create_connection((host, port), 5); c.sendall(b"x"); print(c.recv(100)[-3:]); c.close()
s = socket.socket(); s.listen(); print(s.getsockname()[0])
try:
    socket.socket().bind(("8.8.8.8", 0)); print("BOUND")
except OSError:
    print("refused")
"""
    p = rope.belay("run", "--tier", "b", "--", "python3", "-c", code)
    check(p.stdout.splitlines() == ["127.0.0.1 ::ffff:127.0.0.1", "b'own'", "b'own'", "b'own'",
                                    "127.0.0.1", "refused"], p)


def services_of_the_host_stay_out_of_reach(rope):
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    code = """
import socket
for host in ("127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1", "127.9.9.9"):
    try:
        socket.create_connection((host, %d), 3); print("REACHED", host)
    except OSError:
        print("refused")
s = socket.socket(); s.setsockopt(6, 30, 1)  # TCP_FASTOPEN_CONNECT
try:
    s.connect(("127.0.0.1", %d)); s.send(b"x"); print("REACHED by fast open")
except OSError:
    print("refused")
try:
    socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", %d)); print("REACHED by MSG_FASTOPEN")
except OSError:
    print("refused")
""" % (port, port, port)
    p = rope.belay("run", "--tier", "b", "--", "python3", "-c", code)
    server.close()
    check("REACHED" not in p.stdout and p.stdout.count("refused") == 7, p)


def a_stranger_at_the_gates_door_is_turned_away(rope):
    p = rope.start("run", "--tier", "b", "--", "sleep", "30")
    rope.session()
    ports = listeners_of_role("gate", p.pid)
    check(ports, "the gate listens nowhere")
    for port in ports:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as c:
                check(c.recv(10) == b"", "a stranger was served")
        except ConnectionResetError:
            pass
    rope.belay("kill")
    p.wait(timeout=20)


def listeners_of_role(role, keeper):
    """Ports on 127.0.0.1 at which a role of this keeper listens."""
    inodes, ports = set(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[1]
            words = open("/proc/%s/cmdline" % pid).read().split("\0")
            if int(parent) == keeper and "--role=" + role in words:
                for fd in os.listdir("/proc/%s/fd" % pid):
                    inodes.add(os.readlink("/proc/%s/fd/%s" % (pid, fd)))
        except OSError:
            continue
    for line in open("/proc/net/tcp").readlines()[1:]:
        f = line.split()
        if f[3] == "0A" and "socket:[%s]" % f[9] in inodes:
            ports.append(int(f[1].split(":")[1], 16))
    return ports


NODE = """
const net = require('net'), dns = require('dns'), http = require('http');
dns.lookup('forum.example', e => { console.log(e && e.code != 'ENOTFOUND' ? e.code : 'answered');
  const s = http.createServer((q, r) => r.end('own')).listen(0, () =>
    http.get({port: s.address().port, host: 'localhost'}, r => {
      r.on('data', d => console.log('' + d)); r.on('end', () => process.exit(0)); }));
});
"""


def real_clients_are_judged(rope):
    clients = {"curl": ["curl", "-sS", "--max-time", "10", "http://forum.example/"],
               "python3": ["python3", "-c", "import urllib.request as u; u.urlopen('http://forum.example/', timeout=10)"]}
    tried = 0
    for name, command in clients.items():
        if shutil.which(name):
            p = rope.belay("run", "--tier", "b", "--", *command)
            names = [e["resource"]["id"] for e in rope.log() if e.get("outcome") == "deny" and "resource" in e]
            check("forum.example" in names, name, names, p)
            tried += 1
    if shutil.which("node", path="/usr/local/bin:/usr/bin:/bin"):
        p = rope.belay("run", "--tier", "b", "--", "node", "-e", NODE)
        check(p.stdout.splitlines() == ["answered", "own"], p)
    check(tried > 0)


def everything_ends_with_a_keeper_that_is_killed(rope):
    mark = "tier-%d" % os.getpid()
    p = rope.start("run", "--tier", "b", "--", "sh", "-c",
                   "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.2; done # %s' & wait" % mark)
    rope.session()
    wait_for(lambda: find_processes("# " + mark), "the process")
    os.kill(p.pid, signal.SIGKILL)
    p.wait(timeout=10)
    wait_for(lambda: not find_processes("# " + mark), "it to be gone", 10)


def many_names_and_connections_at_once(rope):
    code = SERVE + """
import concurrent.futures as f
port = serve(socket.AF_INET, "127.0.0.1")[1]
def ask(i):
    try:
        socket.getaddrinfo("n%d.example" % (i % 10), 80)
    except socket.gaierror as e:
        if e.errno != socket.EAI_NONAME: return str(e)
    c = socket.create_connection(("127.0.0.1", port), 10); c.sendall(b"x"); r = c.recv(100)[-3:]; c.close()
    return r.decode()
with f.ThreadPoolExecutor(16) as pool:
    print(sorted(set(pool.map(ask, range(100)))))
"""
    p = rope.belay("run", "--tier", "b", "--", "python3", "-c", code, timeout=60)
    check(p.stdout == "['own']\n", p)


if __name__ == "__main__":
    main([taken_where_namespaces_are_refused_and_said, refused_where_tier_a_is_asked_for,
          refused_where_settings_ask_for_namespaces,
          nothing_is_said_in_tier_a, what_needs_mounts_is_refused_by_name,
          doctor_names_the_tier_and_what_differs, temporary_files_have_a_place_that_goes_away,
          hidden_inside_of_what_can_be_written_is_hidden,
          own_servers_are_reached_and_stay_on_the_loopback, services_of_the_host_stay_out_of_reach,
          a_stranger_at_the_gates_door_is_turned_away, real_clients_are_judged,
          everything_ends_with_a_keeper_that_is_killed, many_names_and_connections_at_once])
