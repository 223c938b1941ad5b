"""`/metrics` for Prometheus and `/healthz` for whoever asks whether all is well."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from torghut_assets.resources.metrics.collector import MetricsCollector, exposition

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_WAIT_SECONDS: Final = 10
HOST: Final = "127.0.0.1"


def health(collector: MetricsCollector) -> tuple[int, dict[str, object]]:
    """Return 200, or 503 with the reason of every source that cannot be read."""
    problems = collector.scrape().problems
    return (503 if problems else 200), {"healthy": not problems, "reasons": problems}


def metrics_server(collector: MetricsCollector, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that answers when `serve_forever` is called.

    Parameters
    ----------
    collector : MetricsCollector
    host, port : str, int
        Where to listen. There is no authentication: beyond loopback, put a proxy in front.
        Port 0 takes a free one.
    """

    def metrics() -> tuple[int, str, bytes]:
        return 200, _TEXT, exposition(collector)

    def healthz() -> tuple[int, str, bytes]:
        status, found = health(collector)
        return status, "application/json", json.dumps(found, sort_keys=True).encode() + b"\n"

    pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "/metrics": metrics,
        "/healthz": healthz,
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = _WAIT_SECONDS  # a client that says nothing does not keep a thread
        server_version = "torghut"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self._answer(404, "text/plain; charset=utf-8", b"/metrics or /healthz\n")
            else:
                self._answer(*page())

        do_HEAD = do_GET  # noqa: N815 - a name of http.server

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature
            """Say nothing: a scrape every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    return Server((host, port), Handler)
