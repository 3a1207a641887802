# SPDX-License-Identifier: Apache-2.0
"""Connections that are opened: real clients through the gate, to servers with a test authority."""
import json
import os
import shutil
import subprocess
import tarfile

from rope import Skip, check, main
from web import Authority, H2, Web

AUTHORITY = Authority()
LEAF = AUTHORITY.leaf("good", ("localhost", "127.0.0.1"))


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(program + " is not installed")


RULES = """
    permit (principal, action == Action::"connect", resource == Host::"localhost") when { [%s].contains(context.port) };
    @id("web") permit (principal, action == Action::"request", resource == Host::"localhost")
        unless { context.path like "/secret*" };
"""


class World:
    """A rope whose policy opens the ports of these servers."""

    def __init__(self, rope, *servers, rules=RULES, settings=""):
        self.rope, self.servers = rope, servers
        ports = " || ".join("context.port == %d" % s.port for s in servers)
        self.policy = rope.file("config/p.cedar", rules.replace("[%s].contains(context.port)", ports))
        rope.file("config/belay/belay.yaml", "gate:\n  trust: [%s]\n" % AUTHORITY.pem + settings)
        shutil.copy(AUTHORITY.pem, rope.work + "/other.pem")
        self.options = ["--policy", "coding", "--policy", self.policy]

    def sh(self, script, **kw):
        for mark, server in (("PORT2", self.servers[-1]), ("PORT", self.servers[0])):
            script = script.replace(mark, str(server.port))
        return self.rope.sh(script, options=self.options, **kw).stdout

    def start(self, script):
        return self.rope.start_sh(script.replace("PORT", str(self.servers[0].port)), options=self.options)

    def events(self):
        return self.rope.log()

    def notes(self, kind):
        return [e for e in self.events() if e.get("kind") == "note" and e.get("event") == kind]

    def requests(self, outcome=None):
        return [e for e in self.events() if e.get("verb") == "request" and outcome in (None, e.get("outcome"))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.servers:
            s.close()


def curl_over_http1(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS --http1.1 https://localhost:PORT/a?b=c https://localhost:PORT/d -w '%{http_version}\\n'")
        check(out.count("1.1\n") == 2 and '"/a?b=c"' in out and '"/d"' in out, out)
        check(w.servers[0].connections == 1, "not kept alive upstream", w.servers[0].connections)
        asked = w.requests("allow")
        check([r["context"]["path"] for r in asked] == ["/a", "/d"] and asked[0]["context"]["query"] == "b=c", asked)
        check(asked[0]["rules"] == ["web"] and asked[0].get("cause"), asked)
        check([n["status"] for n in w.notes("request")] == [200, 200], w.notes("request"))


def curl_over_http2_to_http2_and_to_http1(rope):
    need("curl", "node")
    with World(rope, H2(LEAF), Web(LEAF)) as w:
        out = w.sh("curl -sS --http2 -d 12345 https://localhost:PORT/a -w '%{http_version}\\n';"
                   "curl -sS --http2 https://localhost:PORT2/b -w '%{http_version}\\n';"
                   "curl -sS --http1.1 https://localhost:PORT/c -w '%{http_version}\\n'")
        check(out.count("2\n") >= 2 and '"size":5' in out and '"/b"' in out and '"/c"' in out, out)


def many_requests_share_connections(rope):
    need("curl", "node")
    with World(rope, H2(LEAF)) as w:
        urls = " ".join("https://localhost:PORT/n%d" % i for i in range(40))
        out = w.sh("curl -sS -Z --http2 %s 2>/dev/null" % urls)
        check(out.count('"sessions":1') == 40, out)


def bodies_of_any_size(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS https://localhost:PORT/big?200000000 | wc -c;"
                   "head -c 50000000 /dev/zero | curl -sS -T - https://localhost:PORT/put;"
                   "head -c 50000000 /dev/zero | curl -sS --http1.1 -T - https://localhost:PORT/put")
        check("200000000" in out and out.count('"size": 50000000') == 2, out)


def chunks_and_trailers(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS --http1.1 -D - https://localhost:PORT/chunked; curl -sS --http2 https://localhost:PORT/chunked")
        check(out.count("one two three") == 2, out)


def events_come_without_delay(rope):
    need("curl")
    web = Web(LEAF)
    with World(rope, web) as w:
        p = w.start("curl -sSN https://localhost:PORT/events")
        first = p.stdout.readline()
        check(first == "data: first\n", repr(first), p.stderr.read() if not first else "")
        web.go.set()
        check("data: second" in p.stdout.read())


def an_answer_that_is_torn_off_is_told_as_such(rope):
    """Its length is not known, and TLS does not say that it is complete (RFC 9112, 9.8)."""
    need("curl")
    web = Web(LEAF)
    web.tears = True
    web.go.set()
    with World(rope, web) as w:
        out = w.sh("for v in 1.1 2; do curl -sSN --http$v https://localhost:PORT/events; echo $?; done 2>/dev/null")
        check(out.count("data: second") == 2 and "\n0\n" not in out, out)


def expect_100_continue(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sSv --http1.1 -H 'Expect: 100-continue' -d hello https://localhost:PORT/x 2>&1")
        check("100 Continue" in out and '"size": 5' in out, out)


WEBSOCKET = """
import socket, ssl, os, sys
port = int(sys.argv[1])
s = ssl.create_default_context().wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost")
s.sendall(b"GET /ws HTTP/1.1\\r\\nHost: localhost:%d\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
          b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n" % port)
f = s.makefile("rb")
print(f.readline().decode().strip())
while f.readline().strip():
    pass
for text in (b"hello", b"x" * 1000):
    n = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    s.sendall(b"\\x81" + n + b"\\0\\0\\0\\0" + text)
    head = f.read(2)
    size = head[1] if head[1] < 126 else int.from_bytes(f.read(2), "big")
    print(f.read(size) == text)
s.sendall(b"\\x88\\x80\\0\\0\\0\\0")
print(f.read(2))
"""


def a_websocket(rope):
    with World(rope, Web(LEAF)) as w:
        out = w.sh("cat >ws.py <<'E'\n%sE\npython3 ws.py PORT 2>&1" % WEBSOCKET)
        check("101" in out and out.count("True") == 2 and "b'\\x88\\x00'" in out, out)
        check(w.requests()[0]["context"]["scheme"] == "wss", w.requests())


def plain_http_is_judged_too(rope):
    need("curl")
    with World(rope, Web()) as w:
        out = w.sh("curl -sS http://localhost:PORT/a; curl -sS http://localhost:PORT/secret/b")
        check('"/a"' in out and "refused by belay" in out, out)
        check(w.servers[0].paths() == ["/a"], w.servers[0].paths())


def a_refused_request_is_told_in_the_clients_format(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("""
            curl -sS -w '%{http_code}\n' https://localhost:PORT/secret/text
            curl -sS -H 'Accept: application/json' https://localhost:PORT/secret/json
            curl -sS -H 'anthropic-version: 2023-06-01' -d '{}' https://localhost:PORT/secret/v1/messages
            curl -sS -d '{}' https://localhost:PORT/secret/v1/chat/completions
            curl -sS -d '{}' https://localhost:PORT/secret/v1beta/models/m:generateContent""")
        check(len(out.splitlines()) == 6, out)
        text, code, *answers = out.splitlines()
        json_, anthropic, openai, gemini = (json.loads(a) for a in answers)
        check("refused by belay" in text and code == "403", text, code)
        check(json_["error"]["reason"] and "rule" in json_["error"], json_)
        check(anthropic["type"] == "error" and anthropic["error"]["type"] == "permission_error", anthropic)
        check(openai["error"]["code"] == "refused_by_belay", openai)
        check(gemini["error"]["status"] == "PERMISSION_DENIED" and gemini["error"]["code"] == 403, gemini)
        check(w.servers[0].paths() == [] and len(w.requests("deny")) == 5, w.servers[0].paths())


def redirects_are_judged_again(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sSL https://localhost:PORT/redirect")
        check("refused by belay" in out and w.servers[0].paths() == ["/redirect"], out, w.servers[0].paths())


def a_request_for_another_host_or_port_is_refused(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("""
            curl -sS -w '%{http_code}\n' -H 'Host: other.example' https://localhost:PORT/a
            curl -sS -w '%{http_code}\n' -H 'Host: localhost:1' https://localhost:PORT/a
            curl -sS -w '%{http_code}\n' --http1.1 -H 'Host: other.example' https://localhost:PORT/a""")
        check(out.count("421") == 3 and w.servers[0].paths() == [], out, w.servers[0].paths())
        check(len(w.notes("refused")) == 3, w.notes("refused"))


RAW = """
import socket, ssl, sys
port, tls = int(sys.argv[1]), sys.argv[2] == "tls"
for request in (b"GET / HTTP/1.1\\nHost: localhost:@@\\n\\n",
                b"GET / HTTP/1.1\\r\\nHost: localhost:@@\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
                b"GET / HTTP/1.1\\r\\nHost: localhost:@@\\r\\nHost: other\\r\\n\\r\\n",
                b"GET /a/%2e%2e/secret HTTP/1.1\\r\\nHost: localhost:@@\\r\\n\\r\\n",
                b"GET /a/../secret HTTP/1.1\\r\\nHost: localhost:@@\\r\\n\\r\\n",
                b"\\r\\n\\r\\n GET /secret HTTP/1.1\\r\\nHost: localhost:@@\\r\\n\\r\\n",
                b"get /secret HTTP/1.1\\r\\nHost: localhost:@@\\r\\n\\r\\n",
                b"GET http://other/ HTTP/1.1\\r\\nHost: localhost:@@\\r\\n\\r\\n"):
    s = socket.create_connection(("localhost", port), timeout=20)
    if tls:
        s = ssl.create_default_context().wrap_socket(s, server_hostname="localhost")
    s.sendall(request.replace(b"@@", str(port).encode()))
    print(s.recv(100).split(b"\\r\\n")[0].decode())
"""


def what_could_be_read_in_two_ways_is_refused(rope):
    with World(rope, Web(LEAF), Web()) as w:
        out = w.sh("cat >raw.py <<'E'\n%sE\npython3 raw.py PORT tls 2>&1; python3 raw.py PORT2 plain 2>&1" % RAW)
        lines = out.splitlines()
        check(len(lines) == 16 and all(" 400 " in x or " 403 " in x or " 421 " in x for x in lines), out)
        check(all(s.paths() == [] for s in w.servers), [s.paths() for s in w.servers])


def servers_that_do_not_prove_their_name(rope):
    need("curl")
    other = Authority("unknown authority")
    year = ("20200101000000Z", "20210101000000Z")
    bad = {"expired": AUTHORITY.leaf("expired", start=year[0], end=year[1]),
           "another name": AUTHORITY.leaf("wrong", ("other.example",)),
           "signed by itself": AUTHORITY.leaf("self", self_signed=True),
           "not trusted": other.leaf("unknown"),
           "too weak": AUTHORITY.leaf("weak", kind="1024"),
           "not valid yet": AUTHORITY.leaf("future", start="20400101000000Z", end="20410101000000Z")}
    servers = [Web(leaf) for leaf in bad.values()]
    with World(rope, *servers) as w:
        out = w.sh("\n".join("curl -sS -w '%%{http_code}\\n' https://localhost:%d/a" % s.port for s in servers))
        lines = out.splitlines()
        for i, word in enumerate(bad):
            check(word in lines[2 * i] and lines[2 * i + 1] == "502", word, out)
        check(all(s.paths() == [] for s in servers))
        check(len([n for n in w.notes("request") if n["status"] == 502]) == len(bad), w.notes("request"))


def a_client_that_pins_is_told_apart(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS --cacert other.pem https://localhost:PORT/a 2>&1")
        check("certificate" in out, out)
        notes = w.notes("refused")
        check("does not accept the session's certificate" in notes[0]["text"], notes)
        check("permit connect" in notes[0]["text"] and w.servers[0].paths() == [], notes)


def servers_that_break_off(rope):
    need("curl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS -w '%{http_code}\n' https://localhost:PORT/nothing; curl -sS https://localhost:PORT/lost 2>&1; echo $?")
        check("502" in out and out.strip().splitlines()[-1] != "0", out)


def openssl_s_client(rope):
    need("openssl")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("printf 'GET /a HTTP/1.1\\r\\nHost: localhost:PORT\\r\\nConnection: close\\r\\n\\r\\n' |"
                   "openssl s_client -quiet -verify_return_error -connect localhost:PORT -servername localhost 2>&1;"
                   "openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect localhost:PORT </dev/null 2>&1 | grep -c 'alert protocol version'")
        check('"/a"' in out and out.strip().endswith("1"), out)


def nghttp(rope):
    need("nghttp", "node")
    with World(rope, H2(LEAF)) as w:
        out = w.sh("nghttp -v https://localhost:PORT/a; nghttp -n https://localhost:PORT/big?30000000 && echo fine")
        check("x-sum: of-h2" in out and '"/a"' in out and "fine" in out, out)


def wget(rope):
    need("wget")
    with World(rope, Web(LEAF)) as w:
        check('"/a"' in w.sh("wget -qO- https://localhost:PORT/a"))


def python(rope):
    with World(rope, Web(LEAF)) as w:
        out = w.sh("python3 -c 'import urllib.request as u; print(u.urlopen(\"https://localhost:PORT/a\").read())' 2>&1")
        check('"/a"' in out, out)


def node(rope):
    need("node")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("""node -e '
            const f = async () => { const r = await fetch("https://localhost:PORT/a"); console.log(await r.text());
              const p = await fetch("https://localhost:PORT/p", {method: "POST", body: "x".repeat(300000)}); console.log(await p.text());
              console.log((await fetch("https://localhost:PORT/secret")).status) };
            f().catch(e => console.log(e))' 2>&1""")
        check('"/a"' in out and '"size": 300000' in out and "403" in out, out)


def git_clone(rope):
    need("git")
    static = rope.folder("static")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example"]
    subprocess.run(["git", "init", "-q", static + "/r"], check=True)
    with open(static + "/r/file", "w") as f:
        f.write("from git\n")
    for args in (["add", "file"], ["commit", "-qm", "x"], ["update-server-info"]):
        subprocess.run([*git, "-C", static + "/r", *args], check=True)
    with World(rope, Web(LEAF, static=static)) as w:
        out = w.sh("git clone -q https://localhost:PORT/static/r/.git here 2>&1 && cat here/file")
        check("from git" in out, out)


def npm_install(rope):
    need("npm")
    static = rope.folder("static")
    package = rope.folder("package")
    for name, text in (("package.json", '{"name": "tiny", "version": "1.0.0"}'), ("index.js", "module.exports = 'tiny';\n")):
        with open(os.path.join(package, name), "w") as f:
            f.write(text)
    with tarfile.open(static + "/tiny-1.0.0.tgz", "w:gz") as t:
        t.add(package, "package")
    web = Web(LEAF, static=static)
    web.routes["/tiny"] = lambda h: h.answer(json.dumps({
        "name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
            "name": "tiny", "version": "1.0.0",
            "dist": {"tarball": "https://localhost:%d/static/tiny-1.0.0.tgz" % web.port}}}}).encode())
    with World(rope, web) as w:
        out = w.sh("npm install --no-audit --no-fund --registry https://localhost:PORT/ tiny 2>&1;"
                   "node -p 'require(\"tiny\")'", timeout=120)
        check(out.strip().endswith("tiny"), out)


JAVA = """
public class A {
    public static void main(String[] a) throws Exception {
        System.out.println(new String(new java.net.URL(a[0]).openStream().readAllBytes()));
    }
}
"""


def java(rope):
    need("java")
    if not os.path.exists("/etc/ssl/certs/java/cacerts"):
        raise Skip("Java has its store elsewhere")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("cat >A.java <<'E'\n%sE\njava A.java https://localhost:PORT/a 2>&1" % JAVA, timeout=120)
        check('"/a"' in out, out)


def chromium(rope):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise Skip("chromium is not installed")
    need("certutil")
    with World(rope, Web(LEAF)) as w:
        out = w.sh("mkdir -p $HOME/.pki/nssdb; certutil -d sql:$HOME/.pki/nssdb -N --empty-password;"
                   "certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n belay -i /run/belay/ca.pem;"
                   "%s --headless --no-sandbox --disable-gpu --dump-dom https://localhost:PORT/a 2>/dev/null" % browser,
                   timeout=120)
        check("/a" in out, out)


def a_host_of_no_request_rule_passes_unopened(rope):
    need("curl")
    rules = """permit (principal, action == Action::"connect", resource == Host::"localhost") when { [%s].contains(context.port) };
               permit (principal, action == Action::"request", resource == Host::"web.example");"""
    with World(rope, Web(LEAF), rules=rules) as w:
        out = w.sh("curl -sS https://localhost:PORT/a --cacert other.pem")
        check('"/a"' in out, out)
        check(not w.requests(), w.requests())


def credentials_are_swapped_in_where_they_belong(rope):
    need("curl")
    home, elsewhere = Web(LEAF), Web(LEAF)
    settings = """
credentials:
  tracker:
    from: {env: TRACKER_TOKEN}
    to: ["localhost:%d/api/*"]
    only: true
""" % home.port
    secret = "tracker-" + os.urandom(16).hex()
    with World(rope, home, elsewhere, settings=settings) as w:
        out = w.sh("""
            echo "[$TRACKER_TOKEN]"
            curl -sS -o good -H "Authorization: Bearer $TRACKER_TOKEN" https://localhost:PORT/api/x; echo $?
            curl -sS -w '%{http_code}\n' -H "Authorization: Bearer $TRACKER_TOKEN" https://localhost:PORT2/api/x
            curl -sS -w '%{http_code}\n' -H "Authorization: Bearer $TRACKER_TOKEN" https://localhost:PORT/other
            curl -sS -w '%{http_code}\n' -H "Authorization: Bearer somebody-elses" https://localhost:PORT/api/x
            curl -sS -w '%{http_code}\n' -d "leak=$TRACKER_TOKEN" https://localhost:PORT2/a
            curl -sS -w '%{http_code}\n' "https://localhost:PORT2/a?$TRACKER_TOKEN"
            """, env=rope.env(TRACKER_TOKEN=secret))
        lines = out.splitlines()
        check(secret not in out and len(lines[0]) > 20 and lines[1] == "0", out)
        check(out.count("403") == 5, out)
        check([h.get("authorization") for _, _, h in home.requests] == ["Bearer " + secret], home.requests)
        check(elsewhere.requests == [], elsewhere.requests)
        check(len([e for e in w.events() if e.get("event") == "alert" or e.get("kind") == "alert"]) >= 4, w.events())
        with open(rope.record(w.events()[0]["session"])) as f:
            check(secret not in f.read())


def the_key_stays_in_the_gate(rope):
    with World(rope, Web(LEAF)) as w:
        out = w.sh("ls /run/belay; grep -l 'PRIVATE KEY' /run/belay/* /etc/ssl/certs/*; openssl x509 -in /run/belay/ca.pem -noout -subject -dates; env")
        check("belay session authority" in out and "PRIVATE" not in out, out)
        check("NODE_EXTRA_CA_CERTS=/run/belay/" in out and "SSL_CERT_FILE=/run/belay/ca-bundle.pem" in out, out)


def a_bundle_that_is_too_large_is_as_if_not_named(rope):
    need("curl")
    large = rope.file("config/large.pem", "#" * (5 << 20))
    with World(rope, Web(LEAF)) as w:
        out = w.sh("curl -sS https://localhost:PORT/a", env=rope.env(CURL_CA_BUNDLE=large, NODE_EXTRA_CA_CERTS=large))
        check('"/a"' in out, out)


def an_untrusted_place_for_authorities(rope):
    bad = rope.file("work/ca.pem", "x")
    p = rope.file("config/p.cedar", RULES.replace("[%s].contains(context.port)", "context.port == 1"))
    rope.file("config/belay/belay.yaml", "gate:\n  trust: [%s]\n" % bad)
    r = rope.run("true", options=["--policy", "coding", "--policy", p])
    check(r.returncode == 120 and "where the agent can write" in r.stderr, r)


main([curl_over_http1, curl_over_http2_to_http2_and_to_http1, many_requests_share_connections, bodies_of_any_size,
      chunks_and_trailers, events_come_without_delay, an_answer_that_is_torn_off_is_told_as_such, expect_100_continue, a_websocket, plain_http_is_judged_too,
      a_refused_request_is_told_in_the_clients_format, redirects_are_judged_again,
      a_request_for_another_host_or_port_is_refused, what_could_be_read_in_two_ways_is_refused,
      servers_that_do_not_prove_their_name, a_client_that_pins_is_told_apart, servers_that_break_off, openssl_s_client,
      nghttp, wget, python, node, git_clone, npm_install, java, chromium, a_host_of_no_request_rule_passes_unopened,
      credentials_are_swapped_in_where_they_belong, the_key_stays_in_the_gate,
      a_bundle_that_is_too_large_is_as_if_not_named, an_untrusted_place_for_authorities])
