# SPDX-License-Identifier: Apache-2.0
"""The one way out: what the agent reaches by TCP and DNS, and what it does not."""
import http.server
import os
import socket
import threading

from rope import check, main, tier_b_lacks

CLIENT = """
import socket, sys
def tcp(host, port):
    try:
        s = socket.create_connection((host, int(port)), timeout=5)
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return s.makefile("rb").read().decode(errors="replace") or "EMPTY"
    except OSError as e:
        return "ERROR %s" % e
"""


class Server:
    """An HTTP server on the host's loopback that counts."""

    def __init__(self, family=socket.AF_INET):
        self.hits = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.hits += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"from the host")

            def log_message(self, *args):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            address_family = family

        self.http = Listener(("127.0.0.1" if family == socket.AF_INET else "::1", 0), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def python(rope, code, options=()):
    return rope.run("python3", "-c", CLIENT + code, options=options)


def the_hosts_loopback_is_out_of_reach(rope):
    server = Server()
    p = python(rope, "print(tcp('127.0.0.1', %d)); print(tcp('localhost', %d))" % (server.port, server.port))
    server.close()
    check(server.hits == 0 and p.stdout.count("ERROR") == 2, p, server.hits)


def a_named_host_service_is_reached(rope):
    server = Server()
    policy = rope.file("config/p.cedar", """
        permit (principal, action == Action::"connect", resource == Host::"localhost")
        when { context.port == %d };""" % server.port)
    p = python(rope, "print(tcp('127.0.0.1', %d)); print(tcp('localhost', %d)); print(tcp('127.0.0.1', %d))" %
               (server.port, server.port, server.port + 1), ["--policy", "coding", "--policy", policy])
    server.close()
    check(p.stdout.count("from the host") == 2 and p.stdout.count("ERROR") == 1, p)
    check(server.hits == 2)
    lines = [e for e in rope.log() if e.get("verb") == "connect" and e.get("outcome") == "allow"]
    check(lines and lines[0]["resource"]["id"] == "localhost", lines)
    execs = {e["seq"] for e in rope.log() if e.get("verb") == "exec"}
    check(lines[0].get("cause") in execs and lines[0].get("pid"), "no cause", lines)


def the_agents_own_loopback_works(rope):
    p = python(rope, """
import threading
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    s = socket.create_server((address, 0), family=family)
    port = s.getsockname()[1]
    def serve():
        c, _ = s.accept(); c.recv(100); c.sendall(b"own"); c.close()
    threading.Thread(target=serve, daemon=True).start()
    print(tcp(address, port))
""")
    check(p.stdout.count("own") == 2, p)


@tier_b_lacks("datagrams serve to ask for names alone")
def the_agents_own_datagrams_arrive(rope):
    p = python(rope, """
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.sendto(b"udp", u.getsockname())
u.settimeout(3); print(u.recv(10))
""")
    check("b'udp'" in p.stdout, p)


def a_forbidden_name_is_refused_and_recorded(rope):
    p = python(rope, """
for host in ("forum.example", "pypi.org.evil.example", "93.184.216.34", "2606:2800:220:1::1", "169.254.169.254"):
    print(tcp(host, 80))
""")
    check(p.stdout.count("ERROR") == 5, p)
    denied = {e["resource"]["id"] for e in rope.log() if e.get("outcome") == "deny" and "resource" in e}
    check({"forum.example", "pypi.org.evil.example", "93.184.216.34", "169.254.169.254"} <= denied, denied)


def udp_icmp_and_raw_sockets_go_nowhere(rope):
    p = python(rope, """
def attempt(what, f):
    try:
        f(); print(what, "WENT")
    except OSError as e:
        print(what, "refused", e.errno)
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
    s.sendto(b"x", ("93.184.216.34", 443)); s.recv(10)
attempt("udp", udp)
attempt("icmp", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b"x", ("93.184.216.34", 0)))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
""")
    check("WENT" not in p.stdout and p.stdout.count("refused") == 5, p)


def sockets_of_the_host_are_not_there(rope):
    path = os.path.join(rope.runtime, "agent.sock")
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()
    abstract = socket.socket(socket.AF_UNIX)
    name = "\0rope-%d" % os.getpid()
    abstract.bind(name)
    abstract.listen()
    p = python(rope, """
for path in (%r, %r, "/run/docker.sock", "/run/dbus/system_bus_socket"):
    c = socket.socket(socket.AF_UNIX)
    try:
        c.connect(path); print("CONNECTED", path)
    except OSError as e:
        print("refused")
""" % (path, name))
    s.close()
    abstract.close()
    check("CONNECTED" not in p.stdout and p.stdout.count("refused") == 4, p)


def a_service_on_one_loopback_is_found_from_the_other(rope):
    """`localhost` is ::1 first; the gate takes that connection before it knows who listens."""
    service = socket.create_server(("127.0.0.1", 0))
    port = service.getsockname()[1]

    def serve():
        c, _ = service.accept()
        c.sendall(b"found")
        c.close()

    threading.Thread(target=serve, daemon=True).start()
    policy = rope.file("config/service.cedar",
                       'permit (principal, action == Action::"connect", resource == Host::"localhost")\n'
                       'when { context.port == %d };\n' % port)
    code = """
import socket, sys
s = socket.socket(socket.AF_INET6)
s.settimeout(10)
try:
    s.connect(("::1", int(sys.argv[1])))
    print(s.recv(9).decode())
except OSError as e:
    print(e)
"""
    p = rope.run("python3", "-c", code, str(port), options=["--policy", "coding", "--policy", policy])
    service.close()
    check(p.stdout == "found\n", p)


def what_a_session_may_carry_is_bounded(rope):
    """Six megabytes through a limit of two: cut, recorded, and nothing more goes."""
    got = []

    def take():
        while True:
            try:
                c, _ = sink.accept()
            except OSError:
                return
            n = 0
            try:
                while data := c.recv(65536):
                    n += len(data)
            except OSError:
                pass
            got.append(n)
            c.close()

    sink = socket.create_server(("127.0.0.1", 0))
    port = sink.getsockname()[1]
    threading.Thread(target=take, daemon=True).start()
    policy = rope.file("config/sink.cedar",
                       'permit (principal, action == Action::"connect", resource == Host::"localhost")\n'
                       'when { context.port == %d };\n' % port)
    config = rope.file("config/limits.yaml", "limits: {network: 2M}\n")
    code = """
import socket, sys
for attempt in 1, 2:
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
        s.sendall(b"x" * (6 << 20))
        s.shutdown(socket.SHUT_WR)
        s.recv(1)
        print("through")
    except OSError as e:
        print("cut")
"""
    command = ["python3", "-c", code, str(port)]
    options = ["--policy", "coding", "--policy", policy]
    free = rope.run(*command, options=options)
    check(free.stdout.split() == ["through", "through"], "the control fails:", free)
    got.clear()
    p = rope.run(*command, options=["--config", config, *options])
    sink.close()
    check(p.stdout.split() == ["cut", "cut"], p)
    check(sum(got) <= 4 << 20, got)
    check(any("limits.network" in (e.get("text") or "") for e in rope.log()), rope.log()[-5:])


if __name__ == "__main__":
    main([the_hosts_loopback_is_out_of_reach, a_named_host_service_is_reached,
          the_agents_own_loopback_works, the_agents_own_datagrams_arrive,
          a_forbidden_name_is_refused_and_recorded, what_a_session_may_carry_is_bounded,
          a_service_on_one_loopback_is_found_from_the_other,
          udp_icmp_and_raw_sockets_go_nowhere, sockets_of_the_host_are_not_there])
