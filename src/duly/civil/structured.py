"""Recurrence as an object of fields, as other systems write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from duly.civil.instants import as_instant, parse_wall_time
from duly.civil.rrule import RRule
from duly.civil.zones import get_zone
from duly.errors import InvalidRule, InvalidTime

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
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?[A-Z]{2}", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)


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
    if not isinstance(frequency, str) or not frequency.isalpha():
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
        if item.lower() in _WEEKDAYS:
            return item[:2]
        if _WEEKDAY.fullmatch(item):
            return item
    if isinstance(item, int) and not isinstance(item, bool) and name != "by_day":
        return str(item)
    wanted = "weekdays such as 'MO' or '-1FR'" if name == "by_day" else "whole numbers"
    raise InvalidRule(f"{name} must hold {wanted}, got {item!r:.60}")


def _until(value: object) -> str:
    """Write a date, civil time or instant as a recurrence rule does."""
    found = _read(value) if isinstance(value, str) else value
    try:
        if isinstance(found, datetime) and found.tzinfo is not None:
            return f"{_written(as_instant(found))}Z"
        if isinstance(found, datetime):
            return _written(parse_wall_time(found))
    except InvalidTime as error:
        raise InvalidTime(f"until: {error}") from None
    if isinstance(found, date):
        return found.isoformat().replace("-", "")
    raise InvalidRule(
        "until must be a date, civil time or instant in ISO 8601, such as '2026-12-31' or "
        f"'2026-12-31T23:00:00Z', got {value!r:.60}"
    )


def _read(text: str) -> date | datetime | None:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return None


def _written(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"
