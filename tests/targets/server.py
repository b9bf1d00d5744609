"""A real HTTP server that answers as a script says, well or ill, byte by byte."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

DRIP_SECONDS = 0.02
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Which connection it came on, counted from 1."""


class Answering:
    """What a script can do with the connection of a request."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self.sent = 0

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)
        self.sent += len(data)

    def drip(self, data: bytes) -> None:
        """Send one byte at a time, and go on until the other side leaves."""
        for byte in data:
            if self._stopping.wait(DRIP_SECONDS):
                return
            self.send(bytes([byte]))

    def wait(self) -> None:
        """Say nothing more until the server stops."""
        self._stopping.wait()

    def reset(self) -> None:
        """Break the connection off, with RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # Past the file that still reads from it, which would put the end off.
        os.close(self._sock.detach())


class Encrypts(Protocol):
    """An `ssl.SSLContext`, or what pretends to be one."""

    def wrap_socket(self, sock: socket.socket, server_side: bool) -> ssl.SSLSocket: ...


Script = Callable[[Answering, Received], None]


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Script:
    """Answer as a good server does; `retry_after=` is the header Retry-After."""

    def script(answering: Answering, received: Received) -> None:
        lines = [f"HTTP/1.1 {status} Something", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        answering.send("\r\n".join([*lines, "", ""]).encode() + body)

    return script


class ScriptedServer:
    """Listens on an address of this host until it is closed."""

    def __init__(
        self, script: Script, context: Encrypts | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.script = script
        self.received: list[Received] = []
        self.answerings: list[Answering] = []
        self.handshakes_failed = 0
        self._context = context
        self._stopping = threading.Event()
        self._listener = socket.create_server((address, 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def accepted(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                thread = threading.Thread(
                    target=self._serve, args=(connection, len(self._connections)), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        sock = connection
        if self._context is not None:
            try:
                sock = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                self.handshakes_failed += 1
                connection.close()
                return
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as incoming:
            while line := incoming.readline():
                headers: dict[str, str] = {}
                while (header := incoming.readline().strip()) != b"":
                    name, _, value = header.decode("latin-1").partition(": ")
                    headers[name.lower()] = value
                body = incoming.read(int(headers.get("content-length", "0")))
                received = Received(line.decode("latin-1").strip(), headers, body, number)
                self.received.append(received)
                answering = Answering(sock, self._stopping)
                self.answerings.append(answering)
                self.script(answering, received)
