"""Rules that are due again and again: what Every, Cron and RRule have in common."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

from duly.civil.instants import EARLIEST, Instant
from duly.civil.placement import Placed, Row
from duly.civil.resolve import Due, FoldPolicy, GapPolicy, first_due, nearest, resolve_checked
from duly.civil.terms import NONE, Terms, bounded, civil_identity, late_by, spread
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone


class Recurring:
    """A rule within terms."""

    __slots__ = ()

    tz: str
    terms: Terms

    @property
    def zone(self) -> str:
        return self.tz

    @property
    def is_elapsed(self) -> bool:
        """Whether it follows elapsed time rather than the clock on the wall."""
        raise NotImplementedError

    def next(self, after: Instant) -> Due | None:
        zone = get_zone(self.tz)
        if self.terms is NONE:
            return self._next(zone, after)

        def plain(moment: Instant) -> Due | None:
            return self._next(zone, moment)

        def last() -> Instant | None:
            return _last_counted(self._with(terms=replace(self.terms, jitter=None)), zone)

        within = bounded(self.terms, zone, plain, last if self.terms.max_occurrences else None)
        if self.terms.jitter is None:
            due = within(after)
        else:
            due = spread(
                within,
                lambda firing: self._late(zone, firing, within(firing.at)),
                self.terms.jitter,
                after,
            )
        return due and self.told(due)

    def anchored(self, now: Instant, seed: str = "") -> Self:
        terms = self.terms.anchored(now, seed)
        return self if terms is self.terms else self._with(terms=terms)

    def rederived(self, stored: Due, since: Instant) -> Due | None:
        return self.next(since)

    def _next(self, zone: Zone, after: Instant) -> Due | None:
        """Give the next due instant on business days, whatever the other terms say."""
        raise NotImplementedError

    def _late(self, zone: Zone, due: Due, following: Due | None) -> Due:
        """Give a firing with its jitter: before the one that follows, and before `end`."""
        stop = following.at if following else self.terms.end_instant(zone)
        # Zone data moves civil times on the line of time, and instants on the clock: what
        # it moves must not be spread anew.
        identity = due.at if self.is_elapsed else civil_identity(due)
        return late_by(self.terms, due, identity, stop)

    def told(self, due: Due) -> Due:
        return due

    def _with(self, **changed: Any) -> Self:
        """Give a copy with some fields changed, which are not checked again."""
        found = object.__new__(type(self))
        names: dict[str, Any] = self.__dataclass_fields__  # type: ignore[attr-defined]
        found._set(**{name: changed.get(name, getattr(self, name)) for name in names})
        return found

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            # Terms that say nothing are the one value that is looked for before all else.
            object.__setattr__(self, name, NONE if value == NONE else value)


class CivilRule(Recurring):
    """A row of civil times, resolved in a zone."""

    __slots__ = ()

    gap: GapPolicy
    fold: FoldPolicy
    row: Row

    def rederived(self, stored: Due, since: Instant) -> Due | None:
        if self.is_elapsed:
            return self.next(since)
        zone = get_zone(self.tz)
        named = resolve_checked(stored.wall_time, zone, self.gap, self.fold)
        if not named:
            # Left out by now, in a gap: what follows it, and never what came before.
            left_out = resolve_checked(stored.wall_time, zone, "shift", "first")[0].at
            return self.next(Instant(left_out - datetime.resolution))
        due = nearest(named, stored)
        if self.terms.jitter is None:
            return self.told(due)
        following = self._with(terms=replace(self.terms, jitter=None)).next(due.at)
        return self.told(self._late(zone, due, following))

    def _next(self, zone: Zone, after: Instant) -> Due | None:
        row = self._placed() or self.row
        return first_due(row.first_from, zone, after, gap=self.gap, fold=self.fold)

    def told(self, due: Due) -> Due:
        placed = self._placed()
        return replace(due, moved_from=placed.moved_from(due.wall_time)) if placed else due

    def _placed(self) -> Placed | None:
        terms = self.terms
        return Placed(self.row, terms.calendar, terms.on_closed) if terms.calendar else None


@lru_cache(maxsize=4096)
def _last_counted(rule: Recurring, zone: Zone) -> Instant | None:
    """Give the last instant that a rule counts; None where it ends by itself before.

    zone: as of one release of the data, so that another counts anew.
    """
    count = rule.terms.max_occurrences
    assert count is not None
    uncounted = rule._with(terms=replace(rule.terms, max_occurrences=None))
    at = EARLIEST
    for _ in range(count):
        due = uncounted.next(at)
        if due is None:
            return None
        at = due.at
    return at
