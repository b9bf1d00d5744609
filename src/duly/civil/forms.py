"""Rules from the JSON form that is stored and sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from duly.civil.at import At
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.rrule import RRule
from duly.civil.rules import VERSION, Rule
from duly.civil.structured import rule_from_recurrence
from duly.civil.terms import NONE, Terms, terms_from_json
from duly.errors import InvalidRule

_TERMS = frozenset(Terms.__slots__)
_ONCE = frozenset({"calendar", "on_closed", "jitter", "seed"})
_RRULE = (_TERMS - {"start"}) | {"gap", "fold", "exdates", "rdates"}


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Give the form that `rule_from_json` reads."""
    return rule.to_json()


def rule_to_text(rule: Rule) -> str:
    """Give that form as JSON text."""
    if type(rule) is At and rule.terms is NONE:
        # Checked names hold nothing that JSON would escape, and this is the rule of nearly
        # every event of a bulk: a quarter of what the encoder takes.
        return (
            f'{{"v": {VERSION}, "kind": "at", "local": "{rule.local.isoformat()}", '
            f'"tz": "{rule.tz}", "gap": "{rule.gap}", "fold": "{rule.fold}"}}'
        )
    return json.dumps(rule.to_json())


def rules_as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give named values with each rule among them in its JSON form."""
    return {
        name: value.to_json() if isinstance(value, At | Cron | RRule | Every) else value
        for name, value in values.items()
    }


def moment_from_json(data: object) -> At:
    """Give the moment that a JSON value says: the form of an At, or an ISO 8601 instant.

    Raises InvalidRule for anything else, and what `At` itself raises.
    """
    if isinstance(data, str):
        try:
            return At.instant(datetime.fromisoformat(data))
        except ValueError:
            raise InvalidRule(
                "a moment must be ISO 8601 with an offset, or the JSON form of At; "
                f"got {data!r:.60}"
            ) from None
    rule = rule_from_json(data)
    if not isinstance(rule, At):
        raise InvalidRule(f"a moment must be an At, got {rule.describe()}")
    return rule


def rule_from_json(data: object) -> Rule:
    """Give the rule that a JSON form says.

    data: {"v": 1, "kind": "at" | "cron" | "rrule" | "every", …} as `to_json` gives it, or
        a structured recurrence, {"frequency": "weekly", …}; see `rule_from_recurrence`.

    Raises InvalidRule naming the field, and what the rule itself raises.
    """
    if not isinstance(data, Mapping):
        raise InvalidRule(f"a rule must be a JSON object, got {data!r:.80}")
    if "frequency" in data:
        return rule_from_recurrence(data)
    version = data.get("v")
    if isinstance(version, bool) or version != VERSION:
        raise InvalidRule(f"rule version must be {VERSION}, got {version!r:.40}")
    build = _BUILDERS.get(str(data.get("kind")))
    if build is None:
        known = ", ".join(_BUILDERS)
        raise InvalidRule(f"rule kind must be one of {known}; got {data.get('kind')!r:.40}")
    return build(data)


def _at(data: Mapping[str, Any]) -> Rule:
    _check_fields(data, {"local", "tz"}, _ONCE | {"gap", "fold"})
    return At(data["local"], data["tz"], **_policies(data), **terms_from_json(data))


def _cron(data: Mapping[str, Any]) -> Rule:
    _check_fields(data, {"expr", "tz"}, _TERMS | {"gap", "fold", "day_match"})
    return Cron(data["expr"], data["tz"], **_policies(data), **terms_from_json(data))


def _rrule(data: Mapping[str, Any]) -> Rule:
    _check_fields(data, {"text", "start", "tz"}, _RRULE)
    terms = terms_from_json({name: data[name] for name in data if name != "start"})
    return RRule(
        data["text"],
        data["start"],
        data["tz"],
        exdates=data.get("exdates", ()),
        rdates=data.get("rdates", ()),
        **_policies(data),
        **terms,
    )


def _every(data: Mapping[str, Any]) -> Rule:
    _check_fields(data, {"microseconds"}, _TERMS | {"anchor", "tz"})
    microseconds = data["microseconds"]
    if isinstance(microseconds, bool) or not isinstance(microseconds, int):
        raise InvalidRule(f"rule microseconds must be a whole number, got {microseconds!r:.40}")
    anchor = data.get("anchor")
    try:
        moment = datetime.fromisoformat(anchor) if anchor is not None else None
        interval = timedelta(microseconds=microseconds)
    except (TypeError, ValueError):
        raise InvalidRule(f"rule anchor must be an ISO 8601 instant, got {anchor!r:.60}") from None
    except OverflowError:
        raise InvalidRule(f"rule microseconds is too large: {microseconds}") from None
    return Every(interval, moment, data.get("tz", "UTC"), **terms_from_json(data))


_BUILDERS: dict[str, Callable[[Mapping[str, Any]], Rule]] = {
    "at": _at,
    "cron": _cron,
    "rrule": _rrule,
    "every": _every,
}


def _policies(data: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name in ("gap", "fold", "day_match"):
        value = data.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise InvalidRule(f"rule {name} must be the name of a policy, got {value!r:.60}")
        found[name] = value
    return found


def _check_fields(
    data: Mapping[str, Any], needed: set[str], optional: frozenset[str] | set[str]
) -> None:
    given = set(data) - {"v", "kind"}
    if missing := needed - given:
        raise InvalidRule(f"a rule of kind {data['kind']!r} needs {', '.join(sorted(missing))}")
    if unknown := given - needed - optional:
        names = ", ".join(sorted(map(str, unknown)))
        raise InvalidRule(f"a rule of kind {data['kind']!r} has no field {names:.80}")
