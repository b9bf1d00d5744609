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
    """A network of its own, joined to each of some ports of this host by a cable of its own.

    Each cable can be pulled; they are counted from 0, in the order of the ports.
    """

    def __init__(self, *ports: int) -> None:
        self._name = f"duly-{os.getpid()}"
        self._ports = ports
        self._proxies: list[Proxy] = []

    def __enter__(self) -> Self:
        _ip("netns", "add", self._name)
        inside = ("-n", self._name)
        _ip(*inside, "link", "set", "lo", "up")
        for cable, port in enumerate(self._ports):
            end, other = self._end(cable), self._end(cable)[:-1] + "g"
            _ip("link", "add", end, "type", "veth", "peer", other, "netns", self._name)
            _ip("addr", "add", f"{_host(cable)}/30", "dev", end)
            _ip("link", "set", end, "up")
            _ip(*inside, "addr", "add", f"{_address(cable, 2)}/30", "dev", other)
            _ip(*inside, "link", "set", other, "up")
            self._proxies.append(Proxy(port, _host(cable)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for proxy in self._proxies:
            proxy.close()
        _ip("netns", "delete", self._name)

    def url(self, url: str, cable: int = 0) -> str:
        """Give the URL of a server on this host as it is reached from inside."""
        there = f"@{_host(cable)}:{self._proxies[cable].port}/"
        return url.replace(f"@127.0.0.1:{self._ports[cable]}/", there)

    def within(self, command: list[str]) -> list[str]:
        """Give the command that runs `command` inside."""
        return ["ip", "netns", "exec", self._name, *command]

    def pull(self, cable: int = 0) -> None:
        """Cut it off: packets vanish, and nobody is told."""
        _ip("link", "set", self._end(cable), "down")

    def plug(self, cable: int = 0) -> None:
        """Join it again."""
        _ip("link", "set", self._end(cable), "up")

    def _end(self, cable: int) -> str:
        return f"duly{os.getpid() % 100_000}{cable}h"


def _address(cable: int, end: int) -> str:
    """Give the address of one end of a cable, 1 here and 2 inside.

    Each process has its own: what a campaign that was killed has left takes nobody's packets.
    """
    network = (2 * os.getpid() + cable) % 2**14
    return f"10.231.{network >> 6}.{((network & 63) << 2) + end}"


def _host(cable: int) -> str:
    return _address(cable, 1)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
