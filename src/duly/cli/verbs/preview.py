"""`duly preview`: when a rule fires next, and where the clocks change."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from duly.civil import preview, zones
from duly.civil.instants import Instant, as_instant
from duly.civil.months import months_of
from duly.civil.preview import Firing
from duly.civil.rules import Rule
from duly.cli.calendars import view
from duly.cli.moments import (
    civil_text,
    offset_text,
    precision_of,
    read_instant,
    span_text,
    utc_text,
)
from duly.cli.rules import read_rule
from duly.cli.tables import table, visible

MONTHS = {"month": 1, "year": 12}
HEADS = ("civil time", "offset", "UTC", "when")


def perform(options: Namespace) -> int:
    """Print the firings as a table; a mark stands on the first one after the clocks changed."""
    # The host's clock will do: nothing is scheduled, and no database need be there.
    now = as_instant(datetime.now(UTC))
    after = read_instant("--after", options.after) if options.after else now
    rule = read_rule(options.rule, options).anchored(after)
    if options.calendar:
        return _calendar(rule, after, options)
    firings = preview.preview(rule, options.count, after=after)
    if options.json:
        print(json.dumps({"rule": rule.to_json(), "firings": [_data(one) for one in firings]}))
        return 0
    release = zones.current().release
    print(visible(f"{rule.describe()}; times in {rule.zone}, tz data {release}"))
    print(_table(firings, rule.zone, now) if firings else "It does not fire any more.")
    return 0


def _calendar(rule: Rule, after: Instant, options: Namespace) -> int:
    found = months_of(rule, after, months=MONTHS[options.calendar])
    if options.json:
        print(json.dumps({"rule": rule.to_json()} | found.to_json()))
        return 0
    release = zones.current().release
    print(visible(f"{rule.describe()}; days in {rule.zone}, tz data {release}"), end="\n\n")
    print(view(found))
    return 0


def _table(firings: tuple[Firing, ...], zone: str, now: Instant) -> str:
    info = zones.get_zone(zone).info
    precision = precision_of(firing.due.at for firing in firings)
    rows = [
        (
            civil_text(firing.due.at, info, precision),
            offset_text(firing.due.at, info),
            utc_text(firing.due.at, precision),
            span_text(firing.due.at - now),
        )
        for firing in firings
    ]
    return table(HEADS, rows, [_note(firing) for firing in firings])


def _note(firing: Firing) -> str:
    return f"<- {firing.clock_change}" if firing.clock_change else ""


def _data(firing: Firing) -> dict[str, Any]:
    return {
        "at": firing.due.at.isoformat(),
        "local": firing.local.isoformat(),
        "wall_time": firing.due.wall_time.isoformat(),
        "zone": firing.due.zone,
        "resolution": firing.due.resolution,
        "policy": firing.due.policy,
        "clock_change": firing.clock_change,
    }
