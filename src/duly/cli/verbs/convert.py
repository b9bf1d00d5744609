"""`duly convert`: one moment in many time zones."""

from __future__ import annotations

import json
from argparse import Namespace

from duly.civil.contexts import convert
from duly.civil.resolve import offset_text
from duly.cli.moments import civil_text, precision_of, utc_text
from duly.cli.tables import table, visible

HEADS = ("zone", "civil time", "offset", "daylight saving")


def perform(options: Namespace) -> int:
    """Print what the clocks of each zone read."""
    found = convert(options.moment, options.zones, from_timezone=options.tz)
    if options.json:
        print(json.dumps(found.to_json()))
        return 0
    precision = precision_of([found.at])
    where = f" in {options.tz}" if options.tz else ""
    print(visible(f"{found.original}{where} is {utc_text(found.at, precision)} UTC"))
    rows = [
        (
            reading.zone,
            civil_text(found.at, reading.local.tzinfo or options.tz, precision),
            offset_text(reading.offset),
            "yes" if reading.dst_active else "no",
        )
        for reading in found.readings
    ]
    print(table(HEADS, rows))
    return 0
