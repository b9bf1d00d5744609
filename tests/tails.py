"""Tails of the ledger before which nothing is open."""

from __future__ import annotations

import time
from typing import Protocol

from duly.store.gaps import PROBATION_SECONDS
from duly.store.tail import Tail

WAIT_SECONDS = 30.0


class Clock(Protocol):
    """One that is set by hand."""

    seconds: float


def await_settled(followed: Tail, clock: Clock) -> None:
    """Look until no gap is open: a transaction in any database of the server keeps one so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while followed.look() or followed.place.gaps or clock.seconds < 3 * PROBATION_SECONDS:
        assert time.monotonic() < deadline, followed.place
        clock.seconds += PROBATION_SECONDS
