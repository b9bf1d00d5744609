"""A TCP proxy between an engine and its database that delays, hangs, and cuts."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from typing import Literal

Mode = Literal["pass", "hang", "reset", "cut_before_commit", "cut_after_commit"]
_COMMIT = b"COMMIT"


class Proxy:
    """Forwards to a port of 127.0.0.1; `mode` says how, for every connection at once."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._target = port
        self.mode: Mode = "pass"
        self.cuts = 0
        self._server = socket.create_server((address, 0))
        self.port = int(self._server.getsockname()[1])
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._closing = True
        self._server.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            upstream = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            client.close()
            return
        upstream.settimeout(None)
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, (client, upstream))
            selector.register(upstream, selectors.EVENT_READ, (upstream, client))
            try:
                while self._forward(selector, client, upstream):
                    pass
            except OSError:
                pass
        _reset(client)
        upstream.close()

    def _forward(
        self, selector: selectors.BaseSelector, client: socket.socket, upstream: socket.socket
    ) -> bool:
        for key, _ in selector.select(timeout=0.2):
            source, target = key.data
            while self.mode == "hang":
                time.sleep(0.02)
            if self.mode == "reset":
                return False
            data = source.recv(65536)
            if not data:
                return False
            commits = source is client and _COMMIT in data
            if commits and self.mode == "cut_before_commit":
                self.cuts += 1
                return False
            target.sendall(data)
            if commits and self.mode == "cut_after_commit":
                # The server has it, and commits; the answer never comes.
                time.sleep(0.05)
                self.cuts += 1
                return False
        return self.mode != "reset"


def _reset(connection: socket.socket) -> None:
    # Closing with data unsent, and no lingering, sends RST (socket(7), SO_LINGER).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
