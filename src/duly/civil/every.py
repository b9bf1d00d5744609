"""Rules that count elapsed time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, Unpack

from duly.civil.instants import Instant, as_instant
from duly.civil.placement import MOST_CLOSED
from duly.civil.recurring import Recurring
from duly.civil.resolve import Due, resolve_checked
from duly.civil.rules import VERSION
from duly.civil.terms import Terms, WindowArguments, said_duration, said_moment
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import InvalidRule, InvalidTime

SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=3660)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, init=False)
class Every(Recurring):
    """Again and again, after the same time has elapsed; it never drifts from its anchor.

    interval: 1 second to 10 years, to the microsecond. A day is 24 hours here, whatever
        the clocks do; use Cron for a time of day.
    anchor: aware. Due at anchor + interval, anchor + 2 intervals and so on. None: the
        moment at which it is scheduled.
    tz: the zone that its instants are shown in, and that a calendar is read in.
    terms: start, end, max_occurrences, calendar and jitter; see WindowArguments. A calendar
        only skips here: what counts elapsed time keeps its steps.

    Raises InvalidRule, InvalidTime, UnknownZone.
    """

    interval: timedelta
    anchor: datetime | None
    tz: str
    terms: Terms

    def __init__(
        self,
        interval: timedelta,
        anchor: datetime | None = None,
        tz: str = "UTC",
        **terms: Unpack[WindowArguments],
    ) -> None:
        if not isinstance(interval, timedelta):
            raise InvalidRule(f"interval must be a timedelta, got {interval!r:.80}")
        if not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
            raise InvalidRule(f"interval must be 1 second to 10 years, got {interval}")
        get_zone(tz)
        checked = Terms.checked(terms)
        if checked.on_closed != "skip":
            raise InvalidRule(
                f"on_closed must be skip for Every, got {checked.on_closed!r}: elapsed time is "
                "not moved to another day; use Cron or RRule"
            )
        moment = as_instant(anchor) if anchor is not None else None
        self._set(interval=interval, anchor=moment, tz=tz, terms=checked)

    @property
    def is_elapsed(self) -> bool:
        return True

    def anchored(self, now: Instant, seed: str = "") -> Self:
        # A slotted dataclass is made anew, which `super()` does not know.
        rule = Recurring.anchored(self, now, seed)
        return rule if rule.anchor is not None else rule._with(anchor=now)

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": "every",
            # Whole microseconds: a float of seconds would not round-trip.
            "microseconds": self.interval // _TICK,
            "anchor": self.anchor.isoformat() if self.anchor else None,
            "tz": self.tz,
            **self.terms.to_json(),
        }

    def describe(self) -> str:
        since = f" from {said_moment(self.anchor)}" if self.anchor else ""
        return f"every {said_duration(self.interval)}{since}{self.terms.describe()}"

    def _next(self, zone: Zone, after: Instant) -> Due | None:
        due = self._step(zone, after)
        calendar = self.terms.calendar
        if calendar is None:
            return due
        for _ in range(MOST_CLOSED):
            if due is None or calendar.is_open(due.wall_time):
                return due
            opening = calendar.opening_after(due.wall_time)
            if opening is None:
                return None
            at = resolve_checked(opening, zone, "next_valid", "first")[0].at
            change = zone.transition_after(due.at)
            if change and change.kind == "overlap":
                # The clocks may go back to within the hours before the next opening.
                at = min(at, change.at)
            # In the second pass of an overlap the opening has been already.
            due = self._step(zone, max(due.at, Instant(at - _TICK)))
        return None

    def _step(self, zone: Zone, after: Instant) -> Due | None:
        if self.anchor is None:
            raise InvalidRule("this rule has no anchor yet; it gets one when it is scheduled")
        count = max(1, (after - Instant(self.anchor)) // self.interval + 1)
        try:
            at = as_instant(self.anchor + count * self.interval)
        except (InvalidTime, OverflowError):
            return None
        return Due(at, zone.wall_time_at(at), self.tz, "plain")
