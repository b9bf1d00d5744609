"""Answers scrapes where there is no web: `duly run --metrics-port`, Celery's workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from django.db import connections

from duly.errors import AddressTaken

# Who connects and says nothing is not waited for any longer.
PATIENCE_SECONDS = 10.0

Exposition = Callable[[str], tuple[bytes, str]]
"""From an Accept header to the metrics as text, and its content type."""


class Scrapes:
    """A server of `/metrics` on a thread of its own. `close` ends it.

    port: 0 takes a free one; `port` says which. Raises AddressTaken.
    """

    def __init__(self, host: str, port: int, expose: Exposition) -> None:
        try:
            self._server = _Server((host, port), _handler(expose))
        except OSError as error:
            raise AddressTaken(
                f"cannot serve metrics on {host} port {port}: {error.strerror}; "
                "--metrics-port takes another"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="duly-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # An engine that stops waits for no scrape.
    block_on_close = False


def _handler(expose: Exposition) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS
        server_version = "duly"
        sys_version = ""

        def do_GET(self) -> None:
            if urlsplit(self.path).path not in ("/", "/metrics"):
                self.send_error(404)
                return
            try:
                body, content_type = expose(self.headers.get("Accept", ""))
            finally:
                # Each scrape has a thread of its own, and with it a connection.
                connections.close_all()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing of each scrape."""

    return Handler
