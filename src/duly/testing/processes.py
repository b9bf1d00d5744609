"""Processes of servers: without root's rights, in a folder of their own, never outliving us.

On Linux the kernel kills a server when the *thread* that started it ends, however that
came about (prctl(2), PR_SET_PDEATHSIG): start servers from a thread that lives as long
as they shall. Elsewhere only an orderly end of this process stops them.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from duly.errors import DulyError
from duly.testing import launch

POLL_SECONDS = 0.01
LOG_LINES_SHOWN = 30
_PORTS = range(10_000, 32_000)
_PREFIX = "duly-server-"


class ServerError(DulyError, RuntimeError):
    """A server that cannot be found or does not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Give the user to become; None where we are not root, and stay who we are."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def free_port(adjacent: int = 1) -> int:
    """Find TCP ports of 127.0.0.1 that nobody listens on at this moment; gives the first.

    They lie below those that systems give to outgoing connections by themselves (from
    32768 on Linux, from 49152 by RFC 6335), which could take one before its server does.

    adjacent: how many are free, one after the other.
    """
    while True:
        first = secrets.choice(_PORTS)
        if all(map(_is_free, range(first, first + adjacent))):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, which are not kept away by connections that have ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def open_to_everyone(path: Path) -> bool:
    """Say whether any user can reach and read `path`."""
    real = path.resolve()
    folders = all(parent.stat().st_mode & 0o001 for parent in real.parents)
    return folders and bool(real.stat().st_mode & 0o004)


class Folder:
    """A server's temporary folder: its data, its log, and its programs where they had to be copied.

    Folders that a killed process left behind are swept away when the next one is made:
    a lock that the kernel drops with its holder says which those are.
    """

    def __init__(self, account: Account | None) -> None:
        base = _base(account)
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock: IO[str] = (self.path / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.log = self.path / "log"
        self.log.touch()
        if account:
            self.path.chmod(0o711)
        self._account = account

    def make(self, name: str) -> Path:
        """Make a folder in it that belongs to the server's user."""
        made = self.path / name
        made.mkdir(mode=0o700)
        self.give(made)
        return made

    def give(self, path: Path) -> None:
        """Make the server's user the owner of `path`."""
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)

    def log_end(self) -> str:
        """Give the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def remove(self) -> None:
        """Delete all of it."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _base(account: Account | None) -> Path:
    usual = Path(tempfile.gettempdir())
    if account is None:
        return usual
    # TMPDIR may lie under a private home, where the server's user cannot go.
    for candidate in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp in it
        if candidate.is_dir() and open_to_everyone(candidate):
            return candidate
    raise ServerError(f"{usual} is closed to the user 'nobody'; set TMPDIR to a public folder")


def _sweep(base: Path) -> None:
    for left in base.glob(_PREFIX + "*"):
        try:
            if left.stat().st_uid != os.geteuid():
                continue
            with (left / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # Another's, in use, or gone by now.


def run(command: Sequence[str], account: Account | None, what: str) -> None:
    """Run a program to its end. Raises ServerError with what it said."""
    done = subprocess.run(
        launched(command, account, signal.SIGKILL),
        cwd="/",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise ServerError(f"{what} failed ({done.returncode}): {done.stdout}\n{done.stderr}")


def spawn(
    command: Sequence[str],
    account: Account | None,
    log: Path,
    death_signal: signal.Signals,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C at the terminal passes it by.

    death_signal: what it gets when the thread that called this has ended.
    environment: variables that it gets on top of ours.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            launched(command, account, death_signal),
            cwd="/",
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def launched(
    command: Sequence[str], account: Account | None, death_signal: signal.Signals
) -> list[str]:
    """Give the command that becomes `command`, and gets `death_signal` when we have ended."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    script = [sys.executable, "-I", "-S", str(Path(launch.__file__))]
    return [*script, *map(str, (os.getpid(), int(death_signal), uid, gid)), *command]


def await_condition(
    holds: Callable[[], bool], seconds: float, process: subprocess.Popen[bytes] | None = None
) -> bool:
    """Wait until `holds()`; gives False at the end of the time, or of the process."""
    end = time.monotonic() + seconds
    while not holds():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(process: subprocess.Popen[bytes], how: signal.Signals, seconds: float) -> None:
    """Send a signal and wait for the end; SIGKILL when the time is over."""
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
