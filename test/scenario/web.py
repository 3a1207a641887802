# SPDX-License-Identifier: Apache-2.0
"""Servers on the host's loopback for the tests of the gate, with authorities of their own."""
import base64
import hashlib
import http.server
import json
import os
import ssl
import struct
import subprocess
import tempfile
import threading

CA_CONFIG = """
[ca]
default_ca = x
[x]
database = %(top)s/db
new_certs_dir = %(top)s
serial = %(top)s/serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """A test authority, and the certificates it signs."""

    def __init__(self, name="test authority"):
        self.top = tempfile.mkdtemp(prefix="ca-")
        for file, text in (("db", ""), ("serial", "1000\n"), ("config", CA_CONFIG % {"top": self.top})):
            with open(self.path(file), "w") as f:
                f.write(text)
        self.key("ca.key")
        self.openssl("req", "-x509", "-new", "-key", self.path("ca.key"), "-subj", "/CN=" + name, "-days", "30",
                     "-out", self.path("ca.pem"), "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign")
        self.pem = self.path("ca.pem")

    def path(self, name):
        return os.path.join(self.top, name)

    @staticmethod
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)

    def key(self, name, kind="EC"):
        if kind == "EC":
            self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(name))
        else:
            self.openssl("genrsa", "-out", self.path(name), kind)

    def leaf(self, name, names=("localhost",), kind="EC", start=None, end=None, self_signed=False):
        """A file with key and certificate."""
        san = ",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names)
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n" % san)
        self.key(name + ".key", kind)
        self.openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", "/CN=" + names[0], "-out",
                     self.path(name + ".csr"))
        signer = ["-selfsign", "-keyfile", self.path(name + ".key")] if self_signed else \
            ["-keyfile", self.path("ca.key"), "-cert", self.path("ca.pem")]
        dates = ["-startdate", start, "-enddate", end] if start else ["-days", "20"]
        self.openssl("ca", "-batch", "-notext", "-config", self.path("config"), *signer, "-in",
                     self.path(name + ".csr"), "-out", self.path(name + ".crt"), "-extfile",
                     self.path(name + ".ext"), *dates)
        with open(self.path(name + ".pem"), "w") as out:
            for part in (".key", ".crt"):
                with open(self.path(name + part)) as f:
                    out.write(f.read())
        return self.path(name + ".pem")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    def answer(self, body, kind="application/json", status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def seen(self):
        self.server.owner.requests.append((self.command, self.path, dict(self.headers)))

    def do_GET(self):
        self.seen()
        path = self.path.split("?")[0]
        for prefix, method in self.server.owner.routes.items():
            if path.startswith(prefix):
                return method(self)
        return self.answer(json.dumps({"path": self.path, "headers": dict(self.headers)}).encode())

    do_HEAD = do_GET

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return
                while size > 0:
                    part = self.rfile.read(min(size, 65536))
                    size -= len(part)
                    yield part
                self.rfile.readline()
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            part = self.rfile.read(min(left, 65536))
            if not part:
                return
            left -= len(part)
            yield part

    def do_POST(self):
        self.seen()
        digest, n = hashlib.sha256(), 0
        for part in self.body():
            digest.update(part)
            n += len(part)
        self.answer(json.dumps({"size": n, "sha256": digest.hexdigest()}).encode())

    do_PUT = do_POST


def big(h):
    size, block = int(h.path.split("?")[1]), b"0123456789abcdef" * 4096
    h.send_response(200)
    h.send_header("Content-Length", str(size))
    h.end_headers()
    while size > 0:
        h.wfile.write(block[:size])
        size -= len(block)


def chunked(h):
    h.send_response(200)
    h.send_header("Transfer-Encoding", "chunked")
    h.send_header("Trailer", "X-Sum")
    h.end_headers()
    for part in (b"one ", b"two ", b"three\n"):
        h.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    h.wfile.write(b"0\r\nX-Sum: 3\r\n\r\n")


def events(h):
    """Waits after the first event until the test has seen it."""
    h.send_response(200)
    h.send_header("Content-Type", "text/event-stream")
    h.end_headers()
    h.close_connection = True
    h.wfile.write(b"data: first\n\n")
    h.wfile.flush()
    h.server.owner.go.wait(20)
    h.wfile.write(b"data: second\n\n")


def redirect(h):
    h.answer(b"", status=302, Location="/secret/here")


def lost(h):
    """Ends in the middle."""
    h.send_response(200)
    h.send_header("Content-Length", "100")
    h.end_headers()
    h.wfile.write(b"only this")
    h.close_connection = True


def nothing(h):
    h.close_connection = True


def websocket(h):
    """Echoes the frames of one message at a time, unmasked, until a close."""
    key = h.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    h.send_response(101)
    h.send_header("Upgrade", "websocket")
    h.send_header("Connection", "Upgrade")
    h.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
    h.end_headers()
    h.close_connection = True
    while True:
        first, second = h.rfile.read(2)
        n = second & 127
        if n == 126:
            n = struct.unpack("!H", h.rfile.read(2))[0]
        mask = h.rfile.read(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(h.rfile.read(n)))
        h.wfile.write(bytes([first]) + (bytes([n]) if n < 126 else bytes([126]) + struct.pack("!H", n)) + data)
        h.wfile.flush()
        if first & 15 == 8:
            return


class Web:
    """An HTTP/1.1 server, over TLS if it has a certificate; `static` is served below /static/."""

    def __init__(self, certificate=None, static=None, versions=None):
        self.requests, self.connections = [], 0
        self.go = threading.Event()
        self.tears = False  # ends its connections without a word of TLS
        self.static = static
        self.routes = {"/big": big, "/chunked": chunked, "/events": events, "/redirect": redirect, "/lost": lost,
                       "/nothing": nothing, "/ws": websocket, "/static/": self.file}
        owner = self

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def get_request(self):
                owner.connections += 1
                return super().get_request()

            def finish_request(self, request, address):
                if certificate:
                    request.settimeout(60)
                    try:
                        request = context.wrap_socket(request, server_side=True)
                    except OSError:
                        return
                super().finish_request(request, address)
                if certificate and not owner.tears:
                    request.unwrap()

            def handle_error(self, request, address):
                pass

        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.load_cert_chain(certificate)
            if versions:
                context.minimum_version, context.maximum_version = versions
        self.http = Listener(("127.0.0.1", 0), Handler)
        self.http.owner = self
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def file(self, h):
        path = os.path.realpath(os.path.join(self.static, h.path.split("?")[0][len("/static/"):]))
        if not path.startswith(self.static) or not os.path.isfile(path):
            return h.answer(b"no such file\n", "text/plain", 404)
        with open(path, "rb") as f:
            return h.answer(f.read(), "application/octet-stream")

    def paths(self):
        return [path for _, path, _ in self.requests]

    def close(self):
        self.go.set()
        self.http.shutdown()
        self.http.server_close()


H2_SERVER = """
const http2 = require('http2'), fs = require('fs');
const pem = fs.readFileSync(process.argv[1]);
const server = http2.createSecureServer({key: pem, cert: pem, allowHTTP1: false});
let sessions = 0;
server.on('session', () => sessions++);
server.on('stream', (s, h) => {
  let n = 0;
  s.on('error', () => {});
  if (h[':path'].startsWith('/big')) {
    s.respond({':status': 200});
    let left = Number(h[':path'].split('?')[1]);
    const block = Buffer.alloc(65536, 'x');
    const more = () => { while (left > 0) { const k = Math.min(left, block.length); left -= k;
                         if (!s.write(block.subarray(0, k))) return s.once('drain', more); } s.end(); };
    return more();
  }
  s.on('data', d => n += d.length);
  s.on('end', () => {
    s.respond({':status': 200, 'content-type': 'application/json'}, {waitForTrailers: true});
    s.on('wantTrailers', () => s.sendTrailers({'x-sum': 'of-h2'}));
    s.end(JSON.stringify({path: h[':path'], size: n, sessions}) + '\\n');
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


class H2:
    """An HTTP/2 server: node's."""

    def __init__(self, certificate):
        self.node = subprocess.Popen(["node", "-e", H2_SERVER, certificate], stdout=subprocess.PIPE, text=True)
        self.port = int(self.node.stdout.readline())

    def close(self):
        self.node.kill()
        self.node.wait()
        self.node.stdout.close()


