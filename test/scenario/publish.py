# SPDX-License-Identifier: Apache-2.0
"""Servers of the agent's that a person lets the host reach, and services of the host that a policy
lets the agent reach."""
import os
import socket
import threading

from rope import check, main, wait_for

SERVE = """
import socket, sys, time
s = socket.socket(socket.%s)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("%s", %d))
s.listen(8)
open("listening", "w").close()
while True:
    c, _ = s.accept()
    data = c.recv(65536)
    c.sendall(b"inside says " + data)
    c.close()
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def server(rope, port, options, family="AF_INET", address="127.0.0.1"):
    rope.file("work/serve.py", SERVE % (family, address, port))
    rope.start("run", *options, "--", "python3", "serve.py")
    wait_for(lambda: os.path.exists(os.path.join(rope.work, "listening")), "the agent's server")


def ask(port, host="127.0.0.1"):
    """What the server at a port of the host answers; None if nothing does."""
    try:
        with socket.create_connection((host, port), timeout=10) as s:
            s.sendall(b"hello")
            got = b""
            while chunk := s.recv(4096):
                got += chunk
            return got
    except OSError:
        return None


def a_published_server_is_reached(rope):
    outside, inside = free_port(), 8000
    server(rope, inside, ["--publish", "%d:%d" % (outside, inside)])
    check(ask(outside) == b"inside says hello", "the host does not reach the server")
    check(ask(inside) is None, "a port that was not published answers at the host")
    rope.belay("kill", "--all")
    told = [e for e in rope.log() if e.get("event") == "published"]
    check(told and told[0]["port"] == inside and told[0]["up"] == 17 and told[0]["down"] == 5,
          "the record does not tell of the connection:", told)


def without_publish_it_is_not(rope):
    port = free_port()
    server(rope, port, [])
    check(ask(port) is None, "the host reaches a server that nobody published")


def a_server_of_IPv6_alone_is_reached(rope):
    outside = free_port()
    server(rope, 8000, ["--publish", "%d:8000" % outside], "AF_INET6", "::1")
    check(ask(outside) == b"inside says hello", "the host does not reach the server")


def a_port_that_is_taken_stops_the_start(rope):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        p = rope.run("true", options=["--publish", str(port)])
    check(p.returncode == 121 and str(port) in p.stderr and "--publish" in p.stderr, p)


def nobody_listens(rope):
    outside = free_port()
    rope.start_sh("touch ready; sleep 60", options=["--publish", "%d:8000" % outside])
    wait_for(lambda: os.path.exists(os.path.join(rope.work, "ready")), "the agent")
    check(ask(outside) is None, "an answer of nobody's")
    rope.belay("kill", "--all")
    told = [e for e in rope.log() if e.get("event") == "published"]
    check(told and "listens" in told[0]["text"], told)


def many_at_once(rope):
    outside = free_port()
    server(rope, 8000, ["--publish", "%d:8000" % outside])
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(outside))) for _ in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(answers.count(b"inside says hello") == 100, answers.count(b"inside says hello"))


def it_ends_with_the_session(rope):
    outside = free_port()
    server(rope, 8000, ["--publish", "%d:8000" % outside])
    check(ask(outside) is not None, "not reached")
    rope.belay("kill", "--all")
    check(ask(outside) is None, "the port outlives the session")
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", outside))


def wrong_words(rope):
    for word in ("0", "65536", "x", "1:", ":1", "80:70000", "1:2:3", "-1", ""):
        p = rope.run("true", options=["--publish", word])
        check(p.returncode == 2 and "--publish" in p.stderr, word, p)


def a_named_socket_of_the_host_is_reached_and_no_other(rope):
    """A database's, or the container engine's if someone insists."""
    def serve(s):
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            c.sendall(b"host says hello")
            c.close()

    os.mkdir(os.path.join(rope.top, "services"))
    places = [os.path.join(rope.top, "services", name) for name in ("db.sock", "other.sock")]
    servers = []
    for place in places:
        s = socket.socket(socket.AF_UNIX)
        s.bind(place)
        s.listen(8)
        servers.append(s)
        threading.Thread(target=serve, args=(s,), daemon=True).start()
    policy = rope.file("config/db.cedar",
                       'permit (principal, action == Action::"connect", resource == Socket::"%s");\n'
                       % places[0])
    code = """
import socket, sys
for place in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(place)
        print(s.recv(100).decode())
    except OSError as e:
        print(e.strerror)
"""
    p = rope.run("python3", "-c", code, *places, options=["--policy", "coding", "--policy", policy])
    for s in servers:
        s.close()
    said = p.stdout.splitlines()
    check(said[:1] == ["host says hello"], "the named socket is not reached:", p)
    check(said[1:] and said[1] != "host says hello", "a socket that no rule names is reached:", p)


main([a_published_server_is_reached, without_publish_it_is_not, a_server_of_IPv6_alone_is_reached,
      a_port_that_is_taken_stops_the_start, nobody_listens, many_at_once, it_ends_with_the_session,
      wrong_words, a_named_socket_of_the_host_is_reached_and_no_other])
