"""A Redis server for tests: on a free port, gone with the test run."""

from __future__ import annotations

import secrets
import signal
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Literal, Self

from duly.testing import processes
from duly.testing.binaries import readable_program, redis_server
from duly.testing.processes import Folder, ServerError, free_port, unprivileged_account

StopMode = Literal["fast", "immediate"]
_SIGNALS = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}
_START_SECONDS = 15.0
_STOP_SECONDS = 15.0
_PORT_ATTEMPTS = 3
# appendfsync always: what was acknowledged is on the disk.
_DURABLE = ("appendonly yes", "appendfsync always")
_FAST = ("appendonly no",)


class RedisServer:
    """A Redis (or Valkey) server of one's own; see `PostgresServer`, which it is like.

    durable: keep what is written through `restart` and `kill`; else it begins empty again.
    Raises ServerError where no Redis is found or it does not start.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._keeping = _DURABLE if durable else _FAST
        self._account = unprivileged_account()
        self._password = secrets.token_hex(16)
        self._folder: Folder | None = None
        self._program = Path()
        self._data = Path()
        self._process: Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """URL of its database 0."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> str:
        """The last lines that the server logged."""
        return self._folder.log_end() if self._folder else ""

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._process is not None:
            return
        try:
            if self._folder is None:
                self._folder = Folder(self._account)
                into = self._folder.path / "software"
                self._program = readable_program(redis_server(), self._account, into)
                self._data = self._folder.make("data")
            self._start(self._folder)
        except BaseException:
            self.close()
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it; what is kept is what `durable` says."""
        if self._process is None:
            return
        processes.stop(self._process, _SIGNALS[mode], _STOP_SECONDS)
        self._process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start it: same URL."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.stop("immediate")

    def close(self) -> None:
        """Stop it and delete its data."""
        self.stop("immediate")
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _start(self, folder: Folder) -> None:
        attempts = 1 if self.port else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            port = self.port or free_port()
            command = [str(self._program), str(self._configuration(folder, port))]
            process = processes.spawn(command, self._account, folder.log, signal.SIGKILL)
            if processes.await_condition(partial(self._answers, port), _START_SECONDS, process):
                self._process, self.port = process, port
                return
            if process.poll() is None:
                processes.stop(process, signal.SIGKILL, _STOP_SECONDS)
            # Another process may have taken the port after we had looked.
            if attempt == attempts or "in use" not in folder.log_end():
                raise ServerError(f"Redis did not start; the end of its log:\n{self.log}")

    def _configuration(self, folder: Folder, port: int) -> Path:
        """Write its settings to a file: an argument would show the password to every user."""
        path = self._data / "redis.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {self._password}",
            f'dir "{self._data}"',
            'save ""',
            *self._keeping,
        ]
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        folder.give(path)
        return path

    def _answers(self, port: int) -> bool:
        """Say whether it takes our password, and has read its data."""
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1) as connection,
        ):
            connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            received = b""
            while received.count(b"\r\n") < 2 and (part := connection.recv(1024)):
                received += part
            return received == b"+OK\r\n+PONG\r\n"
        return False
