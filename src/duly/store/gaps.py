"""Ids of the ledger that were passed over, and may yet come.

An id is given when a row is written and seen when its transaction commits, so that who reads
by id passes rows that are not there yet. Each such gap is looked at again until no transaction
is open any more that could fill it.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.db import connections

from duly.store.seals import SETTLE

# An id is taken from its sequence moments before its transaction is known to the server.
PROBATION_SECONDS = 2.0


@dataclass(slots=True)
class Gap:
    """Ids from `first` to `last`, both included, of which no row has been seen."""

    first: int
    last: int
    since: float
    """When it was first seen, on the monotonic clock."""
    fence: int | None = None
    """Transactions from this one on began after it was seen."""


class Judge(Protocol):
    """Says whether gaps can still be filled."""

    def oldest(self) -> int:
        """Give the mark beneath which all that was open has ended; asked before each look."""
        ...

    def next(self) -> int:
        """Give the mark that what begins from now on has reached."""
        ...


class PostgresJudge:
    """By the ids of transactions.

    Source: PostgreSQL's manual, 9.27.8 "Transaction ID and Snapshot Information Functions".
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._next = 0

    def oldest(self) -> int:
        with connections[self._using].cursor() as cursor:
            cursor.execute(
                "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint"
                " FROM pg_current_snapshot() s"
            )
            oldest, self._next = cursor.fetchone()
        return int(oldest)

    def next(self) -> int:
        return self._next


class SqliteJudge:
    """One writer at a time: whatever has a smaller id was committed before, or never will be."""

    def oldest(self) -> int:
        return 1

    def next(self) -> int:
        return 0


class SettlingJudge:
    """Where a database says nothing of its transactions: by time, as the seals do."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic

    def oldest(self) -> int:
        return int(self._monotonic() - SETTLE.total_seconds())

    def next(self) -> int:
        return int(self._monotonic())


def judge_of(using: str) -> Judge:
    """Give the judge that fits the database."""
    match connections[using].vendor:
        case "postgresql":
            return PostgresJudge(using)
        case "sqlite":
            return SqliteJudge()
    return SettlingJudge()


class Gaps:
    """The gaps that are open, ascending."""

    def __init__(self, judge: Judge, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._monotonic = monotonic
        self._open: list[Gap] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def ranges(self) -> list[tuple[int, int]]:
        """Give them as pairs, both ends included."""
        return [(gap.first, gap.last) for gap in self._open]

    def settled_to(self, end: int) -> int:
        """Give the greatest id, not above `end`, up to which nothing can come any more."""
        return min(end, self._open[0].first - 1) if self._open else end

    def passed(self, last: int, ids: Sequence[int]) -> None:
        """Note what is not there between an id and those that were read after it, ascending."""
        now = self._monotonic()
        self._open += [Gap(first, end, now) for first, end in _missing(last + 1, ids)]

    def look(self, find: Callable[[Sequence[tuple[int, int]]], Sequence[int]]) -> None:
        """Look into them again, and close those that nothing can come into any more.

        find: gives the ids, ascending, that are there by now within some pairs.
        """
        if not self._open:
            return
        # Asked before the look: what ends between both is seen, and closed the next time.
        oldest = self._judge.oldest()
        there = find(self.ranges())
        now = self._monotonic()
        left: list[Gap] = []
        for gap in self._open:
            if gap.fence is not None and gap.fence <= oldest:
                continue
            if gap.fence is None and now - gap.since >= PROBATION_SECONDS:
                gap.fence = self._judge.next()
            ours = there[bisect_left(there, gap.first) : bisect_right(there, gap.last)]
            left += [
                Gap(first, last, gap.since, gap.fence)
                for first, last in _missing(gap.first, [*ours, gap.last + 1])
            ]
        self._open = left


def _missing(expected: int, ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    for id_ in ids:
        if id_ > expected:
            yield expected, id_ - 1
        expected = id_ + 1
