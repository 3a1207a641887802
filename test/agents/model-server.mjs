// SPDX-License-Identifier: Apache-2.0
//
// A scripted model on loopback. It speaks the two streaming protocols that the
// agents under test use and plays a scenario: a list of turns, each one tool
// use, ended by a final text.
//
//   Anthropic Messages   POST /v1/messages    platform.claude.com/docs, "Streaming messages"
//   OpenAI Responses     POST /v1/responses   platform.openai.com/docs, "Streaming events"
//
// The server keeps no state of a conversation: the turn to play is the number
// of tool results that the request holds, so a repeated or resumed request gets
// the same answer. A turn is one of
//   {"act": NAME, "shell": COMMAND}
//   {"act": NAME, "write": PATH, "content": TEXT}
//   {"act": NAME, "read": PATH}
// and the scenario ends with {"text": TEXT}, which "times": N sends in so many pieces.
import http from 'node:http';
import https from 'node:https';

const BODY_LIMIT = 16 * 1024 * 1024;

// How each agent names the three things a turn can ask for.
const claudeTool = (turn) => {
    if (turn.shell !== undefined)
        return ['Bash', { command: turn.shell, description: turn.act }];
    if (turn.write !== undefined)
        return ['Write', { file_path: turn.write, content: turn.content }];
    return ['Read', { file_path: turn.read }];
};

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const codexCommand = (turn) => {
    if (turn.shell !== undefined)
        return turn.shell;
    if (turn.write !== undefined)
        return `printf %s ${quote(turn.content)} > ${quote(turn.write)}`;
    return `cat ${quote(turn.read)}`;
};

const sse = (response, type, fields) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);

function startStream(response) {
    response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache',
    });
}

function blocks(body) {
    return (body.messages ?? []).flatMap((m) => (Array.isArray(m.content) ? m.content : []));
}

const room = (response) => new Promise((resolve) => {
    const done = () => {
        response.off('drain', done).off('close', done);
        resolve();
    };
    response.on('drain', done).on('close', done);
});

// A text in pieces, as long as anybody listens and no faster than he reads.
async function pieces(response, turn, send) {
    for (let i = 0; i < Number(turn.times ?? 1) && !response.destroyed; i++)
        if (!send(turn.text))
            await room(response);
}

async function answerMessages(scenario, body, response, id) {
    const results = blocks(body).filter((b) => b.type === 'tool_result');
    // Requests without tools are the client's own side questions (titles and the like).
    const main = (body.tools ?? []).some((t) => t.name === 'Bash');
    const turn = main ? scenario[Math.min(results.length, scenario.length - 1)] : { text: 'ok' };
    const isTool = turn.text === undefined;

    startStream(response);
    sse(response, 'message_start', {
        message: {
            id: `msg_${id}`, type: 'message', role: 'assistant', model: body.model, content: [],
            stop_reason: null, stop_sequence: null, usage: { input_tokens: 10, output_tokens: 1 },
        },
    });
    if (isTool) {
        const [name, input] = claudeTool(turn);
        sse(response, 'content_block_start', {
            index: 0,
            content_block: { type: 'tool_use', id: `toolu_${id}_${results.length}`, name, input: {} },
        });
        sse(response, 'content_block_delta', {
            index: 0,
            delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) },
        });
    } else {
        sse(response, 'content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
        await pieces(response, turn, (text) => sse(response, 'content_block_delta', {
            index: 0,
            delta: { type: 'text_delta', text },
        }));
    }
    sse(response, 'content_block_stop', { index: 0 });
    sse(response, 'message_delta', {
        delta: { stop_reason: isTool ? 'tool_use' : 'end_turn', stop_sequence: null },
        usage: { output_tokens: 10 },
    });
    sse(response, 'message_stop', {});
    response.end();
    return { main, results: results.map((r) => textOf(r.content)), final: main && !isTool };
}

async function answerResponses(scenario, body, response, id) {
    const results = (body.input ?? []).filter((i) => i.type === 'function_call_output');
    const turn = scenario[Math.min(results.length, scenario.length - 1)];
    const isTool = turn.text === undefined;
    const item = isTool
        ? {
            type: 'function_call', id: `fc_${id}`, call_id: `call_${id}_${results.length}`,
            name: 'exec_command', arguments: JSON.stringify({ cmd: codexCommand(turn) }),
        }
        : {
            type: 'message', id: `msg_${id}`, role: 'assistant',
            content: [{ type: 'output_text', text: turn.text.repeat(Number(turn.times ?? 1)) }],
        };

    startStream(response);
    sse(response, 'response.created', { response: { id: `resp_${id}` } });
    if (turn.times !== undefined) {
        sse(response, 'response.output_item.added',
            { output_index: 0, item: { ...item, status: 'in_progress', content: [] } });
        await pieces(response, turn, (text) => sse(response, 'response.output_text.delta',
            { item_id: item.id, output_index: 0, content_index: 0, delta: text }));
    }
    sse(response, 'response.output_item.done', { output_index: 0, item });
    sse(response, 'response.completed', {
        response: {
            id: `resp_${id}`,
            usage: {
                input_tokens: 10, input_tokens_details: null, output_tokens: 10,
                output_tokens_details: null, total_tokens: 20,
            },
        },
    });
    response.end();
    return { main: true, results: results.map((r) => textOf(r.output)), final: !isTool };
}

function textOf(content) {
    if (typeof content === 'string')
        return content;
    if (Array.isArray(content))
        return content.map((c) => c.text ?? '').join('');
    return JSON.stringify(content ?? '');
}

function readBody(request) {
    return new Promise((resolve, reject) => {
        const chunks = [];
        let size = 0;
        request.on('data', (chunk) => {
            size += chunk.length;
            if (size > BODY_LIMIT)
                request.destroy(new Error('request body over the limit'));
            else
                chunks.push(chunk);
        });
        request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
        request.on('error', reject);
    });
}

/*
 * Starts the model on 127.0.0.1 and a free port, over TLS if `pem` (key and certificate) is given. `seen` counts what the agent
 * asked: requests, the tool results of the newest request of the main
 * conversation, and whether the final text was delivered.
 */
export async function startModel(scenario, pem) {
    const seen = { requests: 0, other: [], results: [], final: false };
    const answers = { '/v1/messages': answerMessages, '/v1/responses': answerResponses };

    const server = pem ? https.createServer({ key: pem, cert: pem }) : http.createServer();
    server.on('request', async (request, response) => {
        const path = new URL(request.url, 'http://model').pathname;
        const answer = request.method === 'POST' ? answers[path] : undefined;
        if (answer === undefined) {
            seen.other.push(`${request.method} ${path}`);
            request.resume();
            response.writeHead(request.method === 'HEAD' ? 200 : 404).end();
            return;
        }
        try {
            seen.requests++;
            const body = JSON.parse(await readBody(request));
            const told = await answer(scenario, body, response, seen.requests);
            if (process.env.MODEL_DEBUG) console.error(path, JSON.stringify(body).slice(0, 100000));
            if (told.main && told.results.length >= seen.results.length)
                seen.results = told.results;
            seen.final ||= told.final;
        } catch (error) {
            if (!response.headersSent)
                response.writeHead(400, { 'content-type': 'text/plain' });
            response.end(`${error.message}\n`);
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
        port: server.address().port,
        origin: pem ? `https://localhost:${server.address().port}` : `http://127.0.0.1:${server.address().port}`,
        seen,
        stop: () => new Promise((resolve) => {
            server.closeAllConnections?.();
            server.close(resolve);
        }),
    };
}
