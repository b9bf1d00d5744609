"""The schedule builder: a rule typed as text, with each error beside the field that is wrong."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args

from duly.civil.forms import rule_from_json
from duly.civil.resolve import FoldPolicy, GapPolicy
from duly.civil.rules import Rule
from duly.civil.zones import get_zone
from duly.cli.rules import is_recurrence, read_rule
from duly.errors import DulyError, InvalidRule

LONGEST_RULE = 2000
GAPS, FOLDS = get_args(GapPolicy), get_args(FoldPolicy)
_OPTIONS = ("tz", "gap", "fold", "day_match", "start", "end", "max", "jitter", "on_closed")
_CALENDAR = ("holidays", "closed", "open", "weekend")
NAMES = ("rule", "tz", "gap", "fold", "start", "end", "max")
# Each is added by itself, so that what it breaks is said beside it.
_ADDED = ("gap", "fold", "start", "end", "max")
_PLAIN = {"cron": "expr", "at": "local", "rrule": "text"}
_USUAL = {"gap": "shift", "fold": "first"}
_KNOWN = frozenset({"v", "kind", "tz", "gap", "fold", "start"})


@dataclass(frozen=True, slots=True)
class RuleForm:
    """What was typed, and what it means."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    """By the names of the fields; in duly's own words."""
    rule: Rule | None = None
    """None: it has errors, or nothing was typed."""


def read(given: Mapping[str, str]) -> RuleForm:
    """Read the fields of the builder."""
    values = {name: str(given.get(name, "")).strip() for name in NAMES}
    if not values["rule"]:
        return RuleForm(values, {"rule": "Type a rule: cron, RRULE, every 15m, or a civil time."})
    if len(values["rule"]) > LONGEST_RULE:
        return RuleForm(values, {"rule": f"a rule has at most {LONGEST_RULE} characters"})
    options = _options(values)
    # The JSON form says its zone by itself.
    if values["tz"] and not values["rule"].startswith("{"):
        try:
            options.tz = get_zone(values["tz"]).name
        except DulyError as error:
            return RuleForm(values, {"tz": str(error)})
    rule: Rule | None = None
    for name in ("rule", *_ADDED):
        if name != "rule":
            if not values[name]:
                continue
            setattr(options, name, _typed(name, values[name]))
        try:
            rule = read_rule(values["rule"], options)
        except DulyError as error:
            return RuleForm(values, _beside(name, str(error), values["start"]))
        except (ValueError, TypeError, OverflowError) as error:
            return RuleForm(values, {name: str(error)})
    return RuleForm(values, {}, rule)


def _options(values: Mapping[str, str]) -> Namespace:
    """Give what a rule is read with first: nothing but what it cannot be read without."""
    options = Namespace(**dict.fromkeys((*_OPTIONS, *_CALENDAR)))
    if is_recurrence(values["rule"]):
        options.start = values["start"] or None
    return options


def _typed(name: str, text: str) -> Any:
    """Give a value as the rules take it; what is no number is refused by them."""
    return int(text) if name == "max" and text.isascii() and text.isdigit() else text


def _beside(name: str, error: str, start: str) -> dict[str, str]:
    if "--tz" in error or "needs tz=" in error:
        return {"tz": "Say in which zone the rule is read, such as Europe/Berlin."}
    if "--start" in error:
        return {"start": "Say when it begins: it counts from there."}
    if name == "rule" and error.startswith(f"civil time {start!r}"):
        return {"start": error}
    # What options are called on the command line are fields here.
    return {name: error.replace("--", "")}


def filled(stored: Mapping[str, Any]) -> dict[str, str]:
    """Give the fields that say a stored rule; what they have no room for, as its JSON form."""
    kind = str(stored.get("kind"))
    given = {name for name, value in stored.items() if value not in (None, [], {}, "")}
    if (
        kind in _PLAIN
        and given <= _KNOWN | {_PLAIN[kind]}
        and not ("start" in given and kind == "at")
    ):
        found = {name: str(stored.get(name) or "") for name in ("tz", "gap", "fold", "start")}
        # Left as usual, since a rule of another kind may not take them.
        found |= {name: "" for name, usual in _USUAL.items() if found[name] == usual}
        return found | {"rule": str(stored[_PLAIN[kind]])}
    if kind == "every" and given <= {"v", "kind", "microseconds", "anchor", "tz"}:
        every = timedelta(microseconds=stored["microseconds"])
        if not every.microseconds:
            return {
                "rule": f"every {every // timedelta(seconds=1)}s",
                "tz": str(stored.get("tz") or ""),
            }
    return {"rule": json.dumps(dict(stored), ensure_ascii=False)}


def stored_rule(stored: Mapping[str, Any]) -> Rule | None:
    """Read a stored rule; None for one that this version cannot read."""
    try:
        return rule_from_json(stored)
    except InvalidRule:
        return None
