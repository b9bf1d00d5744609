"""Recurrence as an object of fields, as other systems write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from duly.civil.instants import parse_wall_time
from duly.civil.rrule import RRule
from duly.civil.zones import get_zone
from duly.errors import InvalidRule

_FIELDS = {
    "interval": "INTERVAL",
    "count": "COUNT",
    "by_day": "BYDAY",
    "by_month_day": "BYMONTHDAY",
    "by_month": "BYMONTH",
}
_KNOWN = frozenset({"frequency", "until", "timezone", "start", *_FIELDS})
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST = 1000


def rule_from_recurrence(
    data: Mapping[str, Any], start: str | datetime | None = None, tz: str | None = None
) -> RRule:
    """Give the rule that a structured recurrence says.

    data: `frequency` ("daily", "weekly", "monthly", "yearly", "hourly" …), and maybe
        `interval`, `count`, `until` (date, civil time or instant in ISO 8601), `by_day`
        (["MO", "-1FR", "friday"]), `by_month_day`, `by_month` (lists of numbers), `start`
        (a civil time) and `timezone` (an IANA name).
    start, tz: used where `data` does not say; `start` may be aware.

    Raises InvalidRule naming the field, and what RRule raises.
    """
    if unknown := set(data) - _KNOWN:
        names = ", ".join(sorted(map(str, unknown)))
        raise InvalidRule(
            f"a recurrence has no field {names:.80}; known: {', '.join(sorted(_KNOWN))}"
        )
    zone = data.get("timezone") or tz
    begun = data.get("start") or start
    if not isinstance(zone, str) or begun is None:
        missing = "start" if begun is None else "timezone"
        raise InvalidRule(f"a recurrence needs {missing}, got {data.get(missing)!r:.60}")
    if isinstance(begun, datetime) and begun.tzinfo is not None:
        begun = get_zone(zone).wall_time_at(begun)
    frequency = data.get("frequency")
    if not isinstance(frequency, str):
        raise InvalidRule(f"frequency must be text such as 'weekly', got {frequency!r:.60}")
    parts = [f"FREQ={frequency.upper()}"]
    for name, part in _FIELDS.items():
        if data.get(name) not in (None, [], ()):
            parts.append(f"{part}={_text(name, data[name])}")
    if data.get("until") is not None:
        parts.append(f"UNTIL={_until(data['until'])}")
    return RRule(";".join(parts), begun, zone)


def _text(name: str, value: object) -> str:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(items) > _MOST:
        raise InvalidRule(f"{name} has at most {_MOST} values, got {len(items)}")
    return ",".join(_item(name, item) for item in items)


def _item(name: str, item: object) -> str:
    if name == "by_day" and isinstance(item, str):
        return item[:2] if item.lower() in _WEEKDAYS else item
    if isinstance(item, int) and not isinstance(item, bool) and name != "by_day":
        return str(item)
    wanted = "weekdays such as 'MO' or '-1FR'" if name == "by_day" else "whole numbers"
    raise InvalidRule(f"{name} must hold {wanted}, got {item!r:.60}")


def _until(value: object) -> str:
    """Write a date, civil time or instant as a recurrence rule does."""
    found = value
    if isinstance(value, str):
        try:
            is_date = len(value) == len("2026-12-31")
            found = date.fromisoformat(value) if is_date else datetime.fromisoformat(value)
        except ValueError:
            raise InvalidRule(
                f"until must be a date, civil time or instant in ISO 8601, got {value!r:.60}"
            ) from None
    if isinstance(found, datetime) and found.tzinfo is not None:
        return f"{found.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    if isinstance(found, datetime):
        return f"{parse_wall_time(found):%Y%m%dT%H%M%S}"
    if isinstance(found, date):
        return f"{found:%Y%m%d}"
    raise InvalidRule(f"until must be a date, civil time or instant, got {value!r:.60}")
