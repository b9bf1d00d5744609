"""The bad target: an HTTP server that is down, and then up, and notes who came when."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Target(ThreadingHTTPServer):
    """Answers 503 until `is_up`, and then 204 after `answer_seconds` each."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.answer_seconds = answer_seconds
        self.is_up = threading.Event()
        self.arrivals: list[float] = []
        """Seconds since the epoch, in order."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def arrived(self) -> None:
        """Note a request."""
        with self._lock:
            self.arrivals.append(time.time())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)

    def left(self) -> None:
        """Note an answer."""
        with self._lock:
            self._at_once -= 1


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Target

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.arrived()
        is_up = self.server.is_up.is_set()
        if is_up:
            time.sleep(self.server.answer_seconds)
        self.server.left()
        self.send_response(204 if is_up else 503)
        if not is_up:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass
