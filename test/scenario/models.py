# SPDX-License-Identifier: Apache-2.0
"""Model APIs through the gate: what goes through unchanged, what is refused and how, what is metered."""
import gzip
import json
import os
import shutil
import subprocess

from model_server import (FORMATS, Model, TEXT, anthropic_start, anthropic_stream, chat_stream, endless,
                          request_body)
from rope import check, main, wait_for

# Posts what its arguments name, and writes the answer as it comes: status, then the body.
CLIENT = r"""
import http.client, json, os, sys
port, jobs = int(sys.argv[1]), json.loads(sys.argv[2])
for i, job in enumerate(jobs):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = bytes.fromhex(job["hex"]) if "hex" in job else json.dumps(job["body"]).encode()
    c.request(job.get("method", "POST"), job["path"], body,
              {"content-type": "application/json", **job.get("headers", {})})
    out = open("answer%d" % i, "wb", 0)
    try:
        r = c.getresponse()
        out.write(b"%d\n" % r.status)
        while True:
            data = r.read1(65536)
            if not data:
                break
            out.write(data)
    except Exception as problem:
        out.write(b"\nBROKEN " + repr(problem).encode())
    c.close()
"""

REQUESTS = """
@id("model") permit (principal, action == Action::"request", resource == Host::"localhost");
@id("model-host") permit (principal, action == Action::"connect", resource == Host::"localhost")
when { context.port == %d };
"""


def ask(rope, model, jobs, rules="", settings=""):
    """Runs the client in the jail; the answers are (status, body)."""
    policy = rope.file("config/p.cedar", REQUESTS % model.port + rules)
    options = ["--policy", "coding", "--policy", policy]
    if settings:
        options += ["--config", rope.file("config/s.yaml", settings)]
    command = ["python3", "-c", CLIENT, str(model.port), json.dumps(jobs)]
    p = rope.run(*command, options=options)
    check(p.returncode == 0, p)
    answers = []
    for i in range(len(jobs)):
        with open(os.path.join(rope.work, "answer%d" % i), newline="") as f:
            status, body = f.read().split("\n", 1)
        answers.append((int(status), body))
    return answers


def job(name, **more):
    return {"path": FORMATS[name][0], "body": {**request_body(name), **more}}


def lines(rope, verb, **context):
    return [e for e in rope.log() if e.get("verb") == verb and
            all(e["context"].get(k) == v for k, v in context.items())]


def usage(rope):
    return [e for e in rope.log() if e.get("event") == "usage"]


def every_format(rope, rules):
    """Name, answer and what was sent, of each format. Streams and bodies share paths: one by one."""
    model = Model()
    results = []
    for name in FORMATS:
        model.answers = {FORMATS[name][0]: FORMATS[name][2]}
        results.append((name, ask(rope, model, [job(name)], rules)[0], model.sent))
    model.close()
    return results


def without_rules_on_calls_all_goes_through_unchanged(rope):
    for name, (status, body), sent in every_format(rope, ""):
        check(status == 200 and body == sent, name, status, body, sent)
    log = rope.log()
    intents = [e for e in log if e.get("verb") == "call"]
    check([e["resource"]["id"] for e in intents] == ["agent/Bash", "agent/Read"], intents)
    check(json.loads(intents[0]["context"]["arguments"]) == {"command": "rm -rf /"}, intents)
    infer = [e for e in log if e.get("verb") == "infer"]
    check(len(infer) == 1 and infer[0]["resource"]["id"] == "localhost/gemini-2.5-pro", infer)
    check(intents[0]["cause"] == infer[0]["seq"], intents)
    check(usage(rope)[0]["input"] == 100 and usage(rope)[0]["output"] == 20, usage(rope))
    # $1.25 and $10 for a million, in millionths of a cent
    check(usage(rope)[0]["microcents"] == 100 * 125 + 20 * 1000, usage(rope))


NO_RM = """
@id("no-rm") @reason("nothing is removed")
forbid (principal, action == Action::"call", resource == Tool::"agent/Bash")
when { context.op == "intent" && context.arguments like "*rm -rf*" };
"""


def a_refused_tool_use_is_replaced_by_text(rope):
    for name, (status, body), sent in every_format(rope, NO_RM):
        check(status == 200 and "rm -rf" not in body and "rm -rf" in sent, name, body)
        check("no-rm: nothing is removed" in body and TEXT in body, name, body)
        check('"Read"' in body and "BROKEN" not in body, name, body)
        if "body" in name or "array" in name:
            json.loads(body)
        if "responses" in name:
            check('"type":"message"' in body.replace(": ", ":"), name, body)
    denied = [e for e in rope.log() if e.get("verb") == "call" and e["outcome"] == "deny"]
    check(denied and denied[0]["rules"] == ["no-rm"], rope.log())


def the_stop_reason_fits_what_is_left(rope):
    every = NO_RM + 'forbid (principal, action == Action::"call", resource == Tool::"agent/Read");'
    results = {name: body for name, (_, body), _ in every_format(rope, every)}

    check('"end_turn"' in results["anthropic stream"] and "tool_use" not in results["anthropic stream"],
          results["anthropic stream"])
    check('"stop_reason":"end_turn"' in results["anthropic body"], results["anthropic body"])
    check('"finish_reason":"stop"' in results["chat stream"], results["chat stream"])
    check("tool_calls" not in results["chat body"] and '"stop"' in results["chat body"])
    check("function_call" not in results["responses stream"], results["responses stream"])
    check("functionCall" not in results["gemini stream"], results["gemini stream"])


def text_is_not_delayed_while_a_tool_use_is_held(rope):
    """The server goes on only when the client has what was sent before the tool use began."""
    answer = os.path.join(rope.work, "answer0")
    pieces = anthropic_stream()

    def got(text):
        try:
            with open(answer, newline="") as f:
                return text in f.read()
        except FileNotFoundError:
            return False

    def before(i):
        if 0 < i <= 4:
            wait_for(lambda: got(pieces[i - 1]), "piece %d" % (i - 1), 10)

    model = Model({"/v1/messages": anthropic_stream}, before)
    (status, body), = ask(rope, model, [job("anthropic stream")], NO_RM)
    model.close()
    check(status == 200 and "no-rm" in body and '"end_turn"' not in body, body)


ONLY_CHEAP = """
@id("cheap") permit (principal, action == Action::"infer", resource == Model::"localhost/test-model")
unless { context.tools.contains("web_search") };
"""


def models_and_tools_of_the_provider_are_refused_in_the_apis_own_words(rope):
    model = Model({"/v1/messages": anthropic_stream, "/v1/chat/completions": chat_stream})
    jobs = [job("anthropic stream", model="dear"),
            job("chat stream", model="dear"),
            job("anthropic stream", tools=[{"type": "web_search_20250305", "name": "web_search"}]),
            job("anthropic stream", tools=[{"name": "Bash", "input_schema": {}}])]
    answers = ask(rope, model, jobs, ONLY_CHEAP)
    hits = len(model.requests)
    model.close()
    check([s for s, _ in answers] == [403, 403, 403, 200] and hits == 1, answers, hits)
    error = json.loads(answers[0][1])
    check(error["type"] == "error" and error["error"]["type"] == "permission_error", error)
    check("message" in json.loads(answers[1][1])["error"], answers[1])
    tools = [e["context"]["tools"] for e in lines(rope, "infer")]
    check(tools == [[], [], ["web_search"], []], tools)


def what_can_be_read_in_two_ways_is_not_sent(rope):
    model = Model({"/v1/messages": anthropic_stream})
    twice = b'{"model":"test-model","model":"dear","stream":true}'
    jobs = [{"path": "/v1/messages", "hex": twice.hex()},
            {"path": "/v1/messages", "hex": b"{}".hex(), "headers": {"content-encoding": "br"}},
            {"path": "/v1/messages", "hex": gzip.compress(twice).hex(),
             "headers": {"content-encoding": "gzip"}},
            {"path": "/v1/messages", "hex": gzip.compress(b'{"model":"a"}').hex()[:-8],
             "headers": {"content-encoding": "gzip"}},
            {"path": "/v1/messages", "hex": b"no json".hex()},
            {"path": "/v1/messages", "hex": b'{"stream":true}'.hex()},
            {"path": "/v1/responses", "method": "GET", "hex": "",
             "headers": {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
                         "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}}]
    answers = ask(rope, model, jobs)
    hits = model.requests
    model.close()
    check([s for s, _ in answers] == [403] * 6 + [426] and not hits, answers, hits)
    check("stands twice" in answers[0][1] and "compressed" in answers[1][1], answers)
    check("stands twice" in answers[2][1] and "compression" in answers[3][1], answers)
    check("websocket" in answers[6][1], answers[6])


def a_compressed_request_is_read(rope):
    model = Model({"/v1/messages": anthropic_stream})
    bodies = [json.dumps({**request_body("anthropic stream"), "model": m}).encode()
              for m in ("test-model", "dear")]
    jobs = [{"path": "/v1/messages", "hex": gzip.compress(b).hex(),
             "headers": {"content-encoding": "gzip"}} for b in bodies]
    if shutil.which("zstd"):
        jobs += [{"path": "/v1/messages", "headers": {"content-encoding": "zstd"},
                  "hex": subprocess.run(["zstd", "-q"], input=b, stdout=subprocess.PIPE).stdout.hex()}
                 for b in bodies]
    answers = ask(rope, model, jobs, ONLY_CHEAP)
    sent = [body.hex() for _, body in model.requests]
    model.close()
    check([s for s, _ in answers] == [200, 403] * (len(jobs) // 2), answers)
    check(sent == [j["hex"] for j in jobs[::2]], "not passed on as it came")


def a_long_body_passes(rope):
    """Longer than what is kept back: it goes on as it comes, and is judged before its end."""
    model = Model({"/v1/messages": anthropic_stream})
    code = CLIENT.replace('json.dumps(job["body"])',
                          'json.dumps({**job["body"], "system": "y" * (9 << 20)})')
    policy = rope.file("config/p.cedar", REQUESTS % model.port + ONLY_CHEAP)
    jobs = [job("anthropic stream"), job("anthropic stream", model="dear")]
    p = rope.run("python3", "-c", code, str(model.port), json.dumps(jobs),
                 options=["--policy", "coding", "--policy", policy])
    sizes = [len(body) for _, body in model.requests]
    model.close()
    with open(os.path.join(rope.work, "answer0")) as f:
        check(f.read().startswith("200\n") and len(sizes) == 1 and sizes[0] > 9 << 20, p, sizes)
    with open(os.path.join(rope.work, "answer1")) as f:
        check(not f.read().startswith("200"), p)


def a_budget_ends_what_comes_after_it(rope):
    model = Model({"/v1/messages": anthropic_stream})
    answers = ask(rope, model, [job("anthropic stream")] * 2, settings="budget: {tokens: 100}")
    model.close()
    check([s for s, _ in answers] == [200, 403], answers)
    check("budget of 100 tokens" in answers[1][1], answers)
    check("tool_use" in answers[0][1], answers)


def a_budget_ends_a_stream_in_its_middle(rope):
    model = Model({"/v1/messages": endless})
    (status, body), = ask(rope, model, [job("anthropic stream")], settings="budget: {tokens: 3000}")
    check(model.left.wait(10), "the server goes on")
    model.close()
    check(status == 200 and "BROKEN" not in body, body[-1000:])
    check("budget of 3000 tokens" in body, body[-1000:])
    check(body.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n'), body[-1000:])
    check('"end_turn"' in body, body[-1000:])
    streams = lines(rope, "infer", op="stream")
    check(streams and streams[-1]["outcome"] == "deny", streams)
    check(sum(u["output"] for u in usage(rope)) >= 2900, usage(rope))


def what_is_priced_in_settings_counts(rope):
    model = Model({"/v1/messages": anthropic_stream})
    ask(rope, model, [job("anthropic stream")], settings='prices: ["localhost/test-* 1000 1 0 0"]')
    model.close()
    check(usage(rope)[0]["microcents"] == 100 * 100000 + 20 * 100, usage(rope))


def what_was_read_and_not_answered_counts(rope):
    model = Model({"/v1/messages": None})
    ask(rope, model, [job("anthropic stream", system="x" * 40000)])
    model.close()
    check(sum(u["input"] for u in usage(rope)) >= 10000, usage(rope))


def a_broken_stream_ends_where_tool_uses_are_held(rope):
    model = Model({"/v1/messages": lambda: anthropic_start() + ["data: {\"type\":\n\n"] +
                   anthropic_stream()[2:]})
    (status, body), = ask(rope, model, [job("anthropic stream")], NO_RM)
    model.close()
    check(status == 200 and "not JSON" in body and "rm -rf" not in body, body)
    check("message_stop" in body, body)


main([
    without_rules_on_calls_all_goes_through_unchanged,
    a_refused_tool_use_is_replaced_by_text,
    the_stop_reason_fits_what_is_left,
    text_is_not_delayed_while_a_tool_use_is_held,
    models_and_tools_of_the_provider_are_refused_in_the_apis_own_words,
    what_can_be_read_in_two_ways_is_not_sent,
    a_compressed_request_is_read,
    a_long_body_passes,
    a_budget_ends_what_comes_after_it,
    a_budget_ends_a_stream_in_its_middle,
    what_is_priced_in_settings_counts,
    what_was_read_and_not_answered_counts,
    a_broken_stream_ends_where_tool_uses_are_held,
])
