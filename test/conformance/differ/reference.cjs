// SPDX-License-Identifier: Apache-2.0
// reference.cjs PACKAGE CASE... - what the reference implementation of Cedar says of generated
// cases, in the lines of ours.c. PACKAGE is the folder of @cedar-policy/cedar-wasm.
'use strict';
const fs = require('fs');
const path = require('path');

const [folder, ...files] = process.argv.slice(2);
const cedar = require(path.resolve(folder, 'nodejs'));

const number = (id) => Number(id.slice('policy'.length));
const ids = (list, mark) =>
    list.map(number).sort((a, b) => a - b).map((n) => ` ${mark}policy${n}`).join('');

function judge(file) {
    const [schema, policies, request, entities] = fs.readFileSync(file, 'utf8').split('\0');
    const asked = JSON.parse(request);
    const known = JSON.parse(entities);
    const ok = (answer) => answer.type === 'success';
    const ask = (staticPolicies, list) =>
        cedar.isAuthorized({
            ...asked, schema, validateRequest: true, policies: { staticPolicies }, entities: list,
        });

    const parsed = ok(cedar.checkParsePolicySet({ staticPolicies: policies }));
    const validation = parsed && cedar.validate({
        validationSettings: { mode: 'strict' }, schema, policies: { staticPolicies: policies },
    });
    const flags = [
        parsed,
        parsed && ok(validation) && validation.validationErrors.length === 0,
        ok(ask('', [])),
        ok(cedar.checkParseEntities({ entities: known, schema })),
    ];
    let decision = '';
    if (flags[0] && flags[2] && flags[3]) {
        const { response } = ask(policies, known);
        decision = response.decision + ids(response.diagnostics.reason, '+') +
            ids(response.diagnostics.errors.map((e) => e.policyId), '!');
    }
    return `${file}\t${flags.map(Number).join('')}\t${decision}`;
}

for (const file of files) {
    console.log(judge(file));
}
