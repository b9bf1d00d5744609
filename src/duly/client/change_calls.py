"""What is asked of one event: change it, or one of its firings, and say why it is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from duly.client.calls import Call, given, matching, one_of, repeatable, with_etag
from duly.client.event_calls import EventId, on
from duly.client.results import Answer, Backfilled, Event, Explanation, Plan, Triggered
from duly.client.times import Rule, seconds, timing, written, written_optional


class Changes(TypedDict, total=False):
    """What of an event is to be another; None is the default of the service."""

    timezone: str
    payload: Any
    user_timezone: str
    resource_timezone: str
    on_tzdata_change: str | None
    max_retries: int | None
    retry_delay: timedelta | float | None
    timeout: timedelta | float | None
    policies: Mapping[str, Any]


_NAMES = {"retry_delay": "retry_delay_seconds", "timeout": "timeout_seconds"}
_ZONES = {
    "timezone": "execution_timezone",
    "user_timezone": "user_timezone",
    "resource_timezone": "resource_timezone",
}


def patch(
    event: EventId,
    when: datetime | Rule | Mapping[str, Any] | None = None,
    *,
    if_match: str | None = None,
    **changes: Unpack[Changes],
) -> Call[Event]:
    """Change what is named, and give the event as it is then, with its new `etag`.

    when: another time, as in `schedule`; then an event that is over, or paused, goes on.
    if_match: the `etag` of the event as it was read; it must not have changed since.
    changes: as in `NewEvent`; what is not named stays, and None is the service's default.

    Raises NotFound, Refused, Changed: after several `attempts` the change may be your own.
    """
    zones = {_ZONES[name]: str(value) for name, value in changes.items() if name in _ZONES}
    body: dict[str, Any] = {"timezone_context": zones} if zones else {}
    if when is not None:
        # A civil time without a zone is read in the event's own.
        body |= timing(when, zones, is_zone_known=True)
    for name, value in changes.items():
        if name not in _ZONES and name != "policies":
            is_span = name in _NAMES
            body[_NAMES.get(name, name)] = seconds(value) if is_span else value  # type: ignore[arg-type]
    return Call(
        method="PATCH",
        path=on(event),
        body=body | dict(changes.get("policies", {})),
        headers=matching(if_match),
        read=with_etag(Event),
    )


def reschedule(
    event: EventId,
    when: datetime | Rule | Mapping[str, Any],
    *,
    timezone: str = "",
    if_match: str | None = None,
) -> Call[Answer]:
    """Give an event another time, which is said as in `schedule`; paused ones go on.

    timezone: of a civil time; the event's own without one. Raises NotFound, Refused, Changed.
    """
    return Call(
        method="POST",
        path=on(event, "reschedule"),
        body=_timing(when, timezone),
        headers=matching(if_match),
        read=one_of(Answer),
    )


def plan(
    event: EventId,
    when: datetime | Rule | Mapping[str, Any],
    *,
    until: datetime,
    timezone: str = "",
    limit: int | None = None,
) -> Call[Plan]:
    """Say which firings another time would add, remove and keep; changes nothing.

    when, timezone: as `reschedule`. until: aware; firings before it are compared.
    limit: 1 to 1,000 firings of each rule. Raises NotFound, Refused.
    """
    body = _timing(when, timezone) | {"until": written(until, name="until")} | given(limit=limit)
    return Call(method="POST", path=on(event, "plan"), body=body, read=one_of(Plan))


def explain(event: EventId) -> Call[Explanation]:
    """Say why an event is due when it is. Raises NotFound, and Conflict where it is not due."""
    return Call(method="GET", path=on(event, "explain"), read=one_of(Explanation))


def pause(event: EventId, *, note: str = "", if_match: str | None = None) -> Call[Answer]:
    """Stop an event from coming due until it is resumed.

    Raises NotFound, Conflict, Changed.
    """
    return Call(
        method="POST",
        path=on(event, "pause"),
        body={"note": note},
        headers=matching(if_match),
        read=one_of(Answer),
    )


def resume(event: EventId, *, if_match: str | None = None) -> Call[Answer]:
    """Let a paused event come due again, from now on.

    Raises NotFound, Conflict, Changed.
    """
    return Call(
        method="POST",
        path=on(event, "resume"),
        headers=matching(if_match) | repeatable(),
        read=one_of(Answer),
    )


def trigger(event: EventId, *, if_match: str | None = None) -> Call[Triggered]:
    """Fire an event now, beside its rule. Raises NotFound, Changed."""
    return Call(
        method="POST",
        path=on(event, "trigger"),
        headers=matching(if_match) | repeatable(),
        read=one_of(Triggered),
    )


def skip(
    event: EventId, *, due_at: datetime | None = None, if_match: str | None = None
) -> Call[Answer]:
    """Leave one firing out.

    due_at: aware, its due instant; None: the next one. Raises NotFound, Refused, Conflict, Changed.
    """
    return Call(
        method="POST",
        path=on(event, "skip"),
        body={"due_at": written_optional(due_at, name="due_at")},
        headers=matching(if_match) | repeatable(),
        read=one_of(Answer),
    )


def move(
    event: EventId,
    to: datetime,
    *,
    due_at: datetime | None = None,
    if_match: str | None = None,
) -> Call[Answer]:
    """Let one firing come due at another instant; the others stay.

    to: aware, not passed. due_at: as `skip`. Raises NotFound, Refused, Conflict, Changed.
    """
    return Call(
        method="POST",
        path=on(event, "move"),
        body={"to": written(to, name="to"), "due_at": written_optional(due_at, name="due_at")},
        headers=matching(if_match) | repeatable(),
        read=one_of(Answer),
    )


def backfill(
    event: EventId,
    start: datetime,
    end: datetime,
    *,
    limit: int | None = None,
    if_match: str | None = None,
) -> Call[Backfilled]:
    """Run the past firings in [start, end) that never had an occurrence.

    start, end: aware. limit: 1 to 10,000; None: 1,000. Raises NotFound, Refused, Changed.
    """
    span = {"start": written(start, name="start"), "end": written(end, name="end")}
    return Call(
        method="POST",
        path=on(event, "backfill"),
        body=span | given(limit=limit),
        headers=matching(if_match) | repeatable(),
        read=one_of(Backfilled),
    )


def _timing(when: datetime | Rule | Mapping[str, Any], timezone: str) -> dict[str, Any]:
    context = {"execution_timezone": timezone} if timezone else {}
    return timing(when, context, is_zone_known=True)
