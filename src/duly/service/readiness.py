"""Whether this process can do its work: its database, its engine, and how late firings are."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from duly import clock
from duly.engine.loop import Engine
from duly.store.backlog import oldest
from duly.store.engines import is_firing

# However many ask, the database is looked at once in so long.
KEPT_SECONDS = 1.0
# Whoever asks while another's look hangs gets his answer by then.
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    problem: str = ""
    """Empty: all is well."""
    facts: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        problem = {"problem": self.problem} if self.problem else {}
        return {"ok": not self.problem, **dict(self.facts), **problem}


Checks = dict[str, Check]
_HANGS = {"database": Check("has not answered yet")}


class Readiness:
    """Looks, and remembers for a second what it saw.

    engine: the engine of this process; None where none is to run here, and then lateness is
        told, and left to those who can do something about it.
    longest: how late a firing may be; zero: however late.
    """

    def __init__(self, using: str, engine: Engine | None, longest: timedelta) -> None:
        self._using = using
        self._engine = engine
        self._longest = longest
        self._lock = threading.Lock()
        self._seen: Checks = {}
        self._seen_at = -KEPT_SECONDS

    def look(self) -> Checks:
        """Give what was looked at, by name."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return _HANGS
        try:
            if time.monotonic() - self._seen_at >= KEPT_SECONDS:
                self._seen = self._look()
                self._seen_at = time.monotonic()
            return self._seen
        finally:
            self._lock.release()

    def _look(self) -> Checks:
        found = {} if self._engine is None else {"engine": self._of_engine(self._engine)}
        try:
            now = clock.now(self._using)
            late = oldest(self._using, now)
            if self._engine is None:
                # No fault of this process: it takes what is scheduled meanwhile.
                facts = (("is_firing", is_firing(self._using, now)),)
                found["elsewhere"] = Check(facts=facts)
        except DatabaseError as error:
            connections[self._using].close()
            # Not the message: it names hosts and users.
            return {"database": Check(f"does not answer ({type(error).__name__})"), **found}
        return {"database": Check(), **found, "lateness": self._of_lateness(late)}

    def _of_engine(self, engine: Engine) -> Check:
        return Check("" if engine.is_up() else "does not look for what is due")

    def _of_lateness(self, late: timedelta) -> Check:
        facts = (("seconds", late.total_seconds()),)
        if self._engine is None or not self._longest or late <= self._longest:
            return Check(facts=facts)
        longest = self._longest.total_seconds()
        return Check(f"the oldest firing is more than {longest:g} s late", facts)
