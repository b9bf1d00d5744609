"""A death is an event of its own, so that whoever is told of it is told for certain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from duly.civil.at import At
from duly.civil.instants import EARLIEST
from duly.ids import new_id
from duly.models import Occurrence, ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.payloads import encode
from duly.policy.service import OWN
from duly.policy.trace import carrier_of, traced, tried_of
from duly.store.events import set_due

EVENT_TYPE = "duly.occurrence_died"
MOST_BYTES = 65_536
LONGEST_LINE = 500


def announcements(dead: Iterable[Occurrence], now: datetime) -> list[ScheduledEvent]:
    """Build the event that tells of each death; the death of one of these is not told again."""
    return [_event(occurrence, now) for occurrence in dead if occurrence.event_type != EVENT_TYPE]


def _event(occurrence: Occurrence, now: datetime) -> ScheduledEvent:
    rule = At.instant(now)
    due = rule.next(EARLIEST)
    assert due is not None
    payload = {
        "occurrence_id": str(occurrence.id),
        "event_id": str(occurrence.event_id),
        "event_type": occurrence.event_type,
        "due_at": occurrence.due_at.isoformat(),
        "attempts": occurrence.attempt,
        "error": occurrence.error.partition("\n")[0][:LONGEST_LINE],
    }
    event = ScheduledEvent(
        id=new_id(now),
        # Not the service of the dead: its target is not who is to be told, and may be down.
        service=OWN,
        event_type=EVENT_TYPE,
        entity_type="occurrence",
        entity_id=str(occurrence.id),
        payload=EncodedPayload(encode(payload, MOST_BYTES)),
        rule=rule.to_json(),
        execution_timezone="UTC",
        handling=traced({}, tried_of(occurrence.handling) or carrier_of(occurrence.handling)),
        created_at=now,
    )
    set_due(event, due, now)
    return event
