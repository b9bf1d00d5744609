"""When, as a request says it: in the form of the contract, or in our own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from duly.civil.at import At
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, as_instant, parse_wall_time
from duly.civil.rrule import RRule
from duly.civil.rules import VERSION, Rule
from duly.civil.structured import rule_from_recurrence
from duly.cli.rules import read_span
from duly.errors import DulyError, InvalidTime
from duly.rest.problems import invalid, naming, of_error

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII | re.I
)
# In a query an unescaped "+" arrives as a space.
_LOST_PLUS = re.compile(r"(T\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) (\d\d:?\d\d)", re.ASCII | re.I)
_KINDS = ("at", "cron", "rrule", "every", "kind", "frequency")
RECURRENCE = frozenset(
    ["frequency", "interval", "count", "until", "by_day", "by_month_day", "by_month", "timezone"]
)


def read_moment(field: str, value: object) -> str | datetime:
    """Read ISO 8601: an instant where it has an offset, else the civil time as it stands.

    Raises Problem for what is no text, or no time.
    """
    if not isinstance(value, str):
        raise invalid(field, value, "must be a time in ISO 8601, such as 2031-03-30T09:00")
    if not _INSTANT.fullmatch(value):
        return value
    try:
        return datetime.fromisoformat(value.replace(",", ".").upper())
    except ValueError as error:
        raise invalid(field, value, f"must be a time that there is ({error})") from None


def read_aware(field: str, value: object) -> Instant:
    """Read an instant, which has an offset. Raises Problem."""
    found = read_moment(field, value)
    if not isinstance(found, datetime):
        raise invalid(field, value, "must be an instant: ISO 8601 with an offset or Z")
    with naming(field, value):
        return as_instant(found)


def read_instant(field: str, value: str, zone: str) -> datetime:
    """Read an instant of a query; a civil time is read in `zone`.

    Raises Problem.
    """
    moment = read_moment(field, _LOST_PLUS.sub(r"\1+\2", value))
    with naming(field, value):
        if isinstance(moment, datetime):
            return as_instant(moment)
        return At(moment, zone, gap="next_valid").moment


def read_contract_rule(data: Mapping[str, Any], zone: str | None) -> Rule:
    """Give the rule of `scheduled_time` and `recurrence`.

    zone: the execution timezone, None where none is named. Raises Problem.
    """
    given = data["scheduled_time"]
    moment = read_moment("scheduled_time", given)
    if zone is None and not isinstance(moment, datetime):
        with naming("scheduled_time", given):
            parse_wall_time(moment)
        raise invalid(
            "timezone_context.execution_timezone",
            None,
            "must be an IANA name where scheduled_time has no offset: it is civil time there",
        )
    tz = zone or "UTC"
    policies = {name: data[name] for name in ("gap", "fold") if data.get(name) is not None}
    try:
        at = At.instant(moment, tz) if isinstance(moment, datetime) else At(moment, tz, **policies)
    except DulyError as error:
        raise of_error(error, field="scheduled_time", value=given) from None
    recurrence = data.get("recurrence")
    return at if recurrence is None else _recurring(recurrence, at, policies)


def _recurring(recurrence: Any, at: At, policies: Mapping[str, Any]) -> Rule:
    if not isinstance(recurrence, dict):
        raise invalid("recurrence", recurrence, "must be an object with a frequency")
    if unknown := recurrence.keys() - RECURRENCE:
        known = ", ".join(sorted(RECURRENCE))
        raise invalid(f"recurrence.{min(unknown)}", recurrence[min(unknown)], f"is none of {known}")
    tz = recurrence.get("timezone") or at.tz
    if not isinstance(tz, str):
        raise invalid("recurrence.timezone", tz, "must be an IANA name")
    with naming("recurrence", recurrence):
        rule = rule_from_recurrence(recurrence, at.local if tz == at.tz else at.moment, tz)
        return RRule(rule.text, rule.start, tz, **policies) if policies else rule


def read_schedule(data: Any, zone: str | None, field: str = "schedule") -> Rule:
    """Give the rule of our own form.

    data: {"at"| "cron" | "rrule" | "every": …} with `timezone` and what that rule takes; or the
        form in which answers give rules, {"kind": …}; or a recurrence, {"frequency": …}.
    zone: where it names none. Raises Problem.
    """
    if not isinstance(data, dict):
        raise invalid(field, data, "must be an object with at, cron, rrule or every")
    kinds = [kind for kind in _KINDS if kind in data]
    if len(kinds) != 1:
        raise invalid(field, data, "must have exactly one of at, cron, rrule, every and kind")
    kind = kinds[0]
    path = field if kind in ("kind", "frequency") else f"{field}.{kind}"
    with naming(path, data if path == field else data[kind]):
        return _READERS[kind](dict(data), zone, path)


def _zone(data: dict[str, Any], zone: str | None, path: str) -> str:
    found = data.pop("timezone", None) or zone
    if not isinstance(found, str):
        where = f"{path.rpartition('.')[0] or path}.timezone"
        raise invalid(where, found, "must be an IANA name, here or as execution_timezone")
    return found


def _at(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    moment = read_moment(path, data.pop("at"))
    if isinstance(moment, str):
        return _stored("at", data | {"local": moment}, _zone(data, zone, path))
    tz = _zone(data, zone or "UTC", path)
    rest = {name: data.pop(name) for name in ("gap", "fold") if name in data}
    if rest:
        raise InvalidTime("gap and fold go with a civil time, and this one has an offset")
    # An instant says itself which pass of an overlap is meant.
    named = At.instant(moment, tz)
    return _stored("at", data | {"local": named.local.isoformat(), "fold": named.fold}, tz)


def _cron(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    return _stored("cron", data | {"expr": data.pop("cron")}, _zone(data, zone, path))


def _rrule(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    text = data.pop("rrule")
    named = isinstance(text, str) and "TZID=" in text.upper()
    tz = data.pop("timezone", None) if named else _zone(data, zone, path)
    return _stored("rrule", data | {"text": text, "start": data.get("start")}, tz)


def _every(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    given = data.pop("every")
    if isinstance(given, str):
        microseconds = read_span(path, given) // datetime.resolution
    elif isinstance(given, (int, float)) and not isinstance(given, bool) and given < 1e9:
        microseconds = round(given * 1_000_000)
    else:
        raise invalid(path, given, 'must be a number of seconds, or text such as "PT15M"')
    tz = data.pop("timezone", None) or zone or "UTC"
    return _stored("every", data | {"microseconds": microseconds}, tz)


def _stored(kind: str, fields: Mapping[str, Any], tz: object) -> Rule:
    given = {name: value for name, value in fields.items() if name not in ("timezone", kind)}
    return rule_from_json({"v": VERSION, "kind": kind, "tz": tz, **given})


def _answered(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    return rule_from_json({"v": VERSION} | data)


def _structured(data: dict[str, Any], zone: str | None, path: str) -> Rule:
    return rule_from_recurrence(data, None, zone)


_READERS = {
    "at": _at,
    "cron": _cron,
    "rrule": _rrule,
    "every": _every,
    "kind": _answered,
    "frequency": _structured,
}
