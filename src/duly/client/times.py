"""Times on their way: a naive datetime is civil time, an aware one is that instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from duly.client.errors import UnexpectedAnswer


@runtime_checkable
class Rule(Protocol):
    """A rule with a JSON form: `duly.At`, `Cron`, `RRule` and `Every` are."""

    def to_json(self) -> dict[str, Any]:
        """Give the form that the service reads."""
        ...


def written(moment: datetime, *, name: str) -> str:
    """Give an instant in ISO 8601. Raises ValueError for a naive datetime."""
    if moment.utcoffset() is None:
        raise ValueError(
            f"{name} must be an aware datetime, got the civil time {moment.isoformat()}; "
            "give it a zone: datetime(…, tzinfo=ZoneInfo('Europe/Berlin'))"
        )
    return moment.isoformat()


def written_optional(moment: datetime | None, *, name: str) -> str | None:
    """Give an instant in ISO 8601, if there is one. Raises ValueError for a naive datetime."""
    return None if moment is None else written(moment, name=name)


def read(text: object) -> datetime:
    """Give the moment that an answer holds: aware where it has an offset. UnexpectedAnswer."""
    if isinstance(text, str):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise UnexpectedAnswer(f"the answer holds {text!r:.60} where a time in ISO 8601 must be")


def seconds(span: timedelta | float | None) -> float | None:
    """Give a span of time in seconds."""
    return span / timedelta(seconds=1) if isinstance(span, timedelta) else span


def rule_form(rule: Rule | Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON form of a rule. Raises ValueError for what has none."""
    match rule:
        case Mapping():
            return dict(rule)
        case Rule():
            return rule.to_json()
    raise ValueError(
        "when must be a datetime, a rule such as duly.Cron, or the JSON form of one; "
        f"got {rule!r:.80}"
    )


def timing(
    when: datetime | Rule | Mapping[str, Any],
    context: Mapping[str, str],
    *,
    is_zone_known: bool = False,
) -> dict[str, Any]:
    """Give the fields of a request that say when.

    context: the zones; civil times are read in its execution_timezone, or where there is none
        in the event's, if `is_zone_known`.

    Raises ValueError for a civil time without one, and for what says no time.
    """
    zones = {"timezone_context": dict(context)} if context else {}
    if not isinstance(when, datetime):
        return {"schedule": rule_form(when), **zones}
    is_known = is_zone_known or context.get("execution_timezone")
    if when.utcoffset() is None and not is_known:
        raise ValueError(
            f"when is the civil time {when.isoformat()}: say where it is read, "
            "timezone='Europe/Berlin', or give an aware datetime"
        )
    return {"scheduled_time": when.isoformat(), **zones}
