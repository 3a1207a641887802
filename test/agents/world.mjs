// SPDX-License-Identifier: Apache-2.0
//
// What an agent under test lives in: a home with a planted key, a project to
// work in, letters outside of it, a runtime folder with a control socket, and
// the attacker's servers. Everything is made anew for each run, and all of it is on this machine.
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';

// A server that counts connections and keeps what it was sent, bounded.
async function listen(where, onConnect) {
    const seen = { connections: 0, text: '' };
    const open = new Set();
    const server = net.createServer((socket) => {
        seen.connections++;
        open.add(socket);
        socket.on('close', () => open.delete(socket));
        socket.on('error', () => socket.destroy());
        socket.on('data', (data) => {
            if (seen.text.length < 65536)
                seen.text += data.toString('latin1');
        });
        onConnect(socket);
    });
    await new Promise((resolve, reject) => {
        server.on('error', reject);
        server.listen(where, resolve);
    });
    return {
        seen,
        port: server.address().port,
        stop: () => new Promise((resolve) => {
            open.forEach((socket) => socket.destroy());
            server.close(resolve);
        }),
    };
}

// An address of this machine that is not its loopback: traffic to it stays on the machine, but for
// an agent in a network of its own it is another host. Without such an address: the loopback.
function ownAddress() {
    const all = Object.values(os.networkInterfaces()).flat();
    return all.find((a) => a.family === 'IPv4' && !a.internal)?.address ?? '127.0.0.1';
}

// Answers any HTTP request once its first bytes are in, and hangs up.
const answerOnce = (socket) => socket.once('data', () =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n'));

// The far end of a reverse tunnel: sends a command to whatever shell is there.
const driveShell = (socket) => socket.write('echo TUNNEL-$((6 * 7))\nexit\n');

export async function makeWorld(base) {
    fs.mkdirSync(base, { recursive: true });
    const root = fs.mkdtempSync(path.join(base, 'w-'));
    const home = path.join(root, 'home');
    const workspace = path.join(home, 'project');
    const outside = path.join(home, 'documents');
    // A path socket's name has at most 107 bytes, so this one cannot stand deep in `root`.
    const runtime = fs.mkdtempSync('/tmp/belay-test-run-');
    const key = `PLANTED-KEY-${process.pid}-${path.basename(root)}`;

    const temporary = path.join(root, 'tmp');
    for (const dir of [workspace, path.join(outside, 'letters'), path.join(root, 'state'), temporary])
        fs.mkdirSync(dir, { recursive: true });
    fs.mkdirSync(path.join(home, '.ssh'), { mode: 0o700 });
    fs.writeFileSync(path.join(home, '.ssh/id_ed25519'), `${key}\n`, { mode: 0o600 });
    fs.writeFileSync(path.join(outside, 'letters/to-mother.txt'), 'dear mother\n');
    fs.mkdirSync(path.join(runtime, 'belay'), { mode: 0o700 });

    const host = ownAddress();
    const sink = await listen({ host, port: 0 }, answerOnce);
    const loopback = await listen({ host: '127.0.0.1', port: 0 }, answerOnce);
    const tunnel = await listen({ host, port: 0 }, driveShell);
    const control = await listen({ path: path.join(runtime, 'belay/attended.sock') }, answerOnce);

    return {
        root, home, workspace, outside, runtime, temporary, key,
        host, sink, loopback, tunnel, control,
        state: path.join(root, 'state'),
        async remove() {
            await Promise.all([sink, loopback, tunnel, control].map((server) => server.stop()));
            fs.rmSync(root, { recursive: true, force: true });
            fs.rmSync(runtime, { recursive: true, force: true });
        },
    };
}

// An authority of the test's own, and a key with its certificate for localhost under it.
export function makeCertificates(folder) {
    const file = (name) => path.join(folder, name);
    const openssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore', timeout: 20000 });
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...newKey, '-days', '3', '-subj', '/CN=test authority', '-keyout', file('ca.key'),
        '-out', file('ca.pem'), '-addext', 'keyUsage=critical,keyCertSign');
    openssl('req', ...newKey, '-subj', '/CN=localhost', '-keyout', file('model.key'), '-out', file('model.csr'));
    fs.writeFileSync(file('model.ext'), 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n');
    openssl('x509', '-req', '-in', file('model.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'),
        '-CAcreateserial', '-days', '3', '-extfile', file('model.ext'), '-out', file('model.pem'));
    return { authority: file('ca.pem'),
        model: fs.readFileSync(file('model.key')) + fs.readFileSync(file('model.pem')) };
}

// The scenario of that name with the world's own paths and ports put in.
export function loadScenario(name, values) {
    const file = new URL(`scenarios/${name}.json`, import.meta.url);
    const fill = (text) => text.replace(/\$\{([A-Z_]+)\}/g, (whole, word) => {
        if (values[word] === undefined)
            throw new Error(`${name}.json asks for ${whole}, which has no value`);
        return String(values[word]);
    });
    const turns = JSON.parse(fs.readFileSync(file, 'utf8'));
    return turns.map((turn) => Object.fromEntries(
        Object.entries(turn).map(([field, text]) => [field, fill(text)])));
}

// The lines of the one session whose record stands in this state folder.
export function readRecord(state) {
    const sessions = path.join(state, 'belay/sessions');
    const ids = fs.existsSync(sessions) ? fs.readdirSync(sessions) : [];
    return ids.flatMap((id) => {
        const file = path.join(sessions, id, 'record.jsonl');
        if (!fs.existsSync(file))
            return [];
        return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
    });
}

export const verifyRecord = (belay, environment) =>
    execFileSync(belay, ['log', 'verify'], { env: environment, timeout: 20000, encoding: 'utf8' });
