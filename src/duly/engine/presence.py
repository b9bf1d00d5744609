"""Presence: an engine says in the database that it is there, and how it does.

From the thread that claims: one that hangs, or that the database does not answer, is not there,
whatever else of its process still runs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import Error

from duly import __version__, registry
from duly.civil import zones
from duly.clock import Clock
from duly.engine.options import EngineOptions
from duly.models import Engine as Row
from duly.store import engines
from duly.telemetry import emit

BEAT_SECONDS = engines.BEAT.total_seconds()
LONGEST_HOST = 255


@dataclass(frozen=True, slots=True)
class Vitals:
    """What an engine has in its hands."""

    running: int
    """Attempts that run."""
    held: int
    """Claims that wait for their instant."""
    clock_offset: float
    """How far this host's clock is ahead of the database's, in seconds."""


class Presence:
    """The row of one engine."""

    def __init__(self, options: EngineOptions, clock: Clock, vitals: Callable[[], Vitals]) -> None:
        self._using = options.using
        self._clock = clock
        self._vitals = vitals
        self._beat_at = clock.monotonic()
        self._has_begun = False
        self._row = Row(
            holder=options.holder,
            host=socket.gethostname()[:LONGEST_HOST],
            pid=os.getpid(),
            version=__version__,
            concurrency=options.concurrency,
        )

    def look(self) -> None:
        """Say that this engine is there, if it has not lately; never raises."""
        if self._clock.monotonic() >= self._beat_at:
            self._beat()

    def leave(self) -> None:
        """Say that this engine claims nothing any more; never raises."""
        if self._has_begun:
            self._beat(stops=True)

    def _beat(self, *, stops: bool = False) -> None:
        self._beat_at = self._clock.monotonic() + BEAT_SECONDS
        try:
            now = self._clock.now(self._using)
            self._row.stopping_at = now if stops else None
            self._write(now)
        except Error as error:
            # It fires all the same.
            emit("engine.faulted", part="presence", error=repr(error), wait_seconds=BEAT_SECONDS)

    def _write(self, now: datetime) -> None:
        row, vitals = self._row, self._vitals()
        if not self._has_begun:
            self._has_begun = True
            row.started_at = now
            row.handles = sorted(registry.known_types())
        row.beat_at = now
        row.tzdata_release = zones.current().release
        row.running, row.held = vitals.running, vitals.held
        row.clock_offset = vitals.clock_offset
        engines.beat(self._using, row)
        emit(
            "engine.beat",
            holder=row.holder,
            running=row.running,
            held=row.held,
            clock_offset=row.clock_offset,
        )
