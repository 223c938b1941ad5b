"""A real HTTP service on this machine that poses as a language model, well behaved or hostile.

It speaks both dialects, so the official clients talk to it as they would to the real one.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import yaml

PROVIDERS = ("anthropic", "openai-compatible")
KEY = "sk-test-0123456789-never-to-be-seen"
KEY_VARIABLE = "TORGHUT_ADVISORY_API_KEY"
FORMS = ("SummaryForm", "ReviewForm", "ProposalForm", "RunbookForm")


class Seen(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def dialect(self):
        return "anthropic" if self.path.endswith("/messages") else "openai-compatible"

    @property
    def system(self):
        if self.dialect == "anthropic":
            return self.body["system"]
        return next(m["content"] for m in self.body["messages"] if m["role"] == "system")

    @property
    def user(self):
        return next(m["content"] for m in self.body["messages"] if m["role"] == "user")

    @property
    def form(self):
        return next(name for name in FORMS if f'"title":"{name}"' in self.system)


Behaviour = Callable[[BaseHTTPRequestHandler, Seen], None]


class Service:
    """Serves one behaviour at a time and remembers what it was asked."""

    def __init__(self):
        self.seen: list[Seen] = []
        self.sent_bytes = 0
        self.behave: Behaviour = answers("fine")
        self._stopping = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                seen = Seen(self.path, headers, json.loads(body))
                service.seen.append(seen)
                self.close_connection = True
                with contextlib.suppress(OSError):  # the client hangs up on us, as it should
                    service.behave(self, seen)

            def do_GET(self):
                service.seen.append(Seen(self.path, dict(self.headers), {}))
                self.send_error(404)

            def log_message(self, *_):
                pass

            def emit(self, data):
                self.wfile.write(data)
                service.sent_bytes += len(data)

            def wait(self, seconds):
                service._stopping.wait(seconds)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def configure(home, **changes):
    """Put a setting file into the home: the shipped one with some values replaced."""
    own = home.root / "config" / "advisory.yaml"
    shipped = yaml.safe_load(type(home).at(home.root / "no").config_path("advisory").read_text())
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(yaml.safe_dump(shipped | {"retries": 0, "breaker_failures": 1_000} | changes))


def configure_for(home, service, provider, **changes):
    """Ask this service, through the client of a provider."""
    path = "" if provider == "anthropic" else "/v1"
    configure(
        home,
        provider=provider,
        base_url=service.url + path,
        model="test-model-1",
        **({"total_seconds": 20.0} | changes),
    )


def envelope(seen, text, **changes):
    """Return a reply in the dialect of the request, as its service documents it."""
    if seen.dialect == "anthropic":
        reply = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "test-model-1-answered",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 20},
        }
    else:
        reply = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "test-model-1-answered",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
        }
    return reply | changes


def good_form(seen, text):
    """Return an answer in the form that was asked for, with a text wherever there is room."""
    line = text[:400]
    return {
        "SummaryForm": {"summary": text, "points": [line]},
        "ReviewForm": {
            "overall": text,
            "findings": [{"stance": "doubts", "about": line[:80], "text": line}],
        },
        "ProposalForm": {
            "rationale": text,
            "changes": [
                {"parameter": line[:80], "value": line[:80], "reason": line},
                {"parameter": "volatility_bars", "value": 10**9, "reason": line},
            ],
        },
        "RunbookForm": {"situation": text, "steps": [{"verb": "hold_new_orders", "reason": line}]},
    }[seen.form]


def send_json(handler, payload, content_type="application/json"):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    handler.send_response(200)
    handler.send_header("content-type", content_type)
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.emit(data)


def answers(text) -> Behaviour:
    """Behave well, with a text in every field of the form."""

    def behave(handler, seen):
        send_json(handler, envelope(seen, json.dumps(good_form(seen, text))))

    return behave


def says(text) -> Behaviour:
    """Answer with this text instead of a form."""
    return lambda handler, seen: send_json(handler, envelope(seen, text))
