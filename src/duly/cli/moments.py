"""Moments and spans of time: read from the command line, and shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

from duly.civil import resolve
from duly.civil.instants import Instant, as_instant
from duly.errors import InvalidTime

Precision = Literal["minutes", "seconds", "milliseconds"]


def read_instant(option: str, text: str) -> Instant:
    """Read an ISO 8601 date and time with its offset, such as 2026-10-25T00:00Z.

    Raises InvalidTime naming the option.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(
            f"{option} must be an ISO 8601 time such as 2026-10-25T00:00Z, got {text!r}"
        ) from None
    if moment.tzinfo is None:
        raise InvalidTime(f"{option} {text!r} has no offset: add Z for UTC, or one such as +02:00")
    return as_instant(moment)


def read_date(option: str, text: str) -> date:
    """Read an ISO 8601 date. Raises InvalidTime naming the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidTime(f"{option} must be a date such as 2027-03-28, got {text!r}") from None


def precision_of(moments: Iterable[datetime]) -> Precision:
    """Give the coarsest precision that shows all of these moments apart from whole ones."""
    precision: Precision = "minutes"
    for moment in moments:
        if moment.microsecond:
            return "milliseconds"
        if moment.second:
            precision = "seconds"
    return precision


def civil_text(moment: datetime, zone: tzinfo, precision: Precision) -> str:
    """Show a moment as a clock in `zone` shows it, with its weekday."""
    local = moment.astimezone(zone)
    return f"{_WEEKDAYS[local.weekday()]} {_plain(local, precision)}"


def offset_text(moment: datetime, zone: tzinfo) -> str:
    """Show how far a zone is from UTC at a moment, such as +05:30."""
    offset = moment.astimezone(zone).utcoffset()
    return "" if offset is None else resolve.offset_text(offset)


def utc_text(moment: datetime, precision: Precision) -> str:
    """Show a moment in UTC, without saying so: the head of its column does."""
    return _plain(moment.astimezone(UTC), precision)


def span_text(span: timedelta) -> str:
    """Show how long it is until then, in its two largest units: "in 2 d 3 h", "5 s ago"."""
    whole = abs(round(span.total_seconds()))
    parts: list[tuple[int, str]] = []
    for unit, seconds in _UNITS:
        count, whole = divmod(whole, seconds)
        if count or parts:
            parts.append((count, unit))
    shown = " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)
    if not shown:
        return "now"
    return f"{shown} ago" if span < timedelta(0) else f"in {shown}"


def _plain(moment: datetime, precision: Precision) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", timespec=precision)


# Not strftime's: those follow the locale of the process.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
