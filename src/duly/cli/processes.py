"""Several engines, each in a process of its own: more than one interpreter can do."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from duly.cli.signals import Signals
from duly.policy.backoff import Backoff

# How often it is asked whether a signal has come.
LOOK_SECONDS = 0.25
# One that ends again and again, as where the database is away, must not spin.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
STEADY_SECONDS = 60.0

Say = Callable[[str], None]


class Engines:
    """Keeps a number of processes running, each of which performs `duly run` with `options`.

    One that ends by itself is started again, unless it ended well under `--once`. Processes are
    spawned, not forked: a fork would share the database connections of its parent.
    """

    def __init__(self, options: Namespace, count: int, say: Say) -> None:
        self._options = options
        self._context = multiprocessing.get_context("spawn")
        self._say = say
        self._members = [_Member(index) for index in range(count)]

    def run(self, signals: Signals) -> int:
        """Run until a signal comes or all have ended well; 1 where one of them ended badly."""
        try:
            while signals.empty() and any(member.is_wanted for member in self._members):
                for member in self._members:
                    self._look_after(member)
                sentinels = [one.process.sentinel for one in self._members if one.process]
                wait(sentinels, LOOK_SECONDS)
        finally:
            code = self._stop()
        return code

    def _start(self, member: _Member) -> None:
        member.process = self._context.Process(target=perform_in_child, args=(self._of(member),))
        member.process.start()
        member.started_at = time.monotonic()

    def _of(self, member: _Member) -> Namespace:
        """Give a process its own options: whoever scrapes it finds it at its own port."""
        port = self._options.metrics_port
        mine = {} if port is None else {"metrics_port": port + member.index}
        return Namespace(**vars(self._options) | mine)

    def _look_after(self, member: _Member) -> None:
        if not member.is_wanted:
            return
        if member.process is None:
            if time.monotonic() >= member.start_at:
                self._start(member)
            return
        code = member.process.exitcode
        if code is None:
            return
        member.process = None
        if code == 0 and self._options.once:
            member.is_wanted = False
            return
        member.ended(time.monotonic())
        self._say(
            f"duly: an engine's process ended with {code}; another starts in "
            f"{member.start_at - time.monotonic():.0f} s"
        )

    def _stop(self) -> int:
        running = [member.process for member in self._members if member.process]
        for process in running:
            process.terminate()
        for process in running:
            process.join()
        # One that was told before it could listen had nothing to write either.
        return int(any(one.exitcode not in (0, -signal.SIGTERM) for one in running))


class _Member:
    """One process, and when it is to be started again."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: SpawnProcess | None = None
        self.is_wanted = True
        self.started_at = self.start_at = 0.0
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)

    def ended(self, now: float) -> None:
        """Set when it is to be started again: later, the sooner it ends each time."""
        if now - self.started_at >= STEADY_SECONDS:
            self._backoff.worked()
        self.start_at = now + self._backoff.failed()


def perform_in_child(options: Namespace) -> None:
    """Perform `duly run` as one of several; ends with its parent, however that ends."""
    threading.Thread(target=_end_with_parent, name="duly-parent", daemon=True).start()
    import django

    django.setup()
    from duly.cli.verbs import run

    sys.exit(run.perform(options))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    # To the main thread by name: the kernel may hand it to another, and the main thread, which
    # waits for it, would not wake up to run Python's handler.
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGTERM)
