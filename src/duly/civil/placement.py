"""A row of civil times, moved onto the business days of a calendar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, Protocol

from duly.civil.calendars import BusinessCalendar, OnClosed
from duly.civil.instants import WallTime

# A rule that meets nothing but closed times so often in a row is taken never to fire.
MOST_CLOSED = 2000
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


class Row(Protocol):
    """An ascending row of civil times that can be sought."""

    def first_from(self, start: datetime) -> WallTime | None:
        """Give the first of them at or after `start`; None when there is none."""
        ...


class Moved(NamedTuple):
    """A civil time on a business day, and the one that it was before."""

    wall_time: WallTime
    origin: WallTime


def _order(moved: Moved) -> tuple[datetime, bool, datetime]:
    # Of those that land at the same time, the one that was there already is the one named.
    return moved.wall_time, moved.origin != moved.wall_time, moved.origin


@dataclass(frozen=True, slots=True)
class Placed:
    """The civil times of a row where a calendar puts them, ascending, each once."""

    row: Row
    calendar: BusinessCalendar
    on_closed: OnClosed

    def first_from(self, start: datetime) -> WallTime | None:
        """Give the first of them at or after `start`."""
        found = self._first(start)
        return found.wall_time if found else None

    def moved_from(self, wall_time: WallTime) -> WallTime | None:
        """Give the civil time that one of these was before it was moved; None if it was not."""
        found = self._first(wall_time)
        # What is asked for may have been placed by other holidays than those of now.
        moved = found and found.wall_time == wall_time != found.origin
        return found.origin if found and moved else None

    def _first(self, start: datetime) -> Moved | None:
        if self.on_closed == "skip":
            return self._first_open(start)
        # Moving keeps no order: Saturday 20:00 may become Monday 18:00, and Sunday 09:00
        # Monday 09:00. So the days that are moved to are looked at one by one.
        day: date | None = start.date()
        for _ in range(MOST_CLOSED):
            if day is None:
                return None
            following = self.row.first_from(self._earliest_origin(day))
            if following is None:
                return None
            target = self.calendar.place(following, self.on_closed)
            if target is not None and target.date() > day:
                day = target.date()
            least = max(start, datetime.combine(day, time(0)))
            found = min(self._moved_to(day, least), default=None, key=_order)
            if found is not None:
                return found
            day = self.calendar.business_day(day, 1)
        return None

    def _first_open(self, start: datetime) -> Moved | None:
        for _ in range(MOST_CLOSED):
            found = self.row.first_from(start)
            if found is None:
                return None
            if self.calendar.is_open(found):
                return Moved(found, found)
            opening = self.calendar.opening_after(found)
            if opening is None:
                return None
            start = opening
        return None

    def _earliest_origin(self, day: date) -> datetime:
        """Give a civil time before which nothing is moved to `day` or later."""
        if self.on_closed == "previous_business_day":
            return datetime.combine(day, time(0))
        before = self.calendar.business_day(day, -1)
        return datetime.combine(before or day, time(0))

    def _moved_to(self, day: date, least: datetime) -> Iterator[Moved]:
        """Give the civil times on `day` from `least` on that may be the first there."""
        opening = self.calendar.opening(day)
        if opening is None:
            return
        first, last = datetime.combine(day, opening[0]), datetime.combine(day, opening[1])
        yield from self._of_span(max(least, first), last + _TICK)
        forward = self.on_closed == "next_business_day"
        edge = datetime.combine(day, time(0)) if forward else last + _TICK
        end = first if forward else datetime.combine(day + _DAY, time(0))
        yield from self._of_span(edge, end, least)
        beside = self.calendar.business_day(day, -1 if forward else 1)
        if beside is None:
            return
        hours = self.calendar.opening(beside)
        assert hours is not None
        if forward:
            late = datetime.combine(beside, hours[1]) + _TICK
            yield from self._of_span(late, datetime.combine(beside + _DAY, time(0)), least)
            closed, stop = beside + _DAY, day
        else:
            early = datetime.combine(beside, hours[0])
            yield from self._of_span(datetime.combine(beside, time(0)), early, least)
            closed, stop = day + _DAY, beside
        while closed < stop:
            # At an earlier time of day than `least`, or than the opening, it lands there.
            begin = time(0) if least <= first else least.time()
            start = datetime.combine(closed, begin)
            yield from self._of_span(start, datetime.combine(closed + _DAY, time(0)), least)
            closed += _DAY

    def _of_span(
        self, start: datetime, end: datetime, least: datetime | None = None
    ) -> Iterator[Moved]:
        """Give where the first of the row in [start, end) lands, if not before `least`."""
        origin = self.row.first_from(start) if start < end else None
        if origin is None or origin >= end:
            return
        placed = self.calendar.place(origin, self.on_closed)
        if placed is not None and (least is None or placed >= least):
            yield Moved(placed, origin)
