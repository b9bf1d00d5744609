"""`duly dead`: the occurrences whose attempts are used up, and what became of each attempt."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from duly import clock, scheduling
from duly.cli.entities import read_entity
from duly.cli.moments import read_instant, span_text
from duly.cli.tables import table, visible
from duly.conf import config
from duly.models import Occurrence
from duly.store import ledger

HEADS = ("occurrence", "due (UTC)", "died", "type", "attempts", "error")
LONGEST_ERROR = 60


def perform(options: Namespace) -> int:
    """List dead occurrences, oldest first, or tell the life of one."""
    if options.occurrence:
        return _one(options)
    rows = list(filtered(options)[: options.count])
    if options.json:
        print(json.dumps([_data(row) for row in rows]))
        return 0
    if not rows:
        print("Nothing is dead.")
        return 0
    now = clock.now(config().database)
    print(table(HEADS, [_cells(row, now) for row in rows]))
    print("'duly dead ID' tells the life of one; 'duly replay ID' runs it again.")
    return 0


def filtered(options: Namespace) -> Any:
    """Find the dead occurrences that the options let pass."""
    return scheduling.dead_letters(
        event_type=options.type,
        service=options.service,
        entity=read_entity(options.entity),
        error=options.error,
        start=read_instant("--start", options.start) if options.start else None,
        end=read_instant("--end", options.end) if options.end else None,
    )


def _one(options: Namespace) -> int:
    occurrence = scheduling.find_occurrence(options.occurrence)
    facts = ledger.of_occurrence(config().database, occurrence.id)
    if options.json:
        print(json.dumps(_data(occurrence) | {"ledger": facts}))
        return 0
    print(visible(f"{occurrence.event_type} {occurrence.id} is {occurrence.status}"))
    for fact in facts:
        print(visible(fact))
    for line in occurrence.error.splitlines():
        print(visible(line))
    return 0


def _cells(row: Occurrence, now: Any) -> tuple[str, ...]:
    error = row.error.partition("\n")[0]
    return (
        str(row.id),
        f"{row.due_at:%Y-%m-%d %H:%M:%S}",
        span_text(row.finished_at - now) if row.finished_at else "",
        row.event_type,
        str(row.attempt - row.forgiven),
        error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 3]}...",
    )


def _data(row: Occurrence) -> dict[str, Any]:
    return {
        "occurrence_id": str(row.id),
        "event_id": str(row.event_id),
        "event_type": row.event_type,
        "service": row.service,
        "status": row.status,
        "due_at": row.due_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "attempts": row.attempt - row.forgiven,
        "error": row.error,
    }
