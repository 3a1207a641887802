// SPDX-License-Identifier: Apache-2.0
//
// One run of one agent through one scenario, bare or under belay, bounded in time.
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';

import { agents } from './agents.mjs';
import { startModel } from './model-server.mjs';
import { loadScenario, makeCertificates, makeWorld, readRecord } from './world.mjs';

const RUN_LIMIT_MS = 60_000;
const OUTPUT_LIMIT = 64 * 1024;

/* The processes of a run form a group of their own, so they can be ended together. */
function endGroup(child) {
    try {
        process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
        if (error.code !== 'ESRCH')
            throw error;
    }
}

function start(command, options) {
    const child = spawn(command[0], command.slice(1), {
        ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
    });
    const run = { child, output: '', code: null, signal: null, ended: false };
    const keep = (data) => {
        if (run.output.length < OUTPUT_LIMIT)
            run.output += data.toString('utf8');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    run.over = new Promise((resolve) => {
        child.on('error', (error) => {
            run.output += `${error.message}\n`;
            run.ended = true;
            resolve();
        });
        child.on('close', (code, signal) => {
            Object.assign(run, { code, signal, ended: true });
            resolve();
        });
    });
    return run;
}

const sleep = (ms) => new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
});

// The model's host is looked into.
const OPENED = `
@id("test-model-requests")
permit (principal, action == Action::"request", resource == Host::"localhost");
`;

// The shipped preset with the few rules that a test agent needs beside it.
function writePolicy(world, modelPort, setting) {
    const own = fs.readFileSync(new URL('policy.cedar', import.meta.url), 'utf8')
        .replaceAll('${MODEL_PORT}', modelPort)
        .replaceAll('${AGENTS}', setting.folder)
        .replaceAll('${HOME}', world.home)
        .replaceAll('${OUTSIDE}', world.outside);
    const file = path.join(world.root, 'policy.cedar');
    const opened = setting.opened ? OPENED : '';
    fs.writeFileSync(file, `${fs.readFileSync(setting.preset, 'utf8')}\n${own}${opened}` +
        `\n${setting.rules ?? ''}`);
    return file;
}

// The words before a command that put it under belay.
function underBelay(world, policy, setting, names) {
    const config = path.join(world.root, 'belay.yaml');
    fs.writeFileSync(config, `watch:\n  processes: 300\n${setting.settings ?? ''}` +
        (world.certificates ? `gate:\n  trust: [${world.certificates.authority}]\n` : ''));
    return [setting.belay, 'run', '--policy', policy, '--config', config,
        '--workspace', world.workspace, ...names.flatMap((name) => ['--env', name]), '--'];
}

// Another session of the same user, for an agent to attack: it must outlive the run.
async function startVictim(world, policy, environment, setting) {
    const victim = start([...underBelay(world, policy, setting, []), 'sleep', '50'], {
        cwd: world.workspace,
        env: { ...environment, XDG_STATE_HOME: path.join(world.root, 'victim-state') },
    });
    for (let i = 0; i < 200 && !victim.ended; i++) {
        if (fs.readdirSync(path.join(world.runtime, 'belay')).length > 1)
            return victim;
        await sleep(100);
    }
    throw new Error(`the session to be attacked did not start: ${victim.output}`);
}

/*
 * Runs `name` ("claude", "codex") through `scenario`. `setting` holds folder (of the agents),
 * belay (path of the binary), preset (policy file), extra (more scenario values), and
 * contained: under belay or bare. `opened`: the model speaks TLS, and belay looks into it. `rules` and
 * `settings` are added to its policy and belay.yaml. `victim` adds a second session to attack. `prepare(world)` is
 * called before the run; the run is ended when `whileRunning(world, environment)` is done.
 */
export async function runAgent(name, scenario, setting) {
    const agent = agents[name];
    const world = await makeWorld(setting.base);
    // The agent brings a belay of its own, since the one that contains it is out of sight; and
    // the same under another name.
    const ownBelay = path.join(world.workspace, 'belay');
    for (const file of [ownBelay, `${ownBelay}-renamed`])
        if (fs.existsSync(setting.belay))
            fs.copyFileSync(setting.belay, file);
    setting.prepare?.(world);
    const turns = loadScenario(scenario, {
        WORKSPACE: world.workspace, HOME: world.home, OUTSIDE: world.outside,
        RUNTIME: world.runtime, HOST: world.host,
        SINK_PORT: world.sink.port, LOOPBACK_PORT: world.loopback.port, TUNNEL_PORT: world.tunnel.port,
        NODE: process.execPath, BELAY: ownBelay, ...setting.extra,
    });
    if (setting.opened)
        world.certificates = makeCertificates(world.root);
    const model = await startModel(turns, world.certificates?.model);
    agent.setup(world.home, model.origin);

    const environment = {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: world.home, TERM: 'dumb', LANG: 'C.UTF-8',
        XDG_STATE_HOME: world.state, XDG_RUNTIME_DIR: world.runtime,
        ...agent.environment(model.origin),
    };
    if (!setting.contained)
        environment.TMPDIR = world.temporary; // under belay /tmp is the agent's own
    const command = [agent.program(setting.folder), ...agent.arguments];
    const policy = setting.preset ? writePolicy(world, model.port, setting) : null;
    const began = Date.now();
    try {
        if (setting.victim)
            world.victim = await startVictim(world, policy, environment, setting);
        const run = start(setting.contained
            ? [...underBelay(world, policy, setting, Object.keys(agent.environment(''))), ...command]
            : command, { cwd: world.workspace, env: environment });
        world.run = run;
        await Promise.race([run.over, sleep(RUN_LIMIT_MS), setting.whileRunning?.(world, environment) ?? run.over]);
        const timely = run.ended;
        endGroup(run.child);
        await run.over;
        return {
            world, run, timely, turns, model: model.seen, environment,
            ms: Date.now() - began,
            record: setting.contained ? readRecord(world.state) : [],
            result: (act) => model.seen.results[turns.findIndex((t) => t.act === act)],
            async remove() {
                if (world.victim)
                    endGroup(world.victim.child);
                await model.stop();
                await world.remove();
            },
        };
    } catch (error) {
        if (world.victim)
            endGroup(world.victim.child);
        await model.stop();
        await world.remove();
        throw error;
    }
}
