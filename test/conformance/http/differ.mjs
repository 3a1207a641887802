// SPDX-License-Identifier: Apache-2.0
//
// differ.mjs HTTP-READ - what Node.js's parser and ours both accept has to be the same message. Reads the
// malformed requests of the unit tests, sound ones, and some thousands of both with bytes changed by a
// generator with a fixed seed. TAP.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common');
const reader = process.argv[2];

const sound = [
    'GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n, goodbye.\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n',
    'PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\nGET /y HTTP/1.1\r\nHost: a.test\r\n\r\n',
    'POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabcDELETE /2 HTTP/1.1\r\nHost: a.test\r\n\r\n',
    'GET http://a.test/z HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n',
    'GET / HTTP/1.0\r\nHost: a.test\r\n\r\n',
];

// Fields that src/http takes out: they are about the connection or the framing.
const taken = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'te', 'upgrade',
    'expect', 'http2-settings', 'proxy-connection']);

let seed = 1n;
function any(n) {
    seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(seed >> 33n) % n;
}

const pieces = ['\r', '\n', '\r\n', ' ', '\t', ':', ';', ',', '0', '5', 'f', '\0', '\x7f', '\x80', 'Host: b.test\r\n',
    'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'chunked', ' \r\n', '\r\n\r\n', '0\r\n\r\n', 'HTTP/1.0', '-', '+', '_'];

function changed(text) {
    for (let times = 1 + any(3); times > 0; times--) {
        const at = any(text.length + 1), n = any(4) === 0 ? any(12) : any(2);
        text = text.slice(0, at) + (any(4) > 0 ? pieces[any(pieces.length)] : '') + text.slice(at + n);
    }
    return text;
}

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');
const text = (word) => Buffer.from(word ?? '', 'hex').toString('latin1');

function run(args, input) {
    const r = spawnSync(reader, args, { input, maxBuffer: 1 << 28, encoding: 'latin1' });
    if (r.status !== 0) throw new Error(`${reader}: ${r.error ?? r.signal ?? r.status} ${r.stderr}`);
    return r.stdout.split('\n');
}

// Messages that were read whole.
function ours(lines) {
    const all = [];
    let messages = [], fault = null, m = null;
    for (const line of lines) {
        const [what, a, b] = line.split(' ');
        if (what === 'head') m = { method: text(a), target: text(b), fields: [], body: '', trailers: [] };
        else if (what === 'field') m.fields.push([text(a), text(b)]);
        else if (what === 'body') m.body += text(a);
        else if (what === 'trailer') m.trailers.push([text(a), text(b)]);
        else if (what === 'end') messages.push(m);
        else if (what === 'fault') fault = line.slice(6);
        else if (what === '.') { all.push({ messages, fault }); messages = []; fault = null; }
    }
    return all;
}

function pairs(list, without) {
    const out = [];
    for (let i = 0; i < list.length; i += 2) {
        const name = list[i].toLowerCase();
        if (!without.has(name)) out.push([name, list[i + 1].replace(/^[ \t]+|[ \t]+$/g, '')]);
    }
    return out;
}

function nodes(bytes) {
    const messages = [], parser = new HTTPParser();
    let m = null, early = [], url = '';
    parser.initialize(HTTPParser.REQUEST, {});
    parser[HTTPParser.kOnHeaders | 0] = (fields, u) => {
        if (m) m.raw.push(...fields);
        else { early.push(...fields); url += u; }
    };
    parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, fields, method, u, status, reason, upgrade) => {
        const list = fields ?? early;
        const named = new Set(taken);
        for (let i = 0; i < list.length; i += 2)
            if (list[i].toLowerCase() === 'connection')
                for (const name of list[i + 1].split(',')) named.add(name.trim().toLowerCase());
        m = { method: methods[method], target: u ?? url, fields: pairs(list, named), body: '', raw: [], upgrade };
        early = []; url = '';
    };
    parser[HTTPParser.kOnBody | 0] = (b) => { m.body += b.toString('latin1'); };
    parser[HTTPParser.kOnMessageComplete | 0] = () => {
        m.trailers = pairs(m.raw, new Set());
        messages.push(m);
        m = null;
    };
    const r = parser.execute(Buffer.from(bytes, 'latin1'));
    return { messages, fault: r instanceof Error ? r.code : null };
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// What differs between the nth messages, or nothing.
function difference(us, node) {
    if (us.method !== node.method) return `method ${us.method} and ${node.method}`;
    if (node.target !== us.target && !(/^http:\/\/[^/?]+/i.test(node.target)
        && node.target.replace(/^http:\/\/[^/?]+/i, '').replace(/^(?=$|\?)/, '/') === us.target))
        return `target ${us.target} and ${node.target}`;
    if (!same(us.fields, node.fields)) return `fields ${JSON.stringify(us.fields)} and ${JSON.stringify(node.fields)}`;
    if (us.body !== node.body) return `body ${JSON.stringify(us.body)} and ${JSON.stringify(node.body)}`;
    if (!same(us.trailers, node.trailers)) return 'trailers';
    return null;
}

const table = run(['--cases'], '').filter((l) => l.split(' ')[1] === 'SERVER').map((l) => text(l.split(' ')[3]));
const list = [...sound, ...table];
for (let i = 0; i < 6000; i++) list.push(changed(sound[any(sound.length)]));
for (let i = 0; i < 2000; i++) list.push(changed(table[any(table.length)]));

const readings = ours(run([], list.map((c) => hex(c) + '\n').join('')));
let failed = 0, both = 0, onlyUs = 0, onlyNode = 0;
const differ = [];
list.forEach((bytes, i) => {
    const us = readings[i], node = nodes(bytes);
    // Message by message: one that both took whole is the same, and ends at the same place.
    const n = Math.min(us.messages.length, node.messages.length);
    for (let k = 0; k < n; k++) {
        const d = difference(us.messages[k], node.messages[k]);
        both++;
        if (d !== null && !(us.messages[k].method === 'CONNECT' || node.messages[k].upgrade))
            differ.push(`${JSON.stringify(bytes)}: ${d}`);
    }
    // Where one goes on and the other does not, the one that stopped has to say that it refused.
    if (us.messages.length > n && node.fault === null && !node.messages.some((m) => m.upgrade))
        differ.push(`${JSON.stringify(bytes)}: we read ${us.messages.length} messages, Node.js ${n}`);
    onlyUs += us.messages.length - n;
    onlyNode += node.messages.length - n;
});

console.log('1..3');
function report(ok, name, notes = []) {
    for (const note of notes) console.log(`# ${note}`);
    console.log(`${ok ? '' : 'not '}ok ${++report.n} - ${name}`);
    if (!ok) failed++;
}
report.n = 0;
report(readings.length === list.length, 'every case was read');
report(both > 1000, `enough messages were read by both (${both}; by us alone ${onlyUs}, by Node.js alone ${onlyNode})`);
report(differ.length === 0, 'what both accept is the same message', differ.slice(0, 20));
process.exit(failed ? 1 : 0);
