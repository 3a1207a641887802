// SPDX-License-Identifier: Apache-2.0
// peer.cjs DIR N - the decisions of bench-cedar's DIR by @cedar-policy/cedar-wasm.
//
// Every advantage that its interface offers: policies preparsed and cached, no schema, and with
// each request only the entities that it needs, as objects made beforehand. The interface has no
// way to keep entities from one call to the next. Run with NODE_PATH at the folder of modules.
// Prints the line of JSON that bench-cedar prints, and how many decisions differ (none may).
const cedar = require('@cedar-policy/cedar-wasm/nodejs');
const fs = require('fs');
const path = require('path');

const [dir, n] = process.argv.slice(2);
const text = fs.readFileSync(path.join(dir, 'policies.cedar'), 'utf8');
const requests = JSON.parse(fs.readFileSync(path.join(dir, 'requests.json'), 'utf8'));

const parsed = cedar.preparsePolicySet('bench', { staticPolicies: text });
if (parsed.type !== 'success') {
  console.error(JSON.stringify(parsed));
  process.exit(1);
}
const calls = requests.map((r) => ({
  principal: r.principal, action: r.action, resource: r.resource, context: r.context,
  entities: r.entities, preparsedPolicySetId: 'bench', validateRequest: false,
}));

let different = 0;
requests.forEach((r, i) => {
  const answer = cedar.statefulIsAuthorized(calls[i]);
  if (answer.type !== 'success' || answer.response.decision !== r.decision) different++;
});

// For a bounded time, at least one round.
const times = [];
const end = process.hrtime.bigint() + 3_000_000_000n;
const began = process.hrtime.bigint();
do {
  for (const call of calls) {
    const start = process.hrtime.bigint();
    cedar.statefulIsAuthorized(call);
    times.push(Number(process.hrtime.bigint() - start));
  }
} while (process.hrtime.bigint() < end);
const whole = Number(process.hrtime.bigint() - began);
times.sort((a, b) => a - b);
console.log(JSON.stringify({
  policies: Number(n), decisions_per_s: Math.round(times.length * 1e9 / whole),
  p50_ns: times[times.length >> 1], p99_ns: times[Math.floor(times.length * 0.99)],
  different, version: cedar.getCedarVersion(),
}));
