# SPDX-License-Identifier: Apache-2.0
"""An opened gate between hostile peers: malformed messages, floods, who is slow, many and much at once.

Arguments: belay, and http-read, which knows the malformed messages. Floods come from inside of the jail,
and are bounded; what the gate does meanwhile is read in /proc.
"""
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

from rope import check, main, wait_for
from web import Authority, Web

HTTP_READ = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else "build/test/conformance/http/http-read")
AUTHORITY = Authority()
LEAF = AUTHORITY.leaf("good", ("localhost",))
RULES = """
    permit (principal, action in [Action::"connect", Action::"request"], resource == Host::"localhost")
    when { context.port == %d };
"""

# In the jail: raw connections, and an answer that is read to its end.
AGENT = r"""
import json, os, socket, ssl, struct, sys, threading, time
PORT = int(sys.argv[1])

def connect(h2=False):
    s = socket.create_connection(("localhost", PORT), timeout=20)
    if h2:
        c = ssl.create_default_context()
        c.set_alpn_protocols(["h2"])
        s = c.wrap_socket(s, server_hostname="localhost")
        assert s.selected_alpn_protocol() == "h2"
    return s

def rest(s):
    out = b""
    try:
        while part := s.recv(65536):
            out += part
    except OSError:
        pass
    return out

def get(path="/", s=None):
    keep, s = s is not None, s or connect()
    s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n"
              % (path.encode(), PORT, b"" if keep else b"Connection: close\r\n"))
    if not keep:
        return rest(s).split(b"\r\n")[0].decode()
    head, body = b"", b""
    while not head:
        body += s.recv(65536)
        head, _, left = body.partition(b"\r\n\r\n") if b"\r\n\r\n" in body else (b"", b"", b"")
    while len(left) < int(head.lower().partition(b"content-length:")[2].split()[0]):
        left += s.recv(65536)
    return head.split(b"\r\n")[0].decode()

def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload

def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

def head(path=b"/"):
    return (field(b":method", b"GET") + field(b":scheme", b"https") + field(b":path", path)
            + field(b":authority", b"localhost:%d" % PORT))

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)

# Sends until the other side has enough. How many frames went.
def flood(frames, most):
    s, sent = connect(h2=True), 0
    s.settimeout(3)
    try:
        s.sendall(HELLO)
        while sent < most:
            s.sendall(b"".join(frames(sent + k) for k in range(100)))
            sent += 100
            s.setblocking(False)
            try:
                if s.recv(65536) == b"":
                    break
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            s.settimeout(3)
    except OSError:
        pass
    return sent

# One sound request over HTTP/2: is it answered?
def works():
    s = connect(h2=True)
    s.sendall(HELLO + frame(1, 5, 1, head()))
    out = b""
    while len(out) < 4 << 20:
        part = s.recv(65536)
        out += part
        if not part or b"path" in out:
            break
    return b"path" in out
"""


def gate_of(p):
    """The process of the gate of this `belay run`."""
    def find():
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % name) as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                with open("/proc/%s/cmdline" % name) as f:
                    if parent == p.pid and "--role=gate" in f.read():
                        return int(name)
            except OSError:
                pass
        return None
    return wait_for(find, "the gate")


def memory(pid, what):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(what + r":\s+(\d+) kB", f.read()).group(1)) // 1024


class Session:
    """`belay run` of AGENT and `code`, with one opened port; `peak` is the gate's, in MB."""

    def __init__(self, rope, port, code, seconds=120):
        script = rope.file("work/agent.py", AGENT + code)
        policy = rope.file("config/p.cedar", RULES % port)
        rope.file("config/belay/belay.yaml", "gate:\n  trust: [%s]\n" % AUTHORITY.pem)
        p = rope.start("run", "--policy", "coding", "--policy", policy, "--", "python3", script, str(port))
        self.peak = self.calm = 0
        gate = gate_of(p)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(p.stdout), daemon=True)
        reader.start()
        while reader.is_alive() and seconds > 0:
            reader.join(0.05)
            seconds -= 0.05
            try:
                self.peak = memory(gate, "VmHWM")
                self.calm = self.calm or memory(gate, "VmRSS")
            except (OSError, AttributeError):
                break
        reader.join(10)
        check(not reader.is_alive(), "the agent hangs")
        p.wait(30)
        self.out = "".join(lines)
        self.err = p.stderr.read()
        check(p.returncode == 0, p.returncode, self.out[-2000:], self.err[-2000:])


class Raw:
    """A server that keeps what it was sent. It answers a whole request with what `answer` says."""

    def __init__(self, answer):
        self.seen, self.answer = [], answer
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        mine, whole = [b""], 0
        self.seen.append(mine)
        s.settimeout(30)
        try:
            while part := s.recv(65536):
                mine[0] += part
                head, found, body = mine[0][whole:].partition(b"\r\n\r\n")
                if found and (b"encoding: chunked" not in head or body.endswith(b"0\r\n\r\n")):
                    whole = len(mine[0])
                    answer = self.answer(head)
                    s.sendall(answer)
                    if not answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2"):
                        break
        except OSError:
            pass
        s.close()

    def close(self):
        self.listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def cases(side):
    lines = subprocess.run([HTTP_READ, "--cases"], capture_output=True, text=True, check=True, timeout=30).stdout
    for line in lines.splitlines():
        name, of, fault, data = line.split(" ")
        if of == side:
            yield name, fault, bytes.fromhex(data)


def malformed_requests_do_not_pass(rope):
    server = Raw(lambda head: OK)
    here = b"localhost:%d" % server.port
    all_cases = [(n, f, d.replace(b"a.test:81", b"localhost:81").replace(b"a.test", here))
                 for n, f, d in cases("SERVER") if f != "HTTP_FINE"]
    # of these a head is sound, and goes on before the fault is there
    late = [n for n, f, _ in all_cases if f.startswith(("HTTP_CHUNK", "HTTP_TRAILER")) or n.startswith("trailer_")]
    rope.file("work/cases", json.dumps([(n, d.hex()) for n, _, d in all_cases]))
    session = Session(rope, server.port, """
out = {}
for name, data in json.load(open("cases")):
    s = connect()
    s.settimeout(10)
    s.sendall(bytes.fromhex(data))
    out[name] = rest(s).decode("latin1")
    if len(out) % 20 == 0:
        out["sound after " + name] = get("/sound")
print(json.dumps(out))
""")
    server.close()
    out = json.loads(session.out)
    check(len(all_cases) > 140 and len(late) > 20, len(all_cases), len(late))
    for name, answer in out.items():
        if name.startswith("sound"):
            check(answer == "HTTP/1.1 200 OK", name, answer)
        elif name == "greeting_of_tls":
            check("HTTP" not in answer, answer)  # it is taken for TLS, and is none
        elif name not in late:
            check(re.match(r"HTTP/1.1 (4\d\d|501|505) ", answer) and "connection: close" in answer, name, answer)
            check(answer.count("HTTP/1.1 ") == 1, name, answer)
    passed = [mine[0] for mine in server.seen]
    sound = sum(mine.count(b"GET /sound HTTP/1.1") for mine in passed)
    whole = sum(mine.count(b"\r\n\r\n") for mine in passed if b"chunked" not in mine)
    check(sound == whole and sound > 5, "a malformed request went on", sound, whole)
    for mine in passed:
        check(b"chunked" not in mine or not mine.endswith(b"\r\n0\r\n\r\n"), "a malformed body went on", mine)
        check(b"b.test" not in mine and b"G\r\n" not in mine, mine)


def malformed_responses_do_not_pass(rope):
    """With the twin that the sound response does."""
    table = {name: data for name, _, data in cases("CLIENT")}

    def answer(head):
        name = head.split(b" ")[1][1:].decode()
        return table.get(name, OK)

    server = Raw(answer)
    rope.file("work/cases", json.dumps(sorted(table)))
    session = Session(rope, server.port, """
print(json.dumps({name: [get("/" + name), get("/sound")] for name in json.load(open("cases"))}))
""")
    server.close()
    out = json.loads(session.out)
    check(len(out) > 15, out)
    for name, (status, sound) in out.items():
        # of one the first response is sound: what comes behind it belongs to nobody
        wanted = "HTTP/1.1 200" if name == "response_after_the_last" else "HTTP/1.1 502"
        check(status.startswith(wanted), name, status)
        check(sound == "HTTP/1.1 200 OK", name, sound)


FLOODS = r"""
RST = struct.pack("!I", 8)
FLOODS = {
    "rapid reset": (lambda i: frame(1, 5, 2 * i + 1, head()) + frame(3, 0, 2 * i + 1, RST), 60000),
    "continuation": (lambda i: frame(1, 0, 1, head()) if i == 0 else frame(9, 0, 1, b""), 60000),
    "settings": (lambda i: frame(4, 0, 0), 200000),
    "ping": (lambda i: frame(6, 0, 0, b"12345678"), 200000),
    "window updates": (lambda i: frame(8, 0, 0, b"\0\0\0\1"), 200000),
    "empty data": (lambda i: frame(1, 4, 1, head()) if i == 0 else frame(0, 0, 1), 200000),
    "malformed": (lambda i: frame(1, 5, 2 * i + 1, head() + field(b"connection", b"x")), 60000),
    "bomb": (lambda i: frame(1, 5, 2 * i + 1, head() + b"\x40\1a\x7e" + b"x" * 126 + b"\xbe" * 8000), 6000),
}
"""


def floods_of_http2_are_ended(rope):
    server = Web(LEAF)
    session = Session(rope, server.port, FLOODS + """
print(json.dumps({name: [flood(*FLOODS[name]), FLOODS[name][1], works()] for name in FLOODS}))
""", seconds=300)
    server.close()
    for name, (sent, most, works) in json.loads(session.out).items():
        check(sent < most, name, "was not ended after", sent)
        check(works, "no request passes after", name)
    check(session.peak < 64, "the gate took", session.peak, "MB")


def windows_of_zero_hold_little(rope):
    """128 large responses are asked for and not read."""
    server = Web(LEAF)
    session = Session(rope, server.port, """
s = connect(h2=True)
s.sendall(HELLO + frame(4, 0, 0, b"\\0\\4\\0\\0\\0\\0"))
for i in range(128):
    s.sendall(frame(1, 5, 2 * i + 1, head(b"/big?50000000")))
time.sleep(4)
print(works())
""")
    server.close()
    check(session.out == "True\n", session.out)
    check(session.peak < 128, "the gate took", session.peak, "MB of 6,400 that were asked for")


def who_is_slow_keeps_nobody_waiting(rope):
    """300 clients that send their heads byte by byte, and 100 that do not read what they asked for."""
    server = Web()
    session = Session(rope, server.port, """
slow = [connect() for _ in range(300)]
deaf = []
for i in range(100):
    s = connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"GET /big?100000000 HTTP/1.1\\r\\nHost: localhost:%d\\r\\n\\r\\n" % PORT)
    deaf.append(s)
answers = []
for byte in b"GET /slow HTTP/1.1\\r\\n":
    for s in slow:
        s.sendall(bytes([byte]))
    answers.append(get("/quick"))
print(answers.count("HTTP/1.1 200 OK"), len(answers))
""")
    check(session.out == "20 20\n", session.out)
    check("/slow" not in server.paths())
    server.close()
    check(session.peak < 128, "the gate took", session.peak, "MB of 10,000 that were asked for")


def a_thousand_connections(rope):
    server = Web()
    session = Session(rope, server.port, """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
many, good = [], 0
for _ in range(1000):
    many.append(connect())
    good += get("/", many[-1]).startswith("HTTP/1.1 200")
print(good)
print(sum(get("/", s).startswith("HTTP/1.1 200") for s in many[::10]))
""")
    server.close()
    check(session.out == "1000\n100\n", session.out)
    check(session.peak < 64, "the gate took", session.peak, "MB")


def a_body_of_a_gigabyte(rope):
    server = Web()
    session = Session(rope, server.port, """
size, block = 1 << 30, bytes(1 << 20)
s = connect()
s.sendall(b"POST /up HTTP/1.1\\r\\nHost: localhost:%d\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" % PORT)
for _ in range(size >> 20):
    s.sendall(b"100000\\r\\n" + block + b"\\r\\n")
s.sendall(b"0\\r\\n\\r\\n")
answer = s.recv(65536)
print(json.loads(answer.partition(b"\\r\\n\\r\\n")[2])["size"] == size)
s = connect()
s.sendall(b"GET /big?%d HTTP/1.1\\r\\nHost: localhost:%d\\r\\nConnection: close\\r\\n\\r\\n" % (size, PORT))
n = 0
while part := s.recv(1 << 20):
    n += len(part)
print(n > size)
""", seconds=300)
    server.close()
    check(session.out == "True\nTrue\n", session.out)
    check(session.peak < 48, "the gate took", session.peak, "MB")


main([malformed_requests_do_not_pass, malformed_responses_do_not_pass, floods_of_http2_are_ended,
      windows_of_zero_hold_little, who_is_slow_keeps_nobody_waiting, a_thousand_connections, a_body_of_a_gigabyte])
