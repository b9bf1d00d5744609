"""`duly ledger`: the life of an event, and whether the tables are what the ledger says."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

from duly.cli.tables import visible
from duly.conf import config
from duly.store import events, ledger
from duly.store.verify import Verified, verify

MOST_SHOWN = 50


def perform(options: Namespace) -> int:
    """Do what is asked: show or verify."""
    return {"show": _show, "verify": _verify}[options.what](options)


def _show(options: Namespace) -> int:
    using = config().database
    event = events.find(using, options.event, options.service)
    lines = ledger.told(using, event.id, options.count)
    if options.json:
        print(json.dumps({"event_id": str(event.id), "status": event.status, "ledger": lines}))
        return 0
    print(visible(f"{event.event_type} {event.id} is {event.status}"))
    for line in lines:
        print(visible(line))
    return 0


def _verify(options: Namespace) -> int:
    """Compare; 1 where something disagrees."""
    count = Verified()
    found = [str(one) for one in verify(config().database, count)]
    if options.json:
        print(json.dumps(asdict(count) | {"disagreements": found}))
        return 1 if found else 0
    for line in found[:MOST_SHOWN]:
        print(visible(line))
    if len(found) > MOST_SHOWN:
        print(f"... and {len(found) - MOST_SHOWN} more; --json lists all.")
    verdict = f"{len(found)} disagree" if found else "all agree"
    print(
        f"{count.events} events, {count.occurrences} occurrences and {count.entries} ledger "
        f"entries: {verdict}"
    )
    return 1 if found else 0
