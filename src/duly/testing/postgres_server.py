"""A PostgreSQL server for tests: up in a second, on a free port, gone with the test run."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Literal, Self

from duly.testing import processes
from duly.testing.binaries import postgres_bin, readable_postgres
from duly.testing.processes import Folder, ServerError, free_port, unprivileged_account

StopMode = Literal["smart", "fast", "immediate"]
# PostgreSQL's manual, 18.5 "Shutting Down the Server".
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_PORT_ATTEMPTS = 3
_USER = "duly"
# Longest path of a Unix socket, less the name that PostgreSQL gives it (unix(7): 108).
_SOCKET_FOLDER_LENGTH = 80
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "logging_collector": "off",
}
# What a machine's crash would lose is of no worth in a test; a process's crash loses nothing.
_FAST = {"fsync": "off", "full_page_writes": "off"}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class PostgresServer:
    """A PostgreSQL server of one's own.

    ::

        with PostgresServer() as server:
            connect(server.url)

    Guarantees: listens on 127.0.0.1 only, with a password that nobody else knows; runs as
    `nobody` when we are root; ends with the thread that started it, even one killed with
    SIGKILL (on Linux). Keeps port and data through `restart`; `close` deletes the data.

    durable: write to the disk as in production (fsync), for tests of crashes.
    environment: variables for the server's processes, on top of ours.
    settings: parameters of postgresql.conf by name, such as {"shared_buffers": "256MB"}; they
        win over our own.
    Raises ServerError where no PostgreSQL is found or it does not start.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = dict(environment or {})
        self._settings = _SETTINGS | (_DURABLE if durable else _FAST) | dict(settings or {})
        self._account = unprivileged_account()
        self._password = secrets.token_hex(16)
        self._folder: Folder | None = None
        self._programs = Path()
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
        """URL of the database `postgres`, which every server has."""
        return self.url_of("postgres")

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> str:
        """The last lines that the server logged."""
        return self._folder.log_end() if self._folder else ""

    def url_of(self, name: str) -> str:
        """Give the URL of the database `name`."""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, on what data it has, and wait until it takes connections."""
        if self._process is not None:
            return
        try:
            if self._folder is None:
                self._folder = Folder(self._account)
                self._prepare(self._folder)
            self._start(self._folder)
        except BaseException:
            self.close()
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it and keep the data; "immediate" is a crash that the next start recovers from."""
        if self._process is None:
            return
        processes.stop(self._process, _SIGNALS[mode], _STOP_SECONDS)
        self._process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start it: same URL, same data."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Kill the postmaster and all of its processes with SIGKILL, as the OOM killer would."""
        if self._process is None:
            return
        family = [self._process.pid, *_children(self._process.pid)]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        # A new postmaster refuses to start while one of the old server's processes lives.
        processes.await_condition(lambda: not any(map(_alive, family)), _STOP_SECONDS)

    def create_database(self, name: str) -> str:
        """Create an empty database; gives its URL. Needs psycopg."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    def close(self) -> None:
        """Stop it and delete its data."""
        self.stop("immediate")
        if self._folder is not None:
            _release_shared_memory(self._data / "postmaster.pid")
            self._folder.remove()
            self._folder = None

    def _prepare(self, folder: Folder) -> None:
        """Put the programs where the server's user can read them, and make the data folder."""
        self._programs = readable_postgres(postgres_bin(), self._account, folder.path / "software")
        self._data = folder.make("data")
        secret = folder.make("secret") / "password"
        secret.write_text(self._password)
        folder.give(secret)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self._data}",
            f"--username={_USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        processes.run(command, self._account, "initdb")

    def _start(self, folder: Folder) -> None:
        attempts = 1 if self.port else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            port = self.port or free_port()
            process = self._spawn(folder, port)
            ready = partial(self._is_ready, process)
            if processes.await_condition(ready, _START_SECONDS, process):
                self._process, self.port = process, port
                return
            if process.poll() is None:
                processes.stop(process, signal.SIGQUIT, _STOP_SECONDS)
            # Another process may have taken the port after we had looked.
            if attempt == attempts or "in use" not in folder.log_end():
                raise ServerError(f"PostgreSQL did not start; the end of its log:\n{self.log}")

    def _spawn(self, folder: Folder, port: int) -> Popen[bytes]:
        sockets = str(self._data) if len(str(self._data)) < _SOCKET_FOLDER_LENGTH else ""
        settings = self._settings | {"port": str(port), "unix_socket_directories": sockets}
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGQUIT, not SIGKILL: the postmaster takes its children and its memory along.
        return processes.spawn(
            command, self._account, folder.log, signal.SIGQUIT, self._environment
        )

    def _is_ready(self, process: Popen[bytes]) -> bool:
        """Read the state that the postmaster keeps in its lock file, as pg_ctl does."""
        lines = _lock_file(self._data / "postmaster.pid")
        return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7] == "ready"


def _lock_file(path: Path) -> list[str]:
    """Give pid, data folder, start, port, sockets, address, shared memory and state."""
    try:
        return [line.strip() for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []


def _release_shared_memory(lock_file: Path) -> None:
    """Free the segment that a killed postmaster left; an orderly end leaves no lock file."""
    lines = _lock_file(lock_file)
    if sys.platform == "linux" and len(lines) >= 7 and len(ids := lines[6].split()) == 2:
        ipc_rmid = 0
        ctypes.CDLL(None).shmctl(int(ids[1]), ipc_rmid, None)


def _children(pid: int) -> list[int]:
    """Give the processes that `pid` started, where the kernel tells (Linux)."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """A dead process that nobody has asked after yet: containers may have no init that does."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
