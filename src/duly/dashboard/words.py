"""Numbers, spans and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from duly.store.backlog import MOST_COUNTED

_THOUSAND = 1_000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int, most: int = MOST_COUNTED) -> str:
    """Write a count that ended at `most`."""
    return f"{most:,}+" if number >= most else f"{number:,}"


def short_count(number: int, most: int = MOST_COUNTED) -> str:
    """Write it in five characters or fewer."""
    if number >= most:
        return f"{most // _THOUSAND}k+"
    return f"{number / _THOUSAND:.1f}k" if number >= _THOUSAND else str(number)


def seconds(value: float | None) -> str:
    """Write a span of seconds with two units at most."""
    if value is None:
        return "–"
    if value < 1:
        return f"{max(value, 0.0) * 1000:.0f} ms"
    if value < _MINUTE:
        return f"{value:.1f} s"
    whole = int(value)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def span(value: timedelta) -> str:
    """Write a span."""
    return seconds(value.total_seconds())


def at(instant: datetime) -> str:
    """Write an instant in UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def minute(instant: datetime) -> str:
    """Write the time of day of an instant in UTC."""
    return f"{instant.astimezone(UTC):%H:%M}"
