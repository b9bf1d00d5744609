"""Entries of beat become events: one each, by the name of the entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from duly import clock, scheduling
from duly.celery.schedules import next_run, rule_of
from duly.celery.sending import ACTOR, EVENT_TYPE
from duly.civil.at import At
from duly.conf import config
from duly.errors import InvalidPayload, UnreadablePayload
from duly.intake import NewEvent
from duly.models import ScheduledEvent
from duly.payloads import encode
from duly.policy.states import EventStatus

REMOVED = f"{ACTOR}: no longer in beat_schedule"
_ALIVE = (EventStatus.SCHEDULED, EventStatus.PAUSED)


def bring_in(entries: Mapping[str, Any], service: str) -> None:
    """Schedule an event for each entry of beat, and cancel those whose entry is gone.

    An entry that says what it said before changes nothing, whoever brings it in, and how often.
    Raises what `schedule_events` raises.
    """
    settings = config()
    with transaction.atomic(settings.database):
        now = clock.now(settings.database)
        stored = {
            event.key: event
            for event in ScheduledEvent.objects.using(settings.database).filter(
                service=service, status__in=_ALIVE
            )
        }
        wanted = [
            _event(name, entry, service, now)
            for name, entry in entries.items()
            if not _is_there(stored.get(name), name, entry)
        ]
        scheduling.schedule_events(wanted, actor=ACTOR)
        for key in stored.keys() - entries.keys():
            if key is not None:
                scheduling.cancel_event(key, service=service, actor=REMOVED)


def payload_of(name: str, entry: Any) -> dict[str, Any]:
    """Say what to send: in full where JSON can say it, else by the name of the entry."""
    said: dict[str, Any] = {"entry": name}
    if rule_of(entry.schedule) is None:
        # Told, so that another place or event is another content.
        said |= {"is_asked": True, "schedule": repr(entry.schedule)}
    content = {
        "task": entry.task,
        "args": list(entry.args or ()),
        "kwargs": dict(entry.kwargs or {}),
        "options": dict(entry.options or {}),
    }
    try:
        encode(content, config().payload_max_bytes)
    except InvalidPayload:
        return said
    return said | content


def _event(name: str, entry: Any, service: str, now: datetime) -> NewEvent:
    rule = rule_of(entry.schedule) or At.instant(next_run(entry.schedule, now))
    payload = payload_of(name, entry)
    return NewEvent(EVENT_TYPE, rule, payload=payload, key=name, service=service)


def _is_there(event: ScheduledEvent | None, name: str, entry: Any) -> bool:
    """Say whether an entry that names its next run one at a time has it scheduled already."""
    if event is None or rule_of(entry.schedule) is not None:
        return False
    try:
        return bool(event.payload == payload_of(name, entry))
    except UnreadablePayload:
        # Its key is gone: what the entry says now can be read again.
        return False
