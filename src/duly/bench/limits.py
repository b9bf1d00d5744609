"""The bare limits of a database: how fast it answers, and how fast it commits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from django.db import connections

from duly import clock

_TABLE = "duly_bench_commit"
_INSERT = "INSERT INTO duly_bench_commit VALUES (1)"
# Enough for a median; a reading takes one round trip.
_READINGS = 21
# On top of half a round trip: the clocks of one machine may differ by so much in a reading.
_SLACK_SECONDS = 0.001


def round_trip(using: str, seconds: float) -> float:
    """Measure how long a statement that does nothing takes, in seconds; the median."""
    return statistics.median(_timed(lambda: _execute(using, "SELECT 1"), seconds))


def commits(using: str, seconds: float) -> float:
    """Measure how many transactions of one insert are committed a second, one by one."""
    _execute(using, f"CREATE TABLE {_TABLE} (id INTEGER)")
    try:
        # Django is in autocommit: each statement is a transaction, and waits for the disk.
        return per_second(lambda: _execute(using, _INSERT), seconds)
    finally:
        _execute(using, f"DROP TABLE {_TABLE}")


def clock_ahead(using: str) -> tuple[float, float]:
    """Measure how far the database's clock reads ahead of this host's, and how surely.

    Gives both in seconds, by the reading that took the shortest.
    """
    readings = []
    for _ in range(_READINGS):
        asked = time.time()
        clock.current().refresh(using)
        read, arrived = clock.now(using), time.time()
        took = arrived - asked
        # `now` carries the reading on from when it arrived; the answer is half a trip older.
        readings.append((took, read.timestamp() - arrived + took / 2))
    took, ahead = min(readings)
    return ahead, took / 2 + _SLACK_SECONDS


def per_second(action: Callable[[], object], seconds: float) -> float:
    """Do something again and again; gives how many times a second."""
    times = _timed(action, seconds)
    return len(times) / sum(times)


def _timed(action: Callable[[], object], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return times


def _execute(using: str, statement: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(statement)
