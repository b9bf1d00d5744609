"""Events that duly schedules for itself, so that a handler of the project is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from duly.civil.at import At
from duly.civil.instants import EARLIEST
from duly.ids import new_id
from duly.models import ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.payloads import encode
from duly.policy.service import OWN
from duly.store import facts
from duly.store.events import event_entry, record, set_due
from duly.store.turns import transaction_in_turn

MOST_BYTES = 65_536


def announce(using: str, event_type: str, payload: Any, now: datetime) -> ScheduledEvent:
    """Schedule an event of duly's own service that is due at once."""
    rule = At.instant(now)
    due = rule.next(EARLIEST)
    assert due is not None
    event = ScheduledEvent(
        id=new_id(now),
        service=OWN,
        event_type=event_type,
        payload=EncodedPayload(encode(payload, MOST_BYTES)),
        rule=rule.to_json(),
        execution_timezone="UTC",
        created_at=now,
    )
    set_due(event, due, now)
    with transaction_in_turn(using):
        event.save(using=using, force_insert=True)
        record(using, [event_entry(facts.SCHEDULED, now, event, facts.ENGINE)])
    return event
