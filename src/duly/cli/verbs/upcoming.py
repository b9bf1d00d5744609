"""`duly upcoming`: the firings to come, soonest first."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from duly import clock, scheduling
from duly.civil import zones
from duly.civil.instants import as_instant
from duly.cli.entities import entity_text, read_entity
from duly.cli.moments import (
    civil_text,
    offset_text,
    precision_of,
    read_instant,
    span_text,
    utc_text,
)
from duly.cli.tables import table, visible
from duly.conf import config
from duly.redaction import shown_payload
from duly.scheduling import Upcoming

HEADS = ("civil time", "offset", "zone", "UTC", "when", "type", "entity", "key", "service")


def perform(options: Namespace) -> int:
    """List what comes up, each in the zone of its rule unless --tz names one."""
    if options.tz:
        zones.get_zone(options.tz)
    rows = scheduling.upcoming_events(
        entity=read_entity(options.entity),
        service=options.service,
        start=read_instant("--start", options.start) if options.start else None,
        end=read_instant("--end", options.end) if options.end else None,
        limit=options.count,
    )
    if options.json:
        print(json.dumps([_data(row, options) for row in rows]))
    elif rows:
        print(_table(rows, options.tz))
    else:
        print("Nothing comes up.")
    return 0


def _table(rows: list[Upcoming], tz: str | None) -> str:
    now = as_instant(clock.now(config().database))
    precision = precision_of(row.due.at for row in rows)
    lines = []
    for row in rows:
        zone = zones.get_zone(tz or row.due.zone)
        lines.append(
            (
                civil_text(row.due.at, zone.info, precision),
                offset_text(row.due.at, zone.info),
                zone.name,
                utc_text(row.due.at, precision),
                span_text(row.due.at - now),
                row.event.event_type,
                entity_text(row.event.entity_type, row.event.entity_id),
                row.event.key or "",
                row.event.service if row.event.service != "default" else "",
            )
        )
    notes = [_note(row) for row in rows]
    return "\n".join([visible(f"tz data {zones.current().release}"), table(HEADS, lines, notes)])


def _note(row: Upcoming) -> str:
    due = row.due
    return (
        ""
        if due.resolution == "plain"
        else f"<- {due.wall_time:%H:%M}: {due.resolution}, {due.policy}"
    )


def _data(row: Upcoming, options: Namespace) -> dict[str, Any]:
    event, zone = row.event, options.tz or row.due.zone
    return {
        "event_id": str(event.id),
        "event_type": event.event_type,
        "at": row.due.at.isoformat(),
        "local": row.due.at.astimezone(zones.get_zone(zone).info).isoformat(),
        "zone": zone,
        "resolution": row.due.resolution,
        "entity": entity_text(event.entity_type, event.entity_id),
        "key": event.key,
        "service": event.service,
        "payload": event.payload if options.reveal else shown_payload(event),
    }
