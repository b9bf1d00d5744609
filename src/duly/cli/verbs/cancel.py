"""`duly cancel`: one event by its id or key, or all of an entity's."""

from __future__ import annotations

import json
from argparse import Namespace

from duly import scheduling
from duly.cli.entities import read_entity
from duly.cli.rehearsal import transaction_or_rehearsal
from duly.cli.tables import visible
from duly.errors import EventNotFound, InvalidEvent
from duly.scheduling import Answer

ACTOR = "cli"


def perform(options: Namespace) -> int:
    """Cancel; 1 where an occurrence runs already."""
    entity = read_entity(options.entity)
    if (entity is None) == (options.event is None):
        raise InvalidEvent("name what to cancel: an event by id or key, or --entity TYPE:ID")
    with transaction_or_rehearsal(options.dry_run):
        if entity is None:
            answers = [scheduling.cancel_event(options.event, service=options.service, actor=ACTOR)]
        else:
            answers = scheduling.cancel_entity_events(*entity, actor=ACTOR)
    if not answers:
        raise EventNotFound(f"no event of {options.entity} is left to cancel")
    if options.json:
        print(json.dumps({"dry_run": options.dry_run, "events": [_data(one) for one in answers]}))
    else:
        for answer in answers:
            print(visible(_text(answer, options.dry_run)))
    return 0 if all(answer.status == "done" for answer in answers) else 1


def _text(answer: Answer, dry_run: bool) -> str:
    if answer.running_since is not None:
        return f"too late: {answer.event_id} runs since {answer.running_since.isoformat()}"
    return f"{'would cancel' if dry_run else 'cancelled'} {answer.event_id}"


def _data(answer: Answer) -> dict[str, str | None]:
    since = answer.running_since
    return {
        "event_id": str(answer.event_id),
        "status": answer.status,
        "running_since": since.isoformat() if since else None,
    }
