"""`duly tzdata`: which time zone data there is, what changed, and what it moves."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.db import Error as DatabaseError

from duly import clock
from duly.civil import zones
from duly.civil.difference import ZoneDifference, differences
from duly.civil.instants import as_instant
from duly.civil.resolve import offset_text
from duly.civil.tzdata import SYSTEM, WHEEL, ZoneDatabase
from duly.cli.tables import table, visible
from duly.conf import config
from duly.engine.rederive import applied_release, prevails, rederive_all, rehearse, stale_zones
from duly.errors import DulyError, UnknownZone
from duly.store.backends import open_store
from duly.store.rows import Rederived

# Between two looks at the data's files: a few milliseconds each.
WATCH_SECONDS = 5.0
MOST_SHOWN = 50


def perform(options: Namespace) -> int:
    """Do what is asked: status, diff or apply."""
    return {"status": _status, "diff": _diff, "apply": _apply}[options.what](options)


def _status(options: Namespace) -> int:
    """Say which copies there are; 1 where events follow other data than is in use."""
    using = config().database
    current = zones.current()
    applied = applied_release(using)
    stale = stale_zones(open_store(using))
    others = [copy for copy in _copies() if copy.source != current.source]
    behind = sorted({one.zone for one in stale})
    outdated = not prevails(applied)
    if options.json:
        data = {
            "in_use": _about(current),
            "others": [_about(copy) for copy in others],
            "applied_release": applied,
            "outdated": outdated,
            "stale_zones": behind,
        }
        print(json.dumps(data))
        return 1 if stale else 0
    print(visible(f"in use: {_said(current)}"))
    for copy in others:
        differs = ", another release" if copy.release != current.release else ""
        print(visible(f"also there: {_said(copy)}{differs}"))
    print(visible(f"events follow: {f'tzdata {applied}' if applied else 'no release yet'}"))
    if outdated:
        print("The copy in use is older than that; upgrade it: pip install --upgrade tzdata")
    elif stale:
        print(visible(f"events to be derived anew in: {', '.join(behind[:MOST_SHOWN])}"))
        print("Engines do it within a minute; 'duly tzdata apply' does it now.")
    else:
        print("Every event follows the copy in use.")
    return 1 if stale else 0


def _diff(options: Namespace) -> int:
    """Compare two copies, and rehearse what the second would do to the events."""
    old = ZoneDatabase(options.old)
    new = ZoneDatabase(options.new) if options.new else zones.current()
    now = as_instant(datetime.now(UTC))
    found = [
        one
        for one in differences(old, new, now)
        if options.zone is None or one.zone == options.zone
    ]
    if options.zone is not None and options.zone not in old.names | new.names:
        raise UnknownZone(f"unknown time zone {options.zone!r:.60}: in neither of the two copies")
    moved = _rehearsed(new, options.zone)
    if options.json:
        zones_data = [one.to_json() for one in found]
        events = [_moved_data(one) for one in moved]
        print(
            json.dumps(
                {"old": _about(old), "new": _about(new), "zones": zones_data, "events": events}
            )
        )
        return 0
    print(
        visible(
            f"{old.source} (tzdata {old.release}) -> {new.source} (tzdata {new.release}): "
            f"{len(found)} zones differ"
        )
    )
    ahead = [one for one in found if one.since is not None or one.kind != "changed"]
    if ahead:
        print(_zones_table(ahead))
    if len(found) > len(ahead):
        print(f"{len(found) - len(ahead)} of them differ in the past only.")
    _print_moved(moved, "would move")
    return 0


def _rehearsed(new: ZoneDatabase, zone: str | None) -> list[Rederived]:
    """Say what a copy would move; nothing where there is no database to look at."""
    moved: list[Rederived] = []
    with suppress(DatabaseError), zones.reading(new):
        moved = [one for one in rehearse(open_store(config().database)) if one.moved]
    return [one for one in moved if zone is None or one.event.due.zone == zone]


def _apply(options: Namespace) -> int:
    """Move the events of zones that changed; with --watch, whenever they change."""
    _apply_once(options)
    while options.watch:
        time.sleep(WATCH_SECONDS)
        if zones.refresh():
            _apply_once(options)
    return 0


def _apply_once(options: Namespace) -> None:
    using = config().database
    store = open_store(using)
    found = rehearse(store) if options.dry_run else rederive_all(store, clock.now(using))
    count, moved = 0, []
    for one in found:
        count += 1
        if one.moved:
            moved.append(one)
    release = zones.current().release
    if options.json:
        events = [_moved_data(one) for one in moved]
        data = {"release": release, "dry_run": options.dry_run, "derived": count, "moved": events}
        print(json.dumps(data), flush=True)
        return
    would = "would be " if options.dry_run else ""
    print(visible(f"tzdata {release}: {count} events {would}derived anew"))
    _print_moved(moved, "would move" if options.dry_run else "moved")


def _print_moved(moved: list[Rederived], verb: str) -> None:
    if not moved:
        print(f"No event {verb}.")
        return
    print(f"{len(moved)} events {verb}:")
    rows = [
        (
            f"{one.event.event_type} {one.event.id}",
            f"{one.event.due.wall_time:%Y-%m-%d %H:%M}",
            one.event.due.zone,
            f"{one.event.due.at:%Y-%m-%d %H:%M}Z",
            _becomes(one),
        )
        for one in moved[:MOST_SHOWN]
    ]
    print(table(("event", "civil time", "zone", "was", "is"), rows))
    if len(moved) > MOST_SHOWN:
        print(f"... and {len(moved) - MOST_SHOWN} more; --json lists all.")


def _becomes(one: Rederived) -> str:
    due = one.advance.next_due
    if due is None:
        return one.advance.problem or "finished"
    return f"{due.at:%Y-%m-%d %H:%M}Z"


def _zones_table(found: Iterable[ZoneDifference]) -> str:
    rows = [
        (
            one.zone,
            f"{one.since:%Y-%m-%d %H:%M}Z" if one.since else one.kind,
            "" if one.offset_before is None else offset_text(one.offset_before),
            "" if one.offset_after is None else offset_text(one.offset_after),
        )
        for one in found
    ]
    return table(("zone", "differs from", "offset was", "is"), rows)


def _said(copy: ZoneDatabase) -> str:
    return f"{copy.source}, tzdata {copy.release}, {len(copy.names)} zones"


def _about(copy: ZoneDatabase) -> dict[str, Any]:
    return {"source": copy.source, "release": copy.release, "zones": len(copy.names)}


def _copies() -> list[ZoneDatabase]:
    found = []
    for source in (WHEEL, SYSTEM):
        with suppress(DulyError, ModuleNotFoundError):
            found.append(ZoneDatabase(source))
    return found


def _moved_data(one: Rederived) -> dict[str, Any]:
    due = one.advance.next_due
    return {
        "event_id": str(one.event.id),
        "event_type": one.event.event_type,
        "zone": one.event.due.zone,
        "wall_time": one.event.due.wall_time.isoformat(),
        "before": one.event.due.at.isoformat(),
        "next_at": due.at.isoformat() if due else None,
        "problem": one.advance.problem or None,
    }
