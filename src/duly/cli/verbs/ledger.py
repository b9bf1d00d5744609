"""`duly ledger`: the life of an event, who called, and whether all of it holds."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

from duly import clock
from duly.cli.tables import table, visible
from duly.conf import config
from duly.models import LedgerEntry
from duly.store import calls, events, ledger
from duly.store.seals import seal, verify_seals
from duly.store.verify import Verified, verify

MOST_SHOWN = 50
CALL_HEADS = ("until (UTC)", "actor", "operation", "status", "calls")


def perform(options: Namespace) -> int:
    """Do what is asked: show, verify, seal or tell of calls."""
    verbs = {"show": _show, "verify": _verify, "seal": _seal, "calls": _calls}
    return verbs[options.what](options)


def _calls(options: Namespace) -> int:
    """Tell of the last calls, oldest first."""
    rows = list(calls.told(config().database, options.actor)[: options.count])[::-1]
    if options.json:
        found = [{"at": row.at.isoformat(), "actor": row.actor} | (row.data or {}) for row in rows]
        print(json.dumps(found))
        return 0
    if not rows:
        print("Nobody has called, or it has been pruned.")
        return 0
    print(table(CALL_HEADS, [_call_cells(row) for row in rows]))
    return 0


def _call_cells(row: LedgerEntry) -> tuple[str, ...]:
    data = row.data or {}
    told = (data.get("operation"), data.get("status"), data.get("count"))
    return f"{row.at:%Y-%m-%d %H:%M:%S}", row.actor, *(str(one) for one in told)


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
