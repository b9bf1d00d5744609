"""`duly ledger`: the life of an event, and whether the tables are what the ledger says."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

from duly import clock
from duly.cli.tables import visible
from duly.conf import config
from duly.store import events, ledger
from duly.store.seals import seal, verify_seals
from duly.store.verify import Verified, verify

MOST_SHOWN = 50


def perform(options: Namespace) -> int:
    """Do what is asked: show, verify or seal."""
    return {"show": _show, "verify": _verify, "seal": _seal}[options.what](options)


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


def _seal(options: Namespace) -> int:
    """Seal what is written and not sealed yet; engines do it every minute."""
    using = config().database
    made = list(iter(lambda: seal(using, clock.now(using)), None))
    rows = sum(one.rows for one in made)
    if options.json:
        print(json.dumps({"seals": len(made), "rows": rows}))
        return 0
    print(f"{rows} ledger entries sealed in {len(made)} ranges")
    if made:
        print(f"the last digest, to be kept elsewhere: {made[-1].digest}")
    return 0


def _verify(options: Namespace) -> int:
    """Compare; 1 where something disagrees."""
    count = Verified()
    using = config().database
    found = [*(str(one) for one in verify(using, count)), *verify_seals(using)]
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
