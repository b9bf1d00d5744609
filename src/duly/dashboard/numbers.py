"""The numbers of this moment: due, late, running, dead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.conf import config
from duly.dashboard import words
from duly.dashboard.links import rows_url
from duly.store import backlog, engines, present


@dataclass(frozen=True, slots=True)
class Tile:
    """One number."""

    name: str
    label: str
    value: str
    note: str
    url: str
    state: str
    """"ok", "warn" or "bad"."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is so at one moment."""

    at: datetime
    tiles: tuple[Tile, ...]
    is_firing: bool
    """Whether an engine is alive that claims what is due."""

    @property
    def told(self) -> str:
        """The moment, as people read it."""
        return words.at(self.at)


def numbers(using: str, now: datetime) -> Numbers:
    """Look at what is so at this moment."""
    found = backlog.backlog(using, now)
    running = present.running(using, now, timedelta(seconds=config().lease_seconds))
    is_firing = engines.is_firing(using, now)
    oldest = f"the oldest for {words.span(found.oldest)}" if found.due else "nothing waits"
    return Numbers(
        now,
        (
            Tile(
                "due",
                "Due",
                words.count(found.due),
                oldest,
                rows_url("due"),
                "ok" if is_firing or not found.due else "bad",
            ),
            Tile(
                "late",
                "Late",
                words.count(found.overdue),
                "due for over a minute",
                rows_url("late"),
                "bad" if found.overdue else "ok",
            ),
            Tile(
                "running",
                "Running",
                words.count(running),
                "attempts under way",
                rows_url("running"),
                "ok",
            ),
            Tile(
                "dead",
                "Dead",
                words.count(found.dead),
                "their attempts are used up",
                rows_url("dead"),
                "warn" if found.dead else "ok",
            ),
        ),
        is_firing,
    )
