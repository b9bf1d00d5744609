"""From a template and what is given on its use to one new event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from duly import clock
from duly.access.caller import Caller
from duly.civil.at import At
from duly.civil.terms import terms_from_json
from duly.conf import config
from duly.errors import DulyError
from duly.intake import Intake, NewEvent
from duly.models import EventTemplate
from duly.policy.scopes import Scope
from duly.rest.new_events import Reader
from duly.rest.problems import invalid, naming, of_error, reading
from duly.rest.schedules import read_moment
from duly.scheduling import OnConflict

TIME = "$time"
_MOVED = ("before", "after")
_ZONES = ("resource_timezone", "user_timezone", "execution_timezone")
# Tried when a template is stored: so far ahead that what ends with it has begun, at an hour at
# which no zone changes its clocks.
_TRIED_AHEAD = timedelta(days=5 * 366)


def uses_time(schedule: Mapping[str, Any]) -> bool:
    """Say whether a schedule says when only together with a time."""
    return TIME in schedule.values() or any(name in schedule for name in _MOVED)


def new_event(
    template: EventTemplate, caller: Caller, given: Mapping[str, Any], header_key: str | None
) -> tuple[NewEvent, OnConflict]:
    """Give the event that a template makes of what is given, and what to do on a conflict.

    given: `time`, and whatever an event may say, which goes before the template.

    Raises Problem.
    """
    data = _merged(template, given)
    data["service_id"] = template.service
    context = data["timezone_context"]
    zone = context["execution_timezone"] or context["resource_timezone"]
    data["schedule"] = _scheduled(template.schedule, data.pop("time", None), zone)
    return Reader(caller).read(data, header_key)


def check(template: EventTemplate) -> None:
    """Refuse a template that could make no event: tries it, as `schedule_event` would.

    Raises Problem naming the field.
    """
    settings = config()
    now = clock.now(settings.database)
    given: dict[str, Any] = {}
    if template.entity_type:
        given["entity_id"] = "1"
    if uses_time(template.schedule):
        given["time"] = f"{now + _TRIED_AHEAD:%Y-%m-%d}T12:00:00"
    caller = Caller(actor="", service=template.service, scopes=frozenset({Scope.SCHEDULE}))
    new, _ = new_event(template, caller, given, None)
    with reading({"type": template.event_type, "payload": template.payload}):
        Intake(settings, now).take_all([new])


def _merged(template: EventTemplate, given: Mapping[str, Any]) -> dict[str, Any]:
    context = {zone: getattr(template, zone) or None for zone in _ZONES}
    own = given.get("timezone_context") or {}
    data: dict[str, Any] = {
        "type": template.event_type,
        "on_tzdata_change": template.on_tzdata_change,
        **template.handling,
        **{name: value for name, value in given.items() if value is not None},
        "timezone_context": context | {name: zone for name, zone in own.items() if zone},
        "payload": _payload(template.payload, given),
    }
    if template.entity_type and "entity_id" in data:
        data.setdefault("entity_type", template.entity_type)
    return data


def _payload(default: Any, given: Mapping[str, Any]) -> Any:
    if "payload" not in given:
        return default
    own = given["payload"]
    return {**default, **own} if isinstance(default, dict) and isinstance(own, dict) else own


def _scheduled(schedule: Mapping[str, Any], time: Any, zone: str | None) -> dict[str, Any]:
    """Put a time into a schedule. Raises Problem."""
    if not uses_time(schedule):
        if time is not None:
            raise invalid("time", time, "is not used by the schedule of this template")
        return dict(schedule)
    if time is None:
        raise invalid("time", None, "must be given: the schedule of this template says when by it")
    ways = [name for name in _MOVED if name in schedule]
    if not ways:
        return {name: time if value == TIME else value for name, value in schedule.items()}
    if len(ways) == 2 or any(kind in schedule for kind in ("at", "cron", "rrule", "every", "kind")):
        raise invalid(
            "schedule", dict(schedule), "must have exactly one of at, cron, rrule, every, before…"
        )
    return _moved(ways[0], dict(schedule), time, zone)


def _moved(way: str, schedule: dict[str, Any], time: Any, zone: str | None) -> dict[str, Any]:
    amounts = schedule.pop(way)
    tz = schedule.pop("timezone", None) or zone
    if not isinstance(tz, str):
        raise invalid("schedule.timezone", tz, "must be an IANA name, here or in timezone_context")
    if TIME in schedule.values():
        raise invalid("schedule", schedule, f"says {TIME} already by {way}")
    moment = _moment(time, tz)
    policies = {name: schedule.pop(name) for name in ("gap", "fold") if name in schedule}
    move = At.before if way == "before" else At.after
    path = f"schedule.{way}"
    try:
        terms = terms_from_json(schedule)
        rest = {name: value for name, value in amounts.items() if value is not None}
        rule = move(moment, tz=tz, **rest, **policies, **terms)
    except DulyError as error:
        raise of_error(error, field=path, value=amounts) from None
    except TypeError:
        taken = "timezone, gap, fold, calendar, on_closed and jitter"
        raise invalid("schedule", schedule, f"with {way} takes {taken} only") from None
    return rule.to_json()


def _moment(time: Any, tz: str) -> datetime | At:
    moment = read_moment("time", time)
    if isinstance(moment, datetime):
        return moment
    with naming("time", time):
        return At(moment, tz)
