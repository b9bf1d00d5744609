"""What lies between an engine and its database: a pooler, and a network that can be cut."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from subprocess import Popen
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from duly.testing import processes
from duly.testing.processes import Folder, free_port, unprivileged_account
from tests.faults.campaign.proxy import Proxy

_START_SECONDS = 10.0
_HOST, _GUEST = "10.231.7.1", "10.231.7.2"


def why_no_pooler() -> str:
    """Say why there can be no pooler here; empty where there can."""
    return "" if shutil.which("pgbouncer") else "pgbouncer is not installed"


class Pooler:
    """pgbouncer in transaction mode, before a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        account = unprivileged_account()
        self._folder = Folder(account)
        self._account = account
        self.port = free_port()
        settings = self._folder.make("pooler") / "pgbouncer.ini"
        name = parts.path.lstrip("/")
        settings.write_text(
            f"[databases]\n{name} = host=127.0.0.1 port={parts.port} dbname={name} "
            f"user={parts.username} password={parts.password}\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_type = any\npool_mode = transaction\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nmax_client_conn = 500\n"
            "default_pool_size = 20\nignore_startup_parameters = extra_float_digits\n"
        )
        self._folder.give(settings)
        self._settings = settings
        self.url = url.replace(f":{parts.port}/", f":{self.port}/")
        self._process: Popen[bytes] | None = None

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
        self._folder.remove()

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        program = shutil.which("pgbouncer")
        assert program is not None, why_no_pooler()
        command = [program, str(self._settings)]
        self._process = processes.spawn(command, self._account, self._folder.log, signal.SIGKILL)
        up = processes.await_condition(
            lambda: "process up" in self._folder.log_end(), _START_SECONDS, self._process
        )
        assert up, self._folder.log_end()

    def kill(self) -> None:
        """End it at once, with every connection through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._folder.log.write_text("")
            self._process = None


def why_no_namespace() -> str:
    """Say why there can be no network of our own here; empty where there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    probe = f"duly-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode != 0:
        return "this kernel, or container, gives no network namespaces"
    _ip("netns", "delete", probe)
    return ""


class Namespace:
    """A network of its own, joined to the database's by one cable that can be pulled."""

    def __init__(self, port: int) -> None:
        self._name = f"duly-{os.getpid()}"
        self._end = f"duly{os.getpid() % 100_000}h"
        self._port = port
        self.proxy: Proxy | None = None

    def __enter__(self) -> Self:
        other = self._end[:-1] + "g"
        _ip("netns", "add", self._name)
        _ip("link", "add", self._end, "type", "veth", "peer", other, "netns", self._name)
        _ip("addr", "add", f"{_HOST}/30", "dev", self._end)
        _ip("link", "set", self._end, "up")
        inside = ("-n", self._name)
        _ip(*inside, "addr", "add", f"{_GUEST}/30", "dev", other)
        _ip(*inside, "link", "set", other, "up")
        _ip(*inside, "link", "set", "lo", "up")
        self.proxy = Proxy(self._port, _HOST)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.proxy is not None:
            self.proxy.close()
        _ip("netns", "delete", self._name)

    def url(self, url: str) -> str:
        """Give the database's URL as it is reached from inside."""
        assert self.proxy is not None
        return url.replace(f"@127.0.0.1:{self._port}/", f"@{_HOST}:{self.proxy.port}/")

    def within(self, command: list[str]) -> list[str]:
        """Give the command that runs `command` inside."""
        return ["ip", "netns", "exec", self._name, *command]

    def pull(self) -> None:
        """Cut it off: packets vanish, and nobody is told."""
        _ip("link", "set", self._end, "down")

    def plug(self) -> None:
        """Join it again."""
        _ip("link", "set", self._end, "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
