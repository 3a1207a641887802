# SPDX-License-Identifier: Apache-2.0
"""A scripted model on the host's loopback that speaks the four APIs, streaming and not.

Each answer is a text, a tool use Bash("rm -rf /"), a tool use Read("/a") and 100 tokens read, 20 written.
What it sent is kept, so that a test can say what went through unchanged.
"""
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASH = {"command": "rm -rf /"}
READ = {"file_path": "/a"}
TEXT = "I look."


def event(kind, **members):
    return "event: %s\ndata: %s\n\n" % (kind, json.dumps({"type": kind, **members}))


def chunk(**members):
    return "data: %s\n\n" % json.dumps(members)


# Anthropic Messages

def anthropic_block(index, name, args):
    return [event("content_block_start", index=index, content_block={
                "type": "tool_use", "id": "toolu_%d" % index, "name": name, "input": {}}),
            event("content_block_delta", index=index, delta={
                "type": "input_json_delta", "partial_json": json.dumps(args)[:5]}),
            event("content_block_delta", index=index, delta={
                "type": "input_json_delta", "partial_json": json.dumps(args)[5:]}),
            event("content_block_stop", index=index)]


def anthropic_start():
    return [event("message_start", message={
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
                "content": [], "stop_reason": None, "stop_sequence": None,
                "usage": {"input_tokens": 100, "output_tokens": 1}}),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""})]


def anthropic_stream():
    return anthropic_start() + [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": TEXT}),
        event("content_block_stop", index=0),
        *anthropic_block(1, "Bash", BASH), *anthropic_block(2, "Read", READ),
        event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None},
              usage={"output_tokens": 20}),
        event("message_stop")]


def anthropic_body():
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": TEXT},
                        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": BASH},
                        {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": READ}],
            "stop_reason": "tool_use", "usage": {"input_tokens": 100, "output_tokens": 20}}


# OpenAI Chat Completions

def chat_chunk(delta, finish=None):
    return chunk(id="c1", object="chat.completion.chunk", created=1, model="gpt-5",
                 choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def chat_call(index, name, args):
    args = json.dumps(args)
    return [chat_chunk({"tool_calls": [{"index": index, "id": "call_%d" % index, "type": "function",
                                        "function": {"name": name, "arguments": args[:5]}}]}),
            chat_chunk({"tool_calls": [{"index": index, "function": {"arguments": args[5:]}}]})]


CHAT_USAGE = {"prompt_tokens": 100, "completion_tokens": 20}


def chat_stream():
    return [chat_chunk({"role": "assistant", "content": TEXT}),
            *chat_call(0, "Bash", BASH), *chat_call(1, "Read", READ),
            chat_chunk({}, "tool_calls"),
            chunk(id="c1", object="chat.completion.chunk", created=1, model="gpt-5", choices=[],
                  usage=CHAT_USAGE),
            "data: [DONE]\n\n"]


def chat_body():
    calls = [{"id": "call_%d" % i, "type": "function",
              "function": {"name": name, "arguments": json.dumps(args)}}
             for i, (name, args) in enumerate((("Bash", BASH), ("Read", READ)))]
    return {"id": "c1", "object": "chat.completion", "model": "gpt-5", "usage": CHAT_USAGE,
            "choices": [{"index": 0, "finish_reason": "tool_calls",
                         "message": {"role": "assistant", "content": TEXT, "tool_calls": calls}}]}


# OpenAI Responses

def item(index, name, args):
    return {"id": "fc_%d" % index, "type": "function_call", "status": "completed",
            "call_id": "call_%d" % index, "name": name, "arguments": json.dumps(args)}


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
           "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}


def responses_body():
    return {"id": "resp_1", "object": "response", "model": "gpt-5", "status": "completed",
            "output": [MESSAGE, item(1, "Bash", BASH), item(2, "Read", READ)],
            "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 0},
                      "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 0},
                      "total_tokens": 120}}


def responses_call(index, name, args):
    whole = item(index, name, args)
    return [event("response.output_item.added", output_index=index,
                  item={**whole, "arguments": "", "status": "in_progress"}),
            event("response.function_call_arguments.delta", output_index=index,
                  item_id=whole["id"], delta=whole["arguments"]),
            event("response.function_call_arguments.done", output_index=index,
                  item_id=whole["id"], arguments=whole["arguments"]),
            event("response.output_item.done", output_index=index, item=whole)]


def responses_stream():
    return [event("response.created", response={"id": "resp_1", "status": "in_progress", "output": []}),
            event("response.output_item.added", output_index=0, item={**MESSAGE, "content": []}),
            event("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0,
                  delta=TEXT),
            event("response.output_item.done", output_index=0, item=MESSAGE),
            *responses_call(1, "Bash", BASH), *responses_call(2, "Read", READ),
            event("response.completed", response=responses_body())]


# Google Gemini

def gemini_unit(parts, **more):
    return {"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0, **more}],
            "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20},
            "modelVersion": "gemini-2.5-pro"}


GEMINI_CALLS = [{"functionCall": {"name": "Bash", "args": BASH}},
                {"functionCall": {"name": "Read", "args": READ}}]


def gemini_stream():
    return [chunk(**gemini_unit([{"text": TEXT}])),
            chunk(**gemini_unit(GEMINI_CALLS, finishReason="STOP"))]


def gemini_array():
    return ["[" + json.dumps(gemini_unit([{"text": TEXT}])), "\n,\r\n",
            json.dumps(gemini_unit(GEMINI_CALLS, finishReason="STOP")) + "\n]"]


def gemini_body():
    return gemini_unit([{"text": TEXT}, *GEMINI_CALLS], finishReason="STOP")


GEMINI = "/v1beta/models/gemini-2.5-pro:"

# name: path, streaming, pieces of the answer
FORMATS = {
    "anthropic stream": ("/v1/messages", True, anthropic_stream),
    "anthropic body": ("/v1/messages", False, lambda: [json.dumps(anthropic_body())]),
    "chat stream": ("/v1/chat/completions", True, chat_stream),
    "chat body": ("/v1/chat/completions", False, lambda: [json.dumps(chat_body())]),
    "responses stream": ("/v1/responses", True, responses_stream),
    "responses body": ("/v1/responses", False, lambda: [json.dumps(responses_body())]),
    "gemini stream": (GEMINI + "streamGenerateContent?alt=sse", True, gemini_stream),
    "gemini array": (GEMINI + "streamGenerateContent", True, gemini_array),
    "gemini body": (GEMINI + "generateContent", False, lambda: [json.dumps(gemini_body())]),
}


def endless():
    """A stream of text without end: about ten tokens in each event."""
    yield from anthropic_start()
    while True:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * 40})


class Model:
    """`answers`: path to pieces of an answer (a function; None: no answer); `before(i)` runs before piece i."""

    def __init__(self, answers=None, before=None):
        self.requests = []
        self.sent = ""
        self.left = threading.Event()  # a client hung up in the middle
        self.before = before or (lambda i: None)
        model = self
        self.answers = answers or {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                model.requests.append((self.path, b""))
                self.send_error(404)

            def do_POST(self):
                size = int(self.headers.get("content-length", 0))
                body = self.rfile.read(size)
                if len(body) < size:  # no server acts on half a request
                    self.close_connection = True
                    return
                model.requests.append((self.path, body))
                model.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # clients that hang up are part of the tests
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        if self.answers[handler.path] is None:  # hangs up
            handler.close_connection = True
            return
        pieces = iter(self.answers[handler.path]())
        first = next(pieces)
        handler.send_response(200)
        handler.send_header("content-type",
                            "application/json" if first[0] in "{[" else "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        self.sent = ""
        try:
            for i, piece in enumerate(itertools.chain([first], pieces)):
                self.before(i)
                data = piece.encode()
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                handler.wfile.flush()
                self.sent += piece
            handler.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.left.set()
            handler.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def request_body(name):
    return {"model": "test-model", "stream": FORMATS[name][1], "max_tokens": 100}
