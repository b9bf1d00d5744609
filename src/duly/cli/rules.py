"""RULE on the command line: text, and the options beside it, that become a rule."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from duly.civil.at import At
from duly.civil.calendars import BusinessCalendar
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json
from duly.civil.rrule import RRule
from duly.civil.rules import VERSION, Rule
from duly.cli.moments import read_instant
from duly.errors import InvalidRule

_EVERY = re.compile(r"every\s+(?P<spans>(\d+\s*(w|d|h|min|m|s)\s*)+)", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(\d+)\s*(w|d|h|min|m|s)", re.IGNORECASE | re.ASCII)
_SPANS = re.compile(rf"({_SPAN.pattern}\s*)+", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "min": "minutes", "s": "seconds"}
_CIVIL = re.compile(r"[+-]?\d{3,}-.*", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d.*(Z|[+-]\d\d(:?\d\d)?)", re.IGNORECASE | re.ASCII)
_RECURRENCE = re.compile(r"(RRULE:|DTSTART|FREQ\s*=|[A-Z]+=[^ ]*;).*", re.IGNORECASE | re.DOTALL)
_POLICIES = ("gap", "fold")
_CALENDAR = ("holidays", "closed", "open", "weekend")
_TERMS = ("start", "end", "max", "on_closed", "jitter", *_CALENDAR)


def read_rule(text: str, options: Namespace) -> Rule:
    """Read a rule in the zone, under the policies and within the terms that the options name.

    Raises InvalidRule where the text is none of the forms, and what the rule itself raises.
    """
    text = text.strip()
    if text.startswith("{"):
        _refuse(options, "the JSON form", "tz", "day_match", *_POLICIES, *_TERMS)
        return _from_json(text)
    if _INSTANT.fullmatch(text):
        _refuse(options, "an instant", "start", "end", "max", "day_match", *_POLICIES)
        return At.instant(read_instant("the instant", text), options.tz or "UTC", **_terms(options))
    if text.lower().startswith("every") and not _is_elapsed(text):
        raise InvalidRule(f"{text!r:.60} is no elapsed time: such as 'every 15m', in w, d, h, m, s")
    if not is_recurrence(text) and options.tz is None and not _is_elapsed(text):
        raise InvalidRule(f"say in which zone {text!r:.60} is read: --tz Europe/Berlin")
    terms = _terms(options)
    if is_recurrence(text):
        _refuse(options, "a recurrence rule", "day_match")
        # Typed in a shell, lines are parted by what the shell leaves of "\n".
        lines = text.replace("\\n", "\n")
        start = terms.pop("start", None)
        if start is None and "DTSTART" not in lines.upper():
            raise InvalidRule(
                "a recurrence rule counts from its start: --start 2027-01-01T09:00, or DTSTART"
            )
        return RRule(lines, start, options.tz, **_policies(options), **terms)
    if _is_elapsed(text):
        _refuse(options, "elapsed time", "day_match", *_POLICIES)
        return Every(_interval(text), tz=options.tz or "UTC", **terms)
    if _CIVIL.fullmatch(text):
        _refuse(options, "a civil time", "start", "end", "max", "day_match")
        return At(text, options.tz, **_policies(options), **terms)
    if options.day_match:
        terms["day_match"] = options.day_match
    return Cron(text, options.tz, **_policies(options), **terms)


def is_recurrence(text: str) -> bool:
    """Say whether a text is read as a recurrence rule, which counts from its start."""
    return bool(_RECURRENCE.fullmatch(text.strip()))


def _is_elapsed(text: str) -> bool:
    return bool(_EVERY.fullmatch(text) or _DURATION.fullmatch(text))


def _policies(options: Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in _POLICIES if getattr(options, name)}


def _terms(options: Namespace) -> dict[str, Any]:
    """Give the terms that the options name, as the rules take them."""
    terms: dict[str, Any] = {}
    for name in ("start", "end"):
        if getattr(options, name):
            terms[name] = getattr(options, name)
    if options.max is not None:
        terms["max_occurrences"] = options.max
    if options.jitter:
        terms["jitter"] = read_span("--jitter", options.jitter)
    if any(getattr(options, name) for name in _CALENDAR):
        terms["calendar"] = _calendar(options)
    if options.on_closed:
        terms["on_closed"] = options.on_closed
    return terms


def _calendar(options: Namespace) -> BusinessCalendar:
    country, _, subdivision = (options.holidays or "").partition("-")
    return BusinessCalendar(
        country or None,
        subdivision or None,
        closed=_listed(options.closed),
        open=_listed(options.open),
        weekend=_listed(options.weekend) if options.weekend else None,
    )


def _listed(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def read_span(option: str, text: str) -> timedelta:
    """Read a span of time such as 90s, 1h30m or PT5M. Raises InvalidRule naming the option."""
    if not (_SPANS.fullmatch(text) or _DURATION.fullmatch(text)):
        raise InvalidRule(f"{option} must be a span such as 90s, 5m or PT5M, got {text!r:.60}")
    return _interval(text)


def _from_json(text: str) -> Rule:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRule(f"the rule is not JSON: {error}") from None
    if "frequency" in data:
        return rule_from_json(data)
    return rule_from_json({"v": VERSION} | data)


def _interval(text: str) -> timedelta:
    duration = _DURATION.fullmatch(text)
    spans: Iterable[tuple[str, str]] = duration.groupdict().items() if duration else _spans(text)
    amounts: dict[str, int] = {}
    for unit, count in spans:
        if count is not None:
            name = _UNITS[unit]
            amounts[name] = amounts.get(name, 0) + int(count)
    if not amounts:
        raise InvalidRule(f"{text!r:.60} names no time: write PT15M or 'every 15m'")
    try:
        return timedelta(**amounts)
    except OverflowError:
        raise InvalidRule(f"{text!r:.60} is too long") from None


def _spans(text: str) -> list[tuple[str, str]]:
    return [(unit.lower(), count) for count, unit in _SPAN.findall(text)]


def _refuse(options: Namespace, form: str, *names: str) -> None:
    for name in names:
        if getattr(options, name):
            option = name.replace("_", "-")
            raise InvalidRule(f"--{option} does not go with {form}, which says for itself")
