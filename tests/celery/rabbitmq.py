"""A RabbitMQ of a test's own, where the distribution has one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from duly.testing.processes import free_port

# The distribution's own scripts; those in PATH insist on the account of the service.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 40.0


class RabbitServer:
    """One node, on ports and in a folder of its own; its messages outlive `kill`."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="duly-rabbit-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port_mapper: subprocess.Popen[bytes] | None = None
        plugins = self._folder / "plugins"
        plugins.write_text("[].")
        self._environment = os.environ | {
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": f"duly{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none"),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        if self._port_mapper is not None:
            self._port_mapper.kill()
            self._port_mapper.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start it and wait until it answers as AMQP does."""
        if self._port_mapper is None:
            # In the foreground: the one that Erlang starts by itself would stay.
            self._port_mapper = subprocess.Popen(["epmd"], env=self._environment)
        with (self._folder / "output").open("ab") as log:
            self._process = subprocess.Popen(
                [str(SERVER)],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            said = (self._folder / "output").read_text()
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False
