"""What a check finds, and the list of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntEnum

from duly.conf import Config
from duly.store.backlog import Backlog, backlog
from duly.store.pulse import Pulse, pulse

DAY = timedelta(days=1)


class Level(IntEnum):
    """How bad it is; also the exit code of `duly doctor`."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found."""

    level: Level
    found: str
    """In words, with its numbers."""
    fix: str = ""
    """What to do about it; empty where all is well."""


def ok(found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, found)


def warn(found: str, fix: str) -> Finding:
    """It works, and will not for ever."""
    return Finding(Level.WARN, found, fix)


def fail(found: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding(Level.FAIL, found, fix)


class Needs(Enum):
    """What a check cannot do without; without it, it is left out."""

    NOTHING = 0
    CONNECTION = 1
    TABLES = 2


@dataclass(slots=True)
class Patient:
    """What is examined."""

    using: str
    vendor: str
    now: datetime
    """By the database's clock."""
    config: Config
    _pulse: Pulse | None = field(default=None, init=False)
    _backlog: Backlog | None = field(default=None, init=False)

    @property
    def is_postgres(self) -> bool:
        """Whether its database is PostgreSQL."""
        return self.vendor == "postgresql"

    def pulse(self) -> Pulse:
        """How it went in the last day, as far as the newest occurrences say; looked at once."""
        if self._pulse is None:
            self._pulse = pulse(self.using, self.now, DAY)
        return self._pulse

    def backlog(self) -> Backlog:
        """What waits; looked at once."""
        if self._backlog is None:
            self._backlog = backlog(self.using, self.now)
        return self._backlog


Examine = Callable[[Patient], Finding | Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    name: str
    examine: Examine
    needs: Needs
    """What must be there."""
    is_bounded: bool
    """Whether it runs in a transaction, whose statements end after some seconds."""


checks: dict[str, Check] = {}
"""By name, in the order in which they are made."""


def check(
    name: str, *, needs: Needs = Needs.TABLES, is_bounded: bool = True
) -> Callable[[Examine], Examine]:
    """Add a function to the checks; one of the same name takes the place of the former.

    A project may add its own, in a module that is imported when Django is ready.
    """

    def add(function: Examine) -> Examine:
        checks[name] = Check(name, function, needs, is_bounded)
        return function

    return add
