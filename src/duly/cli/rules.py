"""RULE on the command line: text that becomes a rule."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from datetime import timedelta
from typing import Any

from duly.civil.at import At
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json
from duly.civil.rules import VERSION, Rule
from duly.errors import InvalidRule

_EVERY = re.compile(r"every\s+(?P<spans>(\d+\s*(w|d|h|min|m|s)\s*)+)", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(\d+)\s*(w|d|h|min|m|s)", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "min": "minutes", "s": "seconds"}
_CIVIL = re.compile(r"[+-]?\d{3,}-.*", re.ASCII)


def read_rule(text: str, options: Namespace) -> Rule:
    """Read a rule in the zone and under the policies that the options name.

    Raises InvalidRule where the text is none of the forms, and what the rule itself raises.
    """
    text = text.strip()
    if text.startswith("{"):
        _refuse(options, "the JSON form", "tz", "gap", "fold")
        return _from_json(text)
    if _EVERY.fullmatch(text) or _DURATION.fullmatch(text):
        _refuse(options, "elapsed time", "gap", "fold")
        return Every(_interval(text), tz=options.tz or "UTC")
    if options.tz is None:
        raise InvalidRule(f"say in which zone {text!r:.60} is read: --tz Europe/Berlin")
    policies = {name: getattr(options, name) for name in ("gap", "fold") if getattr(options, name)}
    kind = At if _CIVIL.fullmatch(text) else Cron
    return kind(text, options.tz, **policies)


def _from_json(text: str) -> Rule:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRule(f"the rule is not JSON: {error}") from None
    return rule_from_json({"v": VERSION} | data)


def _interval(text: str) -> timedelta:
    duration = _DURATION.fullmatch(text)
    spans = duration.groupdict().items() if duration else _spans(text)
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
            raise InvalidRule(f"--{name} does not go with {form}, which says for itself")
