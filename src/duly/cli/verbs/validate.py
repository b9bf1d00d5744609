"""`duly validate`: what differs between two time zones, and what is wrong with them."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime

from duly.civil.contexts import Validation, validate
from duly.cli.moments import read_instant
from duly.cli.tables import visible


def perform(options: Namespace) -> int:
    """Print it; 1 where the zones, or the civil time, cannot be used as they are."""
    found = validate(
        options.resource_tz,
        options.user_tz,
        at=read_instant("--at", options.at) if options.at else datetime.now(UTC),
        local=options.local,
        execution_timezone=options.tz,
    )
    if options.json:
        print(json.dumps(found.to_json()))
    else:
        for line in _lines(found):
            print(visible(line))
    return 0 if found.compatible else 1


def _lines(found: Validation) -> list[str]:
    lines = []
    data = found.to_json()
    hours = data["offset_difference_hours"]
    if hours is not None:
        way = "ahead of" if hours >= 0 else "behind"
        lines.append(f"{found.user_timezone} is {abs(hours):g} h {way} {found.resource_timezone}")
    for zone, active in (
        (found.resource_timezone, found.resource_dst_active),
        (found.user_timezone, found.user_dst_active),
    ):
        if active is not None:
            lines.append(f"{zone}: daylight saving time is {'on' if active else 'off'}")
    return [*lines, *(f"warning: {warned.message}" for warned in found.warnings)]
