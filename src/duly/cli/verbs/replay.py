"""`duly replay`: let what has ended run again, under the same idempotency key."""

from __future__ import annotations

import json
from argparse import Namespace

from duly import scheduling
from duly.cli.entities import read_entity
from duly.cli.moments import read_instant
from duly.cli.rehearsal import transaction_or_rehearsal
from duly.cli.tables import visible
from duly.errors import InvalidEvent

ACTOR = "cli"


def perform(options: Namespace) -> int:
    """Replay one occurrence by its id, or the dead that the filters let pass."""
    filters = ("type", "service", "entity", "error", "start", "end")
    narrowed = any(getattr(options, name) for name in filters)
    if bool(options.occurrence) == (narrowed or options.all):
        raise InvalidEvent("name what to replay: an occurrence by its id, a filter, or --all")
    with transaction_or_rehearsal(options.dry_run):
        if options.occurrence:
            found = [scheduling.replay(options.occurrence, actor=ACTOR)]
        else:
            found = scheduling.replay_dead(
                event_type=options.type,
                service=options.service,
                entity=read_entity(options.entity),
                error=options.error,
                start=read_instant("--start", options.start) if options.start else None,
                end=read_instant("--end", options.end) if options.end else None,
                limit=options.count,
                actor=ACTOR,
            )
    if options.json:
        ids = [str(row.id) for row in found]
        print(json.dumps({"dry_run": options.dry_run, "replayed": ids}))
        return 0
    verb = "would replay" if options.dry_run else "replayed"
    for row in found:
        print(visible(f"{verb} {row.event_type} {row.id}, due {row.due_at:%Y-%m-%d %H:%M:%S}Z"))
    if not found:
        print("Nothing is dead that these filters let pass.")
    return 0
