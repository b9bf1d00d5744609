"""`duly schedule`: one event."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from duly import scheduling
from duly.cli.entities import read_entity
from duly.cli.json_text import read_json
from duly.cli.rehearsal import transaction_or_rehearsal
from duly.cli.rules import read_rule
from duly.cli.tables import visible
from duly.models import ScheduledEvent

ACTOR = "cli"


def perform(options: Namespace) -> int:
    """Schedule the event, or say what would be scheduled."""
    rule = read_rule(options.rule, options)
    payload = read_json("--payload", options.payload)
    with transaction_or_rehearsal(options.dry_run):
        event = scheduling.schedule_event(
            options.event_type,
            rule,
            payload=payload,
            entity=read_entity(options.entity),
            key=options.key,
            service=options.service,
            user_timezone=options.user_tz,
            resource_timezone=options.resource_tz,
            on_tzdata_change=options.on_tzdata_change,
            on_conflict=options.on_conflict,
            actor=ACTOR,
        )
    if options.json:
        print(json.dumps(_data(event, options.dry_run)))
        return 0
    print(visible(f"{'would schedule' if options.dry_run else 'scheduled'} {event.id}"))
    if event.next_at is not None:
        for sentence in scheduling.explain(event).sentences:
            print(visible(sentence))
    else:
        print(visible(f"It is {event.status} already, and stays so: nothing about it is new."))
    return 0


def _data(event: ScheduledEvent, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "event_id": str(event.id),
        "status": str(event.status),
        "next_at": event.next_at.isoformat() if event.next_at else None,
        "rule": event.rule,
        "key": event.key,
        "service": event.service,
    }
